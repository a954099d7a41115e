"""Label files of other tools, keyed by the picture's relative path."""

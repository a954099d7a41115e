"""Tables of pictures."""

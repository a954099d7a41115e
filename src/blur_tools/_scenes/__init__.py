"""What the sample scenes are painted with; nothing outside `blur_tools.samples` uses it."""

"""Hiding regions of a picture and writing a file that holds nothing of what was hidden.

`blur_tools.redaction.pixels.redact_picture` is the door. It renders with Pillow, in the picture's own mode, region
by region; a JPEG in which nothing is hidden keeps every bit of its compressed pixels (`metadata.clean_jpeg`).
"""

"""Hiding regions of a picture and writing a file that holds nothing of what was hidden.

`blur_tools.redaction.pixels.redact_picture` is the door. It renders with Pillow, in the picture's own mode, region
by region. Of a JPEG only the blocks that a mask touches are then written anew (`jpeg`): what lies outside them keeps
every bit. Progressive and arithmetic files go through a system's libturbojpeg where there is one (`_turbojpeg`), and
everything else is coded anew with Pillow, which the result says.
"""

"""Pixels as they go to a browser: a part of a picture, scaled down, as a JPEG of bounded size."""

from __future__ import annotations

import io

from PIL import Image

from blur_tools.detections import Box
from blur_tools.picture import load_thumbnail
from blur_tools.redaction.live import Pixels

__all__ = ["LIMIT", "SIDE", "STILL_LIMIT", "STILL_SIDE", "jpeg", "part", "small_jpeg"]

SIDE = 1024
"""Longest side of what is sent, in pixels."""

LIMIT = 120_000
"""Most bytes of one picture that is sent, so that all that a preview sends stays below 400 kB."""

STILL_SIDE, STILL_LIMIT = 720, 45_000
"""The same for the redacted picture that stays in a notebook; it is sent twice."""

QUALITIES = (86, 78, 68, 55, 40)


def part(pixels: Pixels, box: Box, side: int = SIDE) -> Image.Image:
    """A part of upright pixels, no larger than `side`; never enlarged.

    Parameters
    ----------
    pixels : array of uint8, (height, width, 3)
    box : (xmin, ymin, xmax, ymax)
        In pixels; clipped to the picture.
    side : int
        Longest side of the result, in pixels.
    """
    height, width = pixels.shape[:2]
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(width, max(left + 1, round(box[2]))), min(height, max(top + 1, round(box[3])))
    image = Image.fromarray(pixels[top:bottom, left:right])
    factor = max(1, max(image.size) // side)
    if factor > 1:
        image = image.reduce(factor)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    return image


def jpeg(image: Image.Image, limit: int = LIMIT) -> bytes:
    """An RGB image as a JPEG of at most `limit` bytes: coarser, and then smaller, until it fits."""
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= limit or max(image.size) <= 64:
                return buffer.getvalue()
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.BOX)


def small_jpeg(data: bytes, side: int, limit: int = LIMIT) -> bytes:
    """A picture's file, small, as a JPEG without any metadata.

    Raises
    ------
    PictureError
        It cannot be read.
    """
    return jpeg(load_thumbnail(data, side).image, limit)

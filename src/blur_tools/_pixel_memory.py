"""Where decoded pixels lie: in memory that is quick to get."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFile, _imaging

__all__ = ["use_quick_memory"]

LARGE = 1 << 20
"""Bytes from which it is worth it."""

_PIXEL_BYTES = {"L": 1, "RGB": 4, "RGBA": 4, "CMYK": 4}


def use_quick_memory(image: Image.Image) -> None:
    """Give an opened, not yet decoded JPEG or PNG the memory for its pixels.

    Pillow's own is cleared before it is written, and comes in pages of 4 kB, which the system finds one by one: at 12
    megapixels that takes up to two thirds of the time that decoding a JPEG takes. NumPy asks for large pages, where
    there are any (Linux).
    """
    size = image.width * image.height * _PIXEL_BYTES.get(image.mode, 0)
    if image.format not in ("JPEG", "PNG") or size < LARGE:
        return
    # Pillow's decoder of JPEG writes every row, or fails; what any other leaves out must not show what was there before
    is_written = image.format == "JPEG" and not ImageFile.LOAD_TRUNCATED_IMAGES
    memory = np.empty(size, np.uint8) if is_written else np.zeros(size, np.uint8)
    image.im = _imaging.map_buffer(memory, image.size, "raw", 0, (image.mode, size // image.height, 1))

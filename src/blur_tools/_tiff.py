"""TIFF files of 8 bits: what Pillow would change or lose without a word."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Mapping
from functools import cache
from typing import Any

from PIL import TiffImagePlugin, _imaging

__all__ = ["numbers_of", "quiet_libtiff", "refusal_of_tiff", "tiff_losses_of"]

WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, EXTRA, FORMAT = 256, 257, 259, 262, 277, 284, 338, 339
ROWS_PER_STRIP, STRIPS, TILE_WIDTH, TILE_HEIGHT, TILES = 278, 273, 322, 323, 324

_YCBCR, _ASSOCIATED, _SEPARATE = 6, 1, 2
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""Channels of a photometric interpretation, without extra ones."""

_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_JPEG = (6, 7)
"""Compressions whose decoder gives red, green and blue, as that of a JPEG file does."""

_NUMBERS = {2: "signed numbers", 3: "floating-point numbers"}
_PLAIN_NUMBERS = (1, 4)  # unsigned; not said


@cache
def quiet_libtiff() -> None:
    """Keep libtiff, by which Pillow decodes, from writing of damaged files to the process's stderr, once for all.

    What it finds wrong Pillow raises, without which nobody would know of which picture. Its warnings Pillow turns off
    in the same way.
    """
    try:
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):  # built without libtiff, or with it inside
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)


def numbers_of(tags: Mapping[int, Any]) -> str:
    """What kind of numbers the samples are, if no plain ones, else ""."""
    formats = [kind for kind in tags.get(FORMAT, (1,)) if kind not in _PLAIN_NUMBERS]
    return _NUMBERS.get(formats[0], "numbers of an unknown kind") if formats else ""


def refusal_of_tiff(image: TiffImagePlugin.TiffImageFile) -> str:
    """Why a file is not to be read, "" if it can be: samples that mean other numbers, or some that are not there."""
    tags = image.tag_v2
    if numbers := numbers_of(tags):
        return f"its samples are {numbers}; convert it to unsigned ones of 8 or 16 bits first"
    width, height = int(tags.get(WIDTH, 0)), int(tags.get(HEIGHT, 0))
    planes = int(tags.get(SAMPLES, 1)) if tags.get(PLANES, 1) == _SEPARATE else 1
    rows = int(tags.get(ROWS_PER_STRIP, 0)) or height
    across, down = int(tags.get(TILE_WIDTH, 0)) or width, int(tags.get(TILE_HEIGHT, 0)) or height
    parts = [("strips", STRIPS, -(-height // rows)), ("tiles", TILES, -(-width // across) * -(-height // down))]
    for name, tag, wanted in parts:
        # Pillow leaves black what is not there
        if tag in tags and (there := len(tags[tag])) < wanted * planes:
            return f"a broken TIFF file: it has {there:,} of its {wanted * planes:,} {name}"
    return ""


def tiff_losses_of(data: bytes) -> tuple[str, ...]:
    """What of a file is not exactly as it was once it is decoded and written again; nothing of any other format."""
    if data[:4] not in _BEGINNINGS:
        return ()
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
        tags, mode = image.tag_v2, image.mode
        meaning, further = tags.get(PHOTOMETRIC, 0), int(tags.get(SAMPLES, 1))
        lost = further - _COLOURS.get(meaning, 1) - (mode in ("LA", "PA", "RGBA"))
        said = []
        if lost > 0:
            said.append(f"{lost} channel{'s' * (lost > 1)} beside its colours {'are' if lost > 1 else 'is'} not copied")
        if meaning == _YCBCR and tags.get(COMPRESSION, 1) not in _JPEG:
            said.append("its colours were turned from YCbCr into RGB, which rounds them")
        if _ASSOCIATED in tuple(tags.get(EXTRA, ())):
            said.append("its colours were multiplied with the transparency, and were divided by it, which rounds them")
        return tuple(said)

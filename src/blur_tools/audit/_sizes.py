"""A picture's size, and how it is turned, from its header; no pixel is decoded."""

from __future__ import annotations

import io
import os
import stat
from typing import Any, BinaryIO, cast

from PIL import TiffImagePlugin

from blur_tools.batch.outputs import local_path
from blur_tools.errors import ExtraMissingError, PictureError
from blur_tools.picture import DECODER_ERRORS, header_orientation, sniff
from blur_tools.sources import load_source, shown_place

__all__ = ["stored_frame", "stored_size"]

WIDTH_TAG, HEIGHT_TAG = 256, 257  # of TIFF
LONGEST_MARK = 256


def stored_size(source: Any) -> tuple[int, int]:
    """Stored ``(width, height)`` in pixels; a URL is fetched.

    Raises
    ------
    PictureError
        It cannot be read.
    """
    return stored_frame(source)[0]


def stored_frame(source: Any) -> tuple[tuple[int, int], int]:
    """`stored_size`, and the orientation tag, 1 to 8.

    Raises
    ------
    PictureError
        It cannot be read.
    """
    path = local_path(source)
    if path is None:
        loaded = load_source(source)
        return _frame(io.BytesIO(loaded.data), loaded.origin)
    shown = shown_place(str(path))
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PictureError(shown, "is no file")
            return _frame(file, shown)
    except OSError as error:
        raise PictureError(shown, f"cannot be read: {error.strerror or error}") from error


def _frame(file: BinaryIO, shown: str) -> tuple[tuple[int, int], int]:
    kind = sniff(file.read(LONGEST_MARK))
    if kind is None:
        raise PictureError(shown, "is no picture of a format that is read")
    file.seek(0)
    try:
        image = kind.open(cast("io.BytesIO", file))
        (width, height), orientation = image.size, header_orientation(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow says the size of the turned picture
            width, height = image.tag_v2[WIDTH_TAG], image.tag_v2[HEIGHT_TAG]
    except ExtraMissingError as error:
        raise PictureError(shown, str(error)) from error
    except DECODER_ERRORS as error:
        raise PictureError(shown, f"a broken {kind.name} file") from error
    if width < 1 or height < 1:
        raise PictureError(shown, "has no pixels")
    return (int(width), int(height)), orientation

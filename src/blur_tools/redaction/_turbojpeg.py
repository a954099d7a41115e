"""Coefficients exchanged through a system's libturbojpeg, for JPEGs that the splice cannot do.

Progressive and arithmetic pictures are read and written coefficient by coefficient; all that no mask touches stay what
they are, but the whole file is coded anew. The library is looked for at the first use; that there is none is normal.

What libjpeg finds wrong comes back as an error: the library's own handler returns to its caller, it never ends the
process. ctypes gives up the GIL during the call and takes it again for each callback.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.redaction._jpeg_blocks import (
    ZIGZAG,
    Patch,
    patch_of,
    patches,
    replace_units,
    touched_units,
)
from blur_tools.redaction._jpeg_markers import PROGRESSIVE_ARITHMETIC, PROGRESSIVE_HUFFMAN, Frame, JpegError, read_frame
from blur_tools.redaction.masks import Region

__all__ = ["transcoded"]

NAMES = ("libturbojpeg.so.0", "libturbojpeg.dylib", "turbojpeg.dll")

# TJXOPT_PROGRESSIVE, TJXOPT_NOOUTPUT, TJFLAG_STOPONWARNING of turbojpeg.h
OPTION_NOOUTPUT, OPTION_PROGRESSIVE, FLAG_STOPONWARNING = 16, 32, 8192


class _Region(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int))


_FILTER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Region, _Region, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


class _Transform(ctypes.Structure):
    _fields_ = (
        ("r", _Region),
        ("op", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("customFilter", _FILTER),
    )


@lru_cache(maxsize=1)
def _library() -> Any:
    """The library with its functions declared, or None."""
    for known in (*NAMES, None):
        # asked last, since it starts other programs
        name = known or find_library("turbojpeg")
        if name is None:
            continue
        try:
            library = ctypes.CDLL(name)
            library.tjInitTransform.restype = ctypes.c_void_p
            library.tjDestroy.argtypes = [ctypes.c_void_p]
            library.tjFree.argtypes = [ctypes.c_void_p]
            library.tjTransform.argtypes = [
                ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p),
                ctypes.POINTER(ctypes.c_ulong), ctypes.POINTER(_Transform), ctypes.c_int,
            ]  # fmt: skip
        except (OSError, AttributeError):
            continue
        return library
    return None


def transcoded(data: bytes, image: Image.Image, regions: Sequence[Region]) -> bytes:
    """A JPEG file with the coefficients of the rendered pixels in the regions, and all others as they are.

    Parameters
    ----------
    data : bytes
        The file.
    image : PIL.Image.Image
        Its pixels as Pillow decodes them, rendered in the regions.
    regions : sequence of Region
        What is hidden.

    Raises
    ------
    JpegError
        It cannot be done; the text says why.
    """
    library = _library()
    if library is None:
        raise JpegError("libturbojpeg is not installed")
    frame = read_frame(data)
    if frame.size != image.size or frame.precision != 8:
        raise JpegError("its header is read in two ways")
    return _transform(library, data, _Exchange(frame, image, patches(regions, frame)))


def _transform(library: Any, data: bytes, exchange: _Exchange) -> bytes:
    """One reading, and two passes over the coefficients: one only looks at them, the other replaces and writes."""
    steps = (_Transform * 2)()
    filters = [_FILTER(exchange.guarded(step)) for step in (exchange.take, exchange.give)]
    steps[0].options, steps[0].customFilter = OPTION_NOOUTPUT, filters[0]
    progressive = exchange.frame.process in (PROGRESSIVE_HUFFMAN, PROGRESSIVE_ARITHMETIC)
    steps[1].options, steps[1].customFilter = OPTION_PROGRESSIVE if progressive else 0, filters[1]
    results, sizes = (ctypes.c_void_p * 2)(), (ctypes.c_ulong * 2)()
    handle = library.tjInitTransform()
    if not handle:
        raise JpegError("libturbojpeg has no memory")
    try:
        failed = library.tjTransform(handle, data, len(data), 2, results, sizes, steps, FLAG_STOPONWARNING)
        if exchange.error is not None:
            raise exchange.error
        if failed or not results[1]:
            raise JpegError("libturbojpeg cannot read or write it")
        return ctypes.string_at(results[1], sizes[1])
    finally:
        for result in results:
            if result:
                library.tjFree(result)
        library.tjDestroy(handle)


class _Units:
    """The touched data units of a component."""

    def __init__(self, frame: Frame, index: int, found: Sequence[Patch]) -> None:
        rows, columns = frame.units(index)
        self.frame = frame
        self.touched = touched_units(found, frame, index)[:rows, :columns]
        self.grid = np.where(self.touched, np.cumsum(self.touched).reshape(self.touched.shape) - 1, -1)
        self.original, self.replaced = np.zeros((2, int(self.touched.sum()), 64), np.int16)

    def slots(self, index: int, patch: Patch) -> npt.NDArray[np.intp]:
        """For a patch's data units: their rows in `original`, negative if they have none."""
        return patch_of(self.grid, patch, self.frame, index)


class _Exchange:
    """What the callbacks take from libjpeg's rows of data units, and what they put there."""

    def __init__(self, frame: Frame, image: Image.Image, found: Sequence[Patch]) -> None:
        self.frame, self.image, self.found = frame, image, found
        self.error: BaseException | None = None
        self.units = [_Units(frame, index, found) for index in range(len(frame.components))]
        self.rendered = False

    def guarded(self, step: Callable[[npt.NDArray[np.int16], int, int], None]) -> Callable[..., int]:
        """A callback that lets no exception into C, and trusts no size before it is compared with our own reading."""

        def callback(address: int, area: _Region, _plane: _Region, index: int, _step: int, _transform: int) -> int:
            try:
                touched = self.units[index].touched
                rows, columns = touched.shape
                row = area.y // 8
                if area.w != 8 * columns or area.h != 8 or area.x:
                    raise JpegError("its header is read in two ways")
                if row < rows and touched[row].any():
                    units = np.ctypeslib.as_array((ctypes.c_short * (64 * columns)).from_address(address))
                    step(units.reshape(columns, 64), index, row)
            except BaseException as error:
                self.error = error
                return -1
            return 0

        return callback

    def take(self, units: npt.NDArray[np.int16], index: int, row: int) -> None:
        """Keep the touched data units of a row."""
        own = self.units[index]
        columns = np.flatnonzero(own.touched[row])
        own.original[own.grid[row, columns]] = units[columns][:, ZIGZAG]

    def give(self, units: npt.NDArray[np.int16], index: int, row: int) -> None:
        """Write the new ones over them."""
        if not self.rendered:
            for other in self.units:
                other.replaced[:] = other.original
            replace_units(self.image, self.found, self.frame, self.units)
            self.rendered = True
        own = self.units[index]
        columns = np.flatnonzero(own.touched[row])
        units[columns[:, None], ZIGZAG] = own.replaced[own.grid[row, columns]]

"""Pictures of 16 bits a channel: regions laid over them, and the files that Pillow, which has no such colours, lacks.

Pillow writes a file with everything that belongs beside the pixels; then its pixels are exchanged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from blur_tools._deep import MODES, Deep
from blur_tools.redaction.masks import Region

__all__ = ["deep_png", "deep_tiff", "lay_over"]

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's colour types by their channels."""

UP = 2
"""PNG's filter that writes each byte as its difference to the one above."""

WIDTH, BITS = 256, 258
_TYPE_SIZES = {3: ("H", 2), 4: ("I", 4)}

Save = Callable[[Image.Image], bytes]


def lay_over(pixels: Deep, patch: Image.Image, region: Region) -> None:
    """Paste a region that was rendered in 8 bits into pixels of 16, in place; its mask says how much."""
    left, top, right, bottom = region.box
    part = pixels[top:bottom, left:right]
    new, weight = (np.asarray(image).astype(np.uint32) for image in (patch, region.mask))
    if part.ndim == 3:
        weight = weight[..., None]
    part[...] = (part * (255 - weight) + new * 257 * weight + 127) // 255


def deep_png(pixels: Deep, level: int, save: Save) -> bytes:
    """A PNG of 16 bits a channel.

    Parameters
    ----------
    pixels : array
        Of uint16.
    level : int
        Of compression, as zlib counts.
    save : callable
        Writes an image as a PNG with all that belongs beside the pixels.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = save(Image.new(MODES[channels], (1, 1)))
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    parts, position, done = [data[:8]], 8, False
    while position + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if name == b"IHDR":
            parts.append(_chunk(b"IHDR", header))
        elif name != b"IDAT":
            parts.append(data[position : position + 12 + size])
        elif not done:
            parts.append(_chunk(b"IDAT", zlib.compress(_filtered(pixels), level)))
            done = True
        position += 12 + size
    return b"".join(parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _filtered(pixels: Deep) -> bytes:
    rows = pixels.astype(">u2").reshape(pixels.shape[0], -1).view(np.uint8)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0], filtered[0, 1:] = UP, rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered.tobytes()


def deep_tiff(pixels: Deep, save: Save) -> bytes:
    """A TIFF of 16 bits a channel: one of 8 bits and twice as wide, whose header then says what its bytes are.

    Parameters
    ----------
    pixels : array
        Of uint16, with 1, 3 or 4 channels.
    save : callable
        Writes an image as a TIFF with all that belongs beside the pixels, without a predictor.

    Raises
    ------
    ValueError
        What was written is not as expected.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = bytearray(save(Image.frombytes(MODES[channels], (2 * width, height), pixels.astype("<u2").tobytes())))
    if data[:4] != b"II*\0":
        raise ValueError("a TIFF in another order of bytes than its pixels")
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    changed = set()
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from("<HHII", data, entry)
        if tag in (WIDTH, BITS):
            code, size = _TYPE_SIZES[kind]
            where = entry + 8 if number * size <= 4 else value
            struct.pack_into(f"<{number}{code}", data, where, *([width] if tag == WIDTH else [16] * number))
            changed.add((tag, number))
    if changed != {(WIDTH, 1), (BITS, channels)}:
        raise ValueError("a TIFF with other tags than expected")
    return bytes(data)

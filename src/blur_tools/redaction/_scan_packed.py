"""Where packed pixels end: LZW of GIF and TIFF, PackBits, Deflate, LZMA, run lengths of BMP.

Codes are counted, not unpacked: what is asked is only how many pixels they are, and how many bytes they take.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["bmp_runs_end", "deflate_end", "lzma_end", "lzw_end", "packbits_end", "too_many_codes", "worth_compiling"]

LONGEST_TABLE, LONGEST_CODE = 4096, 12
_STEP = 1 << 20

WORTH_COMPILING, MOST_PLAIN, MOST_COMPILED = 1 << 19, 1 << 21, 1 << 27
"""Bytes of LZW codes: from which the loop is compiled, and at most without and with that."""

Ends = tuple[int, bool]
"""How many bytes the pixels take, and whether no more pixels than wanted are in them."""


def lzw_end(content: bytes, bits: int, wanted: int, *, tiff: bool, compiled: bool) -> Ends | None:
    """Follow LZW codes to their end code (GIF89a, appendix F; TIFF 6.0, section 13).

    Parameters
    ----------
    content : bytes
        What is packed.
    bits : int
        Of the smallest code.
    wanted : int
        Bytes that are to come out.
    tiff : bool
        The codes' highest bit comes first, and they grow one code earlier.
    compiled : bool
        Whether it is worth some hundred milliseconds to load the compiled loop.

    Returns
    -------
    (int, bool) or None
        None where the codes are broken.
    """
    follow = _follow_compiled() if compiled else _follow
    # a list is quicker for Python, an array for what is compiled
    lengths: Any = [0] * LONGEST_TABLE if follow is _follow else np.zeros(LONGEST_TABLE, np.int64)
    position, total = follow(content, bits, wanted, tiff, lengths)
    return None if total < 0 else (position, total <= wanted)


def worth_compiling(size: int) -> bool:
    """Whether so many bytes of LZW codes are."""
    return size > WORTH_COMPILING


def too_many_codes(size: int) -> bool:
    """Whether so many bytes of LZW codes would take more than about a second."""
    return size > MOST_PLAIN and (_follow_compiled() is _follow or size > MOST_COMPILED)


@lru_cache(maxsize=1)
def _follow_compiled() -> Callable[..., tuple[int, int]]:
    try:
        from blur_tools.redaction._compiling import kernel

        return kernel(_follow)
    except Exception:  # without numba, or with one that does not work
        return _follow


def _follow(content: bytes, bits: int, wanted: int, tiff: bool, lengths: Any) -> tuple[int, int]:
    """Where the codes end, and how many bytes they stand for, -1 where they are broken; `lengths` is room for work."""
    clear = 1 << bits
    for code in range(clear):
        lengths[code] = 1
    known, size, previous, total, held, position, buffer = clear + 2, bits + 1, 0, 0, 0, 0, 0
    while total <= wanted + LONGEST_TABLE:
        while held < size:
            if position >= len(content):
                return position, total
            byte = int(content[position])
            buffer = buffer << 8 | byte if tiff else buffer | byte << held
            position, held = position + 1, held + 8
        held -= size
        if tiff:
            code, buffer = buffer >> held, buffer & ((1 << held) - 1)
        else:
            code, buffer = buffer & ((1 << size) - 1), buffer >> size
        if code == clear:
            known, size, previous = clear + 2, bits + 1, 0
            continue
        if code == clear + 1:
            return position, total
        if code < known:
            length = int(lengths[code])
        elif code == known and previous:
            length = previous + 1
        else:
            return position, -1
        total += length
        if previous and known < LONGEST_TABLE:
            lengths[known] = previous + 1
            known += 1
        previous = length
        if size < LONGEST_CODE and known + int(tiff) >= 1 << size:
            size += 1
    return position, total


def packbits_end(content: bytes, wanted: int) -> Ends:
    """Follow runs (TIFF 6.0, section 9) until all wanted bytes are there."""
    position = total = 0
    while position < len(content) and total < wanted:
        head = content[position]
        position += 1 if head == 128 else 2 if head > 128 else 2 + head
        total += 0 if head == 128 else 257 - head if head > 128 else 1 + head
    return min(position, len(content)), total <= wanted


def deflate_end(content: bytes, wanted: int) -> Ends | None:
    """Unpack zlib data."""
    return _unpacked(zlib.decompressobj(), content, wanted)


def lzma_end(content: bytes, wanted: int) -> Ends | None:
    """Unpack xz data."""
    return _unpacked(lzma.LZMADecompressor(memlimit=1 << 28), content, wanted)


def _unpacked(unpacker: Any, content: bytes, wanted: int) -> Ends | None:
    part, total = content, 0
    try:
        while total <= wanted and not unpacker.eof:
            plain = unpacker.decompress(part, _STEP)
            part = getattr(unpacker, "unconsumed_tail", b"")
            total += len(plain)
            if not plain and not part:
                break
    except (zlib.error, lzma.LZMAError):
        return None
    return len(content) - len(unpacker.unused_data), total <= wanted


def bmp_runs_end(content: bytes, start: int, stop: int, four_bits: bool) -> int:
    """Where the run lengths of a BMP end: behind the code for the end of the picture, or at `stop`."""
    position = start
    while position + 2 <= stop:
        count, value = content[position], content[position + 1]
        position += 2
        if count:
            continue
        if value == 1:
            return position
        if value == 2:
            position += 2
        elif value > 2:  # so many pixels one by one, filled up to whole words
            size = (value + 1) // 2 if four_bits else value
            position += size + size % 2
    return stop

"""Where packed pixels end: LZW of GIF and TIFF, PackBits, Deflate, LZMA, run lengths of BMP.

Codes are counted, not unpacked: what is asked is only how many pixels they are, and how many bytes they take.
"""

from __future__ import annotations

import lzma
import zlib
from typing import Any

__all__ = ["bmp_runs_end", "deflate_end", "lzma_end", "lzw_end", "packbits_end"]

LONGEST_TABLE, LONGEST_CODE = 4096, 12
_STEP = 1 << 20

Ends = tuple[int, bool]
"""How many bytes the pixels take, and whether no more pixels than wanted are in them."""


def lzw_end(content: bytes, bits: int, wanted: int, *, tiff: bool) -> Ends | None:
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

    Returns
    -------
    (int, bool) or None
        None where the codes are broken.
    """
    clear = 1 << bits
    lengths = [1] * clear + [0, 0]
    size, previous, total, held, position = bits + 1, 0, 0, 0, 0
    buffer = 0
    while True:
        while held < size:
            if position >= len(content):
                return position, total <= wanted
            byte = content[position]
            buffer = buffer << 8 | byte if tiff else buffer | byte << held
            position, held = position + 1, held + 8
        held -= size
        if tiff:
            code, buffer = buffer >> held, buffer & ((1 << held) - 1)
        else:
            code, buffer = buffer & ((1 << size) - 1), buffer >> size
        if code == clear:
            lengths, size, previous = [1] * clear + [0, 0], bits + 1, 0
            continue
        if code == clear + 1:
            return position, total <= wanted
        if code < len(lengths):
            length = lengths[code]
        elif code == len(lengths) and previous:
            length = previous + 1
        else:
            return None
        total += length
        if previous and len(lengths) < LONGEST_TABLE:
            lengths.append(previous + 1)
        previous = length
        if len(lengths) + tiff >= 1 << size and size < LONGEST_CODE:
            size += 1
        if total > wanted + LONGEST_TABLE:
            return position, False


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

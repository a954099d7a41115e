"""Huffman tables: codes, tables to look them up in, and tables with more codes (ITU-T T.81, annexes C and B.2.4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from blur_tools.redaction._jpeg_markers import DHT, HuffmanTable, JpegError

__all__ = ["NoRoom", "codes_of", "extended", "lookup_of", "segment_of"]

LONGEST = 16
"""Bits of the longest code."""


class NoRoom(JpegError):
    """A Huffman table lacks a code and has no room for it."""

    def __init__(self) -> None:
        super().__init__("its Huffman tables lack a code")


def code_words(table: HuffmanTable) -> Iterator[tuple[int, int, int]]:
    """Each symbol with its code and its length (C.2)."""
    code, index = 0, 0
    for length, count in enumerate(table.counts, 1):
        for symbol in table.symbols[index : index + count]:
            if code >= (1 << length):
                raise JpegError("a broken Huffman table")
            yield symbol, code, length
            code += 1
        index += count
        code <<= 1


@lru_cache(maxsize=64)
def lookup_of(table: HuffmanTable) -> npt.NDArray[np.uint16]:
    """By the next 16 bits: the length of the code that they begin with, times 256, plus its symbol; 0 for none."""
    lookup = np.zeros(1 << LONGEST, np.uint16)
    for symbol, code, length in code_words(table):
        lookup[code << (LONGEST - length) : (code + 1) << (LONGEST - length)] = length << 8 | symbol
    return lookup


@lru_cache(maxsize=64)
def codes_of(table: HuffmanTable) -> npt.NDArray[np.int64]:
    """By symbol: the length of its code, times 65536, plus the code; 0 for none."""
    codes = np.zeros(256, np.int64)
    for symbol, code, length in code_words(table):
        codes[symbol] = length << 16 | code
    return codes


def extended(table: HuffmanTable, symbols: bytes) -> HuffmanTable:
    """A table with more symbols, whose codes come behind all others: those stay what they are.

    The longest code of ones alone stays free, as the standard wants it (C.2).
    """
    taken = max(((code + 1) << (LONGEST - length) for _, code, length in code_words(table)), default=0)
    counts = (*table.counts[:-1], table.counts[-1] + len(symbols))
    if taken + len(symbols) >= 1 << LONGEST or len(table.symbols) + len(symbols) > 256 or counts[-1] > 255:
        raise NoRoom
    return HuffmanTable(counts, table.symbols + symbols)


def segment_of(kind: int, selector: int, table: HuffmanTable) -> bytes:
    """A DHT segment (B.2.4.2); kind 0 is DC, 1 AC."""
    body = bytes([kind << 4 | selector, *table.counts]) + table.symbols
    return bytes([0xFF, DHT]) + (len(body) + 2).to_bytes(2, "big") + body

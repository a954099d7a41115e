"""Compiled loops that follow the codes of sequential Huffman scans (ITU-T T.81, annex F).

They read bytes from strangers, so every access is checked against the array's bounds (an IndexError, never a read
outside) and every loop is bounded by the number of data units. They have no slices, which take the compiler long, and
no types of their own: the compiler finds them. Coefficients are in zigzag order throughout.

The first use compiles for some seconds; the result is kept on disk beside this file, or in the user's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["decode_scan", "fill_skips", "kernel", "unstuff"]

Ints = npt.NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

SKIP_BITS = 13
"""Bits that are looked at to skip several coefficients at once."""

MCUS_DIFFER, BAD_CODE, TOO_LONG, TOO_LARGE = -1, -2, -3, -4
"""What is wrong, as the kernels return it."""

# columns of `runs`
SEGMENT, START, STOP, FIRST, LAST, FOLLOWED = range(6)


def kernel(function: F) -> F:
    """Compile, kept on disk where a place for it can be written."""
    try:
        compiled: Any = njit(nogil=True, boundscheck=True, cache=True)(function)
    except RuntimeError:  # numba finds no such place
        compiled = njit(nogil=True, boundscheck=True)(function)
    return cast("F", compiled)


@kernel
def unstuff(raw: Any, size: Any, words: Any, starts: Any) -> Any:
    """Take stuffed bytes, fill bytes and restart markers out of compressed data.

    Parameters
    ----------
    raw : uint64 array
        The compressed data of a scan, eight bytes a word, the first in the highest byte.
    size : int
        Its bytes.
    words : uint32 array
        Receives the rest, four bytes a word; larger than `raw` by at least a byte.
    starts : int64 array
        Receives the byte in `words` at which each restart interval begins.

    Returns
    -------
    (int, int)
        Bytes in `words`; number of intervals, negative if restart markers are out of order.
    """
    place, intervals = 0, 1
    starts[0] = 0
    escaped = False
    pending, count = np.uint64(0), np.uint64(0)  # bytes that are no whole word yet, and how many bits they are
    for index in range(raw.size):
        eight = raw[index]
        left = size - 8 * index
        # a byte of 0xFF is a zero byte of the complement, which this finds
        inverse = ~eight
        clean = (inverse - np.uint64(0x0101010101010101)) & eight & np.uint64(0x8080808080808080) == 0
        if clean and not escaped and left >= 8:
            words[place] = pending << (np.uint64(32) - count) | eight >> (np.uint64(32) + count)
            words[place + 1] = eight >> count & np.uint64(0xFFFFFFFF)
            place += 2
            pending = eight & ((np.uint64(1) << count) - np.uint64(1))
            continue
        for i in range(min(8, left)):
            byte = eight >> np.uint64(56 - 8 * i) & np.uint64(255)
            if escaped:
                if byte == 255:  # fill byte
                    continue
                escaped = False
                if byte != 0:
                    if byte != 0xD0 + ((intervals - 1) & 7) or intervals >= starts.size:
                        return place, -1
                    starts[intervals] = 4 * place + np.int64(count >> np.uint64(3))
                    intervals += 1
                    continue
                byte = np.uint64(255)
            elif byte == 255:
                escaped = True
                continue
            pending = pending << np.uint64(8) | byte
            count += np.uint64(8)
            if count == 32:
                words[place] = pending
                place += 1
                pending, count = np.uint64(0), np.uint64(0)
    words[place] = pending << (np.uint64(32) - count) & np.uint64(0xFFFFFFFF)
    return 4 * place + np.int64(count >> np.uint64(3)), intervals


@kernel
def fill_skips(lookup: Any, skips: Any) -> None:
    """Make a table that skips several AC coefficients at once.

    Parameters
    ----------
    lookup : uint16 array of 65536
        By the next 16 bits, the length of the code that they begin with, times 256, plus its symbol; 0 for none.
    skips : int32 array of ``2 ** SKIP_BITS``
        Receives, by the next bits, how many of them are whole coefficients (bits 0 to 7), how far these advance in
        zigzag order (8 to 15) and whether the block ends with them (16); 0 where not even one is whole.
    """
    for bits in range(1 << SKIP_BITS):
        used, advance, ended = 0, 0, 0
        while used < SKIP_BITS and advance <= 60 and not ended:
            entry = lookup[(bits << (16 - SKIP_BITS + used)) & 0xFFFF]
            length, symbol = entry >> 8, entry & 255
            size = symbol & 15
            if length == 0 or used + length + size > SKIP_BITS:
                break
            used += length + size
            if size == 0 and symbol != 0xF0:
                ended = 1
            else:
                advance += (symbol >> 4) + 1
        skips[bits] = used | advance << 8 | ended << 16


@kernel
def decode_scan(
    words: Any,
    starts: Any,
    stops: Any,
    interval: Any,
    wanted: Any,
    unit_member: Any,
    dc_lookup: Any,
    ac_lookup: Any,
    ac_skips: Any,
    coefficients: Any,
    runs: Any,
    predictors: Any,
    followers: Any,
    follower_bits: Any,
    ends: Any,
) -> Any:
    """Follow the codes of a scan, and keep the coefficients of the wanted MCUs.

    Parameters
    ----------
    words : uint32 array
        The unstuffed bits, the first in the highest bit, with zeros for one MCU behind them.
    starts, stops : int64 arrays
        Bit positions of each restart interval.
    interval : int
        MCUs of an interval, at least 1.
    wanted : bool array
        For each MCU in coding order.
    unit_member : int64 array
        For each data unit of an MCU the position of its component in the scan.
    dc_lookup, ac_lookup, ac_skips : arrays, a row for each component of the scan
        See `fill_skips`.
    coefficients : int16 array (wanted MCUs, data units, 64)
        Zeros; receives them.
    runs : int64 array
        Receives, for each run of wanted MCUs within an interval: the interval, the first bit, the bit behind it, the
        first wanted MCU, the one behind the last, and whether an MCU follows in the interval.
    predictors, followers : int64 arrays (runs, 4)
        Receive the DC of each component before the run, and of its first data unit behind it.
    follower_bits : int64 array (runs, 4, 2)
        Receives where the codes of those DC differences are.
    ends : int64 array
        Receives the bit behind the last MCU of each interval.

    Returns
    -------
    int
        Number of runs; negative if the codes make no sense.
    """
    units = unit_member.size
    dc = np.zeros(4, np.int64)
    run, kept, current = 0, 0, -1
    inside, behind = False, False
    stop = np.int64(0)
    window, available, word = np.uint64(0), 0, 0  # the next bits, from the highest on; how many; where others are
    for mcu in range(wanted.size):
        if mcu % interval == 0:
            if current >= 0:
                ends[current] = word * 32 - available
                if inside:
                    runs[run - 1, STOP] = ends[current]
                    runs[run - 1, LAST] = kept
            inside, behind = False, False
            current += 1
            if current >= starts.size:
                return MCUS_DIFFER
            stop = stops[current]
            word = starts[current] >> 5
            offset = starts[current] & 31
            window = np.uint64(words[word]) << np.uint64(32 + offset)
            available = 32 - offset
            word += 1
            for member in range(4):
                dc[member] = 0
        keep = wanted[mcu]
        if keep and not inside:
            inside, behind = True, False
            runs[run, SEGMENT] = current
            runs[run, START] = word * 32 - available
            runs[run, FIRST] = kept
            runs[run, FOLLOWED] = 0
            for member in range(4):
                predictors[run, member] = dc[member]
            run += 1
        elif inside and not keep:
            inside, behind = False, True
            runs[run - 1, STOP] = word * 32 - available
            runs[run - 1, LAST] = kept
            runs[run - 1, FOLLOWED] = 1
            for member in range(4):
                follower_bits[run - 1, member, 0] = -1
        for unit in range(units):
            member = unit_member[unit]
            if available <= 32:
                window |= np.uint64(words[word]) << np.uint64(32 - available)
                word += 1
                available += 32
            before = word * 32 - available
            entry = dc_lookup[member, np.int64(window >> np.uint64(48))]
            length, size = entry >> 8, entry & 255
            if length == 0 or size > 11:
                return BAD_CODE
            window <<= np.uint64(length)
            available -= length
            if size:
                value = np.int64(window >> np.uint64(64 - size))
                window <<= np.uint64(size)
                available -= size
                if value < 1 << (size - 1):
                    value -= (1 << size) - 1
                dc[member] += value
            if behind and follower_bits[run - 1, member, 0] < 0:
                follower_bits[run - 1, member, 0] = before
                follower_bits[run - 1, member, 1] = word * 32 - available
                followers[run - 1, member] = dc[member]
            position = 1
            if keep:
                if not -32768 <= dc[member] <= 32767:
                    return TOO_LARGE
                coefficients[kept, unit, 0] = dc[member]
                while position < 64:
                    if available <= 32:
                        window |= np.uint64(words[word]) << np.uint64(32 - available)
                        word += 1
                        available += 32
                    entry = ac_lookup[member, np.int64(window >> np.uint64(48))]
                    length, symbol = entry >> 8, entry & 255
                    if length == 0:
                        return BAD_CODE
                    window <<= np.uint64(length)
                    available -= length
                    size = symbol & 15
                    if size == 0 and symbol != 0xF0:
                        break
                    position += symbol >> 4
                    if position > 63:
                        return TOO_LONG
                    if size:
                        value = np.int64(window >> np.uint64(64 - size))
                        window <<= np.uint64(size)
                        available -= size
                        if value < 1 << (size - 1):
                            value -= (1 << size) - 1
                        coefficients[kept, unit, position] = value
                    position += 1
            else:
                while position < 64:
                    if available <= 32:
                        window |= np.uint64(words[word]) << np.uint64(32 - available)
                        word += 1
                        available += 32
                    skip = ac_skips[member, np.int64(window >> np.uint64(64 - SKIP_BITS))]
                    further = position + ((skip >> 8) & 255)
                    if skip and (further < 64 or (further == 64 and skip < 1 << 16)):
                        length = skip & 255
                        window <<= np.uint64(length)
                        available -= length
                        position = further
                        if skip >= 1 << 16:
                            break
                        continue
                    entry = ac_lookup[member, np.int64(window >> np.uint64(48))]
                    length, symbol = entry >> 8, entry & 255
                    if length == 0:
                        return BAD_CODE
                    size = symbol & 15
                    length += size
                    window <<= np.uint64(length)
                    available -= length
                    if size == 0 and symbol != 0xF0:
                        break
                    position += (symbol >> 4) + 1
                if position > 64:
                    return TOO_LONG
        behind = False
        if keep:
            kept += 1
        if word * 32 - available > stop:
            return MCUS_DIFFER
    ends[current] = word * 32 - available
    if inside:
        runs[run - 1, STOP] = ends[current]
        runs[run - 1, LAST] = kept
    return run if current == starts.size - 1 else MCUS_DIFFER

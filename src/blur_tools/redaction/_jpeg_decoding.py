"""Compiled loops that follow the codes of sequential Huffman scans (ITU-T T.81, annex F).

They read bytes from strangers, so every access is checked against the array's bounds (an IndexError, never a read
outside) and every loop is bounded by the number of data units. They have no slices, which take the compiler long, and
no types of their own: the compiler finds them. Coefficients are in zigzag order throughout.

Bits are read 64 at a time from wherever the last code ended. Numbers that count or index bits are unsigned: a negative
index would mean one from the end, which takes another comparison each time.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numba import types

from blur_tools.redaction._compiling import kernel, part

__all__ = [
    "DC_SKIP_BITS",
    "SKIP_BITS",
    "bits_at",
    "decode_scan",
    "fill_dc_skips",
    "fill_skips",
    "is_clean",
    "swapped",
    "unstuff",
]

SKIP_BITS = 13
"""Bits that are looked at to skip several AC coefficients at once: a table of these stays in the processor's cache."""

DC_SKIP_BITS = 10
"""Bits that are looked at to read a DC difference at once."""

LONGEST_SKIP = 20
"""Bits that are skipped at once at most: those behind the last code need not be looked at."""

SKIPS = 3
"""Looks that the 64 bits of one reading last for: one DC difference, all skips but the last, and what that looks at."""

LONGEST_CODED = 31
"""Bits that an AC coefficient takes at most."""

ENDED = 256
"""What the end of a block counts as in `fill_skips`: more than all coefficients of a data unit."""

NEVER = 768
"""What counts there where nothing can be skipped: more than that."""

MCUS_DIFFER, BAD_CODE, TOO_LONG, TOO_LARGE = -1, -2, -3, -4
"""What is wrong, as the kernels return it."""

# columns of `runs`
SEGMENT, START, STOP, FIRST, LAST, FOLLOWED = range(6)

_LITTLE_ENDIAN = sys.byteorder == "little"


@part
def swapped(eight: Any) -> Any:
    """Eight bytes as they lie in memory as a number whose highest byte is the first of them, or back."""
    if not _LITTLE_ENDIAN:
        return eight
    eight = eight >> np.uint64(32) | eight << np.uint64(32)
    low = np.uint64(0x0000FFFF0000FFFF)
    eight = eight >> np.uint64(16) & low | (eight & low) << np.uint64(16)
    low = np.uint64(0x00FF00FF00FF00FF)
    return eight >> np.uint64(8) & low | (eight & low) << np.uint64(8)


@part
def bits_at(words: Any, bit: Any) -> Any:
    """The 64 bits from a position on; `words` has one word more."""
    word, offset = bit >> np.uint64(6), bit & np.uint64(63)
    return words[word] << offset | words[word + np.uint64(1)] >> np.uint64(1) >> (np.uint64(63) - offset)


@part
def is_clean(eight: Any) -> Any:
    """Whether none of eight bytes is 0xFF: one would be a zero byte of the complement, which this finds."""
    return (~eight - np.uint64(0x0101010101010101)) & eight & np.uint64(0x8080808080808080) == 0


def _unstuff(raw: Any, rest: Any, size: Any, words: Any, starts: Any) -> Any:
    """Take stuffed bytes, fill bytes and restart markers out of compressed data.

    Parameters
    ----------
    raw : uint64 array
        The compressed data of a scan as it lies in memory, as far as it fills words.
    rest : uint64
        What is behind these, the first byte in the highest one.
    size : int
        Bytes of both.
    words : uint64 array
        Receives the other bytes, eight a word, the first in the highest byte, and zeros behind them; larger than
        `raw` by two words.
    starts : int64 array
        Receives the bit in `words` at which each restart interval begins.

    Returns
    -------
    (int, int)
        Bits in `words`; number of intervals, negative if restart markers are out of order.
    """
    place, intervals = 0, 1
    starts[0] = 0
    escaped = False
    pending, count = np.uint64(0), np.uint64(0)  # bytes that are no whole word yet, the first highest; their bits
    for index in range(raw.size + 1):
        eight = swapped(raw[index]) if index < raw.size else rest
        if is_clean(eight) and not escaped and index < raw.size:
            words[place] = pending | eight >> count
            pending = eight << np.uint64(1) << (np.uint64(63) - count)
            place += 1
            continue
        for i in range(min(8, size - 8 * index)):
            byte = eight >> np.uint64(56 - 8 * i) & np.uint64(255)
            if escaped:
                if byte == 255:  # fill byte
                    continue
                escaped = False
                if byte != 0:
                    if byte != 0xD0 + ((intervals - 1) & 7) or intervals >= starts.size:
                        return place, -1
                    starts[intervals] = 64 * place + np.int64(count)
                    intervals += 1
                    continue
                byte = np.uint64(255)
            elif byte == 255:
                escaped = True
                continue
            pending |= byte << (np.uint64(56) - count)
            count += np.uint64(8)
            if count == 64:
                words[place] = pending
                place += 1
                pending, count = np.uint64(0), np.uint64(0)
    words[place] = pending
    for index in range(place + 1, words.size):
        words[index] = 0
    return 64 * place + np.int64(count), intervals


# the file's own bytes lie where they lie, mostly on no multiple of eight
_RAW = types.Array(types.uint64, 1, "C", readonly=True, aligned=False)
unstuff = kernel(_unstuff, (_RAW, types.uint64, types.int64, types.uint64[::1], types.int64[::1]))


@kernel
def fill_skips(lookup: Any, skips: Any) -> None:
    """Make a table that skips several AC coefficients at once.

    Parameters
    ----------
    lookup : uint16 array of 65536
        By the next 16 bits, the length of the code that they begin with, times 256, plus its symbol; 0 for none.
    skips : uint16 array of ``2 ** SKIP_BITS``
        Receives, by the next bits, how many bits the coefficients take whose codes are among them (bits 0 to 5), and
        above that how far these advance in zigzag order, plus `ENDED` if the block ends with them; `NEVER` for none.
    """
    for bits in range(1 << SKIP_BITS):
        used, advance, ended = 0, 0, False
        while used < SKIP_BITS and advance <= 60 and not ended:
            entry = lookup[(bits << (16 - SKIP_BITS + used)) & 0xFFFF]
            length, symbol = entry >> 8, entry & 255
            size = symbol & 15
            if length == 0 or used + length > SKIP_BITS or used + length + size > LONGEST_SKIP:
                break
            used += length + size
            if size == 0 and symbol != 0xF0:
                ended = True
            else:
                advance += (symbol >> 4) + 1
        if used == 0:
            advance = NEVER
        elif ended:
            advance += ENDED
        skips[bits] = used | advance << 6


@kernel
def fill_dc_skips(lookup: Any, skips: Any) -> None:
    """The same for a DC difference.

    Parameters
    ----------
    lookup : uint16 array of 65536
        See `fill_skips`.
    skips : int16 array of ``2 ** DC_SKIP_BITS``
        Receives, by the next bits, how many of them are the difference (bits 0 to 4), and above that its value; 0
        where it is longer, or no code.
    """
    for bits in range(1 << DC_SKIP_BITS):
        entry = lookup[bits << (16 - DC_SKIP_BITS)]
        length, size = entry >> 8, entry & 255
        if length == 0 or length + size > DC_SKIP_BITS:
            continue
        value = bits >> (DC_SKIP_BITS - length - size) & ((1 << size) - 1)
        skips[bits] = extended(value, size) << 5 | (length + size)


@part
def extended(bits: Any, size: Any) -> Any:
    """The value of a coefficient by its `size` additional bits (F.2.2.1)."""
    return bits if size == 0 or bits >> (size - 1) else bits - (1 << size) + 1


@kernel
def decode_scan(
    words: Any,
    starts: Any,
    stops: Any,
    interval: Any,
    wanted: Any,
    unit_member: Any,
    dc_table: Any,
    ac_table: Any,
    dc_lookup: Any,
    ac_lookup: Any,
    dc_skips: Any,
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
    words : uint64 array
        The unstuffed bits, the first in the highest bit, with zeros for one MCU behind them.
    starts, stops : int64 arrays
        Bit positions of each restart interval.
    interval : int
        MCUs of an interval, at least 1.
    wanted : bool array
        For each MCU in coding order.
    unit_member, dc_table, ac_table : int64 arrays
        For each data unit of an MCU the position of its component in the scan, and of its tables among the following.
    dc_lookup, ac_lookup, dc_skips, ac_skips : arrays, a row for each table
        See `fill_skips` and `fill_dc_skips`.
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
    run, kept = 0, 0
    for current in range(starts.size):
        bit = np.uint64(starts[current])
        inside, behind = False, False
        for member in range(4):
            dc[member] = 0
        for mcu in range(current * interval, min(wanted.size, (current + 1) * interval)):
            keep = wanted[mcu]
            if keep and not inside:
                inside, behind = True, False
                runs[run, SEGMENT] = current
                runs[run, START] = bit
                runs[run, FIRST] = kept
                runs[run, FOLLOWED] = 0
                for member in range(4):
                    predictors[run, member] = dc[member]
                run += 1
            elif inside and not keep:
                inside, behind = False, True
                runs[run - 1, STOP] = bit
                runs[run - 1, LAST] = kept
                runs[run - 1, FOLLOWED] = 1
                for member in range(4):
                    follower_bits[run - 1, member, 0] = -1
            for unit in range(units):
                member = unit_member[unit]
                before = bit
                window = bits_at(words, bit)
                dc_skip = dc_skips[dc_table[unit], window >> np.uint64(64 - DC_SKIP_BITS)]
                if dc_skip:
                    length = np.uint64(dc_skip & 31)
                    window <<= length
                    bit += length
                    dc[member] += dc_skip >> 5
                else:
                    entry = dc_lookup[dc_table[unit], window >> np.uint64(48)]
                    size = entry & 255
                    if entry == 0 or size > 11:
                        return BAD_CODE
                    length = np.uint64(entry >> 8)
                    dc[member] += extended(np.int64(window << length >> np.uint64(1) >> np.uint64(63 - size)), size)
                    bit += length + np.uint64(size)
                    window = bits_at(words, bit)
                if behind and follower_bits[run - 1, member, 0] < 0:
                    follower_bits[run - 1, member, 0] = before
                    follower_bits[run - 1, member, 1] = bit
                    followers[run - 1, member] = dc[member]
                table = ac_table[unit]
                position = 1
                if keep:
                    if not -32768 <= dc[member] <= 32767:
                        return TOO_LARGE
                    coefficients[kept, unit, 0] = dc[member]
                    known = 64 - DC_SKIP_BITS  # bits in the window
                    while position < 64:
                        if known < LONGEST_CODED:
                            window, known = bits_at(words, bit), 64
                        entry = ac_lookup[table, window >> np.uint64(48)]
                        if entry == 0:
                            return BAD_CODE
                        symbol, length = entry & 255, np.uint64(entry >> 8)
                        size = symbol & 15
                        bit += length + np.uint64(size)
                        if size == 0 and symbol != 0xF0:
                            break
                        position += symbol >> 4
                        if position > 63:
                            return TOO_LONG
                        window <<= length
                        if size:
                            bits = np.int64(window >> np.uint64(64 - size))
                            coefficients[kept, unit, position] = extended(bits, size)
                            window <<= np.uint64(size)
                        known -= np.int64(length) + size
                        position += 1
                    continue
                while True:
                    further, length = 0, np.uint64(0)
                    for _ in range(SKIPS):
                        skip = ac_skips[table, window >> np.uint64(64 - SKIP_BITS)]
                        further = position + (skip >> 6)
                        length = np.uint64(skip) & np.uint64(63)
                        if further >= 64:
                            break
                        window <<= length
                        bit += length
                        position = further
                    if further >= 64:
                        if further == 64 or ENDED < further < ENDED + 64:
                            bit += length
                            break
                        # a code that is longer, or one of the next data unit among those that were looked at
                        window = bits_at(words, bit)
                        entry = ac_lookup[table, window >> np.uint64(48)]
                        if entry == 0:
                            return BAD_CODE
                        symbol = entry & 255
                        size = symbol & 15
                        bit += np.uint64(entry >> 8) + np.uint64(size)
                        if size == 0 and symbol != 0xF0:
                            break
                        position += (symbol >> 4) + 1
                        if position > 64:
                            return TOO_LONG
                        if position == 64:
                            break
                    window = bits_at(words, bit)
            behind = False
            if keep:
                kept += 1
            if bit > np.uint64(stops[current]):
                return MCUS_DIFFER
        ends[current] = bit
        if inside:
            runs[run - 1, STOP] = bit
            runs[run - 1, LAST] = kept
    return run

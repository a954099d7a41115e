"""Compiled loops over the bits of sequential Huffman scans (ITU-T T.81, annex F).

They read bytes from strangers, so every access is checked against the array's bounds (an IndexError, never a read
outside) and every loop is bounded by the number of data units. Coefficients are in zigzag order throughout.

The first use compiles for some seconds; the result is kept on disk beside this file, or in the user's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["decode_scan", "encode_scan", "fill_skips", "unstuff", "used_symbols"]

Ints = npt.NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

SKIP_BITS = 13
"""Bits that are looked at to skip several coefficients at once."""

MCUS_DIFFER, BAD_CODE, TOO_LONG, TOO_LARGE, NO_CODE = -1, -2, -3, -4, -5
"""What is wrong, as the kernels return it."""

# columns of `runs`
SEGMENT, START, STOP, FIRST, LAST, FOLLOWED = range(6)


def kernel(function: F) -> F:
    """Compile, kept on disk where a place for it can be written."""
    options = {"nogil": True, "boundscheck": True}
    try:
        compiled: F = njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no such place
        compiled = njit(**options)(function)
    return compiled


@kernel
def unstuff(data: Any, escapes: Any, out: Any, starts: Any) -> tuple[int, int]:
    """Take stuffed bytes and restart markers out of compressed data.

    Parameters
    ----------
    data : uint8 array
        The compressed data of a scan.
    escapes : int64 array
        Where its 0xFF bytes are.
    out : uint8 array
        As long as `data`; receives the bytes.
    starts : int64 array
        Receives where each restart interval begins in `out`.

    Returns
    -------
    (int, int)
        Bytes in `out`; number of intervals, negative if restart markers are out of order.
    """
    source, target, intervals = 0, 0, 1
    starts[0] = 0
    for i in range(escapes.size):
        place = escapes[i]
        if place < source:
            continue
        length = place - source
        out[target : target + length] = data[source:place]
        target += length
        source = place + 1
        while source < data.size and data[source] == 0xFF:  # fill bytes
            source += 1
        if source >= data.size:
            break
        code = data[source]
        source += 1
        if code == 0:
            out[target] = 0xFF
            target += 1
        else:
            if code != 0xD0 + ((intervals - 1) & 7) or intervals >= starts.size:
                return target, -1
            starts[intervals] = target
            intervals += 1
    length = data.size - source
    if length > 0:
        out[target : target + length] = data[source:]
        target += length
    return target, intervals


@kernel
def fill_skips(lookup: Any, skips: Any) -> None:
    """Make a table that skips several AC coefficients at once.

    Parameters
    ----------
    lookup : int32 array of 65536
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
    interval: int,
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
) -> int:
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
    dc_lookup, ac_lookup, ac_skips : int32 arrays, a row for each component of the scan
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
            dc[:] = 0
        keep = wanted[mcu]
        if keep and not inside:
            inside, behind = True, False
            runs[run, SEGMENT] = current
            runs[run, START] = word * 32 - available
            runs[run, FIRST] = kept
            runs[run, FOLLOWED] = 0
            predictors[run] = dc
            run += 1
        elif inside and not keep:
            inside, behind = False, True
            runs[run - 1, STOP] = word * 32 - available
            runs[run - 1, LAST] = kept
            runs[run - 1, FOLLOWED] = 1
            follower_bits[run - 1] = -1
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


@kernel
def size_of(value: int) -> int:
    """The magnitude category of a coefficient (F.1.2.1.2)."""
    value = abs(value)
    size = 0
    while value:
        value >>= 1
        size += 1
    return size


@kernel
def used_symbols(
    unit_member: Any, coefficients: Any, runs: Any, count: int, predictors: Any, followers: Any, present: Any,
    used_dc: Any, used_ac: Any,
) -> None:  # fmt: skip
    """Mark the symbols that `encode_scan` will need, in bool arrays of a row for each component of the scan."""
    dc = np.zeros(4, np.int64)
    for run in range(count):
        dc[:] = predictors[run]
        for mcu in range(runs[run, FIRST], runs[run, LAST]):
            for unit in range(unit_member.size):
                member = unit_member[unit]
                value = np.int64(coefficients[mcu, unit, 0])
                used_dc[member, size_of(value - dc[member])] = True
                dc[member] = value
                zeros = 0
                for position in range(1, 64):
                    value = np.int64(coefficients[mcu, unit, position])
                    if value == 0:
                        zeros += 1
                        continue
                    if zeros > 15:
                        used_ac[member, 0xF0] = True
                    used_ac[member, (zeros & 15) << 4 | size_of(value)] = True
                    zeros = 0
                if zeros:
                    used_ac[member, 0] = True
        if runs[run, FOLLOWED]:
            for member in range(present):
                used_dc[member, size_of(followers[run, member] - dc[member])] = True


@kernel
def put(out: Any, place: int, pending: Any, count: int, bits: Any, length: int) -> tuple[int, Any, int]:
    """Append up to 32 bits; whole bytes leave, stuffed. `pending` holds the `count` bits that are no byte yet."""
    pending = (pending << np.uint64(length)) | np.uint64(bits)
    count += length
    while count >= 8:
        count -= 8
        byte = np.uint8((pending >> np.uint64(count)) & np.uint64(255))
        out[place] = byte
        place += 1
        if byte == 255:
            out[place] = 0
            place += 1
    return place, pending, count


@kernel
def put_value(out: Any, place: int, pending: Any, count: int, value: int, size: int) -> tuple[int, Any, int]:
    """Append the additional bits of a coefficient (F.1.2.1.2)."""
    return put(out, place, pending, count, value if value > 0 else value + (1 << size) - 1, size)


@kernel
def copy_bits(words: Any, start: int, stop: int, out: Any, place: int, pending: Any, count: int) -> tuple[int, Any, int]:
    """Append the bits from `start` up to `stop` as they are."""
    while start + 32 <= stop:
        word, offset = start >> 5, start & 31
        pair = np.uint64(words[word]) << np.uint64(32) | np.uint64(words[word + 1])
        bits = pair << np.uint64(offset) >> np.uint64(32)
        start += 32
        pending = (pending & np.uint64(0xFF)) << np.uint64(32) | bits
        four = np.uint32(pending >> np.uint64(count))
        # a byte of 0xFF is a zero byte of the complement, which this finds
        inverse = ~four
        if ((inverse - np.uint32(0x01010101)) & four & np.uint32(0x80808080)) == 0:
            out[place] = four >> np.uint32(24)
            out[place + 1] = four >> np.uint32(16) & np.uint32(255)
            out[place + 2] = four >> np.uint32(8) & np.uint32(255)
            out[place + 3] = four & np.uint32(255)
            place += 4
        else:
            for shift in (24, 16, 8, 0):
                byte = np.uint8(four >> np.uint32(shift) & np.uint32(255))
                out[place] = byte
                place += 1
                if byte == 255:
                    out[place] = 0
                    place += 1
    while start < stop:
        length = min(8, stop - start)
        word, offset = start >> 5, start & 31
        pair = np.uint64(words[word]) << np.uint64(32) | np.uint64(words[word + 1])
        place, pending, count = put(
            out, place, pending, count, pair << np.uint64(offset) >> np.uint64(64 - length), length
        )
        start += length
    return place, pending, count


@kernel
def encode_scan(
    words: Any,
    starts: Any,
    ends: Any,
    unit_member: Any,
    members: int,
    coefficients: Any,
    runs: Any,
    count: int,
    predictors: Any,
    followers: Any,
    follower_bits: Any,
    dc_codes: Any,
    ac_codes: Any,
    out: Any,
) -> int:
    """Write a scan's compressed data: the runs from their coefficients, everything else with the bits it had.

    Behind a run one DC difference of each component is coded anew, since the DC before it is another.

    Parameters
    ----------
    dc_codes, ac_codes : int64 arrays (components, 256)
        For each symbol the length of its code, times 65536, plus the code; 0 for none.
    out : uint8 array
        Receives the data; large enough for every byte to be stuffed.

    The others are those of `decode_scan`.

    Returns
    -------
    int
        Bytes in `out`; negative if a table lacks a code.
    """
    place, run = 0, 0
    dc = np.zeros(4, np.int64)
    for current in range(starts.size):
        pending, pending_bits = np.uint64(0), 0
        position = starts[current]
        while run < count and runs[run, SEGMENT] == current:
            place, pending, pending_bits = copy_bits(
                words, position, runs[run, START], out, place, pending, pending_bits
            )
            dc[:] = predictors[run]
            for mcu in range(runs[run, FIRST], runs[run, LAST]):
                for unit in range(unit_member.size):
                    member = unit_member[unit]
                    value = np.int64(coefficients[mcu, unit, 0])
                    difference = value - dc[member]
                    dc[member] = value
                    size = size_of(difference)
                    code = dc_codes[member, size]
                    if code == 0:
                        return NO_CODE
                    place, pending, pending_bits = put(
                        out, place, pending, pending_bits, code & 0xFFFF, code >> 16
                    )
                    place, pending, pending_bits = put_value(out, place, pending, pending_bits, difference, size)
                    zeros = 0
                    for index in range(1, 64):
                        value = np.int64(coefficients[mcu, unit, index])
                        if value == 0:
                            zeros += 1
                            continue
                        while zeros > 15:
                            code = ac_codes[member, 0xF0]
                            if code == 0:
                                return NO_CODE
                            place, pending, pending_bits = put(
                                out, place, pending, pending_bits, code & 0xFFFF, code >> 16
                            )
                            zeros -= 16
                        size = size_of(value)
                        code = ac_codes[member, zeros << 4 | size]
                        if code == 0:
                            return NO_CODE
                        place, pending, pending_bits = put(
                            out, place, pending, pending_bits, code & 0xFFFF, code >> 16
                        )
                        place, pending, pending_bits = put_value(out, place, pending, pending_bits, value, size)
                        zeros = 0
                    if zeros:
                        code = ac_codes[member, 0]
                        if code == 0:
                            return NO_CODE
                        place, pending, pending_bits = put(
                            out, place, pending, pending_bits, code & 0xFFFF, code >> 16
                        )
            position = runs[run, STOP]
            if runs[run, FOLLOWED]:
                for member in range(members):
                    place, pending, pending_bits = copy_bits(
                        words, position, follower_bits[run, member, 0], out, place, pending, pending_bits
                    )
                    difference = followers[run, member] - dc[member]
                    size = size_of(difference)
                    code = dc_codes[member, size]
                    if code == 0:
                        return NO_CODE
                    place, pending, pending_bits = put(
                        out, place, pending, pending_bits, code & 0xFFFF, code >> 16
                    )
                    place, pending, pending_bits = put_value(out, place, pending, pending_bits, difference, size)
                    position = follower_bits[run, member, 1]
            run += 1
        place, pending, pending_bits = copy_bits(words, position, ends[current], out, place, pending, pending_bits)
        if pending_bits:
            fill = 8 - pending_bits
            place, pending, pending_bits = put(out, place, pending, pending_bits, (1 << fill) - 1, fill)
        if current < starts.size - 1:
            out[place] = 0xFF
            out[place + 1] = 0xD0 + (current & 7)
            place += 2
    return place

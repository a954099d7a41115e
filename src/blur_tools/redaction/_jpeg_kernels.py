"""Compiled loops over the bits of sequential Huffman scans (ITU-T T.81, annex F).

They are written without slices, which take a compiler long. They read bytes from strangers, so every access is checked against the array's bounds (an IndexError, never a read
outside) and every loop is bounded by the number of data units. Coefficients are in zigzag order throughout.

The first use compiles for some seconds; the result is kept on disk beside this file, or in the user's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["decode_scan", "encode_scan", "fill_skips", "make_codable", "unstuff", "used_symbols"]

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
def unstuff(raw: Any, size: int, words: Any, starts: Any) -> tuple[int, int]:
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
        for member in range(4):
            dc[member] = predictors[run, member]
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
def is_codable(coefficients: Any, ac_codes: Any) -> bool:
    """Whether a table has all codes for the AC coefficients of a data unit."""
    zeros = 0
    for index in range(1, 64):
        value = np.int64(coefficients[index])
        if value == 0:
            zeros += 1
            continue
        if ac_codes[(zeros & 15) << 4 | size_of(value)] == 0 or (zeros > 15 and ac_codes[0xF0] == 0):
            return False
        zeros = 0
    return zeros == 0 or ac_codes[0] != 0


@kernel
def make_codable(coefficients: Any, unit_member: Any, ac_codes: Any, divisors: Any) -> bool:
    """Move each data unit to the nearest that its table has codes for.

    Nearest is meant as in pixels, where the sum of squared differences is that of the dequantised coefficients. The
    way there is the shortest through all choices of non-zero coefficients and their sizes: for each position the best
    way to end with a non-zero one there, from the best ones to those before.

    Parameters
    ----------
    coefficients : int16 array (MCUs, data units, 64)
        Changed in place.
    ac_codes : int64 array (components, 256)
        See `encode_scan`.
    divisors : float32 array (components, 64)
        The quantisation.

    Returns
    -------
    bool
        False if a data unit has no such neighbour, which only a table without an end of block brings about.
    """
    error = np.zeros(64)  # least sum up to and with a non-zero coefficient here
    dropped = np.zeros(65)  # sum over all coefficients before, were they zero
    origin = np.zeros(64, np.int64)
    chosen = np.zeros(64, np.int64)
    for mcu in range(coefficients.shape[0]):
        for unit in range(unit_member.size):
            member = unit_member[unit]
            block, codes = coefficients[mcu, unit], ac_codes[member]
            if is_codable(block, codes):
                continue
            for index in range(1, 64):
                dropped[index + 1] = dropped[index] + (np.float64(block[index]) * divisors[member, index]) ** 2
            for index in range(1, 64):
                error[index] = np.inf
                value = np.int64(block[index])
                magnitude = abs(value)
                for before in range(index):
                    zeros = index - before - 1
                    if zeros > 15 and codes[0xF0] == 0:
                        continue
                    so_far = error[before] + dropped[index] - dropped[before + 1]
                    if so_far >= error[index]:
                        continue
                    for size in range(1, 11):
                        if codes[(zeros & 15) << 4 | size] == 0:
                            continue
                        near = min(max(magnitude, 1 << (size - 1)), (1 << size) - 1)
                        total = so_far + ((near - magnitude) * np.float64(divisors[member, index])) ** 2
                        if total < error[index]:
                            error[index] = total
                            origin[index] = before
                            chosen[index] = near if value >= 0 else -near
            best, last = np.inf, -1
            for index in range(64):
                total = error[index] + dropped[64] - dropped[index + 1]
                if total < best and (index == 63 or codes[0]):
                    best, last = total, index
            if last < 0:
                return False
            for index in range(63, 0, -1):
                block[index] = chosen[index] if index == last else 0
                if index == last:
                    last = origin[index]
    return True


# what a writer keeps: its place in the output, the bits that are no byte yet, and how many these are
PLACE, PENDING, COUNT = range(3)


@kernel
def put(out: Any, writer: Any, bits: int, length: int) -> None:
    """Append up to 32 bits; whole bytes leave, stuffed."""
    pending = writer[PENDING] << length | bits
    count = writer[COUNT] + length
    place = writer[PLACE]
    while count >= 8:
        count -= 8
        byte = pending >> count & 255
        out[place] = byte
        place += 1
        if byte == 255:
            out[place] = 0
            place += 1
    writer[PLACE], writer[PENDING], writer[COUNT] = place, pending & ((1 << count) - 1), count


@kernel
def put_coded(out: Any, writer: Any, codes: Any, symbol: int, value: int, size: int) -> bool:
    """Append a symbol's code and the `size` additional bits of a coefficient (F.1.2); False if it has no code."""
    code = codes[symbol]
    additional = value if value > 0 else value + (1 << size) - 1
    put(out, writer, (code & 0xFFFF) << size | additional, (code >> 16) + size)
    return code != 0


@kernel
def copy_bits(words: Any, start: int, stop: int, out: Any, writer: Any) -> None:
    """Append the bits from `start` up to `stop` as they are."""
    offset = start & 31
    if offset and start < stop:
        length = min(32 - offset, stop - start)
        put(out, writer, np.int64(words[start >> 5]) >> (32 - offset - length) & ((1 << length) - 1), length)
        start += length
    word = start >> 5
    place, pending, count = writer[PLACE], writer[PENDING], writer[COUNT]
    while start + 32 <= stop:
        following = np.int64(words[word])
        four = pending << (32 - count) | following >> count
        pending = following & ((1 << count) - 1)
        # a byte of 0xFF is a zero byte of the complement, which this finds
        if ((four ^ 0xFFFFFFFF) - 0x01010101) & four & 0x80808080 == 0:
            out[place] = four >> 24
            out[place + 1] = four >> 16 & 255
            out[place + 2] = four >> 8 & 255
            out[place + 3] = four & 255
            place += 4
        else:
            for i in range(4):
                byte = four >> (24 - 8 * i) & 255
                out[place] = byte
                place += 1
                if byte == 255:
                    out[place] = 0
                    place += 1
        word += 1
        start += 32
    writer[PLACE], writer[PENDING] = place, pending
    if start < stop:
        put(out, writer, np.int64(words[word]) >> (32 - (stop - start)), stop - start)


@kernel
def encode_unit(coefficients: Any, before: int, dc_codes: Any, ac_codes: Any, out: Any, writer: Any) -> bool:
    """Append one data unit (F.1.2); False if a table lacks a code."""
    difference = coefficients[0] - before
    size = size_of(difference)
    complete = put_coded(out, writer, dc_codes, size, difference, size)
    zeros = 0
    for index in range(1, 64):
        value = np.int64(coefficients[index])
        if value == 0:
            zeros += 1
            continue
        while zeros > 15:
            complete &= put_coded(out, writer, ac_codes, 0xF0, 0, 0)
            zeros -= 16
        size = size_of(value)
        complete &= put_coded(out, writer, ac_codes, zeros << 4 | size, value, size)
        zeros = 0
    if zeros:
        complete &= put_coded(out, writer, ac_codes, 0, 0, 0)
    return complete


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
    place: int,
) -> int:
    """Write a scan's compressed data: the runs from their coefficients, everything else with the bits it had.

    Behind a run one DC difference of each component is coded anew, since the DC before it is another.

    Parameters
    ----------
    dc_codes, ac_codes : int64 arrays (components, 256)
        For each symbol the length of its code, times 65536, plus the code; 0 for none.
    out : uint8 array
        Receives the data from `place` on; large enough for every byte to be stuffed.

    The others are those of `decode_scan`.

    Returns
    -------
    int
        Where the data ends in `out`; negative if a table lacks a code.
    """
    run = 0
    dc = np.zeros(4, np.int64)
    writer = np.zeros(3, np.int64)
    writer[PLACE] = place
    for current in range(starts.size):
        position = starts[current]
        while run < count and runs[run, SEGMENT] == current:
            copy_bits(words, position, runs[run, START], out, writer)
            for member in range(4):
                dc[member] = predictors[run, member]
            for mcu in range(runs[run, FIRST], runs[run, LAST]):
                for unit in range(unit_member.size):
                    member = unit_member[unit]
                    if not encode_unit(coefficients[mcu, unit], dc[member], dc_codes[member], ac_codes[member], out, writer):
                        return NO_CODE
                    dc[member] = coefficients[mcu, unit, 0]
            position = runs[run, STOP]
            if runs[run, FOLLOWED]:
                for member in range(members):
                    copy_bits(words, position, follower_bits[run, member, 0], out, writer)
                    difference = followers[run, member] - dc[member]
                    size = size_of(difference)
                    if not put_coded(out, writer, dc_codes[member], size, difference, size):
                        return NO_CODE
                    position = follower_bits[run, member, 1]
            run += 1
        copy_bits(words, position, ends[current], out, writer)
        if writer[COUNT]:
            fill = 8 - writer[COUNT]
            put(out, writer, (1 << fill) - 1, fill)
        if current < starts.size - 1:
            out[writer[PLACE]] = 0xFF
            out[writer[PLACE] + 1] = 0xD0 + (current & 7)
            writer[PLACE] += 2
    return writer[PLACE]

"""Compiled loops that write sequential Huffman scans (ITU-T T.81, annex F); how they are made says `_jpeg_decoding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blur_tools.redaction._jpeg_decoding import FIRST, FOLLOWED, LAST, SEGMENT, START, STOP, kernel

__all__ = ["encode_scan", "make_codable", "used_symbols"]

NO_CODE = -1
"""What `encode_scan` returns if a table lacks a code."""


@kernel
def size_of(value: Any) -> Any:
    """The magnitude category of a coefficient (F.1.2.1.2)."""
    value = abs(value)
    size = 0
    while value:
        value >>= 1
        size += 1
    return size


@kernel
def used_symbols(
    unit_member: Any, coefficients: Any, runs: Any, count: Any, predictors: Any, followers: Any, present: Any,
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
def is_codable(coefficients: Any, ac_codes: Any) -> Any:
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
def make_codable(coefficients: Any, unit_member: Any, ac_codes: Any, divisors: Any) -> Any:
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
                        near: Any = min(max(magnitude, 1 << (size - 1)), (1 << size) - 1)
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
def put(out: Any, writer: Any, bits: Any, length: Any) -> None:
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
def put_coded(out: Any, writer: Any, codes: Any, symbol: Any, value: Any, size: Any) -> Any:
    """Append a symbol's code and the `size` additional bits of a coefficient (F.1.2); False if it has no code."""
    code = codes[symbol]
    additional = value if value > 0 else value + (1 << size) - 1
    put(out, writer, (code & 0xFFFF) << size | additional, (code >> 16) + size)
    return code != 0


@kernel
def copy_bits(words: Any, start: Any, stop: Any, out: Any, writer: Any) -> None:
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
def encode_unit(coefficients: Any, before: Any, dc_codes: Any, ac_codes: Any, out: Any, writer: Any) -> Any:
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
    members: Any,
    coefficients: Any,
    runs: Any,
    count: Any,
    predictors: Any,
    followers: Any,
    follower_bits: Any,
    dc_codes: Any,
    ac_codes: Any,
    out: Any,
    place: Any,
) -> Any:
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
                    if not encode_unit(
                        coefficients[mcu, unit], dc[member], dc_codes[member], ac_codes[member], out, writer
                    ):
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

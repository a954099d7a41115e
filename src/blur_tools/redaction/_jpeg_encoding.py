"""Compiled loops that write sequential Huffman scans (ITU-T T.81, annex F); how they are made says `_jpeg_decoding`."""

from __future__ import annotations

from typing import Any

import numpy as np

from blur_tools.redaction._compiling import kernel, part
from blur_tools.redaction._jpeg_decoding import (
    FIRST,
    FOLLOWED,
    LAST,
    SEGMENT,
    START,
    STOP,
    bits_at,
    is_clean,
    swapped,
)

__all__ = ["encode_scan", "make_codable", "used_symbols"]

NO_CODE = -1
"""What `encode_scan` returns if a table lacks a code."""

_SIZES = np.array([value.bit_length() for value in range(256)], np.uint8)


@part
def size_of(value: Any) -> Any:
    """The magnitude category of a coefficient (F.1.2.1.2)."""
    value = abs(value)
    return np.int64(_SIZES[value]) if value < 256 else np.int64(_SIZES[value >> 8]) + 8


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


# what a writer keeps: the word of the output that is next, whole bytes for it and how many bits these are, and the bits
# that are still to be stuffed and how many these are; all bits begin with the highest
PLACE, STUFFED, STUFFED_BITS, PENDING, COUNT = range(5)


@kernel
def put_byte(out: Any, writer: Any, byte: Any) -> None:
    """Append a byte as it is."""
    count = writer[STUFFED_BITS]
    writer[STUFFED] |= byte << (np.uint64(56) - count)
    if count < 56:
        writer[STUFFED_BITS] = count + np.uint64(8)
        return
    out[writer[PLACE]] = swapped(writer[STUFFED])
    writer[PLACE] += np.uint64(1)
    writer[STUFFED], writer[STUFFED_BITS] = 0, 0


@kernel
def put_bytes(out: Any, writer: Any, word: Any, number: Any) -> None:
    """Append the first bytes of a word; behind those of 0xFF come stuffed ones."""
    if number == 8 and is_clean(word):
        count = writer[STUFFED_BITS]
        out[writer[PLACE]] = swapped(writer[STUFFED] | word >> count)
        writer[PLACE] += np.uint64(1)
        writer[STUFFED] = word << np.uint64(1) << (np.uint64(63) - count)
        return
    for i in range(number):
        byte = word >> np.uint64(56 - 8 * i) & np.uint64(255)
        put_byte(out, writer, byte)
        if byte == 255:
            put_byte(out, writer, np.uint64(0))


@part
def put(out: Any, writer: Any, pending: Any, count: Any, bits: Any, length: Any) -> Any:
    """Append up to 32 bits to those that are pending; returns what is pending now, and its number."""
    count += length
    if count < 64:
        return pending | bits << np.uint64(1) << (np.uint64(63) - count), count
    count -= np.uint64(64)
    put_bytes(out, writer, pending | bits >> count, 8)
    return bits << np.uint64(1) << (np.uint64(63) - count), count


@part
def coded(code: Any, value: Any, size: Any) -> Any:
    """A code with the `size` additional bits of a coefficient behind it (F.1.2), and the number of bits."""
    additional = value if value > 0 else value + (1 << size) - 1
    return np.uint64((code & 0xFFFF) << size | additional), np.uint64((code >> 16) + size)


@kernel
def put_difference(out: Any, writer: Any, codes: Any, difference: Any) -> Any:
    """Append a DC difference; False if it has no code."""
    size = size_of(difference)
    code = codes[size]
    bits, length = coded(code, difference, size)
    writer[PENDING], writer[COUNT] = put(out, writer, writer[PENDING], writer[COUNT], bits, length)
    return code != 0


@kernel
def copy_bits(words: Any, start: Any, stop: Any, out: Any, writer: Any) -> None:
    """Append the bits from `start` up to `stop` as they are."""
    start, stop = np.uint64(start), np.uint64(stop)
    count, pending = writer[COUNT], writer[PENDING]
    place, stuffed, bits = writer[PLACE], writer[STUFFED], writer[STUFFED_BITS]
    while start + np.uint64(64) - count <= stop:
        word = pending | bits_at(words, start) >> count
        start += np.uint64(64) - count
        pending, count = np.uint64(0), np.uint64(0)
        if is_clean(word):
            out[place] = swapped(stuffed | word >> bits)
            place += np.uint64(1)
            stuffed = word << np.uint64(1) << (np.uint64(63) - bits)
            continue
        writer[PLACE], writer[STUFFED] = place, stuffed
        put_bytes(out, writer, word, 8)
        place, stuffed, bits = writer[PLACE], writer[STUFFED], writer[STUFFED_BITS]
    writer[PLACE], writer[STUFFED], writer[STUFFED_BITS] = place, stuffed, bits
    writer[PENDING], writer[COUNT] = pending, count
    if start < stop:
        length = stop - start
        rest = bits_at(words, start) >> (np.uint64(64) - length)
        writer[PENDING] |= rest << (np.uint64(64) - count - length)
        writer[COUNT] = count + length


@kernel
def encode_unit(coefficients: Any, before: Any, dc_codes: Any, ac_codes: Any, out: Any, writer: Any) -> Any:
    """Append one data unit (F.1.2); False if a table lacks a code."""
    if not put_difference(out, writer, dc_codes, coefficients[0] - before):
        return False
    pending, count = writer[PENDING], writer[COUNT]
    complete, zeros, last = True, 0, 63
    while last and coefficients[last] == 0:
        last -= 1
    for index in range(1, last + 1):
        value = np.int64(coefficients[index])
        if value == 0:
            zeros += 1
            continue
        while zeros > 15:
            complete &= ac_codes[0xF0] != 0
            bits, length = coded(ac_codes[0xF0], 0, 0)
            pending, count = put(out, writer, pending, count, bits, length)
            zeros -= 16
        size = size_of(value)
        code = ac_codes[zeros << 4 | size]
        complete &= code != 0
        bits, length = coded(code, value, size)
        pending, count = put(out, writer, pending, count, bits, length)
        zeros = 0
    if last < 63:
        complete &= ac_codes[0] != 0
        bits, length = coded(ac_codes[0], 0, 0)
        pending, count = put(out, writer, pending, count, bits, length)
    writer[PENDING], writer[COUNT] = pending, count
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
) -> Any:
    """Write a scan's compressed data: the runs from their coefficients, everything else with the bits it had.

    Behind a run one DC difference of each component is coded anew, since the DC before it is another.

    Parameters
    ----------
    dc_codes, ac_codes : int64 arrays (components, 256)
        For each symbol the length of its code, times 65536, plus the code; 0 for none.
    out : uint64 array
        Receives the data as it is to lie in memory; large enough for every byte to be stuffed.

    The others are those of `decode_scan`.

    Returns
    -------
    int
        Bytes of the data; negative if a table lacks a code.
    """
    run = 0
    dc = np.zeros(4, np.int64)
    writer = np.zeros(5, np.uint64)
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
                    if not put_difference(out, writer, dc_codes[member], followers[run, member] - dc[member]):
                        return NO_CODE
                    position = follower_bits[run, member, 1]
            run += 1
        copy_bits(words, position, ends[current], out, writer)
        # ones fill up the last byte
        pending, bits = put(out, writer, writer[PENDING], writer[COUNT], np.uint64(127), np.uint64(7))
        put_bytes(out, writer, pending, np.int64(bits) >> 3)
        writer[PENDING], writer[COUNT] = 0, 0
        if current < starts.size - 1:
            put_byte(out, writer, np.uint64(0xFF))
            put_byte(out, writer, np.uint64(0xD0 + (current & 7)))
    out[writer[PLACE]] = swapped(writer[STUFFED])
    return np.int64(writer[PLACE]) * 8 + (np.int64(writer[STUFFED_BITS]) >> 3)

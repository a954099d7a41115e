"""Where the codes of a progressive scan end (ITU-T T.81, annex G): nothing is decoded, bits are only counted.

A refining scan has one more bit for each coefficient that is not zero yet, so which ones these are is remembered, one
bit for each in a word for each data unit. As in `_jpeg_decoding` every access is checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blur_tools.redaction._compiling import kernel
from blur_tools.redaction._jpeg_decoding import BAD_CODE, MCUS_DIFFER, TOO_LONG, bits_at

__all__ = ["measure_ac_scan", "measure_dc_scan"]


@kernel
def peek(words: Any, position: Any) -> Any:
    """The 32 bits from a position on."""
    return np.int64(bits_at(words, np.uint64(position)) >> np.uint64(32))


@kernel
def measure_dc_scan(
    words: Any, starts: Any, stops: Any, interval: Any, mcus: Any, unit_member: Any, refining: Any, lookup: Any,
    ends: Any,
) -> int:  # fmt: skip
    """Fill `ends` with the bit behind the last MCU of each restart interval (G.1.2.1).

    The parameters are those of `_jpeg_decoding.decode_scan`; `lookup` is its `dc_lookup`.

    Returns
    -------
    int
        0; negative if the codes make no sense.
    """
    for current in range(starts.size):
        position = starts[current]
        for _ in range(current * interval, min(mcus, (current + 1) * interval)):
            for unit in range(unit_member.size):
                if refining:
                    position += 1
                    continue
                entry = lookup[unit_member[unit], peek(words, position) >> 16]
                length, size = entry >> 8, entry & 255
                if length == 0 or size > 11:
                    return BAD_CODE
                position += length + size
            if position > stops[current]:
                return MCUS_DIFFER
        ends[current] = position
    return 0


@kernel
def measure_ac_scan(
    words: Any, starts: Any, stops: Any, interval: Any, nonzero: Any, first: Any, last: Any, refining: Any,
    lookup: Any, ends: Any,
) -> int:  # fmt: skip
    """The same for a scan of AC coefficients `first` to `last` of one component (G.1.2.2, G.1.2.3).

    Parameters
    ----------
    nonzero : uint64 array
        For each data unit, a bit for each coefficient in zigzag order that is not zero; updated.
    lookup : uint16 array of 65536
        See `_jpeg_decoding.fill_skips`.

    The others are those of `measure_dc_scan`.
    """
    for current in range(starts.size):
        position = starts[current]
        band = 0  # data units that an end of band still covers
        for unit in range(current * interval, min(nonzero.size, (current + 1) * interval)):
            known = nonzero[unit]
            index = first
            while index <= last and band == 0:
                bits = peek(words, position)
                entry = lookup[bits >> 16]
                length, zeros, size = entry >> 8, entry >> 4 & 15, entry & 15
                if length == 0 or (refining and size > 1):
                    return BAD_CODE
                position += length + size
                if size == 0 and zeros < 15:
                    band = (1 << zeros) + (bits >> (32 - length - zeros) & ((1 << zeros) - 1))
                    position += zeros
                    break
                if refining:
                    # zeros are counted among the coefficients that are still zero; each other one takes a bit
                    while index <= last:
                        if known >> np.uint64(index) & np.uint64(1):
                            position += 1
                        elif zeros == 0:
                            break
                        else:
                            zeros -= 1
                        index += 1
                else:
                    index += zeros
                if size:
                    if index > last:
                        return TOO_LONG
                    nonzero[unit] |= np.uint64(1) << np.uint64(index)
                index += 1
            if band:
                if refining:
                    for rest in range(index, last + 1):
                        position += np.int64(known >> np.uint64(rest) & np.uint64(1))
                band -= 1
            if position > stops[current]:
                return MCUS_DIFFER
        ends[current] = position
    return 0

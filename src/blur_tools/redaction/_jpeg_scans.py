"""The scans of a JPEG, read and written with the compiled loops; importing this needs numba."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from blur_tools.redaction._jpeg_blocks import Bools, Patch, patch_of
from blur_tools.redaction._jpeg_decoding import (
    DC_SKIP_BITS,
    SKIP_BITS,
    decode_scan,
    fill_dc_skips,
    fill_skips,
    unstuff,
)
from blur_tools.redaction._jpeg_encoding import encode_scan, make_codable, used_symbols
from blur_tools.redaction._jpeg_markers import Frame, HuffmanTable, JpegError, Scan
from blur_tools.redaction._jpeg_progressive import measure_ac_scan, measure_dc_scan
from blur_tools.redaction._jpeg_tables import NoRoom, codes_of, extended, lookup_of, segment_of

__all__ = ["ScanBits", "SequentialScan", "measured"]

Ints = npt.NDArray[np.int64]

LARGEST_UNIT = 32
"""Words that the codes of a data unit take at most: 16 bits for each, 11 for a DC difference, 15 for the others."""

LARGEST_DC_SIZE = 11
"""Bits of the largest DC difference of 8-bit pictures (F.1.2.1.2); `decode_scan` takes no larger one either."""

LARGEST_AC_SIZE = 10
"""Bits of the largest AC coefficient of 8-bit pictures (F.1.2.2.1), to which new ones are bounded."""

DAMAGED = "its compressed data is damaged"


class ScanBits:
    """The bits of one scan, in restart intervals."""

    def __init__(self, data: bytes, frame: Frame, scan: Scan) -> None:
        self.frame, self.scan = frame, scan
        self.interleaved = len(scan.members) > 1
        units = [frame.components[index].units if self.interleaved else 1 for index in scan.members]
        # the component of each data unit of an MCU, and the first data unit of each component
        self.unit_member = np.repeat(np.arange(len(units)), units).astype(np.int64)
        self.first_unit = np.cumsum([0, *units[:-1]])
        # rows and columns of its MCUs
        self.shape = frame.mcus if self.interleaved else frame.units(scan.members[0])
        self.mcus = self.shape[0] * self.shape[1]
        self.interval = scan.restart_interval or self.mcus
        intervals = -(-self.mcus // self.interval)
        first, size = scan.segment.end, scan.segment.stop - scan.segment.end
        whole = size // 8
        raw = np.frombuffer(data, np.uint64, whole, first)
        rest = int.from_bytes(data[first + 8 * whole : first + size].ljust(8, b"\0"), "big")
        # words behind the end, so that broken codes cannot run out of it before they are noticed
        self.words = np.empty(whole + 2 + LARGEST_UNIT * self.unit_member.size, np.uint64)
        # bit positions
        self.starts, self.ends = np.zeros((2, intervals), np.int64)
        stop, found = unstuff(raw, np.uint64(rest), size, self.words, self.starts)
        if found != intervals:
            raise JpegError("its restart markers are out of order")
        self.stops = np.append(self.starts[1:], stop)
        # of the runs of MCUs that are to be written anew
        self.coefficients = np.zeros((0, self.unit_member.size, 64), np.int16)
        self.count = 0
        self.allocate_runs(0)

    def allocate_runs(self, most: int) -> None:
        """Make room for what `decode_scan` says of so many runs."""
        self.runs = np.zeros((most, 6), np.int64)
        self.predictors, self.followers = np.zeros((2, most, 4), np.int64)
        self.follower_bits = np.zeros((most, 4, 2), np.int64)

    def written(self, head: bytes, dc_codes: Ints, ac_codes: Ints) -> memoryview:
        """`head`, and behind it the compressed data with the coefficients as they are now."""
        # every byte stuffed, restart markers, and 64 longest codes with their bits in each data unit that is new
        room = 2 * self.words.size + 2 * len(self.starts) + 56 * self.coefficients.shape[0] * self.unit_member.size
        before = -(-len(head) // 8)
        out = np.empty(before + room, np.uint64)
        size = encode_scan(
            self.words, self.starts, self.ends, self.unit_member, len(self.scan.members), self.coefficients, self.runs,
            self.count, self.predictors, self.followers, self.follower_bits, dc_codes, ac_codes, out[before:],
        )  # fmt: skip
        if size < 0:
            raise NoRoom
        first = 8 * before - len(head)
        content = out.view(np.uint8)
        content[first : 8 * before] = np.frombuffer(head, np.uint8)
        return content[first : 8 * before + size].data


class SequentialScan(ScanBits):
    """A sequential scan with the coefficients of the MCUs that are touched.

    Attributes
    ----------
    original : int16 array (data units, 64)
        The coefficients as the file has them.
    replaced : int16 array (data units, 64)
        As they will be written.
    """

    def __init__(self, data: bytes, frame: Frame, scan: Scan, touched: Sequence[Bools]) -> None:
        super().__init__(data, frame, scan)
        self.dc, self.ac = _tables(scan.dc), _tables(scan.ac)
        dc, ac = distinct(self.dc), distinct(self.ac)
        wanted = self.mcus_of(touched)
        count = int(wanted.sum())
        self.coefficients = np.zeros((count, self.unit_member.size, 64), np.int16)
        self.allocate_runs(count)
        self.count = decode_scan(
            self.words, self.starts, self.stops, self.interval, wanted.ravel(), self.unit_member,
            dc[1][self.unit_member], ac[1][self.unit_member], _lookups(dc[0]), _lookups(ac[0]), _dc_skips(dc[0]),
            _skips(ac[0]),
            self.coefficients, self.runs, self.predictors, self.followers, self.follower_bits, self.ends,
        )  # fmt: skip
        if self.count < 0:
            raise JpegError(DAMAGED)
        self.replaced = self.coefficients.reshape(-1, 64)
        self.original = self.replaced.copy()
        # for each MCU which of the touched ones it is
        self.ranks = np.where(wanted, np.cumsum(wanted).reshape(wanted.shape) - 1, -1)

    def mcus_of(self, touched: Sequence[Bools]) -> Bools:
        """For each MCU whether any of its data units is among those."""
        rows, columns = self.shape
        if not self.interleaved:
            return np.ascontiguousarray(touched[self.scan.members[0]][:rows, :columns])
        # each component has a part in all pixels of an MCU, so the one of the fewest data units tells
        index = min(self.scan.members, key=lambda index: self.frame.components[index].units)
        component = self.frame.components[index]
        wanted = np.zeros(self.shape, np.bool_)
        for row, column in np.ndindex(component.vertical, component.horizontal):
            wanted |= touched[index][row :: component.vertical, column :: component.horizontal]
        return wanted

    def slots(self, index: int, patch: Patch) -> npt.NDArray[np.intp]:
        """For a patch's data units of a component: their rows in `original`, negative if they have none."""
        component = self.frame.components[index]
        if not self.interleaved:
            return patch_of(self.ranks, patch, self.frame, index)
        (top, bottom), (left, right) = patch.rows, patch.columns
        ranks = self.ranks[top:bottom, left:right]
        units = np.arange(component.units).reshape(component.vertical, component.horizontal)
        units += self.first_unit[self.scan.members.index(index)]
        rows = ranks[:, None, :, None] * self.unit_member.size + units[None, :, None, :]
        return rows.reshape(len(ranks) * component.vertical, ranks.shape[1] * component.horizontal)

    def rewritten(self, data: bytes) -> memoryview:
        """The scan's segment with its compressed data, and before it the tables that were extended."""
        tables = self._completed()
        segment = self.scan.segment
        return self.written(tables + data[segment.start : segment.end], _codes(self.dc), _codes(self.ac))

    def _completed(self) -> bytes:
        """See to it that every coefficient has a code; returns the segments of the tables that were extended."""
        if all(map(_has_all_dc, self.dc)) and all(map(_has_all_ac, self.ac)):
            return b""
        used_dc, used_ac = np.zeros((2, len(self.dc), 256), np.bool_)
        used_symbols(
            self.unit_member, self.coefficients, self.runs, self.count, self.predictors, self.followers, len(self.dc),
            used_dc, used_ac,
        )  # fmt: skip
        if used_dc[:, LARGEST_DC_SIZE + 1 :].any():  # the file's own values are out of bounds
            raise NoRoom
        segments = self._extend(self.dc, 0, used_dc)
        try:
            return segments + self._extend(self.ac, 1, used_ac)
        except NoRoom:
            divisors = np.stack([self.frame.quantisation[index] for index in self.scan.members])
            if not make_codable(self.coefficients, self.unit_member, _codes(self.ac), divisors):
                raise
        return segments

    def _extend(self, tables: list[HuffmanTable], kind: int, used: Bools) -> bytes:
        """Give tables the codes that they lack, all or none."""
        longer, segments = list(tables), []
        selectors = [pair[kind] for pair in self.scan.selectors]
        for selector in sorted(set(selectors)):
            members = [i for i, other in enumerate(selectors) if other == selector]
            table = tables[members[0]]
            missing = set(np.flatnonzero(used[members].any(0)).tolist()) - set(table.symbols)
            if missing:
                more = extended(table, bytes(sorted(missing)))
                for i in members:
                    longer[i] = more
                segments.append(segment_of(kind, selector, more))
        tables[:] = longer
        return b"".join(segments)


def measured(data: bytes, frame: Frame) -> list[memoryview]:
    """The scans of a progressive JPEG with the codes that they have, and nothing between and behind these."""
    nonzero = [np.zeros(int(np.prod(frame.units(index))), np.uint64) for index in range(len(frame.components))]
    return [_measured_scan(data, frame, scan, nonzero) for scan in frame.scans]


def _measured_scan(data: bytes, frame: Frame, scan: Scan, nonzero: Sequence[npt.NDArray[np.uint64]]) -> memoryview:
    bits = ScanBits(data, frame, scan)
    first, last, high, _ = scan.spectral
    if first == 0 and last == 0:
        # a refining one has no codes
        tables = _tables(scan.dc) if high == 0 else [HuffmanTable((0,) * 16, b"")] * len(scan.members)
        failed = measure_dc_scan(
            bits.words, bits.starts, bits.stops, bits.interval, bits.mcus, bits.unit_member, high > 0,
            _lookups(tuple(tables)), bits.ends,
        )  # fmt: skip
    elif 1 <= first <= last <= 63 and not bits.interleaved:
        (table,) = _tables(scan.ac)
        failed = measure_ac_scan(
            bits.words, bits.starts, bits.stops, bits.interval, nonzero[scan.members[0]], first, last, high > 0,
            lookup_of(table), bits.ends,
        )  # fmt: skip
    else:
        raise JpegError("a broken scan header")
    if failed:
        raise JpegError(DAMAGED)
    none = np.zeros((len(scan.members), 256), np.int64)
    return bits.written(data[scan.segment.start : scan.segment.end], none, none)


def _tables(tables: Sequence[HuffmanTable | None]) -> list[HuffmanTable]:
    found = [table for table in tables if table is not None]
    if len(found) < len(tables):
        raise JpegError("tables are missing")
    return found


@lru_cache(maxsize=64)
def _has_all_dc(table: HuffmanTable) -> bool:
    """Whether a table has a code for each DC difference of 8-bit pictures, as the standard's own have, and no other."""
    return set(table.symbols) == {*range(LARGEST_DC_SIZE + 1)}


@lru_cache(maxsize=64)
def _has_all_ac(table: HuffmanTable) -> bool:
    """The same for AC coefficients; the file's own can be larger only where it has codes for these."""
    wanted = {0x00, 0xF0, *(zeros << 4 | size for zeros in range(16) for size in range(1, LARGEST_AC_SIZE + 1))}
    return wanted <= set(table.symbols)


def _codes(tables: Sequence[HuffmanTable]) -> Ints:
    return np.stack([codes_of(table) for table in tables])


def distinct(tables: Sequence[HuffmanTable]) -> tuple[tuple[HuffmanTable, ...], Ints]:
    """Each table once, and for each of those given which one it is: what is kept of them must fit into a cache."""
    once = tuple(dict.fromkeys(tables))
    return once, np.array([once.index(table) for table in tables], np.int64)


# most pictures of a collection share their tables
@lru_cache(maxsize=16)
def _lookups(tables: tuple[HuffmanTable, ...]) -> npt.NDArray[np.uint16]:
    return np.stack([lookup_of(table) for table in tables])


@lru_cache(maxsize=16)
def _skips(tables: tuple[HuffmanTable, ...]) -> npt.NDArray[np.uint16]:
    skips = np.zeros((len(tables), 1 << SKIP_BITS), np.uint16)
    for table, row in zip(tables, skips, strict=True):
        fill_skips(lookup_of(table), row)
    return skips


@lru_cache(maxsize=16)
def _dc_skips(tables: tuple[HuffmanTable, ...]) -> npt.NDArray[np.int16]:
    skips = np.zeros((len(tables), 1 << DC_SKIP_BITS), np.int16)
    for table, row in zip(tables, skips, strict=True):
        fill_dc_skips(lookup_of(table), row)
    return skips

"""Block-lossless JPEG: only the MCUs that a mask touches are coded anew, all others keep their bits.

The compressed data is followed code by code to find where MCUs begin. What lies outside the touched ones is copied bit
by bit; inside, data units that no mask touches keep their coefficients, and the others get those of the rendered pixels
(`_jpeg_blocks`), coded with the file's own tables. Behind a touched MCU one DC difference of each component is coded
anew, because the DC before it changed. Sequential Huffman pictures of 8 bits are handled, in one scan or several.

If a table lacks a code that is needed (programs that optimise tables leave unused ones out), it is added behind the
existing ones, which keep theirs; where there is no room for it, the new data units become the nearest that have codes.

Bits between the last code and the end of the compressed data are not copied: anything could hide there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.redaction._jpeg_blocks import Patch, colour_weights, patches, rendered_pixels, replacements, touched_units
from blur_tools.redaction._jpeg_markers import (
    DHT,
    PROCESSES,
    Frame,
    HuffmanTable,
    JpegError,
    Scan,
    read_frame,
)
from blur_tools.redaction.masks import Region

__all__ = ["redacted_scans"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

LONGEST = 16
"""Bits of the longest code (B.2.4.2)."""


class NoRoom(JpegError):
    """A Huffman table lacks a code and has no room for it."""

    def __init__(self) -> None:
        super().__init__("its Huffman tables lack a code")


def redacted_scans(data: bytes, image: Image.Image, regions: Iterable[Region]) -> list[memoryview]:
    """The scans of a JPEG file with the rendered pixels in the regions.

    Parameters
    ----------
    data : bytes
        The file.
    image : PIL.Image.Image
        Its pixels as Pillow decodes them, rendered in the regions.
    regions : iterable of Region
        What is hidden; nothing gives the scans as they are, without what hides between and behind their codes.

    Returns
    -------
    list of memoryview
        For `metadata.clean_jpeg`: each scan's segment with its compressed data, where needed a table before it.

    Raises
    ------
    JpegError
        It cannot be done; the text says why.
    """
    kernels = _kernels()
    frame = read_frame(data)
    _check(frame, image)
    found = patches(tuple(regions), frame)
    touched = [touched_units(found, frame, index) for index in range(len(frame.components))]
    try:
        parts = [_Decoded(kernels, data, frame, scan, touched) for scan in frame.scans]
        _replace(parts, image, found, frame)
        return [part.written(data) for part in parts]
    except IndexError as error:  # the kernels' check of bounds
        raise JpegError("its compressed data is damaged") from error


def _kernels() -> ModuleType:
    try:
        from blur_tools.redaction import _jpeg_kernels
    except ImportError as error:
        raise JpegError("numba is not installed") from error
    return _jpeg_kernels


def _check(frame: Frame, image: Image.Image) -> None:
    if frame.process not in (0xC0, 0xC1):
        raise JpegError(f"it is {PROCESSES.get(frame.process, 'differential')}")
    if frame.precision != 8:
        raise JpegError(f"it has {frame.precision} bits a sample")
    if frame.size != image.size:
        raise JpegError("its header is read in two ways")
    members = sorted(index for scan in frame.scans for index in scan.members)
    if members != list(range(len(frame.components))):
        raise JpegError("a component is in no scan or in several")
    if any(scan.spectral != (0, 63, 0, 0) for scan in frame.scans):
        raise JpegError("a scan of a part of the coefficients")


class _Decoded:
    """One scan: its bits, and the coefficients of the MCUs that are touched."""

    def __init__(
        self, kernels: ModuleType, data: bytes, frame: Frame, scan: Scan, touched: Sequence[Bools]
    ) -> None:
        self.kernels, self.scan, self.frame = kernels, scan, frame
        if any(table is None for table in (*scan.dc, *scan.ac)):
            raise JpegError("tables are missing")
        self.dc: list[HuffmanTable] = [table for table in scan.dc if table]
        self.ac: list[HuffmanTable] = [table for table in scan.ac if table]
        self.interleaved = len(scan.members) > 1
        units = [frame.components[i].units if self.interleaved else 1 for i in scan.members]
        self.unit_member = np.repeat(np.arange(len(units)), units).astype(np.int64)
        self.first_unit = np.cumsum([0, *units[:-1]])
        self.wanted = self._mcus(touched)
        interval = scan.restart_interval or self.wanted.size
        self.words, self.starts, stops = self._unstuffed(data, -(-self.wanted.size // interval))
        self._decode(interval, stops)

    def _mcus(self, touched: Sequence[Bools]) -> Bools:
        """Which MCUs are touched, (rows, columns)."""
        if not self.interleaved:
            index = self.scan.members[0]
            rows, columns = self.frame.units(index)
            return np.ascontiguousarray(touched[index][:rows, :columns])
        rows, columns = self.frame.mcus
        wanted = np.zeros((rows, columns), np.bool_)
        for index in self.scan.members:
            component = self.frame.components[index]
            wanted |= touched[index].reshape(rows, component.vertical, columns, component.horizontal).any((1, 3))
        return wanted

    def _unstuffed(self, data: bytes, intervals: int) -> tuple[npt.NDArray[np.uint32], Ints, Ints]:
        """The scan's bits as words; where each restart interval begins and ends."""
        segment = self.scan.segment
        content = np.frombuffer(data, np.uint8)[segment.end : segment.stop]
        raw = np.zeros(-(-len(content) // 8), ">u8")
        raw.view(np.uint8)[: len(content)] = content
        # zeros behind the end, so that broken codes cannot run out of it before they are noticed
        words = np.zeros(2 * raw.size + 2 + 64 * self.unit_member.size, np.uint32)
        starts = np.zeros(intervals, np.int64)
        size, found = self.kernels.unstuff(raw.astype(np.uint64), len(content), words, starts)
        if found != intervals:
            raise JpegError("its restart markers are out of order")
        return words, 8 * starts, 8 * np.append(starts[1:], size)

    def _decode(self, interval: int, stops: Ints) -> None:
        count, members = int(self.wanted.sum()), len(self.scan.members)
        self.coefficients = np.zeros((count, self.unit_member.size, 64), np.int16)
        self.runs = np.zeros((count, 6), np.int64)
        self.predictors, self.followers = np.zeros((2, count, 4), np.int64)
        self.follower_bits = np.zeros((count, 4, 2), np.int64)
        self.ends = np.zeros(len(self.starts), np.int64)
        lookups = [(_lookup(dc), _lookup(ac)) for dc, ac in zip(self.dc, self.ac, strict=True)]
        self.count = self.kernels.decode_scan(
            self.words, self.starts, stops, interval, self.wanted.ravel(), self.unit_member,
            np.stack([dc for dc, _ in lookups]), np.stack([ac for _, ac in lookups]),
            np.stack([_skips(table) for table in self.ac]),
            self.coefficients, self.runs, self.predictors, self.followers, self.follower_bits, self.ends,
        )  # fmt: skip
        if self.count < 0:
            raise JpegError("its compressed data is damaged")
        self.original = self.coefficients.reshape(-1, 64).copy()
        self.ranks = np.where(self.wanted, np.cumsum(self.wanted).reshape(self.wanted.shape) - 1, -1)

    def slots(self, index: int, patch: Patch) -> npt.NDArray[np.intp]:
        """For a patch's data units of a component: their rows among all coefficients, negative if they have none."""
        component = self.frame.components[index]
        (top, bottom), (left, right) = patch.rows, patch.columns
        if not self.interleaved:
            # such a scan has no units that only fill up MCUs
            shape = (bottom - top) * component.vertical, (right - left) * component.horizontal
            ranks = self.ranks[top * component.vertical :, left * component.horizontal :][: shape[0], : shape[1]]
            room = ((0, shape[0] - ranks.shape[0]), (0, shape[1] - ranks.shape[1]))
            return np.pad(ranks, room, constant_values=-1)
        ranks = self.ranks[top:bottom, left:right]
        units = np.arange(component.units).reshape(component.vertical, component.horizontal)
        units += self.first_unit[self.scan.members.index(index)]
        rows = ranks[:, None, :, None] * self.unit_member.size + units[None, :, None, :]
        return np.where(ranks[:, None, :, None] < 0, -1, rows).reshape(
            len(ranks) * component.vertical, ranks.shape[1] * component.horizontal
        )

    def written(self, data: bytes) -> memoryview:
        """The scan's segments and its compressed data, with the coefficients as they are now."""
        tables = self._completed()
        dc_codes = np.stack([_codes(table) for table in self.dc])
        ac_codes = np.stack([_codes(table) for table in self.ac])
        # every byte stuffed, restart markers, and 64 longest codes with their bits in each data unit that is new
        room = 8 * self.words.size + 2 * len(self.starts) + 448 * self.coefficients.shape[0] * self.unit_member.size
        segment = self.scan.segment
        head = tables + data[segment.start : segment.end]
        out = np.empty(len(head) + room, np.uint8)
        out[: len(head)] = np.frombuffer(head, np.uint8)
        size = self.kernels.encode_scan(
            self.words, self.starts, self.ends, self.unit_member, len(self.dc), self.coefficients, self.runs,
            self.count, self.predictors, self.followers, self.follower_bits, dc_codes, ac_codes, out, len(head),
        )  # fmt: skip
        if size < 0:
            raise NoRoom
        return memoryview(out[:size])

    def _completed(self) -> bytes:
        """See to it that every coefficient has a code; returns the segments of the tables that were extended."""
        used_dc, used_ac = np.zeros((2, len(self.dc), 256), np.bool_)
        self.kernels.used_symbols(
            self.unit_member, self.coefficients, self.runs, self.count, self.predictors, self.followers, len(self.dc),
            used_dc, used_ac,
        )  # fmt: skip
        segments = self._extend(self.dc, 0, used_dc)
        try:
            return segments + self._extend(self.ac, 1, used_ac)
        except NoRoom:
            divisors = np.stack([self.frame.quantisation[index] for index in self.scan.members])
            codes = np.stack([_codes(table) for table in self.ac])
            if not self.kernels.make_codable(self.coefficients, self.unit_member, codes, divisors):
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
                extended = _extended(table, bytes(sorted(missing)))
                for i in members:
                    longer[i] = extended
                segments.append(_segment(kind, selector, extended))
        tables[:] = longer
        return b"".join(segments)


def _replace(parts: Iterable[_Decoded], image: Image.Image, found: Iterable[Patch], frame: Frame) -> None:
    """Write the coefficients of the rendered pixels over those of the touched data units."""
    weights, offsets = colour_weights(frame, image.mode)
    scan_of = {index: part for part in parts for index in part.scan.members}
    for patch in found:
        pixels = rendered_pixels(image, patch, frame)
        for index, part in scan_of.items():
            rows, new = replacements(
                pixels, patch, frame, index, weights[index], float(offsets[index]), part.slots(index, patch),
                part.original,
            )  # fmt: skip
            part.coefficients.reshape(-1, 64)[rows] = new


def _code_words(table: HuffmanTable) -> Iterator[tuple[int, int, int]]:
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
def _lookup(table: HuffmanTable) -> npt.NDArray[np.int32]:
    """By the next 16 bits: the length of the code that they begin with, times 256, plus its symbol; 0 for none."""
    lookup = np.zeros(1 << LONGEST, np.int32)
    for symbol, code, length in _code_words(table):
        lookup[code << (LONGEST - length) : (code + 1) << (LONGEST - length)] = length << 8 | symbol
    return lookup


@lru_cache(maxsize=64)
def _skips(table: HuffmanTable) -> npt.NDArray[np.int32]:
    kernels: Any = _kernels()
    skips = np.zeros(1 << kernels.SKIP_BITS, np.int32)
    kernels.fill_skips(_lookup(table), skips)
    return skips


@lru_cache(maxsize=64)
def _codes(table: HuffmanTable) -> Ints:
    """By symbol: the length of its code, times 65536, plus the code; 0 for none."""
    codes = np.zeros(256, np.int64)
    for symbol, code, length in _code_words(table):
        codes[symbol] = length << 16 | code
    return codes


def _extended(table: HuffmanTable, symbols: bytes) -> HuffmanTable:
    """A table with more symbols, whose codes come behind all others: those stay what they are.

    The longest code of ones alone stays free, as the standard wants it (C.2).
    """
    taken = max(((code + 1) << (LONGEST - length) for _, code, length in _code_words(table)), default=0)
    counts = (*table.counts[:-1], table.counts[-1] + len(symbols))
    if taken + len(symbols) >= 1 << LONGEST or len(table.symbols) + len(symbols) > 256 or counts[-1] > 255:
        raise NoRoom
    return HuffmanTable(counts, table.symbols + symbols)


def _segment(kind: int, selector: int, table: HuffmanTable) -> bytes:
    body = bytes([kind << 4 | selector, *table.counts]) + table.symbols
    return bytes([0xFF, DHT]) + (len(body) + 2).to_bytes(2, "big") + body

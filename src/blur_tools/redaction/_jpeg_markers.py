"""The segments of a JPEG file, and what they say of its coding (ITU-T T.81, annex B).

Nothing here decodes pixels. What is read comes from strangers: whatever does not hold raises `JpegError`, and a file
that libjpeg and we could read in two ways (two frames, a table used before it is defined) counts as broken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["APP0", "APP14", "DHT", "EOI", "PROCESSES", "PROGRESSIVE_ARITHMETIC", "PROGRESSIVE_HUFFMAN", "SOS",
           "CodedTwice", "Component", "Frame", "HuffmanTable", "JpegError", "NotFollowed", "Scan", "Segment",
           "check_scans", "read_frame", "segments"]  # fmt: skip

APP0, APP14, DHT, DQT, DRI, DAC, SOS, EOI = 0xE0, 0xEE, 0xC4, 0xDB, 0xDD, 0xCC, 0xDA, 0xD9
_SOF = {*range(0xC0, 0xD0)} - {DHT, 0xC8, DAC}
PROCESSES = {
    0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless", 0xC9: "arithmetic",
    0xCA: "progressive arithmetic",
}  # fmt: skip
PROGRESSIVE_HUFFMAN, PROGRESSIVE_ARITHMETIC = 0xC2, 0xCA
MOST_UNITS = 10
"""Data units of an MCU at most (B.2.3)."""

_CHUNK = 1 << 17
"""Bytes in which the end of compressed data is looked for at once: they stay in the processor's cache."""


class JpegError(ValueError):
    """A JPEG that cannot be handled block by block; the text says why, in words that fit into a warning."""


class CodedTwice(JpegError):
    """A JPEG with scans that code again what others did: whatever these show is seen by nobody."""


class NotFollowed(JpegError):
    """A JPEG whose codes are not followed here, though nothing is known to be wrong with it."""


@dataclass(frozen=True)
class Segment:
    """One marker with its parameters, at ``data[start:end]``; behind a scan's its compressed data ends at `stop`."""

    marker: int
    start: int
    end: int
    stop: int


@dataclass(frozen=True)
class Component:
    """A colour component as the frame header has it (B.2.2)."""

    identifier: int
    horizontal: int
    vertical: int
    quantisation_selector: int

    @property
    def units(self) -> int:
        """Its data units in an interleaved MCU."""
        return self.horizontal * self.vertical


@dataclass(frozen=True)
class HuffmanTable:
    """Numbers of codes of each length 1 to 16, and their symbols in the order of the codes (B.2.4.2)."""

    counts: tuple[int, ...]
    symbols: bytes


@dataclass(frozen=True)
class Scan:
    """One scan with the tables that hold for it.

    Attributes
    ----------
    segment : Segment
        Where it is in the file.
    members : tuple of int
        Its components, as positions in `Frame.components`.
    dc, ac : tuple of HuffmanTable or None
        Of each member.
    selectors : tuple of (int, int)
        The table destinations of each member, DC and AC.
    spectral : (first, last, high, low)
        Spectral selection and successive approximation.
    restart_interval : int
        In MCUs; 0 for none.
    """

    segment: Segment
    members: tuple[int, ...]
    dc: tuple[HuffmanTable | None, ...]
    ac: tuple[HuffmanTable | None, ...]
    selectors: tuple[tuple[int, int], ...]
    spectral: tuple[int, int, int, int]
    restart_interval: int


@dataclass
class Frame:
    """What a file says of its picture.

    Attributes
    ----------
    process : int
        The SOF marker.
    size : (width, height)
        In pixels.
    quantisation : dict of int to array
        For each component by its position its 64 divisors in zigzag order, as they were when its first scan began.
    transform : int or None
        The colour transform that Adobe's segment names.
    jfif : bool
        Whether there is a JFIF header.
    """

    process: int
    precision: int
    size: tuple[int, int]
    components: tuple[Component, ...]
    scans: list[Scan] = field(default_factory=list)
    quantisation: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    transform: int | None = None
    jfif: bool = False

    @cached_property
    def sampling(self) -> tuple[int, int]:
        """The largest sampling factors: an MCU is so many times eight pixels wide and high."""
        return max(c.horizontal for c in self.components), max(c.vertical for c in self.components)

    @property
    def mcus(self) -> tuple[int, int]:
        """Rows and columns of interleaved MCUs."""
        across, down = self.sampling
        return -(-self.size[1] // (8 * down)), -(-self.size[0] // (8 * across))

    def ratio(self, index: int) -> tuple[int, int]:
        """Pixels that one sample of a component stands for, across and down."""
        (across, down), component = self.sampling, self.components[index]
        return across // component.horizontal, down // component.vertical

    def units(self, index: int) -> tuple[int, int]:
        """Rows and columns of a component's data units without those that only fill up an MCU (A.2.4)."""
        (across, down), component = self.sampling, self.components[index]
        width = -(-self.size[0] * component.horizontal // across)
        height = -(-self.size[1] * component.vertical // down)
        return -(-height // 8), -(-width // 8)


def segments(data: bytes, known: Iterable[Segment] = ()) -> Iterator[Segment]:
    """Each segment of the first picture in a file, up to its end.

    Parameters
    ----------
    data : bytes
        The file.
    known : iterable of Segment
        Its scans, if they were found before: looking for their ends takes long.

    Raises
    ------
    JpegError
        They cannot be followed.
    """
    position, stops = 2, {scan.end: scan.stop for scan in known}
    while True:
        start = position
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        if position + 2 > len(data) or data[position] != 0xFF or not _is_marker(data[position + 1]):
            raise JpegError("not a marker where one must be")
        marker = data[position + 1]
        if marker == EOI:
            return
        (length,) = struct.unpack(">H", data[position + 2 : position + 4].rjust(2, b"\0"))
        start, end = position, position + 2 + length
        if length < 2 or end > len(data):
            raise JpegError("a segment that does not end")
        position = end
        if marker == SOS:
            position = stops[end] if end in stops else _entropy_end(data, end)
        yield Segment(marker, start, end, position)


def _is_marker(code: int) -> bool:
    """Neither a stuffed byte nor a restart marker."""
    return 0x01 <= code <= 0xCF or 0xD8 <= code <= 0xFE


_NO_MARKER = np.array([not _is_marker(code) for code in range(256)])


def _entropy_end(data: bytes, position: int) -> int:
    """Where the marker behind compressed data begins."""
    content = np.frombuffer(data, np.uint8)
    for start in range(position, len(data) - 1, _CHUNK):
        stop = min(start + _CHUNK, len(data) - 1)
        following = content[start + 1 : stop + 1]
        found = (content[start:stop] == 0xFF) & (following != 0)
        if not found.any():  # the most of them
            continue
        places = np.flatnonzero(found)
        ends = places[~_NO_MARKER[following[places]]]
        if len(ends):
            end = start + int(ends[0])
            while data[end - 1] == 0xFF:  # fill bytes
                end -= 1
            return max(end, position)
    raise JpegError("no end of the picture")


def read_frame(data: bytes) -> Frame:
    """Read headers and tables.

    Raises
    ------
    JpegError
        They are broken or ambiguous.
    """
    frame: Frame | None = None
    quantisation: dict[int, npt.NDArray[np.float32]] = {}
    huffman: dict[tuple[int, int], HuffmanTable] = {}
    interval, transform, jfif = 0, None, False
    for segment in segments(data):
        body = data[segment.start + 4 : segment.end]
        try:
            if segment.marker == DQT:
                quantisation |= _quantisation_tables(body)
            elif segment.marker == DHT:
                huffman |= _huffman_tables(body)
            elif segment.marker == DRI:
                (interval,) = struct.unpack(">H", body)
            elif segment.marker == APP0 and body[:5] == b"JFIF\0" and len(body) >= 14:
                jfif = True
            elif segment.marker == APP14 and body[:5] == b"Adobe" and len(body) >= 12:
                transform = body[11]
            elif segment.marker in _SOF:
                if frame is not None:
                    raise JpegError("it has two frames")
                frame = _frame(segment.marker, body)
            elif segment.marker == SOS:
                if frame is None:
                    raise JpegError("a scan before its frame")
                frame.scans.append(_scan(segment, body, frame, huffman, interval))
                for index in frame.scans[-1].members:
                    table = quantisation.get(frame.components[index].quantisation_selector)
                    if table is not None:
                        frame.quantisation.setdefault(index, table)
        except (IndexError, struct.error) as error:
            raise JpegError("a segment is too short") from error
    if frame is None or len(frame.quantisation) < len(frame.components):
        raise JpegError("tables are missing")
    frame.transform, frame.jfif = transform, jfif
    return frame


def _quantisation_tables(body: bytes) -> dict[int, npt.NDArray[np.float32]]:
    tables, position = {}, 0
    while position < len(body):
        wide, selector = body[position] >> 4, body[position] & 15
        size = 128 if wide else 64
        values = body[position + 1 : position + 1 + size]
        if len(values) < size or selector > 3 or wide > 1:
            raise JpegError("a broken quantisation table")
        table = np.frombuffer(values, ">u2" if wide else "u1").astype(np.float32)
        if not table.all():
            raise JpegError("a quantisation table with a zero")
        tables[selector] = table
        position += 1 + size
    return tables


def _huffman_tables(body: bytes) -> dict[tuple[int, int], HuffmanTable]:
    tables, position = {}, 0
    while position < len(body):
        kind, selector = body[position] >> 4, body[position] & 15
        counts = tuple(body[position + 1 : position + 17])
        symbols = body[position + 17 : position + 17 + sum(counts)]
        if len(counts) < 16 or len(symbols) < sum(counts) or len(symbols) > 256 or kind > 1 or selector > 3:
            raise JpegError("a broken Huffman table")
        tables[kind, selector] = HuffmanTable(counts, symbols)
        position += 17 + len(symbols)
    return tables


def _frame(marker: int, body: bytes) -> Frame:
    precision, height, width, count = struct.unpack(">BHHB", body[:6])
    components = tuple(
        Component(body[i], body[i + 1] >> 4, body[i + 1] & 15, body[i + 2]) for i in range(6, 6 + 3 * count, 3)
    )
    if not (width and height and 1 <= count <= 4) or len({c.identifier for c in components}) < count:
        raise JpegError("a broken frame header")
    if any(not (1 <= c.horizontal <= 4 and 1 <= c.vertical <= 4) for c in components):
        raise JpegError("a broken frame header")
    frame = Frame(marker, precision, (width, height), components)
    across, down = frame.sampling
    if any(across % c.horizontal or down % c.vertical for c in components):
        raise JpegError("its sampling factors are no multiples of each other")
    return frame


def _scan(
    segment: Segment, body: bytes, frame: Frame, huffman: dict[tuple[int, int], HuffmanTable], interval: int
) -> Scan:
    count = body[0]
    positions = {component.identifier: index for index, component in enumerate(frame.components)}
    pairs = [(body[1 + 2 * i], body[2 + 2 * i]) for i in range(count)]
    first, last, approximation = struct.unpack_from("3B", body, 1 + 2 * count)
    if not 1 <= count <= 4 or any(identifier not in positions for identifier, _ in pairs):
        raise JpegError("a broken scan header")
    members = tuple(positions[identifier] for identifier, _ in pairs)
    if len(set(members)) < count or (sum(frame.components[i].units for i in members) > MOST_UNITS and count > 1):
        raise JpegError("a broken scan header")
    selectors = tuple((tables >> 4, tables & 15) for _, tables in pairs)
    return Scan(
        segment,
        members,
        tuple(huffman.get((0, dc)) for dc, _ in selectors),
        tuple(huffman.get((1, ac)) for _, ac in selectors),
        selectors,
        (first, last, approximation >> 4, approximation & 15),
        interval,
    )


def check_scans(frame: Frame) -> None:
    """See to it that each bit of each coefficient is in one scan at most (G.1.1.1, as jdphuff.c of libjpeg has it).

    Raises
    ------
    CodedTwice
        Some are in several; decoders go by the last.
    """
    progressive = frame.process in (PROGRESSIVE_HUFFMAN, PROGRESSIVE_ARITHMETIC)
    # the lowest bit that was coded, for each component and coefficient
    lowest: dict[tuple[int, int], int] = {}
    for scan in frame.scans:
        first, last, high, low = scan.spectral if progressive else (0, 0, 0, 0)
        for place in ((member, k) for member in scan.members for k in range(first, last + 1)):
            if place in lowest and not (high == lowest[place] and low == high - 1):
                raise CodedTwice("it has scans that code again what others did")
            lowest[place] = low

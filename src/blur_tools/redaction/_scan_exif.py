"""Directories of EXIF blocks and TIFF files (TIFF 6.0, BigTIFF): every entry, and every byte that none refers to.

Directories are walked from a list, never by recursion, each offset once; entries are counted over the whole block.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blur_tools.redaction._scan_findings import NOTE, WARNING, FindingKind, Findings, Severity, is_readable
from blur_tools.redaction._scan_strips import JPEG, PALETTE, Layout, scan_strips
from blur_tools.redaction._scan_text import MOST_DEEP, scan_icc, scan_iptc, scan_photoshop, scan_xmp

__all__ = ["DEVICE_TAGS", "LARGEST_NUMBER", "LARGEST_TEXT", "most_bytes", "scan_directories"]

MOST_DIRECTORIES, MOST_ENTRIES, MOST_STRIPS, MOST_GAPS = 200, 20_000, 1 << 20, 50
LARGEST_TEXT, LARGEST_NAME, LARGEST_NUMBER = 1024, 512, 64
"""Bytes of a text, a name or date, and a number or a few, whose meaning is known: more is something else."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

SUBDIRECTORIES, EXIF_POINTER, GPS_POINTER, INTEROPERABILITY, GLOBAL = 0x014A, 0x8769, 0x8825, 0xA005, 0x0190
_POINTERS = {SUBDIRECTORIES: "SubIFD", EXIF_POINTER: "Exif", GPS_POINTER: "GPS", INTEROPERABILITY: "Interoperability",
             GLOBAL: "GlobalParameters"}  # fmt: skip
STRIPS, STRIP_BYTES, TILES, TILE_BYTES, JPEG_PLACE, JPEG_SIZE = 0x0111, 0x0117, 0x0144, 0x0145, 0x0201, 0x0202
_PLACES = {STRIPS: STRIP_BYTES, TILES: TILE_BYTES, JPEG_PLACE: JPEG_SIZE}
_REFERENCES = {*_POINTERS, *_PLACES, *_PLACES.values()}

_TOLD: dict[int, tuple[str, str, FindingKind, Severity]] = {
    0x010D: ("DocumentName", "a text", "text", WARNING), 0x010E: ("ImageDescription", "a text", "text", WARNING),
    0x011D: ("PageName", "a text", "text", WARNING), 0x9286: ("UserComment", "a text", "text", WARNING),
    0x9213: ("ImageHistory", "a text", "text", WARNING), 0x9C9B: ("XPTitle", "a text", "text", WARNING),
    0x9C9C: ("XPComment", "a text", "text", WARNING), 0x9C9D: ("XPAuthor", "a name", "identity", WARNING),
    0x9C9E: ("XPKeywords", "a text", "text", WARNING), 0x9C9F: ("XPSubject", "a text", "text", WARNING),
    0x013B: ("Artist", "a name", "identity", WARNING), 0x8298: ("Copyright", "a name", "identity", WARNING),
    0xA430: ("CameraOwnerName", "a name", "identity", WARNING), 0x013C: ("HostComputer", "a name", "identity", WARNING),
    0xA431: ("BodySerialNumber", "a serial number", "device", WARNING),
    0xA435: ("LensSerialNumber", "a serial number", "device", WARNING),
    0xA420: ("ImageUniqueID", "a number of this picture alone", "device", WARNING),
    0xC62F: ("CameraSerialNumber", "a serial number", "device", WARNING),
    0xC65D: ("RawDataUniqueID", "a number of this picture alone", "device", WARNING),
    0x010F: ("Make", "the camera's maker", "technical", NOTE), 0x0110: ("Model", "the camera", "technical", NOTE),
    0x0131: ("Software", "a program", "technical", NOTE), 0x0132: ("DateTime", "a time", "technical", NOTE),
    0x9003: ("DateTimeOriginal", "a time", "technical", NOTE),
    0x9004: ("DateTimeDigitized", "a time", "technical", NOTE),
    0xA433: ("LensMake", "the lens's maker", "technical", NOTE), 0xA434: ("LensModel", "the lens", "technical", NOTE),
}  # fmt: skip
DEVICE_TAGS = frozenset(tag for tag, (_, _, kind, _) in _TOLD.items() if kind == "device")
"""Serial numbers, and numbers that one picture alone has."""

_LEAKS: dict[int, tuple[str, str]] = {
    0x927C: ("MakerNote", "the maker's own block, where previews and serial numbers are kept"),
    0x935C: ("ImageSourceData", "Photoshop's layers"),
    0xC634: ("DNGPrivateData", "the maker's own block"),
}


def _tags(*ranges: tuple[int, int] | int) -> frozenset[int]:
    return frozenset(t for r in ranges for t in (range(r[0], r[1] + 1) if isinstance(r, tuple) else (r,)))


# numbers that describe the layout of pixels or how the picture was taken
_KNOWN = _tags(
    (0x00FE, 0x0103), (0x0106, 0x010A), (0x0111, 0x011C), (0x011E, 0x0125), (0x0128, 0x0129), 0x012D, (0x013D, 0x013F),
    (0x0141, 0x0145), (0x0152, 0x0156), (0x0201, 0x0209), (0x0211, 0x0214), 0x829A, 0x829D, 0x8822, 0x8824, 0x8827,
    (0x8830, 0x8835), 0x9000, (0x9010, 0x9012), 0x9101, 0x9102, (0x9201, 0x920A), 0x9214, (0x9290, 0x9292),
    (0x9400, 0x9405), (0xA000, 0xA003), 0xA20B, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA215, 0xA217, 0xA300, 0xA301,
    0xA302, (0xA401, 0xA40A), 0xA40C, 0xA432, (0xA460, 0xA462), 0xA500,
)  # fmt: skip
COLOUR_MAP, JPEG_TABLES, LARGEST_TABLES = 0x0140, 0x015B, 4096
# colour map, transfer function, the tables that JPEG strips share
_TABLES = {COLOUR_MAP: 3 * 2 * 65536, 0x012D: 3 * 2 * 256, JPEG_TABLES: LARGEST_TABLES}

MOST_NUMBERS = 1024
"""Bytes of all numbers together, in one directory, that say how a picture was taken or is laid out."""

_LAYOUT = {
    "width": 0x0100, "height": 0x0101, "bits": 0x0102, "compression": 0x0103, "photometric": 0x0106,
    "fill_order": 0x010A, "samples": 0x0115, "rows": 0x0116, "planes": 0x011C, "tile_width": 0x0142,
    "tile_height": 0x0143, "extra": 0x0152, "subsampling": 0x0212,
}  # fmt: skip
_SINGLE = _LAYOUT.keys() - {"bits", "extra", "subsampling"}


def most_bytes(tag: int, is_file: bool = False) -> int:
    """Bytes that the value of a tag has at most if it is what the tag says; of a TIFF file there can be more."""
    if tag in _TOLD:
        return LARGEST_TEXT if _TOLD[tag][2] == "text" else LARGEST_NAME
    return _TABLES.get(tag, LARGEST_NUMBER) if is_file else LARGEST_NUMBER


_INTEROPERABILITY_TAGS = _tags(1, 2, (0x1000, 0x1002))


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    start: int
    stop: int


class _Block:
    """The bytes of one block, with offsets as the block counts them."""

    def __init__(self, found: Findings, start: int, stop: int, is_file: bool) -> None:
        data, self.is_file = found.data, is_file
        self.found, self.data, self.start, self.stop = found, data, start, stop
        self.order = {b"II": "<", b"MM": ">"}.get(data[start : start + 2], "")
        magic = int.from_bytes(data[start + 2 : start + 4], "little" if self.order == "<" else "big")
        self.big = magic == 43
        self.sound = bool(self.order) and stop - start >= (16 if self.big else 8)
        self.used: list[tuple[int, int]] = [(start, start + (16 if self.big else 8))]
        self.strips: list[npt.NDArray[np.int64]] = []
        self.entries_left, self.strips_left = MOST_ENTRIES, MOST_STRIPS

    def number(self, code: str, position: int) -> int:
        return int(struct.unpack_from(self.order + code, self.data, position)[0])

    def first(self) -> int:
        return self.number("Q", self.start + 8) if self.big else self.number("I", self.start + 4)

    def directory(self, offset: int) -> tuple[list[_Entry], int] | None:
        """Entries and the offset of the next directory; None where there is no whole one."""
        place = self.start + offset
        head, cell, foot = (8, 20, 8) if self.big else (2, 12, 4)
        if not self.start + 8 <= place <= self.stop - head:
            return None
        count = self.number("Q" if self.big else "H", place)
        table, end = place + head, place + head + cell * count
        if end > self.stop:
            return None
        self.used.append((place, min(end + foot, self.stop)))
        entries = [self._entry(table + cell * i) for i in range(min(count, self.entries_left))]
        if count > self.entries_left:
            self.found.broken("EXIF or TIFF", "more entries than are looked at", table, end)
        self.entries_left -= len(entries)
        following = self.number("Q" if self.big else "I", end) if end + foot <= self.stop else 0
        return entries, following

    def _entry(self, place: int) -> _Entry:
        tag, kind = self.number("H", place), self.number("H", place + 2)
        count = self.number("Q" if self.big else "I", place + 4)
        value, room = (place + 12, 8) if self.big else (place + 8, 4)
        size = _SIZES.get(kind, 1) * count
        start = value if size <= room else self.start + self.number("Q" if self.big else "I", value)
        # what lies outside is not there
        stop = start + size if self.start <= start and start + size <= self.stop else start
        if size > room:
            self.used.append((start, stop))
        return _Entry(tag, kind, count, start, stop)

    def numbers(self, entry: _Entry) -> npt.NDArray[np.int64]:
        """The values of an entry with whole numbers; not more than `MOST_STRIPS` of the whole block."""
        code = _CODES.get(entry.kind)
        if code is None or entry.stop <= entry.start:
            return np.zeros(0, np.int64)
        kind = np.dtype(self.order + {"H": "u2", "I": "u4", "Q": "u8"}[code])
        count = min((entry.stop - entry.start) // kind.itemsize, self.strips_left)
        self.strips_left -= count
        values = np.frombuffer(self.data, kind, count, entry.start)
        # a file has no such offsets, and sums must stay numbers
        return np.minimum(values.astype(np.uint64), np.uint64(1 << 48)).astype(np.int64)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """The runs of bytes that nothing refers to."""
        parts = [np.array(self.used, np.int64).reshape(-1, 2), *self.strips]
        spans = np.concatenate(parts).clip(self.start, self.stop)
        spans = spans[np.argsort(spans[:, 0], kind="stable")]
        reached = np.maximum.accumulate(np.concatenate([[self.start], spans[:, 1]]))
        starts, stops = reached, np.append(spans[:, 0], self.stop)
        for i in np.flatnonzero(stops > starts):
            yield int(starts[i]), int(stops[i])


def scan_directories(
    found: Findings, where: str, start: int, stop: int, *, is_file: bool = False, depth: int = 0
) -> None:
    """Look through an EXIF block, or a TIFF file, whose first directory is the picture itself.

    Parameters
    ----------
    where : str
        What the findings call it.
    start, stop : int
        Where its byte order mark is, and where it ends.
    is_file : bool
        A TIFF file.
    depth : int
        Blocks around it.
    """
    block = _Block(found, start, stop, is_file)
    if not block.sound:
        found.unknown(where, "no EXIF, where it should be", start, stop)
        return
    waiting = deque([(block.first(), "IFD0")])
    seen: set[int] = set()
    while waiting:
        offset, name = waiting.popleft()
        if offset in seen:
            found.add(f"{where}/{name}", "a directory that was there before", start, start, "technical", NOTE)
            continue
        if len(seen) >= MOST_DIRECTORIES:
            found.broken(where, "more directories than are looked at", start, stop)
            break
        seen.add(offset)
        read = block.directory(offset)
        if read is None:
            found.broken(f"{where}/{name}", "a directory that is not whole", min(start + offset, stop), stop)
            continue
        entries, following = read
        waiting += _entries(block, f"{where}/{name}", name, entries, is_file, depth)
        if len(waiting) > MOST_DIRECTORIES:
            found.broken(where, "more directories than are looked at", start, stop)
            break
        if following and name.startswith("IFD"):
            waiting.append((following, f"IFD{int(name[3:]) + 1}"))
    _report_gaps(block, where, is_file)


def _entries(
    block: _Block, where: str, name: str, entries: list[_Entry], is_file: bool, depth: int
) -> list[tuple[int, str]]:
    """Judge the entries of one directory; returns those that it points to."""
    deeper: list[tuple[int, str]] = []
    by_tag = {entry.tag: entry for entry in entries}
    _crowded(block, where, entries, by_tag)
    _pixels(block, where, by_tag, is_file and name == "IFD0")
    if name == "GPS":
        _position(block, where, entries)
        return []
    for entry in entries:
        if entry.tag in _POINTERS:
            label = _POINTERS[entry.tag]
            deeper += [(int(offset), label) for offset in block.numbers(entry)[:MOST_DIRECTORIES] if offset]
        if not (name == "Interoperability" and entry.tag in _INTEROPERABILITY_TAGS):
            _judge(block, where, entry, depth)
    return deeper


def _crowded(block: _Block, where: str, entries: list[_Entry], by_tag: dict[int, _Entry]) -> None:
    """Entries that are each too small to hold anything, and too many."""
    numbers = [entry for entry in entries if entry.tag in _KNOWN and entry.tag not in {*_REFERENCES, *_TABLES}]
    size = sum(entry.stop - entry.start for entry in numbers)
    if len(by_tag) < len(entries):
        block.found.broken(f"{where}/tags", "the same tags again", *_hull(block, entries))
    elif size > MOST_NUMBERS:
        block.found.broken(f"{where}/tags", f"numbers of {size:,} bytes", *_hull(block, numbers))


def _hull(block: _Block, entries: list[_Entry]) -> tuple[int, int]:
    first, last = min(entry.start for entry in entries), max(entry.stop for entry in entries)
    return min(first, block.stop), min(last, block.stop)


def _layout(block: _Block, by_tag: dict[int, _Entry]) -> Layout:
    """What a directory says of its pixels."""
    told = {name: [int(n) for n in block.numbers(by_tag[tag])[:64]] for name, tag in _LAYOUT.items() if tag in by_tag}
    one = {name: min(values[0], (1 << 31) - 1) for name, values in told.items() if values and name in _SINGLE}
    bits = tuple(told.get("bits") or (1,))
    samples = min(one.pop("samples", len(bits)), 64)
    if len(bits) == 1:
        bits *= max(1, samples)
    tile = (one.pop("tile_width", 0), one.pop("tile_height", 0))
    across, down = (*told.get("subsampling", ()), 2, 2)[:2]
    extra = tuple(told.get("extra", ()))
    width, height = one.pop("width", 0), one.pop("height", 0)
    return Layout(width, height, bits, tile=tile if all(tile) else None, subsampling=(across, down), extra=extra, **one)


def _pixels(block: _Block, where: str, by_tag: dict[int, _Entry], is_picture: bool) -> None:
    """Note where a directory's pixels are; they are a second picture unless it `is_picture` itself."""
    places = 0
    for place, size in _PLACES.items():
        if place not in by_tag:
            continue
        places += 1
        starts = block.numbers(by_tag[place])
        sizes = block.numbers(by_tag[size]) if size in by_tag else np.zeros(0, np.int64)
        sizes = np.resize(sizes, starts.shape) if len(sizes) == len(starts) else np.zeros_like(starts)
        spans = np.stack([starts + block.start, starts + sizes + block.start], 1)
        block.strips.append(spans)
        if is_picture and places == 1 and len(spans):
            layout = _layout(block, by_tag)
            scan_strips(block.found, f"{where}/pixels", layout, spans)
            _tables(block, where, by_tag, layout)
        if (not is_picture or places > 1) and len(spans):
            first, last = int(spans[0, 0]), int(spans[:, 1].max())
            what = "a thumbnail" if where.startswith("EXIF") else "another page, or a smaller picture"
            label = "thumbnail" if place == JPEG_PLACE else "pixels"
            block.found.picture(f"{where}/{label}", what, min(first, block.stop), min(last, block.stop))


def _tables(block: _Block, where: str, by_tag: dict[int, _Entry], layout: Layout) -> None:
    """Colour maps and JPEG's tables of pixels that have none, or more than theirs."""
    colours = 3 * 2 << layout.bits[0] if layout.photometric == PALETTE and layout.bits[0] <= 16 else 0
    for tag, most in ((COLOUR_MAP, colours), (JPEG_TABLES, LARGEST_TABLES if layout.compression == JPEG else 0)):
        if tag in by_tag and by_tag[tag].stop - by_tag[tag].start > most:
            entry = by_tag[tag]
            block.found.hidden(f"{where}/0x{tag:04X}", "a table that these pixels do not use",
                               entry.start + most, entry.stop)  # fmt: skip


def _position(block: _Block, where: str, entries: list[_Entry]) -> None:
    told = [entry for entry in entries if entry.tag != 0 and entry.stop > entry.start]
    for entry in told:
        if entry.stop - entry.start > LARGEST_TEXT:
            block.found.unknown(
                f"{where}/0x{entry.tag:04X}", "an entry larger than it can need", entry.start, entry.stop
            )
    if told:
        first, last = min(entry.start for entry in told), max(entry.stop for entry in told)
        block.found.add(where, "where the picture was taken", first, last, "location", WARNING)


def _judge(block: _Block, where: str, entry: _Entry, depth: int) -> None:
    found, tag, start, stop = block.found, entry.tag, entry.start, entry.stop
    size = stop - start
    if not size:
        return
    if tag == 0x02BC:
        scan_xmp(found, f"{where}/XMP", start, stop)
    elif tag == 0x83BB:
        scan_iptc(found, f"{where}/IPTC", start, stop)
    elif tag == 0x8649 and depth < MOST_DEEP:
        scan_photoshop(found, f"{where}/Photoshop", start, stop, depth + 1)
    elif tag == 0x8773:
        scan_icc(found, f"{where.split('/')[0]}/ICC profile", start, stop)
    elif tag in _LEAKS:
        name, what = _LEAKS[tag]
        found.hidden(f"{where}/{name}", what, start, stop)
    elif tag in _TOLD:
        name, what, kind, severity = _TOLD[tag]
        if not found.content(start, stop).strip(b"\0 "):
            return
        if kind == "text" and size <= 4 * LARGEST_TEXT:
            found.text(f"{where}/{name}", what, start, stop)
        elif size <= most_bytes(tag) and is_readable(found.content(start, stop)):
            found.add(f"{where}/{name}", what, start, stop, kind, severity)
        else:
            found.unknown(f"{where}/{name}", f"what should be {what}", start, stop)
    elif tag in _REFERENCES:
        if entry.kind not in _CODES:
            found.unknown(f"{where}/0x{tag:04X}", "an entry that should be a place", start, stop)
    elif tag in _KNOWN or tag in _TABLES:
        if size > most_bytes(tag, block.is_file):
            found.unknown(f"{where}/0x{tag:04X}", "an entry larger than it can need", start, stop)
    else:
        found.unknown(f"{where}/0x{tag:04X}", "an entry of unknown meaning", start, stop)


def _report_gaps(block: _Block, where: str, is_file: bool) -> None:
    reported, rest = 0, 0
    first = last = block.stop
    for start, stop in block.gaps():
        # values begin at even bytes, some writers' at multiples of four
        if stop - start < 4 or (is_file and stop - start < 16 and not block.data[start:stop].strip(b"\0")):
            continue
        if reported < MOST_GAPS:
            before = len(block.found.items)
            what = "bytes behind all that is referred to" if stop == block.stop else "bytes that nothing refers to"
            block.found.hidden(f"{where}/{'trailer' if stop == block.stop else 'gap'}", what, start, stop)
            reported += len(block.found.items) > before
        else:
            rest, first, last = rest + 1, min(first, start), stop
    if rest:
        block.found.broken(f"{where}/gap", f"{rest:,} more runs of bytes that nothing refers to", first, last)

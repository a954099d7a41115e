"""HEIF and AVIF files (ISO 14496-12, 23008-12): each item of the box structure that is not the picture itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import NOTE, Findings
from blur_tools.redaction._scan_text import scan_icc, scan_jumbf, scan_xmp

__all__ = ["scan_heif"]

MOST_BOXES, MOST_ITEMS, MOST_MEDIA = 10_000, 5_000, 100

_PICTURE_ITEMS = (b"hvc1", b"hev1", b"av01", b"avc1", b"jpeg", b"grid", b"iovl", b"iden", b"tmap", b"unci", b"j2k1",
                  b"vvc1")  # fmt: skip
_PLAIN_PROPERTIES = (b"ispe", b"pixi", b"hvcC", b"av1C", b"avcC", b"vvcC", b"irot", b"imir", b"pasp", b"clap", b"clli",
                     b"mdcv", b"rloc", b"lsel", b"a1op", b"a1lx", b"colr", b"auxC")  # fmt: skip


@dataclass
class _Items:
    """What the boxes of a ``meta`` box say of its items."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    references: dict[bytes, dict[int, list[int]]] = field(default_factory=dict)
    inside: set[int] = field(default_factory=set)
    inner: int = 0

    def place(self) -> None:
        """Count the parts of items that lie in the ``idat`` box from the file's beginning, too."""
        for item in self.inside:
            self.extents[item] = [(first + self.inner, last + self.inner) for first, last in self.extents[item]]


class _Boxes:
    """Walks boxes; their number over the whole file is bounded."""

    def __init__(self, found: Findings) -> None:
        self.found, self.data, self.left = found, found.data, MOST_BOXES

    def number(self, position: int, size: int) -> int:
        return int.from_bytes(self.data[position : position + size], "big")

    def within(self, position: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Name, start, start of the content, and end of each box."""
        while position + 8 <= end:
            size, name, body = self.number(position, 4), self.data[position + 4 : position + 8], position + 8
            if size == 1:
                size, body = self.number(position + 8, 8), position + 16
            stop = end if size == 0 else position + size
            self.left -= 1
            if stop > end or stop < body or self.left < 0:
                self.found.broken("HEIF", "a box that is not whole, or too many", position, end)
                return
            yield name, position, body, stop
            position = stop
        self.found.hidden("HEIF", "bytes that are no box", position, end)


def scan_heif(found: Findings) -> None:
    """Look through a HEIF or AVIF file."""
    boxes = _Boxes(found)
    items = _Items()
    media: list[tuple[int, int]] = []
    for name, start, body, stop in boxes.within(0, len(found.data)):
        if name == b"meta":
            _meta(boxes, items, body + 4, stop)
        elif name == b"mdat":
            media.append((body, stop))
        elif name == b"moov":
            found.picture("HEIF/moov", "a sequence of pictures or a film", start, stop)
        elif name == b"uuid" and found.data[body : body + 4] == b"\xd8\xfe\xc3\xd6":
            scan_jumbf(found, "JUMBF", body, stop)
        elif name == b"ftyp":
            found.hidden("HEIF/ftyp", "more than names of brands", min(body + 256, stop), stop)
        elif name not in (b"free", b"skip"):
            found.unknown(f"HEIF/{_label(name)}", "a box that no picture needs", body, stop)
        else:
            found.hidden(f"HEIF/{_label(name)}", "bytes in a box that is to be empty", body, stop)
    items.place()
    _items(found, items)
    if len(media) > MOST_MEDIA:
        found.broken("HEIF/mdat", "more boxes of data than are looked at", media[MOST_MEDIA][0])
    _unreferenced(found, items, media[:MOST_MEDIA])


def _label(name: bytes) -> str:
    return "".join(chr(c) if 32 < c < 127 else "?" for c in name)


def _meta(boxes: _Boxes, items: _Items, start: int, stop: int) -> None:
    found, number = boxes.found, boxes.number
    for name, _, body, end in boxes.within(start, stop):
        if name == b"pitm":
            items.primary = number(body + 4, 4 if boxes.data[body] else 2)
        elif name == b"iinf":
            head = 8 if boxes.data[body : body + 1] != b"\0" else 6
            for entry, _, inner, last in boxes.within(body + head, end):
                if entry == b"infe" and last - inner >= 12 and len(items.kinds) < MOST_ITEMS:
                    wide = 4 if boxes.data[inner] >= 3 else 2
                    items.kinds[number(inner + 4, wide)] = boxes.data[inner + 6 + wide : inner + 10 + wide]
        elif name == b"iloc":
            _locations(boxes, items, body, end)
        elif name == b"iref":
            wide = 4 if boxes.data[body : body + 1] != b"\0" else 2
            for kind, _, inner, last in boxes.within(body + 4, end):
                targets = range(inner + wide + 2, last - wide + 1, wide)
                items.references.setdefault(kind, {})[number(inner, wide)] = [number(p, wide) for p in targets]
        elif name == b"iprp":
            _properties(boxes, body, end)
        elif name == b"idat":
            items.inner = body
        elif name not in (b"hdlr", b"dinf", b"grpl"):
            found.unknown(f"HEIF/{_label(name)}", "a box that no picture needs", body, end)


def _locations(boxes: _Boxes, items: _Items, body: int, end: int) -> None:
    """The item location box: where in the file each item's parts are."""
    number, version = boxes.number, boxes.number(body, 1)
    sizes = number(body + 4, 2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    count, position = number(body + 6, wide), body + 6 + wide
    for _ in range(min(count, MOST_ITEMS)):
        if position + wide + 4 > end:
            return
        item, position = number(position, wide), position + wide
        inside = version in (1, 2) and number(position, 2) & 15 == 1
        position += 4 if version in (1, 2) else 2
        base, position = number(position, base_size), position + base_size
        extents, position = number(position, 2), position + 2
        for _ in range(min(extents, MOST_ITEMS)):
            if position + offset_size + length_size + index_size > end:
                return
            position += index_size
            start = base + number(position, offset_size)
            length = number(position + offset_size, length_size)
            position += offset_size + length_size
            stop = start + length if length else len(boxes.data)
            boxes.left -= 1
            if boxes.left >= 0:
                items.extents.setdefault(item, []).append((min(start, len(boxes.data)), min(stop, len(boxes.data))))
            if inside and item in items.extents:
                items.inside.add(item)


def _properties(boxes: _Boxes, body: int, end: int) -> None:
    found = boxes.found
    for name, _, inner, last in boxes.within(body, end):
        if name != b"ipco":
            continue
        for kind, _, start, stop in boxes.within(inner, last):
            if kind == b"colr" and found.data[start : start + 4] in (b"prof", b"rICC"):
                scan_icc(found, "ICC profile", start + 4, stop)
            elif kind == b"udes":
                found.text("HEIF/udes", "a description", start, stop)
            elif kind not in _PLAIN_PROPERTIES:
                found.unknown(f"HEIF/{_label(kind)}", "a property of unknown meaning", start, stop)


def _items(found: Findings, items: _Items) -> None:
    own = {items.primary}
    for _ in range(MOST_DERIVED):  # tiles of a grid, and pictures laid over each other
        own |= {part for item in own for part in items.references.get(b"dimg", {}).get(item, [])}
    thumbnails = items.references.get(b"thmb", {})
    auxiliary = items.references.get(b"auxl", {})
    for item, kind in items.kinds.items():
        for start, stop in items.extents.get(item, [])[:1]:
            last = items.extents[item][-1][1]
            if item in thumbnails:
                found.picture("HEIF/thumbnail", "a thumbnail", start, max(stop, last))
            elif item in auxiliary:
                found.picture(
                    "HEIF/auxiliary", "an auxiliary picture: depth, gain map or matte", start, max(stop, last)
                )
            elif kind == b"Exif":
                scan_directories(found, "EXIF", _exif_start(found.data, start, stop), stop)
            elif kind == b"mime":
                scan_xmp(found, "XMP", start, stop)
            elif kind not in _PICTURE_ITEMS:
                found.unknown(f"HEIF/{_label(kind)}", "an item of unknown meaning", start, stop)
            elif item not in own:
                found.picture(f"HEIF/{_label(kind)}", "a further picture", start, max(stop, last))
    if not items.kinds:
        found.add("HEIF", "no items; this is a sequence or not whole", 0, len(found.data), "unknown", NOTE)


MOST_DERIVED = 4
"""Steps from a picture to what it is made of."""


def _exif_start(data: bytes, start: int, stop: int) -> int:
    """An EXIF item begins with the offset of its TIFF header."""
    return min(start + 4 + int.from_bytes(data[start : start + 4], "big"), stop)


def _unreferenced(found: Findings, items: _Items, media: list[tuple[int, int]]) -> None:
    used = sorted(extent for extents in items.extents.values() for extent in extents)
    for body, stop in media:
        reached = body
        for first, last in [*used, (stop, stop)]:
            if first > reached and first <= stop:
                found.hidden("HEIF/mdat", "bytes that no item refers to", reached, first)
            reached = max(reached, min(last, stop))

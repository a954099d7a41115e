"""HEIF and AVIF files (ISO 14496-12, 23008-12): each item of the box structure that is not the picture itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import NOTE, Findings
from blur_tools.redaction._scan_heif_codes import scan_coded, scan_property
from blur_tools.redaction._scan_heif_items import DERIVED, Item, Items, own_items, scan_shown
from blur_tools.redaction._scan_text import inflated, scan_jumbf, scan_xmp

__all__ = ["scan_heif"]

MOST_BOXES, MOST_ITEMS, MOST_MEDIA, MOST_BRANDS = 10_000, 5_000, 100, 16

LONGEST_GROUP = 28
"""Bytes of a group of four items, such as a picture and its versions."""

_BRAND = re.compile(rb"hei[cmsx]|hev[cmsx]|mif[123]|msf1|mi(af|Pr)|MiH[BEA]|MA1[AB]|avi[fos]|av01|jpe[gs]|j2[ki]s?|"
                    rb"tmap|mp4[12]|iso[2-9m]|heif|unif|geo1|MPEG|MiAn|MiBr|MiCm")  # fmt: skip
MOST_UNKNOWN = 2
"""Brands of which nobody knows; makers have some of their own."""

_PICTURE_ITEMS = (b"hvc1", b"hev1", b"av01", b"avc1", b"jpeg", b"grid", b"iovl", b"iden", b"tmap", b"unci", b"j2k1",
                  b"vvc1", b"lhv1")  # fmt: skip
_USUAL_NAMES = (b"", b"Color", b"Alpha", b"Exif", b"XMP", b"Image", b"HEVC Image", b"HEVC Thumbnail", b"libavif",
                b"Picture", b"Main Image", b"Thumbnail", b"Image Handler", b"GMap", b"PictureHandler")  # fmt: skip
"""Names of items and handlers that programs write into every file."""

_XMP_TYPES = (b"application/rdf+xml", b"")

FILE, INSIDE = 0, 1
"""Where an item's parts lie: in the file, in the box ``idat``; anything else is not followed."""

# where the data is: in this file
_THIS_FILE = b"\0\0\0\x1cdref\0\0\0\0\0\0\0\1\0\0\0\x0curl \0\0\0\1"


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
    boxes, items = _Boxes(found), Items()
    media: list[tuple[int, int]] = []
    seen: set[bytes] = set()
    for name, start, body, stop in boxes.within(0, len(found.data)):
        if name in seen and name in (b"meta", b"ftyp"):
            found.broken(f"HEIF/{_label(name)}", "a box that may stand only once", body, stop)
        elif name == b"meta":
            found.hidden("HEIF/meta", "bytes that are to be 0", body, min(body + 4, stop))
            _meta(boxes, items, body + 4, stop)
        elif name == b"mdat":
            media.append((body, stop))
        elif name == b"moov":
            found.picture("HEIF/moov", "a sequence of pictures or a film", start, stop)
        elif name == b"uuid" and found.data[body : body + 4] == b"\xd8\xfe\xc3\xd6":
            scan_jumbf(found, "JUMBF", body, stop)
        elif name == b"ftyp":
            _brands(found, body, stop)
        elif name not in (b"free", b"skip"):
            found.unknown(f"HEIF/{_label(name)}", "a box that no picture needs", body, stop)
        else:
            found.hidden(f"HEIF/{_label(name)}", "bytes in a box that is to be empty", body, stop)
        seen.add(name)
    _place(found, items)
    _items(found, items)
    if len(media) > MOST_MEDIA:
        found.broken("HEIF/mdat", "more boxes of data than are looked at", media[MOST_MEDIA][0])
    used = sorted(part for item in items.listed.values() for part in item.parts)
    for start, stop in media[:MOST_MEDIA]:
        _unreferenced(found, "HEIF/mdat", used, start, stop)
    if items.inner:
        _unreferenced(found, "HEIF/idat", used, *items.inner)


def _brands(found: Findings, start: int, stop: int) -> None:
    names = [found.data[place : place + 4] for place in range(start, min(stop, start + 8 + 4 * MOST_BRANDS) - 3, 4)]
    unknown = [name for number, name in enumerate(names) if number != 1 and not _BRAND.fullmatch(name)]
    version = names[1] if len(names) > 1 else b""
    if stop - start > 8 + 4 * MOST_BRANDS or len(unknown) > MOST_UNKNOWN or version.strip(b"\0"):
        found.hidden("HEIF/ftyp", "more than names of brands", start + 4, stop)


def _label(name: bytes) -> str:
    return "".join(chr(c) if 32 < c < 127 else "?" for c in name)


def _meta(boxes: _Boxes, items: Items, start: int, stop: int) -> None:
    found, number = boxes.found, boxes.number
    seen: set[bytes] = set()
    for name, _, body, end in boxes.within(start, stop):
        if name in seen:
            found.broken(f"HEIF/{_label(name)}", "a box that may stand only once", body, end)
            continue
        seen.add(name)
        wide = 4 if boxes.data[body : body + 1] != b"\0" else 2
        if name == b"pitm":
            items.primary = number(body + 4, wide)
            found.hidden("HEIF/pitm", "bytes behind the value", min(body + 4 + wide, end), end)
        elif name == b"hdlr":
            found.hidden("HEIF/hdlr", "bytes that are to be 0", body, min(body + 8, end))
            found.hidden("HEIF/hdlr", "bytes that are to be 0", min(body + 12, end), min(body + 24, end))
            _name(found, "HEIF/hdlr", min(body + 24, end), end)
        elif name == b"iinf":
            for entry, _, inner, last in boxes.within(body + 4 + wide, end):
                if entry == b"infe":
                    _information(boxes, items, inner, last)
                else:
                    found.unknown(f"HEIF/{_label(entry)}", "a box that no picture needs", inner, last)
        elif name == b"iloc":
            _locations(boxes, items, body, end)
        elif name == b"iref":
            _references(boxes, items, body + 4, end, wide)
        elif name == b"iprp":
            _properties(boxes, items, body, end)
        elif name == b"idat":
            items.inner = (body, end)
        elif name == b"grpl":
            for kind, _, inner, last in boxes.within(body, end):
                found.unknown(f"HEIF/{_label(kind)}", "a group of items", min(inner + LONGEST_GROUP, last), last)
        elif name != b"dinf" or found.data[body:end] != _THIS_FILE:
            found.unknown(f"HEIF/{_label(name)}", "a box that no picture needs", body, end)


def _name(found: Findings, where: str, start: int, stop: int) -> None:
    if found.content(start, stop).strip(b"\0") not in _USUAL_NAMES:
        found.text(where, "a name", start, stop)


def _information(boxes: _Boxes, items: Items, start: int, stop: int) -> None:
    """An item's entry: its number, what it is, its name, and of some the type of content."""
    found, version = boxes.found, boxes.data[start] if start < stop else 0
    wide = 4 if version >= 3 else 2
    if version < 2 or stop - start < 10 + wide:
        found.broken("HEIF/infe", "an item whose kind is not said", start, stop)
        return
    found.hidden("HEIF/infe", "an item that is encrypted", start + 4 + wide, start + 6 + wide)
    kind, texts = boxes.data[start + 6 + wide : start + 10 + wide], start + 10 + wide
    name, *more = found.content(texts, stop).split(b"\0")
    _name(found, "HEIF/item name", texts, texts + len(name))
    content_type, packing, *rest = [*more, b"", b""] if kind == b"mime" else [b"", b"", *more]
    if any(rest):
        found.hidden("HEIF/infe", "bytes behind the entry", texts, stop)
    number = boxes.number(start + 4, wide)
    if number in items.listed or len(items.listed) >= MOST_ITEMS:
        found.broken("HEIF/infe", "an item that is listed already, or too many", start, stop)
        return
    items.listed[number] = Item(kind, content_type, packing)


def _references(boxes: _Boxes, items: Items, start: int, stop: int, wide: int) -> None:
    for kind, _, inner, last in boxes.within(start, stop):
        count = boxes.number(inner + wide, 2)
        first, end = inner + wide + 2, inner + wide + 2 + wide * count
        if end > last:
            boxes.found.broken("HEIF/iref", "a reference that is not whole", inner, last)
            continue
        boxes.found.hidden("HEIF/iref", "bytes behind a reference", end, last)
        targets = [boxes.number(place, wide) for place in range(first, end, wide)]
        known = items.references.setdefault(kind, {}).setdefault(boxes.number(inner, wide), [])
        if {*targets, boxes.number(inner, wide)} - items.listed.keys() or len({*targets}) < len(targets) or known:
            # iinf stands before iref in all known files
            boxes.found.broken("HEIF/iref", "references to items that are not there, or again", inner, end)
        known += targets


def _locations(boxes: _Boxes, items: Items, body: int, end: int) -> None:
    """The item location box: where each item's parts are."""
    number, version = boxes.number, boxes.number(body, 1)
    sizes = number(body + 4, 2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    count, position = number(body + 6, wide), body + 6 + wide
    for _ in range(min(count, MOST_ITEMS)):
        if position + wide + 4 > end:
            break
        item, position = number(position, wide), position + wide
        method = FILE
        if version in (1, 2):
            method, position = number(position, 2), position + 2
        if number(position, 2):  # in another file
            method = -1
        base, position = number(position + 2, base_size), position + 2 + base_size
        extents, position = number(position, 2), position + 2
        parts: list[tuple[int, int]] = []
        for _ in range(min(extents, MOST_ITEMS)):
            boxes.left -= 1
            if boxes.left < 0 or position + offset_size + length_size + index_size > end:
                break
            # said of items within items alone, which are not followed
            boxes.found.hidden("HEIF/iloc", "numbers that have no meaning", position, position + index_size)
            position += index_size
            start = base + number(position, offset_size)
            length = number(position + offset_size, length_size)
            position += offset_size + length_size
            parts.append((start, start + length if length else len(boxes.data)))
        items.located.setdefault(item, (method, parts))
    if boxes.left < 0:
        boxes.found.broken("HEIF/iloc", "more places than are looked at", body, end)
    boxes.found.hidden("HEIF/iloc", "bytes behind the places", min(position, end), end)


def _properties(boxes: _Boxes, items: Items, body: int, end: int) -> None:
    for name, _, inner, last in boxes.within(body, end):
        if name == b"ipco":
            items.properties += [(kind, start, stop) for kind, _, start, stop in boxes.within(inner, last)]
        elif name == b"ipma":
            _associations(boxes, items, inner, last)
        else:
            boxes.found.unknown(f"HEIF/{_label(name)}", "a box that no picture needs", inner, last)


def _associations(boxes: _Boxes, items: Items, position: int, end: int) -> None:
    number, wide = boxes.number, 2 if boxes.data[position : position + 1] == b"\0" else 4
    size, mask = (2, 0x7FFF) if number(position + 1, 3) & 1 else (1, 0x7F)
    count, position = number(position + 4, 4), position + 8
    for _ in range(min(count, MOST_ITEMS)):
        if position + wide + 1 > end:
            break
        item, amount, position = number(position, wide), number(position + wide, 1), position + wide + 1
        places = range(position, min(position + size * amount, end - size + 1), size)
        indexes = [number(place, size) & mask for place in places]
        items.repeats |= item in items.property_of or len(set(indexes)) < len(indexes)
        items.property_of[item] = indexes
        position += size * amount
    boxes.found.hidden("HEIF/ipma", "bytes behind the value", min(position, end), end)


def _place(found: Findings, items: Items) -> None:
    """Say of each item where in the file its parts are, and judge what is located and not listed."""
    size = len(found.data)
    for number, (method, parts) in items.located.items():
        first, last = items.inner or (0, 0)
        if method == INSIDE:
            parts = [(first + a, min(first + b, last) if b == size else first + b) for a, b in parts]
        elif method != FILE:
            found.broken("HEIF/iloc", "an item in another file, or in another item", 0, size)
            continue
        if any(not a < b <= (last if method == INSIDE else size) for a, b in parts):
            found.broken("HEIF/iloc", "places that are not there", 0, size)
        parts = [(min(a, size), min(b, size)) for a, b in parts]
        if number in items.listed:
            items.listed[number].parts = parts
            continue
        for start, stop in parts:
            found.hidden("HEIF/iloc", "an item that the file does not list", start, stop)
    used = {index for indexes in items.property_of.values() for index in indexes}
    for index, (kind, start, stop) in enumerate(items.properties, 1):
        scan_property(found, kind, start, stop)
        if index not in used:
            found.unknown(f"HEIF/{_label(kind)}", "a property that no item has", start, stop)
    missing = items.property_of.keys() - items.listed.keys()
    if missing or any(index > len(items.properties) for index in used) or items.repeats:
        found.broken("HEIF/ipma", "properties or items that are not there, or again", 0, size)


def _items(found: Findings, items: Items) -> None:
    own = own_items(found.data, items)
    scan_shown(found, items, own)
    thumbnails, auxiliary = (items.references.get(name, {}) for name in (b"thmb", b"auxl"))
    for number, item in items.listed.items():
        if not item.parts:
            continue
        start, stop = item.parts[0][0], max(last for _, last in item.parts)
        if number in own:
            _own(found, item)
        elif number in thumbnails:
            found.picture("HEIF/thumbnail", "a thumbnail", start, stop)
        elif number in auxiliary:
            found.picture("HEIF/auxiliary", "an auxiliary picture: depth, gain map or matte", start, stop)
        elif item.kind == b"Exif" and len(item.parts) == 1:
            header = _exif_start(found.data, start, stop)
            if found.data[start + 4 : header] != b"Exif\0\0":
                found.hidden("EXIF", "bytes before the header", min(start + 4, header), header)
            scan_directories(found, "EXIF", header, stop)
        elif item.kind == b"mime" and item.content_type in _XMP_TYPES and len(item.parts) == 1:
            _xmp(found, item, start, stop)
        elif item.kind not in _PICTURE_ITEMS:
            found.unknown(f"HEIF/{_label(item.kind)}", "an item of unknown meaning", start, stop)
        else:
            found.picture(f"HEIF/{_label(item.kind)}", "a further picture", start, stop)
    if not items.listed:
        found.add("HEIF", "no items; this is a sequence or not whole", 0, len(found.data), "unknown", NOTE)


def _own(found: Findings, item: Item) -> None:
    """The picture itself, or what it is made of."""
    if item.kind in DERIVED:
        room = DERIVED[item.kind]
        for start, stop in item.parts:
            found.hidden(f"HEIF/{_label(item.kind)}", "more than it takes to put a picture together",
                         min(start + room, stop), stop)  # fmt: skip
            room = max(0, room - (stop - start))
    else:
        scan_coded(found, item.kind, item.parts)


def _xmp(found: Findings, item: Item, start: int, stop: int) -> None:
    if not item.packing:
        scan_xmp(found, "XMP", start, stop)
    elif item.packing == b"deflate" and (plain := inflated(found.content(start, stop))) is not None:
        found.spend(len(plain))
        scan_xmp(found, "XMP", start, stop, plain)
    else:
        found.broken("XMP", "XMP that cannot be unpacked", start, stop)


def _exif_start(data: bytes, start: int, stop: int) -> int:
    """An EXIF item begins with the offset of its TIFF header."""
    return min(start + 4 + int.from_bytes(data[start : start + 4], "big"), stop)


def _unreferenced(found: Findings, where: str, used: list[tuple[int, int]], start: int, stop: int) -> None:
    reached = start
    for first, last in [*used, (stop, stop)]:
        if min(first, stop) > reached:
            found.hidden(where, "bytes that no item refers to", reached, min(first, stop))
        reached = max(reached, min(last, stop))

"""Blocks that several formats carry: XMP, Photoshop's resources with IPTC, ICC profiles, JUMBF and C2PA."""

from __future__ import annotations

import re
import struct
import zlib

from blur_tools.redaction._profiles import profile_problem
from blur_tools.redaction._scan_findings import (
    LEAK,
    MOST_LOOKED_AT,
    MOST_PARTS,
    NOTE,
    WARNING,
    FindingKind,
    Findings,
    Severity,
    embedded_picture,
    is_padding,
)

__all__ = ["EMBEDDED", "inflated", "scan_icc", "scan_iptc", "scan_jumbf", "scan_photoshop", "scan_xmp"]

MOST_DEEP = 4
"""Blocks within blocks."""

# what XMP can carry; names of elements or attributes, whatever prefix they have
EMBEDDED = re.compile(rb"xmpGImg:image|:Thumbnails\b|GImage:Data|GDepth:Data|:RelitInputImageData|GAudio:Data")
_XMP_SIGNS: tuple[tuple[re.Pattern[bytes], str, FindingKind, Severity], ...] = (
    (EMBEDDED, "an embedded picture or sound", "picture", LEAK),
    (re.compile(rb"GImage:Mime|HasExtendedXMP"), "says that an extended part holds more", "technical", NOTE),
    (re.compile(rb"MotionPhoto|MicroVideo|Container:Directory"), "says that pictures or a film follow", "technical",
     NOTE),
    (re.compile(rb"exif:GPS|Iptc4xmpExt:Location|photoshop:City|Iptc4xmpCore:Location"), "a position", "location",
     WARNING),
    (re.compile(rb"SerialNumber|aux:ImageNumber|RawDataUniqueID"), "serial numbers", "device", WARNING),
    (re.compile(rb"dc:creator|dc:rights|OwnerName|CreatorContactInfo|:Artist|PersonInImage|mwg-rs:Name"), "names",
     "identity", WARNING),
)  # fmt: skip

_IPTC_KINDS: dict[int, tuple[str, FindingKind]] = {
    80: ("names", "identity"), 85: ("names", "identity"), 110: ("names", "identity"), 115: ("names", "identity"),
    116: ("names", "identity"), 122: ("names", "identity"), 90: ("a place", "location"), 92: ("a place", "location"),
    95: ("a place", "location"), 101: ("a place", "location"), 202: ("a preview", "picture"),
}  # fmt: skip


def inflated(data: bytes, most: int = MOST_LOOKED_AT) -> bytes | None:
    """What zlib data holds, at most one byte more than `most` of it; None if it is broken, or more stands behind it."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error:
        return None
    whole = unpacker.eof and is_padding(unpacker.unused_data)
    return content if whole or len(content) > most else None


def scan_xmp(found: Findings, where: str, start: int, stop: int, content: bytes | None = None) -> None:
    """Look through an XMP packet; `content` where it is not ``data[start:stop]`` itself."""
    content = found.content(start, stop) if content is None else content
    part = content[:MOST_LOOKED_AT]
    # two bytes a character, as the standard allows outside JPEG
    part = part.replace(b"\0", b"") if b"\0" in part else part
    for sign, what, kind, severity in _XMP_SIGNS:
        if sign.search(part):
            found.add(where, f"XMP with {what}" if kind != "technical" else f"XMP that {what}", start, stop, kind,
                      severity)  # fmt: skip
    found.text(where, "XMP", start, stop, content)


def scan_photoshop(found: Findings, where: str, start: int, stop: int, depth: int = 0) -> None:
    """Look through Photoshop's image resources, with or without their header."""
    from blur_tools.redaction._scan_exif import scan_directories

    data, position, parts = found.data, start, 0
    if data.startswith(b"Photoshop 3.0\0", start, stop):
        position += 14
    while position + 12 <= stop and parts < MOST_PARTS:
        parts += 1
        if data[position : position + 4] not in (b"8BIM", b"PHUT", b"DCSR", b"AgHg", b"MeSa"):
            break
        (number,) = struct.unpack_from(">H", data, position + 4)
        name = data[position + 6]
        body = position + 6 + (name + 2) // 2 * 2
        if body + 4 > stop:
            break
        (size,) = struct.unpack_from(">I", data, body)
        first, last = body + 4, body + 4 + size
        if last > stop:
            break
        place = f"{where}/{number}"
        if number in (1033, 1036):
            found.picture(place, "Photoshop's thumbnail", first, last)
        elif number == 1028:
            scan_iptc(found, f"{where}/IPTC", first, last)
        elif number == 1039:
            scan_icc(found, f"{where}/ICC profile", first, last)
        elif number == 1060:
            scan_xmp(found, f"{where}/XMP", first, last)
        elif number in (1058, 1059) and depth < MOST_DEEP:
            scan_directories(found, f"{where}/EXIF", first, last, depth=depth + 1)
        else:
            found.unknown(place, "a resource of Photoshop", first, last)
        position = last + size % 2
    found.hidden(where, "bytes that are no resource of Photoshop", min(position, stop), stop)


def scan_iptc(found: Findings, where: str, start: int, stop: int) -> None:
    """Look through IPTC records (IIM 4.2); one finding for each kind of thing in them."""
    data, position, parts = found.data, start, 0
    kinds: dict[FindingKind, str] = {}
    while position + 5 <= stop and data[position] == 0x1C and parts < MOST_PARTS:
        parts += 1
        record, number, size = data[position + 1], data[position + 2], struct.unpack_from(">H", data, position + 3)[0]
        if size & 0x8000:  # an extended set, whose length has a length
            digits = size & 0x7FFF
            size = int.from_bytes(data[position + 5 : position + 5 + min(digits, 8)], "big")
            position += digits
        if record in (2, 3, 8) and number > 3:
            what, kind = _IPTC_KINDS.get(number, ("text", "text")) if record != 8 else ("an object", "picture")
            kinds.setdefault(kind, what)
        position += 5 + size
    for kind, what in kinds.items():
        found.add(where, f"IPTC records with {what}", start, stop, kind, LEAK if kind == "picture" else WARNING)
    if not kinds or position > stop:
        found.unknown(where, "an IPTC block", start, stop)
    else:
        found.hidden(where, "bytes behind the IPTC records", min(position, stop), stop)


def scan_icc(found: Findings, where: str, start: int, stop: int, content: bytes | None = None) -> None:
    """Judge a colour profile: what it is, what is too large, what stands behind it (ICC.1:2022, 7.2)."""
    content = found.content(start, stop) if content is None else content
    problem = profile_problem(content)
    if problem is not None:
        found.broken(where, f"a colour profile {problem}", start, stop)
    else:
        found.add(where, "a colour profile; its description can name a device", start, stop, "technical", NOTE)


def scan_jumbf(found: Findings, where: str, start: int, stop: int, content: bytes | None = None) -> None:
    """Judge a JUMBF box, such as C2PA's manifests with their thumbnails and the names of who signed."""
    content = found.content(start, stop) if content is None else content
    embedded = embedded_picture(content)
    if embedded is not None:
        found.picture(where, f"a JUMBF or C2PA block with {embedded} in it", start, stop)
    elif len(content) > MOST_LOOKED_AT or b"c2pa" not in content:
        found.broken(where, "a JUMBF block", start, stop)
    else:
        found.add(where, "a C2PA manifest", start, stop, "identity", WARNING)

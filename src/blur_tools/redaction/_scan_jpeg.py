"""JPEG files: each segment, what stands between and behind the compressed pixels, and behind the end."""

from __future__ import annotations

import struct

from blur_tools.redaction._jpeg_markers import (
    APP0,
    APP14,
    DHT,
    EOI,
    SOS,
    CodedTwice,
    JpegError,
    NotFollowed,
    Segment,
    read_frame,
    segments,
)
from blur_tools.redaction._scan_blocks import spare_bytes
from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import MOST_PARTS, NOTE, WARNING, Findings
from blur_tools.redaction._scan_text import scan_icc, scan_jumbf, scan_photoshop, scan_xmp
from blur_tools.redaction._unused_tables import unused_tables

__all__ = ["scan_jpeg"]

MOST_SCANS = 100
"""Scans that are looked at: each costs a search for its end."""

MOST_CONDITIONED = 8
"""Tables of an arithmetic coder, of two bytes each."""

DQT, DRI, DAC, COM = 0xDB, 0xDD, 0xCC, 0xFE
APP1, APP2, APP11, APP13, APP15 = 0xE1, 0xE2, 0xEB, 0xED, 0xEF
_FRAMES = {*range(0xC0, 0xD0)} - {DHT, 0xC8, DAC}
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_TRAILERS = (
    (b"MotionPhoto_Data", "a film (Motion Photo)"),
    (b"SEFT", "Samsung's block"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"mdat", "a film"),
)


def scan_jpeg(found: Findings) -> None:
    """Look through a JPEG file."""
    data = found.data
    profile: list[tuple[int, int, bytes]] = []
    jumbf: list[tuple[int, int]] = []
    told: set[int] = set()
    position, scans, frames, tables = 2, 0, 0, {DQT: 0, DHT: 0}
    followed: list[Segment] = []
    try:
        for number, segment in enumerate(segments(data)):
            position = segment.stop
            followed.append(segment)
            if number >= MOST_PARTS:
                found.broken("JPEG", "more segments than are looked at", segment.start)
                break
            if segment.marker == SOS:
                scans += 1
                if scans > MOST_SCANS:
                    found.broken("JPEG", f"more than {MOST_SCANS} scans; the rest was not looked at", segment.start)
                    break
            frames += segment.marker in _FRAMES
            if segment.marker in tables:
                tables[segment.marker] += _tables_in(found, segment)
            _repeated(found, segment, told)
            _segment(found, segment, profile, jumbf)
        else:
            _behind(found, position)
    except JpegError as error:
        found.broken("JPEG", f"cannot be followed from here: {error}", min(position, len(data)))
        return
    _unused(found, followed)
    _profile(found, profile)
    _boxes(found, jumbf)
    if tables[DQT] > 4 * max(1, scans) or tables[DHT] > 8 * max(1, scans):
        found.broken("JPEG/tables", "more tables than its scans can use", 2, position)
    if frames > 1:
        found.picture("JPEG", "more than one frame header", 2, position)
    if found.thorough and scans <= MOST_SCANS:
        _pixels(found)


def _segment(
    found: Findings, segment: Segment, profile: list[tuple[int, int, bytes]], jumbf: list[tuple[int, int]]
) -> None:
    data, marker, start, stop = found.data, segment.marker, segment.start + 4, segment.end
    head = data[start : start + 36]
    if marker == APP0:
        _application_0(found, head, start, stop)
    elif marker == APP1:
        _application_1(found, head, start, stop)
    elif marker == APP2 and head.startswith(b"ICC_PROFILE\0") and len(head) >= 14:
        profile.append((start, stop, found.content(start + 14, stop)))
    elif marker == APP2 and head.startswith(b"MPF\0"):
        _second_pictures(found, start + 4, stop)
    elif marker == APP11 and head.startswith(b"JP"):
        jumbf.append((start, stop))
    elif marker == APP13 and head.startswith(b"Photoshop 3.0\0"):
        scan_photoshop(found, "Photoshop", start, stop)
    elif marker == APP14 and head.startswith(b"Adobe") and stop - start >= 12:
        found.hidden("Adobe", "bytes behind the header", start + 12, stop)
    elif APP0 <= marker <= APP15:
        found.unknown(f"APP{marker - APP0}", "an application's segment", start, stop)
    elif marker == COM:
        found.text("COM", "a comment", start, stop)
    elif marker == SOS or marker in _FRAMES:
        _exact(found, marker, start, stop)
    elif marker == DRI:
        found.hidden("JPEG/DRI", "bytes behind the restart interval", start + 2, stop)
    elif marker == DAC:
        found.hidden("JPEG/DAC", "more than an arithmetic coder is told", min(start + 2 * MOST_CONDITIONED, stop), stop)
    elif marker not in (DHT, DQT):
        found.unknown(f"JPEG/0x{marker:02X}", "a segment that no picture needs", start, stop)


def _repeated(found: Findings, segment: Segment, told: set[int]) -> None:
    """Segments of which one has a meaning, or none: others can carry something."""
    marker = segment.marker
    if marker == SOS:
        told.discard(DRI)
    elif marker in _FRAMES and marker in _ARITHMETIC:
        told.add(DAC)
    elif marker == DAC and DAC not in told:
        found.hidden("JPEG/DAC", "conditions of a coding that is not used", segment.start + 4, segment.end)
    elif marker in (DRI, APP14) and marker in told:
        name = "Adobe" if marker == APP14 else "JPEG/DRI"
        found.hidden(name, "a second one, which has no meaning", segment.start + 4, segment.end)
    elif marker in (DRI, APP14):
        told.add(marker)


def _exact(found: Findings, marker: int, start: int, stop: int) -> None:
    """Frame and scan headers have a length that their number of components gives."""
    count = found.data[start if marker == SOS else start + 5] if start + 6 <= stop else 0
    if stop - start != (4 + 2 * count if marker == SOS else 6 + 3 * count):
        found.broken(f"JPEG/0x{marker:02X}", "a header of another length than it has components for", start, stop)


def _tables_in(found: Findings, segment: Segment) -> int:
    """How many tables a segment defines; it must be whole ones."""
    data, position, count = found.data, segment.start + 4, 0
    while position < segment.end:
        if segment.marker == DHT:
            position += 17 + sum(data[position + 1 : min(position + 17, segment.end)])
        else:
            position += 129 if data[position] >> 4 else 65
        count += 1
    if position > segment.end:
        found.broken(f"JPEG/0x{segment.marker:02X}", "tables that are not whole", segment.start + 4, segment.end)
    return count


def _unused(found: Findings, followed: list[Segment]) -> None:
    """Tables that no scan uses."""
    parts = [(segment.marker, found.data[segment.start : segment.end]) for segment in followed]
    for number, start, stop in unused_tables(parts):
        first = followed[number].start
        found.hidden("JPEG/tables", "a table that no scan uses", first + start, first + stop)


def _application_0(found: Findings, head: bytes, start: int, stop: int) -> None:
    if head.startswith(b"JFIF\0") and stop - start >= 14:
        end = start + 14 + 3 * head[12] * head[13]
        if end > start + 14:
            found.picture(
                "JFIF/thumbnail", f"a thumbnail of {head[12]} x {head[13]} pixels", start + 14, min(end, stop)
            )
        found.hidden("JFIF", "bytes behind the header", min(end, stop), stop)
    elif head.startswith(b"JFXX\0"):
        found.picture("JFXX/thumbnail", "a thumbnail", start + 5, stop)
    else:
        found.unknown("APP0", "an application's segment", start, stop)


def _application_1(found: Findings, head: bytes, start: int, stop: int) -> None:
    if head.startswith(b"Exif\0"):
        scan_directories(found, "EXIF", start + 6, stop)
    elif head.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        scan_xmp(found, "XMP", start + 29, stop)
    elif head.startswith(b"http://ns.adobe.com/xmp/extension/\0"):
        found.broken("extended XMP", "a part that is used for embedded pictures", start + 35, stop)
    else:
        found.unknown("APP1", "an application's segment", start, stop)


def _second_pictures(found: Findings, start: int, stop: int) -> None:
    """The index of a multi-picture file (CIPA DC-007): its pictures lie behind this one."""
    data = found.data
    order = {b"II": "<", b"MM": ">"}.get(data[start : start + 2])
    entries: list[tuple[int, int]] = []
    if order and start + 8 <= stop:
        (offset,) = struct.unpack_from(order + "I", data, start + 4)
        table = start + offset
        count = struct.unpack_from(order + "H", data, table)[0] if offset >= 8 and table + 2 <= stop else 0
        for cell in range(table + 2, min(table + 2 + 12 * count, stop - 11), 12):
            tag, _, size, value = struct.unpack_from(order + "HHII", data, cell)
            if tag == 0xB002:
                places = range(start + value, min(start + value + size, stop - 15), 16)
                entries = [struct.unpack_from(order + "II", data, place + 4) for place in places]
    for number, (size, offset) in enumerate(entries[1:], 2):
        first = min(start + offset, len(data))
        found.picture(f"MPF/{number}", "a second picture: larger, smaller or of another kind", first,
                      min(first + size, len(data)))  # fmt: skip
    if not entries[1:]:
        found.hidden("MPF", "an index of several pictures that cannot be read", start, stop)


def _profile(found: Findings, parts: list[tuple[int, int, bytes]]) -> None:
    if parts:
        scan_icc(found, "ICC profile", parts[0][0], parts[-1][1], b"".join(part for _, _, part in parts))


def _boxes(found: Findings, parts: list[tuple[int, int]]) -> None:
    """JUMBF boxes are split over segments; the first eight bytes of each are its number."""
    if parts:
        content = b"".join(found.content(start + 8, stop) for start, stop in parts)
        scan_jumbf(found, "JUMBF", parts[0][0], parts[-1][1], content)


def _behind(found: Findings, position: int) -> None:
    """Bytes behind the end of the picture."""
    data = found.data
    while data[position : position + 2] == b"\xff\xff":  # fill bytes
        position += 1
    start = position + 2 if data[position : position + 2] == bytes([0xFF, EOI]) else position
    tail = found.content(start, len(data))
    what = next((name for sign, name in _TRAILERS if sign in tail), "bytes")
    found.hidden("trailer", f"{what} behind the end of the picture", start)


def _pixels(found: Findings) -> None:
    """Follow the codes of each scan, and compare where they end with where the compressed data does."""
    data = found.data
    try:
        frame = read_frame(data)
        spare = spare_bytes(data, frame)
    except CodedTwice as error:
        found.broken("JPEG/pixels", f"a second picture can be there: {error}", 2, len(data))
        return
    except NotFollowed as error:
        found.add("JPEG/pixels", f"not looked at behind the last code: {error}", 0, len(data), "technical", NOTE)
        return
    except JpegError as error:
        found.add("JPEG/pixels", f"not looked at behind the last code: {error}", 0, len(data), "unknown", WARNING)
        return
    for scan, size in zip(frame.scans, spare, strict=True):
        if size:
            what = f"{size:,} bytes behind the last code of the compressed pixels"
            found.broken("JPEG/pixels", what, scan.segment.end, scan.segment.stop)

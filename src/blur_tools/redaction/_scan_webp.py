"""WebP files: each chunk of the RIFF container, and what stands behind it."""

from __future__ import annotations

from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import MOST_PARTS, Findings
from blur_tools.redaction._scan_text import scan_icc, scan_jumbf, scan_xmp

__all__ = ["scan_webp"]

_PIXELS = (b"VP8 ", b"VP8L", b"ALPH")
_PLAIN = {b"VP8X": 10, b"ANIM": 6}
_INSTEAD = {b"VP8 ": (b"VP8L", b"ANMF"), b"VP8L": (b"VP8 ", b"ANMF"), b"ANMF": (b"VP8 ", b"VP8L")}
FRAME_HEADER = 16


def scan_webp(found: Findings) -> None:
    """Look through a WebP file; of its compressed pixels only how often they are there."""
    data, position = found.data, 12
    end = 8 + int.from_bytes(data[4:8], "little")
    seen: set[bytes] = set()
    frames, parts = 0, 0
    while position + 8 <= min(end, len(data)):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        start, stop = position + 8, position + 8 + length
        parts += 1
        if stop > len(data) or parts > MOST_PARTS:
            break
        label = f"WebP/{name.decode('ascii', 'replace').strip()}"
        if name == b"ANMF":
            frames += 1
            if frames > 1:
                found.picture(label, "a further frame", start, stop)
            else:
                _frame(found, start + FRAME_HEADER, stop)
        elif name in _PIXELS and seen & {name, *_INSTEAD.get(name, ())}:
            found.picture(label, "pixels that are there already", start, stop)
        elif name in _PLAIN and name in seen:
            found.hidden(label, "a chunk that may stand only once", start, stop)
        else:
            _chunk(found, name, label, start, stop)
        found.hidden(label, "a byte that fills up", min(stop, end), min(stop + length % 2, len(data)))
        seen.add(name)
        position = stop + length % 2
    if position < end or end > len(data) or not seen & {b"VP8 ", b"VP8L", b"ANMF"}:
        found.broken("WebP", "cannot be followed from here", min(position, len(data)))
    found.hidden("trailer", "bytes behind the end of the picture", max(end, min(position, len(data))))


def _frame(found: Findings, position: int, stop: int) -> None:
    """The chunks within a frame of an animation: pixels, with transparency before them."""
    data, seen = found.data, set[bytes]()
    while position + 8 <= stop:
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        start, end = position + 8, position + 8 + length
        if end > stop:
            break
        label = f"WebP/ANMF/{name.decode('ascii', 'replace').strip()}"
        if name not in _PIXELS:
            found.unknown(label, "a chunk that no picture needs", start, end)
        elif name in seen or (name != b"ALPH" and seen & {b"VP8 ", b"VP8L"}):
            found.picture(label, "pixels that are there already", start, end)
        seen.add(name)
        found.hidden(label, "a byte that fills up", end, min(end + length % 2, stop))
        position = end + length % 2
    found.hidden("WebP/ANMF", "bytes behind the frame", min(position, stop), stop)


def _chunk(found: Findings, name: bytes, label: str, start: int, stop: int) -> None:
    if name in _PLAIN:
        found.hidden(label, "bytes behind the value", min(start + _PLAIN[name], stop), stop)
    elif name == b"EXIF":
        header = 6 if found.data[start : start + 6] == b"Exif\0\0" else 0
        scan_directories(found, "EXIF", start + header, stop)
    elif name == b"XMP ":
        scan_xmp(found, "XMP", start, stop)
    elif name == b"ICCP":
        scan_icc(found, "ICC profile", start, stop)
    elif name == b"C2PA":
        scan_jumbf(found, label, start, stop)
    elif name not in _PIXELS:
        found.unknown(label, "a chunk that no picture needs", start, stop)

"""What a written file may hold beside its pixels: assembled from an allow-list, never copied and cleaned.

Always: ICC profile, resolution, EXIF orientation. With ``copy_metadata`` also EXIF, rebuilt tag by tag without its
thumbnail (IFD1), MakerNote, other pictures and text blocks. Nothing else leaves: no JFXX or MPF picture, XMP, IPTC,
comment, or bytes behind the end of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image

from blur_tools.errors import PictureError
from blur_tools.picture import DECODER_ERRORS, ORIENTATION_TAG, Picture

__all__ = ["clean_exif", "clean_jpeg", "resolution"]

LARGEST_VALUE = 1024
"""Bytes of the largest EXIF value that is copied: more is a picture or a maker's block."""

# pointers to other directories and pictures, and tags that hold whole blocks of other metadata
_NEVER = {
    0x0111, 0x0117, 0x0144, 0x0145, 0x0201, 0x0202,  # where pixels lie
    0x014A, 0x8769, 0x8825, 0xA005,  # other directories
    0x02BC, 0x83BB, 0x8649, 0x8773,  # XMP, IPTC, Photoshop, ICC
    0x927C, 0xC634, 0xC4A5, 0xEA1C,  # MakerNote, DNG private data, PrintIM, padding
}  # fmt: skip
_PIXEL_LAYOUT = range(0x0100, 0x0104)


def clean_exif(picture: Picture, copy: bool) -> bytes:
    """EXIF for the written file, with its ``Exif`` header; empty when there is nothing to say."""
    exif = Image.Exif()
    if copy:
        for tag, value in _allowed(dict(picture.exif)):
            exif[tag] = value
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            entries = dict(_allowed(_directory(picture.exif, directory)))
            if entries:
                exif[directory] = entries
    exif.pop(ORIENTATION_TAG, None)
    if picture.orientation != 1:
        exif[ORIENTATION_TAG] = picture.orientation
    try:
        return exif.tobytes() if len(exif) else b""
    except DECODER_ERRORS as error:
        raise PictureError(
            picture.source.origin, f"its EXIF cannot be copied ({error}); leave copy_metadata out"
        ) from error


def resolution(picture: Picture) -> tuple[float, float] | None:
    """Dots per inch ``(x, y)`` as the file says them, or None."""
    dpi = picture.info.get("dpi")
    try:
        x, y = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 65536 and 0 < y < 65536 else None


def _directory(exif: Image.Exif, which: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(which))
    except DECODER_ERRORS:
        return {}


def _allowed(entries: dict[int, Any]) -> Iterator[tuple[int, Any]]:
    for tag, value in entries.items():
        known = tag in ExifTags.TAGS or tag in ExifTags.GPSTAGS
        size = len(value) if isinstance(value, bytes | str | tuple) else 0
        if known and tag not in _NEVER and tag not in _PIXEL_LAYOUT and size <= LARGEST_VALUE:
            yield tag, value


_NEXT_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # neither a stuffed byte nor a restart marker
_SOS, _EOI, _APP0, _APP2, _APP14 = 0xDA, 0xD9, 0xE0, 0xE2, 0xEE
# tables, frames, restart interval, line count: what the pixels need
_CODING = {*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD} - {0xC8}


def clean_jpeg(data: bytes, exif: bytes) -> bytes:
    """The same JPEG with every bit of its compressed pixels, and only what is allowed beside them.

    Parameters
    ----------
    data : bytes
        A JPEG file that could be decoded.
    exif : bytes
        What `clean_exif` made.

    Raises
    ------
    ValueError
        The file's segments cannot be followed.
    """
    parts = [b"\xff\xd8"]
    written = False
    for marker, segment in _segments(data):
        kept = _kept_segment(marker, segment)
        if not kept:
            continue
        if marker != _APP0 and not written:  # EXIF comes first, or behind JFIF
            parts += _exif_segment(exif)
            written = True
        parts.append(kept)
    return b"".join([*parts, b"\xff\xd9"])


def _exif_segment(exif: bytes) -> list[bytes]:
    if not exif:
        return []
    if len(exif) > 0xFFFD:
        raise ValueError("EXIF too large for a JPEG")
    return [b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif]


def _kept_segment(marker: int, segment: bytes) -> bytes:
    body = segment[4:]
    if marker in _CODING or marker == _SOS:
        return segment
    if marker == _APP0 and body[:5] == b"JFIF\0" and len(body) >= 14:
        return b"\xff\xe0\x00\x10" + body[:12] + b"\0\0"  # its thumbnail goes
    if marker == _APP2 and body[:12] == b"ICC_PROFILE\0":
        return segment
    return segment if marker == _APP14 and body[:5] == b"Adobe" else b""


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each segment of the first picture; that of a scan includes its entropy-coded data."""
    position = 2
    while True:
        found = _NEXT_MARKER.match(data, position)
        if found is None:
            raise ValueError("not a marker where one must be")
        marker, start = found.group(1)[0], found.end()
        if marker == _EOI:
            return
        length = int.from_bytes(data[start : start + 2], "big")
        position = start + length
        if length < 2 or position > len(data):
            raise ValueError("a segment that does not end")
        if marker == _SOS:
            following = _NEXT_MARKER.search(data, position)
            if following is None:
                raise ValueError("no end of the picture")
            position = following.start()
        yield marker, b"\xff" + data[start - 1 : position]

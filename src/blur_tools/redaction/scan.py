"""Every place in a picture file where a second picture or identifying text lives or can live."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

from blur_tools.errors import PictureError
from blur_tools.redaction._scan_exif import scan_directories
from blur_tools.redaction._scan_findings import LEAK, NOTE, WARNING, Finding, Findings, Severity, TooOften
from blur_tools.redaction._scan_heif import scan_heif
from blur_tools.redaction._scan_jpeg import scan_jpeg
from blur_tools.redaction._scan_plain import scan_bmp, scan_gif
from blur_tools.redaction._scan_png import scan_png
from blur_tools.redaction._scan_webp import scan_webp
from blur_tools.sources import load_source

__all__ = ["LEAK", "NOTE", "WARNING", "Finding", "Severity", "scan", "scan_bytes"]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def scan(path_or_bytes: str | os.PathLike[str] | bytes) -> list[Finding]:
    """List second copies and identifying text in a picture file, whoever wrote it; nothing is decoded to pixels.

    JPEG, PNG, WebP, TIFF, BMP, GIF, HEIF and AVIF are read: thumbnails and previews, EXIF with maker's blocks, position
    and serial numbers, XMP, IPTC, Photoshop's resources, comments and texts, further pages, frames and pictures (MPF,
    gain maps, Motion Photo), C2PA, unknown segments and chunks, bytes behind the pixels, in gaps and behind the end.

    Parameters
    ----------
    path_or_bytes : str, Path or bytes
        The file; also whatever else `blur` takes.

    Returns
    -------
    list of Finding
        The worst first. An empty list, or one of notes alone, says that no place is left where the format lets more
        than one picture live; it says nothing of what the pixels show.

    Raises
    ------
    PictureError
        It cannot be read, or is no picture.

    Notes
    -----
    Not looked into: what stands between the codes of arithmetic JPEG, within units of WebP, HEVC and AV1 pixels, in
    TIFF strips packed with CCITT, Zstandard or WebP, in tables and palettes that pixels could use, and pixels
    themselves (steganography, an alpha channel over what it hides).

    Examples
    --------
    >>> for finding in blur_tools.scan("street.jpg"):  # doctest: +SKIP
    ...     print(finding)
    leak: EXIF/IFD1/thumbnail at byte 1,024, 9,216 bytes: a thumbnail
    """
    source = load_source(path_or_bytes)
    return scan_bytes(source.data, source.origin)


def scan_bytes(data: bytes, origin: str = "picture", *, thorough: bool = True) -> list[Finding]:
    """`scan` of a file's bytes.

    Parameters
    ----------
    data : bytes
        The file.
    origin : str
        What an error calls it.
    thorough : bool
        Also follow the compressed pixels of JPEG, PNG, TIFF and GIF to their end, which takes most of the time.
    """
    look = _scanner(data)
    if look is None:
        raise PictureError(origin, "is not a picture that can be scanned")
    found = Findings(data, thorough)
    try:
        look(found)
    except TooOften:
        found.broken("file", "refers to the same bytes so often that the rest was not looked at", 0)
    except (struct.error, IndexError, ValueError, OverflowError):
        found.broken("file", "breaks off, or is damaged so that the rest cannot be looked at", 0)
    return found.result()


def _scanner(data: bytes) -> Callable[[Findings], Any] | None:
    if data[:3] == b"\xff\xd8\xff":
        return scan_jpeg
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return scan_png
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return scan_webp
    if data[:4] in _TIFF:
        return lambda found: scan_directories(found, "TIFF", 0, len(data), is_file=True)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return scan_gif
    if data[4:8] == b"ftyp":
        return scan_heif
    return scan_bmp if data[:2] == b"BM" else None

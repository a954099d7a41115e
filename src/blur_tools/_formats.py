"""The formats that are read and written: how each is known by its content, and which reader opens it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from blur_tools._boxes import brands
from blur_tools.errors import ExtraMissingError

__all__ = ["FORMATS", "Format", "not_a_picture", "sniff"]


@dataclass(frozen=True)
class Format:
    """What is known of one file format.

    Attributes
    ----------
    name, content_type, suffixes
        Pillow's name, the MIME type, and how its file names end (the usual one first).
    open : callable
        A reader of this format and no other, as Pillow's plugins are; `ExtraMissingError` where it is not installed.
    """

    name: str
    content_type: str
    suffixes: tuple[str, ...]
    open: Callable[[io.BytesIO], Image.Image]


def _open_heif(file: io.BytesIO) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ExtraMissingError("reading HEIC", "heif") from error
    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


FORMATS = {
    f.name: f
    for f in (
        # the plain reader: Pillow's chooser would make an MPO of a file that holds a second picture
        Format("JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe"), JpegImagePlugin.JpegImageFile),
        Format("PNG", "image/png", (".png",), PngImagePlugin.PngImageFile),
        Format("WEBP", "image/webp", (".webp",), WebPImagePlugin.WebPImageFile),
        Format("TIFF", "image/tiff", (".tif", ".tiff"), TiffImagePlugin.TiffImageFile),
        Format("BMP", "image/bmp", (".bmp",), BmpImagePlugin.BmpImageFile),
        Format("HEIF", "image/heic", (".heic", ".heif", ".hif"), _open_heif),
        Format("AVIF", "image/avif", (".avif",), AvifImagePlugin.AvifImageFile),
    )
}

_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_EITHER = (b"mif1", b"msf1")

_OTHER_FORMATS = (
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"8BPS", "Photoshop"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
)


def sniff(data: bytes) -> Format | None:
    """The format that the first bytes belong to; None if it is none that is read."""
    if data[:3] == b"\xff\xd8\xff":
        return FORMATS["JPEG"]
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return FORMATS["PNG"]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FORMATS["WEBP"]
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return FORMATS["TIFF"]
    if data[4:8] == b"ftyp":
        return _of_brands(brands(data[:256]))
    return FORMATS["BMP"] if data[:2] == b"BM" else None


def _of_brands(names: tuple[bytes, ...]) -> Format | None:
    # the major brand says it, or else those it is compatible with
    for name in names if names and names[0] in _EITHER else names[:1]:
        if name in _AVIF:
            return FORMATS["AVIF"]
        if name in _HEIF:
            return FORMATS["HEIF"]
    return FORMATS["HEIF"] if names and names[0] in _EITHER else None


def not_a_picture(data: bytes) -> str:
    """What a file is that none of the formats fits, for a message."""
    known = ", ".join(FORMATS)
    for start, name in _OTHER_FORMATS:
        if data.startswith(start):
            return f"{name} is not a format that is read; there are {known}"
    return f"is not a picture; there are {known}"

"""Bytes to a checked, decoded `Picture`: format by content, orientation, limits, refusals.

Everything that can be known from the header is checked before any pixel is decoded. Pillow's own size check is
not used: it warns and raises through process-wide settings, which threads and other users of Pillow share.
"""

from __future__ import annotations

import io
import math
import re
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from blur_tools.detections import Box
from blur_tools.errors import PictureError
from blur_tools.orientation import box_to_stored, turn_stored, turn_upright, upright_size
from blur_tools.sources import ORIENTATION_TAG, Source, load_source

__all__ = ["FORMATS", "MAX_PIXELS", "Picture", "Thumbnail", "load_picture", "load_thumbnail", "sniff"]

MAX_PIXELS = 200_000_000
"""Largest picture that is decoded, in pixels."""

MAX_SCANS = 100
"""Most scans of a JPEG; each costs a pass over all pixels (progressive ones usually have about 10)."""

BITS_PER_SAMPLE_TAG = 258

# everything that Pillow's decoders and EXIF reader are known to raise on hostile bytes
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    ZeroDivisionError,
    Image.DecompressionBombError,
    Warning,  # where a program has made warnings errors
)


@dataclass(frozen=True)
class Format:
    """What is known of one file format.

    Attributes
    ----------
    name, content_type, suffixes
        Pillow's name, the MIME type, and how its file names end (the usual one first).
    open : callable
        Pillow's reader of this format and no other.
    """

    name: str
    content_type: str
    suffixes: tuple[str, ...]
    open: Callable[[io.BytesIO], Image.Image]


FORMATS = {
    f.name: f
    for f in (
        # the plain reader: Pillow's chooser would make an MPO of a file that holds a second picture
        Format("JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe"), JpegImagePlugin.JpegImageFile),
        Format("PNG", "image/png", (".png",), PngImagePlugin.PngImageFile),
        Format("WEBP", "image/webp", (".webp",), WebPImagePlugin.WebPImageFile),
        Format("TIFF", "image/tiff", (".tif", ".tiff"), TiffImagePlugin.TiffImageFile),
        Format("BMP", "image/bmp", (".bmp",), BmpImagePlugin.BmpImageFile),
    )
}

# what to render in, by the mode that the file is stored in; anything else is refused
_WORKING_MODES = {
    "L": "L",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "LA": "LA",
    "CMYK": "CMYK",
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "La": "LA",
    "YCbCr": "RGB",
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
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


@dataclass(eq=False)
class Picture:
    """A decoded picture.

    Attributes
    ----------
    source : Source
        The file it came from.
    format : Format
        By content, whatever the name says.
    image : PIL.Image.Image
        Stored pixels in a mode that can be rendered in (``L``, ``LA``, ``RGB``, ``RGBA`` or ``CMYK``).
    orientation : int
        EXIF orientation, 1 to 8.
    info : dict
        What Pillow read from the file beside the pixels: ICC profile, resolution, EXIF.
    """

    source: Source
    format: Format
    image: Image.Image
    orientation: int = 1
    info: dict[str, Any] = field(default_factory=dict)
    _levels: list[Image.Image] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Stored ``(width, height)`` in pixels."""
        return self.image.size

    @property
    def upright_size(self) -> tuple[int, int]:
        """``(width, height)`` as a person sees it."""
        return upright_size(self.size, self.orientation)

    @cached_property
    def exif(self) -> Image.Exif:
        """The file's EXIF; empty when there is none or it cannot be read."""
        return _read_exif(self.info.get("exif"))

    def view(self, size: tuple[int, int], box: Box | None = None) -> Image.Image:
        """Upright RGB pixels, scaled.

        Parameters
        ----------
        size : (width, height)
            Of the result, upright, in pixels.
        box : (xmin, ymin, xmax, ymax), optional
            Part of the upright picture; the whole by default.
        """
        stored = upright_size(size, self.orientation)  # swapping twice is swapping back
        part = box_to_stored(box or (0, 0, *self.upright_size), self.size, self.orientation)
        shrink = min((part[2] - part[0]) / stored[0], (part[3] - part[1]) / stored[1])
        level = max(0, math.floor(math.log2(shrink)))
        image, factor = self._halved(level), 2**level
        scaled = (part[0] / factor, part[1] / factor, part[2] / factor, part[3] / factor)
        if stored != image.size or scaled != (0, 0, *image.size):
            # averaging whole areas is as good and quicker, but near a scale of 1 it takes its columns unevenly
            smooth = Image.Resampling.BOX if shrink / factor >= 4 / 3 else Image.Resampling.BILINEAR
            image = image.resize(stored, smooth, box=scaled)
        return turn_upright(image if image.mode == "RGB" else image.convert("RGB"), self.orientation)

    def _halved(self, level: int) -> Image.Image:
        """The stored pixels, halved `level` times; kept, since every network wants another size of them."""
        with self._lock:
            if not self._levels:
                # without alpha: scaling would blacken what is transparent, and a plate can be there all the same
                colour = {"RGBA": "RGB", "LA": "L"}.get(self.image.mode)
                self._levels.append(self.image.convert(colour) if colour else self.image)
            while len(self._levels) <= level:
                self._levels.append(self._levels[-1].reduce(2))
            return self._levels[level]


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
    return FORMATS["BMP"] if data[:2] == b"BM" else None


def load_picture(source: Any, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read, check and decode one picture.

    Parameters
    ----------
    source : anything that `blur_tools.sources.load_source` takes
        The picture.
    max_pixels : int
        Refuse more than this, by the header.

    Raises
    ------
    PictureError
        It cannot be read, or is refused; the message says why.
    """
    source = load_source(source)
    kind = sniff(source.data)
    if kind is None:
        raise PictureError(source.origin, _not_a_picture(source.data))
    try:
        image = kind.open(io.BytesIO(source.data))
        _check_header(source, kind, image, max_pixels)
        exif = _tiff_exif(image)
        stored, orientation = _decoded(image)
        # after decoding: a PNG may carry chunks behind its pixels
        info = {str(key): value for key, value in image.info.items()} | exif
    except PictureError:
        raise
    except DECODER_ERRORS as error:
        raise PictureError(source.origin, f"a broken {kind.name} file: {_first_line(error)}") from error
    return Picture(source, kind, _workable(source, stored, info), orientation, info)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture made small: upright RGB pixels, and the stored ``(width, height)`` and orientation of the whole."""

    image: Image.Image
    size: tuple[int, int]
    orientation: int


def load_thumbnail(source: Any, side: int, *, max_pixels: int = MAX_PIXELS) -> Thumbnail:
    """Read, check and decode one picture small: a JPEG no larger than is needed, which takes a tenth of the time.

    Parameters
    ----------
    source : anything that `blur_tools.sources.load_source` takes
        The picture.
    side : int
        Longest side of the result, in pixels; a smaller picture stays as it is.
    max_pixels : int
        Refuse more than this, by the header.

    Raises
    ------
    PictureError
        It cannot be read, or is refused; the message says why.
    """
    source = load_source(source)
    kind = sniff(source.data)
    if kind is None:
        raise PictureError(source.origin, _not_a_picture(source.data))
    try:
        image = kind.open(io.BytesIO(source.data))
        _check_header(source, kind, image, max_pixels)
        whole = image.size if kind.name == "JPEG" else None  # before it is decoded smaller
        image.draft(None, (2 * side, 2 * side))
        stored, orientation = _decoded(image)
        size = whole or stored.size
        info = {str(key): value for key, value in image.info.items()}
        small = _workable(source, stored, info)
        # without alpha: scaling would blacken what is transparent
        small = small.convert({"RGBA": "RGB", "LA": "L"}.get(small.mode, small.mode))
        small.thumbnail((side, side), Image.Resampling.BOX)
    except PictureError:
        raise
    except DECODER_ERRORS as error:
        raise PictureError(source.origin, f"a broken {kind.name} file: {_first_line(error)}") from error
    return Thumbnail(turn_upright(small.convert("RGB"), orientation), size, orientation)


def _check_header(source: Source, kind: Format, image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(source.origin, f"{width} x {height} pixels; the limit is {max_pixels:,}")
    if width < 1 or height < 1:
        raise PictureError(source.origin, "has no pixels")
    if _has_more(image):
        raise PictureError(source.origin, "has several frames or pages; split it into single pictures")
    if _bits(kind, image, source.data) > 8:
        raise PictureError(
            source.origin, f"has {_bits(kind, image, source.data)} bits a channel; convert it to 8 bits first"
        )
    if image.mode not in _WORKING_MODES:
        raise PictureError(source.origin, f"pixels of mode {image.mode} cannot be rendered; convert it to RGB")
    if kind.name == "JPEG" and _scans(source.data) > MAX_SCANS:
        raise PictureError(source.origin, f"a JPEG of more than {MAX_SCANS} scans")


def _bits(kind: Format, image: Image.Image, data: bytes) -> int:
    """Bits a channel as the file has them: Pillow reads 16-bit colour as 8 without a word."""
    if kind.name == "PNG":
        if data[12:16] != b"IHDR":
            raise SyntaxError("it does not begin with its header")
        return data[24]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(map(int, image.tag_v2.get(BITS_PER_SAMPLE_TAG, (1,))))
    return 16 if image.mode.startswith(("I", "F")) else 8


_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")


def _has_more(image: Image.Image) -> bool:
    """Whether a file holds more than one picture; counting the pages of a TIFF takes the square of their number."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
        return False
    return True


def _scans(data: bytes) -> int:
    """Count the scans of the first picture in a JPEG file, by walking its markers."""
    if data.count(b"\xff\xda") <= MAX_SCANS:  # usual, and quick to see; what follows the picture can hold more
        return 1
    scans, position = 0, 2
    while (match := _MARKER.search(data, position)) is not None:
        marker = match.group(1)[0]
        if marker == 0xD9:
            break
        scans += marker == 0xDA
        length = data[match.end() : match.end() + 2]
        position = match.end() + max(2, int.from_bytes(length, "big"))
    return scans


def _tiff_exif(image: Image.Image) -> dict[str, bytes]:
    """What a TIFF says in its own directory, as the block that other formats carry."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return {}
    try:
        return {"exif": image.getexif().tobytes()}
    except DECODER_ERRORS:
        return {}


def _decoded(image: Image.Image) -> tuple[Image.Image, int]:
    """Pixels as they are stored, and the orientation tag."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        image.load()
        return image, _known(_read_exif(image.info.get("exif")).get(ORIENTATION_TAG, 1))
    # Pillow turns a TIFF while it decodes, by the tag or else by what XMP says
    tag, turned = image.tag_v2.get(ORIENTATION_TAG, 1), _known(image.getexif().get(ORIENTATION_TAG, 1))
    image.load()
    return turn_stored(image, turned), _known(tag)


def _known(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _read_exif(data: bytes | None) -> Image.Exif:
    exif = Image.Exif()
    try:
        exif.load(data or b"")
    except DECODER_ERRORS:
        return Image.Exif()
    return exif


def _workable(source: Source, image: Image.Image, info: dict[str, Any]) -> Image.Image:
    mode = _WORKING_MODES.get(image.mode)
    if mode is None:
        raise PictureError(source.origin, f"pixels of mode {image.mode} cannot be rendered; convert it to RGB")
    if "transparency" in info:
        mode = "LA" if mode == "L" else "RGBA"
    return image if mode == image.mode else image.convert(mode)


def _not_a_picture(data: bytes) -> str:
    known = ", ".join(FORMATS)
    for start, name in _OTHER_FORMATS:
        if data.startswith(start):
            return f"{name} is not a format that is read; there are {known}"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return f"HEIC and AVIF are not read yet; there are {known}"
    return f"is not a picture; there are {known}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

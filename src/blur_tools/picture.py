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
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin, features

from blur_tools._boxes import is_cropped, is_sequence, picture_properties, primary_properties
from blur_tools._deep import Deep, deep_layout, read_deep
from blur_tools._formats import FORMATS, Format, not_a_picture, sniff
from blur_tools._pixel_memory import use_quick_memory
from blur_tools._tiff import quiet_libtiff, refusal_of_tiff
from blur_tools.detections import Box
from blur_tools.errors import ExtraMissingError, PictureError
from blur_tools.orientation import box_to_stored, turn_stored, turn_upright, upright_size
from blur_tools.sources import ORIENTATION_TAG, Source, load_source

__all__ = ["FORMATS", "MAX_PIXELS", "Format", "Picture", "Thumbnail", "header_orientation", "load_picture",
           "load_thumbnail", "sniff"]  # fmt: skip

MAX_PIXELS = 200_000_000
"""Largest picture that is decoded, in pixels."""

MAX_SCANS = 100
"""Most scans of a JPEG; each costs a pass over all pixels (progressive ones usually have about 10)."""

BITS_PER_SAMPLE_TAG = 258

_DEEP = {"PNG": (16,), "TIFF": (16,), "HEIF": (10, 12)}
"""Bits a channel, beyond 8, that are kept."""

# BT.709 or not said; BT.709, not said, BT.601, BT.2020 for 10 bits (the same curve), sRGB
_USUAL_PRIMARIES, _USUAL_TRANSFER = (1, 2), (1, 2, 6, 13, 14)

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
    deep : array, optional
        The same pixels in uint16, of a file of more than 8 bits a channel; `image` then has their high bytes.
    """

    source: Source
    format: Format
    image: Image.Image
    orientation: int = 1
    info: dict[str, Any] = field(default_factory=dict)
    deep: Deep | None = field(default=None, repr=False)
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
        raise PictureError(source.origin, not_a_picture(source.data))
    if kind.name == "AVIF" and not features.check("avif"):
        raise PictureError(source.origin, "AVIF is not read: Pillow was built without it; its own wheels have it")
    deep: Deep | None = None
    try:
        image = kind.open(io.BytesIO(source.data))
        channels = _check_header(source, kind, image, max_pixels)
        size, exif, tag = image.size, _tiff_exif(image), header_orientation(image)
        if channels is None:
            stored = _decoded(image)
            if kind.name == "PNG":
                _widen_key(stored, source.data)
        else:
            stored, deep = read_deep(kind, image, source.data, channels, _decoded)
        # after decoding: a PNG may carry chunks behind its pixels; a TIFF has forgotten its tag then
        orientation = tag if kind.name == "TIFF" else header_orientation(image)
        info = {str(key): value for key, value in image.info.items()} | exif
    except PictureError:
        raise
    except ExtraMissingError as error:
        raise PictureError(source.origin, str(error)) from error
    except DECODER_ERRORS as error:
        raise PictureError(source.origin, f"a broken {kind.name} file: {_first_line(error)}") from error
    if sorted(stored.size) != sorted(size):
        raise PictureError(source.origin, f"a broken {kind.name} file: it has another size than it says")
    if deep is not None:
        return Picture(source, kind, stored, orientation, info, deep)
    return Picture(source, kind, _workable(source, stored, info), orientation, info)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture made small: upright RGB pixels, and the stored ``(width, height)`` and orientation of the whole."""

    image: Image.Image
    size: tuple[int, int]
    orientation: int

    @classmethod
    def of(cls, stored: Image.Image, size: tuple[int, int], orientation: int, side: int) -> Self:
        """Stored pixels of a working mode, made small."""
        # without alpha: scaling would blacken what is transparent
        small = stored.convert({"RGBA": "RGB", "LA": "L"}.get(stored.mode, stored.mode))
        small.thumbnail((side, side), Image.Resampling.BOX)
        return cls(turn_upright(small.convert("RGB"), orientation), size, orientation)


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
    if kind is not FORMATS["JPEG"]:
        picture = load_picture(source, max_pixels=max_pixels)
        return Thumbnail.of(picture.image, picture.size, picture.orientation, side)
    try:
        image = kind.open(io.BytesIO(source.data))
        _check_header(source, kind, image, max_pixels)
        size = image.size
        image.draft(None, (2 * side, 2 * side))
        stored = _decoded(image)
        small = _workable(source, stored, {str(key): value for key, value in image.info.items()})
        return Thumbnail.of(small, size, header_orientation(image), side)
    except PictureError:
        raise
    except DECODER_ERRORS as error:
        raise PictureError(source.origin, f"a broken {kind.name} file: {_first_line(error)}") from error


def _check_header(source: Source, kind: Format, image: Image.Image, max_pixels: int) -> int | None:
    """Refuse what must not or cannot be decoded; the channels of a file of 16 bits a channel, None for all others."""
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(source.origin, f"{width} x {height} pixels; the limit is {max_pixels:,}")
    if width < 1 or height < 1:
        raise PictureError(source.origin, "has no pixels")
    if _has_more(image) or (kind.name in ("HEIF", "AVIF") and is_sequence(source.data)):
        raise PictureError(source.origin, "has several frames or pages; split it into single pictures")
    if isinstance(image, TiffImagePlugin.TiffImageFile) and (reason := refusal_of_tiff(image)):
        raise PictureError(source.origin, reason)
    bits = _bits(kind, image, source.data)
    channels = deep_layout(kind, image, source.data) if bits in _DEEP.get(kind.name, ()) else None
    if bits > 8 and channels is None:
        raise PictureError(source.origin, f"has {bits} bits a channel; convert it to 8 bits first")
    if channels is not None and width * height > max_pixels // 2:
        raise PictureError(
            source.origin, f"{width} x {height} pixels of {bits} bits; the limit of these is {max_pixels // 2:,}"
        )
    if channels is None and image.mode not in _WORKING_MODES:
        raise PictureError(source.origin, f"pixels of mode {image.mode} cannot be rendered; convert it to RGB")
    if kind.name == "JPEG" and _scans(source.data) > MAX_SCANS:
        raise PictureError(source.origin, f"a JPEG of more than {MAX_SCANS} scans")
    if kind.name == "AVIF":
        _check_colours(source)
        # Pillow shows, and would write, what the owner has cropped away
        if any(name == b"clap" and is_cropped(clap, width, height) for name, clap in primary_properties(source.data)):
            raise PictureError(source.origin, "an AVIF that its container crops (clap), which is not followed; save "
                               "the part that is to be seen as a picture of its own")  # fmt: skip
    return channels


def _bits(kind: Format, image: Image.Image, data: bytes) -> int:
    """Bits a channel as the file has them: Pillow reads 16-bit colour as 8 without a word."""
    if kind.name == "PNG":
        if data[12:16] != b"IHDR":
            raise SyntaxError("it does not begin with its header")
        return data[24]
    if kind.name == "HEIF":
        return int(image.info.get("bit_depth", 8))
    if kind.name == "AVIF":
        return 10 if any(name == b"av1C" and content[2] & 0x40 for name, content in picture_properties(data)) else 8
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(map(int, image.tag_v2.get(BITS_PER_SAMPLE_TAG, (1,))))
    return 16 if image.mode.startswith(("I", "F")) else 8


def _check_colours(source: Source) -> None:
    """Refuse an AVIF whose numbers mean other colours than Pillow, which does not read what they mean, writes them as.

    Raises
    ------
    PictureError
        Its primaries or its transfer function (ITU-T H.273) are those of wide or high-range colours.
    """
    for name, content in picture_properties(source.data):
        if name == b"colr" and content[:4] == b"nclx" and len(content) >= 10:
            primaries, transfer = (int.from_bytes(content[place : place + 2], "big") for place in (4, 6))
            if primaries not in _USUAL_PRIMARIES or transfer not in _USUAL_TRANSFER:
                raise PictureError(
                    source.origin,
                    f"an AVIF of wide or high-range colours (H.273: {primaries}, {transfer}), which would be lost; "
                    "convert it to sRGB",
                )


_CHUNK = 1 << 17
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
    content = np.frombuffer(data, np.uint8)
    # usual, and quick to see (`bytes.count` takes several times as long); what follows the picture can hold more
    starts = range(0, len(data) - 1, _CHUNK)
    if sum(_pairs(content[start : start + _CHUNK + 1], 0xFF, 0xDA) for start in starts) <= MAX_SCANS:
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


def _pairs(content: npt.NDArray[np.uint8], first: int, second: int) -> int:
    return int(np.count_nonzero((content[:-1] == first) & (content[1:] == second)))


def _tiff_exif(image: Image.Image) -> dict[str, bytes]:
    """What a TIFF says in its own directory, as the block that other formats carry."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return {}
    try:
        return {"exif": image.getexif().tobytes()}
    except DECODER_ERRORS:
        return {}


def _decoded(image: Image.Image) -> Image.Image:
    """Pixels as they are stored."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow turns a TIFF while it decodes, by the tag or else by what XMP says
        turned = _known(image.getexif().get(ORIENTATION_TAG, 1))
        quiet_libtiff()
        image.load()
        return turn_stored(image, turned)
    use_quick_memory(image)
    image.load()
    # a copy: the readers of these decode again, over what was rendered, when somebody seeks in them
    return image.copy() if image.format in ("HEIF", "AVIF") else image


def _widen_key(image: Image.Image, data: bytes) -> None:
    """Give the transparent colour of a grey PNG of 1, 2 or 4 bits as Pillow gives its pixels, of 8 bits."""
    top, key = 2 ** data[24] - 1, image.info.get("transparency")
    if top < 255 and data[25] == 0 and isinstance(key, int) and 0 < key <= top:
        image.info["transparency"] = key * (255 // top)


def header_orientation(image: Image.Image) -> int:
    """How the stored pixels are to be turned; what was read of HEIF is turned already, whatever its EXIF says."""
    if image.format == "HEIF":
        return 1
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _known(image.tag_v2.get(ORIENTATION_TAG, 1))
    return _known(_read_exif(image.info.get("exif")).get(ORIENTATION_TAG, 1))


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


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

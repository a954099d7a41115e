"""Render regions into a picture with Pillow and write it in its own format."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, PngImagePlugin, features

from blur_tools._boxes import picture_properties, primary_properties
from blur_tools._deep import Deep
from blur_tools._tiff import tiff_losses_of
from blur_tools.detections import Detection
from blur_tools.errors import PictureError
from blur_tools.picture import FORMATS, Picture
from blur_tools.redaction._deep_writing import deep_png, deep_tiff, lay_over
from blur_tools.redaction._jpeg_markers import JpegError, NotFollowed
from blur_tools.redaction._turbojpeg import transcoded
from blur_tools.redaction._unused_tables import without_unused_tables
from blur_tools.redaction.effects import fill, hide
from blur_tools.redaction.jpeg import redacted_scans
from blur_tools.redaction.logo import Logo, logo_of
from blur_tools.redaction.masks import Region, regions
from blur_tools.redaction.metadata import (
    clean_exif,
    clean_jpeg,
    colour_chunks,
    has_directories,
    icc_profile,
    left_out,
    refuse_leaks,
    resolution,
    significant_bits,
)
from blur_tools.redaction.scan import scan_bytes
from blur_tools.redaction.xmp import clean_xmp
from blur_tools.settings import BlurSettings

__all__ = ["Written", "redact_picture", "render"]

STRETCHED = "that its pixels are not square is not copied"

PNG_HEAD = 8 + 25
"""Bytes of a PNG up to the end of its header."""

PNG_LEVEL = 1
"""zlib level: level 6 takes four times as long and saves a fifth of the bytes."""

WEBP_QUALITY = 90
"""For lossy WebP, whose files do not tell the quality they were made with."""

HEIF_QUALITY, AVIF_QUALITY = 90, 90
"""For HEIC and AVIF, whose files do not tell either."""

SRGB = (b"\2", b"\x0d")
"""Transfer functions of H.273 that mean sRGB, which is what Pillow writes: it, and not said."""

HEIF_PRESET, AVIF_SPEED = "fast", 8
"""How hard the encoders try: a little less than they would by themselves, for the time it takes."""

WRITER_ERRORS = (OSError, ValueError, SyntaxError, OverflowError, MemoryError, RuntimeError, struct.error)
"""What the encoders raise when they cannot write a picture."""

XMP_TAG = 700  # of TIFF

_LOSSLESS_TIFF = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}
_COLOUR_MODES = {"LA": "L", "RGBA": "RGB"}


@dataclass(frozen=True)
class Written:
    """A redacted file: its bytes, how they were written (see `BlurResult.method`), and what to know."""

    data: bytes
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beside:
    """What is copied beside the pixels."""

    exif: bytes = b""
    xmp: bytes = b""


def redact_picture(picture: Picture, detections: Iterable[Detection], settings: BlurSettings) -> Written:
    """Hide what was found and write the picture in its own format.

    The picture's pixels are overwritten.

    Raises
    ------
    PictureError
        It cannot be written; nothing is.
    SettingsError
        The logo cannot be used.
    """
    logo = logo_of(settings)
    detections = tuple(detections)
    hidden = regions(detections, settings, picture.size)
    warnings = (*left_out(picture, settings), *_doubts(detections, hidden, settings))
    try:
        beside = Beside(clean_exif(picture, settings), clean_xmp(picture, settings))
        render(picture.image, hidden, settings, logo, picture.deep)
        if picture.format.name == "JPEG":
            written = _write_jpeg(picture, beside, hidden)
        else:
            written = Written(*_WRITERS[picture.format.name](picture, beside))
        try:
            _check(picture, written.data, settings)
        except PictureError as error:
            if not written.method.startswith("jpeg-"):
                raise
            # these keep the file's own tables, of which there can be more than pixels need
            written = _reencoded(picture, beside, f"what else was kept is not allowed: {error.reason}")
            _check(picture, written.data, settings)
        return Written(written.data, written.method, (*warnings, *written.warnings))
    except WRITER_ERRORS as error:
        raise PictureError(picture.source.origin, f"cannot be written as {picture.format.name}: {error}") from error


def render(
    image: Image.Image,
    hidden: Iterable[Region],
    settings: BlurSettings,
    logo: Logo | None = None,
    deep: Deep | None = None,
) -> None:
    """Hide regions of an image in place, and of the same in 16 bits; its mode is one of `Picture.image`.

    Inside a region alpha becomes opaque: transparency could hide original colour from the eye but not from a
    program. With a `logo`, plates are covered by it.
    """
    for region in hidden:
        colour, box = image, region.box
        if image.mode in _COLOUR_MODES:
            colour, box = image.crop(box).convert(_COLOUR_MODES[image.mode]), (0, 0, *region.mask.size)
        patch = _patch(colour, box, region, settings, logo)
        if patch.mode != image.mode:
            patch = patch.convert(image.mode)
        # a mask without a soft edge is used as one of bits, which is twice as quick
        mask = region.mask if settings.feather else region.mask.convert("1", dither=Image.Dither.NONE)
        image.paste(patch, region.box[:2], mask)
        if deep is not None:
            lay_over(deep, patch, region)


def _patch(
    colour: Image.Image, box: tuple[int, int, int, int], region: Region, settings: BlurSettings, logo: Logo | None
) -> Image.Image:
    if logo is not None and region.kind == "plate":
        # over a fill, since a logo can be translucent
        patch = fill(colour.crop(box), region.mask)
        layer = logo.warp(region.polygon, region.box)
        patch.paste(layer.convert(patch.mode), mask=layer.getchannel("A"))
        return patch
    intensity = settings.intensity(region.kind)
    return hide(colour, region.mask, region.kind, region.height, settings.effect, intensity, box)


def _doubts(detections: Iterable[Detection], hidden: list[Region], settings: BlurSettings) -> tuple[str, ...]:
    """What looks like coordinates in another unit: detections that hide nothing, or next to nothing."""
    wanted = [item for item in detections if not item.keep and settings.intensity(item.kind) >= 1]
    found = []
    if len(hidden) < len(wanted):
        found.append("a detection lies outside the picture and hides nothing")
    if any(max(item.box[2] - item.box[0], item.box[3] - item.box[1]) <= 1 for item in wanted):
        found.append("a detection is no larger than a pixel; coordinates are pixels, not shares of the picture")
    return tuple(found)


def _write_jpeg(picture: Picture, beside: Beside, hidden: Sequence[Region]) -> Written:
    """By the first of the ways that can: block by block, coefficient by coefficient, pixel by pixel."""
    data = picture.source.data
    extras = (beside.exif, icc_profile(picture), resolution(picture), beside.xmp)
    try:
        return Written(clean_jpeg(data, *extras, redacted_scans(data, picture.image, hidden)), "jpeg-lossless")
    except NotFollowed as error:
        reason = str(error)
        if not hidden:
            doubt = f"bytes that may lie between its compressed pixels and the end were not looked for: {reason}"
            return Written(clean_jpeg(data, *extras), "jpeg-lossless", (doubt,))
    except JpegError as error:
        reason = str(error)
    try:
        return Written(clean_jpeg(transcoded(data, picture.image, hidden), *extras), "jpeg-transcode")
    except JpegError as error:
        reason += f", and {error}"
    return _reencoded(picture, beside, reason)


def _reencoded(picture: Picture, beside: Beside, reason: str) -> Written:
    image = picture.image
    image.info = {}  # Pillow writes a comment and more from there
    _without_unused_quantisation(image)
    options: dict[str, Any] = {"quality": "keep", "subsampling": "keep"}
    data = without_unused_tables(_saved(picture, image, beside, **options))
    if _same_coding(picture, data):
        return Written(data, "reencode-keep", (f"all pixels were coded anew, with the file's own tables: {reason}",))
    return Written(data, "reencode", (f"all pixels were coded anew, with other tables or sampling: {reason}",))


def _without_unused_quantisation(image: Any) -> None:
    """Forget tables that no component uses, which would be written too, and number the others as components come.

    Pillow gives the first component the first table, the second the second, and the rest the last.
    """
    used = dict.fromkeys(component[3] for component in image.layer)
    image.quantization = dict(enumerate(image.quantization[number] for number in used if number in image.quantization))


def _same_coding(picture: Picture, data: bytes) -> bool:
    """Whether a JPEG has the original's quantisation, sampling and colour model: Pillow cannot keep rare ones."""

    def coding(image: Any) -> tuple[Any, ...]:
        names = tuple(component[0] for component in image.layer)
        is_rgb = names == tuple(b"RGB") or (len(names) == 3 and image.info.get("adobe_transform") == 0)
        tables = [image.quantization.get(component[3]) for component in image.layer]
        return is_rgb, [component[1:3] for component in image.layer], tables

    with (
        picture.format.open(io.BytesIO(picture.source.data)) as before,
        picture.format.open(io.BytesIO(data)) as after,
    ):
        return coding(before) == coding(after)


def _write_png(picture: Picture, beside: Beside) -> tuple[bytes, str, tuple[str, ...]]:
    chunks = PngImagePlugin.PngInfo()
    if beside.xmp:
        chunks.add_itxt("XML:com.adobe.xmp", beside.xmp.decode())
    said = (STRETCHED,) if _is_stretched(picture.info.get("aspect")) else ()

    def save(image: Image.Image) -> bytes:
        image.info = {}
        return _saved(picture, image, beside, compress_level=PNG_LEVEL, pnginfo=chunks)

    data = save(picture.image) if picture.deep is None else deep_png(picture.deep, PNG_LEVEL, save)
    original = picture.source.data
    # Pillow writes only some of these
    kept = [*colour_chunks(original), *significant_bits(original, data)]
    return data[:PNG_HEAD] + b"".join(_png_chunk(*chunk) for chunk in kept) + data[PNG_HEAD:], "lossless", said


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _is_stretched(aspect: Any) -> bool:
    """Whether pixels are not square, by a pair of numbers."""
    return isinstance(aspect, tuple) and len(aspect) == 2 and aspect[0] != aspect[1]


def _write_webp(picture: Picture, beside: Beside) -> tuple[bytes, str]:
    image = picture.image
    image.info = {}
    if _is_lossless_webp(picture.source.data):
        return _saved(picture, image, beside, lossless=True, exact=True, method=1), "lossless"
    return _saved(picture, image, beside, quality=WEBP_QUALITY), "reencode"


def _write_tiff(picture: Picture, beside: Beside) -> tuple[bytes, str, tuple[str, ...]]:
    losses = tiff_losses_of(picture.source.data)
    compression = picture.info.get("compression", "raw")
    if compression not in _LOSSLESS_TIFF:
        compression = "tiff_adobe_deflate"
    # libtiff, which compresses, cannot be given directories below the main one
    if has_directories(beside.exif) or not features.check("libtiff"):
        compression = "raw"

    def save(image: Image.Image) -> bytes:
        image.info = {}
        return _saved(picture, image, beside, compression=compression)

    # a copy has lost the tags that Pillow would carry over: Photoshop's block, IPTC, XMP
    data = save(picture.image.copy()) if picture.deep is None else deep_tiff(picture.deep, save)
    return data, "reencode" if losses else "lossless", losses


def _write_bmp(picture: Picture, beside: Beside) -> tuple[bytes, str]:
    image = picture.image
    if image.mode in _COLOUR_MODES:
        raise PictureError(picture.source.origin, "a BMP with transparency cannot be written; convert it to PNG")
    image.info = {}
    return _saved(picture, image, Beside()), "lossless"


# what the numbers of a HEIC mean, beside its colour profile; themselves numbers
_HEIF_COLOURS = ("bit_depth", "nclx_profile", "content_light_level", "mastering_display_colour_volume",
                 "ambient_viewing_environment", "nominal_diffuse_white_luminance", "pixel_aspect_ratio")  # fmt: skip


def _write_heif(picture: Picture, beside: Beside) -> tuple[bytes, str, tuple[str, ...]]:
    from pillow_heif import HeifFile

    file = HeifFile()  # type: ignore[no-untyped-call]
    if picture.deep is None:
        added = file.add_frombytes(picture.image.mode, picture.size, picture.image.tobytes())
    else:
        added = file.add_frombytes(f"{picture.image.mode};16", picture.size, picture.deep.astype("<u2").tobytes())
    added.info |= {name: picture.info[name] for name in _HEIF_COLOURS if picture.info.get(name) is not None}
    if profile := icc_profile(picture):
        added.info |= {"icc_profile": profile, "icc_profile_type": "prof"}
    # the encoder turns the picture by what it takes for an orientation, and a title can hold those words
    xmp = b"" if b"tiff:Orientation" in beside.xmp else beside.xmp
    buffer = io.BytesIO()
    file.save(
        buffer,
        quality=HEIF_QUALITY,
        chroma=picture.info.get("chroma", 420),
        enc_params={"preset": HEIF_PRESET},
        exif=beside.exif or None,
        xmp=xmp or None,
    )
    said = [f"all pixels were coded anew, with HEVC at quality {HEIF_QUALITY}"]
    if picture.info.get("aux") or picture.info.get("depth_images"):
        said.append("its auxiliary pictures (depth, gain map, mattes) are not copied")
    return buffer.getvalue(), "reencode", tuple(said)


def _write_avif(picture: Picture, beside: Beside) -> tuple[bytes, str, tuple[str, ...]]:
    image = picture.image
    image.info = {}
    sampling = _avif_sampling(picture.source.data)
    data = _saved(picture, image, beside, quality=AVIF_QUALITY, speed=AVIF_SPEED, subsampling=sampling)
    said = [f"all pixels were coded anew, with AV1 at quality {AVIF_QUALITY}"]
    if any(name == b"colr" and content[:4] == b"nclx" and content[7:8] not in SRGB for name, content in
           picture_properties(picture.source.data)):  # fmt: skip
        said.append("its colours are said to be sRGB; the original says a curve that viewers take for the same")
    if any(
        name == b"pasp" and content[:4] != content[4:8] for name, content in primary_properties(picture.source.data)
    ):
        said.append(STRETCHED)
    return data, "reencode", tuple(said)


def _avif_sampling(data: bytes) -> str:
    """Of the picture itself (AV1 in ISOBMFF, 2.3.3)."""
    for name, content in primary_properties(data):
        if name == b"av1C" and len(content) > 2 and not content[2] & 0x10:
            return {0x0C: "4:2:0", 0x08: "4:2:2"}.get(content[2] & 0x0C, "4:4:4")
    return "4:0:0"


_WRITERS: dict[str, Callable[[Picture, Beside], tuple[bytes, str] | tuple[bytes, str, tuple[str, ...]]]] = {
    "PNG": _write_png,
    "WEBP": _write_webp,
    "TIFF": _write_tiff,
    "BMP": _write_bmp,
    "HEIF": _write_heif,
    "AVIF": _write_avif,
}


def _saved(picture: Picture, image: Image.Image, beside: Beside, **options: Any) -> bytes:
    if beside.exif:
        options["exif"] = beside.exif
    if beside.xmp and picture.format.name == "TIFF":
        # a tag among those of EXIF's main directory
        options["exif"] = Image.Exif()
        options["exif"].load(beside.exif)
        options["exif"][XMP_TAG] = beside.xmp
    elif beside.xmp and picture.format.name != "PNG":
        options["xmp"] = beside.xmp
    profile, dpi = icc_profile(picture), resolution(picture)
    if profile and picture.format.name != "BMP":
        options["icc_profile"] = profile
    if dpi and picture.format.name not in ("WEBP", "AVIF"):
        options["dpi"] = dpi
    buffer = io.BytesIO()
    image.save(buffer, picture.format.name, **options)
    return buffer.getvalue()


def _check(picture: Picture, data: bytes, settings: BlurSettings) -> None:
    """Look at what was written before anybody gets it: the same picture, and nothing beside it that may not be."""
    with FORMATS[picture.format.name].open(io.BytesIO(data)) as image:
        if image.size != _size_in_file(picture):
            raise PictureError(picture.source.origin, f"was written as {image.size}, not {picture.size}; not kept")
    # our own writers leave nothing behind the last pixel, and following these to their end takes long
    refuse_leaks(scan_bytes(data, picture.source.origin, thorough=False), settings, picture.source.origin)


def _size_in_file(picture: Picture) -> tuple[int, int]:
    # Pillow gives the upright size of a TIFF
    return picture.upright_size if picture.format.name == "TIFF" else picture.size


def _is_lossless_webp(data: bytes) -> bool:
    position = 12
    while position + 8 <= len(data):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        position += 8 + length + length % 2
    return False

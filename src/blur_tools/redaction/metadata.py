"""What a written file may hold beside its pixels: assembled from an allow-list, never copied and cleaned.

Always: ICC profile, resolution, EXIF orientation. With ``copy_metadata`` also EXIF, rebuilt tag by tag without its
thumbnail (IFD1), MakerNote, other pictures and text blocks, and XMP, rebuilt too (`blur_tools.redaction.xmp`); position
and serial numbers only with ``copy_gps`` and ``copy_serials``. Nothing else leaves: no JFXX or MPF picture, IPTC,
comment, or bytes behind the end of the picture. What was written is scanned; `refuse_leaks` holds it against the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from PIL import ExifTags, Image

from blur_tools.errors import PictureError
from blur_tools.picture import DECODER_ERRORS, Picture
from blur_tools.redaction._jpeg_markers import APP0, APP14, SOS, Segment, segments
from blur_tools.redaction._profiles import profile_problem
from blur_tools.redaction._scan_exif import DEVICE_TAGS, LARGEST_NUMBER, LARGEST_TEXT, most_bytes
from blur_tools.redaction._scan_findings import LEAK, Finding, can_be_picture, is_readable
from blur_tools.redaction._unused_tables import unused_tables, without_tables
from blur_tools.redaction.xmp import clean_xmp, has_xmp
from blur_tools.settings import BlurSettings
from blur_tools.sources import ORIENTATION_TAG

__all__ = [
    "clean_exif",
    "clean_jpeg",
    "colour_chunks",
    "has_directories",
    "icc_profile",
    "left_out",
    "refuse_leaks",
    "resolution",
    "significant_bits",
]

LARGEST_SEGMENT = 0xFFFD  # of a JPEG, without the two bytes of its length


def _tags(*ranges: tuple[int, int] | int) -> frozenset[int]:
    return frozenset(
        tag for item in ranges for tag in (range(item[0], item[1] + 1) if isinstance(item, tuple) else (item,))
    )


# what EXIF 2.32 defines that describes the taking of the picture; not where pixels lie (strips, tiles, thumbnails),
# other directories, or blocks of other data (XMP, IPTC, Photoshop, ICC, MakerNote, OECF, CFA pattern, DNG's)
_COPIED = {
    0: _tags((0x010E, 0x0110), 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x013C, 0x013E, 0x013F, 0x0211, 0x0213,
             0x0214, 0x8298),
    ExifTags.IFD.Exif: _tags(0x829A, 0x829D, 0x8822, 0x8824, 0x8827, (0x8830, 0x8835), 0x9000, 0x9003, 0x9004,
                             (0x9010, 0x9012), 0x9101, 0x9102, (0x9201, 0x920A), 0x9214, 0x9286, (0x9290, 0x9292),
                             (0x9400, 0x9405), (0xA000, 0xA003), 0xA20B, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA215,
                             0xA217, 0xA300, 0xA301, (0xA401, 0xA40A), 0xA40C, 0xA420, (0xA430, 0xA435),
                             (0xA460, 0xA462), 0xA500),
    ExifTags.IFD.GPSInfo: _tags((0x00, 0x1F)),
}  # fmt: skip


def clean_exif(picture: Picture, settings: BlurSettings) -> bytes:
    """EXIF for the written file, with its ``Exif`` header; empty when there is nothing to say."""
    exif = Image.Exif()
    if settings.copy_metadata:
        for tag, value in _allowed(dict(picture.exif), 0).items():
            if _can_be_written(0, tag, value):
                exif[tag] = value
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            entries = _allowed(_directory(picture.exif, directory), directory)
            for tag in DEVICE_TAGS if not settings.copy_serials else ():
                entries.pop(tag, None)
            entries = {tag: value for tag, value in entries.items() if _can_be_written(directory, tag, value)}
            if entries and (settings.copy_gps or directory != ExifTags.IFD.GPSInfo):
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


def left_out(picture: Picture, settings: BlurSettings) -> tuple[str, ...]:
    """What is not copied though it is there, for a person."""
    said = []
    if picture.info.get("icc_profile") and icc_profile(picture) is None:
        said.append("its colour profile is not copied: it holds more than colours; they may look different")
    if not settings.copy_metadata:
        return tuple(said)
    if has_xmp(picture):
        copied = clean_xmp(picture, settings)
        said.append("of XMP only what describes the picture is copied" if copied else "XMP is not copied")
    if not settings.copy_gps and _allowed(_directory(picture.exif, ExifTags.IFD.GPSInfo), ExifTags.IFD.GPSInfo):
        said.append("the GPS position is not copied; copy_gps copies it")
    if not settings.copy_serials and DEVICE_TAGS & _directory(picture.exif, ExifTags.IFD.Exif).keys():
        said.append("serial numbers are not copied; copy_serials copies them")
    return tuple(said)


def refuse_leaks(findings: Iterable[Finding], settings: BlurSettings, origin: str) -> None:
    """Hold what a scan of the written file found against the allow-list.

    Raises
    ------
    PictureError
        It holds more than it may; it is not to be kept.
    """
    for finding in findings:
        if not _permitted(finding, settings):
            raise PictureError(
                origin,
                f"what was written still holds {finding.what} ({finding.where}, {finding.length:,} bytes), and was "
                "not kept; this must not happen, please report it",
            )


def _permitted(finding: Finding, settings: BlurSettings) -> bool:
    block, last = finding.where.split("/")[0], finding.where.split("/")[-1]
    if finding.severity == LEAK:
        return False
    if last == "ICC profile":
        return True
    if block == "XMP" or (
        block == "TIFF" and last == "XMP"
    ):  # rebuilt from a list of properties; the words that were found stand in their values
        return bool(settings.copy_metadata)
    wanted = {"text", "technical", "identity"}
    wanted |= ({"location"} if settings.copy_gps else set()) | ({"device"} if settings.copy_serials else set())
    return bool(settings.copy_metadata) and block in ("EXIF", "TIFF") and finding.kind in wanted


def has_directories(exif: bytes) -> bool:
    """Whether what `clean_exif` made has an EXIF or GPS directory below its main one."""
    main = Image.Exif()
    main.load(exif)
    return ExifTags.IFD.Exif in main or ExifTags.IFD.GPSInfo in main


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


def _allowed(entries: dict[int, Any], directory: int) -> dict[int, Any]:
    # the tags of a position have numbers of their own
    most = (lambda _: LARGEST_TEXT) if directory == ExifTags.IFD.GPSInfo else most_bytes
    return {
        tag: value for tag, value in entries.items() if tag in _COPIED[directory] and _is_plausible(value, most(tag))
    }


def _is_plausible(value: Any, most: int) -> bool:
    """Whether a value is small enough to be what its tag says, and no coded picture."""
    if isinstance(value, tuple):
        return 8 * len(value) <= most
    if not isinstance(value, bytes | str):
        return True
    content = value.encode(errors="replace") if isinstance(value, str) else value
    if len(content) > most or can_be_picture(content):
        return False
    if isinstance(value, str) and not is_readable(content + b"\0"):  # as the scan sees it, with its end
        return False
    return len(content) <= LARGEST_NUMBER or is_readable(content)


def _can_be_written(directory: int, tag: int, value: Any) -> bool:
    """Whether a value is of a type that its tag can have: one odd tag is no reason to refuse a picture."""
    alone = Image.Exif()
    if directory:
        alone[directory] = {tag: value}
    else:
        alone[tag] = value
    try:
        alone.tobytes()
    except DECODER_ERRORS:
        return False
    return True


def icc_profile(picture: Picture) -> bytes | None:
    """The file's colour profile, cut to the size it says it has; None if it is none, or holds more than colours."""
    data = picture.info.get("icc_profile")
    if not isinstance(data, bytes):
        return None
    profile = data[: int.from_bytes(data[:4], "big")]
    return profile if profile_problem(profile) is None else None


_COLOUR_CHUNKS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}


def colour_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks without which its pixels would mean other colours, before the first pixels."""
    found: dict[bytes, bytes] = {}
    for name, content in _chunks(data):
        if _COLOUR_CHUNKS.get(name) == len(content):
            found.setdefault(name, content)
    return list(found.items())


def significant_bits(data: bytes, written: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunk of how many bits of a sample count, where that says the same of the PNG that was written."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(written[25])
    chunks = ((name, content) for name, content in _chunks(data) if name == b"sBIT" and len(content) == channels)
    return list(chunks)[:1]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks before the first pixels."""
    position = 8
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        if name == b"IDAT":
            break
        yield name, data[position + 8 : position + 8 + length]
        position += 12 + length


DRI, DAC = 0xDD, 0xCC
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_CODING = {*range(0xC0, 0xD0), 0xDB, 0xDD} - {0xC8}  # tables, frames, restart interval: what the pixels need


def clean_jpeg(
    data: bytes,
    exif: bytes,
    icc: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    xmp: bytes = b"",
    scans: Sequence[tuple[Segment, memoryview]] | None = None,
) -> bytes:
    """The same JPEG with every bit of its compressed pixels, and only what is allowed beside them.

    Parameters
    ----------
    data : bytes
        A JPEG file that could be decoded.
    exif : bytes
        What `clean_exif` made.
    icc : bytes, optional
        What `icc_profile` gave.
    dpi : (x, y), optional
        What `resolution` gave.
    xmp : bytes
        What `clean_xmp` made.
    scans : sequence of (Segment, memoryview), optional
        The file's scans and what takes their place, see `jpeg.redacted_scans`.

    Raises
    ------
    ValueError
        The file's segments cannot be followed.
    """
    new = iter(scans or ())
    kept: list[tuple[int, bytes | memoryview]] = []
    for segment in segments(data, [old for old, _ in scans or ()]):
        if scans is not None and segment.marker == SOS:
            kept.append((SOS, next(new)[1]))
        elif part := _kept_segment(segment.marker, data[segment.start : segment.stop]):
            kept.append((segment.marker, part))
    kept = _without_repeats(kept)
    kept = without_tables(kept, unused_tables(kept))
    first = [part for marker, part in kept if marker == APP0][:1]
    # a JFIF header also says which colours the numbers mean, so it must not join what may say others
    if not first and dpi and not any(_says_colours(marker, part) for marker, part in kept):
        first = [_segment(0xE0, b"JFIF\0\1\1\1" + _dots(dpi[0]) + _dots(dpi[1]) + b"\0\0")]
    if exif:
        first.append(_segment(0xE1, exif))
    if xmp:
        first.append(_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    rest = [part for marker, part in kept if marker != APP0]
    return b"".join([b"\xff\xd8", *first, *_icc_segments(icc or b""), *rest, b"\xff\xd9"])


def _without_repeats(kept: list[tuple[int, bytes | memoryview]]) -> list[tuple[int, bytes | memoryview]]:
    """Without what only its last or first of a kind has a meaning of: others could carry something."""
    arithmetic = any(marker in _ARITHMETIC for marker, _ in kept)
    result: list[tuple[int, bytes | memoryview]] = []
    place = -1  # of the restart interval for the scan to come
    for marker, part in kept:
        if marker == APP14 and any(other == APP14 for other, _ in result):
            continue
        if marker == DAC and not arithmetic:
            continue
        if marker == DRI and place >= 0:
            result[place] = (marker, part)
            continue
        place = len(result) if marker == DRI else -1 if marker == SOS else place
        result.append((marker, part))
    return result


def _says_colours(marker: int, segment: bytes | memoryview) -> bool:
    """Whether it is Adobe's segment, or a frame with components named R, G and B."""
    return marker == APP14 or (0xC0 <= marker <= 0xCF and bytes(segment[10:19:3]) == b"RGB")


def _dots(value: float) -> bytes:
    return round(value).to_bytes(2, "big")


def _segment(marker: int, body: bytes) -> bytes:
    if len(body) > LARGEST_SEGMENT:
        raise ValueError("metadata too large for a JPEG")
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _icc_segments(icc: bytes) -> list[bytes]:
    """A profile in numbered parts (ICC.1:2022, B.4)."""
    size = LARGEST_SEGMENT - 14
    parts = [icc[start : start + size] for start in range(0, len(icc), size)]
    if len(parts) > 255:
        raise ValueError("colour profile too large for a JPEG")
    return [
        _segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, 1)
    ]


def _kept_segment(marker: int, segment: bytes) -> bytes:
    body = segment[4:]
    if (marker != DRI and marker in _CODING) or marker == SOS:
        return segment
    if marker == APP0 and body[:5] == b"JFIF\0" and len(body) >= 14:
        return _segment(APP0, body[:12] + b"\0\0")  # its thumbnail goes
    if marker == APP14 and body[:5] == b"Adobe" and len(body) >= 12:
        # its flags are for PostScript
        return _segment(APP14, body[:5] + b"\0\x64\0\0\0\0" + body[11:12])
    if marker == DRI:
        return _segment(DRI, body[:2])
    return b""

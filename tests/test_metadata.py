"""No second copy leaves: secrets planted wherever a file can hold them, and what must stay."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin

import blur_tools
from blur_tools import BlurSettings, PictureError
from blur_tools.detections import Detection, box_polygon
from blur_tools.picture import load_picture
from blur_tools.redaction.metadata import clean_exif, clean_jpeg

WIDTH, HEIGHT = 96, 64
PLATE = [Detection("plate", box_polygon(30, 20, 60, 30))]
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKE, TAKEN, LATITUDE = "Acme", "2021:02:03 04:05:06", (48.0, 8.0, 11.0)


def secret(name: str, length: int = 40) -> bytes:
    """Bytes that are found nowhere by chance; letters only, so that they survive as text too."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return bytes(rng.integers(ord("a"), ord("z") + 1, length, dtype=np.uint8))


def scene(mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack([x * 2, y * 3, (x + y) % 256], -1).astype(np.uint8)
    pixels[22:28, 32:58] = 255 * (np.arange(26) // 3 % 2)[None, :, None]
    image = Image.fromarray(pixels)
    if mode in ("RGBA", "LA"):
        image.putalpha(200)
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# --- EXIF by hand: Pillow would not write a thumbnail ---------------------------------------------------------------

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7


def exif_block(orientation: int = 1, dpi: int | None = None, secrets: bool = True) -> bytes:
    """A TIFF block of IFD0, Exif, GPS and IFD1 with a thumbnail and a maker's note."""
    main = [
        (0x010E, ASCII, secret("ImageDescription") + b"\0"),
        (0x010F, ASCII, MAKE.encode() + b"\0"),
        (0x0112, SHORT, struct.pack("<H", orientation)),
        (0x013B, ASCII, secret("Artist") + b"\0"),
        (0x8769, LONG, b"exif"),
        (0x8825, LONG, b"gps!"),
        (0xEA1C, UNDEFINED, secret("Padding")),
    ]
    if dpi:
        main[3:3] = [
            (0x011A, RATIONAL, struct.pack("<II", dpi, 1)),
            (0x011B, RATIONAL, struct.pack("<II", dpi, 1)),
            (0x0128, SHORT, struct.pack("<H", 2)),
        ]
    exif = [
        (0x9003, ASCII, TAKEN.encode() + b"\0"),
        (0x927C, UNDEFINED, secret("MakerNote", 600)),
        (0x9286, UNDEFINED, b"ASCII\0\0\0" + secret("UserComment", 3000)),
        (0xA431, ASCII, secret("BodySerialNumber") + b"\0"),
    ]
    gps = [
        (1, ASCII, b"N\0"),
        (2, RATIONAL, b"".join(struct.pack("<II", int(part), 1) for part in LATITUDE)),
    ]
    thumbnail = [
        (0x0103, SHORT, struct.pack("<H", 6)),
        (0x0201, LONG, b"jpeg"),
        (0x0202, LONG, struct.pack("<I", len(secret("Thumbnail", 500)))),
    ]
    if not secrets:
        main = [entry for entry in main if entry[0] in (0x010F, 0x0112, 0x8769, 0x8825, 0x011A, 0x011B, 0x0128)]
        exif, thumbnail = exif[:1], []
    groups = [main, exif, gps, thumbnail]
    sizes = [6 + 12 * len(g) + sum(len(v) + len(v) % 2 for _, _, v in g if len(v) > 4) for g in groups]
    starts = [8 + sum(sizes[:i]) for i in range(5)]
    places = {b"exif": starts[1], b"gps!": starts[2], b"jpeg": starts[4]}
    out = b"II*\0" + struct.pack("<I", 8)
    for number, (group, start) in enumerate(zip(groups, starts, strict=False)):
        table, values = struct.pack("<H", len(group)), b""
        room = start + 6 + 12 * len(group)
        for tag, kind, value in group:
            value = struct.pack("<I", places[value]) if value in places else value
            count = len(value) // {ASCII: 1, UNDEFINED: 1, SHORT: 2, LONG: 4, RATIONAL: 8}[kind]
            table += struct.pack("<HHI", tag, kind, count)
            if len(value) > 4:
                table += struct.pack("<I", room + len(values))
                values += value + b"\0" * (len(value) % 2)
            else:
                table += value.ljust(4, b"\0")
        following = starts[3] if number == 0 and thumbnail else 0
        out += table + struct.pack("<I", following) + values
    return out + (secret("Thumbnail", 500) if thumbnail else b"")


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><xmpGImg:image>'
    + base64.b64encode(secret("XMP picture", 300))
    + b"</xmpGImg:image><dc:title>"
    + secret("XMP title")
    + b"</dc:title></rdf:RDF></x:xmpmeta>"
)
IRB = b"Photoshop 3.0\0" + b"8BIM\x04\x0c\0\0" + struct.pack(">I", 428) + secret("Photoshop thumbnail", 428)
# EXIF entries that copy_metadata is there to copy
WITH_COPY = {"ImageDescription", "Artist"}
EVERYTHING = {"copy_metadata": True, "copy_gps": True, "copy_serials": True}
EXIF_SECRETS = {
    "ImageDescription": 40,
    "Artist": 40,
    "Padding": 40,
    "MakerNote": 600,
    "UserComment": 3000,
    "BodySerialNumber": 40,
    "Thumbnail": 500,
}


@dataclass
class Carrier:
    """A file with secrets in it, and the parts that its redacted form may consist of."""

    data: bytes
    planted: list[str]
    parts: Callable[[bytes], set[str]]
    allowed: set[str]
    extra: dict[str, bytes] = field(default_factory=dict)

    def patterns(self) -> dict[str, list[bytes]]:
        """For each secret some pieces of it: a part of a picture is a leak too."""
        found = {}
        for name in self.planted:
            whole = secret(name, EXIF_SECRETS.get(name, 300 if name == "XMP picture" else 40))
            pieces = {whole[:12], whole[-12:], whole[len(whole) // 2 :][:12]}
            found[name] = [p for piece in pieces for p in (piece, base64.b64encode(piece[:12]))]
        return found


# --- JPEG -----------------------------------------------------------------------------------------------------------


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_markers(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and body of each segment, the last with all bytes behind the end."""
    found, position = [], 2
    while True:
        assert data[position] == 0xFF, "something between the segments"
        marker = data[position + 1]
        if marker == 0xD9:
            return [*found, (marker, data[position + 2 :])]
        length = struct.unpack_from(">H", data, position + 2)[0]
        found.append((marker, data[position + 4 : position + 2 + length]))
        position += 2 + length
        if marker == 0xDA:
            while data[position] != 0xFF or data[position + 1] == 0 or 0xD0 <= data[position + 1] <= 0xD7:
                position += 1


def jpeg_parts(data: bytes) -> set[str]:
    found = set()
    for marker, body in jpeg_markers(data):
        name = body.split(b"\0")[0][:12].decode("latin-1") if 0xE0 <= marker <= 0xEF else ""
        if marker == 0xD9:
            name = "tail" if body else ""
        if (marker == 0xE0 and len(body) != 14) or (marker == 0xEE and len(body) != 12):
            name += " too long"
        found.add(f"{marker:02X} {name}".strip())
    return found


JPEG_ALLOWED = {
    "E0 JFIF", "E1 Exif", "E2 ICC_PROFILE", "EE Adobe", "DB", "C4", "DD", "DA", "D9", "C0", "C1", "C2",
}  # fmt: skip


def jpeg_carrier(mode: str = "RGB", orientation: int = 1, **options) -> Carrier:
    base = saved(scene(mode), "JPEG", quality=90, icc_profile=ICC, dpi=(300, 150), **options)
    second = saved(scene().rotate(90), "JPEG", comment=secret("second picture"))
    jfif_end = 20
    assert base[2:11] == b"\xff\xe0\0\x10JFIF\0"
    planted = [
        segment(0xE0, b"JFXX\0\x10" + secret("JFXX thumbnail")),
        segment(0xE1, b"Exif\0\0" + exif_block(orientation)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 40, 0)
                + secret("extended XMP")),
        segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + secret("MPF index")),
        segment(0xE2, b"FPXR\0" + secret("FlashPix")),
        segment(0xE4, secret("APP4")),
        segment(0xEB, b"JP\0\0" + secret("JUMBF")),
        segment(0xED, IRB),
        segment(0xEF, secret("APP15")),
        segment(0xFE, secret("comment")),
    ]  # fmt: skip
    jfif = bytearray(base[2:jfif_end])
    jfif[2:4], jfif[16:18] = struct.pack(">H", 16 + 39), bytes([13, 1])
    data = base[:2] + bytes(jfif) + secret("JFIF thumbnail", 39) + b"".join(planted) + base[jfif_end:]
    # a comment between the tables and the scan, too
    frame = data.index(b"\xff\xda", data.rindex(secret("comment")))
    data = data[:frame] + segment(0xFE, secret("late comment")) + data[frame:]
    data += second + b"MotionPhoto_Data" + secret("trailer")
    names = [
        "JFXX thumbnail", "extended XMP", "MPF index", "FlashPix", "APP4", "JUMBF", "Photoshop thumbnail", "APP15",
        "comment", "JFIF thumbnail", "late comment", "second picture", "trailer", "XMP picture", "XMP title",
        *EXIF_SECRETS,
    ]  # fmt: skip
    return Carrier(data, names, jpeg_parts, JPEG_ALLOWED)


# --- PNG ------------------------------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_chunks(data: bytes) -> list[tuple[str, bytes]]:
    found, position = [], 8
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        found.append((name.decode("latin-1"), data[position + 8 : position + 8 + length]))
        position += 12 + length
        if name == b"IEND":
            break
    return [*found, ("tail", data[position:])] if data[position:] else found


PNG_FIXED = {"gAMA": 4, "cHRM": 32, "sRGB": 1, "pHYs": 9, "IHDR": 13, "IEND": 0}


def png_parts(data: bytes) -> set[str]:
    chunks = png_chunks(data)
    names = [name for name, _ in chunks]
    strange = {f"{name} of {len(body)} bytes" for name, body in chunks if PNG_FIXED.get(name, len(body)) != len(body)}
    twice = {f"several {name}" for name in set(names) - {"IDAT"} if names.count(name) > 1}
    return set(names) | strange | twice


def png_carrier(mode: str = "RGB", orientation: int = 1) -> Carrier:
    base = saved(scene(mode), "PNG", icc_profile=ICC, dpi=(300, 150))
    header_end = 8 + 25
    before = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"tEXt", b"Comment\0" + secret("tEXt")),
        chunk(b"zTXt", b"Author\0\0" + zlib.compress(secret("zTXt"), 0)),
        chunk(b"iTXt", b"Title\0\0\0\0\0" + secret("iTXt")),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        chunk(b"eXIf", exif_block(orientation)),
        chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(secret("raw profile"), 0)),
        chunk(b"prVt", secret("private chunk")),
        chunk(b"caBX", secret("C2PA")),
        chunk(b"tIME", struct.pack(">HBBBBB", 2021, 2, 3, 4, 5, 6)),
        chunk(b"sPLT", b"name\0\x08" + secret("suggested palette")),
        chunk(b"sTER", secret("stereo")),
    ]
    end = base.rindex(b"IEND") - 4
    after = [chunk(b"tEXt", b"Late\0" + secret("late tEXt")), chunk(b"prVt", secret("late private chunk"))]
    data = base[:header_end] + b"".join(before) + base[header_end:end] + b"".join(after) + base[end:]
    data += secret("trailer") + chunk(b"IDAT", secret("second IDAT")) + chunk(b"IEND", b"")
    names = [
        "tEXt", "zTXt", "iTXt", "raw profile", "private chunk", "C2PA", "suggested palette", "stereo", "late tEXt",
        "late private chunk", "trailer", "second IDAT", "XMP picture", "XMP title", *EXIF_SECRETS,
    ]  # fmt: skip
    allowed = {"IHDR", "iCCP", "gAMA", "cHRM", "sRGB", "pHYs", "eXIf", "IDAT", "IEND"}
    return Carrier(data, names, png_parts, allowed)


# --- WebP -----------------------------------------------------------------------------------------------------------


def webp_parts(data: bytes) -> set[str]:
    size = struct.unpack_from("<I", data, 4)[0]
    found, position = set(), 12
    while position < 8 + size:
        name, length = data[position : position + 4].decode("latin-1"), struct.unpack_from("<I", data, position + 4)[0]
        found.add(name)
        position += 8 + length + length % 2
    return found | ({"tail"} if data[8 + size :] else set())


def webp_carrier(mode: str = "RGB", orientation: int = 1, lossless: bool = True) -> Carrier:
    base = saved(
        scene(mode), "WEBP", lossless=lossless, icc_profile=ICC, xmp=XMP, exif=b"Exif\0\0" + exif_block(orientation)
    )
    body = base[8:] + b"PRVT" + struct.pack("<I", 40) + secret("unknown chunk")
    data = b"RIFF" + struct.pack("<I", len(body)) + body + secret("trailer")
    names = ["unknown chunk", "trailer", "XMP picture", "XMP title", *EXIF_SECRETS]
    return Carrier(data, names, webp_parts, {"VP8X", "VP8 ", "VP8L", "ALPH", "ICCP", "EXIF"})


# --- TIFF and BMP ---------------------------------------------------------------------------------------------------

TIFF_LAYOUT = {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 282, 283, 284, 296, 317, 338, 339, 274, 34675, 254}
TIFF_COPIED = {270, 271, 315, 34665, 34853, 305, 306, 272}


def tiff_parts(data: bytes) -> set[str]:
    with Image.open(io.BytesIO(data)) as image:
        return {str(tag) for tag in image.tag_v2}


def with_tags(data: bytes, tags: list[tuple[int, int, bytes]], directories: dict[int, list]) -> bytes:
    """A TIFF file with more tags, in a directory of its own at the end: libtiff would not write them."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    new = {struct.unpack_from("<H", data, start + 2 + 12 * i)[0]: data[start + 2 + 12 * i :][:12] for i in range(count)}
    out = data + b"\0" * (len(data) % 2)

    def entry(tag: int, kind: int, value: bytes) -> bytes:
        nonlocal out
        number = len(value) // {BYTE: 1, ASCII: 1, UNDEFINED: 1, SHORT: 2, LONG: 4, RATIONAL: 8}[kind]
        if len(value) > 4:
            value, out = struct.pack("<I", len(out)), out + value + b"\0" * (len(value) % 2)
        return struct.pack("<HHI", tag, kind, number) + value.ljust(4, b"\0")

    def table(entries: dict[int, bytes]) -> bytes:
        nonlocal out
        place = struct.pack("<I", len(out))
        out += struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + b"\0" * 4
        return place

    new |= {tag: entry(tag, kind, value) for tag, kind, value in tags}
    for pointer, group in directories.items():
        new[pointer] = entry(pointer, LONG, table({tag: entry(tag, kind, value) for tag, kind, value in group}))
    place = table(new)
    return out[:4] + place + out[8:]


def tiff_carrier(mode: str = "RGB", orientation: int = 1, compression: str = "tiff_lzw") -> Carrier:
    base = saved(scene(mode), "TIFF", compression=compression, icc_profile=ICC, dpi=(300, 150))
    tags = [
        (270, ASCII, secret("ImageDescription") + b"\0"),
        (271, ASCII, MAKE.encode() + b"\0"),
        (305, ASCII, secret("Software") + b"\0"),
        (315, ASCII, secret("Artist") + b"\0"),
        (700, UNDEFINED, XMP),
        (33723, UNDEFINED, secret("IPTC")),
        (34377, UNDEFINED, IRB[14:]),
        (50341, UNDEFINED, secret("PrintIM")),
        (65000, UNDEFINED, secret("private tag")),
        (37724, UNDEFINED, secret("Photoshop layers")),
        (50740, UNDEFINED, secret("DNG private")),
    ]
    if orientation != 1:
        tags.append((274, SHORT, struct.pack("<H", orientation)))
    exif = [
        (0x9003, ASCII, TAKEN.encode() + b"\0"),
        (0x927C, UNDEFINED, secret("MakerNote", 600)),
        (0xA431, ASCII, secret("BodySerialNumber") + b"\0"),
    ]
    gps = [(1, ASCII, b"N\0"), (2, RATIONAL, b"".join(struct.pack("<II", int(part), 1) for part in LATITUDE))]
    preview = [(256, LONG, struct.pack("<I", 1)), (65001, UNDEFINED, secret("preview directory"))]
    data = with_tags(base, tags, {34665: exif, 34853: gps, 330: preview}) + secret("trailer")
    names = [
        "ImageDescription", "Artist", "IPTC", "Photoshop thumbnail", "PrintIM", "private tag", "Photoshop layers",
        "DNG private", "MakerNote", "BodySerialNumber", "trailer", "XMP picture", "XMP title", "Software",
        "preview directory",
    ]  # fmt: skip
    return Carrier(data, names, tiff_parts, {str(tag) for tag in TIFF_LAYOUT})


def bmp_parts(data: bytes) -> set[str]:
    offset, header = struct.unpack_from("<II", data, 10)
    found = {"header", "pixels"}
    if offset > 14 + header + 1024:
        found.add("gap")
    size = struct.unpack_from("<I", data, 2)[0]
    return found | ({"tail"} if len(data) > size else set())


def bmp_carrier(mode: str = "RGB", orientation: int = 1) -> Carrier:
    base = saved(scene(mode), "BMP", dpi=(300, 150))
    offset = struct.unpack_from("<I", base, 10)[0]
    gap = secret("gap")
    data = base[:10] + struct.pack("<I", offset + len(gap)) + base[14:offset] + gap + base[offset:] + secret("trailer")
    return Carrier(data, ["gap", "trailer"], bmp_parts, {"header", "pixels"})


CARRIERS = {
    "JPEG": jpeg_carrier,
    "JPEG gray": lambda **k: jpeg_carrier("L", **k),
    "JPEG CMYK": lambda **k: jpeg_carrier("CMYK", **k),
    "JPEG progressive": lambda **k: jpeg_carrier(progressive=True, **k),
    "JPEG with restarts": lambda **k: jpeg_carrier(restart_marker_blocks=2, **k),
    "PNG": png_carrier,
    "PNG RGBA": lambda **k: png_carrier("RGBA", **k),
    "PNG palette": lambda **k: png_carrier("P", **k),
    "WebP lossless": webp_carrier,
    "WebP lossy": lambda **k: webp_carrier(lossless=False, **k),
    "WebP RGBA": lambda **k: webp_carrier("RGBA", **k),
    "TIFF": tiff_carrier,
    "TIFF raw": lambda **k: tiff_carrier(compression="raw", **k),
    "TIFF CMYK": lambda **k: tiff_carrier("CMYK", **k),
    "TIFF JPEG": lambda **k: tiff_carrier(compression="jpeg", **k),
    "BMP": bmp_carrier,
}
WITH_EXIF = [name for name in CARRIERS if not name.startswith("BMP")]
FOUND = {"redacted": PLATE, "nothing found": []}


def opened(data: bytes) -> Image.Image:
    # the plain reader of JPEG: Pillow's chooser warns of our invented index of several pictures
    image = plain_jpeg(data) if data[:2] == b"\xff\xd8" else Image.open(io.BytesIO(data))
    image.load()
    return image


class TestCarriers:
    """The secrets are where a reader finds them; or their absence would prove nothing."""

    @pytest.mark.parametrize("name", CARRIERS)
    def test_hold_every_secret(self, name):
        carrier = CARRIERS[name]()
        for pieces in carrier.patterns().values():
            assert any(piece in carrier.data for piece in pieces)
        assert load_picture(carrier.data).size == (WIDTH, HEIGHT)

    @pytest.mark.parametrize("name", [name for name in WITH_EXIF if not name.startswith("TIFF")])
    def test_have_a_thumbnail_that_pillow_finds(self, name):
        exif = opened(CARRIERS[name]().data).getexif()
        assert exif.get_ifd(ExifTags.IFD.IFD1)[0x0202] == 500
        assert exif.get_ifd(ExifTags.IFD.Exif)[0x927C] == secret("MakerNote", 600)


class TestNothingLeaves:
    @pytest.mark.parametrize("copy", [False, True], ids=["plain", "copy_metadata"])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", CARRIERS)
    def test_no_secret(self, name, found, copy):
        carrier = CARRIERS[name]()
        data = blur_tools.redact(carrier.data, FOUND[found], copy_metadata=copy).data
        spared = WITH_COPY | {"Software"} if copy else set()
        leaked = [
            what
            for what, pieces in carrier.patterns().items()
            if what not in spared and any(piece in data for piece in pieces)
        ]
        assert leaked == []

    @pytest.mark.parametrize("copy", [False, True], ids=["plain", "copy_metadata"])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", CARRIERS)
    def test_only_allowed_parts(self, name, found, copy):
        carrier = CARRIERS[name]()
        data = blur_tools.redact(carrier.data, FOUND[found], copy_metadata=copy).data
        allowed = carrier.allowed
        if copy and name.startswith("TIFF"):
            allowed = allowed | {str(tag) for tag in TIFF_COPIED}
        assert carrier.parts(data) - allowed == set()

    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_exif_is_only_the_orientation(self, name, found):
        upright = opened(blur_tools.redact(CARRIERS[name]().data, FOUND[found]).data)
        if not name.startswith("TIFF"):  # whose directory is the picture's own
            assert dict(upright.getexif()) == {}
        turned = opened(blur_tools.redact(CARRIERS[name](orientation=6).data, FOUND[found]).data)
        if not name.startswith("TIFF"):
            assert dict(turned.getexif()) == {0x0112: 6}

    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", [name for name in WITH_EXIF if not name.startswith("TIFF")])
    def test_copied_exif_is_rebuilt(self, name, found):
        exif = opened(blur_tools.redact(CARRIERS[name]().data, FOUND[found], **EVERYTHING).data).getexif()
        assert dict(exif.get_ifd(ExifTags.IFD.IFD1)) == {}
        assert 0x927C not in exif.get_ifd(ExifTags.IFD.Exif)
        assert 0x9286 not in exif.get_ifd(ExifTags.IFD.Exif)  # 3,000 bytes are no comment


class TestHidingPlaces:
    """Bytes that decoders skip inside the parts that must be kept."""

    @staticmethod
    def leaks(data: bytes, what: str, found) -> bool:
        assert load_picture(data).size == (WIDTH, HEIGHT)
        return secret(what)[:12] in blur_tools.redact(data, found).data

    @pytest.mark.parametrize("found", FOUND)
    def test_adobe_segment_with_a_tail(self, found):
        base = saved(scene(), "JPEG", quality=90)
        adobe = segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 1) + secret("Adobe tail"))
        assert not self.leaks(base[:20] + adobe + base[20:], "Adobe tail", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_line_count_segment(self, found):
        base = saved(scene(), "JPEG", quality=90)
        assert not self.leaks(base[:20] + segment(0xDC, secret("DNL")) + base[20:], "DNL", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("fill", [b"\xff" * 7, b"\xff" * 300])
    def test_fill_bytes_before_a_marker(self, found, fill):
        base = saved(scene(), "JPEG", quality=90)
        data = base[:20] + fill + segment(0xFE, secret("comment")) + fill + base[20:]
        assert not self.leaks(data, "comment", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_garbage_between_segments(self, found):
        base = saved(scene(), "JPEG", quality=90)
        assert not self.leaks(base[:20] + secret("garbage") + base[20:], "garbage", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_comment_between_the_scans(self, found):
        base = saved(scene(), "JPEG", quality=90, progressive=True)
        second = base.index(b"\xff\xda", base.index(b"\xff\xda") + 2)
        data = base[:second] + segment(0xFE, secret("comment")) + base[second:]
        assert not self.leaks(data, "comment", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_a_profile_that_is_none(self, found):
        # behind the profile's name anything can stand, and Pillow reads it as one
        base = saved(scene(), "JPEG", quality=90)
        data = base[:20] + segment(0xE2, b"ICC_PROFILE\0\x01\x01" + secret("not a profile", 400)) + base[20:]
        assert not self.leaks(data, "not a profile", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"optimize": True}])
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_behind_the_last_block(self, mode, options, found):
        base = saved(scene(mode), "JPEG", quality=90, **options)
        assert not self.leaks(base[:-2] + secret("behind the pixels") + base[-2:], "behind the pixels", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_behind_a_restart_interval(self, found):
        base = saved(scene(), "JPEG", quality=90, restart_marker_blocks=2)
        place = base.index(b"\xff\xd3")
        data = base[:place] + secret("behind an interval") + base[place:]
        assert not self.leaks(data, "behind an interval", FOUND[found])

    @pytest.mark.parametrize("found", FOUND)
    def test_behind_an_earlier_scan(self, found):
        base = saved(scene(), "JPEG", quality=90, progressive=True)
        second = base.index(b"\xff\xc4", base.index(b"\xff\xda") + 2)
        data = base[:second] + secret("behind a scan") + base[second:]
        assert not self.leaks(data, "behind a scan", FOUND[found])

    @pytest.mark.parametrize("name", [b"gAMA", b"sRGB"])
    def test_png_colour_chunk_with_a_tail(self, name):
        base = saved(scene(), "PNG")
        body = {b"gAMA": struct.pack(">I", 45455), b"sRGB": b"\0"}[name] + secret("colour chunk", 24)
        assert not self.leaks(base[:33] + chunk(name, body) + base[33:], "colour chunk", PLATE)

    def test_png_colour_chunk_many_times(self):
        base = saved(scene(), "PNG")
        chunks = [chunk(b"cHRM", secret("chromaticity", 32)) for _ in range(20)]
        data = blur_tools.redact(base[:33] + b"".join(chunks) + base[33:], PLATE).data
        assert data.count(b"cHRM") <= 1

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_secret_in_a_tag_that_a_pixel_reader_needs(self, kind):
        # a directory may name any tag; only known ones go on, and none with a picture's size
        exif = Image.Exif()
        exif[0xFDE8], exif[0x010F] = secret("unknown tag"), MAKE
        exif[0x0144] = (1, 2, 3)
        exif[0xC68C] = secret("raw file data", 900)
        data = saved(scene(), kind, exif=exif)
        written = blur_tools.redact(data, PLATE, copy_metadata=True).data
        assert secret("unknown tag") not in written
        assert secret("raw file data", 900) not in written
        assert dict(opened(written).getexif()) == {0x010F: MAKE}


class TestWhatStays:
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_copied_when_asked(self, name, found):
        data = blur_tools.redact(CARRIERS[name](orientation=6).data, FOUND[found], **EVERYTHING).data
        exif = opened(data).getexif()
        assert exif.get(0x010F) == MAKE
        assert exif.get_ifd(ExifTags.IFD.Exif).get(0x9003) == TAKEN
        assert exif.get_ifd(ExifTags.IFD.Exif).get(0xA431) == secret("BodySerialNumber").decode()
        assert exif.get_ifd(ExifTags.IFD.GPSInfo).get(2) == LATITUDE
        assert exif.get_ifd(ExifTags.IFD.GPSInfo).get(1) == "N"

    @pytest.mark.parametrize("name", WITH_EXIF)
    @pytest.mark.parametrize("gps", [False, True])
    @pytest.mark.parametrize("serials", [False, True])
    def test_position_and_serial_numbers_are_switched_separately(self, name, gps, serials):
        data = CARRIERS[name]().data
        result = blur_tools.redact(data, PLATE, copy_metadata=True, copy_gps=gps, copy_serials=serials)
        exif = opened(result.data).getexif()
        assert exif.get_ifd(ExifTags.IFD.Exif).get(0x9003) == TAKEN
        assert (exif.get_ifd(ExifTags.IFD.GPSInfo).get(2) == LATITUDE) is gps
        assert bool(exif.get_ifd(ExifTags.IFD.GPSInfo)) is gps
        assert (0xA431 in exif.get_ifd(ExifTags.IFD.Exif)) is serials
        assert any("copy_gps" in warning for warning in result.warnings) is not gps
        assert any("copy_serials" in warning for warning in result.warnings) is not serials

    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_the_switches_alone_copy_nothing(self, name):
        result = blur_tools.redact(CARRIERS[name]().data, PLATE, copy_gps=True, copy_serials=True)
        exif = opened(result.data).getexif()
        assert dict(exif.get_ifd(ExifTags.IFD.GPSInfo)) == dict(exif.get_ifd(ExifTags.IFD.Exif)) == {}

    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_not_copied_when_not_asked(self, name, found):
        exif = opened(blur_tools.redact(CARRIERS[name]().data, FOUND[found]).data).getexif()
        assert exif.get(0x010F) is None
        assert dict(exif.get_ifd(ExifTags.IFD.Exif)) == {}
        assert dict(exif.get_ifd(ExifTags.IFD.GPSInfo)) == {}

    @pytest.mark.parametrize("copy", [False, True])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_colour_profile(self, name, found, copy):
        data = blur_tools.redact(CARRIERS[name]().data, FOUND[found], copy_metadata=copy).data
        assert opened(data).info.get("icc_profile") == ICC

    @pytest.mark.parametrize("copy", [False, True])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", WITH_EXIF)
    def test_orientation(self, name, found, copy):
        for orientation in (1, 3, 6, 7):
            carrier = CARRIERS[name](orientation=orientation)
            data = blur_tools.redact(carrier.data, FOUND[found], copy_metadata=copy).data
            assert load_picture(data).orientation == orientation
            assert load_picture(data).size == (WIDTH, HEIGHT)

    @pytest.mark.parametrize("copy", [False, True])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("name", [name for name in CARRIERS if not name.startswith("WebP")])
    def test_resolution(self, name, found, copy):
        data = blur_tools.redact(CARRIERS[name]().data, FOUND[found], copy_metadata=copy).data
        assert opened(data).info["dpi"] == pytest.approx((300, 150), rel=0.001)

    @pytest.mark.parametrize("found", FOUND)
    def test_resolution_that_only_exif_knows(self, found):
        base = saved(scene(), "JPEG", quality=90)
        data = base[:2] + segment(0xE1, b"Exif\0\0" + exif_block(dpi=300, secrets=False)) + base[20:]
        assert opened(data).info["dpi"] == (300, 300)
        assert opened(blur_tools.redact(data, FOUND[found]).data).info.get("dpi") == (300, 300)

    @pytest.mark.parametrize("found", FOUND)
    def test_resolution_does_not_change_what_colours_mean(self, found):
        # components named R, G, B are these, unless there is a JFIF header
        base = saved(scene(), "JPEG", quality=90, keep_rgb=True)
        adobe = base.index(b"\xff\xee")
        data = base[:adobe] + base[adobe + 16 :]
        data = data[:2] + segment(0xE1, b"Exif\0\0" + exif_block(dpi=300, secrets=False)) + data[2:]
        before, after = (
            np.asarray(opened(file)).astype(int) for file in (data, blur_tools.redact(data, FOUND[found]).data)
        )
        assert opened(data).info["dpi"] == (300, 300)
        assert abs(before - after)[48:].max() <= 1

    def test_gamma_of_a_png(self):
        data = blur_tools.redact(png_carrier().data, PLATE).data
        assert dict(png_chunks(data))["gAMA"] == struct.pack(">I", 45455)

    @pytest.mark.parametrize("name", CARRIERS)
    def test_what_is_not_copied_is_said(self, name):
        carrier = CARRIERS[name]()
        result = blur_tools.redact(carrier.data, PLATE, copy_metadata=True)
        assert ("XMP is not copied" in result.warnings) == ("XMP title" in carrier.planted)
        others = blur_tools.redact(carrier.data, PLATE).warnings
        # where there is no libturbojpeg, that is said
        assert all("progressive" in warning for warning in others) if name == "JPEG progressive" else others == ()


PANORAMA = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"
  xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
  xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/"
  xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
  xmlns:own="http://example.com/own/" GPano:ProjectionType="equirectangular" exif:GPSLatitude="48,8.5N"
  aux:SerialNumber="SERIAL" tiff:Orientation="6" own:Note="OWN">
 <GPano:FullPanoWidthPixels>8192</GPano:FullPanoWidthPixels>
 <GPano:Unheard>UNHEARD</GPano:Unheard>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">A street &amp; &lt;more&gt;</rdf:li></rdf:Alt></dc:title>
 <dc:description><rdf:Alt><rdf:li>WORD</rdf:li></rdf:Alt></dc:description>
 <xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:image>PICTURE</xmpGImg:image></rdf:li></rdf:Alt>
 </xmp:Thumbnails>
 <xmpMM:History><rdf:Seq><rdf:li stEvt:action="HISTORY"/></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta>""".replace("WORD", secret("coded", 900).decode()).encode()


def with_xmp(kind: str, packet: bytes) -> bytes:
    if kind == "JPEG":
        base = saved(scene(), "JPEG", quality=90)
        return base[:20] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet) + base[20:]
    if kind == "PNG":
        base = saved(scene(), "PNG")
        return base[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + base[33:]
    if kind.startswith("TIFF"):
        return with_tags(saved(scene(), "TIFF", compression=kind.split()[1]), [(700, BYTE, packet)], {})
    return saved(scene(), "WEBP", lossless=True, xmp=packet)


class TestXmp:
    KINDS = ("JPEG", "PNG", "WEBP", "TIFF raw", "TIFF tiff_lzw")

    @staticmethod
    def copied(kind: str, packet: bytes, **options) -> str:
        result = blur_tools.redact(with_xmp(kind, packet), PLATE, copy_metadata=True, **options)
        info = load_picture(result.data).info
        return info.get("xmp", info.get("XML:com.adobe.xmp", b""))

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_describes_the_picture_is_copied_and_nothing_else(self, kind):
        packet = self.copied(kind, PANORAMA)
        text = packet if isinstance(packet, str) else packet.decode()
        root = ElementTree.fromstring(text)
        values = {e.tag.partition("}")[2]: e.text for e in root.iter() if len(e) == 0}
        assert values == {
            "ProjectionType": "equirectangular", "FullPanoWidthPixels": "8192", "li": "A street & <more>"
        }  # fmt: skip

    @pytest.mark.parametrize("kind", KINDS)
    def test_position_and_serial_numbers_are_switched_separately(self, kind):
        for gps, serials in ((True, False), (False, True)):
            text = str(self.copied(kind, PANORAMA, copy_gps=gps, copy_serials=serials))
            assert ("48,8.5N" in text) is gps
            assert ("SERIAL" in text) is serials

    @pytest.mark.parametrize("kind", KINDS)
    def test_nothing_is_copied_unasked(self, kind):
        data = blur_tools.redact(with_xmp(kind, PANORAMA), PLATE).data
        assert b"equirectangular" not in data
        assert blur_tools.scan(data) == []

    @pytest.mark.parametrize(
        "packet",
        [
            b"", b"garbage", PANORAMA[:-5], PANORAMA.replace(b"rdf:about", b"rdf:ID"),
            PANORAMA.decode().encode("utf-16"),
            b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + PANORAMA.replace(b"street", b"&b;"),
            b"<a>" * 20_000 + b"</a>" * 20_000, b"<a>" * 9_000 + b"</a>" * 9_000, PANORAMA + b" " * 70_000 + b".",
        ],
        ids=["empty", "garbage", "cut", "no file", "UTF-16", "entities", "too large", "deep", "padded"],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_what_cannot_be_read_is_left_out(self, packet, kind):
        result = blur_tools.redact(with_xmp(kind, packet), PLATE, copy_metadata=True)
        assert b"xmpmeta" not in result.data
        assert b"equirectangular" not in result.data

    def test_a_picture_coded_as_a_title_is_left_out(self):
        packet = PANORAMA.replace(b"A street", base64.b64encode(secret("picture", 600)))
        text = str(self.copied("JPEG", packet))
        assert "equirectangular" in text
        assert "title" not in text

    def test_it_survives_being_coded_anew(self, monkeypatch):
        from blur_tools.redaction import pixels
        from blur_tools.redaction._jpeg_markers import JpegError

        def cannot(*_):
            raise JpegError("not today")

        monkeypatch.setattr(pixels, "redacted_scans", cannot)
        monkeypatch.setattr(pixels, "transcoded", cannot)
        assert "equirectangular" in str(self.copied("JPEG", PANORAMA))


BROKEN = {
    "empty": b"Exif\0\0",
    "no block": b"Exif\0\0garbage",
    "loop": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + struct.pack("<I", 8),
    "offset outside": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x010E, 2, 99, 0xFFFFFF00) + b"\0" * 4,
    "huge count": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x010E, 5, 0x7FFFFFFF, 26) + b"\0" * 4,
    "strange type": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 99, 1, 6) + b"\0" * 4,
    "text orientation": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHI4s", 1, 0x0112, 2, 4, b"six\0") + b"\0" * 4,
    "orientation 9": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 9) + b"\0" * 4,
    "zero by zero": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x011A, 5, 1, 26) + b"\0" * 12,
}


class TestHostileExif:
    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
    @pytest.mark.parametrize("copy", [False, True])
    @pytest.mark.parametrize("found", FOUND)
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("block", BROKEN.values(), ids=BROKEN)
    def test_is_no_obstacle(self, block, kind, found, copy):
        # broken metadata is no reason not to redact
        if kind == "JPEG":
            base = saved(scene(), "JPEG", quality=90)
            data = base[:20] + segment(0xE1, block) + base[20:]
        elif kind == "PNG":
            base = saved(scene(), "PNG")
            data = base[:33] + chunk(b"eXIf", block[6:]) + base[33:]
        else:
            data = saved(scene(), "WEBP", lossless=True, exif=block)
        result = blur_tools.redact(data, FOUND[found], copy_metadata=copy)
        assert load_picture(result.data).size == (WIDTH, HEIGHT)
        assert load_picture(result.data).orientation == 1


class TestCleanJpeg:
    @pytest.mark.parametrize("name", [name for name in CARRIERS if name.startswith("JPEG")])
    def test_keeps_the_compressed_pixels(self, name):
        data = CARRIERS[name]().data
        cleaned = clean_jpeg(data, b"")
        coding = [(m, b) for m, b in jpeg_markers(data) if m in (0xDB, 0xC4, 0xDD, 0xC0, 0xC2, 0xDA)]
        assert [(m, b) for m, b in jpeg_markers(cleaned) if m in (0xDB, 0xC4, 0xDD, 0xC0, 0xC2, 0xDA)] == coding
        assert entropy(cleaned) == entropy(data)
        assert np.array_equal(np.asarray(plain_jpeg(cleaned)), np.asarray(plain_jpeg(data)))

    def test_exif_comes_behind_jfif(self):
        data = jpeg_carrier(orientation=6).data
        cleaned = clean_jpeg(data, clean_exif(load_picture(data), BlurSettings()))
        assert [marker for marker, _ in jpeg_markers(cleaned)][:2] == [0xE0, 0xE1]

    @pytest.mark.parametrize("cut", [2, 3, 10, 20, 60, 300, 800, -3, -1])
    def test_cut_files_raise_value_error_and_nothing_else(self, cut):
        data = saved(scene(), "JPEG", quality=90)
        try:
            cleaned = clean_jpeg(data[:cut], b"")
        except ValueError:
            return
        assert cleaned[-2:] == b"\xff\xd9"

    def test_too_much_exif(self):
        with pytest.raises(ValueError, match="large"):
            clean_jpeg(saved(scene(), "JPEG"), b"Exif\0\0" + b"x" * 70_000)


def entropy(data: bytes) -> bytes:
    """The entropy-coded bytes of all scans."""
    found, position = b"", 2
    while data[position + 1] != 0xD9:
        marker = data[position + 1]
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
        if marker == 0xDA:
            start = position
            while data[position] != 0xFF or data[position + 1] == 0 or 0xD0 <= data[position + 1] <= 0xD7:
                position += 1
            found += data[start:position]
    return found


def plain_jpeg(data: bytes) -> Image.Image:
    return JpegImagePlugin.JpegImageFile(io.BytesIO(data))


def spread(secret: bytes, marker: int, size: int, head: bytes = b"", tail: bytes = b"") -> bytes:
    """JPEG segments that carry something piece by piece."""
    pieces = [secret[start : start + size].ljust(size, b"\0") for start in range(0, len(secret), size)]
    bodies = [head + piece + tail for piece in pieces]
    return b"".join(bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body for body in bodies)


@pytest.mark.parametrize(
    ("marker", "size", "head", "tail"),
    [(0xEE, 6, b"Adobe", b"\1"), (0xDD, 2, b"", b""), (0xCC, 2, b"", b"")],
    ids=["Adobe", "DRI", "DAC"],
)
@pytest.mark.parametrize("detections", [[], [Detection("plate", box_polygon(8, 8, 40, 20))]], ids=["none", "one"])
def test_segments_that_repeat_carry_nothing_out(encode, noise, marker, size, head, tail, detections):
    secret = np.random.default_rng(1).integers(1, 255, 240, np.uint8).tobytes()
    data = encode(noise(64, 96), "JPEG")
    planted = data[:2] + spread(secret, marker, size, head, tail) + data[2:]
    assert any(finding.severity == "leak" for finding in blur_tools.scan(planted))
    try:
        result = blur_tools.redact(planted, detections).data
    except PictureError:  # refused, so nothing leaves
        return
    assert not any(secret[start : start + 6] in result for start in range(0, len(secret), 6))
    assert result.count(b"Adobe") <= 1
    assert not [finding for finding in blur_tools.scan(result) if finding.severity == "leak"]


def profile(*tags: tuple[bytes, bytes], more: bytes = b"") -> bytes:
    """A colour profile with these tags."""
    table, body, place = len(tags).to_bytes(4, "big"), b"", 132 + 12 * len(tags)
    for name, content in tags:
        table += name + (place + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content
    whole = bytearray(bytes(128) + table + body + more)
    whole[:4], whole[36:40] = len(whole).to_bytes(4, "big"), b"acsp"
    return bytes(whole)


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (profile((b"rTRC", b"curv\0\0\0\0\0\0\0\x04\xff\xd8\xff\xe0\1\2\3\4")), True),  # numbers that look like a JPEG
        (profile((b"desc", b"desc\0\0\0\0a camera's colours")), True),
        (profile((b"desc", b"desc\0\0\0\0\xff\xd8\xff\xe0" + bytes(50))), False),
        (profile((b"xxxx", b"xxxx" + bytes(range(256)) * 100)), False),
        (profile((b"desc", b"desc\0\0\0\0a"), more=bytes(range(1, 250)) * 20), False),
        (profile((b"prvt", b"curv\0\0\0\0\0\0\0\x04\xff\xd8\xff\xe0\1\2\3\4")), False),
        (profile((b"prvt", b"curv\0\0\0\0" + bytes(range(256)) * 5)), False),
        (profile((b"prvt", b"para\0\0\0\0" + bytes(range(40)))), True),
        (profile((b"targ", b"text\0\0\0\0" + b"QUJD" * 200)), False),
        (profile((b"dscm", b"mluc\0\0\0\0" + b"\0Q\0U\0J\0D" * 200)), False),
        (profile((b"targ", b"text\0\0\0\0" + bytes(range(256)) * 4)), False),
        (profile((b"targ", b"text\0\0\0\0" + b"SAMPLE 1 0.25 0.50 0.75\n" * 90)), True),
    ],
    ids=["numbers", "words", "a JPEG", "a large private tag", "unused bytes", "a JPEG as numbers", "private numbers",
         "a few private numbers", "base64", "base64 in two bytes", "no text", "a table of measurements"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_of_a_colour_profile_only_colours_leave(encode, noise, kind, made, kept):
    data = encode(noise(64, 96), kind, icc_profile=made)
    assert any(finding.severity == "leak" for finding in blur_tools.scan(data)) is not kept
    result = blur_tools.redact(data, [Detection("plate", box_polygon(8, 8, 40, 20))])
    assert ("icc_profile" in Image.open(io.BytesIO(result.data)).info) == kept
    assert any("its colour profile is not copied" in warning for warning in result.warnings) is not kept


@pytest.mark.parametrize(
    "text", ["ภาพถ่ายบนถนนในกรุงเทพ " * 12, "ქართული ტექსტი " * 20, "Tiếng Việt đường phố " * 14, "🚗🙂 " * 80]
)
def test_descriptions_of_every_script_are_texts(encode, noise, text):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
        f'<rdf:li xml:lang="x-default">{text} SerialNumber, exif:GPS</rdf:li></rdf:Alt></dc:description>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    data = encode(noise(64, 96), "JPEG", xmp=packet)
    result = blur_tools.redact(data, [], copy_metadata=True).data
    assert text.strip().encode() in result


def test_a_packed_text_hides_nothing_behind_its_end(encode, noise):
    data = encode(noise(64, 96), "PNG")
    body = b"Comment\0\0" + zlib.compress(b"hi") + encode(noise(8, 8), "JPEG")
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    planted = data[:33] + chunk + data[33:]
    assert [finding.where for finding in blur_tools.scan(planted) if finding.severity == "leak"] == ["PNG/zTXt"]


def test_one_odd_tag_is_no_reason_to_refuse(encode, noise):
    exif = Image.Exif()
    exif[0x0131], exif[0x010F] = "a\x01\x02 program with \x03", "Maker"
    data = encode(noise(64, 96), "JPEG", exif=exif)
    result = blur_tools.redact(data, [], copy_metadata=True).data
    assert Image.open(io.BytesIO(result)).getexif()[0x010F] == "Maker"

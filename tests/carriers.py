"""Files with secrets planted wherever their format can hold one, and what such files consist of."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin

from blur_tools.detections import Detection, box_polygon

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


def plain_jpeg(data: bytes) -> Image.Image:
    return JpegImagePlugin.JpegImageFile(io.BytesIO(data))


def opened(data: bytes) -> Image.Image:
    # the plain reader of JPEG: Pillow's chooser warns of our invented index of several pictures
    image = plain_jpeg(data) if data[:2] == b"\xff\xd8" else Image.open(io.BytesIO(data))
    image.load()
    return image

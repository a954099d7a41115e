"""`scan` finds every planted secret in the input, none survives in the output, and hostile files end soon."""

from __future__ import annotations

import functools
import io
import json
import shutil
import struct
import subprocess
import sys
import zlib
from typing import ClassVar

import numpy as np
import pytest
from carriers import (
    CARRIERS,
    ICC,
    IRB,
    PLATE,
    TIFF_LAYOUT,
    XMP,
    chunk,
    exif_block,
    jpeg_carrier,
    png_carrier,
    saved,
    scene,
    secret,
    segment,
    tiff_carrier,
    webp_carrier,
    with_tags,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jpegs import in_three_scans
from PIL import Image

import blur_tools
from blur_tools import PictureError
from blur_tools.redaction import _turbojpeg, metadata, pixels
from blur_tools.redaction._jpeg_markers import segments
from blur_tools.redaction._scan_findings import MOST_FINDINGS
from blur_tools.redaction.scan import LEAK, NOTE, WARNING, Finding, scan, scan_bytes

THUMBNAIL = saved(scene().resize((48, 32)), "JPEG", quality=80)


def places(data: bytes, severity: str | None = None) -> set[str]:
    return {finding.where for finding in scan_bytes(data) if severity in (None, finding.severity)}


@functools.lru_cache(maxsize=64)
def base(kind: str = "JPEG", mode: str = "RGB", **options) -> bytes:
    return saved(scene(mode), kind, **options)


def in_jpeg(part: bytes) -> bytes:
    data = base(quality=90)
    return data[:20] + part + data[20:]


def in_jpeg_of(data: bytes, part: bytes) -> bytes:
    return data[:20] + part + data[20:]


def pixels_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def in_png(part: bytes) -> bytes:
    data = base("PNG")
    return data[:33] + part + data[33:]


def with_thumbnail() -> bytes:
    """EXIF whose IFD1 is a real, smaller copy of the picture."""
    block = b"MM\0*" + struct.pack(">IHIH", 8, 0, 14, 3)
    for tag, kind, value in ((0x0103, 3, 6 << 16), (0x0201, 4, 56), (0x0202, 4, len(THUMBNAIL))):
        block += struct.pack(">HHII", tag, kind, 1, value)
    return segment(0xE1, b"Exif\0\0" + block + b"\0\0\0\0" + THUMBNAIL)


def with_second_picture() -> bytes:
    """A multi-picture file: its index, and the other picture behind the end."""
    second = saved(scene(), "JPEG", quality=70)
    entries = 10 + 12 * 3 + 4

    def index(first: int, offset: int) -> bytes:
        body = b"II*\0" + struct.pack("<IH", 8, 3) + struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
        body += struct.pack("<HHII", 0xB001, 4, 1, 2) + struct.pack("<HHII", 0xB002, 7, 32, entries)
        body += b"\0" * 4 + struct.pack("<IIIHH", 0x20030000, first, 0, 0, 0)
        return segment(0xE2, b"MPF\0" + body + struct.pack("<IIIHH", 0, len(second), offset, 0, 0))

    size = len(in_jpeg(index(0, 0)))
    # offsets count from the index's own byte order mark
    return in_jpeg(index(size, size - 28)) + second


def two_pages() -> bytes:
    buffer = io.BytesIO()
    scene().save(buffer, "TIFF", save_all=True, append_images=[scene().rotate(180)])
    return buffer.getvalue()


def animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    scene().save(buffer, kind, save_all=True, append_images=[scene().rotate(180)], duration=100)
    return buffer.getvalue()


XMP_WITH_PICTURE = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
PLANTED = {
    "EXIF thumbnail": (in_jpeg(with_thumbnail()), "EXIF/IFD1/thumbnail", "picture"),
    "JFXX thumbnail": (in_jpeg(segment(0xE0, b"JFXX\0\x10" + THUMBNAIL)), "JFXX/thumbnail", "picture"),
    "MPF picture": (with_second_picture(), "MPF/2", "picture"),
    "XMP picture": (in_jpeg(XMP_WITH_PICTURE), "XMP", "picture"),
    "IRB thumbnail": (in_jpeg(segment(0xED, IRB)), "Photoshop/1036", "picture"),
    "comment": (in_jpeg(segment(0xFE, b"seen: AB12 CDE")), "COM", "text"),
    "trailer": (base(quality=90) + THUMBNAIL, "trailer", "picture"),
    "bytes behind the last block": (base(quality=90)[:-2] + secret("slack") + b"\xff\xd9", "JPEG/pixels", "unknown"),
    "PNG text": (in_png(chunk(b"tEXt", b"Comment\0seen: AB12 CDE")), "PNG/tEXt", "text"),
    "PNG trailing bytes": (base("PNG") + secret("trailer"), "trailer", "unknown"),
    "WebP EXIF": (
        base("WEBP", lossless=True, exif=b"Exif\0\0" + exif_block()), "EXIF/IFD1/thumbnail", "picture"
    ),
}  # fmt: skip


class TestPlanted:
    @pytest.mark.parametrize("name", PLANTED)
    def test_is_found_where_it_is_and_gone_from_the_output(self, name):
        data, where, kind = PLANTED[name]
        found = [finding for finding in scan(data) if finding.where == where]
        assert kind in {finding.kind for finding in found}
        for finding in found:
            assert 0 <= finding.offset <= finding.offset + finding.length <= len(data)
        for detections in (PLATE, []):
            written = blur_tools.redact(data, detections).data
            assert [finding for finding in scan(written) if finding.severity != NOTE] == []
            assert secret("slack")[:12] not in written

    @pytest.mark.parametrize("name", CARRIERS)
    def test_the_output_of_every_carrier_is_clean(self, name):
        data = CARRIERS[name]().data
        assert any(finding.severity == LEAK for finding in scan(data))
        assert places(blur_tools.redact(data, PLATE).data) <= {"ICC profile", "TIFF/ICC profile"}

    def test_a_thumbnail_is_said_with_its_bytes(self):
        data, where, _ = PLANTED["EXIF thumbnail"]
        (finding,) = [finding for finding in scan(data) if finding.where == where]
        assert data[finding.offset : finding.offset + finding.length] == THUMBNAIL

    def test_a_second_page_of_a_tiff(self):
        assert "TIFF/IFD1/pixels" in places(two_pages(), LEAK)
        with pytest.raises(PictureError, match="several"):
            blur_tools.redact(two_pages(), PLATE)

    @pytest.mark.parametrize(("kind", "where"), [("PNG", "PNG/fdAT"), ("WEBP", "WebP/ANMF"), ("GIF", "GIF/frame")])
    def test_further_frames(self, kind, where):
        assert where in places(animated(kind), LEAK)

    def test_findings_repeat_nothing_of_what_they_found(self):
        for name in CARRIERS:
            for finding in scan(CARRIERS[name]().data):
                assert not any(secret(what)[:8].decode() in str(finding) for what in CARRIERS[name]().planted)


class TestJpeg:
    EXPECTED: ClassVar = {
        "JFIF/thumbnail": LEAK, "JFXX/thumbnail": LEAK, "EXIF/IFD1/thumbnail": LEAK, "EXIF/Exif/MakerNote": LEAK,
        "XMP": LEAK, "extended XMP": LEAK, "MPF": LEAK, "JUMBF": LEAK, "Photoshop/1036": LEAK, "trailer": LEAK,
        "EXIF/GPS": WARNING, "EXIF/Exif/BodySerialNumber": WARNING, "EXIF/IFD0/Artist": WARNING, "COM": WARNING,
        "APP2": WARNING, "APP4": WARNING, "APP15": WARNING, "ICC profile": NOTE,
    }  # fmt: skip

    def test_every_place_is_named(self):
        found = {(finding.where, finding.severity) for finding in scan(jpeg_carrier().data)}
        assert set(self.EXPECTED.items()) <= found

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"optimize": True}])
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_behind_the_last_block(self, mode, options):
        data = base(mode=mode, quality=90, **options)
        assert scan(data) == []
        assert places(data[:-2] + secret("slack") + data[-2:]) == {"JPEG/pixels"}

    @pytest.mark.parametrize(
        ("part", "where"),
        [
            (segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 1) + secret("tail")), "Adobe"),
            (segment(0xDC, secret("lines")), "JPEG/0xDC"),
            (segment(0xDD, b"\0\0" + secret("restart")), "JPEG/DRI"),
            (secret("garbage"), "JPEG"),
            (segment(0xDB, b"\3" + bytes(range(1, 65))) * 30, "JPEG/tables"),
            (segment(0xE2, b"ICC_PROFILE\0\1\1" + ICC + secret("behind")), "ICC profile"),
            (segment(0xE2, b"ICC_PROFILE\0\1\1" + secret("no profile", 400)), "ICC profile"),
            (segment(0xE1, b"Exif\0\0" + exif_block(secrets=False) + secret("behind EXIF")), "EXIF/trailer"),
            (segment(0xEA, THUMBNAIL), "APP10"),
        ],
        ids=["Adobe", "DNL", "DRI", "garbage", "tables", "ICC tail", "no ICC", "EXIF tail", "unknown picture"],
    )  # fmt: skip
    def test_hiding_places(self, part, where):
        assert where in places(in_jpeg(part))

    def test_clean_parts_are_no_finding(self):
        data = in_jpeg(segment(0xE1, b"Exif\0\0" + exif_block(orientation=6, dpi=300, secrets=False)))
        assert places(data) == {"EXIF/IFD0/Make", "EXIF/Exif/DateTimeOriginal", "EXIF/GPS"}
        assert scan(data + b"\0" * 512) == scan(data)

    def test_more_tables_than_are_needed_are_not_kept(self):
        data = in_jpeg(segment(0xDB, b"\3" + bytes(range(1, 65))) * 30)
        assert "JPEG/tables" in places(data, LEAK)
        result = blur_tools.redact(data, PLATE)
        assert scan(result.data) == []
        assert result.method == "jpeg-lossless"

    @pytest.mark.parametrize("coding", ["sequential", "progressive"])
    def test_scans_that_others_overwrite(self, coding):
        """A picture of their own: decoders show the last."""

        def scans_of(image: Image.Image) -> tuple[bytes, list[bytes]]:
            """What stands before the first scan, and each scan; a progressive one with its table."""
            progressive = coding == "progressive"
            grey = image.convert("L")
            data = saved(grey, "JPEG", quality=90, progressive=True) if progressive else in_three_scans(image)
            found = [part for part in segments(data) if part.marker == 0xDA]
            starts = [data.rindex(b"\xff\xc4", 0, part.start) if progressive else part.start for part in found]
            return data[: starts[0]], [data[start : part.stop] for start, part in zip(starts, found, strict=True)]

        noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
        (head, own), (_, others) = scans_of(scene()), scans_of(Image.fromarray(noise))
        data = b"".join([head, others[0], *own, b"\xff\xd9"])
        assert "JPEG/pixels" in places(data, LEAK)
        for found in (PLATE, []):
            written = blur_tools.redact(data, found)
            assert written.method != "jpeg-lossless"
            assert others[0][-40:] not in written.data
            assert scan(written.data) == []

    @pytest.mark.parametrize("options", [{}, {"progressive": True}])
    def test_tables_that_no_scan_uses(self, options):
        planted = secret("quantisation", 64)
        quantisation = segment(0xDB, b"\3" + planted)
        codes = segment(0xC4, b"\x13" + bytes([0, 0, 0, 8] + [0] * 12) + planted[:8])
        data = base(quality=90, **options)
        # in a segment of its own, behind one that is used, and before one that takes its place
        beside = data.index(b"\xff\xdb")
        size = int.from_bytes(data[beside + 2 : beside + 4], "big")
        joined = data[: beside + 2] + (size + 65).to_bytes(2, "big") + data[beside + 4 : beside + 2 + size]
        joined += b"\2" + planted + data[beside + 2 + size :]
        replaced = data[:beside] + segment(0xDB, b"\0" + planted) + data[beside:]
        for made in (in_jpeg_of(data, quantisation), in_jpeg_of(data, codes), joined, replaced):
            assert places(made, LEAK) == {"JPEG/tables"}
            for found in (PLATE, []):
                written = blur_tools.redact(made, found).data
                assert planted[:8] not in written
                assert scan(written) == []
            assert np.array_equal(pixels_of(blur_tools.redact(made, []).data), pixels_of(data))

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    @pytest.mark.parametrize("numbers", [(0, 3), (1, 0), (1, 2), (2, 3)])
    def test_tables_under_any_number_are_kept_and_others_are_not(self, mode, numbers, monkeypatch):
        """Coded anew by Pillow, which numbers tables as components come and refuses to write without the first."""
        monkeypatch.setattr(_turbojpeg, "_library", lambda: None)
        planted = secret("quantisation", 64)
        data = bytearray(base(mode=mode, quality=90, progressive=True))
        start = 2
        while data[start + 1] != 0xDA:
            size = int.from_bytes(data[start + 2 : start + 4], "big")
            if data[start + 1] == 0xDB:
                where = range(start + 4, start + 2 + size, 65)
            else:  # of the frame, where each component names its table
                frame = data[start + 1] == 0xC2
                where = range(start + 12, start + 12 + 3 * data[start + 9], 3) if frame else range(0)
            for place in where:
                data[place] = numbers[data[place]]
            start += 2 + size
        unused = next(number for number in range(4) if number not in numbers)
        made = in_jpeg_of(bytes(data), segment(0xDB, bytes([unused]) + planted))
        written = blur_tools.redact(made, PLATE)
        assert written.method == "reencode-keep"
        assert planted[:8] not in written.data
        assert scan(written.data) == []


class TestPng:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
    def test_what_pillow_writes_is_clean(self, mode):
        assert scan(base("PNG", mode)) == []

    def test_behind_the_last_pixel(self):
        data = base("PNG")
        start = data.index(b"IDAT") - 4
        length = int.from_bytes(data[start : start + 4], "big")
        raw = zlib.decompress(data[start + 8 : start + 8 + length])
        rows = chunk(b"IDAT", zlib.compress(raw + secret("more rows")))
        behind = chunk(b"IDAT", zlib.compress(raw) + secret("behind the stream"))
        rest = data[start + 12 + length :]
        assert places(data[:start] + rows + rest) == places(data[:start] + behind + rest) == {"PNG/pixels"}
        assert places(data[:start] + chunk(b"IDAT", zlib.compress(raw)) + rest) == set()

    def test_interlaced_pixels_are_counted(self):
        # seven passes over 5 x 3 pixels of a byte, each row with its filter
        header = struct.pack(">IIBBBBB", 5, 3, 8, 0, 0, 0, 1)
        raw = zlib.compress(bytes((1 + 1) + (1 + 1) + (1 + 2) + 2 * (1 + 1) + (1 + 3) + 2 * (1 + 2) + (1 + 5)))
        short = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
        with Image.open(io.BytesIO(short)) as image:
            image.load()
        longer = zlib.compress(zlib.decompress(raw) + secret("more"))
        assert places(short) <= {"PNG/pixels"}
        assert "PNG/pixels" in places(short.replace(chunk(b"IDAT", raw), chunk(b"IDAT", longer)))

    def test_a_packed_bomb_is_a_leak_and_takes_no_memory(self):
        packed = zlib.compress(bytes(200 << 20), 9)
        assert "PNG/zTXt" in places(in_png(chunk(b"zTXt", b"Comment\0\0" + packed)), LEAK)
        assert "ICC profile" in places(in_png(chunk(b"iCCP", b"icc\0\0" + packed)), LEAK)

    def test_every_place_is_named(self):
        wanted = {"PNG/tEXt", "PNG/zTXt", "PNG/iTXt", "XMP", "PNG/prVt", "PNG/caBX", "PNG/sPLT", "PNG/sTER", "trailer",
                  "EXIF/IFD1/thumbnail", "EXIF/GPS", "ICC profile"}  # fmt: skip
        assert wanted <= places(png_carrier().data)


class TestOthers:
    def test_webp(self):
        wanted = {"EXIF/IFD1/thumbnail", "XMP", "ICC profile", "WebP/PRVT", "trailer"}
        assert wanted <= places(webp_carrier().data)
        assert scan(base("WEBP")) == scan(base("WEBP", "RGBA", lossless=True)) == []

    def test_tiff(self):
        wanted = {"TIFF/IFD0/XMP", "TIFF/IFD0/IPTC", "TIFF/IFD0/Photoshop/1036", "TIFF/IFD0/ImageSourceData",
                  "TIFF/IFD0/DNGPrivateData", "TIFF/IFD0/0xFDE8", "TIFF/SubIFD/0xFDE9", "TIFF/Exif/MakerNote",
                  "TIFF/GPS", "TIFF/trailer"}  # fmt: skip
        assert wanted <= places(tiff_carrier().data)

    @pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
    @pytest.mark.parametrize("big", [False, True])
    def test_a_plain_tiff_is_clean(self, compression, big):
        assert scan(base("TIFF", compression=compression, big_tiff=big)) == []

    def test_a_gap_in_a_big_tiff(self):
        data = base("TIFF", compression="raw", big_tiff=True)
        assert places(data + secret("behind")) == {"TIFF/trailer"}

    def test_bmp(self):
        assert places(CARRIERS["BMP"]().data) == {"BMP/gap", "trailer"}
        for mode in ("RGB", "L", "P", "1", "RGBA"):
            assert scan(base("BMP", mode)) == []
        narrow = bytearray(saved(scene().crop((0, 0, 33, 20)), "BMP"))
        assert scan(bytes(narrow)) == []
        narrow[54 + 99] = 7  # a byte that fills up the first row
        assert places(bytes(narrow)) == {"BMP/rows"}

    def test_gif(self):
        data = base("GIF", "P", comment=b"seen: AB12 CDE")
        assert places(data + secret("behind")) == {"GIF/comment", "trailer"}
        assert scan(base("GIF", "P")) == []

    def test_heif(self):
        assert {"HEIF/thumbnail", "HEIF/auxiliary", "EXIF/IFD1/thumbnail", "XMP", "HEIF/mdat"} <= places(heif(), LEAK)
        assert scan(heif(extras=False)) == []

    def test_avif_as_pillow_writes_it(self):
        features = pytest.importorskip("PIL.features")
        if not features.check("avif"):
            pytest.skip("Pillow without AVIF")
        assert scan(base("AVIF")) == []
        # it rebuilds what it is given
        assert {"EXIF/GPS", "EXIF/Exif/MakerNote"} <= places(base("AVIF", exif=b"Exif\0\0" + exif_block()))


def box(name: bytes, content: bytes, version: int | None = None) -> bytes:
    head = b"" if version is None else bytes([version, 0, 0, 0])
    return struct.pack(">I", 8 + len(head) + len(content)) + name + head + content


def unit(content: bytes, kind: int = 19) -> bytes:
    """A unit of HEVC with its length; by default one of pixels."""
    return struct.pack(">IBB", 2 + len(content), kind << 1, 1) + content


def heif(extras: bool = True) -> bytes:
    """A HEIF file of boxes alone: its pictures are no pictures, which a scan does not look at."""
    items = [(b"hvc1", unit(b"the picture itself"))]
    if extras:
        items += [(b"hvc1", unit(b"its thumbnail")), (b"hvc1", unit(b"its depth")), (b"mime", XMP)]
        items += [(b"Exif", b"\0\0\0\6Exif\0\0" + exif_block())]
    media = b"".join(content for _, content in items) + (secret("between") if extras else b"")
    entries = [struct.pack(">HH4s", n, 0, kind) + b"\0" for n, (kind, _) in enumerate(items, 1)]
    infos = b"".join(box(b"infe", entry, 2) for entry in entries)
    references = (box(b"thmb", struct.pack(">HHH", 2, 1, 1)) + box(b"auxl", struct.pack(">HHH", 3, 1, 1))) * extras

    def meta(start: int) -> bytes:
        located, position = b"", start
        for number, (_, content) in enumerate(items, 1):
            located += struct.pack(">HHHII", number, 0, 1, position, len(content))
            position += len(content)
        parts = box(b"hdlr", bytes(20), 0) + box(b"pitm", struct.pack(">H", 1), 0)
        parts += box(b"iinf", struct.pack(">H", len(items)) + infos, 0)
        parts += box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + located, 0)
        return box(b"meta", parts + (box(b"iref", references, 0) if references else b""), 0)

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", media)


class TestTheWriterFailsClosed:
    FORBIDDEN = Finding("COM", "a comment", 0, 5, "text", WARNING)

    @pytest.mark.parametrize("name", ["PNG", "WebP lossless", "TIFF", "BMP", "JPEG"])
    def test_a_finding_that_is_not_allowed_is_an_error(self, name, monkeypatch):
        monkeypatch.setattr(pixels, "scan_bytes", lambda *_, **__: [self.FORBIDDEN])
        with pytest.raises(PictureError, match=r"still holds a comment \(COM, 5 bytes\)"):
            blur_tools.redact(CARRIERS[name]().data, PLATE)

    def test_no_file_is_left(self, monkeypatch, tmp_path):
        import pandas as pd

        monkeypatch.setattr(pixels, "scan_bytes", lambda *_, **__: [self.FORBIDDEN])
        path = tmp_path / "a.png"
        path.write_bytes(base("PNG"))
        found = blur_tools.Detections(PLATE).to_json()
        frame = pd.DataFrame({"image": [str(path)], "detections": [found]})
        result = frame.blur.redact("image", out=tmp_path / "out", progress=False)
        assert result["status"].tolist() == ["failed"]
        assert "still holds" in result["error"].iloc[0]
        assert not (tmp_path / "out").exists()

    def test_a_writer_that_leaves_a_comment_is_caught(self, monkeypatch):
        plain = pixels.clean_jpeg

        def leaky(*args, **options):
            data = plain(*args, **options)
            return data[:2] + segment(0xFE, secret("comment")) + data[2:]

        monkeypatch.setattr(pixels, "clean_jpeg", leaky)
        result = blur_tools.redact(base(quality=90), PLATE)
        # it is coded anew, without it
        assert result.method == "reencode-keep"
        assert secret("comment") not in result.data

    @pytest.mark.parametrize(
        ("finding", "options", "allowed"),
        [
            (Finding("EXIF/GPS", "", 0, 1, "location", WARNING), {"copy_metadata": True}, False),
            (Finding("EXIF/GPS", "", 0, 1, "location", WARNING), {"copy_metadata": True, "copy_gps": True}, True),
            (Finding("EXIF/GPS", "", 0, 1, "location", WARNING), {"copy_gps": True}, False),
            (Finding("EXIF/Exif/x", "", 0, 1, "device", WARNING), {"copy_metadata": True}, False),
            (Finding("EXIF/Exif/x", "", 0, 1, "device", WARNING), {"copy_metadata": True, "copy_serials": True}, True),
            (Finding("EXIF/IFD0/Artist", "", 0, 1, "identity", WARNING), {"copy_metadata": True}, True),
            (Finding("EXIF/IFD0/Artist", "", 0, 1, "identity", WARNING), {}, False),
            (Finding("EXIF/IFD0/Make", "", 0, 1, "technical", NOTE), {}, False),
            (Finding("EXIF/IFD0/0xFDE8", "", 0, 1, "unknown", NOTE), {"copy_metadata": True}, False),
            (Finding("EXIF/IFD1/thumbnail", "", 0, 1, "picture", LEAK), {"copy_metadata": True}, False),
            (Finding("ICC profile", "", 0, 1, "technical", NOTE), {}, True),
            (Finding("ICC profile", "", 0, 1, "unknown", LEAK), {}, False),
            (Finding("COM", "", 0, 1, "text", WARNING), {"copy_metadata": True}, False),
        ],
    )
    def test_the_list(self, finding, options, allowed):
        try:
            metadata.refuse_leaks([finding], blur_tools.BlurSettings(**options), "a.jpg")
        except PictureError:
            assert not allowed
        else:
            assert allowed


class TestNoPicture:
    @pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7", b"\xff\xd8", b"8BPS" + bytes(30)])
    def test_is_an_error(self, data):
        with pytest.raises(PictureError):
            scan(data)

    def test_a_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(PictureError, match="no such file"):
            scan(tmp_path / "none.jpg")

    def test_a_path_is_read(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(jpeg_carrier().data)
        assert scan(tmp_path / "a.jpg") == scan(str(tmp_path / "a.jpg")) == scan(jpeg_carrier().data)


HEADS = (b"", b"JFIF\0", b"JFXX\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0\1\1", b"MPF\0",
         b"Adobe", b"Photoshop 3.0\0", b"JP\0\1\0\0\0\1", b"Exif\0\0II*\0\x08\0\0\0")  # fmt: skip
CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"caBX", b"sPLT", b"prVt", b"gAMA", b"cHRM", b"sRGB", b"pHYs",
          b"tIME", b"bKGD", b"hIST", b"tRNS", b"sBIT", b"acTL", b"fdAT", b"IEND", b"PLTE", b"oFFs", b"mDCV", b"sTER",
          b"CgBI")  # fmt: skip


class TestWhereverItIs:
    """300 random bytes are a leak in whatever clothes they come."""

    PAYLOAD = np.random.default_rng(1).bytes(300)

    @pytest.mark.parametrize("head", HEADS)
    def test_any_segment(self, head):
        markers = [*range(1, 0xD0), *range(0xDB, 0xFF)]  # the others have no length, or begin and end pictures
        hidden = [m for m in markers if not places(in_jpeg(segment(m, head + self.PAYLOAD)), LEAK)]
        assert hidden == []

    @pytest.mark.parametrize("name", CHUNKS)
    def test_any_chunk(self, name):
        for head in (b"", b"a\0", b"a\0\0"):
            assert places(in_png(chunk(name, head + self.PAYLOAD)), LEAK), head

    @pytest.mark.parametrize("kind", [1, 2, 7])
    def test_any_tag(self, kind):
        known = {tag for tags in metadata._COPIED.values() for tag in tags}
        hidden = []
        for tag in sorted({*known, *range(200, 600), *range(0x8700, 0x8830), *range(0x9000, 0xA600)}):
            block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, tag, kind, 300, 26) + b"\0" * 4 + self.PAYLOAD
            if not any(f.severity == LEAK for f in scan_bytes(in_png(chunk(b"eXIf", block)), thorough=False)):
                hidden.append(hex(tag))
        assert hidden == []

    @pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("kind", [2, 7])
    def test_what_a_tag_cannot_mean_is_not_copied_and_no_obstacle(self, name, kind):
        for tag in sorted(metadata._COPIED[0] | metadata._COPIED[0x8769]):
            block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, tag, kind, 300, 26) + b"\0" * 4 + self.PAYLOAD
            if name != "TIFF":
                data = base(name, exif=b"Exif\0\0" + block)
            elif tag in TIFF_LAYOUT:  # Pillow would not read it
                continue
            else:
                data = with_tags(base("TIFF"), [(tag, kind, self.PAYLOAD)], {})
            written = blur_tools.redact(data, PLATE, copy_metadata=True, copy_serials=True).data
            assert not any(finding.severity == LEAK for finding in scan(written))
            assert self.PAYLOAD[:12] not in written


def ifd_loop() -> bytes:
    """Directories that point at each other and at themselves."""
    one = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + struct.pack("<I", 8)
    two = struct.pack("<HHHII", 1, 0x014A, 4, 1, 8) + struct.pack("<I", 26)
    return b"II*\0\x08\0\0\0" + one + two


def ifd_fan() -> bytes:
    """One directory that names as many others as fit, each at another place of the same bytes."""
    count = 15_000
    body = struct.pack("<HHHII", 1, 0x014A, 4, count, 26) + struct.pack("<I", 0)
    return b"II*\0\x08\0\0\0" + body + b"".join(struct.pack("<I", 8 + 2 * i) for i in range(count))


def same_bytes_again() -> bytes:
    """Thousands of entries, each of them all of the same megabytes."""
    count, size = 5_000, 8 << 20
    entries = b"".join(struct.pack("<HHII", 0xFDE8, 7, size, 100_000) for _ in range(count))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + b"\0" * 4
    return head.ljust(100_000, b"\0") + np.random.default_rng(0).bytes(size)


def many_pages() -> bytes:
    out = b"II*\0\x08\0\0\0"
    for _ in range(5_000):
        out += struct.pack("<HHHII", 1, 0x0111, 4, 1, 8) + struct.pack("<I", len(out) + 18)
    return out


HOSTILE = {
    "directories in a loop": ifd_loop(),
    "a fan of directories": ifd_fan(),
    "the same bytes again": same_bytes_again(),
    "five thousand pages": many_pages(),
    "many comments": base()[:20] + segment(0xFE, b"a") * 100_000 + base()[20:],
    "many scans": base()[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 100_000 + b"\xff\xd9",
    "many chunks": in_png(chunk(b"prVt", b"a" * 20) * 50_000),
    "no chunk at all": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "nested resources": in_jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x22\0\0\0\0\0\x08" * 5000)),
    "boxes of no size": box(b"ftyp", b"heic") + b"\0\0\0\x08meta" * 50_000,
    "many boxes of data": box(b"ftyp", b"heic") + box(b"mdat", b"abcd") * 20_000,
    "a GIF of comments": b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\1a\0" * 100_000,
    "an enormous header": base()[:0] + b"BM" + b"\xff" * 200,
    "all marks": b"\xff\xd8\xff" + b"\xff" * 500_000,
    "many gaps": b"II*\0\x08\0\0\0"
    + struct.pack("<H", 8000)
    + b"".join(struct.pack("<HHII", 0x9999, 7, 5, 100_000 + 40 * i) for i in range(8000)).ljust(500_000, b"x"),
}


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_ends_and_says_so(self, name):
        found = scan_bytes(HOSTILE[name])
        assert 0 < len(found) <= MOST_FINDINGS + 1

    @pytest.mark.parametrize("cut", [3, 4, 10, 25, 30, 60, 100, 200, 500, 1000, -300, -20, -8, -3, -1])
    @pytest.mark.parametrize("name", ["JPEG", "JPEG progressive", "PNG", "WebP lossy", "TIFF", "BMP"])
    def test_cut_files_say_that_something_is_wrong(self, name, cut):
        data = CARRIERS[name]().data[:cut]
        try:
            assert scan(data)
        except PictureError:
            assert len(data) < 12


WHOLE = [CARRIERS[name]().data for name in ("JPEG", "JPEG progressive", "PNG", "WebP lossy", "TIFF", "BMP")]
WHOLE += [heif(), animated("GIF"), two_pages(), with_second_picture(), ifd_loop()]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from(range(len(WHOLE))), st.integers(0, 2**32), st.integers(1, 30))
@example(0, 0, 1)
def test_mutated_files_raise_nothing_else(which, seed, count):
    data = mutated(WHOLE[which], np.random.default_rng(seed), count)
    try:
        found = scan_bytes(data)
    except PictureError:
        return
    for finding in found:
        assert 0 <= finding.offset <= len(data)
        assert 0 <= finding.length <= len(data) - finding.offset
        json.dumps([finding.where, finding.what])


def mutated(data: bytes, rng: np.random.Generator, count: int) -> bytes:
    """Bytes changed, cut out, doubled, or made to look like large numbers; mostly where the structure is."""
    out = bytearray(data)
    for _ in range(count):
        place = int(rng.integers(0, len(out)) if rng.random() < 0.5 else rng.integers(0, min(len(out), 1500)))
        if rng.random() < 0.95:
            place = max(place, 12)  # else it would mostly be no picture
        what = rng.integers(0, 6)
        if what == 0:
            out[place] = rng.integers(0, 256)
        elif what == 1:
            out[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        elif what == 2:
            del out[place : place + int(rng.integers(1, 40))]
        elif what == 3:
            out[place:place] = out[place : place + int(rng.integers(1, 60))]
        elif what == 4:
            out[place] ^= 1 << int(rng.integers(0, 8))
        else:
            del out[max(20, place) :]
        if len(out) < 20:
            return bytes(out)
    return bytes(out)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
class TestExiftoolAgrees:
    """Another reader's list of what is in a file."""

    TELLING = ("ThumbnailImage", "PreviewImage", "MPImage2", "PhotoshopThumbnail", "Comment", "GPSLatitude", "Artist",
               "SerialNumber", "BodySerialNumber", "UserComment", "Title", "Warning", "ThumbnailOffset", "OtherImage",
               "MakerNoteUnknown", "ImageDescription", "TrailerSignature", "MotionPhoto")  # fmt: skip

    @staticmethod
    def tags(data: bytes, tmp_path, name: str) -> dict[str, object]:
        path = tmp_path / name
        path.write_bytes(data)
        done = subprocess.run(
            ["exiftool", "-j", "-a", "-u", "-ee", "-validate", "-warning", str(path)],
            capture_output=True, check=False,
        )  # fmt: skip
        return json.loads(done.stdout)[0]

    SEEN: ClassVar = {
        "EXIF thumbnail": "ThumbnailImage", "MPF picture": "MPImage2", "IRB thumbnail": "PhotoshopThumbnail",
        "comment": "Comment", "PNG text": "Comment", "WebP EXIF": "ThumbnailImage",
    }  # fmt: skip

    @pytest.mark.parametrize("name", PLANTED)
    def test_before_and_after(self, name, tmp_path):
        data = PLANTED[name][0]
        before = self.tags(data, tmp_path, "before")
        if name in self.SEEN:
            tag = self.SEEN[name]
            assert tag in before or tag in self.all_tags(tmp_path / "before")
        after = self.tags(blur_tools.redact(data, PLATE).data, tmp_path, "after")
        assert not {key for key in after if key in self.TELLING} - {"Warning"}
        assert "trailer" not in str(after.get("Warning", "")).lower()

    @staticmethod
    def all_tags(path) -> str:
        done = subprocess.run(["exiftool", "-s", "-a", "-u", str(path)], capture_output=True, text=True, check=False)
        return done.stdout

    @pytest.mark.parametrize("name", [name for name in CARRIERS if name.startswith(("JPEG", "PNG", "WebP"))])
    def test_nothing_telling_is_left_of_a_carrier(self, name, tmp_path):
        after = self.tags(blur_tools.redact(CARRIERS[name]().data, PLATE).data, tmp_path, "after")
        assert not {key for key in after if key in self.TELLING} - {"Warning"}


def test_scanning_loads_no_network(tmp_path):
    (tmp_path / "a.png").write_bytes(base("PNG") + b"behind the end")
    code = (
        "import sys, blur_tools; print(len(blur_tools.scan(sys.argv[1])), "
        "[m for m in ('onnxruntime', 'cv2', 'skimage', 'numba') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 []"

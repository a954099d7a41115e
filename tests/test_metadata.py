"""No second copy leaves: secrets planted wherever a file can hold them, and what must stay."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from carriers import (
    CARRIERS,
    EVERYTHING,
    FOUND,
    HEIGHT,
    ICC,
    LATITUDE,
    MAKE,
    PLATE,
    TAKEN,
    TIFF_COPIED,
    WIDTH,
    WITH_COPY,
    WITH_EXIF,
    chunk,
    exif_block,
    jpeg_carrier,
    jpeg_markers,
    opened,
    plain_jpeg,
    png_carrier,
    png_chunks,
    saved,
    scene,
    secret,
    segment,
)
from PIL import ExifTags, Image

import blur_tools
from blur_tools import BlurSettings, PictureError
from blur_tools.detections import Detection, box_polygon
from blur_tools.picture import load_picture
from blur_tools.redaction.metadata import clean_exif, clean_jpeg


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

"""HEIC (extra ``[heif]``) and AVIF: read upright, redacted, written without what lay beside the picture."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms, features

import blur_tools
from blur_tools import Detection, PictureError
from blur_tools.audit._sizes import stored_size
from blur_tools.batch.folders import list_pictures
from blur_tools.detections import box_polygon
from blur_tools.picture import load_picture, sniff
from blur_tools.redaction.masks import regions
from blur_tools.redaction.scan import LEAK, scan
from blur_tools.service.upload import upload_of
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source

pillow_heif = pytest.importorskip("pillow_heif")
if not features.check("avif"):
    pytest.skip("Pillow without AVIF", allow_module_level=True)

WIDTH, HEIGHT = 96, 64
PLATE = Detection("plate", box_polygon(30, 20, 70, 32))
KINDS = ("HEIF", "AVIF")
SECRET = b"OWNER-4711"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="OWNER-4711">'
    b"<dc:title>a street</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def scene(mode: str = "RGB") -> Image.Image:
    """Smooth outside, and details where the plate is; no two corners look alike."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([x * 2, y * 3, 255 - x - y], -1).astype(np.uint8)
    pixels[20:32, 30:70] = np.where((np.arange(40) // 2 % 2)[None, :, None], 20, 235)
    return Image.fromarray(pixels).convert(mode)


def exif(orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[0x0112], block[0x013B], block[0x010E] = orientation, SECRET.decode(), "a street"
    block.get_ifd(0x8825)[1] = "N"
    block.get_ifd(0x8825)[2] = (51.0, 30.0, 0.0)
    return block.tobytes()


def heic(image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image or scene()).save(buffer, quality=95, **options)
    return buffer.getvalue()


def avif(image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or scene()).save(buffer, "AVIF", quality=95, speed=10, **options)
    return buffer.getvalue()


# 32 x 24 pixels of 10 bits, by ffmpeg and libaom
TEN_BITS = """
AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAD5bWV0YQAAAAAAAAAvaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAA
AFBpY3R1cmVIYW5kbGVyAAAAAA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAASEAAAAUAAAAKGlpbmYAAAAAAAEA
AAAaaW5mZQIAAAAAAQAAYXYwMUNvbG9yAAAAAGppcHJwAAAAS2lwY28AAAAUaXNwZQAAAAAAAAAgAAAAGAAAABBwaXhpAAAAAAMK
CgoAAAAMYXYxQ4EATAAAAAATY29scm5jbHgAAgACAAIAAAAAF2lwbWEAAAAAAAAAAQABBAECgwQAAAAcbWRhdAoGGBE/duAgMgoc
gAAAWAAAAAHA
"""

MAKE = {"HEIF": heic, "AVIF": avif}


def crowded() -> bytes:
    """A HEIC as telephones write them: thumbnail, depth, EXIF with a position, XMP, profile."""
    image = scene()
    image.info["icc_profile"] = PROFILE
    file = pillow_heif.from_pillow(image)
    file[0].info["thumbnails"] = [32]
    buffer = io.BytesIO()
    file.save(buffer, exif=exif(), xmp=XMP, quality=95)
    return buffer.getvalue()


def seen(data: bytes) -> np.ndarray:
    """Upright pixels, as a reader shows them that is not ours."""
    if sniff(data).name == "AVIF":
        from PIL import ImageOps

        return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA")).astype(int)
    return np.asarray(pillow_heif.read_heif(data).to_pillow().convert("RGBA")).astype(int)


def spread(pixels: np.ndarray) -> int:
    """How far the pixels of a plate lie apart, in the channel where they do most."""
    return int(np.ptp(pixels[22:30, 32:68, :3], axis=(0, 1)).max())


def hidden_area(found: Detection, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    hidden = np.zeros(size[::-1], bool)
    for region in regions([found], BlurSettings(plates=10, faces=10), size):
        left, top, right, bottom = region.box
        hidden[top:bottom, left:right] |= np.asarray(region.mask) > 0
    return hidden


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_plate_is_hidden_and_the_rest_hardly_changes(kind, mode):
    data = MAKE[kind](scene(mode))
    result = blur_tools.redact(data, [PLATE], effect="fill")
    assert (result.content_type, result.method) == ({"HEIF": "image/heic", "AVIF": "image/avif"}[kind], "reencode")
    assert any("quality 90" in text for text in result.warnings)
    assert sniff(result.data).name == kind
    before, after, hidden = seen(data), seen(result.data), hidden_area(PLATE)
    # a codec smears over a few pixels
    assert np.abs(after - before)[~hidden].mean() < 4
    assert spread(after) < 40
    assert spread(before) > 180
    assert scan(result.data) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2), (17, 9)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_every_size(kind, size):
    data = MAKE[kind](scene().crop((0, 0, *size)))
    assert load_picture(blur_tools.redact(data, [PLATE]).data).size == size


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_hides_nothing(kind):
    image = scene("RGBA")
    image.putalpha(0)
    result = blur_tools.redact(MAKE[kind](image), [PLATE], effect="fill")
    after = seen(result.data)
    assert after[24:28, 36:64, 3].min() > 240
    assert spread(after) < 40
    assert after[:8, :8, 3].max() < 16


def test_what_a_telephone_writes_beside_the_picture_goes():
    data = crowded()
    found = {finding.where for finding in scan(data)}
    assert {"HEIF/thumbnail", "EXIF/GPS", "EXIF/IFD0/Artist", "XMP"} <= found
    assert SECRET in data
    result = blur_tools.redact(data, [PLATE])
    assert [finding.where for finding in scan(result.data)] == ["ICC profile"]
    assert SECRET not in result.data
    written = pillow_heif.open_heif(result.data)
    assert written.info["icc_profile"] == PROFILE
    assert (written.info["thumbnails"], written.info["exif"], written.info["metadata"]) == ([], None, [])


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_copied_from_the_list_alone(kind):
    data = MAKE[kind](exif=exif(), xmp=XMP)
    result = blur_tools.redact(data, [PLATE], copy_metadata=True)
    picture = load_picture(result.data)
    assert picture.exif[0x013B] == SECRET.decode()
    assert dict(picture.exif.get_ifd(0x8825)) == {}
    assert b"a street" in picture.info["xmp"]
    assert b"source" not in picture.info["xmp"]
    assert any("GPS" in text for text in result.warnings)
    with_position = blur_tools.redact(data, [PLATE], copy_metadata=True, copy_gps=True).data
    assert load_picture(with_position).exif.get_ifd(0x8825)[1] == "N"


def turned_heic(orientation: int, said: int) -> bytes:
    """Stored pixels with a turn of the container, and EXIF that may say another one."""
    file = pillow_heif.HeifFile()
    file.add_frombytes("RGB", (WIDTH, HEIGHT), scene().tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=95, exif=exif(orientation))
    data = buffer.getvalue()
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00"
    assert data.count(tag + bytes([orientation])) == 1
    return data.replace(tag + bytes([orientation]), tag + bytes([said]))


@pytest.mark.parametrize("said", [1, 6])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_is_upright_by_its_container_whatever_its_exif_says(orientation, said):
    data = turned_heic(orientation, said)
    before = seen(data)
    picture = load_picture(data)
    assert picture.orientation == 1
    assert np.abs(np.asarray(picture.image).astype(int) - before[..., :3]).max() == 0
    assert picture.size == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    for copy in (False, True):
        after = seen(blur_tools.redact(data, [], copy_metadata=copy).data)
        assert after.shape == before.shape
        assert np.abs(after - before)[..., :3].mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_keeps_its_orientation(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    data = avif(exif=block.tobytes())
    picture = load_picture(data)
    assert (picture.orientation, picture.size) == (orientation, (WIDTH, HEIGHT))
    result = blur_tools.redact(data, [PLATE], effect="fill")
    again = load_picture(result.data)
    assert (again.orientation, again.size) == (orientation, (WIDTH, HEIGHT))
    assert spread(np.asarray(again.image).astype(int)) < 40
    assert scan(result.data) == []


def test_a_title_turns_no_picture():
    packet = XMP.replace(b"<dc:title>a street", b'<dc:title>tiff_Orientation="6"')
    data = heic(xmp=packet)  # whose writer is to be fooled later
    assert data.count(b"tiff_") == 1
    after = seen(blur_tools.redact(data.replace(b"tiff_", b"tiff:"), [], copy_metadata=True).data)
    assert after.shape[:2] == (HEIGHT, WIDTH)


def test_several_pictures_are_refused():
    file = pillow_heif.from_pillow(scene())
    file.add_from_pillow(scene().transpose(Image.Transpose.ROTATE_180))
    buffer = io.BytesIO()
    file.save(buffer)
    assert "HEIF/hvc1" in {finding.where for finding in scan(buffer.getvalue()) if finding.severity == LEAK}
    with pytest.raises(PictureError, match="several frames"):
        load_picture(buffer.getvalue())
    with pytest.raises(PictureError, match="several frames"):
        load_picture(avif(save_all=True, append_images=[scene("L").convert("RGB")]))


def test_a_film_beside_the_picture_is_refused():
    data = heic()
    with pytest.raises(PictureError, match="several frames"):
        load_picture(data + b"\0\0\0\x10moov\0\0\0\x08mvhd")


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_ten_and_twelve_bits_of_a_heic_are_kept(bits, mode):
    """A slow change of colour has more than 256 steps, before and after."""
    step = 1 << 16 - bits
    ramp = np.linspace(8000, 24_000, WIDTH)[None, :, None].repeat(HEIGHT, 0).repeat(len(mode), 2).astype(np.uint16)
    ramp = ramp // step * step
    file = pillow_heif.HeifFile()
    added = file.add_frombytes(f"{mode};16", (WIDTH, HEIGHT), ramp.tobytes())
    added.info["bit_depth"] = bits
    buffer = io.BytesIO()
    file.save(buffer, quality=100, chroma=444, color_primaries=9, transfer_characteristics=16, matrix_coefficients=9)
    picture = load_picture(buffer.getvalue())
    before = picture.deep.copy()
    assert (before.shape, picture.image.mode, picture.info["bit_depth"]) == ((HEIGHT, WIDTH, len(mode)), mode, bits)
    assert np.array_equal(before, np.asarray(pillow_heif.open_heif(buffer.getvalue(), convert_hdr_to_8bit=False)))
    result = blur_tools.redact(buffer.getvalue(), [PLATE], effect="fill")
    written = pillow_heif.open_heif(result.data, convert_hdr_to_8bit=False)
    assert (written.info["bit_depth"], written.info["nclx_profile"]["transfer_characteristics"]) == (bits, 16)
    after = np.asarray(written).astype(int)
    outside = ~hidden_area(PLATE)
    assert np.abs(after - before)[outside].mean() < 256  # a step of 8 bits; the codec's own loss
    assert len(np.unique(after[:8, :, 1])) > 64
    assert np.ptp(after[22:30, 32:68, 0]) < np.ptp(before[22:30, 32:68, 0].astype(int)) / 3
    assert scan(result.data) == []


def test_what_is_deeper_than_can_be_kept_is_refused():
    with pytest.raises(PictureError, match="has 10 bits a channel; convert it to 8 bits"):
        load_picture(base64.b64decode(TEN_BITS))


def test_a_depth_that_is_not_copied_is_said():
    data = heic(scene("RGBA"))
    assert not any("auxiliary" in text for text in blur_tools.redact(data, []).warnings)
    data = data.replace(b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:auxid:2")
    assert "HEIF/auxiliary" in {finding.where for finding in scan(data)}
    result = blur_tools.redact(data, [])
    assert any("auxiliary pictures" in text for text in result.warnings)
    assert scan(result.data) == []


def test_an_avif_of_wide_colours_is_refused_and_none_is_changed_in_silence():
    data = avif()
    place = data.index(b"nclx") + 4
    assert data[place : place + 4] == b"\0\1\0\x0d"
    for colours in (b"\0\x09\0\x10", b"\0\x0c\0\x0d", b"\0\1\0\x12"):
        with pytest.raises(PictureError, match="wide or high-range colours"):
            load_picture(data[:place] + colours + data[place + 4 :])


def test_a_curve_that_pillow_does_not_write_is_said():
    data = avif()
    place = data.index(b"nclx") + 4
    other = data[:place] + b"\0\1\0\1" + data[place + 4 :]
    assert any("said to be sRGB" in text for text in blur_tools.redact(other, []).warnings)
    assert not any("said to be sRGB" in text for text in blur_tools.redact(data, []).warnings)


def test_what_the_numbers_of_a_heic_mean_is_kept():
    data = heic(color_primaries=12, transfer_characteristics=13, matrix_coefficients=6, full_range_flag=1)
    nclx = pillow_heif.open_heif(blur_tools.redact(data, [PLATE]).data).info["nclx_profile"]
    assert (nclx["color_primaries"], nclx["transfer_characteristics"]) == (12, 13)


@pytest.mark.parametrize("chroma", [420, 444])
def test_the_sampling_of_a_heic_is_kept(chroma):
    written = blur_tools.redact(heic(chroma=chroma), [PLATE]).data
    assert pillow_heif.open_heif(written).info["chroma"] == chroma


@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_the_sampling_of_an_avif_is_kept(sampling):
    data = avif(subsampling=sampling)
    written = blur_tools.redact(data, [PLATE]).data
    header = [file[file.index(b"av1C") + 6] & 0x1C for file in (data, written)]
    assert header[0] == header[1]


def test_the_brand_decides_and_not_the_name():
    assert sniff(heic()).name == "HEIF"
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif").name == "AVIF"
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic").name == "HEIF"
    assert sniff(b"\0\0\0\x14ftypmp42\0\0\0\0isom") is None
    assert load_picture(Source(avif(), "a.heic", "a.heic")).format.name == "AVIF"


def test_the_limit_of_pixels_holds_before_decoding(monkeypatch):
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(PictureError, match="the limit is 6,000"):
        load_picture(heic(), max_pixels=6000)


def test_seeking_does_not_bring_back_what_was_hidden():
    """Pillow's AVIF reader decodes anew when it is asked for a frame, which saving does."""
    picture = load_picture(avif())
    assert type(picture.image) is Image.Image
    assert type(load_picture(heic()).image) is Image.Image


class TestWithoutTheExtra:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch):
        self.data = heic()
        monkeypatch.setitem(sys.modules, "pillow_heif", None)

    def test_the_error_names_it(self, tmp_path):
        with pytest.raises(PictureError, match=r"a\.heic: .*needs the extra \[heif\]"):
            load_picture(Source(self.data, "a.heic", "a.heic"))
        (tmp_path / "a.heic").write_bytes(self.data)
        with pytest.raises(PictureError, match=r"needs the extra \[heif\]"):
            stored_size(str(tmp_path / "a.heic"))
        assert scan(self.data) == []  # which needs nothing

    def test_one_row_fails_and_the_others_go_on(self, tmp_path, networks):
        Path(tmp_path / "a.heic").write_bytes(self.data)
        scene().save(tmp_path / "b.png")
        frame = pd.DataFrame({"image": [str(tmp_path / "a.heic"), str(tmp_path / "b.png")]})
        result = frame.blur.apply(out=tmp_path / "out", progress=False)
        assert list(result["status"]) == ["failed", "ok"]
        assert "[heif]" in result["error"][0]


def test_a_folder_and_a_table_take_them(tmp_path, networks):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data in (("a.HEIC", heic()), ("b.heif", heic()), ("c.avif", avif()), ("d.jpg", heic())):
        (folder / name).write_bytes(data)
    paths = list_pictures(folder).pictures
    assert [Path(path).name for path in paths] == ["a.HEIC", "b.heif", "c.avif", "d.jpg"]
    result = pd.DataFrame({"image": paths}).blur.apply(out=tmp_path / "out", progress=False)
    assert list(result["blurred"]) == ["out/a.HEIC", "out/b.heif", "out/c.avif", "out/d.jpg.heic"]
    checked = result.blur.verify(out=tmp_path / "out", detect=False)
    assert list(checked["verdict"]) == ["doubtful"] * 4  # as the method says
    assert list(checked["outside"]) == ["recoded"] * 4
    assert stored_size(paths[0]) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_is_sent_a_jpeg_to_look_at(kind):
    picture = load_picture(MAKE[kind]())
    sent = upload_of(picture)
    assert sent.data.startswith(b"\xff\xd8\xff")
    assert (sent.size, sent.is_original) == ((WIDTH, HEIGHT), True)
    assert upload_of(picture, keep_format=True).data == picture.source.data


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_a_picture_or_refused(kind):
    data, random = MAKE[kind](), np.random.default_rng(5)
    refused = 0
    for number in range(80):
        broken = bytearray(data if number % 2 else data[: random.integers(12, len(data))])
        for place in random.integers(0, min(len(broken), 400 if number % 4 == 1 else 10**9), 3):
            broken[place] = random.integers(0, 256)
        try:
            load_picture(bytes(broken))
        except PictureError:
            refused += 1
        scan_or_refused(bytes(broken))
    assert refused > 10


def scan_or_refused(data: bytes) -> None:
    try:
        scan(data)
    except PictureError:
        assert data[4:8] != b"ftyp"

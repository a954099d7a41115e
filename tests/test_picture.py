import contextlib
import io
import random
import struct
import time
import tracemalloc
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import (
    BmpImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from blur_tools import _pixel_memory
from blur_tools.errors import PictureError
from blur_tools.picture import FORMATS, MAX_PIXELS, MAX_SCANS, load_picture, sniff
from blur_tools.sources import Source

PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    TiffImagePlugin.TiffImageFile,
    BmpImagePlugin.BmpImageFile,
)
ORIENTATION = 0x0112
TAGS = range(1, 9)
ORIENTED = ("JPEG", "PNG", "WEBP", "TIFF")
FAITHFUL = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}

# how a picture that looks like `upright` is stored under each tag (the figures of EXIF 2.32, tag 0x0112)
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def oriented(upright, tag, kind, encode, **options):
    """A file that a person sees as `upright`."""
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    return encode(np.ascontiguousarray(STORED[tag](upright)), kind, exif=exif, **FAITHFUL.get(kind, {}), **options)


def cells(columns=8, rows=6, side=32):
    """A picture of cells whose red tells the column and whose green tells the row."""
    grid = np.zeros((rows, columns, 3), np.uint8)
    grid[..., 0] = 20 + 28 * np.arange(columns)
    grid[..., 1] = 20 + 40 * np.arange(rows)[:, None]
    grid[..., 2] = 128
    return grid, grid.repeat(side, 0).repeat(side, 1)


def chunk(tag, data):
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def png(width, height, bits, colour, packed, first=b"", last=b""):
    """A PNG by hand, with packed rows and chunks before and behind what belongs there."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + last + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + first + body


def with_size(data, width, height):
    """The same file with another size in its header."""
    changed = bytearray(data)
    if data.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", width, height)
        changed[29:33] = struct.pack(">I", zlib.crc32(bytes(changed[12:29])))
    elif data.startswith(b"BM"):
        changed[18:26] = struct.pack("<ii", width, height)
    elif data.startswith(b"RIFF"):
        assert data[12:16] == b"VP8X"
        changed[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    else:
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        changed[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(changed)


@pytest.fixture
def no_decoding(monkeypatch):
    """Any decoder that is started fails the test."""

    def load(self, *args, **kwargs):
        pytest.fail(f"{type(self).__name__} was decoded")

    for plugin in PLUGINS:
        monkeypatch.setattr(plugin, "load", load)


# --- formats


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_known_by_its_content(encode, kind):
    data = encode(np.zeros((5, 7, 3), np.uint8), kind)
    for name in ("car.jpg", "car.png", "car.txt", "car"):
        picture = load_picture(Source(data, name, name))
        assert (picture.format.name, picture.size, picture.source.name) == (kind, (7, 5), name)
    assert sniff(data) is FORMATS[kind]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_gives_the_same_picture_as_its_bytes(tmp_path, encode, noise, kind):
    path = tmp_path / "a picture"
    path.write_bytes(encode(noise(9, 7), kind))
    assert load_picture(path).image.tobytes() == load_picture(path.read_bytes()).image.tobytes()
    assert load_picture(path).source.path == path


def test_an_array_is_a_picture_of_its_pixels(noise):
    assert np.array_equal(load_picture(noise(9, 7)).image, noise(9, 7))


@pytest.mark.parametrize(
    ("mode", "kind", "options", "working"),
    [
        ("1", "PNG", {}, "L"),
        ("1", "BMP", {}, "L"),
        ("1", "TIFF", {"compression": "group4"}, "L"),
        ("L", "JPEG", {}, "L"),
        ("L", "PNG", {}, "L"),
        ("L", "PNG", {"transparency": 7}, "LA"),
        ("1", "PNG", {"transparency": 1}, "LA"),
        ("LA", "PNG", {}, "LA"),
        ("LA", "TIFF", {}, "LA"),
        ("P", "PNG", {}, "RGB"),
        ("P", "PNG", {"transparency": 0}, "RGBA"),
        ("P", "PNG", {"transparency": bytes(range(100))}, "RGBA"),
        ("P", "TIFF", {}, "RGB"),
        ("RGB", "JPEG", {}, "RGB"),
        ("RGB", "PNG", {"transparency": (0, 0, 0)}, "RGBA"),
        ("RGB", "BMP", {}, "RGB"),
        ("RGB", "WEBP", {}, "RGB"),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}, "RGB"),
        ("RGBA", "PNG", {}, "RGBA"),
        ("RGBA", "WEBP", {"lossless": True, "exact": True}, "RGBA"),
        ("RGBA", "TIFF", {"compression": "tiff_deflate"}, "RGBA"),
        ("RGBX", "TIFF", {}, "RGB"),
        ("CMYK", "JPEG", {}, "CMYK"),
        ("CMYK", "TIFF", {}, "CMYK"),
        ("YCbCr", "JPEG", {}, "RGB"),
        ("YCbCr", "TIFF", {}, "RGB"),
    ],
    ids=str,
)
def test_every_mode_is_loaded_as_what_can_be_rendered(encode, noise, mode, kind, options, working):
    image = Image.fromarray(noise(20, 30, 4 if "A" in mode else 3)).convert(mode)
    data = encode(image, kind, **options)
    picture = load_picture(data)
    assert (picture.image.mode, picture.size) == (working, (30, 20))
    with Image.open(io.BytesIO(data)) as seen:
        expected = np.asarray(seen.convert(working))
    assert np.array_equal(picture.image, expected)
    assert (picture.view((30, 20)).mode, picture.view((10, 10)).mode) == ("RGB", "RGB")


def _sixteen(colour):
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    return zlib.compress(b"".join(b"\0" + b"\x12\x34" * samples * 3 for _ in range(2)))


@pytest.mark.parametrize("ninth", [8, 1, 255])
def test_a_png_of_16_bits_is_refused_whatever_stands_before_its_header(ninth):
    """Pillow does not mind a chunk before IHDR; a byte of it must not be taken for the depth."""
    data = png(3, 2, 16, 2, _sixteen(2), first=chunk(b"tEXt", b"key\0text" + bytes([ninth]) + b"x" * 9))
    with pytest.raises(PictureError) as caught:
        load_picture(data)
    assert "255 bits" not in caught.value.reason


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_one_transparent_grey_of_a_png_of_few_bits_stays_transparent(bits):
    top = 2**bits - 1
    rows = [0, top, top - 1, top] * 2  # of 8 pixels
    packed = int("".join(f"{value:0{bits}b}" for value in rows), 2).to_bytes(bits, "big")
    plain = png(8, 1, bits, 0, zlib.compress(b"\0" + packed))
    behind_header = 8 + 25
    data = plain[:behind_header] + chunk(b"tRNS", struct.pack(">H", top)) + plain[behind_header:]
    picture = load_picture(data)
    assert picture.image.mode == "LA"
    grey, alpha = (np.asarray(picture.image)[0, :, channel].tolist() for channel in (0, 1))
    assert grey == [value * (255 // top) for value in rows]
    assert alpha == [0 if value == top else 255 for value in rows]


def test_a_tiff_of_another_colour_space_is_refused_by_its_mode(encode):
    with pytest.raises(PictureError, match="mode LAB cannot be rendered; convert it to RGB"):
        load_picture(encode(Image.new("LAB", (3, 2)), "TIFF"))


HEIF = b"\0\0\0\x18ftyp%b\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a" + bytes(50), "GIF"),
        (HEIF % b"heic", "a broken HEIF file"),
        (HEIF % b"avif", "a broken AVIF file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS" + bytes(50), "Photoshop"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), "JPEG 2000"),
        (b"\xff\x0a" + bytes(50), "JPEG XL"),
        (b"hello, world", "not a picture"),
        (b"<!DOCTYPE html><html>", "not a picture"),
        (b"\xff", "not a picture"),
        (b"\0" * 100, "not a picture"),
        (b"PK\3\4" + bytes(50), "not a picture"),
        (b"BMW is a maker of cars, and this is a text", "BMP"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\0\0\0\0WEBP", "WEBP"),
        (b"II*\0\0\0\0\0", "TIFF"),
        (b"BM", "BMP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_with_what_it_is(data, reason):
    with pytest.raises(PictureError, match=reason) as caught:
        load_picture(Source(data, "car.jpg", "/tmp/car.jpg"))
    assert caught.value.picture == "/tmp/car.jpg"


def test_a_film_is_not_called_a_photo():
    with pytest.raises(PictureError) as caught:
        load_picture(b"\0\0\0\x18ftypmp42\0\0\0\0isom" + bytes(100))
    assert "HEIC" not in caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_file_of_several_frames_is_refused_with_their_number(encode, kind):
    frames = [Image.new("RGB", (8, 8), (80 * i, 0, 0)) for i in range(3)]
    with pytest.raises(PictureError, match="several frames"):
        load_picture(encode(frames[0], kind, save_all=True, append_images=frames[1:]))


# --- limits, checked before decoding


def test_the_limit_of_pixels_is_inclusive(encode):
    data = encode(np.zeros((4, 5), np.uint8))
    assert load_picture(data, max_pixels=20).size == (5, 4)
    with pytest.raises(PictureError, match="5 x 4 pixels; the limit is 19"):
        load_picture(data, max_pixels=19)


def test_a_small_file_of_400_million_pixels_is_refused_unopened(no_decoding):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2501 * 400)) for _ in range(50)) + packer.flush()
    data = png(20_000, 20_000, 1, 0, packed)
    assert len(data) < 60_000
    tracemalloc.start()
    try:
        with pytest.raises(PictureError, match="20000 x 20000 pixels"):
            load_picture(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("size", [(65_000, 65_000), (65_500, 3_100)], ids=str)
def test_a_header_that_claims_too_much_is_refused_undecoded(encode, no_decoding, kind, size):
    assert size[0] * size[1] > MAX_PIXELS
    data = with_size(encode(Image.new("RGB", (8, 8)), kind), *size)
    with pytest.raises(PictureError, match=f"{size[0]} x {size[1]} pixels; the limit is 200,000,000"):
        load_picture(data)


@pytest.mark.parametrize("size", [(65_000, 65_000), (16_384, 16_383)], ids=str)
def test_a_webp_that_claims_too_much_is_refused_undecoded(encode, no_decoding, size):
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    with pytest.raises(PictureError):
        load_picture(with_size(encode(Image.new("RGB", (8, 8)), "WEBP", exif=exif), *size))


@pytest.mark.parametrize("size", [(0, 8), (8, 0)], ids=str)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_picture_without_width_or_height_is_refused(encode, kind, size):
    with pytest.raises(PictureError):
        load_picture(with_size(encode(Image.new("RGB", (8, 8)), kind), *size))


def test_a_tiff_of_very_many_pages_is_refused_quickly():
    """Not two megabytes of directories; counting them all takes a time that grows with the square of their number."""
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    for _ in range(15_000):
        data += directory + struct.pack("<I", len(data) + len(directory) + 4)
    data[-4:] = bytes(4)
    start = time.process_time()
    with pytest.raises(PictureError, match=r"frames|pages"):
        load_picture(bytes(data))
    assert time.process_time() - start < 0.5


def test_a_tiff_whose_pages_go_in_a_circle_ends(encode):
    data = bytearray(encode(np.zeros((4, 5), np.uint8), "TIFF"))
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)
    assert load_picture(bytes(data)).size == (5, 4)


def _scans(encode, noise, copies, fill=b""):
    """A progressive JPEG with `copies` more of its last scan."""
    data = encode(noise(16, 16), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data.count(b"\xff\xda") + copies, data[:-2] + (fill + scan) * copies + b"\xff\xd9"


def test_an_ordinary_progressive_jpeg_is_fine(encode, noise):
    count, data = _scans(encode, noise, 0)
    assert 1 < count < MAX_SCANS
    assert load_picture(data).size == (16, 16)


def test_a_jpeg_may_have_the_limit_of_scans_and_no_more(encode, noise):
    count, _ = _scans(encode, noise, 0)
    most, data = _scans(encode, noise, MAX_SCANS - count)
    assert (most, load_picture(data).size) == (MAX_SCANS, (16, 16))
    with pytest.raises(PictureError, match=f"more than {MAX_SCANS} scans"):
        load_picture(_scans(encode, noise, MAX_SCANS - count + 1)[1])


@pytest.mark.parametrize(
    "fill", [b"\xff", b"\xff\xfe\0\4xx", b"\xff\xfe\0\6\xff\xd9xx"], ids=["fill", "comment", "end"]
)
def test_scans_are_counted_behind_other_bytes(encode, noise, fill):
    with pytest.raises(PictureError, match="scans"):
        load_picture(_scans(encode, noise, 300, fill)[1])


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC9], ids=["baseline", "extended", "arithmetic"])
def test_a_sequential_jpeg_of_very_many_scans_is_refused(encode, frame):
    """Ten bytes a scan make the decoder walk over all pixels: 10 kB of it take minutes at 200 MP."""
    data = encode(Image.new("RGB", (16, 16)), "JPEG", subsampling=0)
    data = data[: data.index(b"\xff\xda")].replace(b"\xff\xc0", bytes([0xFF, frame]))
    scans = b"".join(b"\xff\xda\0\x08\x01" + bytes([1 + i % 3, 0]) + b"\0\x3f\0" for i in range(MAX_SCANS * 3))
    with pytest.raises(PictureError, match="scans"):
        load_picture(data + scans + b"\xff\xd9")


# --- orientation


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", ORIENTED)
def test_a_view_is_upright_and_the_picture_is_as_stored(encode, kind, tag):
    grid, upright = cells(4, 3, 16)
    picture = load_picture(oriented(upright, tag, kind, encode))
    assert (picture.orientation, picture.upright_size) == (tag, (64, 48))
    assert picture.size == ((48, 64) if tag >= 5 else (64, 48))
    assert np.abs(np.asarray(picture.image, int) - STORED[tag](upright)).max() <= 6
    whole = picture.view((64, 48))
    assert np.abs(np.asarray(whole, int) - upright).max() <= 6
    assert np.abs(np.asarray(picture.view((4, 3)), int) - grid).max() <= 6


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_view_is_what_pillow_shows(encode, noise, kind, tag):
    data = oriented(noise(16, 24), tag, kind, encode)
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image).convert("RGB")
    assert np.array_equal(load_picture(data).view(shown.size), shown)


@pytest.mark.parametrize("tag", [0, 9, 65535])
@pytest.mark.parametrize("kind", ORIENTED)
def test_an_orientation_that_is_none_counts_as_upright(encode, noise, kind, tag):
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    picture = load_picture(encode(noise(4, 6), kind, exif=exif, **FAITHFUL.get(kind, {})))
    assert (picture.orientation, picture.size) == (1, (6, 4))


def test_exif_behind_the_pixels_of_a_png_is_read(noise):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in noise(4, 6)))
    picture = load_picture(png(6, 4, 8, 2, rows, last=chunk(b"eXIf", exif.tobytes()[6:])))
    assert picture.orientation == 6
    assert np.array_equal(picture.image, noise(4, 6))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_an_orientation_in_xmp_alone_turns_nothing(encode, noise, kind):
    """numpy readers do not look into XMP: the stored pixels must stay as they are, and tag and pixels agree."""
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    options = {"tiffinfo": {700: packet}} if kind == "TIFF" else {"xmp": packet}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": info}
    picture = load_picture(encode(noise(4, 6), kind, **options, **FAITHFUL.get(kind, {})))
    assert picture.size == (6, 4)
    assert picture.upright_size == ((6, 4) if picture.orientation == 1 else (4, 6))
    if kind != "JPEG":
        assert np.array_equal(picture.image, noise(4, 6))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_opened_image_is_seen_upright(encode, kind):
    """Somebody who hands over `Image.open(path)` must get the faces found that the path would give."""
    _, upright = cells(4, 3, 16)
    with Image.open(io.BytesIO(oriented(upright, 6, kind, encode))) as image:
        picture = load_picture(image)
    assert picture.upright_size == (64, 48)
    assert np.abs(np.asarray(picture.view((64, 48)), int) - upright).max() <= 6


# --- views


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("part", [(0, 0, 8, 6), (2, 1, 5, 4), (7, 5, 8, 6), (0, 3, 8, 4)], ids=str)
@pytest.mark.parametrize("pixels", [32, 16, 9, 2, 1])
def test_a_view_of_a_part_shows_its_pixels(encode, tag, part, pixels):
    """Also when it is reduced so far that it is read from a smaller copy."""
    grid, upright = cells()
    left, top, right, bottom = part
    picture = load_picture(oriented(upright, tag, "PNG", encode))
    size = ((right - left) * pixels, (bottom - top) * pixels)
    view = picture.view(size, tuple(side * 32 for side in part))
    assert view.size == size
    centres = np.asarray(view)[pixels // 2 :: pixels, pixels // 2 :: pixels].astype(int)
    assert np.abs(centres - grid[top:bottom, left:right]).max() <= 2


@pytest.mark.parametrize("tag", [1, 6])
@pytest.mark.parametrize("size", [(1001, 701), (500, 350), (333, 97), (100, 70), (10, 7), (3, 2)], ids=str)
def test_a_reduced_view_of_an_odd_size_does_not_drift(encode, tag, size):
    width, height = 1001, 701
    ramp = np.zeros((height, width, 3))
    ramp[..., 0] = (np.arange(width) + 0.5) / width * 255
    ramp[..., 1] = ((np.arange(height) + 0.5) / height * 255)[:, None]
    view = load_picture(oriented(ramp.astype(np.uint8), tag, "PNG", encode, compress_level=1)).view(size)
    columns, rows = ((np.arange(n) + 0.5) / n * 255 for n in size)
    seen = np.asarray(view, float)
    assert np.abs(seen[..., 0] - columns).max() < 3 + 255 / size[0] / 4
    assert np.abs(seen[..., 1] - rows[:, None]).max() < 3 + 255 / size[1] / 4


def test_a_view_is_the_same_whatever_was_asked_before(encode, noise):
    data = encode(noise(129, 67))
    fresh = [load_picture(data).view(size).tobytes() for size in ((67, 129), (30, 60), (8, 16), (2, 4))]
    used = load_picture(data)
    again = [used.view(size).tobytes() for size in ((2, 4), (8, 16), (30, 60), (67, 129))]
    assert again[::-1] == fresh
    assert used.image.tobytes() == load_picture(data).image.tobytes()


def test_a_view_may_enlarge(encode):
    _, upright = cells(2, 2, 1)
    view = np.asarray(load_picture(encode(upright)).view((40, 40)))
    assert np.array_equal(view[[0, 0, -1, -1], [0, -1, 0, -1]], upright.reshape(4, 3))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("size", [(64, 64), (32, 32), (20, 20), (128, 128)], ids=str)
def test_a_view_shows_what_is_hidden_by_transparency(encode, mode, size):
    """A plate under alpha 0 is still in the file for anybody who drops the alpha; it must be found at every size."""
    image = Image.new(mode, (64, 64), (200, 100, 50, 0) if mode == "RGBA" else (200, 0))
    colour = (200, 100, 50) if mode == "RGBA" else (200, 200, 200)
    view = load_picture(encode(image)).view(size)
    assert np.abs(np.asarray(view, int) - colour).max() <= 1


# --- metadata


def test_the_exif_and_profile_of_a_file_are_kept(encode):
    exif = Image.Exif()
    exif[0x010E] = "a street"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = load_picture(encode(np.zeros((4, 4, 3), np.uint8), "JPEG", exif=exif, icc_profile=profile))
    assert picture.exif[0x010E] == "a street"
    assert picture.info["icc_profile"] == profile
    assert dict(load_picture(encode(np.zeros((4, 4, 3), np.uint8))).exif) == {}


def test_broken_exif_is_no_exif(encode):
    picture = load_picture(encode(np.zeros((4, 4, 3), np.uint8), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken"))
    assert (picture.orientation, dict(picture.exif)) == (1, {})


# --- damaged and odd files


def test_bytes_behind_a_jpeg_do_not_matter(encode, noise):
    data = encode(noise(16, 16), "JPEG")
    picture = load_picture(data + b"PK\3\4 a film, a depth map" + b"\xff\xda\0\0" * 500)
    assert picture.image.tobytes() == load_picture(data).image.tobytes()


def test_of_several_pictures_in_one_jpeg_the_first_is_loaded(encode):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    picture = load_picture(encode(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert picture.format.name == "JPEG"
    red, green, blue = picture.image.getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 20


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_short_is_refused(encode, noise, kind):
    data = encode(noise(24, 24), kind)
    accepted = []
    for length in sorted({1, 2, 3, 8, 9, 20, *range(30, int(len(data) * 0.9), max(1, len(data) // 60))}):
        with contextlib.suppress(PictureError):
            load_picture(data[:length])
            accepted.append(length)
    assert accepted == []


def _victims():
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "hello"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return {
        "jpeg": (pixels, "JPEG", {"exif": exif}),
        "progressive": (pixels, "JPEG", {"progressive": True}),
        "cmyk": (pixels.convert("CMYK"), "JPEG", {}),
        "png": (pixels, "PNG", {"exif": exif}),
        "palette": (pixels.quantize(16), "PNG", {"transparency": 0}),
        "webp": (pixels, "WEBP", {"exif": exif}),
        "webp lossless": (pixels, "WEBP", {"lossless": True}),
        "tiff": (pixels, "TIFF", {"exif": exif}),
        "tiff lzw": (pixels, "TIFF", {"compression": "tiff_lzw"}),
        "tiff jpeg": (pixels, "TIFF", {"compression": "jpeg"}),
        "tiff group 4": (pixels.convert("1"), "TIFF", {"compression": "group4"}),
        "bmp": (pixels, "BMP", {}),
        "bmp palette": (pixels.quantize(16), "BMP", {}),
    }


def _repaired(data):
    """A PNG with right checksums, so that changes reach the decoder."""
    out, position = bytearray(data[:8]), 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        tag, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        out += chunk(bytes(tag), bytes(body))
        position += 12 + length
    return bytes(out)


@pytest.mark.parametrize("name", _victims())
def test_a_file_with_random_changes_is_a_picture_or_refused(encode, name):
    """Nothing else comes out, also where a program has made warnings errors (Pillow warns of broken EXIF)."""
    image, kind, options = _victims()[name]
    data = encode(image, kind, **options)
    chance = random.Random(name)
    outcomes, leaks = {"picture": 0, "refused": 0}, {}
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 5])):
            # headers are where the interesting bytes are
            end = len(changed) if chance.random() < 0.4 else min(len(changed), 300)
            changed[chance.randrange(end)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        if chance.random() < 0.15:
            del changed[chance.randrange(1, len(changed)) :]
        if kind == "PNG" and chance.random() < 0.7:
            changed = _repaired(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                picture = load_picture(bytes(changed))
                picture.view((4, 4))
                assert picture.exif is not None
            outcomes["picture"] += 1
        except PictureError:
            outcomes["refused"] += 1
        except Exception as error:
            leaks[f"{type(error).__name__}: {str(error)[:60]}"] = bytes(changed)
    assert sorted(leaks) == []
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("count", [0x7FFFFFFF, 100_000], ids=hex)
def test_a_tiff_that_claims_more_values_than_it_has_is_a_picture_or_refused(encode, count):
    data = bytearray(encode(np.zeros((4, 5), np.uint8), "TIFF"))
    first = struct.unpack_from("<I", data, 4)[0]
    accepted = set()
    for entry in range(struct.unpack_from("<H", data, first)[0]):
        changed = bytearray(data)
        struct.pack_into("<I", changed, first + 2 + 12 * entry + 4, count)
        with contextlib.suppress(PictureError):
            accepted.add(load_picture(bytes(changed)).size)
    assert accepted <= {(5, 4)}


class TestMemory:
    """Where the pixels of a large JPEG or PNG are decoded to is ours: they are Pillow's own, and nothing else shows."""

    @pytest.fixture(autouse=True)
    def what_was_there_before(self, monkeypatch):
        used = SimpleNamespace(empty=lambda size, kind: np.full(size, 77, kind), zeros=np.zeros, uint8=np.uint8)
        monkeypatch.setattr(_pixel_memory, "np", used)

    @pytest.mark.parametrize(
        ("kind", "mode"),
        [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "L"), ("PNG", "RGB"), ("PNG", "RGBA")],
    )
    def test_pixels_are_as_pillow_decodes_them(self, encode, monkeypatch, kind, mode):
        noise = np.random.default_rng(0).integers(0, 256, (1100, 1201), np.uint8)
        data = encode(Image.fromarray(noise).convert(mode), kind)
        monkeypatch.setattr(_pixel_memory, "LARGE", 1 << 40)
        usual = load_picture(data).image
        monkeypatch.setattr(_pixel_memory, "LARGE", 0)
        picture = load_picture(data).image
        assert (picture.mode, picture.size) == (usual.mode, usual.size)
        assert picture.tobytes("raw", picture.mode) == usual.tobytes("raw", usual.mode)
        picture.paste(7, (0, 0, 9, 9)) if mode == "L" else picture.paste((7,) * len(mode), (0, 0, 9, 9))
        assert np.all(np.asarray(picture)[:9, :9] == 7)
        assert np.array_equal(np.asarray(picture)[9:], np.asarray(usual)[9:])

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_a_broken_file_that_a_program_has_pillow_read_shows_nothing_of_it(self, encode, monkeypatch, kind):
        noise = np.random.default_rng(0).integers(0, 256, (700, 600, 3), np.uint8)
        data = encode(noise, kind)
        monkeypatch.setattr(_pixel_memory, "LARGE", 0)
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        rest = np.asarray(load_picture(data[: len(data) // 2]).image)[-200:]
        assert np.ptp(rest) == 0
        assert rest[0, 0, 0] in (0, 128)  # black, or libjpeg's grey

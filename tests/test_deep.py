"""Pictures of 16 bits a channel: read exactly, redacted, and written with 16 bits again."""

from __future__ import annotations

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import blur_tools
from blur_tools import Detection, Detections, PictureError
from blur_tools.batch.verify import Subject, verify_one
from blur_tools.detections import box_polygon
from blur_tools.picture import load_picture
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source

PLATE = Detection("plate", box_polygon(20, 12, 50, 24))
WIDTH, HEIGHT = 70, 50
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
TIFF_KINDS = {"raw": None, "deflate": "zlib"}


def deep(channels: int, seed: int = 0) -> np.ndarray:
    """Noise in both bytes of every sample."""
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    pixels = np.random.default_rng(seed).integers(0, 65536, shape, dtype=np.uint16)
    if channels in (2, 4):
        pixels[: HEIGHT // 2, :, -1] = 0  # transparent, over the plate too
    return pixels


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(pixels: np.ndarray, more: bytes = b"", filters: bool = True) -> bytes:
    """A PNG by hand, its rows filtered by None, Sub and Up in turn."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = pixels.astype(">u2").reshape(len(pixels), -1).view(np.uint8)
    step, packed = 2 * channels, b""
    for number, row in enumerate(rows):
        kind = number % 3 if filters else 0
        before = np.concatenate([np.zeros(step, np.uint8), row[:-step]]) if kind == 1 else rows[number - 1]
        packed += bytes([kind]) + (row - before if kind else row).astype(np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", pixels.shape[1], len(pixels), 16, PNG_COLOURS[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )


def read_png(data: bytes) -> np.ndarray:
    """A reader of our own: unpacked and unfiltered byte by byte."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    assert bits == 16
    channels = {value: key for key, value in PNG_COLOURS.items()}[colour]
    packed, position = b"", 8
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + size]
        assert data[position + 8 + size : position + 12 + size] == struct.pack(">I", zlib.crc32(name + body))
        packed += body if name == b"IDAT" else b""
        position += 12 + size
    plain, step = bytearray(zlib.decompress(packed)), 1 + 2 * channels * width
    assert len(plain) == step * height
    rows = []
    above = bytes(step - 1)
    for start in range(0, len(plain), step):
        assert plain[start] in (0, 2)
        row = bytes(
            (value + up) % 256 if plain[start] else value
            for value, up in zip(plain[start + 1 : start + step], above, strict=True)
        )
        rows.append(row)
        above = row
    pixels = np.frombuffer(b"".join(rows), ">u2").reshape(height, width, channels)
    return pixels[..., 0] if channels == 1 else pixels


def tiff(pixels: np.ndarray, compression: str | None = None, order: str = "<", **options) -> bytes:
    buffer = io.BytesIO()
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        options["extrasamples"] = ["unassalpha"]
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    options.setdefault("compression", compression)
    tifffile.imwrite(buffer, pixels, byteorder=order, photometric=photometric, metadata=None, software=False, **options)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    return read_png(data) if data.startswith(b"\x89PNG") else tifffile.imread(io.BytesIO(data))


FILES = {
    **{f"PNG {n}": (n, lambda pixels: png(pixels)) for n in (1, 2, 3, 4)},
    **{
        f"TIFF {n} {name} {order}": (n, lambda pixels, how=how, order=order: tiff(pixels, how, order))
        for n, (name, how), order in itertools.product((1, 3, 4), TIFF_KINDS.items(), "<>")
    },
}


@pytest.mark.parametrize("name", FILES)
def test_every_sample_is_read_as_it_is(name):
    channels, make = FILES[name]
    pixels = deep(channels)
    picture = load_picture(make(pixels))
    assert picture.deep is not None
    assert picture.deep.dtype == np.uint16
    assert np.array_equal(picture.deep, pixels)
    assert np.array_equal(np.asarray(picture.image), pixels >> 8)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_interlaced_png_is_read_as_it_is(channels):
    """Its passes by hand, without filters."""
    pixels, packed = deep(channels), b""
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                               (0, 1, 1, 2)):  # fmt: skip
        for row in pixels[y::down, x::across]:
            packed += b"\0" + row.astype(">u2").tobytes()
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, PNG_COLOURS[channels], 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(packed)) + chunk(b"IEND", b"")
    assert np.array_equal(load_picture(data).deep, pixels)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "options",
    [{"tile": (16, 32)}, {"rowsperstrip": 7}, {"tile": (16, 32), "compression": "zlib"},
     {"compression": "zlib", "predictor": 2, "rowsperstrip": 5}],
    ids=str,
)  # fmt: skip
def test_tiles_strips_and_predictors_are_read_as_they_are(options, order):
    assert np.array_equal(load_picture(tiff(deep(3), order=order, **options)).deep, deep(3))


def test_a_big_tiff_is_read_as_it_is():
    assert np.array_equal(load_picture(tiff(deep(4), bigtiff=True)).deep, deep(4))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_one_transparent_colour_of_a_png_is_compared_in_16_bits(channels):
    pixels = deep(channels)
    key = pixels[3, 4]
    pixels[3, 5] = key ^ 1  # another colour, though the same in 8 bits
    picture = load_picture(png(pixels, chunk(b"tRNS", np.atleast_1d(key).astype(">u2").tobytes())))
    assert picture.deep.shape[2] == channels + 1
    assert np.array_equal(picture.deep[..., :channels].reshape(pixels.shape), pixels)
    assert (picture.deep[3, 4, -1], picture.deep[3, 5, -1]) == (0, 65535)
    done = blur_tools.redact(png(pixels, chunk(b"tRNS", np.atleast_1d(key).astype(">u2").tobytes())), [])
    assert np.array_equal(read_png(done.data), picture.deep)


@pytest.mark.parametrize("effect", ["gaussian", "pixelate", "fill"])
@pytest.mark.parametrize("name", FILES)
def test_outside_every_bit_stays_and_inside_nothing_does(name, effect):
    channels, make = FILES[name]
    pixels = deep(channels)
    result = blur_tools.redact(make(pixels), [PLATE], effect=effect)
    assert result.method == "lossless"
    assert result.warnings == ()
    written = read(result.data)
    assert written.shape == pixels.shape
    assert written.dtype.itemsize == 2
    (region,) = regions([PLATE], BlurSettings(plates=10, faces=10), (WIDTH, HEIGHT))
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    left, top, right, bottom = region.box
    hidden[top:bottom, left:right] = np.asarray(region.mask) > 0
    assert np.array_equal(written[~hidden], pixels[~hidden])
    if channels in (2, 4):  # alpha cannot hide what was there
        assert (written[hidden][:, -1] == 65535).all()
    colours = written[hidden].reshape(hidden.sum(), -1)[:, : 3 if channels > 2 else 1]
    # what is hidden has the few values of an effect in 8 bits, of both bytes
    assert (colours >> 8 == colours & 255).all()
    assert len(np.unique(colours[:, 0])) <= 16


def test_a_soft_edge_changes_nothing_beyond_itself():
    pixels = deep(3)
    written = read_png(blur_tools.redact(png(pixels), [PLATE], feather=0.2).data)
    (region,) = regions([PLATE], BlurSettings(plates=10, faces=10, feather=0.2), (WIDTH, HEIGHT))
    mask = np.zeros((HEIGHT, WIDTH), int)
    left, top, right, bottom = region.box
    mask[top:bottom, left:right] = np.asarray(region.mask)
    assert (mask[mask > 0] < 255).any()
    assert np.array_equal(written[mask == 0], pixels[mask == 0])
    inside = written[mask == 255]
    assert (inside >> 8 == inside & 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_orientation_is_kept_and_turns_no_pixel(kind, orientation):
    pixels = deep(3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "PNG":
        data = png(pixels, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    else:
        data = tiff(pixels, extratags=[(274, 3, 1, orientation, True)])
    picture = load_picture(data)
    assert picture.orientation == orientation
    assert np.array_equal(picture.deep, pixels)
    done = blur_tools.redact(data, [])
    assert np.array_equal(read(done.data), pixels)
    assert load_picture(done.data).orientation == orientation


def test_colour_profile_resolution_and_chunks_of_colours_are_kept():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    chunks = chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)) + chunk(b"gAMA", struct.pack(">I", 45455))
    chunks += chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    done = blur_tools.redact(png(deep(3), chunks), [PLATE])
    assert b"gAMA" in done.data
    info = load_picture(done.data).info
    assert info["icc_profile"] == profile
    assert round(info["dpi"][0]) == 300


def test_what_says_how_bright_and_how_exact_a_png_is_stays():
    said = {b"cICP": bytes([9, 16, 0, 1]), b"mDCV": bytes(range(24)), b"cLLI": bytes(range(8)), b"sBIT": b"\n\n\n"}
    data = png(deep(3), b"".join(chunk(*entry) for entry in said.items()))
    done = blur_tools.redact(data, [PLATE])
    for name, content in said.items():
        assert done.data.count(chunk(name, content)) == 1
        assert done.data.index(name) < done.data.index(b"IDAT")
    assert (
        verify_one(Subject(done.data, data, Detections([PLATE]).to_json(), done.method), BlurSettings(), None).verdict
        == "ok"
    )
    assert np.array_equal(read_png(done.data)[35:], deep(3)[35:])
    # of a channel that is not written there is nothing to say
    wrong = blur_tools.redact(png(deep(3), chunk(b"sBIT", b"\n")), [PLATE])
    assert b"sBIT" not in wrong.data


def test_pixels_that_are_not_square_are_told():
    stretched = png(deep(3), chunk(b"pHYs", struct.pack(">IIB", 2000, 1000, 0)))
    assert "not square" in blur_tools.redact(stretched, [PLATE]).warnings[0]
    assert blur_tools.redact(png(deep(3), chunk(b"pHYs", struct.pack(">IIB", 5, 5, 0))), [PLATE]).warnings == ()


@pytest.mark.parametrize("name", ["PNG 3", "TIFF 3 raw <", "TIFF 1 deflate <"])
def test_metadata_goes_and_is_copied_as_of_8_bits(name):
    channels, _make = FILES[name]
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "a street in town", "Somebody"
    if name.startswith("PNG"):
        data = png(deep(channels), chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    else:
        how = TIFF_KINDS[name.split()[2]]
        data = tiff(deep(channels), how, extratags=[(0x010E, 2, 0, "a street in town", True),
                                                     (0x013B, 2, 0, "Somebody", True)])  # fmt: skip
    assert b"a street in town" in data
    plain, copied = blur_tools.redact(data, [PLATE]).data, blur_tools.redact(data, [PLATE], copy_metadata=True).data
    assert b"a street" not in plain
    assert b"Somebody" not in plain
    assert b"a street in town" in copied
    assert b"Somebody" in copied
    for written in (plain, copied):
        assert np.array_equal(read(written)[35:], deep(channels)[35:])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(deep(1).astype(np.int16)), "samples are signed numbers"),
        (tiff(deep(1).astype(np.float32)), "samples are floating-point numbers"),
        (tiff(deep(1).astype(np.float16)), "samples are floating-point numbers|unknown pixel mode"),
        (tiff(deep(1).astype(np.uint32)), "32 bits a channel|unknown pixel mode"),
        (tiff(deep(1), extratags=[(262, 3, 1, 0, True)]), "convert it to 8 bits"),
        (tiff(np.moveaxis(deep(3), 2, 0), planarconfig="separate"), "16 bits a channel"),
    ],
    ids=["signed", "float32", "float16", "uint32", "white is zero", "planes"],
)
def test_what_cannot_be_kept_exactly_is_refused_with_its_reason(data, reason):
    if "convert" in reason:  # tifffile writes the tag twice: the first, its own, is made ours
        place = data.index(struct.pack("<HHIHH", 262, 3, 1, 1, 0))
        data = data[:place] + struct.pack("<HHIHH", 262, 3, 1, 0, 0) + data[place + 12 :]
    with pytest.raises(PictureError, match=reason):
        load_picture(data)


def test_the_limit_of_pixels_is_half_of_that_of_8_bits():
    load_picture(png(deep(1)), max_pixels=2 * WIDTH * HEIGHT)
    with pytest.raises(PictureError, match="pixels of 16 bits; the limit of these is 3,499"):
        load_picture(png(deep(1)), max_pixels=2 * WIDTH * HEIGHT - 1)


@pytest.mark.parametrize("name", ["PNG 3", "TIFF 3 deflate <", "TIFF 3 raw >"])
def test_a_damaged_file_is_refused_or_read(name):
    channels, make = FILES[name]
    data, random = make(deep(channels)), np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for place in random.integers(0, min(len(data), 400), 3):
            broken[place] = random.integers(0, 256)
        try:
            picture = load_picture(Source(bytes(broken), "a", "a"))
        except PictureError:
            continue
        assert picture.deep is None or picture.deep.shape[:2] == picture.size[::-1]

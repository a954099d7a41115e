"""TIFFs that Pillow changes or completes without a word; said, or refused."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

import blur_tools
from blur_tools import Detection, Detections, PictureError
from blur_tools.batch.verify import Subject, verify_one
from blur_tools.detections import box_polygon
from blur_tools.picture import load_picture

FOUND = Detections([Detection("plate", box_polygon(4, 4, 20, 12))])
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 64, 5), dtype=np.uint8)


def tiff(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


LOSSES = {
    "further channels": (PIXELS, {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]}, "not copied"),
    "a channel of no meaning": (PIXELS[..., :4], {"photometric": "rgb", "extrasamples": ["unspecified"]}, "not copied"),
    "premultiplied": (PIXELS[..., :4], {"photometric": "rgb", "extrasamples": ["assocalpha"]}, "multiplied"),
    "YCbCr": (PIXELS[..., :3], {"photometric": "ycbcr"}, "YCbCr"),
}
EXACT = {
    "grey": (PIXELS[..., 0], {"photometric": "minisblack"}),
    "white is zero": (PIXELS[..., 0], {"photometric": "miniswhite"}),
    "grey and alpha": (PIXELS[..., :2], {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    "RGB": (PIXELS[..., :3], {"photometric": "rgb"}),
    "planes": (np.moveaxis(PIXELS[..., :3], -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    "RGBA": (PIXELS[..., :4], {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "CMYK": (PIXELS[..., :4], {"photometric": "separated"}),
    "tiles": (PIXELS[..., :3], {"photometric": "rgb", "tile": (16, 16)}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_not_exactly_kept_is_said_by_the_writer_and_by_verify(name):
    pixels, options, said = LOSSES[name]
    original = tiff(pixels, **options)
    result = blur_tools.redact(original, FOUND)
    assert result.method == "reencode"
    assert said in result.warnings[0]
    verdict = verify_one(
        Subject(result.data, original, FOUND.to_json(), result.method), blur_tools.BlurSettings(), None
    )
    assert (verdict.verdict, verdict.outside) == ("doubtful", "recoded")
    assert said in verdict.doubts[0]


@pytest.mark.parametrize("name", EXACT)
def test_what_is_exactly_kept_is_lossless(name):
    pixels, options = EXACT[name]
    original = tiff(pixels, **options)
    result = blur_tools.redact(original, FOUND)
    assert (result.method, result.warnings) == ("lossless", ())
    with Image.open(io.BytesIO(original)) as before, Image.open(io.BytesIO(result.data)) as after:
        assert np.array_equal(np.asarray(before)[20:], np.asarray(after)[20:])


def test_jpeg_strips_are_kept_as_they_are_decoded():
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[..., :3]).save(buffer, "TIFF", compression="jpeg")
    result = blur_tools.redact(buffer.getvalue(), FOUND)
    assert (result.method, result.warnings) == ("lossless", ())


def test_signed_samples_of_8_bits_are_refused():
    with pytest.raises(PictureError, match="samples are signed numbers"):
        load_picture(tiff(PIXELS[..., 0].astype(np.int8), photometric="minisblack"))


@pytest.mark.parametrize(
    ("options", "name", "tag"), [({"rowsperstrip": 8}, "strips", 273), ({"tile": (16, 16)}, "tiles", 324)]
)
def test_a_tiff_that_lacks_parts_is_refused(options, name, tag):
    data = tiff(PIXELS[..., :3], photometric="rgb", **options)
    load_picture(data)
    wanted = {"strips": 4, "tiles": 8}[name]
    entry = struct.pack("<HHI", tag, 16 if struct.pack("<HHI", tag, 16, wanted) in data else 4, wanted)
    assert data.count(entry) == 1
    with pytest.raises(PictureError, match=rf"it has {wanted - 1} of its {wanted} {name}"):
        load_picture(data.replace(entry, entry[:4] + struct.pack("<I", wanted - 1)))


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff cannot be reached within Pillow")
@pytest.mark.parametrize(("compression", "damage"), [("tiff_adobe_deflate", 0), ("tiff_lzw", 255)])
def test_a_damaged_tiff_is_an_error_and_nothing_on_the_stderr_of_the_process(capfd, compression, damage):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[..., :3]).save(buffer, "TIFF", compression=compression)
    data, (strip,) = bytearray(buffer.getvalue()), Image.open(buffer).tag_v2[273]
    data[strip + 4 : strip + 40] = bytes([damage]) * 36
    with pytest.raises(PictureError, match="a broken TIFF file"):
        load_picture(bytes(data))
    assert capfd.readouterr().err == ""

"""Long runs: ``make soak``."""

from __future__ import annotations

import contextlib
import io
import random
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from blur_tools import Detection, PictureError, redact, scan
from blur_tools.detections import box_polygon
from blur_tools.picture import load_picture
from blur_tools.redaction._jpeg_markers import JpegError, read_frame
from blur_tools.redaction.jpeg import redacted_scans
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings

FORMATS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
    "PNG of 16 bits": {},
    "TIFF of 16 bits": {},
    "HEIF": {},
    "AVIF": {"speed": 10},
}
EACH = 4000
SLOW = {"HEIF": 1000, "AVIF": 1000}
"""Of what takes long to code."""


@pytest.mark.soak
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_are_redacted_or_refused(kind: str, noise):
    """A file with random bytes changed, cut or repeated ends in a readable picture or in the one error type."""
    original = plain_file(kind, noise(40, 56))
    detections = [Detection("plate", box_polygon(5, 5, 30, 15)), Detection("face", box_polygon(30, 10, 70, 50))]
    refused = 0
    count = SLOW.get(kind, EACH)
    for seed in range(count):
        data = mutated(original, random.Random(seed))
        if kind.startswith("PNG") and seed % 4:
            data = with_sums(data)  # else nearly all end there
        with contextlib.suppress(PictureError):
            assert isinstance(scan(data), list)
        try:
            result = redact(data, detections, copy_metadata=bool(seed % 2))
        except PictureError:
            refused += 1
            continue
        assert load_picture(result.data).size == load_picture(data).size
        assert not [finding for finding in scan(result.data) if finding.severity == "leak"]
    assert 0 < refused < count


def with_sums(data: bytes) -> bytes:
    """A PNG whose chunks have the right check sums, as far as they can be followed."""
    changed, position = bytearray(data), 8
    while position + 12 <= len(changed):
        stop = position + 8 + int.from_bytes(changed[position : position + 4], "big")
        if stop + 4 > len(changed):
            break
        changed[stop : stop + 4] = zlib.crc32(changed[position + 4 : stop]).to_bytes(4, "big")
        position = stop + 4
    return bytes(changed)


def plain_file(kind: str, pixels: np.ndarray) -> bytes:
    """Whole, with metadata where the format has any."""
    if kind.endswith("of 16 bits"):
        from test_deep import png, tiff

        deep = pixels.astype(np.uint16) * 257
        return png(deep) if kind.startswith("PNG") else tiff(deep, "zlib")
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    options = FORMATS[kind] if kind == "BMP" else FORMATS[kind] | {"exif": exif.tobytes()}
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(pixels)).save(buffer, **options)
    else:
        Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


JPEGS = {
    "4:2:0": ("RGB", {"quality": 90}),
    "4:4:4": ("RGB", {"quality": 95, "subsampling": "4:4:4"}),
    "gray": ("L", {"quality": 90}),
    "CMYK": ("CMYK", {"quality": 80}),
    "RGB": ("RGB", {"quality": 90, "keep_rgb": True}),
    "optimised": ("RGB", {"quality": 85, "optimize": True}),
    "restarts": ("RGB", {"quality": 90, "restart_marker_blocks": 2}),
    "restart rows": ("L", {"quality": 90, "restart_marker_rows": 1}),
    "progressive": ("RGB", {"quality": 90, "progressive": True}),
    "progressive gray": ("L", {"quality": 70, "progressive": True}),
}
MUTATED_JPEGS = 20_000


@pytest.mark.soak
@pytest.mark.parametrize("kind", JPEGS)
def test_mutated_jpegs_are_redacted_or_refused(kind: str, noise):
    """Each through the splice alone, whatever Pillow thinks of it, and through everything."""
    mode, options = JPEGS[kind]
    small = Image.fromarray(noise(9, 11)).resize((75, 53), Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", **options)
    original = buffer.getvalue()
    detections = [Detection("plate", box_polygon(5, 5, 40, 20)), Detection("face", box_polygon(40, 10, 90, 60))]
    written = spliced = 0
    slowest = 0.0
    for seed in range(MUTATED_JPEGS // len(JPEGS)):
        data = mutated(original, random.Random(seed))
        found = detections if seed % 4 else []
        start = time.perf_counter()
        spliced += only_spliced(data, found)
        try:
            result = redact(data, found)
        except PictureError:
            continue
        finally:
            slowest = max(slowest, time.perf_counter() - start)
        written += 1
        assert load_picture(result.data).size == load_picture(data).size
    assert written
    assert slowest < 10


def only_spliced(data: bytes, detections: list[Detection]) -> bool:
    try:
        frame = read_frame(data)
        if frame.size[0] * frame.size[1] > 4_000_000:  # the loader bounds it
            return False
        mode = {1: "L", 3: "RGB", 4: "CMYK"}.get(len(frame.components), "L")
        hidden = regions(detections, BlurSettings(plates=10, faces=10), frame.size)
        redacted_scans(data, Image.new(mode, frame.size), hidden)
    except JpegError:
        return False
    return True


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        # headers matter most, so half of the changes fall there
        position = chance.randrange(min(len(changed), 600) if chance.random() < 0.5 else len(changed))
        changed[position] = chance.randrange(256)
    match chance.randrange(6):
        case 0:
            return bytes(changed[: chance.randrange(1, len(changed))])
        case 1:
            position = chance.randrange(len(changed))
            return bytes(changed[:position] + changed[max(0, position - 40) :])
        case _:
            return bytes(changed)

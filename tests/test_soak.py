"""Long runs: ``make soak``."""

from __future__ import annotations

import io
import random
import time

import numpy as np
import pytest
from PIL import Image

from blur_tools import Detection, PictureError, redact
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
}
EACH = 4000


@pytest.mark.soak
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_are_redacted_or_refused(kind: str, noise):
    """A file with random bytes changed, cut or repeated ends in a readable picture or in the one error type."""
    exif = Image.Exif()
    exif[0x010F] = "maker"
    buffer = io.BytesIO()
    options = FORMATS[kind] if kind == "BMP" else FORMATS[kind] | {"exif": exif}
    Image.fromarray(noise(40, 56)).save(buffer, kind, **options)
    original = buffer.getvalue()
    detections = [Detection("plate", box_polygon(5, 5, 30, 15)), Detection("face", box_polygon(30, 10, 70, 50))]
    refused = 0
    for seed in range(EACH):
        data = mutated(original, random.Random(seed))
        try:
            result = redact(data, detections, copy_metadata=bool(seed % 2))
        except PictureError:
            refused += 1
            continue
        with Image.open(io.BytesIO(result.data)) as image:
            assert np.asarray(image).size > 0
    assert 0 < refused < EACH


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

"""Long runs: ``make soak``."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from blur_tools import Detection, PictureError, redact
from blur_tools.detections import box_polygon

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

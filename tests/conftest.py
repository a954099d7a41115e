"""What several test modules need."""

from __future__ import annotations

import io
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from blur_tools.detections import box_polygon
from blur_tools.detectors import faces, plates
from blur_tools.detectors.tiles import Candidate

# the same examples at every run: what fails on one machine fails on all
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


_STORES, _numbers = tempfile.TemporaryDirectory(prefix="blur_tools-stores-"), itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test finds what another, or a person, has had found in a picture."""
    os.environ["BLUR_TOOLS_STORE"] = os.path.join(_STORES.name, str(next(_numbers)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared pictures; tests that measure on them are skipped where they are not."""
    folder = Path(os.environ.get("BLUR_TOOLS_SHARED") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the shared pictures are not on this machine")
    return folder


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Encode an image or array as a file's bytes: ``encode(pixels, "JPEG", quality=90)``."""

    def encoded(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
        buffer = io.BytesIO()
        if kind == "HEIF":
            pytest.importorskip("pillow_heif").from_pillow(image).save(buffer, **options)
        else:
            image.save(buffer, kind, **options)
        return buffer.getvalue()

    return encoded


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Random pixels: ``noise(height, width, channels)``; every change to them shows."""

    def pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
        shape = (height, width, channels) if channels > 1 else (height, width)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    return pixels


PLATE_FOUND, FACE_FOUND = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)


@pytest.fixture
def networks(monkeypatch) -> list[tuple]:
    """Replace both networks: one plate, one face, in upright pixels; what they were asked is noted."""
    calls: list[tuple] = []

    def find_plates(picture, part, threshold, thorough=False):
        calls.append(("plate", part, threshold))
        return [Candidate(PLATE_FOUND, 0.9)]

    def find_faces(picture, part, threshold, max_resolution=None):
        calls.append(("face", part, threshold, max_resolution))
        return [Candidate(FACE_FOUND, 0.8)]

    monkeypatch.setattr(plates, "find_plates", find_plates)
    monkeypatch.setattr(faces, "find_faces", find_faces)
    return calls

"""Whether a saved notebook shows what should be hidden: every picture in it is compared with the originals."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import laplace
from skimage.feature import match_template

from blur_tools.orientation import box_to_upright
from blur_tools.picture import load_picture
from blur_tools.samples import scenes

__all__ = ["leaks_of", "pictures_in"]

BASE64 = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"II*\0", b"MM\0*", b"BM")
READABLE = 8
"""Pixels of height below which neither a plate nor a face can be made out."""

SAME_SCENE, SAME_OBJECT = 0.8, 0.8
"""Correlations of grey values."""

SHARP = 0.5
"""Share of the original's fine detail at which a region is taken to be visible."""


def pictures_in(notebook: Any) -> Iterator[Image.Image]:
    """Every picture in a notebook: in outputs, in HTML, in the buffers of widgets, wherever base64 can stand."""
    # line breaks in base64 are allowed
    text = json.dumps(notebook).replace("\\n", "")
    for match in BASE64.finditer(text):
        data = base64.b64decode(match.group()[: len(match.group()) // 4 * 4])
        if data.startswith(STARTS):
            yield Image.open(io.BytesIO(data)).convert("RGB")


def leaks_of(notebook: Any) -> list[str]:
    """What of the sample scenes' plates and faces can be seen in a notebook."""
    return [leak for number, image in enumerate(pictures_in(notebook)) for leak in _leaks(number, image)]


@lru_cache(maxsize=1)
def _originals() -> list[tuple[str, Image.Image, list[tuple[str, tuple[float, float, float, float]]]]]:
    found = []
    for scene in scenes():
        picture = load_picture(scene.data)
        width, height = picture.upright_size
        boxes = [(d.kind, box_to_upright(d.box, picture.size, picture.orientation)) for d in scene.truth]
        found.append((scene.name, picture.view((width, height)), boxes))
    return found


def _leaks(number: int, image: Image.Image) -> Iterator[str]:
    grey = np.asarray(image.convert("L"), dtype=float)
    for name, original, boxes in _originals():
        shape = (image.width / image.height) / (original.width / original.height)
        if abs(shape - 1) < 0.05:
            same = np.asarray(original.resize(image.size).convert("L"), dtype=float)
            if _alike(grey, same) > SAME_SCENE:
                scale = image.width / original.width
                for kind, box in boxes:
                    if _is_seen(grey, same, [side * scale for side in box]):
                        yield f"picture {number}, {image.size}: a {kind} of {name}"
                return
    if (np.asarray(image).min(axis=2) > 250).mean() < 0.6:  # not a chart: a part of a scene, or several
        yield from _cut_out(number, grey)


def _is_seen(grey: np.ndarray, same: np.ndarray, box: list[float]) -> bool:
    left, top, right, bottom = (max(0, round(side)) for side in box)
    if bottom - top < READABLE:
        return False
    one, other = grey[top:bottom, left:right], same[top:bottom, left:right]
    detail = np.abs(laplace(one)).mean() / max(np.abs(laplace(other)).mean(), 1e-9)
    return bool(detail > SHARP and _alike(one, other) > 0.6)


def _cut_out(number: int, grey: np.ndarray) -> Iterator[str]:
    for name, original, boxes in _originals():
        for kind, box in boxes:
            for scale in (0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25):
                part = original.crop(tuple(map(round, box)))
                size = (round(part.width * scale), round(part.height * scale))
                if size[1] < READABLE or size[0] >= grey.shape[1] or size[1] >= grey.shape[0]:
                    continue
                template = np.asarray(part.resize(size).convert("L"), dtype=float)
                if match_template(grey, template).max() > SAME_OBJECT:
                    yield f"picture {number}: a {kind} of {name}, cut out"
                    break


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))

"""Rendered plates, and what is none, laid into real scenes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.data import Floats, Pixels
from training.distractors import Distractor

__all__ = ["add_distractor", "between_middles", "boxes_touch", "cover", "erase", "paste", "upright"]


def between_middles(warp: npt.NDArray[np.floating]) -> Floats:
    """The homography for pixel indices: labels count from the picture's edge, OpenCV from the first pixel's middle."""
    to_edge, to_middle = np.eye(3), np.eye(3)
    to_edge[:2, 2], to_middle[:2, 2] = 0.5, -0.5
    return np.float32(to_middle @ warp @ to_edge)


def upright(
    center: Floats, width: float, aspect: float, turn: float, rng: np.random.Generator, wobble: float
) -> Floats:
    """Corners ``(4, 2)`` of a plate seen turned by `turn` radians, each corner off by up to `wobble` heights."""
    height = width / aspect
    half = np.float32([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    cos, sin = np.cos(turn), np.sin(turn)
    turned = half @ np.float32([[cos, sin], [-sin, cos]])
    return np.float32(turned + center + rng.normal(0, 1, (4, 2)) * height * wobble)


def erase(pixels: Pixels, corners: Floats) -> None:
    """Make what stands in the corners' box unreadable, in place, so that a new plate there is the only one."""
    low = np.maximum(corners.min(axis=0), 0).astype(int)
    high = np.maximum(np.ceil(corners.max(axis=0)), 0).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    if part.size:
        part[:] = cv2.GaussianBlur(cv2.blur(part, (31, 31)), (5, 5), 0) // 2


def paste(
    pixels: Pixels, corners: Floats, texture: Pixels, rng: np.random.Generator, mask: Pixels | None = None
) -> None:
    """Lay `texture` over the quadrilateral, in place, mostly in the light of what was there.

    What is behind it shows where `mask`, of the texture's size, is less than 255.
    """
    high, wide = pixels.shape[:2]
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 3, (wide, high))
    if right - left < 3 or bottom - top < 3:
        return
    mask = np.full(texture.shape[:2], 255, np.uint8) if mask is None else _filtered(mask, corners)
    texture = _filtered(texture, corners)
    rows, columns = texture.shape[:2]
    source = np.float32([[0, 0], [columns, 0], [columns, rows], [0, rows]])
    warp = cv2.getPerspectiveTransform(source, np.float32(corners - (left, top)))
    size = int(right - left), int(bottom - top)
    warp = between_middles(warp)
    plate = cv2.warpPerspective(texture, warp, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    seen = cv2.warpPerspective(mask, warp, size)
    share = cv2.GaussianBlur(seen, (3, 3), 0)[:, :, None].astype(np.float32) / 255
    part = pixels[top:bottom, left:right]
    if (covered := seen > 127).any() and rng.random() < 0.7:
        tint = (part[covered].mean(axis=0) + 25) / (plate[covered].mean(axis=0) + 25)
        plate = np.clip(plate * tint ** rng.uniform(0.3, 1), 0, 255)
    part[:] = (part * (1 - share) + plate * share).astype(np.uint8)


def add_distractor(
    pixels: Pixels, plates: Sequence[Floats], what: Distractor, rng: np.random.Generator
) -> Floats | None:
    """Lay something that is no plate near one of the plates, or anywhere, in place.

    Parameters
    ----------
    plates : sequence of array ``(4, 2)``
        Corners in pixels; their boxes stay as they are.

    Returns
    -------
    array (4, 2) or None
        Its corners; None, and nothing is changed, where it would touch a plate or its middle lies outside.
    """
    high, wide = pixels.shape[:2]
    aspect = what.texture.shape[1] / what.texture.shape[0]
    if plates and rng.random() < 0.5:
        near = plates[rng.integers(len(plates))]
        along = near[1] - near[0]
        size, turn = float(np.linalg.norm(along)), float(np.arctan2(along[1], along[0]))
        width = size * rng.uniform(0.3, 1.4)
        center = near.mean(axis=0) + rng.uniform(-1.5, 1.5, 2) * size
    else:
        width, turn = float(np.exp(rng.uniform(np.log(0.03), np.log(0.45)))) * wide, rng.normal(0, 0.12)
        center = rng.uniform(0.02, 0.98, 2) * (wide, high)
    width *= min(1.0, float(np.sqrt(aspect)))  # what is as high as wide is not so wide
    corners = upright(np.float32(center), max(width, 8.0), aspect, turn, rng, 0.05)
    inside = ((center >= 0) & (center < (wide, high))).all()
    if not inside or any(boxes_touch(corners, plate) for plate in plates):
        return None
    paste(pixels, corners, what.texture, rng, what.mask)
    return corners


def boxes_touch(one: Floats, other: Floats) -> bool:
    """Whether the upright boxes around two quadrilaterals ``(4, 2)`` share anything."""
    apart = np.maximum(one.min(axis=0) - other.max(axis=0), other.min(axis=0) - one.max(axis=0))
    return bool((apart < 0).all())


def _filtered(texture: Pixels, corners: Floats) -> Pixels:
    """Shrunk towards the size at which it will be seen, so that it does not alias."""
    edges = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    seen = max(edges[0], edges[2]), max(edges[1], edges[3])
    rows, columns = texture.shape[:2]
    size = min(columns, max(4, int(1.5 * seen[0]))), min(rows, max(3, int(1.5 * seen[1])))
    return cv2.resize(texture, size, interpolation=cv2.INTER_AREA) if size != (columns, rows) else texture


def cover(pixels: Pixels, corners: Floats, rng: np.random.Generator) -> None:
    """Hide a third of the plate at most, in place: a bar, a hand, a tow hitch, another car's edge."""
    along, down = (corners[1] - corners[0]), (corners[3] - corners[0])
    start, share = rng.uniform(-0.1, 0.9), rng.uniform(0.08, 0.3)
    if rng.random() < 0.6:
        first = corners[0] + along * start - down * 0.3
        shape = [first, first + along * share, first + along * share + down * 1.6, first + down * 1.6]
    else:
        first = corners[0] + down * max(start, 0.45) - along * 0.3
        shape = [first, first + along * 1.6, first + along * 1.6 + down * share, first + down * share]
    shade = rng.integers(0, 160) + rng.integers(-20, 20, 3)
    cv2.fillConvexPoly(pixels, np.int32(np.round(shape)), np.clip(shade, 0, 255).tolist())

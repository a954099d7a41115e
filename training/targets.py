"""What the detector is asked for at each cell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from blur_tools.detectors.plates import STRIDE
from training.data import Floats

__all__ = ["Target", "target"]

SMALLEST = (12.0, 6.0)
"""A plate narrower than this, or with less than this as root of its area (pixels), is neither asked for nor denied."""

CORNERS_FROM = 0.4
"""Cells whose wanted score is at least this are asked for corners."""


@dataclass(frozen=True)
class Target:
    """Wanted outputs for a square picture of ``g`` cells a side.

    ``score`` ``(1, g, g)``; ``corners`` ``(8, g, g)`` in pixels from the cell's middle; ``weight`` ``(1, g, g)`` of
    the corners; ``asked`` ``(1, g, g)``, 0 where a cell's score may be anything.
    """

    score: Floats
    corners: Floats
    weight: Floats
    asked: Floats


def target(plates: list[tuple[Floats, float]], side: int, smallest: tuple[float, float] = SMALLEST) -> Target:
    """The target for plates ``(corners, their weight)`` in a picture of `side` pixels: CenterNet's, tilted.

    What weighs nothing may be a plate: it is neither asked for nor denied.
    """
    cells = side // STRIDE
    score, weight = np.zeros((2, cells, cells), np.float32)
    asked, corners = np.ones((cells, cells), np.float32), np.zeros((8, cells, cells), np.float32)
    for quad, trust in plates:
        center = quad.mean(axis=0) / STRIDE - 0.5
        if not trust or not ((center >= -0.5) & (center < cells - 0.5)).all():
            _leave_open(asked, quad)
            continue
        root = float(np.sqrt(max(cv2.contourArea(quad), 1.0)))
        width = float(np.linalg.norm(quad[1] - quad[0] + quad[2] - quad[3]) / 2)
        if width < smallest[0] or root < smallest[1]:
            _leave_open(asked, quad)
            continue
        bump = _bump(quad, center, width, cells)
        column, row = np.clip(np.round(center), 0, cells - 1).astype(int)
        bump[row, column] = 1
        np.maximum(score, bump, out=score)
        near = bump > CORNERS_FROM
        rows, columns = np.nonzero(near)
        middles = (np.stack([columns, rows], axis=1) + 0.5) * STRIDE
        corners[:, rows, columns] = (quad[None] - middles[:, None]).reshape(-1, 8).T
        weight[near] = trust / root / np.sqrt(near.sum())
    return Target(score[None], corners, weight[None], asked[None])


def _leave_open(asked: Floats, quad: Floats) -> None:
    low = np.maximum(quad.min(axis=0) / STRIDE, 0).astype(int)
    high = np.maximum(quad.max(axis=0) / STRIDE + 1, 0).astype(int)
    asked[low[1] : high[1], low[0] : high[0]] = 0


def _bump(quad: Floats, center: Floats, width: float, cells: int) -> Floats:
    """A Gaussian as wide and as tilted as the plate, 1 at its middle."""
    height = float(np.linalg.norm(quad[3] - quad[0] + quad[2] - quad[1]) / 2)
    along = quad[1] - quad[0] + quad[2] - quad[3]
    cos, sin = along / max(float(np.linalg.norm(along)), 1e-3)
    y, x = np.mgrid[:cells, :cells].astype(np.float32) - center[::-1, None, None].astype(np.float32)
    u, v = x * cos + y * sin, y * cos - x * sin
    spread = max(0.55, 0.12 * width / STRIDE), max(0.55, 0.16 * height / STRIDE)
    bump: Floats = np.exp(-((u / spread[0]) ** 2 + (v / spread[1]) ** 2) / 2)
    return bump

"""Parts of a picture that are searched one by one, and how what they found is joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from blur_tools.detections import Box, Polygon

__all__ = ["Candidate", "merge", "slices"]

INSIDE = 0.9
"""A candidate that lies inside a larger one by this share of its area adds no cover."""


@dataclass(frozen=True)
class Candidate:
    """Something that was found: a quadrilateral in upright pixels, and how sure it is (0 to 1, or unknown).

    ``result`` is what a service says of it, with boxes in upright pixels too; None for a network of ours.
    """

    polygon: Polygon
    score: float | None
    result: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def rank(self) -> float:
        """What it is sorted by; what has no score was not doubted."""
        return 1.0 if self.score is None else self.score


def slices(size: tuple[int, int], split: int, overlap: float) -> list[Box]:
    """Side-by-side parts of an upright picture, left to right.

    Parameters
    ----------
    size : (width, height)
        Of the upright picture, in pixels.
    split : int
        How many; 0 and 1 give none.
    overlap : float
        Percent of a slice's width that it shares with the next. The slices have the width ``w`` for which
        ``split`` of them, each shared so, make the picture: ``w * (split - (split - 1) * overlap / 100)``.

    Returns
    -------
    list of (xmin, ymin, xmax, ymax)
        In pixels of the upright picture.
    """
    width, height = size
    if split < 2 or width < split:
        return []
    share = overlap / 100
    one = width / (split - (split - 1) * share)
    starts = [index * one * (1 - share) for index in range(split)]
    return [(start, 0.0, min(start + one, width), float(height)) for start in starts]


def merge(candidates: Iterable[Candidate], iou: float) -> list[Candidate]:
    """Join candidates that are the same object, keeping the larger cover and the higher score.

    Two are the same when their boxes overlap by more than `iou` (intersection over union), or when the smaller
    lies inside the larger: then dropping it uncovers nothing.

    Returns
    -------
    list of Candidate
        By falling score.
    """
    ordered = sorted(candidates, key=lambda candidate: -candidate.rank)
    if len(ordered) < 2:
        return ordered
    corners = np.array([candidate.polygon for candidate in ordered])
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    areas = _areas(corners)
    kept: list[int] = []
    scores = [candidate.score for candidate in ordered]
    # largest first: whatever is dropped later is the smaller of its pair
    for index in sorted(range(len(ordered)), key=lambda i: -areas[i]):
        twin = _twin(boxes, index, kept, iou)
        if twin is None:
            kept.append(index)
        else:
            scores[twin] = max((scores[twin], scores[index]), key=lambda score: 1.0 if score is None else score)
    joined = [replace(ordered[index], score=scores[index]) for index in kept]
    return sorted(joined, key=lambda candidate: -candidate.rank)


def _areas(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Area of each quadrilateral ``(n, 4, 2)``, by the shoelace formula."""
    following = np.roll(corners, -1, axis=1)
    cross = corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]
    areas: npt.NDArray[np.float64] = np.abs(cross.sum(axis=1)) / 2
    return areas


def _twin(boxes: npt.NDArray[np.float64], index: int, kept: list[int], iou: float) -> int | None:
    """The kept candidate that is the same object as `index`, the one that overlaps it most."""
    if not kept:
        return None
    others, own = boxes[kept], boxes[index]
    sides = np.minimum(others[:, 2:], own[2:]) - np.maximum(others[:, :2], own[:2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    own_area = np.prod(own[2:] - own[:2])
    union = np.prod(others[:, 2:] - others[:, :2], axis=1) + own_area - shared
    same = (shared > iou * union) | (shared >= INSIDE * own_area)
    if not same.any():
        return None
    return kept[int(np.argmax(np.where(same, shared, -1)))]

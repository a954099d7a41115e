"""Parts of a picture that are searched one by one, and how what they found is joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from blur_tools.detections import Box, Polygon, box_polygon

__all__ = ["Candidate", "around", "boxes_of", "distinct", "merge", "polygon_of", "slices"]

_Number = TypeVar("_Number", bound=np.floating[Any])

BLUNTEST = 0.2
"""Least sine of the angle between neighbouring edges whose corner is still where they meet."""

INSIDE = 0.9
"""A candidate that lies inside a larger one by this share of its area adds no cover."""

ALIKE = 0.7
"""Boxes that overlap by more (intersection over union) are one object, however sure: joining them widens little."""


@dataclass(frozen=True)
class Candidate:
    """Something that was found: a quadrilateral in upright pixels, and how sure it is (0 to 1, or unknown).

    ``result`` is what a service says of it, with boxes in upright pixels too; None for a network of ours. ``source`` is
    who found it, where that is not who is asked by default.
    """

    polygon: Polygon
    score: float | None
    result: Mapping[str, Any] | None = field(default=None, compare=False)
    source: str = ""

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


def distinct(candidates: Iterable[Candidate], iou: float) -> list[Candidate]:
    """By falling score, without those whose box overlaps a surer one's by more than `iou` (intersection over union)."""
    ordered = sorted(candidates, key=lambda candidate: -candidate.rank)
    if not ordered:
        return []
    boxes = boxes_of(np.array([candidate.polygon for candidate in ordered], np.float64))
    kept: list[int] = []
    for index in range(len(ordered)):
        shared, union = _shared_and_union(boxes, index, kept)
        if not (shared > iou * union).any():
            kept.append(index)
    return [ordered[index] for index in kept]


def merge(candidates: Iterable[Candidate], iou: float, *, hold: bool = False, as_sure: float = 0.0) -> list[Candidate]:
    """Join candidates that are the same object, keeping the larger cover and the higher score.

    Two are the same when their boxes overlap by more than `iou` (intersection over union), or when the smaller
    lies inside the larger: then dropping it uncovers nothing. With `as_sure`, only if the larger is sure enough, or
    they are hardly different.

    Parameters
    ----------
    candidates : iterable of Candidate
        In any order.
    iou : float
        From which two are the same.
    hold : bool
        Let the larger reach around the smaller, so that nothing is uncovered: for those that several searches found.
    as_sure : float
        Least score of the larger one, in those of the smaller: what is hardly anything does not take the place of, and
        widen, what surely is something. Both stay then.

    Returns
    -------
    list of Candidate
        By falling score.
    """
    ordered = sorted(candidates, key=lambda candidate: -candidate.rank)
    if len(ordered) < 2:
        return ordered
    corners = np.array([candidate.polygon for candidate in ordered], np.float64)
    boxes = boxes_of(corners)
    areas, ranks = _areas(corners), np.array([candidate.rank for candidate in ordered])
    twins: dict[int, list[int]] = {}
    # largest first: whatever is dropped later is the smaller of its pair
    for index in sorted(range(len(ordered)), key=lambda i: -areas[i]):
        larger = list(twins)
        sure = ranks[larger] >= as_sure * ranks[index]
        twin = _twin(boxes, index, larger, iou, sure)
        if twin is None:
            twins[index] = []
        else:
            twins[twin].append(index)
    joined = []
    for kept, dropped in twins.items():
        surest = ordered[min([kept, *dropped])]
        polygon = around(corners[kept], corners[dropped].reshape(-1, 2)) if hold and dropped else ordered[kept].polygon
        joined.append(replace(ordered[kept], score=surest.score, polygon=polygon))
    return sorted(joined, key=lambda candidate: -candidate.rank)


def around(quad: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> Polygon:
    """A convex quadrilateral ``(4, 2)``, clockwise, each edge moved outwards until all points ``(n, 2)`` are inside.

    What is no such quadrilateral, or has hardly a corner where edges meet, becomes the upright box around all.
    """
    edges = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(edges, axis=1)
    turns = edges[:, 0] * np.roll(edges, -1, axis=0)[:, 1] - edges[:, 1] * np.roll(edges, -1, axis=0)[:, 0]
    if (turns < BLUNTEST * lengths * np.roll(lengths, -1)).any() or lengths.min() == 0:
        low, high = np.concatenate([quad, points]).min(axis=0), np.concatenate([quad, points]).max(axis=0)
        return box_polygon(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    outwards = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / lengths[:, None]
    beyond = np.maximum(((points[:, None] - quad) * outwards).sum(axis=2).max(axis=0, initial=0), 0)
    levels = (quad * outwards).sum(axis=1) + beyond
    before, here = np.roll(outwards, 1, axis=0), outwards
    moved = np.linalg.solve(np.stack([before, here], axis=1), np.stack([np.roll(levels, 1), levels], axis=1)[..., None])
    return polygon_of(moved[..., 0])


def polygon_of(corners: npt.NDArray[np.floating[Any]]) -> Polygon:
    """Corners ``(4, 2)`` as plain numbers."""
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return a, b, c, d


def boxes_of(corners: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Upright boxes ``(n, 4)`` around quadrilaterals ``(n, 4, 2)``."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _areas(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Area of each quadrilateral ``(n, 4, 2)``, by the shoelace formula."""
    following = np.roll(corners, -1, axis=1)
    cross = corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]
    areas: npt.NDArray[np.float64] = np.abs(cross.sum(axis=1)) / 2
    return areas


def _twin(
    boxes: npt.NDArray[np.float64], index: int, kept: list[int], iou: float, sure: npt.NDArray[np.bool_]
) -> int | None:
    """The kept candidate that is the same object as `index`, the one most like it; `sure` are those that may be."""
    if not kept:
        return None
    shared, union = _shared_and_union(boxes, index, kept)
    like = shared / np.maximum(union, np.finfo(float).tiny)
    same = (like > iou) | (shared >= INSIDE * np.prod(boxes[index, 2:] - boxes[index, :2]))
    same &= sure | (like > ALIKE)
    return kept[int(np.argmax(np.where(same, like, -1)))] if same.any() else None


def _shared_and_union(
    boxes: npt.NDArray[np.float64], index: int, others: list[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Areas that box `index` shares with each of the others, and covers together with it."""
    there, own = boxes[others], boxes[index]
    sides = np.minimum(there[:, 2:], own[2:]) - np.maximum(there[:, :2], own[:2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    return shared, np.prod(there[:, 2:] - there[:, :2], axis=1) + np.prod(own[2:] - own[:2]) - shared

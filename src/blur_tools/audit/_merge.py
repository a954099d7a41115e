"""Whether two detections are the same object: for a second run of an engine, and for two engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from blur_tools.audit._records import Area
from blur_tools.detections import Detection
from blur_tools.outlines import shared_part

__all__ = ["SAME", "area_of", "claimed", "overlapping"]

SAME = 0.5
"""Intersection over union from which two detections are the same object: COCO's lowest."""


def area_of(detection: Detection) -> Area:
    """What is compared of a detection."""
    return detection.kind, detection.box


def claimed(claims: Sequence[Sequence[Detection]], found: Sequence[Detection]) -> set[int]:
    """Which of `found` are objects that are known already.

    Parameters
    ----------
    claims : sequence of sequences of Detection
        For each known object the places where it may be found again. It takes one detection at most: of the same
        kind, with outlines that overlap by `SAME` or more; where several could be meant, those that overlap most.
    found : sequence of Detection
        What an engine says now.
    """
    if not found:
        return set()
    boxes = np.array([item.box for item in found])
    pairs = []
    for claim, places in enumerate(claims):
        for place in places:
            for index in _near(place, boxes):
                part = shared_part(place.polygon, found[index].polygon) if found[index].kind == place.kind else 0.0
                if part >= SAME:
                    pairs.append((-part, claim, index))
    used: set[int] = set()
    taken: set[int] = set()
    for _, claim, index in sorted(pairs):
        if claim not in used and index not in taken:
            used.add(claim)
            taken.add(index)
    return taken


def _near(place: Detection, boxes: npt.NDArray[np.float64]) -> list[int]:
    left, top, right, bottom = place.box
    near = (boxes[:, 0] < right) & (boxes[:, 2] > left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
    return [int(index) for index in np.flatnonzero(near)]


def overlapping(areas: Sequence[Area], others: Iterable[Area]) -> list[bool]:
    """For each of `areas`, whether one of `others` is of the same kind and overlaps it by `SAME` or more."""
    result = np.zeros(len(areas), dtype=bool)
    others = list(others)
    for kind in {kind for kind, _ in areas}:
        mine = [index for index, (other, _) in enumerate(areas) if other == kind]
        theirs = [box for other, box in others if other == kind]
        if theirs:
            result[mine] = _overlap(np.array([areas[index][1] for index in mine]), np.array(theirs))
    return [bool(value) for value in result]


def _overlap(boxes: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    # a row of `boxes` against all `others`, so that memory stays small however many there are
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    same = np.zeros(len(boxes), dtype=bool)
    for index, box in enumerate(boxes):
        sides = np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2])
        shared = np.prod(np.clip(sides, 0, None), axis=1)
        union = areas + np.prod(box[2:] - box[:2]) - shared
        # without an area nothing is hidden, and nothing is the same
        same[index] = bool(((shared > 0) & (shared >= SAME * union)).any())
    return same

"""Whether two detections are the same object; for a second run of an engine, and for two engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from blur_tools.audit._records import Area
from blur_tools.detections import Detection

__all__ = ["SAME", "area_of", "overlapping"]

SAME = 0.5
"""Intersection over union of two upright boxes from which they are the same object: COCO's lowest."""


def area_of(detection: Detection) -> Area:
    """What is compared of a detection."""
    return detection.kind, detection.box


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

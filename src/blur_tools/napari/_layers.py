"""Marks as napari's Shapes layers hold them, and back; plain functions of values.

Plates and faces share one layer. A person who sees a wrong mark clicks it and mends it: with a layer for each kind the
click would do nothing unless that kind's layer happened to be chosen, one selection could not hold both, and what is
drawn next would depend on the layer list instead of on the key that was pressed. The kind is told by colour and by a
word, and either kind can be hidden.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from blur_tools.audit.session import Mark
from blur_tools.detections import Detection, Kind, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.napari._pictures import Shown

__all__ = [
    "COLOURS",
    "FEATURES",
    "NEW",
    "colours",
    "corner_moved",
    "edge_width",
    "facts_of",
    "features_of",
    "four_corners",
    "label_of",
    "layer_values",
    "mended",
    "state_of",
    "text_options",
]

Points = npt.NDArray[np.float64]

FEATURES = ("kind", "score", "text", "source", "keep", "mark", "label")
"""Columns of the layer's table; ``mark`` is the mark's number in the session, `NEW` for what was just drawn."""

NEW = 0

COLOURS = {"plate": "#ff4fd8", "face": "#22d3ee", "doubtful": "#ffd60a", "keep": "#7bd88f"}
"""By state: hidden plate, hidden face, either with a border score, either left visible. Streets have few of these
colours; the label says the same in words, for eyes that cannot tell them apart."""

BORDER_SCORE = 0.5
"""A score below this is shown as doubtful."""

SMALLEST = 1.0
"""Square pixels of the smallest mark: a slip of the mouse draws less."""


def state_of(kind: str, score: float | None, keep: bool) -> str:
    """Which of `COLOURS` a mark has."""
    if keep:
        return "keep"
    return "doubtful" if score is not None and score < BORDER_SCORE else kind


def label_of(detection: Detection) -> str:
    """What is written at a mark: its kind, the plate's text, how sure, and whether it stays visible."""
    parts: list[str] = [detection.kind]
    if detection.text:
        parts.append(detection.text.upper())
    parts.append("drawn" if detection.score is None else f"{detection.score:.2f}")
    return " ".join(parts) + (", kept" if detection.keep else "")


def features_of(marks: Iterable[Mark]) -> pd.DataFrame:
    """The layer's table for marks."""
    rows = [
        (
            mark.detection.kind,
            math.nan if mark.detection.score is None else mark.detection.score,
            mark.detection.text or "",
            mark.detection.source,
            mark.detection.keep,
            mark.id,
            label_of(mark.detection),
        )
        for mark in marks
    ]
    types = {"kind": object, "score": float, "text": object, "source": object, "keep": bool, "mark": int}
    return pd.DataFrame(rows, columns=list(FEATURES)).astype(types | {"label": object})


def layer_values(marks: Sequence[Mark], shown: Shown) -> tuple[list[Points], list[str], pd.DataFrame]:
    """Data, shape types and features of a Shapes layer: plates as polygons, faces as rectangles where they are."""
    points = [shown.to_canvas(mark.detection.polygon) for mark in marks]
    types = [
        "rectangle" if mark.detection.kind == "face" and _is_box(data) else "polygon"
        for mark, data in zip(marks, points, strict=True)
    ]
    return points, types, features_of(marks)


def facts_of(key: str, size: tuple[int, int], turn: int, marks: Sequence[Mark]) -> dict[str, Any]:
    """What a layer of marks must know to be written: which picture, how it lies, and what features cannot hold."""
    return {"key": key, "size": size, "turn": turn, "marks": {mark.id: mark.detection for mark in marks}}


def colours(features: pd.DataFrame, hidden: Iterable[str] = ()) -> npt.NDArray[np.float32]:
    """RGBA of each row's edge; kinds in `hidden` are transparent (napari cannot hide single shapes)."""
    shades = {state: _rgba(text) for state, text in COLOURS.items()}
    unseen = set(hidden)
    rows = np.zeros((len(features), 4), np.float32)
    for number, (kind, score, keep) in enumerate(zip(features.kind, features.score, features.keep, strict=True)):
        if kind not in unseen:
            rows[number] = shades[state_of(kind, None if math.isnan(score) else score, bool(keep))]
    return rows


def edge_width(size: tuple[int, int]) -> float:
    """Width of outlines in pixels, so that they look alike in pictures of any size."""
    return max(1.0, max(size) / 500)


def text_options() -> dict[str, Any]:
    """How labels are written: above the mark."""
    return {"string": "{label}", "size": 9, "color": "white", "anchor": "upper_left", "translation": [-4, 0]}


def four_corners(points: Points, kind: Kind) -> Points:
    """What a person drew as four rows of ``(y, x)``, clockwise from top left; never less than was drawn.

    Four points are taken as they are. More become the smallest rectangle, at any angle, that holds them all; a face
    of more than four becomes its upright box.

    Raises
    ------
    DetectionsError
        It has no area.
    """
    outline = np.unique(np.asarray(points, dtype=np.float64)[:, -2:], axis=0)
    if len(outline) < 3 or not np.isfinite(outline).all():
        raise DetectionsError("a mark needs three corners at least")
    if len(points) == 4:
        corners = np.asarray(points, dtype=np.float64)[:, -2:]
    elif kind == "face":
        corners = _box(outline)
    else:
        corners = _smallest_rectangle(outline)
    corners = _clockwise(corners)
    if abs(_area(corners)) < SMALLEST:
        raise DetectionsError("the mark has no area")
    return corners


def mended(points: Points, kind: Kind) -> Points:
    """A mark that was pulled about: as it is while it has four corners, clockwise, and an area; else `four_corners`.

    The order of its corners is then still its own: the first is the object's top left, however it is turned.
    """
    corners = np.asarray(points, dtype=np.float64)[:, -2:]
    return corners if len(corners) == 4 and _area(corners) >= SMALLEST else four_corners(points, kind)


def corner_moved(before: Points, after: Points) -> Points:
    """A box one of whose corners was pulled is a box again: that corner, and the one opposite."""
    moved = np.flatnonzero(np.abs(before - after).max(axis=1) > 1e-6)
    if len(moved) != 1 or not _is_box(before):
        return after
    corner = int(moved[0])
    return _clockwise(_box(after[[corner, (corner + 2) % 4]]))


def _is_box(points: Points) -> bool:
    return bool(np.allclose(np.sort(points, axis=0), np.sort(_box(points), axis=0), atol=1e-6))


def _box(points: Points) -> Points:
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
    return np.array([(y, x) for x, y in box_polygon(left, top, right, bottom)], dtype=np.float64)


def _area(points: Points) -> float:
    y, x = points.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _clockwise(corners: Points) -> Points:
    """The same corners, clockwise as they are seen, from the one nearest to the top left."""
    y, x = corners.T
    angles = np.arctan2(y - y.mean(), x - x.mean())  # y points down, so growing angles go clockwise
    ordered = corners[np.argsort(angles, kind="stable")]
    return np.roll(ordered, -int(np.argmin(ordered.sum(axis=1))), axis=0)


def _smallest_rectangle(points: Points) -> Points:
    """The rectangle of least area around points: one of its sides lies on a side of their hull (Freeman 1975)."""
    best, least = _box(points), math.inf
    hull = _hull(points)
    for a, b in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        best, least = _better(points, b - a, best, least)
    return best


def _better(points: Points, side: Points, best: Points, least: float) -> tuple[Points, float]:
    length = float(np.hypot(*side))
    if length == 0:
        return best, least
    along = side / length
    axes = np.array([along, (-along[1], along[0])])
    turned = points @ axes.T
    box = _box(turned)
    area = abs(_area(box))
    return (box @ axes, area) if area < least else (best, least)


def _hull(points: Points) -> Points:
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull: Points = points[ConvexHull(points).vertices]
    except QhullError:  # all on a line
        return points
    return hull


def _rgba(text: str) -> tuple[float, float, float, float]:
    red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue, 1.0

"""Where a detection is hidden: its outline, grown, as a mask of just that part of the picture.

A mask is never smaller than its object: every pixel that the grown outline touches is hidden, a soft edge lies outside
it, and a plate is never an ellipse. Outlines are convex (of four corners their hull, so that corners in an odd order
hide no less), which makes the pixels they touch exact: in each row of pixels they are one run, from the leftmost to
the rightmost point of the outline within that row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from blur_tools.detections import Box, Detection, Point, Polygon, box_polygon
from blur_tools.outlines import hull
from blur_tools.settings import BlurSettings

__all__ = ["Region", "grow", "regions"]

Floats = npt.NDArray[np.float64]
PixelBox = tuple[int, int, int, int]

HIDDEN = 255
SPARE = 1.0
"""Pixels that every outline is wider than asked: what is one pixel wide could only be filled with itself."""


@dataclass(frozen=True)
class Region:
    """A part of a picture that is to be hidden.

    Attributes
    ----------
    kind : {"plate", "face"}
        What is there.
    box : (left, top, right, bottom)
        Whole pixels of the stored picture, inside it.
    mask : PIL.Image.Image
        Mode ``L``, of the box's size: 255 hidden, 0 visible, between them the soft edge outside the outline.
    polygon : four (x, y)
        The grown corners, in pixels of the stored picture.
    height : float
        The object's own height in pixels, before growing: what strength is measured in. For a plate the mean
        length of its left and right sides, along which its characters stand.
    """

    kind: str
    box: PixelBox
    mask: Image.Image
    polygon: Polygon
    height: float


def regions(detections: Iterable[Detection], settings: BlurSettings, size: tuple[int, int]) -> list[Region]:
    """What is to be hidden in a picture of stored `size` ``(width, height)``.

    Left out are detections that are kept, whose kind has an intensity below 1, or that lie outside the picture.
    """
    wanted = (d for d in detections if not d.keep and settings.intensity(d.kind) >= 1)
    return [region for d in wanted if (region := _region(d, settings, size)) is not None]


def grow(polygon: Polygon, margin: float) -> Polygon:
    """Grow a polygon about its centre by `margin` of its own size on each side."""
    center_x = sum(x for x, _ in polygon) / len(polygon)
    center_y = sum(y for _, y in polygon) / len(polygon)
    factor = 1 + 2 * margin
    grown = tuple((center_x + (x - center_x) * factor, center_y + (y - center_y) * factor) for x, y in polygon)
    return cast("Polygon", grown)


def _region(detection: Detection, settings: BlurSettings, size: tuple[int, int]) -> Region | None:
    round_shape = detection.kind == "face" and settings.shape != "square"
    corners = grow(_corners(detection, settings.shape), settings.margin_of(detection.kind))
    height = _height(detection)
    # a soft edge wider than the picture cannot be told from one as wide
    soft = min(settings.feather * height, max(size))
    outline: _Outline = _Ellipse(corners) if round_shape else _Convex((*corners, *_own(detection)))
    box = _touched(outline.box, SPARE + 2 * soft, size)
    if box is None:
        return None
    mask = _mask(outline, box, soft)
    return Region(detection.kind, box, mask, corners, height)


def _own(detection: Detection) -> tuple[Point, ...]:
    # a concave polygon grown about its centre does not contain itself
    return detection.polygon if detection.kind == "plate" else ()


def _corners(detection: Detection, shape: str) -> Polygon:
    if detection.kind == "plate":
        return detection.polygon
    xmin, ymin, xmax, ymax = detection.box
    if shape == "ellipse":
        return box_polygon(xmin, ymin, xmax, ymax)
    half = max(xmax - xmin, ymax - ymin) / 2
    center_x, center_y = (xmin + xmax) / 2, (ymin + ymax) / 2
    return box_polygon(center_x - half, center_y - half, center_x + half, center_y + half)


def _height(detection: Detection) -> float:
    if detection.kind == "face":
        xmin, ymin, xmax, ymax = detection.box
        return max(xmax - xmin, ymax - ymin)
    corners = detection.polygon
    return (math.dist(corners[0], corners[3]) + math.dist(corners[1], corners[2])) / 2


def _touched(box: Box, reach: float, size: tuple[int, int]) -> PixelBox | None:
    """The pixels within `reach` of a box, inside the picture; None if there are none."""
    left, top = max(0, math.floor(box[0] - reach)), max(0, math.floor(box[1] - reach))
    # a point on the border between two pixels touches both
    right, bottom = min(size[0], math.floor(box[2] + reach) + 1), min(size[1], math.floor(box[3] + reach) + 1)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _mask(outline: _Outline, box: PixelBox, soft: float) -> Image.Image:
    hard = _filled(outline, SPARE, box)
    if soft < 0.5:
        return hard
    # blurring an outline that was moved outwards leaves the inside whole; `lighter` makes sure of it
    wide = _filled(outline, SPARE + soft, box)
    return ImageChops.lighter(hard, wide.filter(ImageFilter.GaussianBlur(soft / 2)))


def _filled(outline: _Outline, by: float, box: PixelBox) -> Image.Image:
    """What an outline that is `by` pixels further out touches."""
    left, top, right, bottom = box
    low, high = outline.runs(np.arange(top, bottom, dtype=np.float64), by)
    # of each row the first pixel and the one behind the last; a row that the outline misses has none
    small = np.min_scalar_type(right - left)  # compared in a fraction of the time that other numbers take
    first = (np.clip(np.floor(low), left, right) - left).astype(small)
    behind = (np.clip(np.floor(high) + 1, left, right) - left).astype(small)
    columns = np.arange(right - left, dtype=small)
    inside = columns >= first[:, None]
    inside &= columns < behind[:, None]
    return Image.fromarray(inside.view(np.uint8) * np.uint8(HIDDEN))


class _Outline(Protocol):
    """A shape that each row of pixels meets in one run.

    Attributes
    ----------
    box : (xmin, ymin, xmax, ymax)
        Around it.
    """

    box: Box

    def runs(self, rows: Floats, by: float) -> tuple[Floats, Floats]:
        """Its leftmost and rightmost x in each row of pixels ``[y, y + 1]``; inf, -inf for none.

        It is `by` pixels larger than it is, to every side.
        """


class _Convex:
    """The convex hull of points, as its left and its right side, each from the top down."""

    def __init__(self, points: Iterable[Point]) -> None:
        # turned over, so that the hull begins at its top; sides that are level but for a last bit have no slope
        corners = hull((round(y, 6), x) for x, y in points)
        lowest = corners.index(max(corners))
        left, right = corners[: lowest + 1], (corners[0], *corners[:lowest:-1], corners[lowest])
        # a level side above or below belongs to one of them alone
        left = left[:-1] if left[-2:-1] and left[-2][0] == left[-1][0] else left
        right = right[1:] if right[0][0] == right[1][0] else right
        (self._left_y, self._left_x), (self._right_y, self._right_x) = zip(*left, strict=True), zip(*right, strict=True)
        self.box = min(self._left_x), corners[0][0], max(self._right_x), corners[lowest][0]

    def runs(self, rows: Floats, by: float) -> tuple[Floats, Floats]:
        """See `_Outline`; a square of `by` to each side, moved along the outline, makes it larger."""
        top, bottom = rows - by, rows + (1 + by)
        # each side is furthest out at one of its corners, and comes in from there
        leftmost = self._left_y[self._left_x.index(self.box[0])]
        rightmost = self._right_y[self._right_x.index(self.box[2])]
        low = np.interp(np.clip(leftmost, top, bottom), self._left_y, self._left_x) - by
        high = np.interp(np.clip(rightmost, top, bottom), self._right_y, self._right_x) + by
        missed = (bottom < self.box[1]) | (top > self.box[3])
        low[missed], high[missed] = np.inf, -np.inf
        return low, high


class _Ellipse:
    """The ellipse in an upright rectangle."""

    def __init__(self, corners: Polygon) -> None:
        self.box = (*corners[0], *corners[2])

    def runs(self, rows: Floats, by: float) -> tuple[Floats, Floats]:
        """See `_Outline`; it is widest where a row comes nearest to its centre."""
        left, top, right, bottom = self.box
        center_x, center_y = (left + right) / 2, (top + bottom) / 2
        half_width, half_height = max((right - left) / 2 + by, 0.5), max((bottom - top) / 2 + by, 0.5)
        away = np.maximum(0, np.maximum(rows - center_y, center_y - rows - 1)) / half_height
        half = half_width * np.sqrt(np.clip(1 - away**2, 0, None))
        return np.where(away <= 1, center_x - half, np.inf), np.where(away <= 1, center_x + half, -np.inf)

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
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from blur_tools.detections import Detection, Point, Polygon, box_polygon
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
    outline = _widened((*corners, *_own(detection)), SPARE, round_shape)
    box = _touched(outline, 2 * soft, size)
    if box is None:
        return None
    mask = _mask(outline, box, round_shape, soft)
    return Region(detection.kind, box, mask, corners, height)


def _widened(points: Iterable[Point], by: float, round_shape: bool) -> tuple[Point, ...]:
    """An outline `by` pixels further out: a convex one, or the box of an ellipse."""
    if not round_shape:
        points = hull(points)  # the fewer
    moved = [(x + dx, y + dy) for x, y in points for dx in (-by, by) for dy in (-by, by)]
    if not round_shape:
        return hull(moved)
    xs, ys = zip(*moved, strict=True)
    return box_polygon(min(xs), min(ys), max(xs), max(ys))


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


def _touched(outline: Iterable[Point], reach: float, size: tuple[int, int]) -> PixelBox | None:
    """The pixels within `reach` of an outline's box, inside the picture; None if there are none."""
    xs, ys = zip(*outline, strict=True)
    left, top = max(0, math.floor(min(xs) - reach)), max(0, math.floor(min(ys) - reach))
    # a point on the border between two pixels touches both
    right, bottom = min(size[0], math.floor(max(xs) + reach) + 1), min(size[1], math.floor(max(ys) + reach) + 1)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _mask(outline: tuple[Point, ...], box: PixelBox, round_shape: bool, soft: float) -> Image.Image:
    hard = _filled(outline, box, round_shape)
    if soft < 0.5:
        return hard
    # blurring an outline that was moved outwards leaves the inside whole; `lighter` makes sure of it
    wide = _filled(_widened(outline, soft, round_shape), box, round_shape)
    return ImageChops.lighter(hard, wide.filter(ImageFilter.GaussianBlur(soft / 2)))


def _filled(outline: tuple[Point, ...], box: PixelBox, round_shape: bool) -> Image.Image:
    left, top, right, bottom = box
    rows = np.arange(top, bottom, dtype=np.float64)
    low, high = _ellipse_runs(outline, rows) if round_shape else _hull_runs(outline, rows)
    # of each row the first pixel and the one behind the last; a row that the outline misses has none
    small = np.min_scalar_type(right - left)  # compared in a fraction of the time that other numbers take
    first = (np.clip(np.floor(low), left, right) - left).astype(small)
    behind = (np.clip(np.floor(high) + 1, left, right) - left).astype(small)
    columns = np.arange(right - left, dtype=small)
    inside = columns >= first[:, None]
    inside &= columns < behind[:, None]
    return Image.fromarray(inside.view(np.uint8) * np.uint8(HIDDEN))


def _hull_runs(outline: tuple[Point, ...], rows: Floats) -> tuple[Floats, Floats]:
    """Leftmost and rightmost x of a convex outline within each row of pixels ``[y, y + 1]``; inf, -inf for none."""
    # all edges at once, each from its upper end to its lower one
    edges = np.array([sorted(edge, key=_height_of) for edge in zip(outline, (*outline[1:], outline[0]), strict=True)])
    (x0, y0), (x1, y1) = edges.transpose(1, 2, 0)[..., None]
    level = y0 == y1
    slope = (x1 - x0) / np.where(level, np.inf, y1 - y0)
    # where an edge enters the row and leaves it, or the ends of one that lies in it
    enters = x0 + (np.maximum(rows, y0) - y0) * slope
    leaves = np.where(level, x1, x0 + (np.minimum(rows + 1, y1) - y0) * slope)
    meets = (rows <= y1) & (rows + 1 >= y0)
    low = np.where(meets, np.minimum(enters, leaves), np.inf).min(axis=0)
    return low, np.where(meets, np.maximum(enters, leaves), -np.inf).max(axis=0)


def _height_of(point: Point) -> float:
    return point[1]


def _ellipse_runs(corners: tuple[Point, ...], rows: Floats) -> tuple[Floats, Floats]:
    """The same for the ellipse in an upright box: it is widest where a row comes nearest to its centre."""
    (left, top), (right, bottom) = corners[0], corners[2]
    center_x, center_y = (left + right) / 2, (top + bottom) / 2
    half_width, half_height = max((right - left) / 2, 0.5), max((bottom - top) / 2, 0.5)
    away = np.maximum(0, np.maximum(rows - center_y, center_y - rows - 1)) / half_height
    half = half_width * np.sqrt(np.clip(1 - away**2, 0, None))
    return np.where(away <= 1, center_x - half, np.inf), np.where(away <= 1, center_x + half, -np.inf)

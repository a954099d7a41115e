"""Where a detection is hidden: its polygon or ellipse, grown, as a mask of just that part of the picture.

A mask is never smaller than its object: every pixel that the grown shape touches is hidden, a soft edge lies
outside it, and a plate is never an ellipse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from blur_tools.detections import Detection, Polygon, box_polygon
from blur_tools.settings import BlurSettings

__all__ = ["Region", "grow", "regions"]

HIDDEN = 255
FAR = 1 << 20
"""Coordinates further out than this, in pixels, are pulled in: the drawing code counts in 32 bits."""


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
        Mode ``L``, of the box's size: 255 hidden, 0 visible, between them the soft edge outside the shape.
    polygon : four (x, y)
        The grown outline, in pixels of the stored picture.
    height : float
        The object's own height in pixels, before growing: what strength is measured in. For a plate the mean
        length of its left and right sides, along which its characters stand.
    """

    kind: str
    box: tuple[int, int, int, int]
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
    grown = [(center_x + (x - center_x) * factor, center_y + (y - center_y) * factor) for x, y in polygon]
    return cast("Polygon", tuple((_near(x), _near(y)) for x, y in grown))


def _near(value: float) -> float:
    return max(-FAR, min(FAR, value))


def _region(detection: Detection, settings: BlurSettings, size: tuple[int, int]) -> Region | None:
    round_shape = detection.kind == "face" and settings.shape != "square"
    outline = grow(_outline(detection, settings.shape), settings.margin_of(detection.kind))
    height = _height(detection)
    soft = settings.feather * height
    xs, ys = zip(*outline, strict=True)
    # one pixel more on each side, for the pixels that the outline only touches
    reach = 1 + 2 * soft
    left, top = max(0, math.floor(min(xs) - reach)), max(0, math.floor(min(ys) - reach))
    right, bottom = min(size[0], math.ceil(max(xs) + reach)), min(size[1], math.ceil(max(ys) + reach))
    if left >= right or top >= bottom:
        return None
    mask = _mask(outline, (left, top, right, bottom), round_shape, soft)
    return Region(detection.kind, (left, top, right, bottom), mask, outline, height)


def _outline(detection: Detection, shape: str) -> Polygon:
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


def _mask(outline: Polygon, box: tuple[int, int, int, int], round_shape: bool, soft: float) -> Image.Image:
    hard = _drawn(outline, box, round_shape).filter(ImageFilter.MaxFilter(3))
    if soft < 0.5:
        return hard
    # blurring an outline that was moved outwards leaves the inside whole; `lighter` makes sure of it
    center_x, center_y = sum(x for x, _ in outline) / 4, sum(y for _, y in outline) / 4
    moved = [(x + math.copysign(soft, x - center_x), y + math.copysign(soft, y - center_y)) for x, y in outline]
    wide = _drawn(cast("Polygon", tuple(moved)), box, round_shape)
    return ImageChops.lighter(hard, wide.filter(ImageFilter.GaussianBlur(soft / 2)))


def _drawn(outline: Polygon, box: tuple[int, int, int, int], round_shape: bool) -> Image.Image:
    left, top, right, bottom = box
    mask = Image.new("L", (right - left, bottom - top))
    # pixel i covers [i, i + 1) here, and is the point i for the drawing code
    points = [(x - left - 0.5, y - top - 0.5) for x, y in outline]
    if round_shape:
        ImageDraw.Draw(mask).ellipse([points[0], points[2]], fill=HIDDEN, outline=HIDDEN)
    else:
        ImageDraw.Draw(mask).polygon(points, fill=HIDDEN, outline=HIDDEN)
    return mask

"""Tilted quadrilaterals for plates of which only the upright box is known.

Our own plate network looks at the box and its surroundings, at several turns. What it sees says how the plate is
tilted and, independently of the box, how far it reaches; the result is the parallelogram of that tilt around both.

Measured, with the finding network's predecessor, on 857 views of 73 plates whose corners are known (our scenes and
pictures of `eval/`, turned by up to 35 or sheared by up to 25 degrees; chosen on 1,251 others, the scenes at other
angles among them), margin 0.15, the box exact / each side off by up to 10 %. The box covers all of every plate and
hides 2.23 / 2.23 times its area beside it; the outline around both covers 99 % of 99.3 / 98.8 % of the plates, 90 % of
all, and hides 1.07 / 1.18. The network's corners alone cover 99 % of 84.7 / 85.0 % only; these stretched to the box, of
96.4 / 77.8 %; the least rectangle around what is as bright as the middle, of 82.8 / 83.2 %.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.detections import Box, Polygon, box_polygon
from blur_tools.detectors._network import PADDING, interleaved
from blur_tools.detectors.plates import NETWORK, decode
from blur_tools.detectors.tiles import polygon_of
from blur_tools.picture import Picture

__all__ = ["quadrilateral"]

Points = npt.NDArray[np.float64]

SIZE = 128
"""Diagonal in pixels at which the network sees the box: 96 hides more, 160 costs more and covers no better."""

FIELD = 192
"""Side in pixels of the square that it sees, the box in its middle; 224 and 256 make no difference."""

TURNS = (0, -20, 20, -40, 40)
"""Degrees by which the field is turned upright: most plates that it was trained on are tilted by 7 (one sigma)."""

SPARE_TURN = 7
"""Degrees that a turn may be beyond the steepest tilt that a box of its shape can hold."""

SPARE_HEIGHT = 0.05
"""What is added to a plate's height: on a long plate it is the first to fall short when the tilt is a little off."""

# least overlap with the given box, least score, shortest side in pixels of a box that is looked into
LEAST_IOU, LEAST_SCORE, SMALLEST = 0.5, 0.3, 4


def quadrilateral(picture: Picture, box: Box) -> Polygon:
    """The tilted outline of a plate.

    Parameters
    ----------
    picture : Picture
        Where the plate is.
    box : (xmin, ymin, xmax, ymax)
        The plate's upright box as another detector gives it, in pixels of the upright picture; it may stick out.

    Returns
    -------
    four (x, y)
        A parallelogram, clockwise from the plate's own top left, in pixels of the upright picture; the box itself
        where the network finds no plate in it, or no outline that is smaller.
    """
    kept = box_polygon(*box)
    width, height = box[2] - box[0], box[3] - box[1]
    if not (min(width, height) >= SMALLEST and max(width, height) < math.inf):
        return kept
    seen = _seen(picture, box)
    if seen is None:
        return kept
    outline = _around(_stretched(seen, np.array(box)), seen)
    if outline is None or abs(np.linalg.det(outline[1:3] - outline[0])) >= width * height:
        return kept
    return polygon_of(outline)


def _seen(picture: Picture, box: Box) -> Points | None:
    """The plate's corners ``(4, 2)`` as the network sees them, in upright pixels; None if it sees none."""
    width, height = box[2] - box[0], box[3] - box[1]
    center, scale = np.array([box[0] + box[2], box[1] + box[3]]) / 2, SIZE / math.hypot(width, height)
    field = _field(picture, center, scale)
    if field is None:
        return None
    steepest = math.degrees(math.atan2(height, width)) + SPARE_TURN
    turns = [turn for turn in TURNS if abs(turn) <= steepest]
    grey = (PADDING,) * 3
    turned = [field.rotate(turn, Image.Resampling.BILINEAR, fillcolor=grey) for turn in turns]
    heat, offsets = NETWORK.run(np.concatenate([interleaved(image, FIELD, FIELD) for image in turned]))
    best, most = None, 0.0
    for index, turn in enumerate(turns):
        one = slice(index, index + 1)
        for corners, score in zip(*decode([heat[one], offsets[one]], LEAST_SCORE), strict=True):
            quad = _turned_back(corners.astype(np.float64) - FIELD / 2, turn) / scale + center
            iou = _iou(_bounds(quad), np.array(box))
            if iou >= LEAST_IOU and iou * score > most:
                best, most = quad, iou * float(score)
    return best


def _field(picture: Picture, center: Points, scale: float) -> Image.Image | None:
    """What lies around `center` (upright pixels), `scale` network pixels a pixel; None if it is no picture."""
    size = np.array(picture.upright_size)
    # whole network pixels, so that the part that is inside lies where it should to a fraction of one
    start = np.maximum(0, np.round(FIELD / 2 - center * scale))
    end = np.minimum(FIELD, np.round(FIELD / 2 + (size - center) * scale))
    if (end - start).min() < 1:
        return None
    part = (np.concatenate([start, end]) - FIELD / 2) / scale + np.tile(center, 2)
    left, top, right, bottom = np.clip(part, 0, np.tile(size, 2)).tolist()
    columns, rows = (end - start).astype(int).tolist()
    field = Image.new("RGB", (FIELD, FIELD), (PADDING,) * 3)
    field.paste(picture.view((columns, rows), (left, top, right, bottom)), (int(start[0]), int(start[1])))
    return field


def _turned_back(points: Points, turn: int) -> Points:
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _stretched(quad: Points, box: Points) -> Points:
    """The quadrilateral, each axis stretched so that `box` is its box."""
    own = _bounds(quad)
    return (quad - own[:2]) / (own[2:] - own[:2]) * (box[2:] - box[:2]) + box[:2]


def _around(fitted: Points, seen: Points) -> Points | None:
    """The parallelogram around both, with the tilt of the first; None where that is no shape of a plate."""
    falling, rising = fitted[2] - fitted[0], fitted[1] - fitted[3]  # the diagonals
    axes = np.stack([falling + rising, falling - rising])  # along the plate, and down
    if np.linalg.det(axes) <= 0:
        return None
    left, top, right, bottom = _bounds(np.concatenate([fitted, seen]) @ np.linalg.inv(axes))
    spare = (bottom - top) * SPARE_HEIGHT / 2
    outline: Points = np.array(box_polygon(left, top - spare, right, bottom + spare)) @ axes
    return outline


def _bounds(points: Points) -> Points:
    """The box ``(xmin, ymin, xmax, ymax)`` around points ``(n, 2)``."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _iou(one: Points, other: Points) -> float:
    """Intersection over union of two boxes."""
    shared = np.prod(np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None))
    union = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    return float(shared / union) if union > 0 else 0.0

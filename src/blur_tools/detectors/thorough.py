"""Searching a picture several times over, so that as little as possible is missed: in parts, and in the mirror."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product

from blur_tools._stop import proceed
from blur_tools.detections import Box
from blur_tools.detectors.tiles import Candidate
from blur_tools.picture import Picture

__all__ = ["in_the_mirror", "tiles"]

SEEN_WHOLE = 1280
"""Longest side in pixels up to which the networks see a whole picture as large as it is."""

TILE = 960
"""Least side in pixels of a tile."""

PARTS = 4
"""A tile is at least this part of the longest side, which makes five of them along it: with the camera, they grow."""

SHARED = 0.25
"""Least part of a tile that it shares with the next: what is cut by one is whole in another."""


def tiles(size: tuple[int, int]) -> list[Box]:
    """Overlapping parts of an upright picture of this ``(width, height)``, in its pixels; none of a small picture."""
    if max(size) <= SEEN_WHOLE:
        return []
    side = max(TILE, max(size) / PARTS)
    columns, rows = (_starts(length, side) for length in size)
    return [(x, y, min(x + side, size[0]), min(y + side, size[1])) for y, x in product(rows, columns)]


def _starts(length: float, side: float) -> list[float]:
    if length <= side:
        return [0.0]
    count = 1 + math.ceil((length - side) / (side * (1 - SHARED)))
    return [index * (length - side) / (count - 1) for index in range(count)]


def in_the_mirror(
    picture: Picture, parts: list[Box], find: Callable[[Picture, Box], list[Candidate]]
) -> list[Candidate]:
    """What `find` finds in the mirror image of each part, as it lies in the picture.

    Parameters
    ----------
    parts : list of (xmin, ymin, xmax, ymax)
        In pixels of the upright picture.
    """
    width, _ = picture.upright_size
    # an orientation and its mirror image are neighbours: 1 and 2, 3 and 4, 5 and 6, 7 and 8
    mirror = replace(picture, orientation=((picture.orientation - 1) ^ 1) + 1)
    found: list[Candidate] = []
    for part in parts:
        proceed()
        found += find(mirror, _mirrored_box(part, width))
    return [_mirrored(item, width) for item in found]


def _mirrored(item: Candidate, width: int) -> Candidate:
    # clockwise again, and from the top left
    b, a, d, c = ((width - x, y) for x, y in item.polygon)
    return replace(item, polygon=(a, b, c, d))


def _mirrored_box(box: Box, width: int) -> Box:
    return width - box[2], box[1], width - box[0], box[3]

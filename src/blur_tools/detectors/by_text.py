"""Plates by what stands on them: a second opinion for a thorough search, by the networks of `reading`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from blur_tools._stop import proceed
from blur_tools.detections import Box
from blur_tools.detectors.plates import SAME_PLATE_IOU
from blur_tools.detectors.reading import Line, lines_of, read_plate, reader
from blur_tools.detectors.tiles import Candidate, merge, polygon_of
from blur_tools.orientation import polygon_to_stored
from blur_tools.picture import Picture

__all__ = ["elsewhere", "plates_by_text"]

LONG_SIDE = 1280
MULTIPLE = 32

SHORTEST, LONGEST, DIGITS = 4, 10, 2
"""Characters of a plate, and how many of them are digits at least."""

SURE = 0.9
"""Least score of a reading: surer words are seldom misread ornaments."""

MOST_READ = 60
"""Lines and pairs of lines that are read in one part of a picture, the longest of a plate's proportions first."""

NARROWEST, FLATTEST = 1.2, 8.0
"""Width by height of what stands on plates, from two short lines to one long."""

ACROSS, DOWN = 1.12, 1.45
"""How much wider and higher than its text a plate is."""


def plates_by_text(picture: Picture, part: Box) -> list[Candidate]:
    """Where something is written that could be a plate's number; the score is how sure the reading is.

    Parameters
    ----------
    picture : Picture
        Where to look.
    part : (xmin, ymin, xmax, ymax)
        Which part of it, in pixels of the upright picture.

    Raises
    ------
    ExtraMissingError
        What reads is not installed.
    """
    width, height = part[2] - part[0], part[3] - part[1]
    scale = min(1.0, LONG_SIDE / max(width, height))
    columns, rows = (MULTIPLE * max(1, round(length * scale / MULTIPLE)) for length in (width, height))
    zoom = np.array([width / columns, height / rows])
    found = []
    for quad in _places(lines_of(picture.view((columns, rows), part))):
        proceed()
        polygon = polygon_of(quad * zoom + np.array(part[:2]))
        reading = read_plate(picture, polygon_to_stored(polygon, picture.size, picture.orientation))
        if reading and reading.score >= SURE and _is_number(reading.text):
            found.append(Candidate(polygon, reading.score, source=f"local:text@{reader()}"))
    # a line of a plate and both its lines are read, too
    return merge(found, SAME_PLATE_IOU, hold=True)


def elsewhere(seen: list[Candidate], found: list[Candidate]) -> list[Candidate]:
    """Those whose middle lies in no box of what is found already: text is a part of its plate."""
    boxes = [(np.min(item.polygon, axis=0), np.max(item.polygon, axis=0)) for item in found]
    middles = [np.mean(item.polygon, axis=0) for item in seen]
    return [
        item
        for item, middle in zip(seen, middles, strict=True)
        if not any((low <= middle).all() and (middle <= high).all() for low, high in boxes)
    ]


def _is_number(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and sum(char.isdigit() for char in text) >= DIGITS


def _places(lines: list[Line]) -> Iterator[npt.NDArray[np.float64]]:
    """Where a plate would be around each line, and around each two that lie below one another."""
    pairs = [_joined(one, other) for one, other in combinations(lines, 2) if _belong_together(one, other)]
    for line in sorted([*lines, *pairs], key=lambda line: (_is_out_of_shape(line), -line.width))[:MOST_READ]:
        half = np.array([line.width * ACROSS, line.height * DOWN]) / 2
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        corners[:, 1] += corners[:, 0] * line.slope
        yield corners + np.array([line.x, line.y])


def _is_out_of_shape(line: Line) -> bool:
    return not NARROWEST * line.height <= line.width <= FLATTEST * line.height


def _belong_together(one: Line, other: Line) -> bool:
    apart = abs(one.y - other.y)
    near = abs(one.x - other.x) < max(one.width, other.width) / 3
    return near and max(one.height, other.height) * 0.6 < apart < (one.height + other.height)


def _joined(one: Line, other: Line) -> Line:
    left = min(line.x - line.width / 2 for line in (one, other))
    right = max(line.x + line.width / 2 for line in (one, other))
    top = min(line.y - line.height / 2 for line in (one, other))
    bottom = max(line.y + line.height / 2 for line in (one, other))
    slope = (one.slope + other.slope) / 2
    return Line((left + right) / 2, (top + bottom) / 2, right - left, bottom - top, slope)

"""Plates by our own networks: one finds them, a second looks at each find again and gives its four corners."""

from __future__ import annotations

import math

import numpy as np

from blur_tools.detections import Box
from blur_tools.detectors import check
from blur_tools.detectors._network import PADDING, Floats, Network, interleaved
from blur_tools.detectors.tiles import Candidate, distinct, merge, polygon_of
from blur_tools.picture import Picture

__all__ = ["MULTIPLE", "NETWORK", "STRIDE", "decode", "find_plates", "join_plates", "version"]

NETWORK = Network("plate-quad-2.onnx", "cd2b88140fda3137375e521d83739154dc9c67a7aecb1fc8a9099decf8b35027")

SMALL_SIDE, LARGE_SIDES, THOROUGH_SIDES = 640, (480, 960), (480, 800, 1280)
"""Longest sides in pixels at which the network sees a part of a picture.

`SMALL_SIDE`, or each of `LARGE_SIDES` where the part has at least their largest: neither enlarges it. `THOROUGH_SIDES`
in a thorough search, up to `MOST_ENLARGED` times the part's own.
"""

MOST_ENLARGED = 2
"""How much larger than it is a thorough search looks at a small picture."""

STRIDE = 8
MULTIPLE = 32
SAME_PLATE_IOU = 0.4

AS_SURE = 0.5
"""A find takes the place of a smaller one only if it is at least half as sure.

Else what is hardly a plate would widen the outline of what surely is one, the more the lower the threshold. On the
training pictures kept out 0.3 to 0.7 do about the same: at the lowest thresholds 0.976 of one set's plates have an
outline that is half right, 0.972 without; with the check before this one, 0.972 and 0.962.
"""

SAME_FIND_IOU = 0.6
"""Boxes of finds that overlap more (intersection over union) are checked as one, the surest of them."""

LOOKS, THOROUGH_LOOKS = (check.REACH, check.REACH), (check.REACH, check.WIDE_REACH)
"""How far each look at a find reaches beyond what it sees: the second begins with the corners of the first."""

CAUTION = 1.25
"""Power of what both networks say together that is the score: 0.25, the customary threshold, is then 0.33 of it. On the
training pictures kept out (which the weights that the finding network began with have seen), 0.33 costs 8 of 473 plates
against 0.2, and saves 36 of 91 false alarms."""

BATCH = 40
"""Finds that are looked at in one run of the check: its memory does not grow with the number of plates."""


def version() -> str:
    """Name of the finding network, and the first digits of both networks' hashes: an answer depends on both."""
    return f"{NETWORK.version}+{check.NETWORK.digits}"


def find_plates(picture: Picture, part: Box, threshold: float, thorough: bool = False) -> list[Candidate]:
    """Plates in one part of a picture.

    Parameters
    ----------
    picture : Picture
        Where to look.
    part : (xmin, ymin, xmax, ymax)
        Which part of it, in pixels of the upright picture.
    threshold : float
        Lowest score that counts.
    thorough : bool
        Look at more sizes of it, larger than it is among them, and draw outlines wider.

    Returns
    -------
    list of Candidate
        Quadrilaterals clockwise from the plate's top left, in pixels of the upright picture.
    """
    width, height = part[2] - part[0], part[3] - part[1]
    longest = max(width, height)
    if thorough:
        sides = tuple(sorted({min(side, MOST_ENLARGED * longest) for side in THOROUGH_SIDES}))
    else:
        sides = LARGE_SIDES if longest >= max(LARGE_SIDES) else (min(SMALL_SIDE, longest),)
    lowest = threshold ** (1 / CAUTION)
    found = distinct([find for side in sides for find in _search(picture, part, side, lowest)], SAME_FIND_IOU)
    batches = [found[start : start + BATCH] for start in range(0, len(found), BATCH)]
    looks = THOROUGH_LOOKS if thorough else LOOKS
    return join_plates([one for batch in batches for one in _confirmed(picture, batch, lowest, looks)])


def join_plates(found: list[Candidate]) -> list[Candidate]:
    """What several searches found, joined; nothing that one of them covers is uncovered.

    A plate may stay with two outlines: a sure one, and a much larger one that is less than half as sure.

    Parameters
    ----------
    found : list of Candidate
        With scores of these networks, in pixels of the upright picture.
    """
    return merge(found, SAME_PLATE_IOU, hold=True, as_sure=AS_SURE)


def _confirmed(
    picture: Picture, finds: list[Candidate], lowest: float, looks: tuple[tuple[float, float], ...]
) -> list[Candidate]:
    """Those finds of which both networks say at least `lowest` together, with the corners of the last look."""
    for reach in looks:
        finds = [find for find in check.checked(picture, finds, reach) if find.rank >= lowest]
    return [Candidate(find.polygon, find.rank**CAUTION) for find in finds]


def _search(picture: Picture, part: Box, side: float, threshold: float) -> list[Candidate]:
    left, top, right, bottom = part
    width, height = right - left, bottom - top
    scale = side / max(width, height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    view = picture.view((columns, rows), part)
    pixels = interleaved(view, _padded(rows), _padded(columns), padding=PADDING)
    corners, scores = decode(NETWORK.run(pixels), threshold)
    corners = corners * np.array([width / columns, height / rows], np.float32) + np.array([left, top], np.float32)
    return [Candidate(polygon_of(quad), float(score)) for quad, score in zip(corners, scores, strict=True)]


def _padded(length: int) -> int:
    return math.ceil(length / MULTIPLE) * MULTIPLE


def decode(outputs: list[Floats], threshold: float) -> tuple[Floats, Floats]:
    """Corners ``(n, 4, 2)`` in network pixels and scores ``(n,)``: one plate for each local maximum."""
    heat, offsets = outputs[0][0, 0], outputs[1][0]
    rows, columns = np.nonzero((heat >= _neighbourhood_maximum(heat)) & (heat >= threshold))
    centers = (np.stack([columns, rows], axis=1)[:, None] + 0.5) * STRIDE
    corners = offsets[:, rows, columns].T.reshape(-1, 4, 2) + centers
    return corners.astype(np.float32), heat[rows, columns]


def _neighbourhood_maximum(heat: Floats) -> Floats:
    """Maximum over each cell's 3 x 3 neighbourhood."""
    padded = np.pad(heat, 1, constant_values=-np.inf)
    rows, columns = heat.shape
    shifted = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    maximum: Floats = np.maximum.reduce(shifted)
    return maximum

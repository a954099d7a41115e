"""The seam of a 360° panorama: what lies across its left and right border is one object in two parts of the picture."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from blur_tools.detections import Box, Polygon
from blur_tools.detectors.tiles import Candidate
from blur_tools.picture import FORMATS, Picture
from blur_tools.service.upload import map_boxes
from blur_tools.sources import Source

__all__ = ["both_sides", "seam"]

SHARE = 0.25
"""Of the picture's width, on each side of the seam, that is searched: larger objects are found by their halves."""


def seam(picture: Picture) -> Picture:
    """The right end of a panorama and its left end beside it, upright: the seam is in the middle. It has no file."""
    width, height = picture.upright_size
    half = max(1, round(width * SHARE))
    image = Image.new("RGB", (2 * half, height))
    image.paste(picture.view((half, height), (width - half, 0, width, height)), (0, 0))
    image.paste(picture.view((half, height), (0, 0, half, height)), (half, 0))
    return Picture(Source(b"", picture.source.name, picture.source.origin), FORMATS["JPEG"], image)


def both_sides(found: list[Candidate], width: int) -> list[Candidate]:
    """What was found across the middle of `seam`, as it lies in the panorama.

    Parameters
    ----------
    found : list of Candidate
        In pixels of `seam`.
    width : int
        Of the upright panorama.

    Returns
    -------
    list of Candidate
        Two of each, in pixels of the upright panorama: one goes beyond its right border, the other beyond its left.
        What does not lie across the seam is left out, since it is found without it.
    """
    half = max(1, round(width * SHARE))
    across = [item for item in found if min(_xs(item)) < half < max(_xs(item))]
    return [_moved(item, by) for item in across for by in (width - half, -half)]


def _xs(item: Candidate) -> list[float]:
    return [x for x, _ in item.polygon]


def _moved(item: Candidate, by: float) -> Candidate:
    a, b, c, d = ((x + by, y) for x, y in item.polygon)
    polygon: Polygon = (a, b, c, d)
    result = item.result and map_boxes(item.result, lambda box: _moved_box(box, by))
    return replace(item, polygon=polygon, result=result)


def _moved_box(box: Box, by: float) -> Box:
    return box[0] + by, box[1], box[2] + by, box[3]

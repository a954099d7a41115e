"""A picture laid over a plate, warped into its tilted shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from blur_tools._parameters import logo_bytes, on_server
from blur_tools.detections import Polygon
from blur_tools.errors import PictureError, SettingsError
from blur_tools.orientation import turn_upright
from blur_tools.picture import load_picture
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source

__all__ = ["Logo", "logo_of"]


@dataclass(frozen=True)
class Logo:
    """A logo's file; decoded once, and once for each size it is shrunk to."""

    data: bytes

    def warp(self, polygon: Polygon, box: tuple[int, int, int, int]) -> Image.Image:
        """The logo as it lies on a quadrilateral, for the pixels of one box.

        Parameters
        ----------
        polygon : four (x, y)
            Where the logo's corners go, clockwise from its top left, in pixels of the stored picture.
        box : (left, top, right, bottom)
            The part that is returned.

        Returns
        -------
        PIL.Image.Image
            Mode ``RGBA``, of the box's size, transparent outside the quadrilateral.
        """
        corners = np.array(polygon)
        sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        image = _shrunk(self.data, _power_of_two(max(sides[0], sides[2])), _power_of_two(max(sides[1], sides[3])))
        left, top, right, bottom = box
        coefficients = _perspective(corners - [left, top], image.size)
        if coefficients is None:
            return Image.new("RGBA", (right - left, bottom - top))
        return image.transform(
            (right - left, bottom - top), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
        )


def logo_of(settings: BlurSettings) -> Logo | None:
    """The logo that plates are covered with, if any.

    Raises
    ------
    SettingsError
        The file cannot be read, is no picture, or is named by a path of the server.
    """
    value = settings.logo
    if value is None or value == "":
        return None
    if isinstance(value, str) and on_server(value):
        raise SettingsError("logo", f'{value} is a path on the server; give a file of this machine, or render="server"')
    logo = Logo(logo_bytes(value))
    _decoded(logo.data)
    return logo


LARGEST = 25_000_000
"""Pixels of the largest logo: decoded ones are kept."""


LONGEST_KEPT = 2048
"""Longest side in pixels of a decoded logo: no plate shows more, and those of strangers' requests are kept too."""


@lru_cache(maxsize=8)
def _decoded(data: bytes) -> Image.Image:
    try:
        picture = load_picture(Source(data, "logo", "logo"), max_pixels=LARGEST)
    except PictureError as error:
        raise SettingsError("logo", error.reason) from error
    image = turn_upright(picture.image.convert("RGBA"), picture.orientation)
    image.thumbnail((LONGEST_KEPT, LONGEST_KEPT), Image.Resampling.BOX)
    return image


@lru_cache(maxsize=8)
def _shrunk(data: bytes, width: int, height: int) -> Image.Image:
    """The logo no larger than needed: the warp itself takes only four samples a pixel."""
    image = _decoded(data)
    size = min(width, image.width), min(height, image.height)
    return image if size == image.size else image.resize(size, Image.Resampling.BOX)


def _power_of_two(length: float) -> int:
    return int(2 ** np.ceil(np.log2(max(length, 2))))


def _perspective(corners: np.ndarray, size: tuple[int, int]) -> list[float] | None:
    """Coefficients that map output pixels to logo pixels (Heckbert 1989, section 2.2.2); None if degenerate."""
    width, height = size
    targets = [(0, 0), (width, 0), (width, height), (0, height)]
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, targets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    try:
        return [float(value) for value in np.linalg.solve(np.array(rows, float), np.array(values, float))]
    except np.linalg.LinAlgError:
        return None

"""What the sample scenes are painted with: a camera over a street, and the things that stand in it.

World coordinates are metres: x to the right, y up from the road, z away from the camera. Things are painted from
far to near at twice the size and reduced at the end, which smooths every edge. Nothing here reads a file but the
portrait of Eileen Collins (NASA, public domain) that scikit-image carries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from blur_tools.detections import Detection, Polygon, box_polygon

__all__ = ["Car", "Light", "Plate", "Stage"]

RGB = tuple[float, float, float]
Spot = tuple[float, float, float]
Pixel = tuple[float, float]

DRAWN_AT = 2
"""How many canvas pixels make one of the picture, in each direction."""
PLATE_SIZES = {"eu": (0.52, 0.115), "uk": (0.52, 0.115), "br": (0.40, 0.13), "us": (0.305, 0.155), "two": (0.30, 0.20)}
"""Width and height of each style in metres."""
FACE = (178, 66, 272, 179)
"""The face's box in the portrait."""
PHOTO_SCALE = 1 / 484
"""Metres a pixel of the portrait, by the usual height of a face."""
OUTLINE = (
    (201, 23), (185, 38), (163, 51), (155, 66), (157, 104), (170, 117), (186, 149), (163, 152), (140, 161), (127, 178),
    (121, 196), (121, 212), (65, 246), (44, 282), (26, 342), (19, 390), (20, 419), (30, 495), (36, 512), (498, 512),
    (505, 490), (500, 466), (493, 421), (478, 384), (455, 361), (418, 345), (393, 344), (362, 350), (359, 318),
    (350, 285), (333, 260), (306, 240), (304, 222), (296, 206), (280, 186), (257, 171), (265, 152), (272, 137),
    (290, 117), (299, 96), (299, 72), (288, 43), (276, 31), (248, 18), (227, 16),
)  # fmt: skip
"""The person's outline in the portrait, traced by hand."""


@dataclass(frozen=True)
class Light:
    """The hour: colours of the sky and of the light, how far one sees, how many windows and lamps are lit."""

    sky: RGB = (86, 142, 204)
    horizon: RGB = (214, 228, 236)
    tint: RGB = (1.0, 1.0, 1.0)
    haze: float = 110.0
    clouds: float = 0.8
    sun: float = 0.22
    lit: float = 0.0
    lamps: bool = False


@dataclass(frozen=True)
class Plate:
    """A number plate: its style and its text."""

    style: Literal["eu", "uk", "br", "us", "two"]
    text: str


@dataclass(frozen=True)
class Shape:
    """A car's proportions in metres; `tail` to `bonnet` are distances from its rear end."""

    width: float
    length: float
    belt: float
    roof: float
    tail: float
    glass: float
    screen: float
    bonnet: float
    nose: float


SHAPES = {
    "hatch": Shape(1.78, 4.05, 0.98, 1.47, 0.14, 0.55, 2.25, 3.0, 0.76),
    "sedan": Shape(1.84, 4.60, 0.98, 1.43, 0.62, 1.25, 2.70, 3.45, 0.74),
    "suv": Shape(1.94, 4.50, 1.12, 1.70, 0.10, 0.42, 2.60, 3.3, 0.95),
    "van": Shape(2.00, 4.90, 1.22, 1.98, 0.06, 0.20, 3.50, 4.2, 1.02),
}


@dataclass(frozen=True)
class Car:
    """A car: where the middle of its near end stands, how it is turned (degrees), and how it looks."""

    shape: str
    paint: RGB
    plate: Plate
    x: float
    z: float
    turn: float = 0.0
    front: bool = False


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """`a` with this share of `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def shade(color: RGB, factor: float) -> RGB:
    """The colour under more or less light."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def oval(x: float, y: float, rx: float, ry: float, power: float = 2.0, lean: float = 0.0) -> list[Pixel]:
    """Outline of an ellipse; with a higher power a rounded rectangle, with a lean a slanted one."""
    angles = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    c, s = np.cos(angles), np.sin(angles)
    dx, dy = np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)
    return [(x + rx * u + lean * v, y + ry * v) for u, v in zip(dx, dy, strict=True)]

"""The camera that the sample scenes are seen through, and the canvas that they are painted on.

World coordinates are metres: x to the right, y up from the road, z away from the camera. Things are painted from
far to near at twice the size and reduced at the end, which smooths every edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from blur_tools.detections import Detection, Polygon, box_polygon

__all__ = [
    "RGB",
    "Light",
    "Pixel",
    "Spot",
    "Stage",
    "homography",
    "letters",
    "mix",
    "oval",
    "shade",
    "through",
    "whole",
]

RGB = tuple[float, float, float]
Spot = tuple[float, float, float]
Pixel = tuple[float, float]

DRAWN_AT = 2
"""How many canvas pixels make one of the picture, in each direction."""


@dataclass(frozen=True)
class Light:
    """The hour: colours of the sky and of the light, how far one sees, which windows and lamps are lit."""

    sky: RGB = (92, 146, 204)
    horizon: RGB = (216, 229, 236)
    tint: RGB = (1.0, 1.0, 1.0)
    haze: float = 120.0
    clouds: float = 0.8
    sun: float = 0.2
    lit: float = 0.0
    lamps: bool = False


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """`a` with this share of `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def shade(color: RGB, factor: float) -> RGB:
    """The colour under more or less light."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def whole(color: RGB) -> tuple[int, int, int]:
    """The colour as Pillow wants it."""
    return (min(255, int(color[0])), min(255, int(color[1])), min(255, int(color[2])))


def oval(x: float, y: float, rx: float, ry: float, power: float = 2.0, lean: float = 0.0) -> list[Pixel]:
    """Outline of an ellipse; with a higher power a rounded rectangle, with a lean a slanted one."""
    return [(x + rx * u + lean * v, y + ry * v) for u, v in _unit_oval(power)]


@lru_cache
def _unit_oval(power: float) -> list[Pixel]:
    angles = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    across, up = (np.sign(part) * np.abs(part) ** (2 / power) for part in (np.cos(angles), np.sin(angles)))
    return list(zip(across.tolist(), up.tolist(), strict=True))


class Stage:
    """A picture in the making: its camera, its canvas, and the truth about what was put on it.

    Parameters
    ----------
    size : (int, int)
        Width and height of the finished picture.
    light : Light
        The hour of the day.
    seed : int
        Makes all that is random.
    eye : (float, float)
        The camera's x and its height above the road.
    horizon, focal : float
        Height of the horizon as a share of the picture's height, focal length as a share of its width.
    """

    def __init__(
        self,
        size: tuple[int, int],
        light: Light,
        seed: int,
        *,
        eye: tuple[float, float] = (0.0, 1.7),
        horizon: float = 0.44,
        focal: float = 0.85,
    ) -> None:
        self.size, self.light, self.eye = size, light, eye
        self.width, self.height = size[0] * DRAWN_AT, size[1] * DRAWN_AT
        self.horizon, self.focal = horizon * self.height, focal * self.width
        self.rng = np.random.default_rng(seed)
        self.truth: list[Detection] = []
        self.image = Image.new("RGB", (self.width, self.height))
        self.pen = ImageDraw.Draw(self.image)

    def at(self, spot: Spot) -> Pixel:
        """Where the camera sees this spot, in pixels of the canvas."""
        x, y, z = spot
        return (
            self.width / 2 + self.focal * (x - self.eye[0]) / z,
            self.horizon + self.focal * (self.eye[1] - y) / z,
        )

    def faded(self, color: RGB, away: float) -> RGB:
        """The colour as the haze leaves it at a distance."""
        return mix(color, self.light.horizon, 1 - math.exp(-away / self.light.haze))

    def fill(self, spots: Sequence[Spot], color: RGB) -> None:
        """Paint a polygon; the farther it is, the more it fades into the haze."""
        away = sum([spot[2] for spot in spots]) / len(spots)
        # at(), written out: this runs for tens of thousands of polygons
        middle, level, focal, (eye_x, eye_y) = self.width / 2, self.horizon, self.focal, self.eye
        points = [(middle + focal * (x - eye_x) / z, level + focal * (eye_y - y) / z) for x, y, z in spots]
        self.pen.polygon(points, fill=whole(self.faded(color, away)))

    def sheet(self, outline: Iterable[Pixel], z: float, color: RGB) -> None:
        """Paint a polygon that faces the camera, from its (x, y)."""
        self.fill([(x, y, z) for x, y in outline], color)

    def soften(self, spots: Sequence[Spot], color: RGB, strength: float, soft: float) -> None:
        """Paint a polygon with a blurred edge `soft` metres wide: shadows and the glow of lamps."""
        points = [self.at(spot) for spot in spots]
        blur = soft * self.focal / (sum(spot[2] for spot in spots) / len(spots))
        left, top = (math.floor(min(axis) - 2 * blur) for axis in zip(*points, strict=True))
        right, bottom = (math.ceil(max(axis) + 2 * blur) for axis in zip(*points, strict=True))
        # a blurred thing needs no more than a quarter of the pixels
        small = ((right - left) // 4 + 1, (bottom - top) // 4 + 1)
        mask = Image.new("L", small)
        ImageDraw.Draw(mask).polygon([((x - left) / 4, (y - top) / 4) for x, y in points], fill=round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(blur / 4)).resize((small[0] * 4, small[1] * 4))
        self.image.paste(whole(color), (left, top), mask)

    def hang(self, tile: Image.Image, corners: Sequence[Spot]) -> list[Pixel]:
        """Paste a flat RGBA picture whose corners, clockwise from its top left, are at these spots."""
        quad = [self.at(spot) for spot in corners]
        left, top = (math.floor(min(axis)) for axis in zip(*quad, strict=True))
        right, bottom = (math.ceil(max(axis)) for axis in zip(*quad, strict=True))
        # transform() does not average, so a larger tile is first reduced to about what will be seen of it
        wide = max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2]))
        high = max(math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2]))
        if wide < tile.width:
            tile = tile.resize((max(1, round(wide)), max(1, round(high))), Image.Resampling.LANCZOS)
        width, height = tile.size
        frame = [(0, 0), (width, 0), (width, height), (0, height)]
        way = homography([(x - left, y - top) for x, y in quad], frame)
        seen = tile.transform((right - left, bottom - top), Image.Transform.PERSPECTIVE, way, Image.Resampling.BICUBIC)
        self.image.paste(seen, (left, top), seen)
        return quad

    def note_plate(self, text: str, quad: Sequence[Pixel]) -> None:
        """Remember where a plate is, and what it says."""
        polygon = cast("Polygon", tuple((x / DRAWN_AT, y / DRAWN_AT) for x, y in quad))
        self.truth.append(Detection("plate", polygon, source="truth", result={"plate": text.lower()}))

    def note_face(self, quad: Sequence[Pixel]) -> None:
        """Remember where a face is: the box around these pixels of the canvas."""
        xs, ys = zip(*quad, strict=True)
        box = (value / DRAWN_AT for value in (min(xs), min(ys), max(xs), max(ys)))
        self.truth.append(Detection("face", box_polygon(*box), source="truth"))

    def finish(self) -> Image.Image:
        """The picture at its size, with uneven light, a little blur and a sensor's noise."""
        # bilinear reducing blurs a little, as a lens does
        picture = self.image.resize(self.size, Image.Resampling.BILINEAR)
        # in Pillow's whole numbers: as floating-point arrays this would take longer than all the painting
        across, down = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 64))
        gain = 1 + 0.06 * math.copysign(1, self.light.sun) * across - 0.09 * (across**2 + down**2)
        lens = (gain[..., None] * np.array(self.light.tint) * 250).clip(0, 255).astype(np.uint8)
        lit = Image.fromarray(lens).resize(self.size, Image.Resampling.BICUBIC)
        noise = self.rng.standard_normal(self.size[::-1], np.float32) * 2.2 + 128.5
        grain = Image.fromarray(noise.astype(np.uint8))
        return ImageChops.add(ImageChops.multiply(picture, lit), Image.merge("RGB", [grain] * 3), 1, -128)


def homography(source: Sequence[Pixel], target: Sequence[Pixel]) -> list[float]:
    """The eight numbers by which Pillow's PERSPECTIVE sends the source corners to the target corners."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    numbers: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return numbers


def through(way: Sequence[float], points: Iterable[Pixel]) -> list[Pixel]:
    """Where a homography sends these points."""
    a, b, c, d, e, f, g, h = way
    return [((a * x + b * y + c) / (g * x + h * y + 1), (d * x + e * y + f) / (g * x + h * y + 1)) for x, y in points]


def letters(text: str, width: int, height: int, *, bold: float = 0.02, stretch: float = 0.9) -> Image.Image:
    """A mask with the text as high as asked, and no wider."""
    font = ImageFont.load_default(size=2 * height)
    stroke = round(bold * 2 * height)
    box = font.getbbox(text, stroke_width=stroke)
    left, top, right, bottom = (round(value) for value in box)
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
    wide = min(width, round(mask.width * height / mask.height * stretch))
    return mask.resize((max(1, wide), height), Image.Resampling.LANCZOS)

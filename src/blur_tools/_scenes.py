"""What the sample scenes are painted with: a camera, and the street that it stands in.

World coordinates are metres: x to the right, y up from the road, z away from the camera. Things are painted from
far to near at twice the size and reduced at the end, which smooths every edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from blur_tools.detections import Detection, Polygon, box_polygon

__all__ = [
    "Light",
    "Stage",
    "letters",
    "mix",
    "oval",
    "paint_end",
    "paint_ground",
    "paint_hedge",
    "paint_row",
    "paint_sky",
    "paint_tree",
    "shade",
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
    red, green, blue = (min(255, max(0, round(value))) for value in color)
    return (red, green, blue)


def oval(x: float, y: float, rx: float, ry: float, power: float = 2.0, lean: float = 0.0) -> list[Pixel]:
    """Outline of an ellipse; with a higher power a rounded rectangle, with a lean a slanted one."""
    angles = np.linspace(0, 2 * math.pi, 36, endpoint=False)
    across, up = (np.sign(part) * np.abs(part) ** (2 / power) for part in (np.cos(angles), np.sin(angles)))
    return [(x + rx * u + lean * v, y + ry * v) for u, v in zip(across.tolist(), up.tolist(), strict=True)]


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

    def fill(self, spots: Sequence[Spot], color: RGB) -> None:
        """Paint a polygon; the farther it is, the more it fades into the haze."""
        away = sum(spot[2] for spot in spots) / len(spots)
        faded = mix(color, self.light.horizon, 1 - math.exp(-away / self.light.haze))
        self.pen.polygon([self.at(spot) for spot in spots], fill=whole(faded))

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
        size = (
            max(1, round(max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2])))),
            max(1, round(max(math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2])))),
        )
        left, top = (math.floor(min(axis)) for axis in zip(*quad, strict=True))
        right, bottom = (math.ceil(max(axis)) for axis in zip(*quad, strict=True))
        # transform() does not average, so the tile first becomes about as large as it will be seen
        tile = tile.resize(size, Image.Resampling.LANCZOS)
        frame = [(0.0, 0.0), (size[0], 0.0), (float(size[0]), float(size[1])), (0.0, size[1])]
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
        picture = self.image.reduce(DRAWN_AT).filter(ImageFilter.GaussianBlur(0.45))
        width, height = self.size
        across, down = (
            np.linspace(-1, 1, width, dtype=np.float32),
            np.linspace(-1, 1, height, dtype=np.float32),
        )
        light = (1 + 0.07 * np.sign(self.light.sun) * across)[None, :] - 0.1 * (
            across[None, :] ** 2 + down[:, None] ** 2
        )
        noise = self.rng.standard_normal((height, width, 1), dtype=np.float32) * 2.2
        pixels = np.asarray(picture, np.float32) * light[..., None] * np.float32(self.light.tint) + noise
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def homography(source: Sequence[Pixel], target: Sequence[Pixel]) -> list[float]:
    """The eight numbers by which Pillow's PERSPECTIVE sends the source corners to the target corners."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    numbers: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return numbers


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


# ---- the street

WALLS: tuple[RGB, ...] = (
    (196, 176, 148), (170, 104, 82), (214, 206, 190), (150, 138, 128), (188, 150, 112), (204, 192, 160), (140, 90, 74),
)  # fmt: skip
AWNINGS: tuple[RGB, ...] = ((150, 44, 40), (40, 84, 70), (52, 70, 110), (186, 150, 70))
PAVEMENT: RGB = (164, 160, 154)
ASPHALT: RGB = (98, 99, 102)


def paint_sky(stage: Stage) -> None:
    """A sky that pales towards the horizon, with clouds."""
    light, rng = stage.light, stage.rng
    width, height = stage.width // 8, int(stage.horizon) // 8 + 1
    field = np.zeros((height, width), np.float32)
    for octave in range(6):
        coarse = Image.fromarray(rng.random((3 * 2**octave, 4 * 2**octave), np.float32))
        field += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 1.8**octave
    cloud = ((field - np.median(field)) * 1.6 * light.clouds).clip(0, 0.85)[..., None]
    share = (np.linspace(0, 1, height, dtype=np.float32) ** 0.8)[:, None, None]
    blue = np.float32(light.sky) * (1 - share) + np.float32(light.horizon) * share
    sky = blue * (1 - cloud) + np.float32(mix(light.horizon, (255, 255, 255), 0.4)) * cloud
    picture = Image.fromarray(sky.clip(0, 255).astype(np.uint8))
    stage.image.paste(picture.resize((stage.width, int(stage.horizon) + 2), Image.Resampling.BICUBIC))


def paint_ground(stage: Stage, road: float, walk: float) -> None:
    """A road with markings between two pavements; both numbers are half-widths from the middle of the road."""
    near, far = stage.focal * stage.eye[1] / (stage.height - stage.horizon) * 0.8, 400.0

    def strip(left: float, right: float, color: RGB, start: float = near, end: float = far, y: float = 0.0) -> None:
        stage.fill([(left, y, start), (right, y, start), (right, y, end), (left, y, end)], color)

    # in pieces, as one polygon has one share of haze
    for start, end in pairwise([near, *np.geomspace(near + 1, far, 24).tolist()]):
        strip(-60, 60, mix(ASPHALT, PAVEMENT, 0.3), start, end)
        strip(-road, road, ASPHALT, start, end)
        for side in (-1, 1):
            strip(side * road, side * walk, PAVEMENT, start, end)
            strip(side * road, side * (road + 0.16), shade(PAVEMENT, 1.16), start, end)
            strip(side * (road - 0.1), side * road, shade(ASPHALT, 0.6), start, end)
    for z in np.arange(math.ceil(near), 60, 0.9).tolist():
        for side in (-1, 1):
            strip(side * (road + 0.16), side * walk, shade(PAVEMENT, 0.86), z, z + 0.025 + 0.001 * z)
    for z in np.arange(2, 120, 6).tolist():
        strip(-0.07, 0.07, (216, 214, 206), z, z + 3)
    _grain(stage)


def _grain(stage: Stage) -> None:
    """Roughness of the ground, finer the farther away it is."""
    top = int(stage.horizon)
    width, height = stage.width // 2, (stage.height - top) // 2
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    stains = Image.fromarray(stage.rng.random((14, 10), np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    rough = stage.rng.standard_normal((height, width), np.float32) * 11 * depth
    value = 238 + rough + (np.asarray(stains) - 0.6) * 26 * depth
    mask = Image.fromarray(value.clip(0, 255).astype(np.uint8)).resize((stage.width, stage.height - top))
    ground = stage.image.crop((0, top, stage.width, stage.height))
    stage.image.paste(ImageChops.multiply(ground, mask.convert("RGB")), (0, top))


def paint_row(stage: Stage, side: int, x: float, start: float, end: float) -> None:
    """A row of houses along one side (-1 left, 1 right) of the street, with its front at x."""
    houses, z = [], start
    while z < end:
        length = float(stage.rng.uniform(8, 13))
        houses.append((z, z + length, int(stage.rng.integers(3, 6)), int(stage.rng.integers(len(WALLS)))))
        z += length
    for near, far, storeys, tone in reversed(houses):
        _House(stage, side, x, near, far, WALLS[tone]).paint(storeys)


class _House:
    """One house of a row; its front lies in the plane at x."""

    def __init__(self, stage: Stage, side: int, x: float, near: float, far: float, wall: RGB) -> None:
        self.stage, self.side, self.x, self.near, self.far = stage, side, x, near, far
        sunny = 1.0 - side * stage.light.sun * 0.7
        self.wall, self.sunny = shade(wall, sunny), sunny

    def panel(
        self, z0: float, z1: float, y0: float, y1: float, color: RGB, out: float = 0.0, tilt: float = 0.0
    ) -> None:
        """A rectangle on the front, standing out by `out` at its top and by `tilt` more at its bottom."""
        top, bottom = self.x - self.side * out, self.x - self.side * (out + tilt)
        self.stage.fill([(bottom, y0, z0), (bottom, y0, z1), (top, y1, z1), (top, y1, z0)], color)

    def paint(self, storeys: int) -> None:
        """The walls, the shop, the windows, the cornice."""
        height = 3.7 + 3.1 * storeys
        back = self.x + self.side * 9
        gable = [(self.x, 0, self.near), (back, 0, self.near), (back, height, self.near), (self.x, height, self.near)]
        self.stage.fill(gable, shade(self.wall, 0.8))
        # in pieces for the haze
        for z0, z1 in pairwise(np.linspace(self.near, self.far, 5).tolist()):
            self.panel(z0, z1, 0, height, self.wall)
            self.panel(z0, z1, 3.45, 3.7, shade(self.wall, 1.12), 0.06)
            self.panel(z0, z1, height - 0.35, height, shade(self.wall, 0.82), 0.1)
            self.panel(z0, z1, height - 0.1, height + 0.12, shade(self.wall, 1.15), 0.3)
        self.shop()
        columns = round((self.far - self.near) / 2.6)
        step = (self.far - self.near) / columns
        for storey in range(storeys):
            for column in reversed(range(columns)):
                self.window(self.near + (column + 0.5) * step, 4.5 + 3.1 * storey)

    def window(self, z: float, y: float) -> None:
        """A window with its frame, its two panes and its sill."""
        light, rng = self.stage.light, self.stage.rng
        self.panel(z - 0.68, z + 0.68, y - 0.1, y + 1.75, shade(self.wall, 1.2))
        self.panel(z - 0.56, z + 0.56, y, y + 1.65, shade(self.wall, 0.45))
        glass = mix((40, 48, 58), light.sky, float(rng.uniform(0.1, 0.5)))
        if rng.random() < light.lit:
            glass = mix((255, 206, 128), (190, 130, 70), float(rng.random()))
        for z0, z1 in ((z - 0.5, z - 0.03), (z + 0.03, z + 0.5)):
            self.panel(z0, z1, y + 0.05, y + 1.58, glass)
        self.panel(z - 0.75, z + 0.75, y - 0.16, y - 0.06, shade(self.wall, 1.3), 0.12)

    def shop(self) -> None:
        """Shop windows and a door under an awning."""
        light, rng = self.stage.light, self.stage.rng
        color = AWNINGS[int(rng.integers(len(AWNINGS)))]
        glass = mix((46, 52, 60), (255, 214, 150), 0.7 if light.lit else 0.12)
        edges = np.linspace(self.near + 0.6, self.far - 0.6, 5).tolist()
        self.panel(self.near + 0.4, self.far - 0.4, 0, 3.3, shade(color, 0.5 * self.sunny))
        for number, (z0, z1) in enumerate(reversed(list(pairwise(edges)))):
            self.panel(z0 + 0.12, z1 - 0.12, 0.1 if number == 1 else 0.6, 2.75, mix(glass, light.sky, 0.1 * number))
        for number, (z0, z1) in enumerate(reversed(list(pairwise(np.linspace(edges[0], edges[-1], 13).tolist())))):
            stripe = color if number % 2 else mix(color, (240, 236, 226), 0.8)
            self.panel(z0, z1, 2.55, 3.1, shade(stripe, self.sunny), 0.05, 0.9)


def paint_end(stage: Stage, away: float) -> None:
    """What closes the street: towers in the haze, and trees before them."""
    for z in (away * 2.2, away * 1.5):
        x = -z
        while x < z:
            wide, high = stage.rng.uniform(5, 13, 2).tolist()
            block = [(x, 0), (x + wide, 0), (x + wide, high * 1.9), (x, high * 1.9)]
            stage.sheet(block, z, (118, 124, 138))
            x += wide * 1.1
    for x in np.arange(-away, away, 5.0).tolist():
        paint_tree(stage, x + float(stage.rng.normal()), away, float(stage.rng.uniform(4, 7)))


def paint_tree(stage: Stage, x: float, z: float, height: float) -> None:
    """A trunk and a crown of leaves, lighter towards the sun and the sky."""
    rng, crown = stage.rng, height * 0.33
    trunk = [(x - 0.14, 0), (x + 0.14, 0), (x + 0.07, height * 0.6), (x - 0.07, height * 0.6)]
    stage.soften([(u, 0, z + v) for u, v in oval(x, 0, crown, crown * 0.6)], (20, 22, 26), 0.4, 0.4)
    stage.sheet(trunk, z, (84, 70, 58))
    leaves(stage, [(x + u * crown, height * 0.66 + v * crown) for u, v in _scatter(rng, 420)], z, crown * 0.13)


def _scatter(rng: np.random.Generator, number: int) -> list[Pixel]:
    """Spots in a disc, the lower ones first."""
    angle, reach = rng.uniform(0, 2 * math.pi, number), np.sqrt(rng.random(number))
    spots = np.stack([np.cos(angle) * reach, np.sin(angle) * reach], 1)
    return [(float(u), float(v)) for u, v in spots[np.argsort(spots[:, 1] + rng.normal(0, 0.25, number))]]


def leaves(stage: Stage, spots: Sequence[Pixel], z: float, size: float) -> None:
    """Tufts of leaves at these spots, darkest first."""
    dark, bright = (38, 62, 36), (118, 146, 70)
    for number, (u, v) in enumerate(spots):
        share = number / len(spots) * 0.8 + float(stage.rng.random()) * 0.2
        reach = size * float(stage.rng.uniform(0.6, 1.3))
        stage.sheet(oval(u, v, reach, reach * 0.8)[::5], z, mix(dark, bright, share))


def paint_hedge(stage: Stage, left: float, right: float, z: float, height: float) -> None:
    """A clipped hedge in a low stone border."""
    footprint = [(left, 0.0, z - 0.2), (right, 0.0, z - 0.2), (right, 0.0, z + 0.6), (left, 0.0, z + 0.6)]
    stage.soften(footprint, (16, 18, 20), 0.6, 0.15)
    stage.sheet([(left, 0), (right, 0), (right, height * 0.96), (left, height * 0.96)], z, (40, 60, 38))
    number = round((right - left) * height * 260)
    across = stage.rng.uniform(left, right, number)
    up = np.sort(stage.rng.uniform(0.2, height, number) + stage.rng.normal(0, 0.1, number)).clip(0.2, height)
    leaves(stage, list(zip(across.tolist(), up.tolist(), strict=True)), z, 0.06)
    stage.sheet(
        [(left - 0.06, 0), (right + 0.06, 0), (right + 0.06, 0.22), (left - 0.06, 0.22)], z - 0.06, (172, 166, 156)
    )

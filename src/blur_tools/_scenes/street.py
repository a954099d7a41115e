"""The street of the sample scenes: sky, road, houses, trees, hedges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageChops

from blur_tools._scenes.stage import RGB, Pixel, Stage, mix, oval, shade, whole

__all__ = ["paint_end", "paint_ground", "paint_hedge", "paint_row", "paint_shelter", "paint_sky", "paint_tree"]

WALLS: tuple[RGB, ...] = (
    (196, 176, 148), (170, 104, 82), (214, 206, 190), (150, 138, 128), (188, 150, 112), (204, 192, 160), (140, 90, 74),
)  # fmt: skip
AWNINGS: tuple[RGB, ...] = ((150, 44, 40), (40, 84, 70), (52, 70, 110), (186, 150, 70))
PAVEMENT: RGB = (164, 160, 154)
ASPHALT: RGB = (112, 113, 116)
TUFT = [(math.cos(angle), 0.8 * math.sin(angle)) for angle in (0.3, 1.2, 2.1, 3.0, 3.9, 4.8, 5.7)]
"""Outline of a tuft of leaves."""


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
    blue = np.array(light.sky) * (1 - share) + np.array(light.horizon) * share
    sky = blue * (1 - cloud) + np.array(mix(light.horizon, (255, 255, 255), 0.4)) * cloud
    picture = Image.fromarray(sky.clip(0, 255).astype(np.uint8))
    stage.image.paste(picture.resize((stage.width, int(stage.horizon) + 2), Image.Resampling.BICUBIC))


def paint_ground(stage: Stage, road: float, walk: float, *, dashes: bool = True) -> None:
    """A road between two pavements; both numbers are half-widths from the middle of the road."""
    near, far = stage.focal * stage.eye[1] / (stage.height - stage.horizon) * 0.8, 2000.0

    def strip(left: float, right: float, color: RGB, start: float = near, end: float = far, y: float = 0.0) -> None:
        stage.fill([(left, y, start), (right, y, start), (right, y, end), (left, y, end)], color)

    # in pieces, as one polygon has one share of haze
    for start, end in pairwise([near, *np.geomspace(near + 1, far, 28).tolist()]):
        strip(-5000, 5000, mix(ASPHALT, PAVEMENT, 0.3), start, end)
        strip(-road, road, ASPHALT, start, end)
        for side in (-1, 1):
            strip(side * road, side * walk, PAVEMENT, start, end)
            strip(side * road, side * (road + 0.16), shade(PAVEMENT, 1.16), start, end)
            strip(side * (road - 0.1), side * road, shade(ASPHALT, 0.6), start, end)
    for z in np.arange(math.ceil(near), 60, 0.9).tolist():
        for side in (-1, 1):
            strip(side * (road + 0.16), side * walk, shade(PAVEMENT, 0.86), z, z + 0.025 + 0.001 * z)
    for z in np.arange(2, 120, 6).tolist() if dashes else ():
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
    mask = Image.fromarray(value.clip(0, 255).astype(np.uint8)).resize(
        (stage.width, stage.height - top), Image.Resampling.BILINEAR
    )
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
            low, pane = (0.1 if number == 1 else 0.6), mix(glass, light.sky, 0.1 + 0.08 * number)
            self.panel(z0 + 0.12, z1 - 0.12, low, 2.75, pane)
            a, b, wide = z0 + (z1 - z0) * 0.2, z0 + (z1 - z0) * 0.5, (z1 - z0) * 0.22
            reflection = [(self.x, low, a), (self.x, low, a + wide), (self.x, 2.75, b + wide), (self.x, 2.75, b)]
            self.stage.fill(reflection, mix(pane, light.horizon, 0.2))
        for number, (z0, z1) in enumerate(reversed(list(pairwise(np.linspace(edges[0], edges[-1], 13).tolist())))):
            stripe = color if number % 2 else mix(color, (240, 236, 226), 0.8)
            self.panel(z0, z1, 2.55, 3.1, shade(stripe, self.sunny), 0.05, 0.9)


def paint_end(stage: Stage, away: float) -> None:
    """What closes the street: towers in the haze, and trees before them."""
    rng = stage.rng
    for z in (away * 2.4, away * 1.6):
        x = -0.25 * z
        while x < 0.25 * z:
            wide, high = float(rng.uniform(0.02, 0.07)) * z, float(rng.uniform(0.08, 0.2)) * z
            stage.sheet([(x, 0), (x + wide, 0), (x + wide, high), (x, high)], z, (104, 112, 130))
            x += wide
    for x in np.linspace(-0.14 * away, 0.14 * away, 7).tolist():
        paint_tree(stage, x, away + float(rng.uniform(-4, 4)), float(rng.uniform(4.5, 7.5)))


def paint_tree(stage: Stage, x: float, z: float, height: float) -> None:
    """A trunk and a crown of leaves, lighter towards the sun and the sky."""
    rng, crown = stage.rng, height * 0.33
    trunk = [(x - 0.14, 0), (x + 0.14, 0), (x + 0.07, height * 0.6), (x - 0.07, height * 0.6)]
    if z < 50:
        stage.soften([(u, 0, z + v) for u, v in oval(x, 0, crown, crown * 0.6)], (20, 22, 26), 0.4, 0.4)
    stage.sheet(trunk, z, (84, 70, 58))
    # far trees need fewer and, so that no sky shows through, larger tufts
    number = round(min(800, 120 + 2.2 * crown * stage.focal / z))
    spots = [(x + u * crown, height * 0.66 + v * crown) for u, v in _scatter(rng, number)]
    leaves(stage, spots, z, crown * 2.7 / math.sqrt(number))


def _scatter(rng: np.random.Generator, number: int) -> list[Pixel]:
    """Spots in a disc, the lower ones first."""
    angle, reach = rng.uniform(0, 2 * math.pi, number), np.sqrt(rng.random(number))
    spots = np.stack([np.cos(angle) * reach, np.sin(angle) * reach], 1)
    return [(float(u), float(v)) for u, v in spots[np.argsort(spots[:, 1] + rng.normal(0, 0.25, number))]]


def leaves(stage: Stage, spots: Sequence[Pixel], z: float, size: float) -> None:
    """Tufts of leaves at these spots, darkest first."""
    dark, bright = (38, 62, 36), (118, 146, 70)
    tones = [whole(stage.faded(mix(dark, bright, share), z)) for share in np.linspace(0, 1, 25).tolist()]
    tone = (np.linspace(0, 19, len(spots)) + stage.rng.integers(0, 6, len(spots))).astype(int).tolist()
    reach = (size * stage.focal / z * stage.rng.uniform(0.6, 1.3, len(spots))).tolist()
    # thousands of them, so straight to the canvas
    for (u, v), number, r in zip(spots, tone, reach, strict=True):
        x, y = stage.at((u, v, z))
        stage.pen.polygon([(x + r * a, y + r * b) for a, b in TUFT], fill=tones[number])


def paint_hedge(stage: Stage, left: float, right: float, z: float, height: float) -> None:
    """A clipped hedge in a low stone border."""
    footprint = [(left, 0.0, z - 0.2), (right, 0.0, z - 0.2), (right, 0.0, z + 0.6), (left, 0.0, z + 0.6)]
    stage.soften(footprint, (16, 18, 20), 0.6, 0.15)
    stage.sheet([(left, 0), (right, 0), (right, height * 0.96), (left, height * 0.96)], z, (40, 60, 38))
    number, rim = round((right - left) * height * 200), round((right - left) * 24)
    # some all over it, and enough along its top and its ends to hide the straight edges
    across = np.concatenate(
        [stage.rng.uniform(left, right, number), np.linspace(left, right, rim), np.repeat([left, right], 24)]
    )
    up = np.concatenate(
        [stage.rng.uniform(0.2, height, number), np.full(rim, height), np.tile(np.linspace(0.2, height, 24), 2)]
    )
    order = np.argsort(up + stage.rng.normal(0, 0.1, len(up)))
    leaves(stage, list(zip(across[order].tolist(), up[order].tolist(), strict=True)), z, 0.06)
    stage.sheet(
        [(left - 0.06, 0), (right + 0.06, 0), (right + 0.06, 0.22), (left - 0.06, 0.22)], z - 0.06, (172, 166, 156)
    )


def paint_shelter(stage: Stage, left: float, right: float, near: float, far: float) -> None:
    """A bus shelter: a bench, panes behind it, a flat roof; a poster makes its near end."""
    steel, high = (70, 76, 84), 2.55
    stage.soften([(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)], (20, 22, 26), 0.4, 0.4)
    for z0, z1 in pairwise(np.linspace(far, near, 4).tolist()):
        pane = [(right, 0.3, z0), (right, 0.3, z1), (right, high, z1), (right, high, z0)]
        stage.soften(pane, mix(stage.light.sky, (255, 255, 255), 0.5), 0.3, 0.0)
    stage.fill(
        [(right - 0.5, 0.48, near + 0.5), (right, 0.48, near + 0.5), (right, 0.48, far), (right - 0.5, 0.48, far)],
        (150, 112, 74),
    )
    for x, z in ((right, far), (left + 0.4, far)):
        stage.sheet([(x - 0.04, 0), (x + 0.04, 0), (x + 0.04, high), (x - 0.04, high)], z, steel)
    stage.fill(
        [(left, high, near), (right + 0.2, high, near), (right + 0.2, high, far), (left, high, far)], shade(steel, 0.6)
    )
    stage.fill(
        [(left, high, near), (left, high, far), (left, high + 0.16, far), (left, high + 0.16, near)], shade(steel, 1.2)
    )
    stage.sheet(
        [(left, high), (right + 0.2, high), (right + 0.2, high + 0.16), (left, high + 0.16)], near, shade(steel, 1.5)
    )

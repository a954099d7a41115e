"""Cars of the sample scenes, and the number plates that they carry."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from blur_tools._scenes.stage import RGB, Pixel, Spot, Stage, letters, mix, oval, shade

__all__ = ["Car", "Plate", "paint_car"]


@dataclass(frozen=True)
class Plate:
    """A number plate: its style and its text."""

    style: Literal["eu", "uk", "br", "us", "two"]
    text: str


@dataclass(frozen=True)
class Car:
    """A car: where the middle of its near end stands, how it is turned (degrees), and how it looks."""

    shape: Literal["hatch", "sedan", "suv", "van"]
    paint: RGB
    plate: Plate
    x: float
    z: float
    turn: float = 0.0
    front: bool = False


PLATE_SIZES = {
    "eu": (0.52, 0.115),
    "uk": (0.52, 0.115),
    "br": (0.40, 0.13),
    "us": (0.31, 0.155),
    "two": (0.34, 0.22),
}
"""Width and height of each style in metres."""
DOTS = 1400
"""Pixels of a plate's drawing per metre."""


def draw_plate(plate: Plate) -> Image.Image:
    """A plate as it left the press: face, border, band, characters."""
    width, height = (round(side * DOTS) for side in PLATE_SIZES[plate.style])
    ground = {"uk": (244, 204, 52), "us": (232, 238, 244)}.get(plate.style, (240, 241, 238))
    ink = {"us": (28, 52, 112)}.get(plate.style, (22, 23, 26))
    tile = Image.new("RGBA", (width, height), (*ink, 255))
    pen = ImageDraw.Draw(tile)
    pen.rounded_rectangle((4, 4, width - 5, height - 5), 14, fill=ground)
    left, top, lines = 16, 18, [plate.text]
    if plate.style in ("eu", "uk", "two"):
        left = _band(pen, height, plate.style) + 12
    if plate.style == "two":
        first, _, rest = plate.text.partition(" ")
        lines = [first, rest]
    elif plate.style == "us":
        top = _title(tile, "LAKE COUNTY", (178, 34, 44), round(height * 0.15), 12)
    elif plate.style == "br":
        pen.rectangle((6, 6, width - 7, round(height * 0.22)), fill=(18, 54, 140))
        top = _title(tile, "BRASIL", (244, 246, 248), round(height * 0.12), 12) + 8
    room = (height - top - 14) // len(lines)
    for number, line in enumerate(lines):
        high = round(room * (0.84 if len(lines) > 1 else 0.86))
        mask = letters(line, width - left - 24, high)
        spot = (left + (width - left - 12 - mask.width) // 2, top + number * room + (room - high) // 2)
        tile.paste(ink, spot, mask)
    return tile


def _band(pen: ImageDraw.ImageDraw, height: int, style: str) -> int:
    """The blue band at the left with its ring of stars and country; returns where it ends."""
    wide = round((0.045 if style != "two" else 0.038) * DOTS)
    high = height // 2 if style == "two" else height
    pen.rectangle((5, 5, wide, high - 6), fill=(16, 58, 158))
    middle, center, ring = wide / 2 + 2, high * 0.34, wide * 0.27
    for angle in np.linspace(0, 2 * math.pi, 12, endpoint=False).tolist():
        x, y = middle + ring * math.cos(angle), center + ring * math.sin(angle)
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(250, 214, 40))
    country = "GB" if style == "uk" else "D"
    pen.text((middle, high * 0.74), country, fill=(245, 245, 245), font_size=round(wide * 0.52), anchor="mm")
    return wide


def _title(tile: Image.Image, text: str, color: tuple[int, int, int], high: int, top: int) -> int:
    """A small line above the characters; returns where it ends."""
    mask = letters(text, tile.width // 2, high, bold=0.01, stretch=1.1)
    tile.paste(color, ((tile.width - mask.width) // 2, top), mask)
    return top + high + 6


@dataclass(frozen=True)
class _Shape:
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
    "hatch": _Shape(1.78, 4.05, 0.98, 1.47, 0.14, 0.55, 2.25, 3.00, 0.78),
    "sedan": _Shape(1.84, 4.60, 0.98, 1.43, 0.62, 1.25, 2.70, 3.45, 0.76),
    "suv": _Shape(1.94, 4.50, 1.12, 1.70, 0.10, 0.42, 2.60, 3.30, 0.96),
    "van": _Shape(2.00, 4.90, 1.22, 1.98, 0.06, 0.20, 3.50, 4.20, 1.04),
}
GLASS: RGB = (30, 36, 44)
TYRE: RGB = (24, 24, 26)
RIM: RGB = (168, 172, 178)
PLASTIC: RGB = (38, 39, 42)
CLEARANCE = 0.24


def along(value: float, marks: Sequence[float], levels: Sequence[float]) -> float:
    """Linear interpolation, as numpy.interp, which is slow for single numbers."""
    number = bisect_right(marks, value)
    if number in (0, len(marks)):
        return levels[number and -1]
    share = (value - marks[number - 1]) / (marks[number] - marks[number - 1])
    return levels[number - 1] + share * (levels[number] - levels[number - 1])


def paint_car(stage: Stage, car: Car) -> None:
    """A car, as slices from its far end to its near one, each hiding all but the rim of the one behind."""
    _Body(stage, car).paint()


class _Body:
    """One car on a stage; its own coordinates are x across, y up, z from its near end to its far one."""

    def __init__(self, stage: Stage, car: Car) -> None:
        self.stage, self.car, self.form = stage, car, SHAPES[car.shape]
        form = self.form
        self.radius = 0.37 if car.shape in ("suv", "van") else 0.32
        crest = (form.glass + form.screen) / 2
        self.marks = (0, form.tail, form.glass, crest, form.screen, form.bonnet, form.length)
        edge = form.roof - 0.04
        self.heights = (form.belt - 0.03, form.belt, edge, form.roof, edge + 0.01, form.belt, form.nose)
        self.sine, self.cosine = math.sin(math.radians(car.turn)), math.cos(math.radians(car.turn))

    def world(self, x: float, y: float, z: float) -> Spot:
        """A spot of the car in the street."""
        return (
            self.car.x + x * self.cosine + z * self.sine,
            y,
            self.car.z - x * self.sine + z * self.cosine,
        )

    def quad(self, low: float, high: float, wide: tuple[float, float], z: float, color: RGB) -> None:
        """A band across the car between two heights, with a half-width for each."""
        a, b = wide
        self.stage.fill([self.world(x, y, z) for x, y in ((-a, low), (a, low), (b, high), (-b, high))], color)

    def sheet(self, outline: Iterable[Pixel], z: float, color: RGB) -> None:
        """A polygon across the car at z."""
        self.stage.fill([self.world(x, y, z) for x, y in outline], color)

    def pair(self, outline: Sequence[Pixel], z: float, color: RGB) -> None:
        """The polygon and its mirror image on the car's other side."""
        self.sheet(outline, z, color)
        self.sheet([(-x, y) for x, y in outline], z, color)

    def top(self, z: float) -> float:
        """Height of the car at z."""
        return along(self.from_rear(z), self.marks, self.heights)

    def from_rear(self, z: float) -> float:
        """Distance from the car's rear end."""
        return self.form.length - z if self.car.front else z

    def half(self, y: float, z: float) -> float:
        """Half the car's width at a height, narrower towards both ends."""
        form = self.form
        ends = (0, 0.05, 0.15, 0.4, form.length - 0.4, form.length)
        plan = along(z, ends, (0.87, 0.925, 0.97, 1, 1, 0.86))
        if y <= form.belt:
            share = along(y, (0.18, 0.30, 0.55, 0.80, form.belt), (0.91, 0.965, 1.0, 0.99, 0.95))
        else:
            marks = (form.belt, form.roof - 0.1, form.roof - 0.03, form.roof)
            share = along(y, marks, (0.90, 0.74, 0.68, 0.60))
        return plan * share * form.width / 2

    def paint(self) -> None:
        """The shadow, the slices, the near end with its lamps, bumper and plate."""
        form = self.form
        ground = [(-0.95, 0.1), (0.95, 0.1), (0.95, form.length), (-0.95, form.length)]
        footprint = [self.world(x * form.width / 1.84, 0, z - 0.15) for x, z in ground]
        self.stage.soften(footprint, (14, 15, 20), 0.85, 0.16)
        # the more of its side is seen, the more slices, or they show as steps
        ends = [self.stage.at(self.world(0, 0.5, z))[0] for z in (0.0, form.length)]
        number = min(160, 40 + round(abs(ends[1] - ends[0]) / 2))
        steps = [*np.linspace(form.length, 0.5, number).tolist(), *np.linspace(0.49, 0.0, 40).tolist()]
        for z, nearer in pairwise([*steps, 0.0]):
            self.lower(z)
            self.upper(z, nearer)
        self.bands(CLEARANCE, self.top(0), 0.0, 24, 1.0)
        if self.car.front:
            self.front()
        else:
            self.rear()

    def bands(self, low: float, high: float, z: float, number: int, facing: float) -> None:
        """The painted metal at z: darker towards the ground and, the less it faces us, towards the shaded side."""
        edges = [low + (high - low) * step / number for step in range(number + 1)]
        sections = [(y, self.half(y, z)) for y in edges]
        # the middle of a slice is hidden by the next one
        inner = 0.0 if facing == 1 else 0.6
        for (bottom, a), (top, b) in pairwise(sections):
            tone = along(top, (0.18, 0.4, 0.62, 0.9), (0.46, 0.66, 0.84, 1.04))
            for side in (-1, 1):
                lit = tone * (0.8 + 0.2 * facing + side * self.stage.light.sun * (1 - facing))
                outline = [(side * inner * a, bottom), (side * a, bottom), (side * b, top), (side * inner * a, top)]
                self.sheet(outline, z, shade(self.car.paint, lit))

    def lower(self, z: float) -> None:
        """A slice up to the belt line, with what of the wheels and lamps is in it."""
        form, rear = self.form, self.from_rear(z)
        # a little below what upper() paints, or its edge shows through
        self.bands(CLEARANCE, min(self.top(z), form.belt) - 0.015, z, 6, max(0.0, 1 - z / 0.4))
        for axle in (0.80, form.length - 0.85):
            self.wheel(z, abs(rear - axle))
        if z < 0.3 and not self.car.front:
            # a little wider than the metal, which would show through
            low, high = form.belt - 0.27, form.belt - 0.07
            a, b = self.half(low, z) + 0.006, self.half(high, z) + 0.006
            self.pair([(0.5, low), (a, low), (b, high), (0.5, high)], z, (134, 16, 22))

    def wheel(self, z: float, away: float) -> None:
        """What a slice `away` from the axle cuts of the arch, the tyre and the rim."""
        radius, half = self.radius, self.form.width / 2
        if away < radius + 0.05:
            high = radius + math.sqrt((radius + 0.05) ** 2 - away**2)
            self.quad(CLEARANCE, high, (half * 0.985, half), z, (14, 14, 16))
        for share, color, inner, outer in (
            (1.0, TYRE, 0.72, 0.985),
            (0.66, RIM, 0.80, 0.99),
            (0.2, TYRE, 0.9, 0.995),
        ):
            if away < radius * share:
                reach = math.sqrt((radius * share) ** 2 - away**2)
                low, high = radius - reach, radius + reach
                self.pair(
                    [(half * x, y) for x, y in ((inner, low), (outer, low), (outer, high), (inner, high))],
                    z,
                    color,
                )

    def upper(self, z: float, nearer: float) -> None:
        """A slice's roof, pillars and panes, or its bonnet."""
        form, rear, top, sky = self.form, self.from_rear(z), self.top(z), self.stage.light.sky
        # as high as the next slice leaves it visible
        low = min(top, self.top(nearer)) - 0.05
        if top > form.belt + 0.02:
            self.quad(
                form.belt,
                top,
                (self.half(form.belt + 0.001, z), self.half(top, z)),
                z,
                shade(self.car.paint, 0.72),
            )
            pillar = abs(rear - (form.glass + form.screen) / 2 - 0.1) < 0.06
            back, fore = (
                form.tail + 0.75 * (form.glass - form.tail),
                form.bonnet - 0.3 * (form.bonnet - form.screen),
            )
            high = min(top - 0.06, form.roof - 0.1)
            if back < rear < fore and not pillar and high > form.belt + 0.05:
                edge = form.belt + 0.04
                self.quad(edge, high, (self.half(edge, z), self.half(high, z)), z, mix(GLASS, sky, 0.12))
        roof = mix(shade(self.car.paint, 1.08), sky, 0.16)
        self.quad(low, top, (self.half(low, z) * 0.99, self.half(top, z) * 0.99), z, roof)
        if form.tail < rear < form.glass or form.screen < rear < form.bonnet:
            self.pane(low + 0.035, top, z)
        mirror = form.length - form.bonnet + 0.3 if self.car.front else form.bonnet - 0.3
        if nearer < mirror <= z:
            self.pair(oval(form.width / 2 + 0.07, form.belt + 0.08, 0.10, 0.07, 3), z, shade(self.car.paint, 0.8))

    def pane(self, low: float, high: float, z: float) -> None:
        """One strip of the windscreen or rear window: dark below, the sky above, seats and a streak of light."""
        form, light = self.form, self.stage.light
        # how far up the pane each edge is
        a, b = ((y - form.belt) / (form.roof - form.belt) for y in (low, high))
        if not 0.06 < b < 0.9:
            return
        wide = (self.half(low, z) * 0.9, self.half(high, z) * 0.9)
        self.quad(low, high, (wide[0] * 1.025, wide[1] * 1.025), z, (16, 17, 19))
        glass = mix(GLASS, light.sky, 0.08 + 0.34 * b)
        self.quad(low, high + 0.004, wide, z, glass)
        marks, widths = (0.0, 0.24, 0.32, 0.36, 0.54, 0.6), (0.27, 0.25, 0.2, 0.11, 0.11, 0.05)
        if b < marks[-1]:
            seat_a, seat_b = along(a, marks, widths), along(b, marks, widths)
            seat = [(-seat_a, low), (seat_a, low), (seat_b, high + 0.004), (-seat_b, high + 0.004)]
            self.pair([(0.36 + x, y) for x, y in seat], z, shade(glass, 0.88))
        left, right = -0.42 + 0.3 * a, -0.42 + 0.3 * b
        streak = [(left, low), (left + 0.14, low), (right + 0.14, high + 0.004), (right, high + 0.004)]
        self.sheet(streak, z, mix(glass, light.horizon, 0.16))

    def bumper(self) -> None:
        """The bumper, which stands 12 cm before the near end."""
        paint = self.car.paint
        for z in np.linspace(0, -0.12, 13).tolist():
            wide = self.half(0.5, 0) * (1.03 - 0.1 * (z / 0.12) ** 2)
            self.quad(CLEARANCE + 0.02, 0.36, (wide * 0.98, wide), z, PLASTIC)
            for step in range(9):
                low = 0.36 + step * 0.0225
                self.quad(low, low + 0.0225, (wide, wide), z, shade(paint, 0.64 + 0.04 * step))
            # its upper side, lit from above
            self.quad(0.55, 0.562, (wide, wide), z, mix(shade(paint, 1.1), (255, 255, 255), 0.12))

    def rear(self) -> None:
        """Tail lamps, boot lid, bumper, plate."""
        half, belt, paint = self.form.width / 2, self.form.belt, self.car.paint
        level = belt - 0.25
        for x in (0.64, -0.64):
            self.sheet(
                [
                    (x * half - 0.005, 0.5),
                    (x * half + 0.005, 0.5),
                    (x * half + 0.005, belt),
                    (x * half - 0.005, belt),
                ],
                0,
                shade(paint, 0.45),
            )
        glow: RGB = (255, 60, 48) if self.stage.light.lamps else (196, 28, 34)
        self.pair(oval(half * 0.73, belt - 0.17, 0.16, 0.105, 4), 0, (128, 14, 20))
        self.pair(oval(half * 0.75, belt - 0.135, 0.125, 0.05, 3.5), 0, glow)
        self.pair(oval(half * 0.75, belt - 0.235, 0.12, 0.024, 4), 0, (232, 222, 214))
        self.sheet(oval(0, level, 0.36, 0.12, 8), 0, shade(paint, 0.6))
        self.quad(level + 0.115, level + 0.145, (0.34, 0.34), 0, mix(shade(paint, 0.9), (235, 238, 242), 0.7))
        self.sheet(oval(0, belt - 0.06, 0.055, 0.035), 0, (214, 218, 222))
        self.bumper()
        self.pair(oval(half * 0.74, 0.44, 0.11, 0.022, 4), -0.12, (170, 24, 28))
        self.sheet(oval(-half * 0.55, 0.28, 0.055, 0.028), -0.12, (120, 122, 126))
        self.plate(level, -0.02)
        if self.stage.light.lamps:
            self.glow(half * 0.75, belt - 0.14, (255, 50, 40))

    def front(self) -> None:
        """Headlamps, grille, bumper, plate."""
        half, nose = self.form.width / 2, self.form.nose
        self.pair(oval(half * 0.68, nose - 0.115, 0.215, 0.085, 3, 0.03), 0, (34, 36, 40))
        self.pair(oval(half * 0.68, nose - 0.112, 0.2, 0.072, 3, 0.03), 0, (206, 216, 224))
        bulb: RGB = (255, 252, 238) if self.stage.light.lamps else (240, 244, 248)
        for x, size in ((half * 0.60, 0.055), (half * 0.79, 0.05)):
            self.pair(oval(x, nose - 0.115, size, size), 0, (112, 120, 130))
            self.pair(oval(x, nose - 0.112, size * 0.7, size * 0.7), 0, bulb)
        self.sheet(oval(0, nose - 0.12, half * 0.42, 0.085, 5), 0, (150, 154, 158))
        self.sheet(oval(0, nose - 0.12, half * 0.405, 0.073, 5), 0, (20, 21, 23))
        for y in (0.075, 0.105, 0.135, 0.165):
            self.quad(nose - y - 0.003, nose - y + 0.003, (half * 0.39, half * 0.39), 0, (66, 68, 72))
        self.sheet(oval(0, nose - 0.12, 0.06, 0.045), 0, (216, 220, 224))
        self.bumper()
        self.sheet(oval(0, 0.345, half * 0.6, 0.05, 5), -0.12, (18, 18, 20))
        self.pair(oval(half * 0.78, 0.41, 0.075, 0.045, 3), -0.12, (26, 27, 30))
        self.pair(oval(half * 0.78, 0.41, 0.04, 0.032), -0.12, (210, 216, 220))
        self.plate(0.49, -0.13)
        if self.stage.light.lamps:
            self.glow(half * 0.68, nose - 0.11, (255, 246, 214))

    def glow(self, x: float, y: float, color: RGB) -> None:
        """The halo of a pair of lamps."""
        for side in (-x, x):
            self.stage.soften([self.world(*spot, -0.02) for spot in oval(side, y, 0.16, 0.12)], color, 0.6, 0.12)

    def plate(self, level: float, z: float) -> None:
        """The plate in its holder."""
        width, height = PLATE_SIZES[self.car.plate.style]
        self.sheet(oval(0, level, width / 2 + 0.015, height / 2 + 0.015, 12), z + 0.005, (20, 20, 22))
        right, low, high = width / 2, level - height / 2, level + height / 2
        corners = [self.world(x, y, z) for x, y in ((-right, high), (right, high), (right, low), (-right, low))]
        quad = self.stage.hang(draw_plate(self.car.plate), corners)
        self.stage.note_plate(self.car.plate.text, quad)

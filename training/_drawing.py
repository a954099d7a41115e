"""What the drawings of plates share: colours, chance, and the usual parts of a plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from ._lettering import ANY, Canvas, Colour, Lettering, pick

Rng = np.random.Generator
Box = tuple[float, float, float, float]
Item = TypeVar("Item")

WHITE, BLACK, BLUE = (236, 238, 238), (28, 24, 22), (165, 70, 20)
YELLOW, RED, GREEN = (45, 195, 240), (40, 35, 190), (70, 110, 30)
_LETTERS, _DIGITS = "ABCDEFGHJKLMNPRSTUVWXYZ", "0123456789"
_ARABIC, _EASTERN, _PERSIAN = "أبجدرسصطعفقلمنهوى", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"


def one(rng: Rng, choices: Sequence[Item]) -> Item:
    """Draw one of the choices; what stands there twice comes twice as often."""
    return choices[int(rng.integers(len(choices)))]


def randomly(rng: Rng, pattern: str) -> str:
    """Replace L by a letter, 0 by a digit, A, E and P by an Arabic letter, an Arabic and a Persian digit."""
    sets = {"L": _LETTERS, "0": _DIGITS, "A": _ARABIC, "E": _EASTERN, "P": _PERSIAN}
    return "".join(one(rng, sets[char]) if char in sets else char for char in pattern)


def about(rng: Rng, colour: Colour, spread: float = 9) -> Colour:
    """Return a colour near another: paint differs, and light more so."""
    return tuple(float(value) for value in np.clip(np.array(colour) + rng.normal(0, spread, 3), 0, 255))


def blank(rng: Rng, aspect: tuple[float, float], colour: Colour, height: int = 96) -> Canvas:
    """Return an empty plate of about a colour, its aspect drawn between two."""
    return Canvas(float(rng.uniform(*aspect)), about(rng, colour), height)


def number(
    rng: Rng, canvas: Canvas, text: str, box: Box, ink: Colour, lettering: Lettering | None = None, align: float = 0.5
) -> None:
    """Write the registration: raised, in a lettering of its own unless one is given."""
    canvas.text(text, box, about(rng, ink), lettering or pick(rng), align=align, raised=True)


def small(rng: Rng, canvas: Canvas, text: str, box: Box, ink: Colour, faces: tuple[str, ...] = ANY) -> None:
    """Write a name or a slogan."""
    canvas.text(text, box, ink, pick(rng, faces, (0.8, 1.2)), joined=text >= "\u0600")


def border(rng: Rng, canvas: Canvas, ink: Colour, chance: float = 0.6) -> None:
    """Draw a line around, with a chance."""
    if rng.random() < chance:
        canvas.rim(float(rng.uniform(0.0, 0.05)), about(rng, ink), int(rng.integers(1, 4)))


def two_lines(
    rng: Rng, canvas: Canvas, upper: str, lower: str, ink: Colour, box: Box = (0.06, 0.07, 0.94, 0.93)
) -> None:
    """Write a registration in two lines of one lettering, the upper one sometimes the smaller."""
    style = pick(rng)
    left, top, right, bottom = box
    middle = top + (bottom - top) * float(rng.uniform(0.38, 0.52))
    inset = float(rng.choice((0, 0, 0.12)))
    number(rng, canvas, upper, (left + inset, top, right - inset, middle - 0.03), ink, style)
    number(rng, canvas, lower, (left, middle + 0.03, right, bottom), ink, style)

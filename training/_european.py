"""Plates of Europe, and the plain ones, dark ones and motorcycles' that are met everywhere."""

from __future__ import annotations

import numpy as np

from ._drawing import (
    BLACK,
    BLUE,
    RED,
    WHITE,
    YELLOW,
    Rng,
    about,
    blank,
    border,
    number,
    one,
    randomly,
    small,
    two_lines,
)
from ._lettering import ANY, Canvas, Lettering, pick


def _band(rng: Rng, canvas: Canvas, code: str, right: bool = False, share: float = 0.42) -> float:
    """Draw the blue band with stars and a country's code at an end; return its width as a fraction."""
    wide = share / canvas.aspect
    left = 1 - wide if right else 0.0
    canvas.fill((left, 0, left + wide, 1), about(rng, BLUE, 14))
    middle, gold = left + wide / 2, (60, 205, 245)
    for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        canvas.disc(middle + 0.12 * np.cos(turn) / canvas.aspect, 0.28 + 0.12 * np.sin(turn), 0.02, gold)
    canvas.text(code, (left + wide * 0.12, 0.6, left + wide * 0.88, 0.9), WHITE, pick(rng, ("sans", "narrow")))
    return wide


_EU_CODES = ("D", "F", "I", "RO", "NL", "PL", "E", "P", "H", "CZ", "SK", "B", "A", "GR", "BG", "S", "FIN", "LT", "UA")
_EU_PATTERNS = [
    "LL 000 LL",
    "LL 00 LLL",
    "L 00 LLL",
    "LL-000-LL",
    "00-LL-00",
    "LLL 0000",
    "LLL-000",
    "0LL 0000",
    "LL 0000 LL",
    "0000 LLL",
    "LL 00000",
    "LLL 00L",
    "LL0000",
    "0-LLL-000",
    "L 000 LL",
    "00 LLL 00",
    "00 L 0000",
    "LL·000·LL",
    "L·LLL·00",
]


def eu(rng: Rng) -> Canvas:
    """A long plate, mostly with the blue band."""
    colour = one(rng, (WHITE,) * 8 + (YELLOW, (200, 205, 205), (150, 220, 235)))
    ink = one(rng, (BLACK,) * 8 + (RED, (120, 60, 20), (30, 120, 40)))
    canvas = blank(rng, (4.1, 5.0), colour)
    left = _band(rng, canvas, one(rng, _EU_CODES)) if rng.random() < 0.75 else 0.0
    y = float(rng.uniform(0.1, 0.18))
    number(rng, canvas, randomly(rng, one(rng, _EU_PATTERNS)), (left + 0.03, y, 0.97, 1 - y), ink)
    border(rng, canvas, ink)
    return canvas


def germany(rng: Rng) -> Canvas:
    """A long plate with seals between district and number."""
    canvas = blank(rng, (4.2, 4.9), WHITE)
    left = _band(rng, canvas, "D")
    style = pick(rng, ("stroke", "double", "sans"))
    split = left + (1 - left) * float(rng.uniform(0.25, 0.4))
    number(
        rng,
        canvas,
        randomly(rng, "LLL"[: rng.integers(1, 4)]),
        (left + 0.02, 0.13, split - 0.05, 0.87),
        BLACK,
        style,
        1,
    )
    rest = randomly(rng, one(rng, ("LL 000", "L 000", "LL 0000", "LL 00", "L 0000", "LL 00H")))
    number(rng, canvas, rest, (split + 0.05, 0.13, 0.97, 0.87), BLACK, style, 0)
    canvas.disc(split, 0.3, 0.13, about(rng, one(rng, ((60, 160, 220), (60, 140, 60), (180, 90, 40))), 20))
    canvas.disc(split, 0.68, 0.15, about(rng, (205, 205, 205), 20))
    canvas.disc(split, 0.68, 0.07, about(rng, (90, 120, 140), 50))
    border(rng, canvas, BLACK, 0.9)
    return canvas


def netherlands(rng: Rng) -> Canvas:
    """A long yellow plate."""
    canvas = blank(rng, (4.3, 4.8), (30, 175, 245))
    left = _band(rng, canvas, one(rng, ("NL", "NL", "L", "NL")), share=0.36)
    text = randomly(rng, one(rng, ("LL-000-L", "00-LLL-0", "L-000-LL", "0-LLL-00", "LL-LL-00", "LL 0000")))
    number(rng, canvas, text, (left + 0.03, 0.14, 0.97, 0.86), BLACK)
    border(rng, canvas, BLACK)
    return canvas


def britain(rng: Rng) -> Canvas:
    """A long white or yellow plate, sometimes with its maker's name below."""
    canvas = blank(rng, (4.3, 4.8), one(rng, (WHITE, (20, 190, 250))))
    left = _band(rng, canvas, one(rng, ("GB", "UK")), share=0.35) if rng.random() < 0.35 else 0.0
    text = randomly(rng, one(rng, ("LL00 LLL", "LL00 LLL", "LL00 LLL", "L000 LLL", "LLL 000L", "L00 LLL")))
    low = 0.82 if rng.random() < 0.4 else 0.87
    number(rng, canvas, text, (left + 0.04, 0.12, 0.96, low), BLACK)
    if low < 0.85:
        small(rng, canvas, one(rng, ("www.motors.co.uk", "CITY CARS LTD", "BS AU 145e")), (0.3, 0.87, 0.7, 0.97), BLACK)
    border(rng, canvas, BLACK, 0.3)
    return canvas


def italy(rng: Rng) -> Canvas:
    """A long plate with a blue band at either end, as in France."""
    canvas = blank(rng, (4.4, 4.8), WHITE)
    code = one(rng, ("I", "F", "AL"))
    left, right = (
        _band(rng, canvas, code, share=0.36),
        _band(rng, canvas, randomly(rng, "00"), right=True, share=0.36),
    )
    text = randomly(rng, one(rng, ("LL 000LL", "LL-000-LL", "LL 000 LL")))
    number(rng, canvas, text, (left + 0.02, 0.13, 1 - right - 0.02, 0.87), BLACK)
    border(rng, canvas, BLACK, 0.3)
    return canvas


def eu_square(rng: Rng) -> Canvas:
    """Two lines, a short blue band beside the upper one."""
    canvas = blank(rng, (1.25, 2.0), one(rng, (WHITE, WHITE, WHITE, YELLOW)), 112)
    if rng.random() < 0.6:
        wide = 0.26 / canvas.aspect
        canvas.fill((0, 0, wide, 0.48), about(rng, BLUE, 14))
        canvas.text(one(rng, _EU_CODES), (wide * 0.15, 0.3, wide * 0.85, 0.44), WHITE, Lettering())
        canvas.disc(wide / 2, 0.16, 0.07, (60, 205, 245), 2)
        box = (wide + 0.02, 0.07, 0.95, 0.93)
    else:
        box = (0.06, 0.07, 0.94, 0.93)
    two_lines(
        rng,
        canvas,
        randomly(rng, one(rng, ("LL", "LL 00", "L·LL", "00 L"))),
        randomly(rng, one(rng, ("000 LL", "0000", "LLL", "LL 000"))),
        BLACK,
        box,
    )
    border(rng, canvas, BLACK)
    return canvas


def motorcycle(rng: Rng) -> Canvas:
    """Two lines on a nearly square plate."""
    colour, ink = one(
        rng, ((WHITE, BLACK),) * 5 + ((YELLOW, BLACK),) * 3 + ((WHITE, RED), (WHITE, (120, 60, 20)), (BLUE, WHITE))
    )
    canvas = blank(rng, (1.05, 1.6), colour, 112)
    top = 0.07
    if rng.random() < 0.25:
        small(
            rng,
            canvas,
            one(rng, ("TUNIS", "HA NOI", "MUMBAI", "BOGOTA", "NAIROBI", "LIMA", "THAI", "BALI")),
            (0.15, 0.04, 0.85, 0.15),
            ink,
        )
        top = 0.18
    upper = randomly(rng, one(rng, ("LL 00", "LLL", "LL", "00-L0", "LL-L0", "0LLL", "L·00", "00")))
    lower = randomly(rng, one(rng, ("0000", "000", "LLL", "000.00", "LL 0000", "00 00", "L 000")))
    two_lines(rng, canvas, upper, lower, ink, (0.07, top, 0.93, 0.93))
    border(rng, canvas, ink)
    return canvas


def dark(rng: Rng) -> Canvas:
    """Light letters on black, grey, green or brown, in one line or two."""
    colour = one(rng, (BLACK, BLACK, (45, 45, 45), (60, 75, 35), (100, 50, 20), (60, 60, 70)))
    ink = about(rng, one(rng, (WHITE, WHITE, (190, 195, 200), YELLOW, (150, 160, 165))))
    two = rng.random() < 0.35
    canvas = blank(rng, (1.3, 2.0) if two else (2.6, 5.0), colour)
    upper, lower = (
        randomly(rng, one(rng, ("LLL", "L", "LL"))),
        randomly(rng, one(rng, ("0000", "000", "0000 LL"))),
    )
    if two:
        two_lines(rng, canvas, upper, lower, ink)
    else:
        text = upper + one(rng, (" ", "-", " ")) + lower
        number(rng, canvas, text, (0.05, 0.17, 0.95, 0.83), ink, pick(rng, ANY))
    if rng.random() < 0.25:
        small(rng, canvas, randomly(rng, "LLLLLLLL"), (0.25, 0.01, 0.75, 0.11), ink)
    border(rng, canvas, ink, 0.35)
    return canvas

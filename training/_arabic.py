"""Plates in Arabic letters and digits."""

from __future__ import annotations

from ._drawing import (
    BLACK,
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
)
from ._lettering import PLAIN, Canvas, Lettering

_GULF = (("BAHRAIN", "البحرين"), ("DUBAI", "دبي"), ("U.A.E", "الإمارات"), ("KSA", "السعودية"), ("QATAR", "قطر"))
_GULF += (("KUWAIT", "الكويت"), ("OMAN", "عمان"), ("IRAQ", "العراق"), ("JORDAN", "الأردن"), ("MOROCCO", "المغرب"))


def _spaced(text: str) -> str:
    """Set letters apart."""
    return " ".join(text)


def egypt(rng: Rng) -> Canvas:
    """A coloured strip with the country in both scripts; digits left of a line and letters right of it."""
    canvas = blank(rng, (1.85, 2.3), one(rng, (WHITE, WHITE, (205, 215, 215))), 108)
    strip = one(rng, ((215, 150, 20), (200, 120, 20), (30, 120, 235), (40, 40, 200), (60, 130, 50), (150, 150, 150)))
    low = float(rng.uniform(0.26, 0.34))
    canvas.fill((0, 0, 1, low), about(rng, strip, 15))
    ink = one(rng, (BLACK, BLACK, WHITE))
    small(rng, canvas, "EGYPT", (0.08, 0.07, 0.42, low - 0.06), ink, PLAIN)
    small(rng, canvas, "مصر", (0.6, 0.05, 0.92, low - 0.04), ink)
    split = float(rng.uniform(0.48, 0.55))
    canvas.fill((split - 0.006, low, split + 0.006, 1), BLACK)
    style = Lettering(gap=0.25, weight=700, stroke=int(rng.integers(0, 4)))
    number(
        rng, canvas, randomly(rng, "EEEE"[: rng.integers(3, 5)]), (0.04, low + 0.12, split - 0.03, 0.9), BLACK, style
    )
    number(
        rng,
        canvas,
        _spaced(randomly(rng, "AAA"[: rng.integers(2, 4)])),
        (split + 0.03, low + 0.1, 0.96, 0.93),
        BLACK,
        style,
    )
    border(rng, canvas, BLACK, 0.7)
    return canvas


def egypt_motorcycle(rng: Rng) -> Canvas:
    """A motorcycle's: the strip, letters, digits below them."""
    canvas = blank(rng, (0.86, 1.08), one(rng, (WHITE, WHITE, (205, 215, 215))), 120)
    strip = one(rng, ((215, 140, 20),) * 3 + ((190, 110, 10), (30, 120, 235), (40, 40, 200), (200, 170, 60)))
    low = float(rng.uniform(0.22, 0.34))
    canvas.fill((0, 0, 1, low), about(rng, strip, 18))
    ink = one(rng, (BLACK, BLACK, BLACK, WHITE))
    small(rng, canvas, "EGYPT", (0.06, 0.12, 0.46, low - 0.03), ink, PLAIN)
    small(rng, canvas, "مصر", (0.55, 0.08, 0.94, low - 0.01), ink)
    style = Lettering(gap=float(rng.uniform(0.15, 0.5)), weight=700, stroke=int(rng.integers(0, 4)), width=1.1)
    middle = (low + 1) / 2
    number(
        rng,
        canvas,
        _spaced(randomly(rng, "AAA"[: rng.integers(2, 4)])),
        (0.1, low + 0.03, 0.9, middle + 0.02),
        BLACK,
        style,
    )
    number(rng, canvas, randomly(rng, "EEEE"[: rng.integers(3, 5)]), (0.08, middle + 0.05, 0.92, 0.93), BLACK, style)
    for x in (0.16, 0.84) if rng.random() < 0.8 else ():
        canvas.disc(x, 0.1, float(rng.uniform(0.03, 0.055)), about(rng, one(rng, ((200,) * 3, (70,) * 3)), 20))
    return canvas


def gulf(rng: Rng) -> Canvas:
    """Latin and Arabic side by side or above each other."""
    canvas = blank(rng, (1.8, 4.8), one(rng, (WHITE, WHITE, WHITE, YELLOW, RED)))
    ink = BLACK if canvas.image[0, 0].mean() > 100 else WHITE
    latin, arabic = one(rng, _GULF)
    style = Lettering(gap=0.2, weight=700)
    if canvas.aspect > 3:
        small(rng, canvas, arabic, (0.74, 0.1, 0.97, 0.5), ink)
        small(rng, canvas, latin, (0.76, 0.6, 0.96, 0.85), ink, PLAIN)
        canvas.fill((0.03, 0.3, 0.1, 0.7), tuple(rng.uniform(20, 230, 3)))
        number(
            rng,
            canvas,
            randomly(rng, one(rng, ("00000", "L 00000", "000000", "0 0000"))),
            (0.13, 0.15, 0.72, 0.85),
            ink,
        )
    elif rng.random() < 0.5:
        number(rng, canvas, randomly(rng, "EEEEEE"[: rng.integers(3, 7)]), (0.3, 0.06, 0.96, 0.47), ink, style)
        number(rng, canvas, randomly(rng, one(rng, ("0000 LLL", "000 LLL", "00000"))), (0.3, 0.56, 0.96, 0.93), ink)
        small(rng, canvas, arabic, (0.03, 0.1, 0.26, 0.4), ink)
        small(rng, canvas, latin, (0.03, 0.6, 0.26, 0.85), ink, PLAIN)
        canvas.fill((0.27, 0.05, 0.28, 0.95), ink)
    else:
        small(rng, canvas, arabic, (0.5, 0.04, 0.9, 0.3), ink)
        small(rng, canvas, latin, (0.1, 0.08, 0.45, 0.28), ink, PLAIN)
        number(rng, canvas, randomly(rng, one(rng, ("00000", "L 0000", "0 00000"))), (0.06, 0.36, 0.94, 0.92), ink)
    border(rng, canvas, ink)
    return canvas


def iran(rng: Rng) -> Canvas:
    """A long plate with the blue band, Persian digits and the region's box."""
    canvas = blank(rng, (4.2, 4.9), one(rng, (WHITE, WHITE, WHITE, YELLOW)))
    wide = 0.4 / canvas.aspect
    canvas.fill((0, 0, wide, 1), about(rng, (140, 50, 15)))
    for row, colour in enumerate(((70, 140, 40), WHITE, RED)):
        canvas.fill((wide * 0.2, 0.1 + row * 0.07, wide * 0.8, 0.17 + row * 0.07), colour)
    canvas.text("IRAN", (wide * 0.1, 0.65, wide * 0.9, 0.85), WHITE, Lettering())
    style = Lettering(gap=0.2, weight=700, stroke=int(rng.integers(0, 3)))
    text = randomly(rng, "PP ") + one(rng, "بجدسصطقلمنوهی") + randomly(rng, " PPP")
    number(rng, canvas, text, (wide + 0.03, 0.15, 0.76, 0.88), BLACK, style)
    canvas.fill((0.78, 0, 0.786, 1), BLACK)
    small(rng, canvas, "ایران", (0.81, 0.06, 0.97, 0.34), BLACK)
    number(rng, canvas, randomly(rng, "PP"), (0.81, 0.42, 0.97, 0.9), BLACK, style)
    border(rng, canvas, BLACK, 0.9)
    return canvas

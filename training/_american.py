"""Plates of the Americas."""

from __future__ import annotations

import cv2
import numpy as np

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
    two_lines,
)
from ._lettering import ANY, PLAIN, Canvas, Lettering, pick

_STATES = [
    "California",
    "Texas",
    "New York",
    "FLORIDA",
    "OHIO",
    "Georgia",
    "Oregon",
    "Utah",
    "ALASKA",
    "Virginia",
    "Michigan",
    "Illinois",
    "ARIZONA",
    "Nevada",
    "Colorado",
    "MAINE",
    "Kansas",
    "IOWA",
    "Washington",
    "New Jersey",
    "Pennsylvania",
    "Tennessee",
    "ONTARIO",
    "Québec",
    "Alberta",
    "British Columbia",
    "Manitoba",
    "Minnesota",
    "Wisconsin",
    "MISSOURI",
    "Kentucky",
    "OKLAHOMA",
    "Hawaii",
    "Idaho",
    "MONTANA",
    "Wyoming",
    "Connecticut",
    "Vermont",
]
_SLOGANS = [
    "SUNSHINE STATE",
    "Empire State",
    "LAND OF LINCOLN",
    "GARDEN STATE",
    "Grand Canyon State",
    "Je me souviens",
    "YOURS TO DISCOVER",
    "Great Lakes",
    "Famous Potatoes",
    "LIVE FREE OR DIE",
    "10,000 lakes",
    "dmv.ca.gov",
    "THE LONE STAR STATE",
    "Wild Rose Country",
    "Beautiful",
    "EXPLORE",
    "SHOW-ME STATE",
    "In God We Trust",
    "VETERAN",
    "The Golden State",
]
_CITIES = [
    "SP - SAO PAULO",
    "RJ - RIO DE JANEIRO",
    "MG - BELO HORIZONTE",
    "PR - CURITIBA",
    "RS - PORTO ALEGRE",
    "BA - SALVADOR",
]


def _scenery(rng: Rng, canvas: Canvas) -> None:
    """Paint what American plates have behind the number: a fading sky, hills, a sun, an emblem, a flag."""
    height, width = canvas.image.shape[:2]
    stops = np.float32([rng.uniform(130, 255, 3), rng.uniform(200, 250, 3), rng.uniform(140, 255, 3)])[:, None]
    canvas.image[:] = cv2.resize(stops, (width, height), interpolation=cv2.INTER_LINEAR)
    kind = rng.random()
    if kind < 0.3:
        for shade in (0.95, 0.8):
            ridge = np.cumsum(rng.normal(0, 5, 12))
            ridge = height * rng.uniform(0.5, 0.8) + np.interp(np.arange(0, width, 6), np.linspace(0, width, 12), ridge)
            shape = np.stack([np.arange(0, width, 6), ridge], 1).astype(np.int32)
            shape = np.vstack([shape, [[width, height], [0, height]]])
            cv2.fillPoly(canvas.image, [shape], tuple(rng.uniform(120, 230, 3) * shade), cv2.LINE_AA)
    elif kind < 0.6:
        colour, place = tuple(rng.uniform(40, 230, 3)), float(rng.choice((0.5, 0.5, 0.12, 0.88)))
        canvas.disc(place, float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.12, 0.3)), colour)
        canvas.disc(place + 0.03, 0.5, 0.1, tuple(rng.uniform(40, 230, 3)))
    elif kind < 0.72:
        for stripe in range(0, 7, 2):
            canvas.fill((0, stripe / 7, 1, (stripe + 1) / 7), (190, 190, 235))
        canvas.fill((0, 0, 0.35, 0.45), (215, 170, 150))
    elif kind < 0.85:
        band = tuple(rng.uniform(20, 200, 3))
        canvas.fill((0, 0, 1, 0.22), band)
        canvas.fill((0, 0.84, 1, 1), band)


def america(rng: Rng) -> Canvas:
    """A plate of a state or province: its name above, a slogan below, often a picture behind the number."""
    canvas = blank(rng, (1.85, 2.15), WHITE, 108)
    dark = rng.random() < 0.12
    if dark:
        canvas = blank(rng, (1.85, 2.15), one(rng, (BLACK, (90, 40, 20), (30, 80, 30), (40, 30, 120))), 108)
        ink = tuple(one(rng, (WHITE, YELLOW, (90, 220, 240))))
    else:
        if rng.random() < 0.6:
            _scenery(rng, canvas)
        ink = one(rng, (BLACK, (110, 45, 15), (110, 45, 15), (50, 30, 130), (50, 80, 20), (60, 40, 25)))
    name = ink if rng.random() < 0.5 else (one(rng, (WHITE, YELLOW)) if dark else tuple(rng.uniform(0, 140, 3)))
    small(rng, canvas, one(rng, _STATES), (0.2, 0.04, 0.8, float(rng.uniform(0.17, 0.23))), name)
    if rng.random() < 0.75:
        small(rng, canvas, one(rng, _SLOGANS), (0.2, 0.86, 0.8, 0.96), name)
    text = randomly(
        rng,
        one(
            rng,
            ("0LLL000", "LLL 0000", "LLL·000", "LLL-0000", "000 LLL", "LL 00000", "L00 0LL", "LLLL 000", "0L 00000"),
        ),
    )
    y = float(rng.uniform(0.24, 0.3))
    number(rng, canvas, text, (0.05, y, 0.95, 0.82), ink, pick(rng, width=(0.55, 0.85)))
    for x in (0.05, 0.87) if rng.random() < 0.5 else ():
        y = float(rng.choice((0.04, 0.82)))
        canvas.fill((x, y, x + 0.08, y + 0.13), tuple(rng.uniform(20, 230, 3)))
        canvas.text(randomly(rng, "00"), (x + 0.01, y + 0.02, x + 0.07, y + 0.11), WHITE, Lettering())
    for x in (0.17, 0.83) if rng.random() < 0.7 else ():
        canvas.disc(x, 0.09, 0.045, about(rng, one(rng, ((60, 60, 60), (170, 170, 170), (25, 25, 25)))))
        if rng.random() < 0.6:
            canvas.disc(x, 0.92, 0.045, about(rng, (90, 90, 90), 30))
    border(rng, canvas, ink, 0.3)
    return canvas


def brazil(rng: Rng) -> Canvas:
    """Brazil's grey plate, its city's name above."""
    colour, ink = one(rng, (((165, 165, 165), BLACK),) * 4 + (((45, 40, 150), WHITE), ((200, 200, 200), BLACK)))
    canvas = blank(rng, (2.9, 3.2), colour)
    canvas.fill((0.25, 0.05, 0.75, 0.22), about(rng, tuple(0.95 * value for value in colour), 6))
    small(rng, canvas, one(rng, _CITIES), (0.25, 0.06, 0.75, 0.21), ink, PLAIN)
    number(rng, canvas, randomly(rng, one(rng, ("LLL·0000", "LLL 0000", "LLL-0000"))), (0.04, 0.28, 0.96, 0.93), ink)
    border(rng, canvas, ink)
    return canvas


def mercosur(rng: Rng) -> Canvas:
    """South America's plate with the blue strip, long or square."""
    square = rng.random() < 0.25
    canvas = blank(rng, (1.15, 1.3) if square else (2.9, 3.2), WHITE, 112 if square else 96)
    low = 0.2 if square else 0.25
    canvas.fill((0, 0, 1, low), about(rng, (150, 65, 10), 12))
    small(
        rng,
        canvas,
        one(rng, ("BRASIL", "BRASIL", "REPUBLICA ARGENTINA", "URUGUAY", "PARAGUAY")),
        (0.25, 0.05, 0.75, low - 0.05),
        WHITE,
        PLAIN,
    )
    canvas.fill((0.9, 0.05, 0.97, low - 0.05), (60, 150, 40))
    ink = one(rng, (BLACK, BLACK, BLACK, RED, (130, 60, 20)))
    if square:
        two_lines(
            rng,
            canvas,
            randomly(rng, "LLL"),
            randomly(rng, one(rng, ("0L00", "0000"))),
            ink,
            (0.1, 0.26, 0.93, 0.95),
        )
    else:
        number(
            rng, canvas, randomly(rng, one(rng, ("LLL0L00", "LL 000 LL", "LLL 0000"))), (0.06, 0.32, 0.96, 0.93), ink
        )
    return canvas


def temporary(rng: Rng) -> Canvas:
    """A paper plate: a heading, a printed number, a date, lines of small print."""
    canvas = blank(rng, (1.6, 2.6), one(rng, (WHITE, (225, 235, 235), (190, 235, 250))), 104)
    ink = one(rng, (BLACK, BLACK, RED, (120, 60, 30)))
    header = one(rng, ("TEMPORARY", "DEALER", "TEMP TAG", "IN TRANSIT", "BUYER TAG", "APPLIED FOR"))
    small(rng, canvas, header, (0.1, 0.04, 0.9, 0.2), ink)
    number = randomly(rng, one(rng, ("000000L", "L000000", "00L0000", "LLL 0000")))
    canvas.text(number, (0.04, 0.26, 0.96, 0.66), ink, pick(rng, ANY))
    canvas.text(f"EXPIRES {randomly(rng, '00/00/0000')}", (0.08, 0.7, 0.92, 0.82), BLACK, pick(rng))
    for row in (0.86, 0.92):
        small(rng, canvas, randomly(rng, "LLLLLLL LLLL 0000 LLLLLL"), (0.06, row, 0.7, row + 0.05), BLACK, PLAIN)
    return canvas

"""Plates of East and South Asia."""

from __future__ import annotations

import cv2
import numpy as np

from ._drawing import (
    BLACK,
    BLUE,
    GREEN,
    WHITE,
    YELLOW,
    Rng,
    blank,
    border,
    number,
    one,
    randomly,
    small,
    two_lines,
)
from ._lettering import ANY, Canvas, Lettering, pick

_PROVINCES, _KANA = (
    "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼",
    "あいうえかきくけこさすせそたちつてとなにぬのはひふほまみむめもやゆよらりるれろ",
)
_KANJI = "品川横浜名古屋大阪神戸京都札幌福岡仙台広島千葉練馬多摩足立"
_HANGUL = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주하허호"


def china(rng: Rng) -> Canvas:
    """A blue, yellow or green plate: the province's sign, a letter, a dot, the number."""
    colour, ink = one(
        rng, ((((175, 65, 15)), WHITE),) * 5 + ((YELLOW, BLACK), ((150, 200, 90), BLACK), ((150, 200, 90), BLACK))
    )
    canvas = blank(rng, (3.0, 3.4), colour)
    green = ink == BLACK and colour != YELLOW
    if green:
        stops = np.float32([[[225, 240, 225]], [list(colour)]])
        canvas.image[:] = cv2.resize(stops, canvas.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    text = one(rng, _PROVINCES) + randomly(
        rng, "L·000000" if green else one(rng, ("L·00000", "L·L0000", "L·0L000", "L·L000L"))
    )
    style = pick(rng, ("sans", "stroke", "narrow"), (0.65, 0.9))
    number(rng, canvas, text, (0.04, 0.16, 0.96, 0.84), ink, style)
    border(rng, canvas, ink, 0.8)
    return canvas


def japan(rng: Rng) -> Canvas:
    """A place and a class above, a kana and a large number below."""
    colour, ink = one(rng, ((WHITE, GREEN),) * 4 + ((YELLOW, BLACK), (GREEN, WHITE), (BLACK, YELLOW)))
    canvas = blank(rng, (1.9, 2.1), colour, 108)
    where = int(rng.integers(len(_KANJI) // 2)) * 2
    number(rng, canvas, _KANJI[where : where + 2] + " " + randomly(rng, "000"), (0.2, 0.07, 0.8, 0.33), ink)
    number(rng, canvas, one(rng, _KANA), (0.03, 0.52, 0.14, 0.76), ink, Lettering())
    digits = randomly(rng, one(rng, ("00-00", "00-00", "·0-00", "·000")))
    number(rng, canvas, digits, (0.18, 0.4, 0.96, 0.92), ink, pick(rng, width=(0.8, 1.2)))
    return canvas


def india(rng: Rng) -> Canvas:
    """A white, yellow, black or green plate, one line or two, sometimes as if painted by hand."""
    colour, ink = one(rng, ((WHITE, BLACK),) * 3 + ((YELLOW, BLACK), (BLACK, YELLOW), ((60, 140, 50), WHITE)))
    two = rng.random() < 0.4
    canvas = blank(rng, (1.4, 2.0) if two else (3.8, 5.0), colour, 112 if two else 96)
    area, rest = randomly(rng, "LL 00"), randomly(rng, one(rng, ("LL 0000", "L 0000", "LL0000")))
    style = pick(rng, ANY)
    left = 0.04
    if not two and rng.random() < 0.5:
        canvas.text("IND", (0.02, 0.6, 0.09, 0.8), BLUE, Lettering())
        canvas.disc(0.05, 0.35, 0.08, (170, 150, 120), 2)
        left = 0.1
    if two:
        two_lines(rng, canvas, area, rest, ink)
    else:
        number(
            rng, canvas, f"{area} {rest}".replace(" ", one(rng, ("", " ", " "))), (left, 0.17, 0.96, 0.83), ink, style
        )
    border(rng, canvas, ink, 0.4)
    return canvas


def pakistan(rng: Rng) -> Canvas:
    """A number between the names of a city and of a province."""
    canvas = blank(rng, (1.7, 3.6), one(rng, (WHITE, WHITE, YELLOW, (180, 215, 195))))
    small(rng, canvas, one(rng, ("ICT", "SINDH", "PUNJAB", "LAHORE")), (0.3, 0.05, 0.7, 0.22), BLACK)
    small(rng, canvas, one(rng, ("ISLAMABAD", "GOVT OF SINDH", "PUNJAB", "PAKISTAN")), (0.2, 0.8, 0.8, 0.95), BLACK)
    text = randomly(rng, one(rng, ("LLL-000", "LL-000", "LL·000", "LLL 0000")))
    number(rng, canvas, text, (0.05, 0.28, 0.95, 0.75), BLACK, pick(rng, ANY))
    border(rng, canvas, BLACK, 0.4)
    return canvas


def korea(rng: Rng) -> Canvas:
    """A white, green or yellow plate, a syllable between its digits, in one line or two."""
    colour, ink = one(rng, ((WHITE, BLACK),) * 3 + (((215, 225, 190), BLACK), ((70, 110, 40), WHITE), (YELLOW, BLACK)))
    syllable = one(rng, _HANGUL)
    if rng.random() < 0.7:
        canvas = blank(rng, (3.2, 4.8), colour)
        text = randomly(rng, one(rng, ("00", "000"))) + syllable + randomly(rng, " 0000")
        number(rng, canvas, text, (0.06, 0.16, 0.94, 0.84), ink)
    else:
        canvas = blank(rng, (1.9, 2.1), colour, 108)
        number(rng, canvas, one(rng, ("서울", "경기", "부산")) + randomly(rng, " 00"), (0.2, 0.07, 0.8, 0.36), ink)
        number(rng, canvas, syllable + randomly(rng, " 0000"), (0.05, 0.42, 0.95, 0.92), ink)
    border(rng, canvas, ink, 0.4)
    return canvas

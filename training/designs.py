"""Licence plates of the world, drawn: textures that are warped into scenes to train the plate detector.

No plate is copied from anywhere: layouts are those of real plates, numbers are drawn by chance.  What matters to a
detector is learnt from them: where a plate ends, which layouts and scripts there are, what dirt and light do to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ._lettering import ANY, PLAIN, Canvas, Colour, Lettering, pick
from ._wear import emboss, weather

Rng = np.random.Generator
Box = tuple[float, float, float, float]

WHITE, BLACK, BLUE = (236, 238, 238), (28, 24, 22), (165, 70, 20)
YELLOW, RED, GREEN = (45, 195, 240), (40, 35, 190), (70, 110, 30)
_LETTERS, _DIGITS = "ABCDEFGHJKLMNPRSTUVWXYZ", "0123456789"
_ARABIC, _EASTERN, _PERSIAN = "أبجدرسصطعفقلمنهوى", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"
_PROVINCES, _KANA = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼", "あいうえかきくけこさすせそたちつてとなにぬのはひふほまみむめもやゆよらりるれろ"
_KANJI = "品川横浜名古屋大阪神戸京都札幌福岡仙台広島千葉練馬多摩足立"
_STATES = (
    "California|Texas|New York|FLORIDA|OHIO|Georgia|Oregon|Utah|ALASKA|Virginia|Michigan|Illinois|ARIZONA|Nevada|"
    "Colorado|MAINE|Kansas|IOWA|Washington|New Jersey|Pennsylvania|Tennessee|ONTARIO|Québec|Alberta|British Columbia|"
    "Manitoba|Minnesota|Wisconsin|MISSOURI|Kentucky|OKLAHOMA|Hawaii|Idaho|MONTANA|Wyoming|Connecticut|Vermont"
).split("|")
_SLOGANS = (
    "SUNSHINE STATE|Empire State|LAND OF LINCOLN|GARDEN STATE|Grand Canyon State|Je me souviens|YOURS TO DISCOVER|"
    "Great Lakes|Famous Potatoes|LIVE FREE OR DIE|10,000 lakes|dmv.ca.gov|THE LONE STAR STATE|Wild Rose Country|"
    "Beautiful|EXPLORE|SHOW-ME STATE|In God We Trust|VETERAN|The Golden State"
).split("|")
_CITIES = "SP - SAO PAULO|RJ - RIO DE JANEIRO|MG - BELO HORIZONTE|PR - CURITIBA|RS - PORTO ALEGRE|BA - SALVADOR".split("|")
_GULF = (("BAHRAIN", "البحرين"), ("DUBAI", "دبي"), ("U.A.E", "الإمارات"), ("KSA", "السعودية"), ("QATAR", "قطر"))
_GULF += (("KUWAIT", "الكويت"), ("OMAN", "عمان"), ("IRAQ", "العراق"), ("JORDAN", "الأردن"), ("MOROCCO", "المغرب"))


@dataclass(frozen=True)
class Plate:
    """A drawn plate.

    Attributes
    ----------
    texture
        `uint8`, about 96 to 128 rows, BGR; its corners are the plate's corners, the frame's where it has one.
    style
        Name of its style, a key of `STYLES`.
    """

    texture: np.ndarray
    style: str


def _one(rng: Rng, choices: tuple | list | str):  # noqa: ANN202 - what it is given
    return choices[int(rng.integers(len(choices)))]


def _fill(rng: Rng, pattern: str) -> str:
    """Replace L by a letter, 0 by a digit, A, E and P by an Arabic letter, an Arabic and a Persian digit."""
    sets = {"L": _LETTERS, "0": _DIGITS, "A": _ARABIC, "E": _EASTERN, "P": _PERSIAN}
    return "".join(_one(rng, sets[char]) if char in sets else char for char in pattern)


def _about(rng: Rng, colour: Colour, spread: float = 9) -> Colour:
    """Return a colour near another: paint differs, and light more so."""
    return tuple(float(value) for value in np.clip(np.array(colour) + rng.normal(0, spread, 3), 0, 255))


def _blank(rng: Rng, aspect: tuple[float, float], colour: Colour, height: int = 96) -> Canvas:
    return Canvas(float(rng.uniform(*aspect)), _about(rng, colour), height)


def _number(
    rng: Rng, canvas: Canvas, text: str, box: Box, ink: Colour, lettering: Lettering | None = None, align: float = 0.5
) -> None:
    """Write the registration: raised, in a lettering of its own unless one is given."""
    canvas.text(text, box, _about(rng, ink), lettering or pick(rng), align=align, raised=True)


def _small(rng: Rng, canvas: Canvas, text: str, box: Box, ink: Colour, faces: tuple[str, ...] = ANY) -> None:
    """Write a name or a slogan."""
    canvas.text(text, box, ink, pick(rng, faces, (0.8, 1.2)), joined=text >= "\u0600")


def _border(rng: Rng, canvas: Canvas, ink: Colour, chance: float = 0.6) -> None:
    if rng.random() < chance:
        canvas.rim(float(rng.uniform(0.0, 0.05)), _about(rng, ink), int(rng.integers(1, 4)))


def _band(rng: Rng, canvas: Canvas, code: str, right: bool = False, share: float = 0.42) -> float:
    """Draw the blue band with stars and a country's code at an end; return its width as a fraction."""
    wide = share / canvas.aspect
    left = 1 - wide if right else 0.0
    canvas.fill((left, 0, left + wide, 1), _about(rng, BLUE, 14))
    middle, gold = left + wide / 2, (60, 205, 245)
    for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        canvas.disc(middle + 0.12 * np.cos(turn) / canvas.aspect, 0.28 + 0.12 * np.sin(turn), 0.02, gold)
    canvas.text(code, (left + wide * 0.12, 0.6, left + wide * 0.88, 0.9), WHITE, pick(rng, ("sans", "narrow")))
    return wide


_EU_CODES = ("D", "F", "I", "RO", "NL", "PL", "E", "P", "H", "CZ", "SK", "B", "A", "GR", "BG", "S", "FIN", "LT", "UA")
_EU_PATTERNS = (
    "LL 000 LL|LL 00 LLL|L 00 LLL|LL-000-LL|00-LL-00|LLL 0000|LLL-000|0LL 0000|LL 0000 LL|0000 LLL|LL 00000|LLL 00L|"
    "LL0000|0-LLL-000|L 000 LL|00 LLL 00|00 L 0000|LL·000·LL|L·LLL·00"
).split("|")


def _eu(rng: Rng) -> Canvas:
    colour = _one(rng, (WHITE,) * 8 + (YELLOW, (200, 205, 205), (150, 220, 235)))
    ink = _one(rng, (BLACK,) * 8 + (RED, (120, 60, 20), (30, 120, 40)))
    canvas = _blank(rng, (4.1, 5.0), colour)
    left = _band(rng, canvas, _one(rng, _EU_CODES)) if rng.random() < 0.75 else 0.0
    y = float(rng.uniform(0.1, 0.18))
    _number(rng, canvas, _fill(rng, _one(rng, _EU_PATTERNS)), (left + 0.03, y, 0.97, 1 - y), ink)
    _border(rng, canvas, ink)
    return canvas


def _germany(rng: Rng) -> Canvas:
    canvas = _blank(rng, (4.2, 4.9), WHITE)
    left = _band(rng, canvas, "D")
    style = pick(rng, ("stroke", "double", "sans"))
    split = left + (1 - left) * float(rng.uniform(0.25, 0.4))
    _number(rng, canvas, _fill(rng, "LLL"[: rng.integers(1, 4)]), (left + 0.02, 0.13, split - 0.05, 0.87), BLACK, style, 1)
    rest = _fill(rng, _one(rng, ("LL 000", "L 000", "LL 0000", "LL 00", "L 0000", "LL 00H")))
    _number(rng, canvas, rest, (split + 0.05, 0.13, 0.97, 0.87), BLACK, style, 0)
    canvas.disc(split, 0.3, 0.13, _about(rng, _one(rng, ((60, 160, 220), (60, 140, 60), (180, 90, 40))), 20))
    canvas.disc(split, 0.68, 0.15, _about(rng, (205, 205, 205), 20))
    canvas.disc(split, 0.68, 0.07, _about(rng, (90, 120, 140), 50))
    _border(rng, canvas, BLACK, 0.9)
    return canvas


def _netherlands(rng: Rng) -> Canvas:
    canvas = _blank(rng, (4.3, 4.8), (30, 175, 245))
    left = _band(rng, canvas, _one(rng, ("NL", "NL", "L", "NL")), share=0.36)
    text = _fill(rng, _one(rng, ("LL-000-L", "00-LLL-0", "L-000-LL", "0-LLL-00", "LL-LL-00", "LL 0000")))
    _number(rng, canvas, text, (left + 0.03, 0.14, 0.97, 0.86), BLACK)
    _border(rng, canvas, BLACK)
    return canvas


def _britain(rng: Rng) -> Canvas:
    canvas = _blank(rng, (4.3, 4.8), _one(rng, (WHITE, (20, 190, 250))))
    left = _band(rng, canvas, _one(rng, ("GB", "UK")), share=0.35) if rng.random() < 0.35 else 0.0
    text = _fill(rng, _one(rng, ("LL00 LLL", "LL00 LLL", "LL00 LLL", "L000 LLL", "LLL 000L", "L00 LLL")))
    low = 0.82 if rng.random() < 0.4 else 0.87
    _number(rng, canvas, text, (left + 0.04, 0.12, 0.96, low), BLACK)
    if low < 0.85:
        _small(rng, canvas, _one(rng, ("www.motors.co.uk", "CITY CARS LTD", "BS AU 145e")), (0.3, 0.87, 0.7, 0.97), BLACK)
    _border(rng, canvas, BLACK, 0.3)
    return canvas


def _italy(rng: Rng) -> Canvas:
    canvas = _blank(rng, (4.4, 4.8), WHITE)
    code = _one(rng, ("I", "F", "AL"))
    left, right = _band(rng, canvas, code, share=0.36), _band(rng, canvas, _fill(rng, "00"), right=True, share=0.36)
    text = _fill(rng, _one(rng, ("LL 000LL", "LL-000-LL", "LL 000 LL")))
    _number(rng, canvas, text, (left + 0.02, 0.13, 1 - right - 0.02, 0.87), BLACK)
    _border(rng, canvas, BLACK, 0.3)
    return canvas


def _two_lines(rng: Rng, canvas: Canvas, upper: str, lower: str, ink: Colour, box: Box = (0.06, 0.07, 0.94, 0.93)) -> None:
    """Write a registration in two lines of one lettering, the upper one sometimes the smaller."""
    style = pick(rng)
    left, top, right, bottom = box
    middle = top + (bottom - top) * float(rng.uniform(0.38, 0.52))
    inset = float(rng.choice((0, 0, 0.12)))
    _number(rng, canvas, upper, (left + inset, top, right - inset, middle - 0.03), ink, style)
    _number(rng, canvas, lower, (left, middle + 0.03, right, bottom), ink, style)


def _eu_square(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.25, 2.0), _one(rng, (WHITE, WHITE, WHITE, YELLOW)), 112)
    if rng.random() < 0.6:
        wide = 0.26 / canvas.aspect
        canvas.fill((0, 0, wide, 0.48), _about(rng, BLUE, 14))
        canvas.text(_one(rng, _EU_CODES), (wide * 0.15, 0.3, wide * 0.85, 0.44), WHITE, Lettering())
        canvas.disc(wide / 2, 0.16, 0.07, (60, 205, 245), 2)
        box = (wide + 0.02, 0.07, 0.95, 0.93)
    else:
        box = (0.06, 0.07, 0.94, 0.93)
    _two_lines(rng, canvas, _fill(rng, _one(rng, ("LL", "LL 00", "L·LL", "00 L"))), _fill(rng, _one(rng, ("000 LL", "0000", "LLL", "LL 000"))), BLACK, box)
    _border(rng, canvas, BLACK)
    return canvas


def _motorcycle(rng: Rng) -> Canvas:
    colour, ink = _one(rng, ((WHITE, BLACK),) * 5 + ((YELLOW, BLACK),) * 3 + ((WHITE, RED), (WHITE, (120, 60, 20)), (BLUE, WHITE)))
    canvas = _blank(rng, (1.05, 1.6), colour, 112)
    top = 0.07
    if rng.random() < 0.25:
        _small(rng, canvas, _one(rng, _CITIES + _STATES), (0.15, 0.04, 0.85, 0.15), ink)
        top = 0.18
    upper = _fill(rng, _one(rng, ("LL 00", "LLL", "LL", "00-L0", "LL-L0", "0LLL", "L·00", "00")))
    lower = _fill(rng, _one(rng, ("0000", "000", "LLL", "000.00", "LL 0000", "00 00", "L 000")))
    _two_lines(rng, canvas, upper, lower, ink, (0.07, top, 0.93, 0.93))
    _border(rng, canvas, ink)
    return canvas


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


def _america(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.85, 2.15), WHITE, 108)
    dark = rng.random() < 0.12
    if dark:
        canvas = _blank(rng, (1.85, 2.15), _one(rng, (BLACK, (90, 40, 20), (30, 80, 30), (40, 30, 120))), 108)
        ink = tuple(_one(rng, (WHITE, YELLOW, (90, 220, 240))))
    else:
        if rng.random() < 0.6:
            _scenery(rng, canvas)
        ink = _one(rng, (BLACK, (110, 45, 15), (110, 45, 15), (50, 30, 130), (50, 80, 20), (60, 40, 25)))
    name = ink if rng.random() < 0.5 else (_one(rng, (WHITE, YELLOW)) if dark else tuple(rng.uniform(0, 140, 3)))
    _small(rng, canvas, _one(rng, _STATES), (0.2, 0.04, 0.8, float(rng.uniform(0.17, 0.23))), name)
    if rng.random() < 0.75:
        _small(rng, canvas, _one(rng, _SLOGANS), (0.2, 0.86, 0.8, 0.96), name)
    text = _fill(rng, _one(rng, ("0LLL000", "LLL 0000", "LLL·000", "LLL-0000", "000 LLL", "LL 00000", "L00 0LL", "LLLL 000", "0L 00000")))
    y = float(rng.uniform(0.24, 0.3))
    _number(rng, canvas, text, (0.05, y, 0.95, 0.82), ink, pick(rng, width=(0.55, 0.85)))
    for x in (0.05, 0.87) if rng.random() < 0.5 else ():
        y = float(rng.choice((0.04, 0.82)))
        canvas.fill((x, y, x + 0.08, y + 0.13), tuple(rng.uniform(20, 230, 3)))
        canvas.text(_fill(rng, "00"), (x + 0.01, y + 0.02, x + 0.07, y + 0.11), WHITE, Lettering())
    for x in (0.17, 0.83) if rng.random() < 0.7 else ():
        canvas.disc(x, 0.09, 0.045, _about(rng, _one(rng, ((60, 60, 60), (170, 170, 170), (25, 25, 25)))))
        if rng.random() < 0.6:
            canvas.disc(x, 0.92, 0.045, _about(rng, (90, 90, 90), 30))
    _border(rng, canvas, ink, 0.3)
    return canvas


def _brazil(rng: Rng) -> Canvas:
    colour, ink = _one(rng, (((165, 165, 165), BLACK),) * 4 + (((45, 40, 150), WHITE), ((200, 200, 200), BLACK)))
    canvas = _blank(rng, (2.9, 3.2), colour)
    canvas.fill((0.25, 0.05, 0.75, 0.22), _about(rng, tuple(0.95 * value for value in colour), 6))
    _small(rng, canvas, _one(rng, _CITIES), (0.25, 0.06, 0.75, 0.21), ink, PLAIN)
    _number(rng, canvas, _fill(rng, _one(rng, ("LLL·0000", "LLL 0000", "LLL-0000"))), (0.04, 0.28, 0.96, 0.93), ink)
    _border(rng, canvas, ink)
    return canvas


def _mercosur(rng: Rng) -> Canvas:
    square = rng.random() < 0.25
    canvas = _blank(rng, (1.15, 1.3) if square else (2.9, 3.2), WHITE, 112 if square else 96)
    low = 0.2 if square else 0.25
    canvas.fill((0, 0, 1, low), _about(rng, (150, 65, 10), 12))
    _small(rng, canvas, _one(rng, ("BRASIL", "BRASIL", "REPUBLICA ARGENTINA", "URUGUAY", "PARAGUAY")), (0.25, 0.05, 0.75, low - 0.05), WHITE, PLAIN)
    canvas.fill((0.9, 0.05, 0.97, low - 0.05), (60, 150, 40))
    ink = _one(rng, (BLACK, BLACK, BLACK, RED, (130, 60, 20)))
    if square:
        _two_lines(rng, canvas, _fill(rng, "LLL"), _fill(rng, _one(rng, ("0L00", "0000"))), ink, (0.1, 0.26, 0.93, 0.95))
    else:
        _number(rng, canvas, _fill(rng, _one(rng, ("LLL0L00", "LL 000 LL", "LLL 0000"))), (0.06, 0.32, 0.96, 0.93), ink)
    return canvas


def _china(rng: Rng) -> Canvas:
    colour, ink = _one(rng, ((((175, 65, 15)), WHITE),) * 5 + ((YELLOW, BLACK), ((150, 200, 90), BLACK), ((150, 200, 90), BLACK)))
    canvas = _blank(rng, (3.0, 3.4), colour)
    green = ink == BLACK and colour != YELLOW
    if green:
        stops = np.float32([[[225, 240, 225]], [list(colour)]])
        canvas.image[:] = cv2.resize(stops, canvas.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    text = _one(rng, _PROVINCES) + _fill(rng, "L·000000" if green else _one(rng, ("L·00000", "L·L0000", "L·0L000", "L·L000L")))
    style = pick(rng, ("sans", "stroke", "narrow"), (0.65, 0.9))
    _number(rng, canvas, text, (0.04, 0.16, 0.96, 0.84), ink, style)
    _border(rng, canvas, ink, 0.8)
    return canvas


def _japan(rng: Rng) -> Canvas:
    colour, ink = _one(rng, ((WHITE, GREEN),) * 4 + ((YELLOW, BLACK), (GREEN, WHITE), (BLACK, YELLOW)))
    canvas = _blank(rng, (1.9, 2.1), colour, 108)
    where = int(rng.integers(len(_KANJI) // 2)) * 2
    _number(rng, canvas, _KANJI[where : where + 2] + " " + _fill(rng, "000"), (0.2, 0.07, 0.8, 0.33), ink)
    _number(rng, canvas, _one(rng, _KANA), (0.03, 0.52, 0.14, 0.76), ink, Lettering())
    number = _fill(rng, _one(rng, ("00-00", "00-00", "·0-00", "·000")))
    _number(rng, canvas, number, (0.18, 0.4, 0.96, 0.92), ink, pick(rng, width=(0.8, 1.2)))
    return canvas


def _india(rng: Rng) -> Canvas:
    colour, ink = _one(rng, ((WHITE, BLACK),) * 3 + ((YELLOW, BLACK), (BLACK, YELLOW), ((60, 140, 50), WHITE)))
    two = rng.random() < 0.4
    canvas = _blank(rng, (1.4, 2.0) if two else (3.8, 5.0), colour, 112 if two else 96)
    area, rest = _fill(rng, "LL 00"), _fill(rng, _one(rng, ("LL 0000", "L 0000", "LL0000")))
    style = pick(rng, ANY)
    left = 0.04
    if not two and rng.random() < 0.5:
        canvas.text("IND", (0.02, 0.6, 0.09, 0.8), BLUE, Lettering())
        canvas.disc(0.05, 0.35, 0.08, (170, 150, 120), 2)
        left = 0.1
    if two:
        _two_lines(rng, canvas, area, rest, ink)
    else:
        _number(rng, canvas, f"{area} {rest}".replace(" ", _one(rng, ("", " ", " "))), (left, 0.17, 0.96, 0.83), ink, style)
    _border(rng, canvas, ink, 0.4)
    return canvas


def _spaced(text: str) -> str:
    return " ".join(text)


def _egypt(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.85, 2.3), _one(rng, (WHITE, WHITE, (205, 215, 215))), 108)
    strip = _one(rng, ((215, 150, 20), (200, 120, 20), (30, 120, 235), (40, 40, 200), (60, 130, 50), (150, 150, 150)))
    low = float(rng.uniform(0.26, 0.34))
    canvas.fill((0, 0, 1, low), _about(rng, strip, 15))
    ink = _one(rng, (BLACK, BLACK, WHITE))
    _small(rng, canvas, "EGYPT", (0.08, 0.07, 0.42, low - 0.06), ink, PLAIN)
    _small(rng, canvas, "مصر", (0.6, 0.05, 0.92, low - 0.04), ink)
    split = float(rng.uniform(0.48, 0.55))
    canvas.fill((split - 0.006, low, split + 0.006, 1), BLACK)
    style = Lettering(gap=0.25, weight=700, stroke=int(rng.integers(0, 4)))
    _number(rng, canvas, _fill(rng, "EEEE"[: rng.integers(3, 5)]), (0.04, low + 0.12, split - 0.03, 0.9), BLACK, style)
    _number(rng, canvas, _spaced(_fill(rng, "AAA"[: rng.integers(2, 4)])), (split + 0.03, low + 0.1, 0.96, 0.93), BLACK, style)
    _border(rng, canvas, BLACK, 0.7)
    return canvas


def _egypt_motorcycle(rng: Rng) -> Canvas:
    canvas = _blank(rng, (0.86, 1.08), _one(rng, (WHITE, WHITE, (205, 215, 215))), 120)
    strip = _one(rng, ((215, 140, 20),) * 3 + ((190, 110, 10), (30, 120, 235), (40, 40, 200), (200, 170, 60)))
    low = float(rng.uniform(0.22, 0.34))
    canvas.fill((0, 0, 1, low), _about(rng, strip, 18))
    ink = _one(rng, (BLACK, BLACK, BLACK, WHITE))
    _small(rng, canvas, "EGYPT", (0.06, 0.12, 0.46, low - 0.03), ink, PLAIN)
    _small(rng, canvas, "مصر", (0.55, 0.08, 0.94, low - 0.01), ink)
    style = Lettering(gap=float(rng.uniform(0.15, 0.5)), weight=700, stroke=int(rng.integers(0, 4)), width=1.1)
    middle = (low + 1) / 2
    _number(rng, canvas, _spaced(_fill(rng, "AAA"[: rng.integers(2, 4)])), (0.1, low + 0.03, 0.9, middle + 0.02), BLACK, style)
    _number(rng, canvas, _fill(rng, "EEEE"[: rng.integers(3, 5)]), (0.08, middle + 0.05, 0.92, 0.93), BLACK, style)
    for x in (0.16, 0.84) if rng.random() < 0.8 else ():
        canvas.disc(x, 0.1, float(rng.uniform(0.03, 0.055)), _about(rng, _one(rng, ((200,) * 3, (70,) * 3)), 20))
    return canvas


def _gulf(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.8, 4.8), _one(rng, (WHITE, WHITE, WHITE, YELLOW, RED)))
    ink = BLACK if canvas.image[0, 0].mean() > 100 else WHITE
    latin, arabic = _one(rng, _GULF)
    style = Lettering(gap=0.2, weight=700)
    if canvas.aspect > 3:
        _small(rng, canvas, arabic, (0.74, 0.1, 0.97, 0.5), ink)
        _small(rng, canvas, latin, (0.76, 0.6, 0.96, 0.85), ink, PLAIN)
        canvas.fill((0.03, 0.3, 0.1, 0.7), tuple(rng.uniform(20, 230, 3)))
        _number(rng, canvas, _fill(rng, _one(rng, ("00000", "L 00000", "000000", "0 0000"))), (0.13, 0.15, 0.72, 0.85), ink)
    elif rng.random() < 0.5:
        _number(rng, canvas, _fill(rng, "EEEEEE"[: rng.integers(3, 7)]), (0.3, 0.06, 0.96, 0.47), ink, style)
        _number(rng, canvas, _fill(rng, _one(rng, ("0000 LLL", "000 LLL", "00000"))), (0.3, 0.56, 0.96, 0.93), ink)
        _small(rng, canvas, arabic, (0.03, 0.1, 0.26, 0.4), ink)
        _small(rng, canvas, latin, (0.03, 0.6, 0.26, 0.85), ink, PLAIN)
        canvas.fill((0.27, 0.05, 0.28, 0.95), ink)
    else:
        _small(rng, canvas, arabic, (0.5, 0.04, 0.9, 0.3), ink)
        _small(rng, canvas, latin, (0.1, 0.08, 0.45, 0.28), ink, PLAIN)
        _number(rng, canvas, _fill(rng, _one(rng, ("00000", "L 0000", "0 00000"))), (0.06, 0.36, 0.94, 0.92), ink)
    _border(rng, canvas, ink)
    return canvas


def _iran(rng: Rng) -> Canvas:
    canvas = _blank(rng, (4.2, 4.9), _one(rng, (WHITE, WHITE, WHITE, YELLOW)))
    wide = 0.4 / canvas.aspect
    canvas.fill((0, 0, wide, 1), _about(rng, (140, 50, 15)))
    for row, colour in enumerate(((70, 140, 40), WHITE, RED)):
        canvas.fill((wide * 0.2, 0.1 + row * 0.07, wide * 0.8, 0.17 + row * 0.07), colour)
    canvas.text("IRAN", (wide * 0.1, 0.65, wide * 0.9, 0.85), WHITE, Lettering())
    style = Lettering(gap=0.2, weight=700, stroke=int(rng.integers(0, 3)))
    text = _fill(rng, "PP ") + _one(rng, "بجدسصطقلمنوهی") + _fill(rng, " PPP")
    _number(rng, canvas, text, (wide + 0.03, 0.15, 0.76, 0.88), BLACK, style)
    canvas.fill((0.78, 0, 0.786, 1), BLACK)
    _small(rng, canvas, "ایران", (0.81, 0.06, 0.97, 0.34), BLACK)
    _number(rng, canvas, _fill(rng, "PP"), (0.81, 0.42, 0.97, 0.9), BLACK, style)
    _border(rng, canvas, BLACK, 0.9)
    return canvas


def _pakistan(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.7, 3.6), _one(rng, (WHITE, WHITE, YELLOW, (180, 215, 195))))
    _small(rng, canvas, _one(rng, ("ICT", "SINDH", "PUNJAB", "LAHORE")), (0.3, 0.05, 0.7, 0.22), BLACK)
    _small(rng, canvas, _one(rng, ("ISLAMABAD", "GOVT OF SINDH", "PUNJAB", "PAKISTAN")), (0.2, 0.8, 0.8, 0.95), BLACK)
    text = _fill(rng, _one(rng, ("LLL-000", "LL-000", "LL·000", "LLL 0000")))
    _number(rng, canvas, text, (0.05, 0.28, 0.95, 0.75), BLACK, pick(rng, ANY))
    _border(rng, canvas, BLACK, 0.4)
    return canvas


def _dark(rng: Rng) -> Canvas:
    colour = _one(rng, (BLACK, BLACK, (45, 45, 45), (60, 75, 35), (100, 50, 20), (60, 60, 70)))
    ink = _about(rng, _one(rng, (WHITE, WHITE, (190, 195, 200), YELLOW, (150, 160, 165))))
    two = rng.random() < 0.35
    canvas = _blank(rng, (1.3, 2.0) if two else (2.6, 5.0), colour)
    upper, lower = _fill(rng, _one(rng, ("LLL", "L", "LL"))), _fill(rng, _one(rng, ("0000", "000", "0000 LL")))
    if two:
        _two_lines(rng, canvas, upper, lower, ink)
    else:
        text = upper + _one(rng, (" ", "-", " ")) + lower
        _number(rng, canvas, text, (0.05, 0.17, 0.95, 0.83), ink, pick(rng, ANY))
    _border(rng, canvas, ink, 0.35)
    return canvas


def _temporary(rng: Rng) -> Canvas:
    canvas = _blank(rng, (1.6, 2.6), _one(rng, (WHITE, (225, 235, 235), (190, 235, 250))), 104)
    ink = _one(rng, (BLACK, BLACK, RED, (120, 60, 30)))
    header = _one(rng, ("TEMPORARY", "DEALER", "TEMP TAG", "IN TRANSIT", "BUYER TAG", "APPLIED FOR"))
    _small(rng, canvas, header, (0.1, 0.04, 0.9, 0.2), ink)
    number = _fill(rng, _one(rng, ("000000L", "L000000", "00L0000", "LLL 0000")))
    canvas.text(number, (0.04, 0.26, 0.96, 0.66), ink, pick(rng, ANY))
    canvas.text(f"EXPIRES {_fill(rng, '00/00/0000')}", (0.08, 0.7, 0.92, 0.82), BLACK, pick(rng))
    for row in (0.86, 0.92):
        _small(rng, canvas, _fill(rng, "LLLLLLL LLLL 0000 LLLLLL"), (0.06, row, 0.7, row + 0.05), BLACK, PLAIN)
    return canvas


_DESIGNS: dict[str, tuple[float, Callable[[Rng], Canvas]]] = {
    "us": (0.27, _america),
    "eu": (0.09, _eu),
    "germany": (0.05, _germany),
    "britain": (0.05, _britain),
    "netherlands": (0.03, _netherlands),
    "italy": (0.03, _italy),
    "eu-square": (0.04, _eu_square),
    "motorcycle": (0.07, _motorcycle),
    "egypt": (0.04, _egypt),
    "egypt-motorcycle": (0.07, _egypt_motorcycle),
    "gulf": (0.03, _gulf),
    "japan": (0.02, _japan),
    "india": (0.04, _india),
    "pakistan": (0.03, _pakistan),
    "iran": (0.01, _iran),
    "brazil": (0.025, _brazil),
    "mercosur": (0.025, _mercosur),
    "china": (0.03, _china),
    "dark": (0.03, _dark),
    "temporary": (0.02, _temporary),
}
STYLES: dict[str, float] = {name: share for name, (share, _) in _DESIGNS.items()}
"""Every style's share of the draws: about a quarter each American, European and two-line or Arabic."""


def draw(rng: Rng, style: str | None = None) -> Plate:
    """Draw a plate.

    Parameters
    ----------
    rng
        Source of chance; the same state gives the same plate.
    style
        A key of `STYLES`; without it one is drawn by its share.
    """
    if style is None:
        style = str(rng.choice(list(STYLES), p=list(STYLES.values())))
    canvas = _DESIGNS[style][1](rng)
    if style != "temporary" and rng.random() < 0.7:
        emboss(rng, canvas.image, canvas.relief)
    return Plate(weather(rng, canvas.image), style)


def bank(seed: int, count: int) -> list[Plate]:
    """Draw plates.

    Parameters
    ----------
    seed
        The same seed gives the same plates.
    count
        How many.
    """
    rng = np.random.default_rng(seed)
    return [draw(rng) for _ in range(count)]

"""What looks like a plate and is none: names and badges of cars, signs, adverts, watermarks, clocks, grilles, drawn.

They are laid into real scenes beside the wrong finds that the pictures themselves hold, of which there are too few of
each kind. As with the plates, nothing is copied from anywhere: words are made of letters drawn by chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from . import _wear
from ._drawing import BLACK, BLUE, GREEN, RED, WHITE, YELLOW, Rng, about, one, randomly
from ._lettering import ANY, Canvas, Lettering, line, pick

__all__ = ["KINDS", "Distractor", "bank", "draw"]

_VOWELS, _CONSONANTS = "AEIOUAEIO", "BCDFGHKLMNPRSTVWXBDLNRST"
_SILVER = ((200, 200, 200), (170, 172, 175), (225, 228, 230), (120, 122, 126), (60, 60, 62))
_PAINT = (WHITE, WHITE, RED, BLUE, GREEN, YELLOW, BLACK, (60, 110, 30), (30, 120, 235), (90, 60, 40), (200, 205, 205))


Drawn = tuple[np.ndarray, np.ndarray]
"""Texture and mask, as a `Distractor` has them."""


@dataclass(frozen=True)
class Distractor:
    """Something that is no plate.

    Attributes
    ----------
    texture
        `uint8` BGR, some 70 to 110 rows.
    mask
        `uint8`, of the same size: 255 where it hides what is behind it.
    kind
        A key of `KINDS`.
    """

    texture: np.ndarray
    mask: np.ndarray
    kind: str


def _word(rng: Rng, least: int = 3, most: int = 9) -> str:
    """A word that can be spoken."""
    length, turn = int(rng.integers(least, most + 1)), int(rng.integers(2))
    word = "".join(one(rng, (_CONSONANTS, _VOWELS)[(place + turn) % 2]) for place in range(length))
    return one(rng, (word, word, word.title(), word.lower()))


def _all_of(canvas: Canvas) -> Drawn:
    return canvas.image, np.full(canvas.image.shape[:2], 255, np.uint8)


def _letters(text: str, style: Lettering) -> np.ndarray:
    """The mask of a line that stands by itself."""
    mask = line(text, style)
    return cv2.resize(mask, (max(8, round(mask.shape[1] * style.width)), mask.shape[0]), interpolation=cv2.INTER_AREA)


def _name(rng: Rng) -> Drawn:
    """The name or version of a car, in separate letters on its paint."""
    version = randomly(rng, one(rng, ("LLL", "LL0", "L00", "0L", "L-LL", "0.0 L", "L 000", "LL", "00L")))
    text = one(rng, (_word(rng), _word(rng), version, f"{_word(rng)} {version}"))
    mask = _letters(text, pick(rng, (*ANY, "italic", "brush", "serif"), (0.8, 1.3)))
    texture = np.full((*mask.shape, 3), about(rng, one(rng, (*_SILVER, *_SILVER, BLACK, RED, WHITE))), np.uint8)
    shade = np.linspace(rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2), mask.shape[0])[:, None, None]
    return np.clip(texture * shade, 0, 255).astype(np.uint8), mask


def _badge(rng: Rng) -> Drawn:
    """A maker's badge: a ring, or an oval or shield with letters, bars or a star in it."""
    aspect = float(rng.choice((1.0, 1.0, 1.4, 1.8, 2.4, 3.2)))
    canvas = Canvas(aspect, about(rng, one(rng, (*_PAINT, *_SILVER))), 100)
    rows, columns = canvas.image.shape[:2]
    mask = np.zeros((rows, columns), np.uint8)
    middle, half = (columns // 2, rows // 2), (columns // 2 - 1, rows // 2 - 1)
    edge = about(rng, one(rng, _SILVER))
    if rng.random() < 0.7:
        cv2.ellipse(mask, middle, half, 0, 0, 360, 255, -1, cv2.LINE_AA)
        cv2.ellipse(canvas.image, middle, half, 0, 0, 360, edge, int(rng.integers(2, 14)), cv2.LINE_AA)
        if rng.random() < 0.25:  # a ring: one sees through it
            cv2.ellipse(mask, middle, tuple(int(0.7 * side) for side in half), 0, 0, 360, 0, -1, cv2.LINE_AA)
    else:
        right, low, shoulder = columns - 1, rows - 1, 0.6 * rows
        shield = np.int32([[0, 0], [right, 0], [right, shoulder], [columns / 2, low], [0, shoulder]])
        cv2.fillPoly(mask, [shield], 255, cv2.LINE_AA)
        cv2.polylines(canvas.image, [shield], True, edge, int(rng.integers(3, 10)), cv2.LINE_AA)
    what = rng.random()
    if what < 0.5:
        canvas.text(_word(rng, 2, 6), (0.15, 0.3, 0.85, 0.7), about(rng, one(rng, (*_SILVER, BLACK))), pick(rng, ANY))
    elif what < 0.8:
        for turn in rng.uniform(0, np.pi, int(rng.integers(1, 5))):
            reach = np.array([np.cos(turn) * half[0], np.sin(turn) * half[1]]) * 0.9
            ends = [tuple(np.round(middle + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
            cv2.line(canvas.image, *ends, edge, int(rng.integers(3, 12)), cv2.LINE_AA)
    return canvas.image, mask


def _sign(rng: Rng) -> Drawn:
    """A street's name, a shop's, a notice in several lines; never a single capital word in a rim, which plates are."""
    aspect = float(np.exp(rng.uniform(np.log(0.6), np.log(6))))
    colour = about(rng, one(rng, _PAINT))
    ink = about(rng, WHITE if sum(colour) < 330 else one(rng, (BLACK, BLACK, RED, BLUE)))
    canvas = Canvas(aspect, colour, 110)
    lines = 1 if aspect > 3 else int(rng.integers(1, 5))
    style = pick(rng, ANY, (0.75, 1.2))
    for number in range(lines):
        top, bottom = 0.1 + 0.8 * number / lines, 0.1 + 0.8 * (number + 0.8) / lines
        words = " ".join(_word(rng) for _ in range(int(rng.integers(1, 3))))
        if lines == 1 and " " not in words:
            words = words.title()
        figures = randomly(rng, one(rng, ("0 km", "00 min", "0:00-00:00", "0 m", "00 %")))
        text = figures if lines > 2 and rng.random() < 0.2 else words
        canvas.text(text, (0.06, top, 0.94, bottom), ink, style, align=float(rng.choice((0.0, 0.5))))
    if lines > 1 and rng.random() < 0.4:
        canvas.rim(float(rng.uniform(0, 0.06)), ink, int(rng.integers(1, 5)))
    if rng.random() < 0.2:
        canvas.disc(float(rng.choice((0.1, 0.9))), 0.5, 0.3, about(rng, one(rng, _PAINT)), int(rng.choice((-1, 4))))
    return _all_of(canvas)


def _limit(rng: Rng) -> Drawn:
    """A number in a ring or on a round or square board."""
    canvas = Canvas(float(rng.uniform(0.75, 1.1)), about(rng, one(rng, (WHITE, WHITE, YELLOW, BLUE))), 110)
    rows, columns = canvas.image.shape[:2]
    mask = np.full((rows, columns), 255, np.uint8)
    if rng.random() < 0.6:
        mask[:] = 0
        cv2.ellipse(mask, (columns // 2, rows // 2), (columns // 2, rows // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
        canvas.disc(0.5, 0.5, 0.43, about(rng, one(rng, (RED, RED, BLUE, BLACK))), 12)
    elif rng.random() < 0.6:
        canvas.text(_word(rng, 4, 6), (0.1, 0.08, 0.9, 0.24), BLACK, pick(rng))
    canvas.text(randomly(rng, one(rng, ("00", "00", "0", "000"))), (0.18, 0.3, 0.82, 0.72), BLACK, pick(rng))
    return canvas.image, mask


def _advert(rng: Rng) -> Drawn:
    """A telephone number, a firm or an address, painted on a van, a window or a wall."""
    patterns = ("0000 000000", "000-000-0000", "00 00 00 00 00", "(000) 000 0000", "+00 000 000000")
    address = f"www.{_word(rng).lower()}.{_word(rng, 2, 3).lower()}"
    texts = (randomly(rng, one(rng, patterns)), address, _word(rng, 4, 10))
    mask = _letters(one(rng, texts), pick(rng, ANY, (0.8, 1.2)))
    return np.full((*mask.shape, 3), about(rng, one(rng, _PAINT)), np.uint8), mask


def _stamp(rng: Rng) -> Drawn:
    """What a program or a camera writes into a picture: date and hour, a number, an agency's name, half transparent."""
    patterns = ("0000-00-00 00:00:00", "00/00/0000", "00:00", "00:00:00", "0000000000", "000000", "L0000000")
    own = (f"{_word(rng, 4, 8).lower()}.com", f"(c) {_word(rng)} {randomly(rng, '0000')}", f"{_word(rng)} {_word(rng)}")
    text = randomly(rng, one(rng, patterns)) if rng.random() < 0.5 else one(rng, own)
    letters = _letters(text, pick(rng, ANY, (0.8, 1.1)))
    ink = one(rng, (WHITE, WHITE, (250, 250, 250), BLACK, (40, 140, 250), YELLOW))
    texture = np.full((*letters.shape, 3), ink, np.uint8)
    mask = (letters * rng.uniform(0.35, 1)).astype(np.uint8)
    if not text.isalnum() and rng.random() < 0.4:  # on a bar of its own; a bare number there would be a plate
        back = 255 - int(np.mean(ink)) if rng.random() < 0.7 else int(rng.integers(256))
        texture = np.where(letters[:, :, None] > 127, texture, np.uint8(back))
        mask[:] = int(rng.integers(130, 256))
    return texture, mask


def _grille(rng: Rng) -> Drawn:
    """Bars, a mesh or slots: a radiator's grille, a vent, a drain, a ladder."""
    canvas = Canvas(float(rng.uniform(1, 6)), about(rng, one(rng, (BLACK, (40, 40, 42), (75, 75, 75)))), 96)
    rows, columns = canvas.image.shape[:2]
    bar, thick = about(rng, one(rng, _SILVER)), int(rng.integers(1, 7))
    upright, level = one(rng, ((True, False), (False, True), (True, True)))
    if upright:
        for x in range(0, columns, int(rng.integers(7, 30))):
            cv2.line(canvas.image, (x, 0), (x, rows), bar, thick, cv2.LINE_AA)
    if level:
        for y in range(0, rows, int(rng.integers(7, 26))):
            cv2.line(canvas.image, (0, y), (columns, y), bar, thick, cv2.LINE_AA)
    if rng.random() < 0.5:
        canvas.rim(0.02, bar, int(rng.integers(3, 9)))
    return _all_of(canvas)


def _lamp(rng: Rng) -> Drawn:
    """A light or a reflector: a smooth bright board with a bulb's glow and a few ribs, no letters."""
    canvas = Canvas(float(rng.uniform(1, 5)), about(rng, one(rng, (WHITE, (40, 40, 200), (40, 130, 240), _SILVER[0]))))
    rows, columns = canvas.image.shape[:2]
    y, x = np.ogrid[:rows, :columns]
    at, wide = rng.uniform(0.2, 0.8, 2) * (rows, columns), rng.uniform(0.2, 0.6) * rows
    glow = np.exp(-(((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * wide**2)))[:, :, None]
    canvas.image[:] = np.clip(canvas.image * rng.uniform(0.5, 1) + glow * rng.uniform(40, 220), 0, 255)
    for place in rng.uniform(0, columns, int(rng.integers(0, 12))):
        cv2.line(canvas.image, (int(place), 0), (int(place), rows), about(rng, one(rng, _SILVER)), 1, cv2.LINE_AA)
    return _all_of(canvas)


_DRAWN: dict[str, tuple[float, Callable[[Rng], Drawn]]] = {
    "name": (0.27, _name),
    "badge": (0.12, _badge),
    "sign": (0.25, _sign),
    "limit": (0.05, _limit),
    "advert": (0.1, _advert),
    "stamp": (0.13, _stamp),
    "grille": (0.05, _grille),
    "lamp": (0.03, _lamp),
}
KINDS: dict[str, float] = {name: share for name, (share, _) in _DRAWN.items()}
"""Every kind's share of the draws."""


def draw(rng: Rng, kind: str | None = None) -> Distractor:
    """Draw something that is no plate.

    Parameters
    ----------
    rng
        Source of chance; the same state gives the same.
    kind
        A key of `KINDS`; without it one is drawn by its share.
    """
    if kind is None:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    texture, mask = _DRAWN[kind][1](rng)
    for mark, chance in ((_wear.light, 0.4), (_wear.fade, 0.2)):
        if rng.random() < chance:
            texture = mark(rng, texture)
    return Distractor(np.ascontiguousarray(texture), np.ascontiguousarray(mask), kind)


def bank(seed: int, count: int) -> list[Distractor]:
    """Draw some.

    Parameters
    ----------
    seed
        The same seed gives the same.
    count
        How many.
    """
    rng = np.random.default_rng((seed, 1))  # plates take the seed itself
    return [draw(rng) for _ in range(count)]

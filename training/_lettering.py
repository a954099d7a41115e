"""Letters of licence plates: glyph masks, set in lines, from the fonts that the training's own packages carry.

OpenCV 5 holds a sans with a free weight and a font that knows Chinese, kana and Arabic; its Hershey strokes look like a
stencil or a brush; matplotlib brings DejaVu.  So the same plates come out on every machine, whatever fonts it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from unicodedata import decomposition

import cv2
import matplotlib
import numpy as np

Mask = np.ndarray
Colour = tuple[float, float, float]

CAP = 64
"""Height in pixels of a capital letter in a glyph's mask."""
_BASE, _ROWS = 96, 128
_FILES = {"narrow": "DejaVuSans-Bold", "mono": "DejaVuSansMono-Bold", "serif": "DejaVuSerif-Bold"}
_STROKES = {
    "stroke": cv2.FONT_HERSHEY_SIMPLEX,
    "double": cv2.FONT_HERSHEY_DUPLEX,
    "brush": cv2.FONT_HERSHEY_COMPLEX_SMALL,
    "slab": cv2.FONT_HERSHEY_TRIPLEX,
}
_STROKE_SIZE = {"stroke": 2.9, "double": 2.9, "brush": 3.9, "slab": 2.9}
PLAIN = ("sans", "sans", "stroke", "stroke", "double", "narrow", "mono")
"""Faces of ordinary plates, the more frequent ones more than once."""
ANY = (*PLAIN, "italic", "serif", "slab", "brush")


@dataclass(frozen=True)
class Lettering:
    """How a line is set.

    Attributes
    ----------
    face
        Name of a face, of `PLAIN` or `ANY`; characters that it lacks come from OpenCV's `uni`.
    weight
        100 to 900, as in CSS.
    gap
        Space between letters, in heights of a capital.
    width
        Factor on the letters' natural width.
    stroke
        Pixels that strokes are thickened by; below zero thinned.
    slant
        Shear of the line; 0.2 leans to the right as an italic does.
    pitch
        Least width of a letter's cell in heights of a capital; 0.6 sets a 1 as wide as an 8.
    """

    face: str = "sans"
    weight: int = 600
    gap: float = 0.12
    width: float = 0.9
    stroke: int = 0
    slant: float = 0.0
    pitch: float = 0.0


def pick(
    rng: np.random.Generator, faces: tuple[str, ...] = PLAIN, width: tuple[float, float] = (0.7, 1.05)
) -> Lettering:
    """Draw a lettering.

    Parameters
    ----------
    rng
        Source of chance.
    faces
        Faces to draw from.
    width
        Least and greatest factor on the letters' width.
    """
    return Lettering(
        face=faces[rng.integers(len(faces))],
        weight=int(rng.choice((400, 500, 600, 700, 800))),
        gap=float(rng.uniform(0.06, 0.28)),
        width=float(rng.uniform(*width)),
        stroke=int(rng.choice((-1, 0, 0, 0, 1, 2))),
        slant=float(rng.normal(0, 0.08)) if rng.random() < 0.12 else 0.0,
        pitch=float(rng.choice((0.0, 0.55, 0.65))),
    )


@cache
def _font(face: str) -> cv2.FontFace:
    if face in _FILES:
        return cv2.FontFace(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{_FILES[face]}.ttf")))
    return cv2.FontFace(face)


def _trimmed(canvas: Mask) -> Mask:
    x, _, width, _ = cv2.boundingRect(canvas)
    return canvas[:, x : x + max(1, width)].copy()


@cache
def _forms() -> dict[tuple[str, str], str]:
    """Unicode's presentation form of each Arabic letter, by the letter and `<initial>`, `<medial>` and so on."""
    forms = {}
    for code in (*range(0xFB50, 0xFBFF + 1), *range(0xFE70, 0xFEFC + 1)):
        kind, *letters = decomposition(chr(code)).split() or [""]
        if kind and len(letters) == 1:
            forms[chr(int(letters[0], 16)), kind] = chr(code)
    return forms


def _as_seen(word: str) -> str:
    """Join the letters of an Arabic word and turn it round: OpenCV draws the characters of a file's font one by one."""
    forms, seen, joined = _forms(), [], False
    for letter, following in zip(word, [*word[1:], ""], strict=True):
        joins = (letter, "<initial>") in forms and (following, "<final>") in forms
        kind = ("<medial>" if joins else "<final>") if joined else ("<initial>" if joins else "<isolated>")
        seen.append(forms.get((letter, kind), letter))
        joined = joins
    return "".join(reversed(seen))


def _is_ideograph(char: str) -> bool:
    return "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af"


@lru_cache(maxsize=16384)
def glyph(text: str, face: str, weight: int) -> Mask:
    """Mask of a letter, or of a word whose letters join, on the common base line.

    Parameters
    ----------
    text
        A character, or a word in Arabic letters.
    face
        Name of a face.
    weight
        100 to 900.

    Returns
    -------
    Mask
        `uint8`, 128 rows, as wide as the ink.
    """
    canvas = np.zeros((_ROWS, 48 + 96 * len(text)), np.uint8)
    if len(text) > 1:
        cv2.putText(canvas, _as_seen(text), (24, _BASE), 255, _font("narrow"), 90)
        return _trimmed(canvas)
    if _is_ideograph(text):
        cv2.putText(canvas, text, (24, _BASE), 255, _font("uni"), 84, min(weight, 700))
        # the font's own strokes are those of a book, whatever the weight
        return _to_capital(cv2.dilate(canvas, np.ones((1 + weight // 160,) * 2, np.uint8)))
    if text >= "\u0600":
        cv2.putText(canvas, text, (24, _BASE), 255, _font("narrow" if weight > 700 else "uni"), 100, min(weight, 700))
        return _trimmed(canvas)
    if face in _STROKES:
        shown = text.replace("·", ".")
        place = (24, _BASE - (CAP // 2 - 6) * ("·" in text))
        thickness = weight // 100 + 3 if face in ("stroke", "double") else weight // 150 + 1
        cv2.putText(canvas, shown, place, _STROKES[face], _STROKE_SIZE[face], 255, thickness, cv2.LINE_AA)
    else:
        cv2.putText(canvas, text, (24, _BASE), 255, _font(face), 90, weight)
    return _trimmed(canvas)


def _to_capital(canvas: Mask) -> Mask:
    """Scale an ideograph, which stands higher than a capital and below the line, to a capital's height."""
    x, y, width, height = cv2.boundingRect(canvas)
    wide = max(1, round(width * CAP / max(1, height)))
    mask = np.zeros((_ROWS, wide), np.uint8)
    mask[_BASE - CAP : _BASE] = cv2.resize(
        canvas[y : y + max(1, height), x : x + max(1, width)], (wide, CAP), interpolation=cv2.INTER_AREA
    )
    return mask


def _cell(char: str, lettering: Lettering) -> Mask:
    if char == " ":
        return np.zeros((_ROWS, CAP // 3), np.uint8)
    mask = glyph(char, lettering.face, lettering.weight)
    lack = round(lettering.pitch * CAP) - mask.shape[1]
    if lack > 1 and char.isascii() and char.isalnum():
        return cv2.copyMakeBorder(mask, 0, 0, lack // 2, lack // 2, cv2.BORDER_CONSTANT, value=0)
    return mask


def line(text: str, lettering: Lettering, joined: bool = False) -> Mask:
    """Set a line.

    Parameters
    ----------
    text
        Characters from left to right, as seen.
    lettering
        How to set them.
    joined
        Set the text as one word, whose letters join and run as its script does.

    Returns
    -------
    Mask
        `uint8`, as wide as the ink, at least from the base line to a capital's height.
    """
    if joined:
        mask = glyph(text, lettering.face, lettering.weight)
    else:
        gap = np.zeros((_ROWS, max(1, round(lettering.gap * CAP))), np.uint8)
        cells = [_cell(char, lettering) for char in text]
        mask = np.hstack([part for cell in cells for part in (gap, cell)][1:])
    _, y, _, height = cv2.boundingRect(mask)
    mask = mask[min(y, _BASE - CAP) : max(y + height, _BASE)]
    mask = cv2.copyMakeBorder(mask, 2, 2, 4, 4, cv2.BORDER_CONSTANT, value=0)
    if lettering.stroke:
        kernel = np.ones((abs(lettering.stroke) + 1,) * 2, np.uint8)
        mask = (cv2.dilate if lettering.stroke > 0 else cv2.erode)(mask, kernel)
    return _sheared(mask, lettering.slant) if lettering.slant else mask


def _sheared(mask: Mask, slant: float) -> Mask:
    height, width = mask.shape
    shift = abs(slant) * height
    move = np.array([[1, -slant, shift if slant > 0 else 0.0], [0, 1, 0]])
    return cv2.warpAffine(mask, move, (int(width + shift) + 1, height))


class Canvas:
    """A plate while it is drawn; places are fractions of its width and height.

    Attributes
    ----------
    image
        `uint8` BGR.
    relief
        Where the metal is pressed out: the ink of what was drawn as raised.
    """

    def __init__(self, aspect: float, colour: Colour, height: int = 96) -> None:
        self.image = np.full((height, round(height * aspect), 3), np.clip(colour, 0, 255), np.uint8)
        self.relief = np.zeros(self.image.shape[:2], np.uint8)

    @property
    def aspect(self) -> float:
        """Width divided by height."""
        return self.image.shape[1] / self.image.shape[0]

    def spot(self, x: float, y: float) -> tuple[int, int]:
        """Pixel at a place."""
        return round(x * self.image.shape[1]), round(y * self.image.shape[0])

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fill a rectangle `(left, top, right, bottom)`."""
        (left, top), (right, bottom) = self.spot(*box[:2]), self.spot(*box[2:])
        self.image[max(0, top) : bottom, max(0, left) : right] = np.clip(colour, 0, 255)

    def disc(self, x: float, y: float, radius: float, colour: Colour, thickness: int = -1) -> None:
        """Draw a circle; the radius is a fraction of the height."""
        size = max(1, round(radius * self.image.shape[0]))
        cv2.circle(self.image, self.spot(x, y), size, colour, thickness, cv2.LINE_AA)

    def rim(self, inset: float, colour: Colour, thickness: int) -> None:
        """Draw a line along the edge, `inset` heights from it."""
        away = round(inset * self.image.shape[0])
        height, width = self.image.shape[:2]
        cv2.rectangle(self.image, (away, away), (width - 1 - away, height - 1 - away), colour, thickness)

    def text(
        self,
        text: str,
        box: tuple[float, float, float, float],
        colour: Colour,
        lettering: Lettering,
        *,
        align: float = 0.5,
        raised: bool = False,
        joined: bool = False,
    ) -> None:
        """Write a line into a box, as high as the box unless that would squeeze the letters too much.

        Parameters
        ----------
        text, lettering, joined
            As in `line`.
        box
            `(left, top, right, bottom)`.
        colour
            Of the ink.
        align
            0 left, 0.5 centred, 1 right.
        raised
            Whether the letters are pressed out of the metal.
        """
        (left, top), (right, bottom) = self.spot(*box[:2]), self.spot(*box[2:])
        mask = line(text, lettering, joined)
        room, high = right - left, bottom - top
        wide = mask.shape[1] / mask.shape[0] * high * lettering.width
        if wide > room:
            high = max(4, round(high * min(1.0, 1.5 * room / wide)))
            wide = room
        small = cv2.resize(mask, (max(2, round(wide)), max(3, high)), interpolation=cv2.INTER_AREA)
        self.stamp(small, left + round((room - wide) * align), top + (bottom - top - high) // 2, colour, raised)

    def stamp(self, mask: Mask, left: int, top: int, colour: Colour, raised: bool = False) -> None:
        """Lay ink through a mask whose top left corner is at a pixel; what lies outside is cut off."""
        mask = mask[max(0, -top) :, max(0, -left) :]
        top, left = max(0, top), max(0, left)
        area = self.image[top : top + mask.shape[0], left : left + mask.shape[1]]
        mask = mask[: area.shape[0], : area.shape[1]]
        if not mask.size:
            return
        share = mask[:, :, None].astype(np.float32) / 255
        area[:] = area + (np.float32(np.clip(colour, 0, 255)) - area) * share
        if raised:
            under = self.relief[top : top + mask.shape[0], left : left + mask.shape[1]]
            np.maximum(under, mask, out=under)

"""An attacker who knows font, layout, filter and strength, and renders every candidate, against a hidden plate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CHANCE = 1 / len(SYMBOLS)

Hide = Callable[[Image.Image], Image.Image]


class Attack:
    """Guess characters of a hidden plate by rendering all candidates; compare invariantly to gain and offset.

    Parameters
    ----------
    width, height : int
        Of the plate in pixels; its characters are 0.65 of the height.
    count : int
        Characters of the plate.
    """

    def __init__(self, width: int = 160, height: int = 38, count: int = 7) -> None:
        self.width, self.height, self.count = width, height, count
        self.pitch = width * 0.9 / count
        self.glyphs = {symbol: self._glyph(symbol) for symbol in SYMBOLS}

    def _glyph(self, symbol: str) -> Image.Image:
        # drawn large and reduced, so that a character is 0.65 of the plate's height
        font = ImageFont.load_default(size=200)
        _, top, _, bottom = font.getbbox("H")
        width = round(self.pitch)
        image = Image.new("L", (round(width * (bottom - top) / (0.65 * self.height)), bottom - top), 235)
        box = font.getbbox(symbol)
        ImageDraw.Draw(image).text(((image.width - box[2] + box[0]) / 2 - box[0], -top), symbol, 25, font)
        return image.resize((width, round(0.65 * self.height)), Image.Resampling.BOX)

    def plate(self, text: str) -> Image.Image:
        """A plate, mode ``L``."""
        image = Image.new("L", (self.width, self.height), 235)
        for position, symbol in enumerate(text):
            x = round(self.width * 0.05 + position * self.pitch)
            image.paste(self.glyphs[symbol], (x, round(0.175 * self.height)))
        return image

    def photograph(self, text: str, rng: np.random.Generator) -> Image.Image:
        """A plate as a camera sees it: moved by a part of a pixel, in another light, with noise."""
        shift = rng.uniform(-0.4, 0.4, 2)
        affine, smooth = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        size, moved = (self.width, self.height), (1, 0, shift[0], 0, 1, shift[1])
        photo = self.plate(text).transform(size, affine, moved, smooth, fillcolor=235)
        pixels = np.asarray(photo) * rng.uniform(0.9, 1.05) + rng.uniform(-8, 8) + rng.normal(0, 3, photo.size[::-1])
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    def recovered(self, text: str, published: Image.Image, hide: Hide) -> int:
        """Characters guessed right, each with all the others known.

        Parameters
        ----------
        text : str
            What stands on the plate.
        published : PIL.Image.Image
            What the attacker has: the hidden photograph.
        hide : callable
            Hides a plate as the photograph was; what it gives is compared with `published`.
        """
        seen = _direction(published)
        right = 0
        for position in range(self.count):
            candidates = (text[:position] + symbol + text[position + 1 :] for symbol in SYMBOLS)
            scores = [float((_direction(hide(self.plate(other))) * seen).sum()) for other in candidates]
            right += SYMBOLS[int(np.argmax(scores))] == text[position]
        return right


def random_text(rng: np.random.Generator, count: int) -> str:
    """So many symbols by chance."""
    return "".join(rng.choice(list(SYMBOLS), count))


def _direction(image: Image.Image) -> npt.NDArray[np.float32]:
    pixels = np.asarray(image.convert("L")).astype(np.float32)
    pixels = pixels - pixels.mean()
    return pixels / np.float32(np.linalg.norm(pixels) + 1e-6)

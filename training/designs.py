"""Licence plates of the world, drawn: textures that are warped into scenes to train the plate detector.

No plate is copied from anywhere: layouts are those of real plates, numbers are drawn by chance.  What matters to a
detector is learnt from them: where a plate ends, which layouts and scripts there are, what dirt and light do to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import _american, _arabic, _asian, _european
from ._lettering import Canvas
from ._wear import emboss, weather

Rng = np.random.Generator


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


_DESIGNS: dict[str, tuple[float, Callable[[Rng], Canvas]]] = {
    "us": (0.23, _american.america),
    "eu": (0.08, _european.eu),
    "germany": (0.04, _european.germany),
    "britain": (0.05, _european.britain),
    "netherlands": (0.03, _european.netherlands),
    "italy": (0.03, _european.italy),
    "eu-square": (0.04, _european.eu_square),
    "motorcycle": (0.06, _european.motorcycle),
    "egypt": (0.04, _arabic.egypt),
    "egypt-motorcycle": (0.07, _arabic.egypt_motorcycle),
    "gulf": (0.03, _arabic.gulf),
    "japan": (0.02, _asian.japan),
    "korea": (0.01, _asian.korea),
    "india": (0.04, _asian.india),
    "pakistan": (0.03, _asian.pakistan),
    "iran": (0.01, _arabic.iran),
    "brazil": (0.025, _american.brazil),
    "mercosur": (0.025, _american.mercosur),
    "china": (0.03, _asian.china),
    "dark": (0.09, _european.dark),
    "temporary": (0.02, _american.temporary),
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

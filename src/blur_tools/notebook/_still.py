"""The redacted picture that a saved notebook keeps: small, with everything hidden, and only of a careful search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from blur_tools.detections import Detection, Detections
from blur_tools.notebook._screen import STILL_LIMIT, STILL_SIDE, jpeg, part
from blur_tools.orientation import polygon_to_upright
from blur_tools.redaction.live import Pixels, Redaction, Upright
from blur_tools.settings import DEFAULT_INTENSITY, DEFAULT_THRESHOLD, BlurSettings

__all__ = ["HARMLESS", "LEAVES_OUT", "Answered", "Still", "is_careful"]


class Answered(NamedTuple):
    """What an engine said here, what it was asked, and what was marked or found before."""

    found: Detections
    settings: BlurSettings
    before: tuple[Detection, ...] = ()


def _negative(value: Any) -> bool:
    return bool(value < 0)


def _above_default(value: Any) -> bool:
    return bool(value > DEFAULT_THRESHOLD)


LEAVES_OUT: Mapping[str, Callable[[Any], bool]] = {
    "plates": _negative,
    "faces": _negative,
    "plate_threshold": _above_default,
    "face_threshold": _above_default,
    # whoever excludes a part, or gives the detector a smaller picture, finds less; 0 % excludes nothing
    **dict.fromkeys(("et", "el", "eb", "er", "xmin", "ymin", "xmax", "ymax", "face_max_resolution"), bool),
    # these can make a service say less, and nobody here knows how much
    **dict.fromkeys(("config", "skip_regexp"), bool),
}
"""Parameters with which less is found, and for which of their values."""

HARMLESS = frozenset(
    ("regions", "split", "overlap", "camera_id", "snapshot_filename", "panorama", "thorough", "read_plates"),
)
"""Parameters of a search with which as much is found, or more."""


def is_careful(settings: BlurSettings) -> bool:
    """Whether a search with these settings finds all that one with the defaults does.

    A parameter that nobody has judged counts as careless as soon as it is said.
    """
    for parameter in BlurSettings.parameters():
        if parameter.renders or parameter.name in HARMLESS:
            continue
        value = getattr(settings, parameter.name)
        if value == parameter.default:
            continue
        if LEAVES_OUT.get(parameter.name, lambda _: True)(value):
            return False
    return True


class Still:
    """One picture as a notebook may keep it.

    Parameters
    ----------
    shown : Upright
        The picture, whose pixels the detections are of.
    pixels : array of uint8, (height, width, 3), optional
        What it is made of, upright, where that is not the picture itself: what was hidden there stays hidden.
    """

    def __init__(self, shown: Upright, pixels: Pixels | None = None) -> None:
        self._shown = shown
        base = shown.pixels if pixels is None else pixels
        small = part(base, (0, 0, base.shape[1], base.shape[0]), STILL_SIDE)
        # no more of the picture than its small pixels
        picture = replace(
            shown.picture, image=small, orientation=1, info={}, deep=None, _levels=[], _lock=threading.Lock()
        )
        self._redaction = Redaction(Upright(picture, np.array(small), 1))

    def jpeg(self, found: Iterable[Detection], settings: BlurSettings) -> bytes:
        """The picture with all of `found` hidden, whatever a person or the settings leave visible."""
        settings = replace(
            # the strongest, and no narrower than by default; a logo could be one that cannot be read
            settings,
            plates=DEFAULT_INTENSITY,
            faces=DEFAULT_INTENSITY,
            margin=None,
            logo=None,
        )
        self._redaction.update(Detections(map(self._small, found)), settings)
        return jpeg(part(self._redaction.pixels, (0, 0, *self._redaction.shown.size), STILL_SIDE), STILL_LIMIT)

    def _small(self, one: Detection) -> Detection:
        height, width = self._shown.pixels.shape[:2]
        across, down = self._redaction.shown.size
        points = polygon_to_upright(one.polygon, self._shown.size, self._shown.turn)
        a, b, c, d = ((x * across / width, y * down / height) for x, y in points)
        return Detection(one.kind, (a, b, c, d))

"""Redacted pixels that follow each edit: only what changed is rendered, and it is what a saved file would show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse.csgraph import connected_components

from blur_tools.detections import Box, Detection, Detections
from blur_tools.orientation import box_to_upright, turn_upright
from blur_tools.picture import Picture, load_picture
from blur_tools.redaction.logo import Logo, logo_of
from blur_tools.redaction.masks import PixelBox, Region, regions
from blur_tools.redaction.pixels import render
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Pixels", "Redaction", "Upright", "colour"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Upright:
    """A decoded picture and its pixels as they are shown.

    Attributes
    ----------
    picture : Picture
        What engines and the renderer work on; its pixels are never changed here.
    pixels : array of uint8, (height, width, 3)
        Without alpha: what is transparent hides nothing from a program, so it is shown.
    turn : int
        Orientation by which the shown pixels are turned against the stored ones, 1 to 8; 1 where they are shown as
        they are stored.
    """

    picture: Picture
    pixels: Pixels
    turn: int

    @classmethod
    def load(cls, source: Any) -> Self:
        """Read, check, decode and turn a picture; errors are those of `load_picture`."""
        picture = load_picture(source)
        return cls(picture, colour(picture.image, picture.orientation), picture.orientation)

    @property
    def size(self) -> tuple[int, int]:
        """Stored ``(width, height)`` in pixels."""
        return self.picture.size

    def box_to_canvas(self, box: Box) -> Box:
        """A stored box as it lies in `pixels`."""
        return box_to_upright(box, self.size, self.turn)


def colour(image: Image.Image, turn: int) -> Pixels:
    """Stored pixels of any mode as an upright array ``(height, width, 3)``."""
    if image.mode in ("RGBA", "LA"):
        # not convert(): for LA it would be the same, but for both this says that alpha is dropped, not applied
        image = image.convert({"RGBA": "RGB", "LA": "L"}[image.mode])
    return np.array(turn_upright(image if image.mode == "RGB" else image.convert("RGB"), turn))


class Redaction:
    """The redacted pixels of one picture, kept in step with its detections.

    Parameters
    ----------
    shown : Upright
        The picture; stays as it is.

    Attributes
    ----------
    pixels : array of uint8, (height, width, 3)
        As they are shown: upright, in colour.
    """

    def __init__(self, shown: Upright) -> None:
        self.shown = shown
        self.pixels = shown.pixels.copy()
        self._settings: BlurSettings | None = None
        self._logo: Logo | None = None
        self._regions: dict[Detection, Region | None] = {}
        self._drawn: list[Region] = []

    def fits(self, settings: BlurSettings) -> bool:
        """Whether it was rendered with these settings, so that only edits are to be followed."""
        return settings.or_default(DEFAULT_INTENSITY) == self._settings

    def update(self, detections: Detections, settings: BlurSettings) -> int:
        """Render what differs from the last time.

        Returns
        -------
        int
            How many groups of regions were rendered anew; 0 when nothing changed.

        Raises
        ------
        SettingsError
            The logo cannot be used; the pixels are as before.
        """
        settings = settings.or_default(DEFAULT_INTENSITY)
        everything = settings != self._settings
        if everything:
            self._logo = logo_of(settings)
            self._settings, self._regions = settings, {}
        wanted = self._wanted(detections, settings)
        before, now = Counter(map(id, self._drawn)), Counter(map(id, wanted))
        changed = [item.box for item in (*self._drawn, *wanted) if everything or before[id(item)] != now[id(item)]]
        self._drawn = wanted
        groups = _groups(changed, [region.box for region in wanted])
        for box in groups:
            self._render(box, settings)
        return len(groups)

    def _wanted(self, detections: Iterable[Detection], settings: BlurSettings) -> list[Region]:
        known, self._regions = self._regions, {}
        wanted = []
        for item in detections:
            if item not in self._regions:
                found = known[item] if item in known else next(iter(regions([item], settings, self.shown.size)), None)
                self._regions[item] = found
            region = self._regions[item]
            wanted += [] if region is None else [region]
        return wanted

    def _render(self, box: PixelBox, settings: BlurSettings) -> None:
        left, top = box[:2]
        patch = self.shown.picture.image.crop(box)
        inside = [region for region in self._drawn if _meet(region.box, box)]
        render(patch, [_shifted(region, left, top) for region in inside], settings, self._logo)
        x0, y0, x1, y1 = map(round, self.shown.box_to_canvas(box))
        self.pixels[y0:y1, x0:x1] = colour(patch, self.shown.turn)


def _shifted(region: Region, left: int, top: int) -> Region:
    x0, y0, x1, y1 = region.box
    a, b, c, d = ((x - left, y - top) for x, y in region.polygon)
    return replace(region, box=(x0 - left, y0 - top, x1 - left, y1 - top), polygon=(a, b, c, d))


def _groups(changed: Iterable[PixelBox], others: Iterable[PixelBox]) -> list[PixelBox]:
    """Boxes to render: each changed one grown by all regions that it meets, for these are rendered over each other."""
    changed = list(changed)
    boxes = np.array([*changed, *others], dtype=np.int64).reshape(-1, 4)
    dirty = np.arange(len(boxes)) < len(changed)
    while True:
        start, stop = boxes[:, None, :2], boxes[None, :, 2:]
        meets = (start < stop).all(axis=2)
        count, labels = connected_components(meets & meets.T, directed=False)
        if count == len(boxes):
            return [(int(a), int(b), int(c), int(d)) for a, b, c, d in boxes[dirty]]
        # what lies around all members of a group may meet another group
        members = [labels == number for number in range(count)]
        boxes = np.array([[*boxes[m, :2].min(axis=0), *boxes[m, 2:].max(axis=0)] for m in members])
        dirty = np.array([bool(dirty[m].any()) for m in members])


def _meet(a: PixelBox, b: PixelBox) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

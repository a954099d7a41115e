"""Proof that a region hides all of what it covers, and as well as it should.

It is looked at in tiles, since a part that is left is enough to read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.picture import Picture
from blur_tools.redaction.effects import STRONG, hide
from blur_tools.redaction.masks import PixelBox, Region
from blur_tools.settings import BlurSettings

__all__ = ["bare_part", "weaker_intensity"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

FLAT, ALIKE = 8, 0.8
"""Grey levels in which there is nothing to see; correlation of details above which the same is still seen: what was
only coded anew lies above, what was blurred or covered far below."""

LEFT = 0.5
"""Share of the original's details, in size, that is also needed: the border of a block or of a logo can lie where an
edge of the original was."""

SEEN, SEEN_WEAK, NEARER = 4, 8, 0.5
"""Grey levels, on the average, that an effect must change for it to be missed, and one that is cosmetic anyway; how
near the original must be, where what the effect would have made is as far as 1: coarse numbers of a JPEG move both."""

EFFECTS = next(parameter.choices for parameter in BlurSettings.parameters() if parameter.name == "effect")

TILE = 3
"""Tiles in the height of an object: a character takes about that."""

UNIT = 8
"""Side of the smallest tile, in pixels, and of the data units of a JPEG."""

LEAST_PIXELS = 16
"""Hidden pixels that a tile must have to be judged."""

UNIT_FLAT = 24
"""Grey levels that a data unit must span for sameness to be no accident of its coarse numbers."""


def bare_part(before: Picture, after: Picture, region: Region, settings: BlurSettings) -> PixelBox | None:
    """Where in a region the original is still seen: its detail, or what is left of it, follows the original's.

    What an effect of the settings' intensity leaves by itself is none of it: the low ones leave much. So a tile must
    also be nearer to the original than to what each effect would make of it.

    Returns
    -------
    (left, top, right, bottom) or None
        Around all such tiles, in pixels of the picture; of a region that did not change, all of it.
    """
    hard = np.asarray(region.mask) == 255
    if hard.sum() < 2:
        return None
    old, new = (_grey(picture.image.crop(region.box)) for picture in (before, after))
    side = max(UNIT, round(region.height / TILE))
    left, top = (-place % UNIT for place in region.box[:2])
    looks = [
        _Look(0, 0, side, _alike_tiles(old, new, hard, side)),
        _Look(left, top, UNIT, _same_units(old[top:, left:], new[top:, left:], hard[top:, left:])),
    ]
    if not any(look.bare.any() for look in looks):
        # of small or faint ones only all together tell
        looks = [_Look(0, 0, max(hard.shape), _is_same(old, new, hard))]
        if not looks[0].bare.any():
            return None
    intensity = max(1, settings.intensity(region.kind))
    seen = SEEN if intensity >= STRONG else SEEN_WEAK
    hidden = [_grey(pixels) for pixels in _effects(before, region, intensity)]
    boxes = [box for look in looks for box in look.boxes() if _is_nearer(box, hard, old, new, hidden, seen)]
    if not boxes:
        return None
    x, y, right, bottom = region.box
    left, top = (min(places) for places in zip(*(box[:2] for box in boxes), strict=True))
    across, down = (max(places) for places in zip(*(box[2:] for box in boxes), strict=True))
    return (x + left, y + top, min(x + across, right), min(y + down, bottom))


def weaker_intensity(before: Picture, after: Picture, region: Region, settings: BlurSettings) -> int | None:
    """The intensity below that of the settings by which a region was hidden, as it looks; None if by none of them.

    It must be much nearer to what an effect makes of the original at that intensity than to all that any effect makes
    of it at the settings' or a higher one.
    """
    said, hard = max(1, settings.intensity(region.kind)), np.asarray(region.mask) == 255
    new = _grey(after.image.crop(region.box))[hard]

    def looks(intensity: int) -> list[Floats]:
        return [_grey(pixels)[hard] for pixels in _effects(before, region, intensity)]

    strong = looks(said)
    if hard.sum() < LEAST_PIXELS or min(_distance(new, look) for look in strong) <= SEEN:
        return None
    strong += [look for intensity in range(said + 1, 11) for look in looks(intensity)]
    most = NEARER * min(_distance(new, look) for look in strong)
    weaker = [
        (_distance(new, look), intensity)
        for intensity in range(1, said)
        for look in looks(intensity)
        if min(_distance(look, other) for other in strong) > SEEN
    ]
    nearest, intensity = min(weaker, default=(np.inf, 0))
    return intensity if nearest < most else None


@dataclass(frozen=True)
class _Look:
    """Tiles of `side` pixels each way from a pixel of the region on, and which of them look bare."""

    left: int
    top: int
    side: int
    bare: Bools

    def boxes(self) -> list[PixelBox]:
        """The bare ones, in pixels of the region."""
        places = [(self.left + x * self.side, self.top + y * self.side) for y, x in np.argwhere(self.bare).tolist()]
        return [(x, y, x + self.side, y + self.side) for x, y in places]


def _grey(image: Image.Image) -> Floats:
    return np.asarray(image.convert("L")).astype(np.float32)


def _effects(before: Picture, region: Region, intensity: int) -> list[Image.Image]:
    """What each effect makes of a region."""
    pixels = before.image.crop(region.box)
    pixels = pixels.convert({"RGBA": "RGB", "LA": "L"}.get(pixels.mode, pixels.mode))
    return [hide(pixels, region.mask, region.kind, region.height, effect, intensity) for effect in EFFECTS]


def _is_nearer(box: PixelBox, hard: Bools, old: Floats, new: Floats, hidden: list[Floats], seen: float) -> bool:
    left, top, right, bottom = box
    part = np.s_[top:bottom, left:right]
    chosen = hard[part]

    new, old = new[part][chosen], old[part][chosen]
    kept = _distance(new, old)
    others = (other[part][chosen] for other in hidden)
    return all(_distance(old, other) > seen and kept < NEARER * _distance(new, other) for other in others)


def _distance(one: Floats, other: Floats) -> float:
    """In grey levels, on the average."""
    return float(np.sqrt(np.square(one - other).mean()))


def _is_same(old: Floats, new: Floats, hard: Bools) -> Bools:
    """Whether a region as a whole was not changed, or only coded anew, as a tile of its own."""
    spread = np.ptp(old[hard])
    if (old[hard] == new[hard]).all():
        return np.array([[spread > 2]])
    details = [_detail(pixels)[hard[1:, 1:]] for pixels in (old, new)]
    lengths = [float(np.linalg.norm(detail)) for detail in details]
    return np.array([[spread > FLAT and details[0] @ details[1] > ALIKE * max(lengths[0] * lengths[1], 1e-9)]])


def _alike_tiles(old: Floats, new: Floats, hard: Bools, side: int) -> Bools:
    """The tiles in which the original's details are still there."""
    # of a pixel and those that its detail is measured against, all are hidden
    within = hard[1:, 1:] & hard[:-1, 1:] & hard[1:, :-1]
    left, right = (np.where(within, _detail(pixels), np.float32(0)) for pixels in (old, new))
    both, of_old, of_new = (_tiles(np.add, product, side) for product in (left * right, left * left, right * right))
    same = (both > ALIKE * np.sqrt(of_old * of_new)) & (both > LEFT * of_old)
    same &= _tiles(np.add, within.astype(np.float32), side) >= LEAST_PIXELS
    found: Bools = same & (_spread(old[1:, 1:], within, side) > FLAT)
    return found


def _same_units(old: Floats, new: Floats, hard: Bools) -> Bools:
    """The whole data units that are as they were; within one level, as colours coded beside them can move them."""
    height, width = (size // UNIT * UNIT for size in hard.shape)
    old, new, hard = old[:height, :width], new[:height, :width], hard[:height, :width]
    same = _tiles(np.add, (hard & (np.abs(old - new) <= 1)).astype(np.float32), UNIT) == UNIT * UNIT
    found: Bools = same & (_spread(old, hard, UNIT) > UNIT_FLAT)
    return found


def _spread(pixels: Floats, chosen: Bools, side: int) -> Floats:
    highest = _tiles(np.maximum, np.where(chosen, pixels, np.float32(-np.inf)), side)
    return highest - _tiles(np.minimum, np.where(chosen, pixels, np.float32(np.inf)), side)


def _tiles(reduce: np.ufunc, values: Floats, side: int) -> Floats:
    """Reduce tiles of `side` pixels each way, the last of a row or column as large as is left."""
    if not values.size:
        return np.zeros((0, 0), np.float32)
    rows, columns = (np.arange(0, size, side) for size in values.shape)
    reduced: Floats = reduce.reduceat(reduce.reduceat(values, rows, axis=0), columns, axis=1)
    return reduced


def _detail(pixels: Floats) -> Floats:
    """Differences to the neighbours above and left; what changes slowly cancels out."""
    return np.float32(2) * pixels[1:, 1:] - pixels[:-1, 1:] - pixels[1:, :-1]

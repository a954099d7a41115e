"""Training samples for the check: finds of the detector, laid straight, and what is right about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from blur_tools.detections import box_polygon
from blur_tools.detectors._network import PADDING
from blur_tools.detectors.check import CONTEXT, HEIGHT, WIDTH, straight
from blur_tools.detectors.tiles import boxes_of
from training import designs
from training.augment import photograph, softened
from training.data import Floats, Picture, Pixels, Plate
from training.distractors import Distractor
from training.pasting import add_distractor, between_middles, cover, paste

__all__ = ["Crop", "Crops", "Finds"]

UNIT = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
"""Corners of a find in its own units."""

NO_BOXES = np.zeros((0, 4), np.float32)

SHARES = {"plate": 0.34, "rendered": 0.22, "none": 0.28, "distractor": 0.1, "anywhere": 0.06}

GROUPS = {"open-lpr": 0.45, "romanian-dashcam": 0.19, "egyptian-motorcycles": 0.28, "ccpd-quads": 0.08}
"""How often a labelled plate of each set is drawn."""

EXACT_TIMES = 3.0
"""How much more often a plate whose own corners are known is drawn than one of which only the box is."""

EASY = 0.05
"""Wrong finds are drawn by their score and this: the many that score next to nothing teach least."""

PARTIAL, LEANING = 0.12, 0.5
"""Share of finds, at most, that are made to hold only a part of a plate's width; and that are sheared."""

FOUND, MISSED = 0.3, 0.1
"""A find is a plate from this overlap of boxes (intersection over union) on, and none below the other."""


@dataclass(frozen=True)
class Finds:
    """What the detector found in one picture: corners ``(n, 4, 2)`` and scores ``(n,)``; n may be 0."""

    corners: Floats
    scores: Floats


@dataclass(frozen=True)
class Crop:
    """One sample.

    ``pixels`` ``(72, 112, 3)``; ``is_plate`` 0 or 1; ``corners`` ``(4, 2)`` in units of the find; ``trust`` the weight
    of the corners; ``to_picture`` ``(2, 2)``, from those units to directions of the upright picture, scaled so that
    the plate's box has a diagonal of 1 there; ``boxed`` the weight of that box.
    """

    pixels: Pixels
    is_plate: float
    corners: Floats
    trust: float
    to_picture: Floats
    boxed: float


def _laid(pixels: Pixels, middle: npt.NDArray[np.float64], sides: npt.NDArray[np.float64]) -> Pixels:
    """What is seen of the picture when the parallelogram fills the middle of the crop."""
    linear = sides.T @ np.diag([CONTEXT / WIDTH, CONTEXT / HEIGHT])
    back = np.eye(3)
    back[:2, :2], back[:2, 2] = linear, middle - linear @ (WIDTH / 2, HEIGHT / 2)
    zoom = np.sqrt(abs(np.linalg.det(linear)))  # picture pixels a crop pixel
    if zoom > 1:  # as it is served
        # shrink the part that is needed first: a warp does not filter
        low = np.maximum(np.floor(middle - np.abs(sides).sum(axis=0) * CONTEXT), 0).astype(int)
        high = np.maximum(np.ceil(middle + np.abs(sides).sum(axis=0) * CONTEXT), low + 1).astype(int)
        part = pixels[low[1] : high[1], low[0] : high[0]]
        if part.size:
            size = [max(1, round(length / zoom)) for length in part.shape[1::-1]]
            small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
            shrink = np.diag([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0], 1.0])
            move = np.eye(3)
            move[:2, 2] = -low
            pixels, back = small, shrink @ move @ back
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(pixels, between_middles(back), (WIDTH, HEIGHT), flags=flags, borderValue=(PADDING,) * 3)


class Crops:
    """Draws samples; number `i` is the same whenever and wherever it is drawn.

    Parameters
    ----------
    pictures : list of Picture
        Those to learn from.
    finds : list of Finds
        Of each, at a low threshold.
    textures, distractors : list
        Plates, and what is none, to lay into them.
    ignored : mapping
        Picture name -> boxes ``(n, 4)`` of plates that nobody labelled: nothing there is taken for none.
    """

    def __init__(
        self,
        pictures: list[Picture],
        finds: list[Finds],
        textures: list[designs.Plate],
        distractors: list[Distractor],
        ignored: Mapping[str, Floats],
        seed: int,
    ) -> None:
        self.seed, self.textures, self.distractors, self.pictures = seed, textures, distractors, pictures
        self.known = [np.concatenate([one.boxes, ignored.get(one.name, NO_BOXES)]) for one in pictures]
        self.plates: list[tuple[Picture, Plate, Floats]] = []
        self.wrong: list[tuple[Picture, Floats]] = []
        tempting: list[float] = []
        for picture, found, known in zip(pictures, finds, self.known, strict=True):
            boxes = boxes_of(found.corners)
            overlap = overlaps(boxes, picture.boxes)
            for index, plate in enumerate(picture.plates):
                self.plates.append((picture, plate, found.corners[overlap[:, index] >= FOUND]))
            free = touching(boxes, known) < MISSED
            self.wrong += [(picture, corners) for corners in found.corners[free]]
            tempting += found.scores[free].tolist()
        self.tempting = np.cumsum(np.array(tempting) + EASY)
        self.likely = _balanced([(picture.group, plate.exact) for picture, plate, _ in self.plates])

    def __getitem__(self, index: int) -> Crop:
        rng = np.random.default_rng((self.seed, index))
        what = rng.choice(list(SHARES), p=list(SHARES.values()))
        crop: Crop = getattr(self, f"_{what}")(rng)
        pixels = softened(crop.pixels, float(np.exp(rng.uniform(0, np.log(5)))) if rng.random() < 0.35 else 1)
        return Crop(photograph(pixels, rng), crop.is_plate, crop.corners, crop.trust, crop.to_picture, crop.boxed)

    def _plate(self, rng: np.random.Generator) -> Crop:
        """A labelled plate, as the detector found it or might have."""
        picture, plate, found = self.plates[rng.choice(len(self.plates), p=self.likely)]
        pixels, truth = picture.pixels, plate.corners
        start = found[rng.integers(len(found))] if len(found) and rng.random() < 0.5 else truth
        start = _off(start, rng, 0.5 if start is not truth else 1.0)
        if rng.random() < 0.08:
            pixels = pixels.copy()
            cover(pixels, truth, rng)
        crop = _sample(pixels, start, truth, plate.exact, rng)
        return crop or self._none(rng)

    def _rendered(self, rng: np.random.Generator) -> Crop:
        """A rendered plate in the place of a labelled one, or anywhere."""
        picture = self.pictures[rng.integers(len(self.pictures))]
        texture = self.textures[rng.integers(len(self.textures))].texture
        aspect = texture.shape[1] / texture.shape[0] * rng.uniform(0.85, 1.15)
        high, wide = picture.pixels.shape[:2]
        if picture.plates and rng.random() < 0.6:
            old = picture.plates[rng.integers(len(picture.plates))].corners
            center, width = old.mean(axis=0), float(np.ptp(old, axis=0).max()) * rng.uniform(1.0, 1.2)
        else:
            center, width = rng.uniform(0.05, 0.95, 2) * (wide, high), rng.uniform(0.04, 0.4) * wide
        turn = np.radians(rng.uniform(-60, 60) if rng.random() < 0.3 else rng.normal(0, 10))
        truth = _seen_askew(np.float32(center), width, aspect, float(turn), rng)
        pixels = picture.pixels.copy()
        paste(pixels, truth, texture, rng)
        if rng.random() < 0.1:
            cover(pixels, truth, rng)
        return _sample(pixels, _off(truth, rng, 1.0), truth, True, rng) or self._none(rng)

    def _none(self, rng: np.random.Generator) -> Crop:
        """A wrong find."""
        picture, corners = self.wrong[np.searchsorted(self.tempting, rng.random() * self.tempting[-1])]
        return _negative(picture.pixels, _off(corners, rng, 0.6), rng)

    def _distractor(self, rng: np.random.Generator) -> Crop:
        """Something drawn that is no plate, as the detector might find it."""
        number = rng.integers(len(self.pictures))
        pixels, known = self.pictures[number].pixels.copy(), self.known[number]
        what = self.distractors[rng.integers(len(self.distractors))]
        corners = add_distractor(pixels, [np.float32(box_polygon(*box)) for box in known], what, rng)
        find = None if corners is None else _off(corners, rng, 1.0)
        if find is None or touching(boxes_of(find[None]), known)[0] >= MISSED:
            return self._none(rng)
        return _negative(pixels, find, rng)

    def _anywhere(self, rng: np.random.Generator) -> Crop:
        """Any place of any picture that touches no plate."""
        for _ in range(10):
            number = rng.integers(len(self.pictures))
            picture = self.pictures[number]
            high, wide = picture.pixels.shape[:2]
            width, aspect = rng.uniform(0.02, 0.5) * wide, np.exp(rng.uniform(0, np.log(5)))
            center = np.float32(rng.uniform(0, 1, 2) * (wide, high))
            corners = _seen_askew(center, width, float(aspect), float(rng.normal(0, 0.2)), rng)
            if touching(boxes_of(corners[None]), self.known[number])[0] < MISSED:
                return _negative(picture.pixels, corners, rng)
        return self._none(rng)


def _balanced(kinds: list[tuple[str, bool]]) -> npt.NDArray[np.float64]:
    """How likely each plate is drawn: no set drowns in another, nor the exact corners among the boxes of a set."""
    weights = np.array([EXACT_TIMES if exact else 1.0 for _, exact in kinds])
    names = np.array([name for name, _ in kinds])
    for name, share in GROUPS.items():
        weights[names == name] *= share / max(weights[names == name].sum(), 1e-9)
    return weights / weights.sum()


def _off(corners: Floats, rng: np.random.Generator, much: float) -> Floats:
    """A find that is a little, or a good deal, beside what it should be."""
    middle, sides = straight(np.float64(corners))
    if rng.random() < 0.3:
        much *= 0.3
    turn = rng.normal(0, np.radians(8) * much)
    if rng.random() < 0.25 * much:
        turn = -np.arctan2(sides[0, 1], sides[0, 0])  # level, as a detector that does not see the tilt has it
    cos, sin = np.cos(turn), np.sin(turn)
    if rng.random() < LEANING:  # the find is, so that the network is to see how the plate leans
        sides[1] += rng.normal(0, 0.2 * much) * np.hypot(*sides[1]) / max(float(np.hypot(*sides[0])), 1e-3) * sides[0]
    size = np.exp(rng.normal(0, 0.22 * much, 2))
    moved = middle + rng.normal(0, 0.11 * much, 2) @ sides
    if rng.random() < PARTIAL * much:
        size[0] *= rng.uniform(0.6, 0.85)
        moved = moved + rng.uniform(-0.1, 0.1) * sides[0]
    sides = (sides @ np.array([[cos, sin], [-sin, cos]])) * size[:, None]
    return np.float32(moved + UNIT @ sides + rng.normal(0, 0.03 * much, (4, 2)) @ sides)


def _seen_askew(center: Floats, width: float, aspect: float, turn: float, rng: np.random.Generator) -> Floats:
    """Corners of a plate turned by `turn` radians, sheared, and with a little perspective."""
    height = width / aspect * rng.uniform(0.75, 1.15)
    sides = np.array([[width, rng.normal(0, 0.12) * width], [rng.normal(0, 0.15) * height, height]])
    cos, sin = np.cos(turn), np.sin(turn)
    sides = sides @ np.array([[cos, sin], [-sin, cos]])
    return np.float32(center + (UNIT + rng.normal(0, 0.02, (4, 2))) @ sides)


def _sample(pixels: Pixels, find: Floats, truth: Floats, exact: bool, rng: np.random.Generator) -> Crop | None:
    """A find of a plate; None where it is too far from it to be one."""
    overlap = overlaps(boxes_of(find[None]), boxes_of(truth[None]))[0, 0]
    if overlap < MISSED * 1.5:
        return None
    middle, sides = straight(np.float64(find))
    at = _begun_alike((truth - middle) @ np.linalg.inv(sides))
    seen = _laid(pixels, middle, sides)
    diagonal = float(np.hypot(*np.ptp(truth, axis=0)))
    if rng.random() < 0.5:
        seen, at = np.ascontiguousarray(seen[:, ::-1]), at[[1, 0, 3, 2]] * (-1, 1)
        sides = sides * np.array([[-1], [1]])
    return Crop(seen, 1.0, np.float32(at), float(exact), np.float32(sides / diagonal), float(not exact))


def _begun_alike(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The corners of a plate that lies steep, begun with the one that is the find's first."""
    turns = [np.roll(corners, turn, axis=0) for turn in range(4)]
    return min(turns, key=lambda turn: float(((turn - UNIT) ** 2).sum()))


def _negative(pixels: Pixels, find: Floats, rng: np.random.Generator) -> Crop:
    middle, sides = straight(np.float64(find))
    seen = _laid(pixels, middle, sides)
    if rng.random() < 0.5:
        seen = np.ascontiguousarray(seen[:, ::-1])
    return Crop(seen, 0.0, np.float32(UNIT), 0.0, np.eye(2, dtype=np.float32), 0.0)


def _shared(one: Floats, other: Floats) -> Floats:
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.prod(np.clip(high - low, 0, None), axis=2)


def _areas(boxes: Floats) -> Floats:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def overlaps(one: Floats, other: Floats) -> Floats:
    """Intersection over union of boxes ``(n, 4)`` with boxes ``(m, 4)``: ``(n, m)``."""
    shared = _shared(one, other)
    return shared / np.maximum(_areas(one)[:, None] + _areas(other)[None] - shared, 1e-6)


def touching(boxes: Floats, others: Floats) -> Floats:
    """How much of each box, or of the other where that is smaller, lies in one of `others`: ``(n,)``."""
    if not len(others):
        return np.zeros(len(boxes), np.float32)
    smaller = np.minimum(_areas(boxes)[:, None], _areas(others)[None])
    return (_shared(boxes, others) / np.maximum(smaller, 1e-6)).max(axis=1)

"""Training pictures for the detector: real scenes and rendered plates, moved, turned and lit anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from blur_tools.detections import box_polygon
from training import designs
from training.augment import photograph
from training.data import Floats, Picture, Pixels
from training.pasting import between_middles, boxes_touch, cover, erase, paste, upright

__all__ = ["SIDE", "Scene", "Scenes"]

SIDE = 416
"""Side in pixels of a training picture."""

SHARES = {"open-lpr": 0.42, "romanian-dashcam": 0.14, "egyptian-motorcycles": 0.14, "ccpd-quads": 0.03}
"""How often a picture of each set is drawn, its plate in view; the rest is drawn to show what is none."""

BOX_TRUST = 0.35
"""Weight of corners that are only those of a box."""

STEEP = 0.25  # share of pictures turned by up to STEEPEST
STEEPEST = np.radians(60)

UNSURE = 0.0
"""Weight of what may be a plate, but nobody labelled it."""

Labelled = list[tuple[Floats, float]]
"""Plates: corners in pixels, and the weight of the corners, or `UNSURE`."""


@dataclass(frozen=True)
class Scene:
    """A training picture ``(SIDE, SIDE, 3)`` and its plates."""

    pixels: Pixels
    plates: Labelled


class Scenes:
    """Draws training pictures; number `i` is the same whenever and wherever it is drawn.

    Parameters
    ----------
    pictures : list of Picture
        Those to learn from.
    textures : list
        Plates to lay into them.
    unsure : mapping
        Picture name -> boxes ``(n, 4)`` of plates that nobody labelled: neither asked for nor denied.
    """

    def __init__(
        self, pictures: list[Picture], textures: list[designs.Plate], unsure: Mapping[str, Floats], seed: int
    ) -> None:
        self.seed = seed
        self.textures = textures
        self.unsure = unsure
        self.groups = [[p for p in pictures if p.group == group and p.plates] for group in SHARES]
        self.plateless = [p.pixels for p in pictures if p.group == "faces" and p.name not in unsure]
        self.anything = [p for p in pictures if p.group in ("open-lpr", "romanian-dashcam", "faces")]

    def __getitem__(self, index: int) -> Scene:
        rng = np.random.default_rng((self.seed, index))
        pixels, plates, focus = self._before(rng)
        warp = _view(pixels.shape[:2], focus, rng)
        seen, plates = _seen(pixels, plates, warp, self._around(rng))
        if rng.random() < 0.5:
            seen, plates = _mirrored(seen, plates)
        for corners, _ in plates:
            if rng.random() < 0.08:
                cover(seen, corners, rng)
        return Scene(photograph(seen, rng), plates)

    def _around(self, rng: np.random.Generator) -> Pixels:
        """What shows where the picture ends: one colour, or a picture without plates."""
        if rng.random() < 0.3:
            colour = [(114, 114, 114), (0, 0, 0), rng.integers(0, 256, 3)][rng.integers(3)]
            return np.full((SIDE, SIDE, 3), colour, np.uint8)
        other = self.plateless[rng.integers(len(self.plateless))]
        side = min(other.shape[:2])
        top, left = (int(rng.integers(length - side + 1)) for length in other.shape[:2])
        return cv2.resize(other[top : top + side, left : left + side], (SIDE, SIDE))

    def _before(self, rng: np.random.Generator) -> tuple[Pixels, Labelled, Floats | None]:
        """A picture, its plates, and the plate that is to be in view."""
        draw = rng.random()
        for group, share in zip(self.groups, SHARES.values(), strict=True):
            if draw < share:
                picture = group[rng.integers(len(group))]
                pixels, plates = self._with_new_designs(picture, rng) if rng.random() < 0.4 else _as_it_is(picture)
                focus = plates[rng.integers(len(plates))][0]
                return pixels, plates + self._unsure(picture), focus
            draw -= share
        picture = self.anything[rng.integers(len(self.anything))]
        pixels, plates = _as_it_is(picture)
        plates += self._unsure(picture)
        if rng.random() < 0.35:
            return self._with_one_more(pixels, plates, rng)
        return pixels, plates, None

    def _unsure(self, picture: Picture) -> Labelled:
        boxes = self.unsure.get(picture.name, ())
        return [(np.float32(box_polygon(*box)), UNSURE) for box in boxes]

    def _texture(self, rng: np.random.Generator) -> Pixels:
        return self.textures[rng.integers(len(self.textures))].texture

    def _with_new_designs(self, picture: Picture, rng: np.random.Generator) -> tuple[Pixels, Labelled]:
        """Each plate replaced by a rendered one, whose corners are known exactly."""
        pixels, plates = picture.pixels.copy(), []
        for plate in picture.plates:
            old, texture = plate.corners, self._texture(rng)
            along = old[1] - old[0]
            width = float(np.linalg.norm(along)) * rng.uniform(0.75, 1.15)
            aspect = texture.shape[1] / texture.shape[0] * rng.uniform(0.9, 1.1)
            turn = float(np.arctan2(along[1], along[0]))
            new = upright(old.mean(axis=0), width, aspect, turn, rng, 0.03)
            if np.ptp(new, axis=0).min() < np.ptp(old, axis=0).max():
                erase(pixels, old)
            paste(pixels, new, texture, rng)
            plates.append((new, 1.0))
        return pixels, plates

    def _with_one_more(
        self, pixels: Pixels, plates: Labelled, rng: np.random.Generator
    ) -> tuple[Pixels, Labelled, Floats | None]:
        """A rendered plate anywhere, unless it would hide a real one."""
        high, wide = pixels.shape[:2]
        texture = self._texture(rng)
        aspect = texture.shape[1] / texture.shape[0]
        center = np.float32(rng.uniform(0.1, 0.9, 2) * (wide, high))
        new = upright(center, rng.uniform(0.05, 0.35) * wide, aspect, rng.normal(0, 0.15), rng, 0.05)
        if any(boxes_touch(new, old) for old, _ in plates):
            return pixels, plates, None
        pixels = pixels.copy()
        paste(pixels, new, texture, rng)
        return pixels, [*plates, (new, 1.0)], new


def _as_it_is(picture: Picture) -> tuple[Pixels, Labelled]:
    return picture.pixels, [(plate.corners, 1.0 if plate.exact else BOX_TRUST) for plate in picture.plates]


def _view(size: tuple[int, ...], focus: Floats | None, rng: np.random.Generator) -> Floats:
    """Homography from the picture to what is seen of it: zoom, turn, shear, and often perspective."""
    height, width = size
    if focus is None:
        zoom = np.exp(rng.uniform(np.log(0.3), np.log(1.5))) * SIDE / max(size)
        center = rng.uniform(0, (width, height))
    else:
        wanted = np.exp(rng.uniform(np.log(18), np.log(260)))
        zoom = min(wanted / max(4.0, float(np.linalg.norm(focus[1] - focus[0]))), 3.0)
        center = focus.mean(axis=0)
    turn = rng.uniform(-STEEPEST, STEEPEST) if rng.random() < STEEP else np.radians(rng.normal(0, 7))
    stretch = zoom * rng.uniform(0.85, 1.15, 2)
    shear = rng.normal(0, (0.12, 0.06))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = turned @ np.array([[stretch[0], shear[0] * stretch[0]], [shear[1] * stretch[1], stretch[1]]])
    warp = np.eye(3)
    warp[:2, :2] = linear
    warp[:2, 2] = rng.uniform(0.06, 0.94, 2) * SIDE - linear @ center
    if rng.random() < 0.5:
        warp = np.array([[1, 0, 0], [0, 1, 0], [*rng.normal(0, 2e-4, 2), 1]]) @ warp
    return np.float32(warp)


def _seen(pixels: Pixels, plates: Labelled, warp: Floats, around: Pixels) -> tuple[Pixels, Labelled]:
    """The picture laid over `around`, which is changed, and its plates."""
    zoom = np.sqrt(abs(np.linalg.det(warp[:2, :2])))
    if zoom < 0.7:  # a warp does not filter: shrink first
        small = cv2.resize(pixels, None, fx=float(zoom), fy=float(zoom), interpolation=cv2.INTER_AREA)
        back = np.diag([pixels.shape[1] / small.shape[1], pixels.shape[0] / small.shape[0], 1])
        pixels, warp_here = small, warp @ back
    else:
        warp_here = warp
    cv2.warpPerspective(pixels, between_middles(warp_here), (SIDE, SIDE), dst=around, borderMode=cv2.BORDER_TRANSPARENT)
    return around, [(cv2.perspectiveTransform(corners[None], warp)[0], trust) for corners, trust in plates]


def _mirrored(pixels: Pixels, plates: Labelled) -> tuple[Pixels, Labelled]:
    flipped = []
    for corners, trust in plates:
        mirror = corners[[1, 0, 3, 2]].copy()
        mirror[:, 0] = SIDE - mirror[:, 0]
        flipped.append((mirror, trust))
    return np.ascontiguousarray(pixels[:, ::-1]), flipped

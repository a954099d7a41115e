"""Whether the plate network could find faces as well: ``python -m training.faces``; see the model card.

The finding network, its last layers new, learns from CenterFace: on training pictures at many sizes, and on faces cut
out of them and laid over street scenes. A face is a quadrilateral that is upright. It learns *nothing but* faces, so it
bounds from above what one network of this size for both would find after as many pictures.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from blur_tools.detections import box_polygon
from blur_tools.detectors.faces import find_faces
from blur_tools.detectors.tiles import boxes_of
from blur_tools.picture import load_picture
from training import data
from training.augment import photograph
from training.data import Floats, Picture, Pixels
from training.export import export
from training.heads import cell_loss, sample_of
from training.kept_out import kept_out
from training.loop import Plan, train
from training.networks import PlateQuad
from training.scenes import SIDE
from training.targets import target

TEACHERS_THRESHOLD = 0.3
SMALLEST = (5.0, 6.0)
"""A face narrower than this, or with less than this as root of its area (pixels as seen), is left open."""


@dataclass(frozen=True)
class Taught:
    """A picture and the boxes ``(n, 4)`` of faces that the teacher sees in it."""

    pixels: Pixels
    boxes: Floats


def taught(picture: Picture) -> Taught:
    """Ask the teacher."""
    shown = load_picture(np.ascontiguousarray(picture.pixels[:, :, ::-1]))
    width, height = shown.upright_size
    found = find_faces(shown, (0, 0, width, height), TEACHERS_THRESHOLD)
    corners = np.float32([item.polygon for item in found]).reshape(-1, 4, 2)
    return Taught(picture.pixels, boxes_of(corners))


class FaceScenes:
    """Draws training pictures; number `i` is the same whenever it is drawn."""

    def __init__(self, people: list[Taught], streets: list[Taught], seed: int) -> None:
        self.people, self.streets, self.seed = people, streets, seed
        self.shown = [one for one in people if len(one.boxes)]

    def __getitem__(self, index: int) -> tuple[Pixels, Floats]:
        rng = np.random.default_rng((self.seed, index))
        if rng.random() < 0.75:
            pixels, boxes = _seen(self.people[rng.integers(len(self.people))], rng)
        else:
            pixels, boxes = _seen(self.streets[rng.integers(len(self.streets))], rng)
            for _ in range(rng.integers(0, 4)):
                boxes = self._with_one_more(pixels, boxes, rng)
        if rng.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            boxes = np.stack([SIDE - boxes[:, 2], boxes[:, 1], SIDE - boxes[:, 0], boxes[:, 3]], axis=1)
        return photograph(pixels, rng), boxes

    def _with_one_more(self, pixels: Pixels, boxes: Floats, rng: np.random.Generator) -> Floats:
        """A face, cut out as an ellipse with what is around it, laid anywhere."""
        one = self.shown[rng.integers(len(self.shown))]
        low, high = np.split(one.boxes[rng.integers(len(one.boxes))], 2)
        size = high - low
        start = np.maximum(low - size * 0.3, 0).astype(int)
        end = np.minimum(high + size * 0.3, one.pixels.shape[1::-1]).astype(int)
        cut = one.pixels[start[1] : end[1], start[0] : end[0]]
        zoom = float(np.exp(rng.uniform(np.log(8), np.log(90)))) / max(size[1], 1)
        columns, rows = (max(4, round(length * zoom)) for length in (end - start))
        if min(cut.shape[:2]) < 4 or columns >= SIDE or rows >= SIDE:
            return boxes
        cut = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
        left, top = int(rng.integers(SIDE - columns)), int(rng.integers(SIDE - rows))
        mask = np.zeros((rows, columns), np.float32)
        cv2.ellipse(mask, (columns // 2, rows // 2), (columns // 2, rows // 2), 0, 0, 360, 1, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.6, rows / 30))[:, :, None]
        part = pixels[top : top + rows, left : left + columns]
        part[:] = (part * (1 - mask) + cut * mask).astype(np.uint8)
        moved = (np.concatenate([low, high]) - np.tile(start, 2)) * zoom + (left, top, left, top)
        return np.concatenate([boxes, np.float32(moved)[None]])


def _seen(one: Taught, rng: np.random.Generator) -> tuple[Pixels, Floats]:
    """A part of the picture, at another size."""
    high, wide = one.pixels.shape[:2]
    if len(one.boxes) and rng.random() < 0.85:
        box = one.boxes[rng.integers(len(one.boxes))]
        zoom = float(np.exp(rng.uniform(np.log(9), np.log(120)))) / max(float(box[3] - box[1]), 2)
        center = (box[:2] + box[2:]) / 2
    else:
        zoom, center = SIDE / max(high, wide) * rng.uniform(0.6, 2), rng.uniform(0, (wide, high))
    zoom = float(np.clip(zoom, 0.4 * SIDE / max(high, wide), 4))
    small = cv2.resize(
        one.pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    )
    shift = np.round(rng.uniform(0.1, 0.9, 2) * SIDE - center * zoom)
    move = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    seen = cv2.warpAffine(small, move, (SIDE, SIDE), borderValue=(114, 114, 114))
    return seen, np.float32(one.boxes * zoom + np.tile(shift, 2))


def main() -> None:
    """Train it from a finished run's detector and export it."""
    parser = argparse.ArgumentParser(prog="python -m training.faces", description=__doc__)
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of a finished run of `python -m training`, without --finder"
    )
    parser.add_argument("--samples", type=int, default=12_000)
    options = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    pictures = [one for one in data.load(options.run / "pictures.zip") if not kept_out(one.name)]
    people = [taught(one) for one in pictures if one.group == "faces"]
    streets = [taught(one) for one in pictures if one.group == "open-lpr"][::8]
    scenes = FaceScenes(people, streets, seed=0)

    def draw(index: int) -> tuple[Tensor, ...]:
        pixels, boxes = scenes[index]
        corners = [(np.float32(box_polygon(*box)), 1.0) for box in boxes]
        return sample_of(pixels, target(corners, SIDE, SMALLEST))

    network = PlateQuad()
    state = torch.load(options.run / "plate-quad.state.pt", weights_only=True)["average"]
    trunk = {name: value for name, value in state.items() if not name.startswith(("score", "corners"))}
    network.load_state_dict(trunk, strict=False)
    train(network, draw, cell_loss, Plan(options.samples), options.run, "faces")
    export(network, options.run / "faces.onnx", (SIDE, SIDE), ("score", "corners"), any_size=True)


if __name__ == "__main__":
    main()

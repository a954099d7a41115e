"""Whether the plate network could find faces as well: ``python -m training.faces``; see the model card for the answer.

The network's trunk gets a second head and learns from CenterFace: on training pictures at many sizes, and on faces cut
out of them and laid over street scenes. It learns *nothing but* faces, so it bounds from above what one network of this
size for both would find after as many pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from blur_tools.detectors.faces import find_faces
from blur_tools.picture import load_picture
from training import data
from training.augment import photograph
from training.data import Floats, Picture, Pixels
from training.export import export
from training.kept_out import kept_out
from training.loop import Plan, train
from training.networks import PlateQuad
from training.scenes import SIDE
from training.sizes import STRIDE

TEACHERS_THRESHOLD = 0.3
SMALLEST = 6.0
"""A face less high than this (pixels as seen) is neither asked for nor denied."""


class FaceQuad(nn.Module):
    """The trunk of `PlateQuad`, read out for faces: score ``(n, 1, h/8, w/8)``, box ``(n, 4, h/8, w/8)``.

    A box is left, top, right and bottom from the cell's middle, in pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = PlateQuad()
        self.score, self.box = nn.Conv2d(64, 1, 1), nn.Conv2d(64, 4, 1)
        nn.init.constant_(self.score.bias, -4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and boxes of a batch of pictures."""
        features = self.trunk.features((x - 116.0) / 60.0)
        return torch.sigmoid(self.score(features)), self.box(features) * (STRIDE * 4.0)


@dataclass(frozen=True)
class Taught:
    """A picture and the boxes ``(n, 4)`` of faces that the teacher sees in it."""

    pixels: Pixels
    boxes: Floats


def taught(picture: Picture) -> Taught:
    """Ask the teacher."""
    shown = load_picture(Image.fromarray(np.ascontiguousarray(picture.pixels[:, :, ::-1])))
    width, height = shown.upright_size
    found = find_faces(shown, (0, 0, width, height), TEACHERS_THRESHOLD)
    corners = np.float32([item.polygon for item in found]).reshape(-1, 4, 2)
    return Taught(picture.pixels, np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))


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


def wanted(boxes: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Score, box, weight of the box and what is asked for, as `training.targets` has them for plates."""
    cells = SIDE // STRIDE
    score, weight = np.zeros((2, cells, cells), np.float32)
    asked, at = np.ones((cells, cells), np.float32), np.zeros((4, cells, cells), np.float32)
    y, x = np.mgrid[:cells, :cells].astype(np.float32)
    for box in boxes:
        size, center = box[2:] - box[:2], (box[:2] + box[2:]) / 2 / STRIDE - 0.5
        low, high = np.maximum(box[:2] / STRIDE, 0).astype(int), np.maximum(box[2:] / STRIDE + 1, 0).astype(int)
        if size[1] < SMALLEST or not ((center > -0.5) & (center < cells - 0.5)).all():
            asked[low[1] : high[1], low[0] : high[0]] = 0
            continue
        spread = np.maximum(0.55, 0.14 * size / STRIDE)
        bump = np.exp(-(((x - center[0]) / spread[0]) ** 2 + ((y - center[1]) / spread[1]) ** 2) / 2)
        column, row = np.clip(np.round(center), 0, cells - 1).astype(int)
        bump[row, column] = 1
        np.maximum(score, bump, out=score)
        rows, columns = np.nonzero(bump > 0.4)
        middles = (np.stack([columns, rows], axis=1) + 0.5) * STRIDE
        at[:, rows, columns] = (box[None] - np.tile(middles, 2)).T
        weight[rows, columns] = 1 / np.sqrt(np.prod(size)) / np.sqrt(len(rows))
    return score[None], at, weight[None], asked[None]


def loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
    """As for plates."""
    pixels, score, boxes, weight, asked = batch
    found, at = network(pixels.float().contiguous(memory_format=torch.channels_last))
    found = found.float().clamp(1e-4, 1 - 1e-4)
    middle = (score >= 0.999).float()
    positive = -((1 - found) ** 2) * torch.log(found) * middle
    negative = -((1 - score) ** 4) * found**2 * torch.log(1 - found) * (1 - middle) * asked
    count = middle.sum().clamp(min=1)
    apart = functional.smooth_l1_loss(at.float(), boxes, reduction="none") * weight
    return {"score": (positive.sum() + negative.sum()) / count, "box": apart.sum() / count / 2}


def main() -> None:
    """Train it from a finished run's detector and export it."""
    parser = argparse.ArgumentParser(prog="python -m training.faces", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run of `python -m training`")
    parser.add_argument("--samples", type=int, default=16_000)
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
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), *map(torch.from_numpy, wanted(boxes))

    network = FaceQuad()
    state = torch.load(options.run / "plate-quad.state.pt", weights_only=True)["average"]
    network.trunk.load_state_dict(state)
    train(network, draw, loss, Plan(options.samples), options.run, "faces")
    export(network, options.run / "faces.onnx", (416, 416), ("score", "box"), any_size=True)


if __name__ == "__main__":
    main()

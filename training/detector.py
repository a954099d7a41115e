"""Training of the network that finds plates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data import Picture
from training.designs import Plate
from training.kept_out import kept_out
from training.loop import Plan, train
from training.networks import PlateQuad, begin_with
from training.scenes import SIDE, Scenes
from training.targets import target

__all__ = ["train_detector"]

CORNERS_WEIGHT = 2.0
CALIBRATION = 64
"""Training pictures from which the normalisations of a network to begin with take their statistics."""


def train_detector(
    pictures: list[Picture], textures: list[Plate], plan: Plan, folder: Path, begin: Path | None = None
) -> PlateQuad:
    """Train it on all pictures that are not kept out.

    Parameters
    ----------
    begin : Path, optional
        An exported network of the same shape whose weights are the first ones.
    """
    torch.manual_seed(plan.seed)
    scenes = Scenes([picture for picture in pictures if not kept_out(picture.name)], textures, plan.seed)

    def draw(index: int) -> tuple[Tensor, ...]:
        scene = scenes[index]
        wanted = target(scene.plates, SIDE)
        pixels = torch.from_numpy(np.ascontiguousarray(scene.pixels.transpose(2, 0, 1)))
        return pixels, *map(torch.from_numpy, (wanted.score, wanted.corners, wanted.weight, wanted.asked))

    network = PlateQuad()
    if begin:
        sample = torch.stack([draw(plan.samples + index)[0] for index in range(CALIBRATION)]).float()
        begin_with(network, begin, sample)
    train(network, draw, _loss, plan, folder, "plate-quad")
    return network


def _loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
    """Focal loss of the scores (CornerNet's, as CenterNet uses it) and smooth L1 of the corners."""
    pixels, score, corners, weight, asked = batch
    found, at = network(pixels.float().contiguous(memory_format=torch.channels_last))
    found = found.float().clamp(1e-4, 1 - 1e-4)
    middle = (score >= 0.999).float()
    positive = -((1 - found) ** 2) * torch.log(found) * middle
    negative = -((1 - score) ** 4) * found**2 * torch.log(1 - found) * (1 - middle) * asked
    count = middle.sum().clamp(min=1)
    apart = functional.smooth_l1_loss(at.float(), corners, reduction="none") * weight
    return {"score": (positive.sum() + negative.sum()) / count, "corners": CORNERS_WEIGHT * apart.sum() / count / 8}

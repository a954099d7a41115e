"""Training of the network that finds plates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.data import Floats, Picture
from training.designs import Plate
from training.heads import cell_loss, sample_of
from training.kept_out import kept_out
from training.loop import Plan, train
from training.networks import PlateQuad, begin_with
from training.scenes import SIDE, Scenes
from training.targets import target

__all__ = ["train_detector"]

CALIBRATION = 64
"""Training pictures from which the normalisations of a network to begin with take their statistics."""


def train_detector(
    pictures: list[Picture],
    textures: list[Plate],
    unsure: Mapping[str, Floats],
    plan: Plan,
    folder: Path,
    begin: Path | None = None,
) -> PlateQuad:
    """Train it on all pictures that are not kept out.

    Parameters
    ----------
    unsure : dict
        Picture name -> boxes ``(n, 4)`` of plates that nobody labelled.
    begin : Path, optional
        An exported network of the same shape whose weights are the first ones.
    """
    torch.manual_seed(plan.seed)
    scenes = Scenes([picture for picture in pictures if not kept_out(picture.name)], textures, unsure, plan.seed)

    def draw(index: int) -> tuple[Tensor, ...]:
        scene = scenes[index]
        return sample_of(scene.pixels, target(scene.plates, SIDE))

    network = PlateQuad()
    if begin:
        sample = torch.stack([draw(plan.samples + index)[0] for index in range(CALIBRATION)]).float()
        begin_with(network, begin, sample)
    train(network, draw, cell_loss, plan, folder, "plate-quad")
    return network

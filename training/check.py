"""Training of the network that looks at each find again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.crops import Crop, Crops, Finds
from training.data import Floats, Picture, Pixels
from training.designs import Plate
from training.distractors import Distractor
from training.kept_out import kept_out
from training.loop import Plan, train
from training.networks import PlateCheck

__all__ = ["as_seen", "crops_to_learn_from", "train_check"]

CORNERS, BOX, SHAPE = 5.0, 5.0, 0.25
"""Weights of exact corners, of boxes of which only that is known, and of being a parallelogram, beside the score's."""

BETA = 0.05  # where smooth L1 turns from square to straight, in widths of a find


def crops_to_learn_from(
    pictures: list[Picture],
    finds: list[Finds],
    textures: list[Plate],
    distractors: list[Distractor],
    ignored: Mapping[str, Floats],
    seed: int,
) -> Crops:
    """Samples of what was found in all pictures that are not kept out."""
    chosen = [(p, f) for p, f in zip(pictures, finds, strict=True) if not kept_out(p.name)]
    return Crops([p for p, _ in chosen], [f for _, f in chosen], textures, distractors, ignored, seed)


def train_check(crops: Crops, plan: Plan, folder: Path) -> PlateCheck:
    """Train it on those samples."""
    torch.manual_seed(plan.seed)

    def draw(index: int) -> tuple[Tensor, ...]:
        crop = crops[index]
        pixels = torch.from_numpy(as_seen(crop)[0])
        numbers = np.float32([crop.is_plate, crop.trust, crop.boxed])
        return pixels, torch.from_numpy(numbers), torch.from_numpy(crop.corners), torch.from_numpy(crop.to_picture)

    network = PlateCheck()
    train(network, draw, _loss, plan, folder, "plate-check")
    return network


def as_seen(crop: Crop) -> Pixels:
    """A sample's pixels as the network takes them, ``(1, 3, 72, 112)``."""
    return np.ascontiguousarray(crop.pixels.transpose(2, 0, 1))[None]


def _loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
    pixels, numbers, corners, to_picture = batch
    is_plate, trust, boxed = numbers.T
    logits, found = network.judged(pixels.float().contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
    logits, found = logits.float(), found.float()
    apart = functional.smooth_l1_loss(found, corners, reduction="none", beta=BETA).mean(dim=(1, 2))
    boxes = [_bounds(quad @ to_picture) for quad in (found, corners)]
    beside = functional.smooth_l1_loss(*boxes, reduction="none", beta=BETA).mean(dim=1)
    bent = (found[:, 0] - found[:, 1] + found[:, 2] - found[:, 3]).abs().mean(dim=1)
    return {
        "score": functional.binary_cross_entropy_with_logits(logits, is_plate),
        "corners": CORNERS * (apart * trust).mean(),
        "box": BOX * (beside * boxed).mean(),
        "shape": SHAPE * (bent * boxed).mean(),
    }


def _bounds(corners: Tensor) -> Tensor:
    """Boxes ``(n, 4)`` around quadrilaterals ``(n, 4, 2)``."""
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)

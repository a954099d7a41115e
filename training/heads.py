"""What a network that is read out cell by cell is taught by, whatever it looks for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data import Pixels
from training.targets import Target

__all__ = ["cell_loss", "sample_of"]

CORNERS_WEIGHT = 2.0


def sample_of(pixels: Pixels, wanted: Target) -> tuple[Tensor, ...]:
    """A training picture and its target, as `cell_loss` takes batches of them."""
    picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    return picture, *map(torch.from_numpy, (wanted.score, wanted.corners, wanted.weight, wanted.asked))


def cell_loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
    """Focal loss of the scores (CornerNet's, as CenterNet uses it) and smooth L1 of the corners.

    Parameters
    ----------
    batch : tuple of Tensor
        Pictures, and the wanted scores, corners, weights and what is asked for, as `training.targets.Target` has them.
    """
    pixels, score, corners, weight, asked = batch
    found, at = network(pixels.float().contiguous(memory_format=torch.channels_last))
    found = found.float().clamp(1e-4, 1 - 1e-4)
    middle = (score >= 0.999).float()
    positive = -((1 - found) ** 2) * torch.log(found) * middle
    negative = -((1 - score) ** 4) * found**2 * torch.log(1 - found) * (1 - middle) * asked
    count = middle.sum().clamp(min=1)
    apart = functional.smooth_l1_loss(at.float(), corners, reduction="none") * weight
    return {"score": (positive.sum() + negative.sum()) / count, "corners": CORNERS_WEIGHT * apart.sum() / count / 8}

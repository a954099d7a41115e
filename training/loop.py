"""What both trainings share: batches made by workers, weights averaged, states that survive an interruption."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

__all__ = ["Plan", "Samples", "train"]

SAVE_EVERY, LOG_EVERY = 200, 50  # steps
SLOWEST_AVERAGE = 0.998


@dataclass(frozen=True)
class Plan:
    """How long and how fast one network learns.

    Parameters
    ----------
    samples : int
        How many training pictures are drawn in all.
    batch : int
        How many make one step.
    rate : float
        Highest learning rate; it rises for the first steps and then falls along a cosine.
    seed : int
        Of the first weights. The pictures have their own.
    workers : int
        Processes that draw pictures.
    device : str
        ``"cpu"`` or ``"cuda"``.
    mixed : bool
        Run the network in mixed precision (bfloat16): 1.7 times as fast on a processor that has instructions for it.
    """

    samples: int
    batch: int = 16
    rate: float = 2e-3
    seed: int = 0
    workers: int = 1
    device: str = "cpu"
    mixed: bool = True

    @property
    def steps(self) -> int:
        """How many steps that makes."""
        return self.samples // self.batch

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        return self.rate * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps)) + 1e-6


class Samples(Dataset[tuple[Tensor, ...]]):
    """Training pictures by number; each is the same whichever worker draws it."""

    def __init__(self, draw: Callable[[int], tuple[Tensor, ...]], count: int) -> None:
        self.draw, self.count = draw, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.draw(index)


class _From(Sampler[int]):
    """The numbers in order, from where an interrupted run stood."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.count))

    def __len__(self) -> int:
        return self.count - self.first


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def train(
    network: nn.Module,
    draw: Callable[[int], tuple[Tensor, ...]],
    loss: Callable[[nn.Module, tuple[Tensor, ...]], Mapping[str, Tensor]],
    plan: Plan,
    folder: Path,
    name: str,
) -> nn.Module:
    """Train, and return the network with the moving average of its weights.

    Writes ``<name>.log.csv`` (the curve) and, now and then, ``<name>.state.pt``, from which a run that was stopped
    goes on; with the same seeds and threads it ends as if it had not been stopped.

    Parameters
    ----------
    draw : callable
        Sample number -> tensors, of one sample.
    loss : callable
        Network and a batch of those -> named terms; their sum is what is made small.
    """
    network.to(plan.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), plan.rate, weight_decay=1e-4)
    average = {key: value.clone() for key, value in network.state_dict().items()}
    step = _resume(folder / f"{name}.state.pt", network, optimizer, average)
    _forget_after(step, folder / f"{name}.log.csv")
    loader = DataLoader(
        Samples(draw, plan.steps * plan.batch),
        plan.batch,
        sampler=_From(step * plan.batch, plan.steps * plan.batch),
        num_workers=plan.workers,
        prefetch_factor=4 if plan.workers else None,
        worker_init_fn=_one_thread,
    )
    curve: dict[str, float] = {}
    first, began = step, time.monotonic()
    network.train()
    for batch in loader:
        optimizer.param_groups[0]["lr"] = plan.rate_at(step)
        with torch.autocast(plan.device, torch.bfloat16, enabled=plan.mixed):
            terms = loss(network, tuple(tensor.to(plan.device) for tensor in batch))
        optimizer.zero_grad()
        sum(terms.values(), torch.zeros((), device=plan.device)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        step += 1
        _follow(average, network, min(SLOWEST_AVERAGE, step / (step + 20)))
        for key, value in terms.items():
            curve[key] = 0.95 * curve.get(key, value.item()) + 0.05 * value.item()
        if step % LOG_EVERY == 0:
            pace = (step - first) * plan.batch / (time.monotonic() - began)
            _note(folder / f"{name}.log.csv", {"step": step, **curve, "samples_per_second": pace})
        if step % SAVE_EVERY == 0:
            _save(folder / f"{name}.state.pt", network, optimizer, average, step)
    _save(folder / f"{name}.state.pt", network, optimizer, average, step)
    network.load_state_dict(average)
    return network.cpu().eval()


def _follow(average: dict[str, Tensor], network: nn.Module, share: float) -> None:
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                average[key].mul_(share).add_(value, alpha=1 - share)
            else:
                average[key].copy_(value)


def _note(path: Path, row: Mapping[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})


def _forget_after(step: int, path: Path) -> None:
    """Strike from the curve what a stopped run noted after it had saved."""
    if path.exists():
        head, *rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join([head, *(row for row in rows if int(row.partition(",")[0]) <= step)]))


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor], step: int
) -> None:
    partial = path.with_suffix(".partial")
    state: dict[str, Any] = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "average": dict(average), "step": step}, partial)
    partial.replace(path)


def _resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    average.update(state["average"])
    return int(state["step"])

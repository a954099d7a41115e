"""What one detector finds in one picture at each threshold.

It is asked anew at each, because what an engine joins at a low threshold is not what it finds at a high one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnxruntime

from blur_tools import Detections
from blur_tools.picture import Picture

LOWEST = 0.05
THRESHOLDS = tuple(round(LOWEST + 0.01 * step, 2) for step in range(91))
"""The thresholds of a curve, rising from the lowest score that detectors are followed to."""


@dataclass(frozen=True)
class Step:
    """What is found from this threshold on, up to the next step's."""

    threshold: float
    found: Detections


def sweep(find: Callable[[float], Detections], thresholds: Sequence[float] = THRESHOLDS) -> tuple[Step, ...]:
    """What is found at each of the rising thresholds, as the steps at which it changes.

    Where two thresholds find the same, so is taken to do whatever lies between them.
    """
    known = {0: find(thresholds[0]), len(thresholds) - 1: find(thresholds[-1])}

    def between(first: int, last: int) -> None:
        if last - first > 1 and tuple(known[first]) != tuple(known[last]):
            middle = (first + last) // 2
            known[middle] = find(thresholds[middle])
            between(first, middle)
            between(middle, last)

    between(0, len(thresholds) - 1)
    steps: list[Step] = []
    for place in sorted(known):
        if not steps or tuple(steps[-1].found) != tuple(known[place]):
            steps.append(Step(thresholds[place], known[place]))
    return tuple(steps)


@contextmanager
def remembered() -> Iterator[None]:
    """Networks that see the same pixels again do not compute again: for one picture at many thresholds."""
    known: dict[Any, Any] = {}
    run = onnxruntime.InferenceSession.run

    def once(self: Any, names: Any, feed: dict[str, np.ndarray], *more: Any) -> Any:
        key = id(self), *((name, value.shape, value.tobytes()) for name, value in feed.items())
        if key not in known:
            known[key] = run(self, names, feed, *more)
        return known[key]

    with patch.object(onnxruntime.InferenceSession, "run", once):
        yield


def kept(
    folder: Path, code: Sequence[Path], picture: Picture, steps: Callable[[], tuple[Step, ...]]
) -> tuple[Step, ...]:
    """What a detector that does not change found in a picture; from `folder` where the same `code` left it there."""
    files = [picture.source.data, *(path.read_bytes() for path in code)]
    path = folder / f"{hashlib.sha256(b''.join(hashlib.sha256(part).digest() for part in files)).hexdigest()[:32]}.json"
    if path.exists():
        return tuple(Step(threshold, Detections.from_json(found)) for threshold, found in json.loads(path.read_text()))
    made = steps()
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps([(step.threshold, step.found.to_json()) for step in made]))
    part.rename(path)
    return made

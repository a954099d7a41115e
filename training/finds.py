"""What a trained detector finds in the training pictures: the check learns from its rights and wrongs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from blur_tools.detectors._network import PADDING
from blur_tools.detectors.plates import MULTIPLE, decode
from training.crops import Finds
from training.data import Floats, Picture, Pixels

__all__ = ["answers", "find_all", "session"]

LOOKS = ((0.7, True), (1.0, False), (1.4, True))
"""At which sizes, in those of the packed picture, and whether mirrored."""

LOWEST = 0.03
AT_MOST = 60
"""Finds kept of one picture at one scale, the best ones."""


def session(path: Path, threads: int = 1) -> Any:
    """An ONNX Runtime session that keeps to so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answers(run: Any, batch: npt.NDArray[np.uint8]) -> list[Floats]:
    """What a network says of pictures ``(n, 3, h, w)``, blue first: one of 32 bits, or one of eight as it ships."""
    wanted = run.get_inputs()[0]
    lie = np.ascontiguousarray(batch[:, ::-1].transpose(0, 2, 3, 1)) if "uint8" in wanted.type else None
    answer: list[Floats] = run.run(None, {wanted.name: batch.astype(np.float32) if lie is None else lie})
    return answer


def find_all(network: Path, pictures: list[Picture], workers: int = 2) -> list[Finds]:
    """The finds of each picture, at several sizes, at some of them mirrored."""
    run = session(network)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda picture: _of_one(run, picture.pixels), pictures))


def _of_one(run: Any, pixels: Pixels) -> Finds:
    corners, scores = [], []
    for scale, mirrored in LOOKS:
        quads, sure = _at_scale(run, pixels[:, ::-1] if mirrored else pixels, scale)
        if mirrored:
            quads = quads[:, [1, 0, 3, 2]] * np.float32([-1, 1]) + np.float32([pixels.shape[1], 0])
        corners.append(quads)
        scores.append(sure)
    return Finds(np.float32(np.concatenate(corners)), np.concatenate(scores))


def _at_scale(run: Any, pixels: Pixels, scale: float) -> tuple[Floats, Floats]:
    height, width = pixels.shape[:2]
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = cv2.resize(pixels, (columns, rows), interpolation=how)
    filled = np.full((1, 3, _padded(rows), _padded(columns)), PADDING, np.uint8)
    filled[0, :, :rows, :columns] = seen.transpose(2, 0, 1)
    quads, scores = decode(answers(run, filled), LOWEST)
    best = np.argsort(-scores)[:AT_MOST]
    return np.float32(quads[best] * np.float32([width / columns, height / rows])), scores[best]


def _padded(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE

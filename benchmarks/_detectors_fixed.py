"""The detectors that do not change while ours does: the model handed over, and two from the package index.

What is compared must not move with what it is compared with, so the model handed over is run by code of its own here,
not by the package's. Each gives a `Finder`: a picture and the lowest score that counts, to what is found.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from _detectors_sweep import LOWEST
from _results import HERE, shared_data
from _wheels import from_wheel
from rivals import agentclpr as agentclpr_at

from blur_tools import Detections
from blur_tools._cores import available_cores
from blur_tools.detections import Detection, Polygon
from blur_tools.formats.coco import ordered_corners
from blur_tools.picture import Picture

Finder = Callable[[Picture, float], Detections]

GIVEN = 0.25
"""Threshold of the model handed over, and of rivals."""

ONE_PASS = 640
OUT = HERE / "out" / "detectors"
BEFORE = ("plate-quad-0.onnx", "bdd5a83edcc73802cf39202a41ea7605fe2881d0ef59c9c9a4781fadf78e1271")
PLATEDET = ("platedet==0.0.2", "platedet/artifacts/platedet.onnx")


def session(weights: bytes | str) -> onnxruntime.InferenceSession:
    """Like our engine's: as many threads as cores, which do not spin, so that CPU time is work."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # old files of weights make it talk
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def before() -> Finder:
    """The model handed over, one pass at 640, as its description says: every plate once, the larger cover kept."""
    data = (shared_data().parent / "models" / BEFORE[0]).read_bytes()
    if hashlib.sha256(data).hexdigest() != BEFORE[1]:
        raise SystemExit(f"models/{BEFORE[0]} beside the shared pictures is not the one handed over ({BEFORE[1]})")
    network = session(data)

    def find(picture: Picture, threshold: float) -> Detections:
        width, height = picture.upright_size
        scale = min(ONE_PASS / max(width, height), 1)
        columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.full((math.ceil(rows / 32) * 32, math.ceil(columns / 32) * 32, 3), 114, np.float32)
        pixels[:rows, :columns] = np.asarray(picture.view((columns, rows)))[:, :, ::-1]
        heat, offsets = network.run(None, {"x": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})
        corners, scores = _peaks(heat[0, 0], offsets[0], threshold)
        return _plates(*_once(corners * [width / columns, height / rows], scores), "handed over")

    return find


def _peaks(heat: np.ndarray, offsets: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners ``(n, 4, 2)`` in the network's pixels and scores, one plate for each local maximum of 3 x 3 cells."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(heat, 1, constant_values=-np.inf), (3, 3))
    rows, columns = np.nonzero((heat >= around.max(axis=(2, 3))) & (heat >= threshold))
    middles = (np.stack([columns, rows], axis=1)[:, None] + 0.5) * 8
    return offsets[:, rows, columns].T.reshape(-1, 4, 2) + middles, heat[rows, columns]


def _once(corners: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of plates whose boxes overlap by more than 0.4, or lie inside another by 0.9, the largest and the best score."""
    after = np.roll(corners, -1, axis=1)
    areas = np.abs((corners[..., 0] * after[..., 1] - corners[..., 1] * after[..., 0]).sum(axis=1))
    boxes, best = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), scores.copy()
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept: list[int] = []
    for i in np.argsort(-areas, kind="stable"):
        sides = np.minimum(boxes[kept, 2:], boxes[i, 2:]) - np.maximum(boxes[kept, :2], boxes[i, :2])
        shared = np.clip(sides, 0, None).prod(axis=1)
        same = (shared > 0.4 * (sizes[kept] + sizes[i] - shared)) | (shared >= 0.9 * sizes[i])
        if same.any():
            twin = kept[int(np.argmax(np.where(same, shared, -1)))]
            best[twin] = max(best[twin], best[i])
        else:
            kept.append(int(i))
    return corners[kept], best[kept]


def agentclpr() -> Finder:
    """``clp_det.onnx`` of agentclpr 1.1.0, at full size as the package runs it; doubles go by score."""
    lowest = agentclpr_at(LOWEST)

    def find(picture: Picture, threshold: float) -> Detections:
        found = lowest(np.asarray(picture.image.convert("RGB")))
        return Detections(item for item in found if item.score is not None and item.score >= threshold)

    return find


def platedet() -> Finder:
    """``platedet.onnx`` of platedet 0.0.2 (YOLOv8s-seg at 640): the least rectangle around each mask."""
    network = session(str(from_wheel(*PLATEDET, OUT)))

    def find(picture: Picture, threshold: float) -> Detections:
        pixels, scale, moved = _letterbox(picture)
        values, prototypes = (part[0].astype(np.float32) for part in network.run(None, {"images": pixels}))
        rows = values.T[values[4] >= threshold]
        boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
        kept = _by_score(boxes, rows[:, 4])
        corners = [(_outline(boxes[i], rows[i, 5:], prototypes) - moved) / scale for i in kept]
        return _plates(corners, rows[kept, 4], "platedet")

    return find


def _letterbox(picture: Picture) -> tuple[np.ndarray, float, np.ndarray]:
    """The picture in the middle of 640 x 640 grey pixels, its scale, and how far it was moved."""
    scale = 640 / max(picture.upright_size)
    columns, rows = (max(1, round(side * scale)) for side in picture.upright_size)
    left, top = (640 - columns) // 2, (640 - rows) // 2
    pixels = np.full((640, 640, 3), 114, np.uint8)
    pixels[top : top + rows, left : left + columns] = np.asarray(picture.view((columns, rows)))
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]).astype(np.float16) / np.float16(255)
    return planes, scale, np.array([left, top])


def _by_score(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Indices without doubles at IoU 0.4, the package's figure, the higher score kept."""
    import cv2

    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return [int(i) for i in np.ravel(cv2.dnn.NMSBoxes(sides.tolist(), scores.tolist(), 0.0, 0.4))]


def _outline(box: np.ndarray, weights: np.ndarray, prototypes: np.ndarray) -> np.ndarray:
    """Four corners around the mask inside a box, in the network's pixels; the box where the mask is empty."""
    import cv2

    count, height, width = prototypes.shape
    step = 640 // width
    left, top = (int(v) for v in np.clip(np.floor(box[:2] / step), 0, [width - 1, height - 1]))
    right, bottom = (int(v) for v in np.clip(np.ceil(box[2:] / step), [left + 1, top + 1], [width, height]))
    mask = (weights @ prototypes[:, top:bottom, left:right].reshape(count, -1)).reshape(bottom - top, right - left)
    frame = np.pad(mask, 1, mode="edge")
    # "not the plate" around it, as sure as the mask is at its rim, so that what fills the window ends at its edge
    frame[[0, -1]], frame[:, [0, -1]] = -np.abs(frame[[0, -1]]), -np.abs(frame[:, [0, -1]])
    framed = cv2.resize(frame, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    outlines, _ = cv2.findContours((framed > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return np.array([box[[0, 1]], box[[2, 1]], box[[2, 3]], box[[0, 3]]])
    return cv2.boxPoints(cv2.minAreaRect(max(outlines, key=cv2.contourArea))) + step * np.array([left - 1, top - 1])


def _plates(corners: Any, scores: Any, source: str) -> Detections:
    quads: list[Polygon] = [ordered_corners([tuple(map(float, point)) for point in quad]) for quad in corners]
    return Detections(
        Detection("plate", quad, min(float(score), 1.0), source) for quad, score in zip(quads, scores, strict=True)
    )

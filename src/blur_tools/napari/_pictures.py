"""A picture as the window shows it: upright pixels in colour, and the way back to the stored picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools.audit._files import mark_of
from blur_tools.audit._seen import Seen
from blur_tools.detections import Box, Polygon
from blur_tools.errors import PictureError
from blur_tools.orientation import box_to_stored, polygon_to_stored, polygon_to_upright
from blur_tools.picture import load_picture
from blur_tools.redaction.live import Pixels, colour

__all__ = [
    "Pixels",
    "Shown",
    "as_pixels",
    "colour",
    "frame_at",
    "frames_of",
    "load_shown",
    "plane_of",
    "shown_in_layer",
]

HALF = 0.5
"""napari puts the middle of the first pixel at 0; in `Detection` a picture covers ``[0, width] x [0, height]``."""


class Shown(Seen):
    """A picture in napari: the way between the stored picture and a layer's ``(y, x)``."""

    def to_canvas(self, polygon: Polygon) -> npt.NDArray[np.float64]:
        """Stored ``(x, y)`` corners as rows of ``(y, x)`` in the layer, clockwise as they are seen."""
        points = polygon_to_upright(polygon, self.size, self.turn)
        return np.array([(y - HALF, x - HALF) for x, y in points], dtype=np.float64)

    def to_stored(self, points: Sequence[Sequence[float]] | npt.NDArray[np.float64]) -> Polygon:
        """The way back: four rows of ``(y, x)`` as stored ``(x, y)`` corners, clockwise."""
        a, b, c, d = ((float(x) + HALF, float(y) + HALF) for y, x in points)
        return polygon_to_stored((a, b, c, d), self.size, self.turn)

    def box_to_stored(self, points: npt.NDArray[np.float64]) -> Box:
        """The upright box around rows of ``(y, x)`` in the layer, as ``(xmin, ymin, xmax, ymax)`` of the stored."""
        (top, left), (bottom, right) = points.min(axis=0) + HALF, points.max(axis=0) + HALF
        return box_to_stored((float(left), float(top), float(right), float(bottom)), self.size, self.turn)


def load_shown(source: Any) -> Shown:
    """Read, check, decode and turn a picture; errors are those of `load_picture`."""
    return Shown.load(source)


def frames_of(layer: Any) -> int:
    """How many pictures an image layer holds: 1, or the length of a stack ``(t, y, x[, c])``.

    Raises
    ------
    PictureError
        It has more axes than that.
    """
    if layer.ndim > 3:
        raise PictureError(layer.name, f"has {layer.ndim} axes; a picture or a stack (t, y, x) is needed")
    return 1 if layer.ndim == 2 else int(layer.data.shape[0])


def frame_at(layer: Any, point: Sequence[float]) -> int:
    """Which frame of a stack is seen at a point of the viewer's world."""
    place = layer.world_to_data(np.asarray(point)[-layer.ndim :])[-3]
    return int(np.clip(round(float(place)), 0, layer.data.shape[0] - 1))


def plane_of(layer: Any, frame: int = 0) -> npt.NDArray[np.float64]:
    """Where a picture's pixels lie in the world's last two axes: a 3 x 3 matrix of ``(y, x, 1)``.

    Raises
    ------
    PictureError
        The layer is turned out of that plane, or lies in it as a line: no mark can lie on it.
    """
    origin = np.zeros(layer.ndim)
    origin[:-2] = frame
    start = np.asarray(layer.data_to_world(origin))
    steps = [np.asarray(layer.data_to_world(origin + unit)) - start for unit in np.eye(layer.ndim)]
    plane = np.eye(3)
    plane[:2, :2] = np.stack([step[-2:] for step in steps[-2:]], axis=1)
    plane[:2, 2] = start[-2:]
    size, length = np.abs(np.linalg.det(plane[:2, :2])), max(np.abs(step).max() for step in steps[-2:])
    leaves = [step[:-2] for step in steps[-2:]] + [step[-2:] for step in steps[:-2]]
    if size < 1e-9 * length**2 or any(np.abs(part).max(initial=0.0) > 1e-6 * length for part in leaves):
        raise PictureError(layer.name, "is turned out of the plane that is seen; marks need it flat")
    return plane


def as_pixels(layer: Any, frame: int = 0) -> Pixels:
    """One picture of an image layer as uint8; other numbers are scaled as the layer shows them."""
    values = np.asarray(layer.data[frame] if layer.ndim == 3 else layer.data)
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if layer.rgb:
        low, high = 0.0, 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    else:
        low, high = map(float, layer.contrast_limits)
    scaled = (values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-12))
    pixels: Pixels = np.nan_to_num(scaled).clip(0, 255).astype(np.uint8)
    return pixels


def shown_in_layer(source: Any, pixels: Pixels) -> Shown:
    """The picture behind a layer of somebody else's, where `pixels` are what the layer shows.

    napari's own reader shows stored pixels, whatever the orientation tag says; detection must be upright all the same,
    and what is saved comes from the file.
    """
    file = mark_of(source)
    picture = load_picture(source)
    whole = colour(Image.fromarray(pixels), 1)
    for turn in dict.fromkeys((1, picture.orientation)):
        if np.array_equal(colour(picture.image, turn), whole):
            return Shown(picture, whole, turn, file)
    raise PictureError(picture.source.origin, "the layer no longer shows this file")

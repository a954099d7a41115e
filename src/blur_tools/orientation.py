"""The one module that converts between a picture as stored and as a person sees it.

The EXIF orientation tag (1 to 8) says how a viewer must turn the stored pixels. With stored width ``w`` and
height ``h``, each tag is one affine map from stored to upright coordinates (EXIF 2.32, table of tag 0x0112).
Coordinates are continuous: the picture covers ``[0, w] x [0, h]``.
"""

from __future__ import annotations

from typing import cast

from PIL import Image

from blur_tools.detections import Box, Point, Polygon

__all__ = [
    "box_to_stored",
    "box_to_upright",
    "polygon_to_stored",
    "polygon_to_upright",
    "turn_stored",
    "turn_upright",
    "upright_size",
]

# orientation -> (x taken from, mirrored), (y taken from, mirrored); "from" is 0 for stored x, 1 for stored y
_AXES: dict[int, tuple[tuple[int, bool], tuple[int, bool]]] = {
    1: ((0, False), (1, False)),
    2: ((0, True), (1, False)),
    3: ((0, True), (1, True)),
    4: ((0, False), (1, True)),
    5: ((1, False), (0, False)),
    6: ((1, True), (0, False)),
    7: ((1, True), (0, True)),
    8: ((1, False), (0, True)),
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Upright ``(width, height)`` of a picture of stored `size`."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn stored pixels so that a person sees them upright."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def turn_stored(image: Image.Image, orientation: int) -> Image.Image:
    """Turn upright pixels back to how they are stored."""
    # only the quarter turns are not their own inverse
    return turn_upright(image, {6: 8, 8: 6}.get(orientation, orientation))


def point_to_upright(point: Point, size: tuple[int, int], orientation: int) -> Point:
    """Map stored ``(x, y)`` to upright; `size` is the stored ``(width, height)``."""
    mapped = [size[axis] - point[axis] if mirrored else point[axis] for axis, mirrored in _AXES[orientation]]
    return mapped[0], mapped[1]


def point_to_stored(point: Point, size: tuple[int, int], orientation: int) -> Point:
    """Map upright ``(x, y)`` to stored; `size` is the stored ``(width, height)``."""
    stored = [0.0, 0.0]
    for value, (axis, mirrored) in zip(point, _AXES[orientation], strict=True):
        stored[axis] = size[axis] - value if mirrored else value
    return stored[0], stored[1]


def polygon_to_stored(polygon: Polygon, size: tuple[int, int], orientation: int) -> Polygon:
    """Map upright corners to stored; the first stays the object's own top left, as a person sees it.

    A mirroring tag turns the order of the stored corners anticlockwise; they are then listed the other way
    round, so that polygons are always clockwise.
    """
    corners = [point_to_stored(point, size, orientation) for point in polygon]
    return _clockwise(corners, orientation)


def polygon_to_upright(polygon: Polygon, size: tuple[int, int], orientation: int) -> Polygon:
    """Map stored corners to upright, clockwise."""
    corners = [point_to_upright(point, size, orientation) for point in polygon]
    return _clockwise(corners, orientation)


def box_to_stored(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Map an upright box ``(xmin, ymin, xmax, ymax)`` to stored."""
    x0, y0 = point_to_stored(box[:2], size, orientation)
    x1, y1 = point_to_stored(box[2:], size, orientation)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def box_to_upright(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Map a stored box ``(xmin, ymin, xmax, ymax)`` to upright."""
    x0, y0 = point_to_upright(box[:2], size, orientation)
    x1, y1 = point_to_upright(box[2:], size, orientation)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _clockwise(corners: list[Point], orientation: int) -> Polygon:
    if orientation in (2, 4, 5, 7):
        corners = [corners[0], *corners[:0:-1]]
    return cast("Polygon", tuple(corners))

"""Outlines of several corners: their convex hull, and how much two of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from blur_tools.detections import Point

__all__ = ["hull", "inside", "shared_part"]


def shared_part(one: Sequence[Point], other: Sequence[Point]) -> float:
    """Intersection over union of two polygons' convex hulls, 0 to 1; 0 where one has no area."""
    first, second = hull(one), hull(other)
    areas = _area(first), _area(second)
    if min(areas) <= 0:
        return 0.0
    shared = _area(inside(first, second))
    return shared / (sum(areas) - shared)


def hull(points: Iterable[Point]) -> tuple[Point, ...]:
    """Corners of the convex hull (Andrew's monotone chain), the inside left of each edge; no area: fewer than three."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return tuple(ordered)
    corners: list[Point] = []
    for way in (ordered, ordered[::-1]):
        chain: list[Point] = []
        for point in way:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        corners += chain[:-1]
    return tuple(corners)


def inside(polygon: Sequence[Point], window: Sequence[Point]) -> Sequence[Point]:
    """What is in both convex polygons, by Sutherland and Hodgman (1974)."""
    for start, stop in pairwise([*window, window[0]]):
        inside: list[Point] = []
        sides = [_turn(start, stop, point) for point in polygon]
        for place, (point, side) in enumerate(zip(polygon, sides, strict=True)):
            before, last = polygon[place - 1], sides[place - 1]
            if side * last < 0:
                part = last / (last - side)
                inside.append((before[0] + part * (point[0] - before[0]), before[1] + part * (point[1] - before[1])))
            if side >= 0:
                inside.append(point)
        polygon = inside
    return polygon


def _turn(start: Point, stop: Point, point: Point) -> float:
    """Twice the signed area of the triangle: above 0 where the point is left of the way from start to stop."""
    return (stop[0] - start[0]) * (point[1] - start[1]) - (stop[1] - start[1]) * (point[0] - start[0])


def _area(polygon: Sequence[Point]) -> float:
    """By the shoelace formula, from the first corner so that large coordinates lose nothing."""
    if len(polygon) < 3:
        return 0.0
    return abs(sum(_turn(polygon[0], one, other) for one, other in pairwise(polygon[1:]))) / 2

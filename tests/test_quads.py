"""Boxes refined to quadrilaterals, on our own scenes as they are and turned."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from blur_tools import BlurSettings, Detection
from blur_tools.detections import box_polygon
from blur_tools.detectors.quads import quadrilateral
from blur_tools.orientation import polygon_to_upright, turn_stored
from blur_tools.picture import load_picture
from blur_tools.redaction.masks import regions
from blur_tools.samples import scenes


@cache
def plates(angle: float) -> list[tuple]:
    """Every plate of our scenes that is 50 pixels wide or more: its surroundings turned about it, and its corners."""
    found = []
    for scene in scenes():
        picture = load_picture(scene.data)
        image = picture.view(picture.upright_size)
        for plate in scene.truth.plates:
            corners = np.array(polygon_to_upright(plate.polygon, picture.size, picture.orientation))
            if np.ptp(corners[:, 0]) >= 50:
                found.append(turned(image, corners, angle))
    return found


def turned(image: Image.Image, corners: np.ndarray, angle: float) -> tuple:
    middle, half = corners.mean(axis=0), round(1.5 * np.ptp(corners[:, 0]))
    left, top = np.floor(middle).astype(int) - half
    part = image.crop((left, top, left + 2 * half, top + 2 * half)).rotate(-angle, Image.Resampling.BICUBIC)
    a = math.radians(angle)
    turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return load_picture(part), (corners - (left, top) - half) @ turn + half


def box_of(corners: np.ndarray) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def drawn(corners, size: tuple[int, int]) -> np.ndarray:
    image = Image.new("1", (4 * size[0], 4 * size[1]))
    ImageDraw.Draw(image).polygon([(4 * x, 4 * y) for x, y in corners], fill=1)
    return np.asarray(image)


def overlap(a, b, size) -> float:
    a, b = drawn(a, size), drawn(b, size)
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("angle", [-25, -12, 12, 25])
def test_the_tilt_is_followed(angle):
    better = []
    for picture, truth in plates(angle):
        box = box_of(truth)
        ours, before = (overlap(quad, truth, picture.size) for quad in (quadrilateral(picture, box), box_polygon(*box)))
        assert ours >= before - 0.01
        better.append(ours - before)
    assert len(better) >= 8
    assert np.mean(better) > 0.1


@pytest.mark.parametrize("angle", [-25, 0, 12])
@pytest.mark.parametrize("grown", [-0.08, 0.0, 0.08])
def test_nothing_of_the_plate_is_left_out(angle, grown):
    """With the usual margin, also where the given box is a little too small or too large."""
    for picture, truth in plates(angle):
        left, top, right, bottom = box_of(truth)
        width, height = grown * (right - left), grown * (bottom - top)
        quad = quadrilateral(picture, (left - width, top - height, right + width, bottom + height))
        hidden = np.zeros(picture.size[::-1], bool)
        for region in regions([Detection("plate", quad)], BlurSettings(plates=10), picture.size):
            hidden[region.box[1] : region.box[3], region.box[0] : region.box[2]] = np.asarray(region.mask) == 255
        plate = drawn(truth, picture.size)[2::4, 2::4]
        assert hidden[plate].mean() > 0.985


def test_corners_run_clockwise_from_top_left():
    for picture, truth in plates(-12):
        corners = np.array(quadrilateral(picture, box_of(truth)))
        edges = np.roll(corners, -1, axis=0) - corners
        following = np.roll(edges, -1, axis=0)
        assert (edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 0).all()
        assert edges[0, 0] > 0
        assert corners[0].sum() == corners.sum(axis=1).min()


def test_what_does_not_look_like_a_plate_keeps_its_box(noise, encode):
    picture = load_picture(encode(noise(200, 300)))
    assert quadrilateral(picture, (50, 60, 150, 90)) == box_polygon(50, 60, 150, 90)
    scene, truth = plates(0)[0]
    left, top, right, bottom = box_of(truth)
    elsewhere = (left - (right - left), top, left - 0.2 * (right - left), bottom)
    assert quadrilateral(scene, elsewhere) == box_polygon(*elsewhere)


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 10, 10), (10, 10, 60, 10), (10, 10, 11, 11), (500, 500, 600, 530), (-90, -90, -20, -60),
        (-50, 20, 30, 40), (0, 0, 300, 200), (-1e6, -1e6, 1e6, 1e6), (299.5, 199.5, 310, 205),
    ],
)  # fmt: skip
def test_odd_boxes_are_no_error(noise, encode, box):
    corners = quadrilateral(load_picture(encode(noise(200, 300))), box)
    assert len(corners) == 4
    assert np.isfinite(corners).all()


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 10, 10), (10, 10, 60, 10), (10, 10, 11, 11), (60, 40, 10, 10),  # no size, one pixel, inside out
        (500, 500, 600, 530), (-90, -90, -20, -60), (-math.inf, 0, math.inf, 50),  # nothing of the picture in it
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_see_the_box_is_kept(noise, encode, box):
    assert quadrilateral(load_picture(encode(noise(200, 300))), box) == box_polygon(*box)


def test_a_street_without_a_plate_keeps_its_boxes():
    street = load_picture(scenes()[-1].data)
    width, height = street.upright_size
    for x in range(0, width - 160, 160):
        for y in range(0, height - 60, height // 3):
            box = (x, y, x + 160, y + 60)
            assert quadrilateral(street, box) == box_polygon(*box)


def test_corners_are_upright_whatever_the_orientation_tag():
    picture, truth = plates(12)[0]
    stored, box = turn_stored(picture.image, 6), box_of(truth)
    lying = replace(picture, image=stored, orientation=6, _levels=[])
    np.testing.assert_allclose(quadrilateral(lying, box), quadrilateral(picture, box), atol=0.5)
    assert quadrilateral(lying, box) != box_polygon(*box)

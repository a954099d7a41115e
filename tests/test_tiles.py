"""Slices of a picture, and joining what several passes found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_tools.detections import box_polygon
from blur_tools.detectors.plates import join_plates
from blur_tools.detectors.tiles import Candidate, boxes_of, merge, slices


def candidate(xmin: float, ymin: float, xmax: float, ymax: float, score: float | None = 0.5) -> Candidate:
    return Candidate(box_polygon(xmin, ymin, xmax, ymax), score)


@pytest.mark.parametrize("split", [0, 1])
def test_one_slice_is_the_whole_and_is_not_repeated(split: int):
    assert slices((100, 50), split, 20) == []


def test_slices_share_the_said_part_of_their_width():
    assert slices((180, 50), 2, 20) == [(0, 0, 100, 50), (80, 0, 180, 50)]
    assert slices((300, 50), 3, 0) == [(0, 0, 100, 50), (100, 0, 200, 50), (200, 0, 300, 50)]


@given(st.integers(2, 64), st.floats(0, 90), st.integers(64, 20_000))
def test_slices_cover_the_picture(split: int, overlap: float, width: int):
    parts = slices((width, 10), split, overlap)
    assert len(parts) == split
    assert parts[0][0] == 0
    assert parts[-1][2] == pytest.approx(width)
    for left, right in itertools.pairwise(parts):
        assert right[0] <= left[2] + 1e-6
        assert (left[2] - right[0]) == pytest.approx((left[2] - left[0]) * overlap / 100, abs=1e-6 * width)


def test_a_picture_narrower_than_its_slices_is_searched_whole():
    assert slices((3, 10), 4, 20) == []


def test_the_larger_cover_and_the_higher_score_stay():
    small, large = candidate(10, 10, 50, 30, 0.9), candidate(8, 8, 54, 32, 0.6)
    assert merge([small, large], 0.4) == [Candidate(large.polygon, 0.9)]


def test_what_lies_inside_a_larger_one_is_dropped_and_neighbours_stay():
    large, inside, beside = candidate(0, 0, 100, 40), candidate(5, 5, 20, 20), candidate(101, 0, 200, 40)
    assert {item.polygon for item in merge([large, inside, beside], 0.4)} == {large.polygon, beside.polygon}


def test_half_a_plate_at_a_slices_edge_joins_the_whole():
    whole, half = candidate(80, 10, 120, 20, 0.4), candidate(80, 10, 100, 20, 0.8)
    assert merge([half, whole], 0.4) == [Candidate(whole.polygon, 0.8)]


def test_what_is_hardly_anything_does_not_widen_what_surely_is_something():
    plate, around_it = candidate(40, 40, 60, 50, 0.9), candidate(20, 20, 80, 70, 0.3)
    assert merge([around_it, plate], 0.4, hold=True, as_sure=0.5) == [plate, around_it]
    assert merge([around_it, plate], 0.4, hold=True, as_sure=0.3) == [Candidate(around_it.polygon, 0.9)]


def test_outlines_that_are_nearly_the_same_are_one_however_sure():
    ladder = [candidate(0, 0, 200 + 2 * step, 30 + step, score) for step, score in enumerate((0.95, 0.47, 0.23, 0.11))]
    (joined,) = merge(ladder, 0.4, hold=True, as_sure=0.5)
    assert joined == Candidate(ladder[3].polygon, 0.95)


def test_joining_again_changes_nothing():
    around_it, plate, part = (
        candidate(0, 0, 60, 50, 0.3),
        candidate(20, 20, 40, 30, 0.9),
        candidate(21, 20, 33, 30, 0.55),
    )
    once = join_plates([around_it, plate, part])
    assert [item.score for item in once] == [0.9, 0.3]
    assert join_plates(once) == once


def test_what_nobody_doubted_is_as_sure_as_can_be():
    unknown, half = candidate(0, 0, 100, 50, None), candidate(20, 10, 60, 40, 0.9)
    assert merge([unknown, half], 0.4, as_sure=0.5) == [Candidate(unknown.polygon, None)]


def test_what_is_less_sure_and_inside_is_dropped_as_before():
    plate, part = candidate(40, 40, 60, 50, 0.9), candidate(42, 42, 50, 48, 0.1)
    assert merge([plate, part], 0.4, hold=True, as_sure=0.5) == [plate]


boxes = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(1, 60), st.floats(1, 60), st.floats(0.1, 1)), max_size=8
)


@given(boxes)
def test_merging_keeps_a_subset_sorted_and_every_dropped_one_has_a_larger_twin(values):
    given_ones = [candidate(x, y, x + w, y + h, score) for x, y, w, h, score in values]
    kept = merge(given_ones, 0.4)
    scores = [item.score for item in kept]
    assert scores == sorted(scores, reverse=True)
    polygons = {item.polygon for item in kept}
    assert polygons <= {item.polygon for item in given_ones}
    for item in given_ones:
        if item.polygon not in polygons:
            assert any(_area(other) >= _area(item.polygon) - 1e-9 for other in polygons)


def _area(polygon) -> float:
    return (polygon[2][0] - polygon[0][0]) * (polygon[2][1] - polygon[0][1])


@given(boxes, st.sampled_from([0.0, 0.5, 1.0]))
def test_joining_uncovers_nothing(values, as_sure):
    given_ones = [candidate(x, y, x + w, y + h, score) for x, y, w, h, score in values]
    joined = merge(given_ones, 0.4, hold=True, as_sure=as_sure)
    if not given_ones:
        assert joined == []
        return
    covers, asked = (boxes_of(np.array([item.polygon for item in some])) for some in (joined, given_ones))
    beyond = np.concatenate(
        [covers[None, :, :2] - asked[:, None, :2], asked[:, None, 2:] - covers[None, :, 2:]], axis=2
    )
    assert ((beyond <= 1e-6).all(axis=2).any(axis=1)).all()

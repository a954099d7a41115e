"""A thorough search: tiles, the mirror, text, and joins that uncover nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import blur_tools
from blur_tools import BlurSettings, ModelError, engine
from blur_tools.detections import box_polygon
from blur_tools.detectors import by_text, check, plates, reading
from blur_tools.detectors.reading import Line, Reading
from blur_tools.detectors.thorough import in_the_mirror, tiles
from blur_tools.detectors.tiles import Candidate, around, distinct, merge
from blur_tools.engines import local
from blur_tools.picture import load_picture
from blur_tools.samples import scenes


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_tiles_cover_the_picture_overlap_and_are_few(width, height):
    found = tiles((width, height))
    if max(width, height) <= 1280:
        assert found == []
        return
    assert len(found) <= 25
    for start, end, length in ((0, 2, width), (1, 3, height)):
        spans = sorted({(tile[start], tile[end]) for tile in found})
        assert spans[0][0] == 0
        assert spans[-1][1] == pytest.approx(length)
        for before, after in itertools.pairwise(spans):
            assert before[1] - after[0] >= 0.25 * (before[1] - before[0]) - 1e-6


def test_what_is_found_in_the_mirror_lies_where_it_is(noise, encode):
    pixels = noise(60, 100)
    pixels[10:20, 70:90] = (255, 0, 0)
    asked = []

    def find(picture, part):
        asked.append(part)
        view = np.asarray(picture.view(picture.upright_size))
        rows, columns = np.nonzero((view == (255, 0, 0)).all(axis=2))
        return [Candidate(box_polygon(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.5)]

    found = in_the_mirror(load_picture(encode(pixels, "PNG")), [(0, 0, 100, 60), (60, 0, 100, 30)], find)
    assert [item.polygon for item in found] == [box_polygon(70, 10, 90, 20)] * 2
    assert asked == [(0, 0, 100, 60), (0, 0, 40, 30)]


def test_a_thorough_search_looks_at_tiles_and_in_the_mirror_at_a_lower_threshold(encode, noise, networks):
    picture = load_picture(encode(noise(900, 1400), "PNG"))
    finder = engine("local")
    finder.detect(picture, BlurSettings())
    usual = len(networks)
    finder.detect(picture, BlurSettings(thorough=True))
    calls = networks[usual:]
    assert usual == 2
    assert {call[2] for call in networks[:usual]} == {0.25}
    assert {call[2] for call in calls} == {0.1}
    assert len(calls) == 2 * 2 * (1 + len(tiles((1400, 900))))
    networks.clear()
    finder.detect(picture, BlurSettings(thorough=True, plate_threshold=0.4, faces=-1))
    assert {call[2] for call in networks} == {0.4}


def test_without_what_reads_it_says_so(encode, noise, networks, monkeypatch):
    picture = load_picture(encode(noise(40, 80), "PNG"))
    monkeypatch.setattr(local, "can_read", lambda: False)
    answer = engine("local").detect(picture, BlurSettings(thorough=True))
    assert len(answer.warnings) == 1
    assert "blur-tools[ocr]" in answer.warnings[0]
    assert engine("local").detect(picture, BlurSettings(thorough=True, plates=-1)).warnings == ()


def test_plates_are_found_by_their_text():
    pytest.importorskip("rapidocr", reason="reading needs the extra [ocr]")
    found = wanted = 0
    for scene in scenes():
        picture = load_picture(scene.data)
        width, height = picture.upright_size
        seen = by_text.plates_by_text(picture, (0, 0, width, height))
        for item in scene.truth:
            if item.kind == "plate" and item.box[2] - item.box[0] > 60:
                wanted += 1
                middle = np.mean(item.polygon, axis=0)
                found += any((np.abs(np.mean(one.polygon, axis=0) - middle) < 12).all() for one in seen)
    assert wanted >= 5
    assert found >= wanted / 2


def test_a_plate_of_two_lines_is_found_once_by_its_text(monkeypatch, encode, noise):
    upper, lower = Line(100, 50, 60, 18, 0.0), Line(100, 72, 60, 18, 0.0)
    monkeypatch.setattr(by_text, "lines_of", lambda image: [upper, lower])
    monkeypatch.setattr(by_text, "read_plate", lambda *_: Reading("ab1234", 0.95))
    (found,) = by_text.plates_by_text(load_picture(encode(noise(128, 192), "PNG")), (0, 0, 192, 128))
    low, high = np.min(found.polygon, axis=0), np.max(found.polygon, axis=0)
    assert (low <= (70, 41)).all()
    assert (high >= (130, 81)).all()


def test_what_has_the_proportions_of_a_plate_is_read_first(monkeypatch):
    wide, high = Line(100, 20, 190, 10, 0.0), Line(30, 60, 6, 30, 0.0)
    plate, short = Line(60, 90, 50, 12, 0.0), Line(150, 60, 30, 9, 0.0)
    monkeypatch.setattr(by_text, "MOST_READ", 2)
    middles = [quad.mean(axis=0) for quad in by_text._places([wide, high, plate, short])]
    np.testing.assert_allclose(middles, [[60, 90], [150, 60]])


def test_what_reads_in_another_version_is_as_if_it_were_not_there(monkeypatch, encode, noise, networks):
    def changed():
        raise ModelError("is not the expected file")

    monkeypatch.setattr(reading._FINDER, "check", changed)
    assert engine("local").identity["reader"] == "none"
    answer = engine("local").detect(load_picture(encode(noise(40, 80), "PNG")), BlurSettings(thorough=True))
    assert len(answer.warnings) == 1


def test_thorough_finds_at_least_what_the_default_finds():
    for scene in scenes()[:2]:
        usual = blur_tools.detect(scene.data)
        more = blur_tools.detect(scene.data, thorough=True)
        for item in usual:
            middle = np.mean(item.polygon, axis=0)
            assert any(
                one.kind == item.kind
                and one.box[0] <= middle[0] <= one.box[2]
                and one.box[1] <= middle[1] <= one.box[3]
                for one in more
            )


quads = st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(5, 80), st.floats(5, 40), st.floats(-3, 3))


@given(quads, st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), max_size=5))
def test_an_outline_around_points_holds_them_all(quad, points):
    x, y, width, height, turn = quad
    cos, sin = np.cos(turn), np.sin(turn)
    corners = np.array(box_polygon(0, 0, width, height)) @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
    outline = np.array(around(corners, np.array(points).reshape(-1, 2)))
    edges = np.roll(outline, -1, axis=0) - outline
    for point in (*corners, *points):
        beside = point - outline
        assert (edges[:, 0] * beside[:, 1] - edges[:, 1] * beside[:, 0] >= -1e-4).all()
    if not points:
        assert outline == pytest.approx(corners, abs=1e-6)


def test_joining_searches_uncovers_nothing_and_joining_one_keeps_the_larger():
    one, other = Candidate(box_polygon(0, 0, 40, 10), 0.5), Candidate(box_polygon(4, 1, 42, 12), 0.9)
    assert merge([one, other], 0.4) == [Candidate(other.polygon, 0.9)]
    (joined,) = merge([one, other], 0.4, hold=True)
    assert np.array(joined.polygon) == pytest.approx(np.array(box_polygon(0, 0, 42, 12)))
    assert joined.score == 0.9


def test_an_outline_without_area_becomes_the_box_around_all():
    flat = np.array([[0, 0], [10, 0], [10, 0], [0, 0]], float)
    assert around(flat, np.array([[3.0, 7.0]])) == box_polygon(0, 0, 10, 7)


def test_distinct_keeps_the_surest_of_those_that_overlap_much():
    weak, strong, beside = (
        Candidate(box_polygon(x, 0, x + 40, 10), score) for x, score in ((0, 0.3), (2, 0.8), (30, 0.5))
    )
    assert distinct([weak, strong, beside], 0.6) == [strong, beside]
    assert distinct([], 0.6) == []


def test_a_small_picture_is_looked_at_enlarged(monkeypatch, encode, noise):
    sizes = []

    def search(picture, part, side, threshold):
        sizes.append(side)
        return []

    monkeypatch.setattr(plates, "_search", search)
    picture = load_picture(encode(noise(40, 80), "PNG"))
    plates.find_plates(picture, (0, 0, 80, 40), 0.2, True)
    plates.find_plates(picture, (0, 0, 80, 40), 0.2)
    assert sizes == [160, 80]
    sizes.clear()
    large = load_picture(encode(np.asarray(Image.new("RGB", (700, 300))), "PNG"))
    plates.find_plates(large, (0, 0, 700, 300), 0.2, True)
    plates.find_plates(large, (0, 0, 700, 300), 0.2)
    assert sizes == [480, 800, 1280, 640]


def stubbed(monkeypatch, heats, sure):
    """Networks that find plates in a row, 64 pixels apart, and give each look one of the scores in `sure`."""
    middles, shown = [], []

    def find(pixels):
        rows, columns = pixels.shape[1] // 8, pixels.shape[2] // 8
        heat, corners = np.zeros((1, 1, rows, columns), np.float32), np.zeros((1, 8, rows, columns), np.float32)
        for place, score in enumerate(heats):
            row, column = 4 + 8 * (place // (columns // 8)), 4 + 8 * (place % (columns // 8))
            heat[0, 0, row, column] = score
            corners[0, :, row, column] = (-20, -6, 20, -6, 20, 6, -20, 6)
            middles.append((column, row))
        return [heat, corners]

    def look(pixels):
        shown.append(pixels)
        unit = np.array(box_polygon(-0.5, -0.5, 0.5, 0.5), np.float32) * (1.5 if len(shown) == 1 else 1)
        score = sure[min(len(shown), len(sure)) - 1]
        return [np.full(len(pixels), score, np.float32), np.repeat(unit[None], len(pixels), axis=0)]

    monkeypatch.setattr(plates.NETWORK, "run", find)
    monkeypatch.setattr(check.NETWORK, "run", look)
    return shown


def test_a_find_is_looked_at_twice_and_its_score_is_what_all_say(monkeypatch, encode, noise):
    shown = stubbed(monkeypatch, [0.8, 0.4], [0.81, 0.64])
    picture = load_picture(encode(noise(128, 256), "PNG"))
    score = (0.8 * 0.9 * 0.8) ** 1.25
    (found,) = plates.find_plates(picture, (0, 0, 256, 128), 0.9 * score)
    assert found.score == pytest.approx(score)
    assert len(shown) == 2
    # the second look begins with the corners of the first, which were half as wide again
    reached = np.array([60, 18]) * np.square(check.REACH)
    assert np.ptp(found.polygon, axis=0) == pytest.approx(reached)
    assert plates.find_plates(picture, (0, 0, 256, 128), 1.01 * score) == []


def test_a_thorough_search_draws_wider_outlines(monkeypatch, encode, noise):
    stubbed(monkeypatch, [0.8], [0.9])
    picture = load_picture(encode(noise(128, 256), "PNG"))
    monkeypatch.setattr(plates, "THOROUGH_SIDES", (256,))
    (found,) = plates.find_plates(picture, (0, 0, 256, 128), 0.25, thorough=True)
    assert plates.THOROUGH_LOOKS[-1] == check.WIDE_REACH
    reached = np.array([60, 18]) * np.array(check.REACH) * np.array(check.WIDE_REACH)
    assert np.ptp(found.polygon, axis=0) == pytest.approx(reached)


def test_a_car_park_of_a_hundred_plates_is_found_whole(monkeypatch, encode, noise):
    stubbed(monkeypatch, [0.9] * 100, [0.9])
    picture = load_picture(encode(noise(640, 640), "PNG"))
    assert len(plates.find_plates(picture, (0, 0, 640, 640), 0.25)) == 100


def test_an_answers_identity_names_all_networks_and_what_reads(monkeypatch):
    named = engine("local").identity
    assert check.NETWORK.sha256[:8] in named["plates"]
    assert plates.NETWORK.sha256[:8] in named["plates"]
    monkeypatch.setattr(local, "reader", lambda: "none")
    assert engine("local").identity != named or named["reader"] == "none"


def test_text_is_no_second_plate_and_obeys_the_threshold(monkeypatch, encode, noise, networks):
    picture = load_picture(encode(noise(100, 200), "PNG"))
    here, there = box_polygon(12, 21, 40, 29), box_polygon(100, 60, 150, 80)
    seen = [Candidate(here, 0.95, source="local:text"), Candidate(there, 0.95, source="local:text")]
    monkeypatch.setattr(local, "can_read", lambda: True)
    monkeypatch.setattr(local, "plates_by_text", lambda *_: seen)
    found = engine("local").detect(picture, BlurSettings(thorough=True, faces=-1)).detections
    assert [item.polygon for item in found if item.source == "local:text"] == [there]
    strict = engine("local").detect(picture, BlurSettings(thorough=True, faces=-1, plate_threshold=0.96)).detections
    assert not any(item.source == "local:text" for item in strict)


def test_snapshot_is_asked_once_and_never_in_the_mirror(encode, noise, networks):
    asked = []

    class Reads:
        def find_plates(self, picture, part, settings):
            asked.append((part, picture.orientation))
            return [Candidate(box_polygon(10, 10, 60, 30), 0.9, {"plate": "ab123cd"})]

        def __repr__(self):
            return "reads"

    picture = load_picture(encode(noise(900, 1400), "PNG"))
    answer = local.LocalEngine(Reads()).detect(picture, BlurSettings(thorough=True, faces=-1))
    assert asked == [((0, 0, 1400, 900), 1)]
    assert "Snapshot was asked as without thorough" in answer.warnings[0]

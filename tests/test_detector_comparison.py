"""The arithmetic of ``benchmarks/detectors.py``, by cases that were worked out by hand."""

import json
import math

import pytest
from _detectors_scored import (
    Corners,
    Point,
    Seen,
    Share,
    at_precision,
    at_recall,
    average_precision,
    boxes_of,
    curve,
    figures,
    misses_found,
    on_unlabelled,
)
from _detectors_sheets import BELOW, candidates
from _detectors_sweep import Step, kept, remembered, sweep
from _kept_out import kept_out
from _results import HERE
from PIL import Image

from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.formats.labels import PictureLabels
from blur_tools.picture import load_picture

SIZE = (200, 100)
A, B, C = (10, 10, 30, 20), (60, 10, 80, 20), (110, 10, 130, 20)  # plates of 20 x 10
NOWHERE = (150, 60, 170, 70)


def plate(box, score=None, **more):
    return Detection("plate", box_polygon(*box), score, **more)


def seen(labels, found, *, unlabelled=(), name="p.jpg", set_="s"):
    """A picture whose detector leaves out what lies below each threshold, as a rival does."""
    steps = sweep(lambda threshold: Detections(item for item in found if item.score >= threshold))
    return Seen(name, set_, PictureLabels(SIZE, Detections(labels)), unlabelled, steps)


def at(picture, threshold):
    return {(item.xmin, item.outcome) for item in picture.score(threshold).detections}


# operating points ------------------------------------------------------------------------------------------------


@pytest.fixture
def four_found():
    """Three plates in two pictures; by falling score: right, wrong, right, wrong."""
    first = seen([plate(A), plate(B)], [plate(A, 0.9), plate(NOWHERE, 0.7)])
    second = seen([plate(C)], [plate(C, 0.5), plate(NOWHERE, 0.2)], name="q.jpg")
    return [first, second]


def test_the_curve_has_a_point_for_each_threshold_at_which_something_counts(four_found):
    assert curve(four_found, (0.1, 0.5, 0.6, 0.8, 0.95)) == [
        Point(0.1, 2 / 3, 2 / 4),
        Point(0.5, 2 / 3, 2 / 3),
        Point(0.6, 1 / 3, 1 / 2),
        Point(0.8, 1 / 3, 1.0),
    ]


def test_a_recall_is_reached_where_precision_is_best(four_found):
    points = curve(four_found)
    assert at_recall(points, 2 / 3).precision == 2 / 3
    assert at_recall(points, 2 / 3).threshold == pytest.approx(0.21)
    assert at_recall(points, 0.4).recall == 2 / 3
    assert at_recall(points, 0.3) == Point(at_recall(points, 0.3).threshold, 1 / 3, 1.0)
    assert at_recall(points, 0.7) is None


def test_a_precision_is_reached_where_recall_is_best(four_found):
    points = curve(four_found)
    assert at_precision(points, 0.5) == Point(at_precision(points, 0.5).threshold, 2 / 3, 2 / 3)
    assert at_precision(points, 0.67).recall == 1 / 3
    assert at_precision(points, 1.0).recall == 1 / 3
    assert at_precision([Point(0.5, 1.0, 0.9)], 0.95) is None


def test_figures_at_a_point_are_those_of_the_curve(four_found):
    row = figures(picture.score(0.5) for picture in four_found)
    assert (row["n"], row["recall"], row["precision"]) == (3, 2 / 3, 2 / 3)
    assert row["hidden"] == 2 / 3
    assert row["recall_low"] == pytest.approx(0.0943, abs=1e-4)  # exact, of 2 in 3
    assert row["recall_high"] == pytest.approx(0.9916, abs=1e-4)


def test_average_precision_is_the_mean_over_recalls(four_found):
    # precision 1 at the recalls 0 to 0.33, then 2/3 to 0.66, then nothing
    assert average_precision(curve(four_found)) == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)


# thresholds ------------------------------------------------------------------------------------------------------


def test_each_threshold_is_its_own_run_where_results_change():
    """At a low threshold a large doubtful cover takes the place of a sure one."""
    asked = []

    def find(threshold):
        asked.append(threshold)
        return Detections([plate((0, 0, 90, 60), 0.9) if threshold <= 0.3 else plate(A, 0.9)])

    thresholds = tuple(index / 100 for index in range(5, 96))
    steps = sweep(find, thresholds)
    assert [step.threshold for step in steps] == [0.05, 0.31]
    assert len(asked) < 12
    picture = Seen("p.jpg", "s", PictureLabels(SIZE, Detections([plate(A)])), (), steps)
    assert [point.recall for point in curve([picture], (0.3, 0.31))] == [0.0, 1.0]
    assert at(picture, 0.30) == {(0, "wrong")}
    assert at(picture, 0.31) == at(picture, 0.9) == {(10, "right")}


def test_a_detector_that_does_not_change_is_asked_once_for_a_picture(tmp_path):
    pictures, asked = [], []
    for shade in (10, 20):
        Image.new("L", (8, 8), shade).save(tmp_path / f"{shade}.png")
        pictures.append(load_picture(tmp_path / f"{shade}.png"))
    code = tmp_path / "code.py"
    code.write_text("one")

    def steps():
        asked.append(1)
        return Step(0.05, Detections([plate(A, 1 / 3)])), Step(0.34, Detections())

    made = [kept(tmp_path / "kept", [code], pictures[0], steps) for _ in range(2)]
    assert made == [steps(), steps()]
    assert len(asked) == 1 + 2
    kept(tmp_path / "kept", [code], pictures[1], steps)
    code.write_text("two")
    kept(tmp_path / "kept", [code], pictures[0], steps)
    assert len(asked) == 5


def test_a_network_computes_once_for_the_same_pixels(monkeypatch):
    import numpy as np
    import onnxruntime

    runs = []
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *_: runs.append(1) or len(runs), raising=True)
    session = object.__new__(onnxruntime.InferenceSession)
    one, other = np.zeros((2, 2)), np.ones((2, 2))
    with remembered():
        run = onnxruntime.InferenceSession.run
        assert [run(session, None, {"x": pixels}) for pixels in (one, other, one.copy(), one.reshape(4))] == [
            1,
            2,
            1,
            3,
        ]
    with remembered():
        assert onnxruntime.InferenceSession.run(session, None, {"x": one}) == 4


# neutral ---------------------------------------------------------------------------------------------------------


def test_on_an_unlabelled_plate():
    truth = (0, 0, 20, 10)
    assert on_unlabelled((0, 0, 20, 10), [NOWHERE, truth])
    assert not on_unlabelled((0, 0, 20, 10), [NOWHERE])
    assert not on_unlabelled((0, 0, 20, 10), [])
    # half of the plate and no more, with an IoU of 100 / 400
    assert on_unlabelled((10, 0, 40, 10), [truth])
    assert not on_unlabelled((10.5, 0, 40, 10), [truth])
    # an IoU of 60 / 200, with 0.3 of the plate
    assert on_unlabelled((0, 0, 6, 10), [truth])
    assert not on_unlabelled((0, 0, 5.9, 10), [truth])


def test_neutral_is_neither_right_nor_wrong():
    found = [plate(A, 0.9), plate(B, 0.8), plate(NOWHERE, 0.7)]
    picture = seen([plate(A)], found, unlabelled=(B,))
    assert at(picture, 0.05) == {(10, "right"), (60, "neutral"), (150, "wrong")}
    row = figures([picture.score(0.05)])
    assert (row["recall"], row["precision"], row["neutral_detections"]) == (1.0, 1 / 2, 1)
    assert row["n"] == 1
    assert [(p.recall, p.precision) for p in curve([picture], (0.05, 0.75, 0.85))] == [(1, 1 / 2), (1, 1), (1, 1)]


def test_a_label_comes_before_an_unlabelled_plate_beside_it():
    beside = (10, 12, 30, 22)
    picture = seen([plate(A)], [plate(A, 0.9)], unlabelled=(beside,))
    assert at(picture, 0.05) == {(10, "right")}


def test_a_second_detection_of_a_labelled_plate_is_wrong():
    picture = seen([plate(A)], [plate(A, 0.9), plate((11, 10, 31, 20), 0.8)], unlabelled=(B,))
    assert at(picture, 0.05) == {(10, "right"), (11, "wrong")}


def test_what_hides_an_unlabelled_plate_is_no_over_blur():
    whole = (0, 0, *SIZE)
    picture = seen([], [plate(whole, 0.9)])
    assert figures([picture.score(0.05)])["over_blur"] == 1
    picture = seen([], [plate(whole, 0.9)], unlabelled=((0, 0, 50, 100),))
    assert figures([picture.score(0.05)])["over_blur"] == 3 / 4


def test_facts_of_a_picture():
    facts = {"p.jpg": [[1, 2, 3.5, 4]]}
    assert boxes_of(facts, "p.jpg") == ((1, 2, 3.5, 4),)
    assert boxes_of(facts, "q.jpg") == ()
    with pytest.raises(SystemExit, match=r"p\.jpg.*no box"):
        boxes_of({"p.jpg": [[3, 2, 3, 4]]}, "p.jpg")


def test_the_facts_in_the_project_are_boxes():
    facts = json.loads((HERE / "unlabelled.json").read_text())
    assert sorted(facts) == ["egyptian-motorcycles", "open-lpr", "romanian-dashcam"]
    boxes = [boxes_of(pictures, name) for pictures in facts.values() for name in pictures]
    assert boxes
    assert all(boxes)


# corners, misses, sheets -----------------------------------------------------------------------------------------


def quad(*points):
    return Detection("plate", points, result={"attributes": {"shape": "quad"}})


def test_corners_are_compared_with_true_quadrilaterals_alone():
    tilted = quad((0, 0), (40, 10), (40, 30), (0, 20))  # an area of 800 in a box of 1200
    lost = quad((100, 50), (140, 50), (140, 60), (100, 60))
    labels = [tilted, plate(C, result={"attributes": {"shape": "box"}}), lost]
    found = [plate((0, 0, 40, 30), 0.9), plate(C, 0.9), Detection("plate", tilted.polygon, 0.4)]
    corners = Corners.of([seen(labels, found)], 0.25)
    assert corners.found == 1
    assert corners.ious[0] == pytest.approx(800 / 1200)  # the surest counts, not the best
    assert math.isnan(corners.ious[1])
    assert corners.mean == corners.ious[0]
    assert all(math.isnan(end) for end in corners.interval())
    assert Corners.of([seen(labels, found)], 0.95).found == 0


def test_the_interval_of_a_mean_lies_around_it():
    corners = Corners((0.6, 0.7, 0.8, math.nan))
    low, high = corners.interval()
    assert 0.6 - 1e-9 <= low < corners.mean < high <= 0.8 + 1e-9
    assert corners.mean == pytest.approx(0.7)


def test_what_is_found_of_the_misses():
    """A is found by both, B by the second, C by none, and is of no use to anybody."""
    labels = [plate(A), plate(B), plate(C)]
    loose = (56, 6, 84, 24)  # hides B, with an IoU of 200 / 504
    first = seen(labels, [plate(A, 0.9)])
    second = seen(labels, [plate(A, 0.9), plate(loose, 0.9)])
    hidden, found = misses_found([first.score(0.25)], [second.score(0.25)])
    assert hidden == Share(1, 2)
    assert found == Share(0, 2)
    assert str(hidden).startswith("0.500 (0.013–0.987), 1 of 2")
    assert str(Share(0, 0)) == "– (0 of 0)"
    with pytest.raises(ValueError, match="shorter"):
        misses_found([first.score(0.25)], [])


def test_sheets_show_each_place_beside_the_labels_once():
    labels = [plate(A)]
    bad_box_of_a = (0, 0, 34, 26)
    one = seen(labels, [plate(A, 0.9), plate(bad_box_of_a, 0.8), plate(B, 0.4), plate(NOWHERE, 0.1)])
    other = seen(labels, [plate((61, 10, 81, 20), 0.6)])
    found = candidates({"one": [one], "other": [other]})
    assert [(item.box, dict(item.scores)) for item in found] == [
        ((61, 10, 81, 20), {"one": 0.4, "other": 0.6}),
        (NOWHERE, {"one": 0.1}),
    ]


def test_sheets_show_all_that_is_sure_and_some_of_the_rest():
    boxes = [(x, y, x + 4, y + 3) for y in range(0, 96, 4) for x in range(0, 195, 5)]
    sure = [plate(box, 0.5) for box in boxes[:300]]
    unsure = [plate(box, 0.06 + 0.0001 * number) for number, box in enumerate(boxes[300:500])]
    found = candidates({"one": [seen([], [*sure, *unsure])]})
    assert len(found) == 300 + BELOW
    assert min(item.best for item in found) == pytest.approx(0.07)


def test_which_pictures_training_never_sees():
    # sha256("17.jpg") begins with 0x..., worked out with `printf 17.jpg | sha256sum`
    assert [kept_out(name) for name in ("10.jpg", "17.jpg")] == [False, True]
    share = sum(kept_out(f"{number}.jpg") for number in range(4000)) / 4000
    assert share == pytest.approx(1 / 8, abs=0.02)

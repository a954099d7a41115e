import contextlib
import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from blur_tools.audit.coverage import CoverageReport, average_precision, clopper_pearson, score_picture
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats.coco import PictureLabels
from blur_tools.redaction.masks import Region, regions
from blur_tools.settings import BlurSettings

SIZE = (100, 80)


def plate(*box, score=0.9, kind="plate"):
    return Detection(kind, box_polygon(*box), score)


def face(*box, score=0.9):
    return plate(*box, score=score, kind="face")


def hide(*box, kind="plate", value=255):
    """A region that is one upright box of whole pixels."""
    left, top, right, bottom = box
    mask = Image.new("L", (right - left, bottom - top), value)
    return Region(kind, box, mask, box_polygon(*box), bottom - top)


def labels(*objects, neutral=(), size=SIZE):
    return PictureLabels(size, Detections(objects), neutral)


def coverage(truth, *hidden, size=SIZE):
    return score_picture(labels(truth, size=size), Detections(), hidden).objects[0].coverage


def quad(*points):
    return Detection("plate", points)


# coverage of one object ------------------------------------------------------------------------------------------


def test_coverage_is_the_hidden_share():
    truth = plate(10, 10, 50, 20)
    assert coverage(truth) == 0
    assert coverage(truth, hide(10, 10, 30, 20)) == 0.5
    assert coverage(truth, hide(0, 0, 100, 80)) == 1


def test_overlapping_regions_count_once_and_either_kind_hides():
    truth = plate(10, 10, 50, 20)
    assert coverage(truth, hide(10, 10, 30, 20), hide(20, 10, 30, 20)) == 0.5
    assert coverage(truth, hide(10, 10, 30, 20, kind="face"), hide(20, 10, 40, 20)) == 0.75


def test_soft_pixels_hide_nothing():
    assert coverage(plate(10, 10, 50, 20), hide(10, 10, 30, 20, value=254)) == 0


def test_rotated_quad():
    # a diamond with half diagonals 20 and 10, hidden left of its centre, then only its upper left quarter
    diamond = quad((50, 30), (70, 40), (50, 50), (30, 40))
    assert coverage(diamond, hide(0, 0, 50, 80)) == pytest.approx(0.5, abs=1e-12)
    assert coverage(diamond, hide(0, 0, 50, 40)) == pytest.approx(0.25, abs=1e-12)
    # a strip from x = 40 to the middle: the trapezoid between heights 10 and 20, area 150 of 400
    assert coverage(diamond, hide(40, 0, 50, 80)) == pytest.approx(150 / 400, abs=1e-12)


def test_direction_and_crossing_of_corners_do_not_matter():
    corners = [(50, 30), (70, 40), (50, 50), (30, 40)]
    assert coverage(quad(*corners[::-1]), hide(0, 0, 50, 40)) == pytest.approx(0.25, abs=1e-12)
    # crossed: two triangles with tops at (50, 40), one left and one right
    bow = quad((30, 30), (70, 50), (70, 30), (30, 50))
    assert coverage(bow, hide(0, 0, 50, 80)) == pytest.approx(0.5, abs=1e-12)


def test_truth_is_clipped_to_the_picture():
    assert coverage(plate(-20, 10, 20, 20), hide(0, 10, 10, 20)) == 0.5
    assert coverage(plate(90, 70, 130, 120), hide(90, 70, 100, 80)) == 1
    assert coverage(plate(-50, -50, 500, 500), hide(0, 0, 50, 80)) == 0.5


def test_tiny_objects_are_measured_exactly():
    assert coverage(plate(10.2, 10.4, 15.2, 13.4), hide(10, 10, 13, 14)) == pytest.approx(2.8 / 5, abs=1e-12)
    # rows 11 and 12 whole, of row 10 the lower 0.6 and of row 13 the upper 0.4
    assert coverage(plate(10.2, 10.4, 15.2, 13.4), hide(10, 10, 16, 12)) == pytest.approx(1.6 / 3, abs=1e-12)
    inside_a_pixel = quad((20.25, 20.5), (20.5, 20.25), (20.75, 20.5), (20.5, 20.75))
    assert coverage(inside_a_pixel, hide(20, 20, 21, 21)) == 1
    assert coverage(inside_a_pixel, hide(21, 20, 22, 21)) == 0


def test_coverage_agrees_with_fine_sampling():
    random = np.random.default_rng(1)
    step = 1 / 40
    x, y = np.meshgrid(np.arange(step / 2, 12, step), np.arange(step / 2, 10, step))
    for _ in range(10):
        angles = np.sort(random.uniform(0, 2 * math.pi, 4))
        points = np.stack([6 + 5 * np.cos(angles), 5 + 4 * np.sin(angles)], axis=1)
        inside = np.ones(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
        mask = random.random((10, 12)) < 0.5
        hidden = inside & np.kron(mask, np.ones((40, 40), bool))
        image = Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))
        region = Region("plate", (0, 0, 12, 10), image, box_polygon(0, 0, 12, 10), 10)
        exact = coverage(quad(*points), region, size=(12, 10))
        assert exact == pytest.approx(hidden.sum() / inside.sum(), abs=0.01)


def test_tall_objects_are_measured_in_bands():
    size = (40, 1000)
    truth = quad((20, 10), (35, 500), (20, 990), (5, 500))
    assert coverage(truth, hide(0, 0, 40, 500), size=size) == pytest.approx(0.5, abs=1e-9)
    assert coverage(truth, hide(0, 0, 40, 1000), size=size) == 1


def test_object_outside_the_picture_is_neutral():
    score = score_picture(labels(plate(-30, 10, 0, 20), plate(200, 10, 300, 20)), Detections(), [])
    assert [(o.neutral, o.found) for o in score.objects] == [(True, False)] * 2
    assert all(math.isnan(o.coverage) for o in score.objects)


boxes = st.tuples(
    st.integers(0, 90), st.integers(0, 70), st.integers(1, 60), st.integers(1, 60), st.sampled_from(["plate", "face"])
).map(lambda b: hide(b[0], b[1], min(b[0] + b[2], 100), min(b[1] + b[3], 80), kind=b[4]))
points = st.tuples(st.floats(-30, 130), st.floats(-30, 110))
quads = st.tuples(points, points, points, points).map(lambda p: quad(*p))


@settings(max_examples=100, deadline=None)
@given(quads, st.lists(boxes, max_size=3), boxes)
def test_coverage_is_a_share_and_more_regions_never_lower_it(truth, some, more):
    less, further = coverage(truth, *some), coverage(truth, *some, more)
    if math.isnan(less):
        assert math.isnan(further)
    else:
        assert 0 <= less <= further <= 1


@settings(max_examples=50, deadline=None)
@given(quads)
def test_whole_picture_hides_everything(truth):
    whole = coverage(truth, hide(0, 0, 100, 80))
    assert whole == 1 or math.isnan(whole)


@pytest.mark.parametrize("kind", ["plate", "face"])
@pytest.mark.parametrize("shift", [0, 0.3, 0.7])
def test_rendered_regions_cover_their_own_object(kind, shift):
    truth = plate(20 + shift, 30 + shift, 25.2 + shift, 33.1 + shift, kind=kind)
    rendered = regions([truth], BlurSettings(plates=10, faces=10), SIZE)
    assert coverage(truth, *rendered) == 1
    square = regions([truth], BlurSettings(plates=10, faces=10, margin=0, shape="square"), SIZE)
    assert coverage(truth, *square) == 1


# over-blur -------------------------------------------------------------------------------------------------------


def test_over_blur_by_kind():
    truth = labels(plate(10, 10, 20, 20), face(50, 50, 60, 60), neutral=(False, True))
    hidden = [hide(10, 10, 30, 20), hide(25, 10, 35, 20, kind="face"), hide(50, 50, 60, 60, kind="face")]
    over = score_picture(truth, Detections(), hidden).over_blur
    assert over == {"plate": 100 / 8000, "face": 100 / 8000, "any": 150 / 8000}


def test_pixels_that_truth_only_touches_are_no_over_blur():
    truth = labels(plate(10.5, 10.5, 19.5, 19.5))
    assert score_picture(truth, Detections(), [hide(10, 10, 20, 20)]).over_blur["any"] == 0
    assert score_picture(truth, Detections(), [hide(10, 10, 21, 20)]).over_blur["any"] == 10 / 8000


@pytest.mark.parametrize("box", [(-5, 0, 5, 5), (95, 0, 105, 5), (0, 78, 5, 83)])
def test_region_outside_the_picture_is_refused(box):
    with pytest.raises(DetectionsError, match="100x80"):
        score_picture(labels(), Detections(), [hide(*box)])


# matching --------------------------------------------------------------------------------------------------------


def outcomes(truth, *detections):
    return [d.outcome for d in score_picture(truth, Detections(detections), []).detections]


def test_matching_is_greedy_by_score_and_each_object_is_taken_once():
    truth = labels(plate(10, 10, 30, 20))
    assert outcomes(truth, plate(10, 10, 29, 20, score=0.5), plate(11, 10, 31, 20, score=0.8)) == ["wrong", "right"]
    score = score_picture(truth, Detections([plate(10, 10, 20, 20)]), [])
    assert (score.objects[0].found, score.objects[0].iou, score.objects[0].score) == (True, 0.5, 0.9)


def test_below_half_iou_or_of_the_other_kind_is_wrong():
    truth = labels(plate(10, 10, 30, 20))
    assert outcomes(truth, plate(10, 10, 19, 20)) == ["wrong"]
    assert outcomes(truth, face(10, 10, 30, 20)) == ["wrong"]
    assert outcomes(labels(), plate(10, 10, 30, 20)) == ["wrong"]


def test_without_a_score_a_detection_ranks_first():
    assert outcomes(labels(plate(10, 10, 30, 20)), plate(10, 10, 30, 20), plate(10, 10, 29, 20, score=None)) == [
        "wrong",
        "right",
    ]


def test_neutral_objects_absorb_what_is_left():
    truth = labels(plate(10, 10, 30, 20), plate(10, 8, 40, 28), neutral=(False, True))
    found = outcomes(
        truth,
        plate(10, 10, 30, 20),  # takes the target although it lies on the neutral object as well
        plate(12, 12, 22, 18),  # small, but all of it on the neutral object
        plate(11, 10, 31, 20),  # a second one
        plate(35, 8, 46, 28),  # less than half of it
        face(10, 8, 40, 28),  # of the other kind
    )
    assert found == ["right", "neutral", "neutral", "wrong", "wrong"]


def test_degenerate_detection_is_wrong():
    assert outcomes(labels(plate(10, 10, 30, 20), neutral=(True,)), plate(12, 12, 12, 15)) == ["wrong"]


def test_neutral_flags_must_fit():
    with pytest.raises(DetectionsError, match="2 neutral flags"):
        labels(plate(1, 1, 2, 2), neutral=(True, False))


# figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 59), (59, 59), (3, 10), (97, 100), (1999, 2000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_clopper_pearson_is_scipys(k, n, level):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(k, n).proportion_ci(level, method="exact")
    assert clopper_pearson(k, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clopper_pearson_by_hand():
    # nothing missed in n: the lower limit is (α/2)^(1/n)
    low, high = clopper_pearson(59, 59, 0.9)
    assert (low, high) == (pytest.approx(0.05 ** (1 / 59)), 1)
    assert clopper_pearson(0, 59, 0.9) == (0, pytest.approx(1 - low))
    assert clopper_pearson(0, 0) == (0, 1)


@pytest.mark.parametrize(("k", "n", "level"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0), (1, 3, 95)])
def test_clopper_pearson_refuses_nonsense(k, n, level):
    with pytest.raises(ValueError, match="no interval"):
        clopper_pearson(k, n, level)


def test_average_precision_by_hand():
    scores = np.array([0.9, 0.8, 0.7])
    # precision 1 up to recall 1/2 (51 of the 101 recalls), then 2/3
    assert average_precision(scores, np.array([True, False, True]), 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average_precision(scores, np.array([False, False, False]), 2) == 0
    assert average_precision(np.array([]), np.array([], bool), 2) == 0
    assert math.isnan(average_precision(scores, np.array([False, False, False]), 0))


def random_pictures(seed):
    """Labels with neutral objects, and detections near and far from them, of both kinds."""
    random = np.random.default_rng(seed)
    for _ in range(25):
        truth, found = [], []
        for _ in range(random.integers(0, 6)):
            kind = str(random.choice(["plate", "face"]))
            left, top = random.uniform(0, 80, 2)
            width, height = random.uniform(5, 20, 2)
            truth.append(plate(left, top, left + width, top + height, kind=kind))
            for _ in range(random.integers(0, 3)):
                dx, dy = random.normal(0, 0.2, 2) * (width, height)
                box = (left + dx, top + dy, left + dx + width, top + dy + height)
                found.append(plate(*box, score=round(float(random.uniform()), 2), kind=kind))
        for _ in range(random.integers(0, 3)):
            left, top = random.uniform(0, 80, 2)
            found.append(plate(left, top, left + 15, top + 10, score=float(random.uniform())))
        neutral = tuple(bool(flag) for flag in random.random(len(truth)) < 0.2)
        yield labels(*truth, neutral=neutral, size=(120, 120)), Detections(found)


def coco_average_precision(pictures):
    """AP at IoU 0.5 by kind from the reference implementation."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entry(i, item):
        left, top, right, bottom = item.box
        category = 1 if item.kind == "plate" else 2
        area = (right - left) * (bottom - top)
        return {"image_id": i, "category_id": category, "bbox": [left, top, right - left, bottom - top], "area": area}

    truth, found = [], []
    for i, (true, detections) in enumerate(pictures, 1):
        for item, neutral in zip(true.objects, true.neutral, strict=True):
            truth.append(entry(i, item) | {"id": len(truth) + 1, "iscrowd": int(neutral)})
        found += [entry(i, item) | {"score": item.score} for item in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(1, len(pictures) + 1)],
            "annotations": truth,
            "categories": [{"id": 1}, {"id": 2}],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][0, :, :, 0, -1]  # IoU 0.5, recalls, kinds, all areas, 100 detections
    return dict(zip(["plate", "face"], precision.mean(axis=0), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_cocos(seed):
    pictures = list(random_pictures(seed))
    scores = [score_picture(true, found, [], picture=f"{i:03}") for i, (true, found) in enumerate(pictures)]
    ours = CoverageReport.of(scores).summary().set_index("kind")["ap"].to_dict()
    assert ours == pytest.approx(coco_average_precision(pictures), abs=1e-9)
    assert all(0 < ap < 1 for ap in ours.values())


# the report ------------------------------------------------------------------------------------------------------


@pytest.fixture
def report():
    day = score_picture(
        labels(plate(10, 10, 30, 20), plate(40, 40, 80, 70), plate(0, 0, 5, 5), neutral=(False, False, True)),
        Detections([plate(10, 10, 30, 20), plate(40, 40, 80, 65, score=0.8), plate(0, 0, 5, 5), plate(90, 70, 99, 79)]),
        [hide(10, 10, 30, 20), hide(40, 40, 80, 60), hide(90, 70, 100, 80)],
        picture="day/1.jpg",
        group="cars",
    )
    night = score_picture(labels(plate(10, 10, 50, 20)), Detections(), [], picture="night/1.jpg", group="cars")
    people = score_picture(labels(), Detections([face(1, 1, 20, 20)]), [], picture="1.jpg", group="people")
    return CoverageReport.of([day, night, people])


def test_tables_have_one_row_each(report):
    assert list(report.objects.columns[:3]) == ["picture", "set", "kind"]
    assert report.objects["picture"].tolist() == ["day/1.jpg"] * 3 + ["night/1.jpg"]
    assert report.objects["height"].tolist() == [10, 30, 5, 10]
    assert report.objects["bucket"].tolist() == ["<12", "24-48", "<12", "<12"]
    assert report.objects["coverage"].tolist() == [1, pytest.approx(2 / 3), 0, 0]
    assert report.detections["outcome"].tolist() == ["right", "right", "neutral", "wrong", "wrong"]
    # a right detection is in the bucket of its object, which is higher than itself
    assert report.detections["height"].tolist() == [10, 30, 5, 9, 19]
    assert report.pictures["over_blur_plate"].tolist() == [100 / 8000, 0, 0]
    assert report.pictures[["width", "height"]].to_numpy().tolist() == [[100, 80]] * 3


def test_summary_by_set(report):
    cars, people = report.summary("set").to_dict("records")
    assert (cars["set"], cars["kind"], cars["n"], cars["pictures"]) == ("cars", "plate", 3, 2)
    assert cars["coverage"] == pytest.approx(5 / 9)
    assert cars["hidden"] == pytest.approx(1 / 3)
    assert (cars["hidden_low"], cars["hidden_high"]) == clopper_pearson(1, 3)
    assert cars["recall"] == pytest.approx(2 / 3)
    assert (cars["recall_low"], cars["recall_high"]) == clopper_pearson(2, 3)
    assert cars["precision"] == pytest.approx(2 / 3)
    assert (cars["neutral_objects"], cars["neutral_detections"]) == (1, 1)
    assert cars["over_blur"] == 50 / 8000
    # ranked right, wrong (both 0.9), right (0.8): precision 1 up to recall 1/3, 2/3 up to 2/3, nothing beyond
    assert cars["ap"] == pytest.approx((34 + 33 * 2 / 3) / 101)
    # a kind of which nothing is labelled still has a row
    assert (people["kind"], people["n"], people["precision"], people["precision_high"]) == ("face", 0, 0, 0.975)
    assert (people["recall_low"], people["recall_high"]) == (0, 1)
    assert all(math.isnan(people[name]) for name in ("coverage", "coverage_low", "hidden", "recall", "ap"))


def test_summary_by_bucket_is_in_order(report):
    rows = report.summary("bucket")
    assert list(zip(rows["bucket"], rows["kind"], strict=True)) == [
        ("<12", "plate"),
        ("12-24", "face"),
        ("24-48", "plate"),
    ]
    assert rows["n"].tolist() == [2, 0, 1]
    assert rows["precision"].tolist() == [0.5, 0, 1]
    assert rows["over_blur"].isna().all()


def test_buckets_can_be_chosen():
    score = score_picture(labels(plate(0, 0, 20, 20), plate(0, 0, 30, 19.9)), Detections(), [])
    assert CoverageReport.of([score], heights=(20,)).objects["bucket"].tolist() == [">=20", "<20"]


def test_hidden_share_can_be_chosen():
    score = score_picture(labels(plate(0, 0, 10, 10)), Detections(), [hide(0, 0, 9, 10)])
    assert CoverageReport.of([score]).summary()["hidden"].tolist() == [1]
    assert CoverageReport.of([score]).summary(hidden_at=0.98)["hidden"].tolist() == [0]


def test_interval_of_mean_coverage_draws_whole_pictures():
    def half(i):
        hidden = [hide(0, 0, 10, 10)] if i % 2 else []
        return score_picture(labels(*[plate(0, 0, 10, 10)] * 3), Detections(), hidden, picture=str(i))

    row = CoverageReport.of([half(i) for i in range(100)]).summary().iloc[0]
    # a mean of 100 independent pictures, not of 300 objects: standard error 0.05
    assert row["coverage_high"] - row["coverage_low"] == pytest.approx(4 * 0.05, abs=0.03)
    again = CoverageReport.of([half(i) for i in range(100)]).summary().iloc[0]
    assert row["coverage_low"] == again["coverage_low"]
    assert math.isnan(CoverageReport.of([half(1)]).summary()["coverage_low"].iloc[0])


def test_report_of_nothing():
    assert CoverageReport.of([]).summary("set", "bucket").empty
    empty = CoverageReport.of([score_picture(labels(), Detections(), [], picture="a", group="b")])
    assert empty.summary("set").empty
    assert len(empty.pictures) == 1


def test_reports_of_several_tables_are_put_side_by_side(report):
    both = pd.concat({"ours": report.summary("set"), "theirs": report.summary("set")}, names=["table"])
    assert len(both) == 4

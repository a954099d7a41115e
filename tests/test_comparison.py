"""Engines side by side: agreement, the ranking of pictures, and scores with labels."""

from __future__ import annotations

import contextlib
import io
import json

import pandas as pd
import pytest

from blur_tools.audit._sizes import stored_size
from blur_tools.audit.comparison import compare, found_in_frame, groups_of
from blur_tools.audit.exchange import read_labels
from blur_tools.audit.session import AuditSession
from blur_tools.cli import main
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError, SettingsError
from blur_tools.formats.coco import read_coco
from blur_tools.formats.coco_writer import write_coco
from blur_tools.formats.labels import Labels, PictureLabels

A, B = box_polygon(10, 10, 50, 20), box_polygon(100, 40, 130, 80)


def plate(polygon=A, score=0.9, source=""):
    return Detection("plate", polygon, score, source)


def face(polygon=B, score=0.8):
    return Detection("face", polygon, score)


ONE = {
    "a.png": Detections([plate(), face()]),
    "b.png": Detections([plate()]),
    "c.png": Detections(),
    "d/e.png": Detections([plate(score=0.4)]),
}
TWO = {
    "a.png": Detections([face(box_polygon(101, 41, 131, 81), 0.5), plate(box_polygon(12, 10, 52, 20), 0.6)]),
    "b.png": Detections([face()]),
    "c.png": Detections(),
    "d/e.png": Detections(),
}
TRUTH = Labels({key: PictureLabels((200, 100), Detections([plate()] if key != "c.png" else [])) for key in ONE}, ())


def test_pictures_are_ranked_by_what_engines_dispute():
    result = compare({"one": ONE, "two": TWO})
    rows = result.pictures.set_index("picture")
    assert list(rows.index) == ["b.png", "d/e.png", "a.png", "c.png"]
    assert rows.loc["b.png"].to_dict() == {
        "n_one": 1, "n_two": 1, "objects": 2, "disputed": 2, "disagreement": 1, "weight": 1.7,
        "dispute": "only one: 1 plate; only two: 1 face",
    }  # fmt: skip
    assert rows.loc["a.png", ["objects", "disputed", "disagreement"]].tolist() == [2, 0, 0]
    assert rows.loc["c.png", ["objects", "disagreement"]].tolist() == [0, 0]
    assert result.problems == ()
    assert result.scores is None


def test_agreement_of_each_pair():
    pairs = compare({"one": ONE, "two": TWO, "none": dict.fromkeys(ONE, Detections())}).pairs
    assert len(pairs) == 6
    row = pairs[(pairs["second"] == "two") & (pairs["kind"] == "plate")].iloc[0]
    assert row[["both", "only_first", "only_second", "agreement"]].tolist() == [1, 2, 0, 0.5]


def test_an_object_is_one_whoever_comes_first_and_no_engine_counts_twice():
    near = plate(box_polygon(12, 10, 52, 20), 0.5)
    for found in ({"x": [plate(), near], "y": [plate()]}, {"y": [plate()], "x": [near, plate()]}):
        groups = groups_of({name: Detections(items) for name, items in found.items()})
        assert sorted(sorted(group.by) for group in groups) == [["x"], ["x", "y"]]
    assert len(groups_of({"x": [plate()], "y": [face(A)]})) == 2  # another kind is another object
    assert groups_of({"x": [plate(score=None)]})[0].score == 1


def test_scores_are_of_labelled_kinds_alone():
    scores = compare({"one": ONE, "two": TWO}, TRUTH).scores.set_index("engine")
    assert list(scores["kind"]) == ["plate", "plate"]
    assert scores["n"].tolist() == [3, 3]
    assert scores["recall"].tolist() == [1, pytest.approx(1 / 3)]
    assert scores["precision"].tolist() == [1, 1]
    # by hand: of three plates one is found, at the head of the ranking: precision 1 up to recall 1/3
    assert scores["ap"].tolist() == [1, pytest.approx(34 / 101)]
    assert scores["coverage"].tolist() == [1, pytest.approx(1 / 3)]


def test_no_answer_scores_as_nothing_found_and_is_told():
    result = compare({"one": {**ONE, "b.png": None}, "two": TWO}, TRUTH)
    assert result.problems == ("b.png: no answer of one, as if nothing was found",)
    assert result.scores.set_index("engine").loc["one", "recall"] == pytest.approx(2 / 3)


def test_pictures_that_only_some_know_are_told():
    some = {key: value for key, value in TWO.items() if key != "a.png"} | {"x.png": Detections()}
    result = compare({"one": ONE, "two": some})
    assert set(result.problems) == {"a.png: not compared, not in two", "x.png: not compared, not in one"}
    assert len(result.pictures) == 3
    with pytest.raises(SettingsError, match="no picture that all"):
        compare({"one": ONE, "two": {"x.png": Detections()}})
    with pytest.raises(SettingsError, match="two engines at least"):
        compare({"one": ONE})


def test_all_are_scored_on_the_same_pictures():
    """Who was not asked for the hard picture is no better for it."""
    one = {"easy.png": Detections([plate()]), "hard.png": Detections()}
    truth = Labels({key: PictureLabels((200, 100), Detections([plate()])) for key in one}, ())
    scores = compare({"one": one, "two": {"easy.png": one["easy.png"]}}, truth).scores
    assert scores["n"].tolist() == scores["recall"].tolist() == [1, 1]


@pytest.mark.parametrize("score", [2.5, 87, -0.1, "high", True, float("nan")])
def test_a_score_that_is_none_is_told_and_not_ranked_first(tables, score):
    entries = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 10], "score": value} for value in (score, 0.5)]
    (tables / "rival.json").write_text(json.dumps(entries))
    read = read_labels("rival.json", labels="labels.json")
    assert [item.score for items in read.pictures.values() for item in items.objects] == [0.5]
    assert [(problem.kind, problem.annotation) for problem in read.problems] == [("broken entry", 1)]
    labels = json.loads((tables / "labels.json").read_text())
    labels["annotations"][0]["score"] = score
    (tables / "labels.json").write_text(json.dumps(labels))
    read = read_coco("labels.json")  # a true object stays one
    assert [item.score for item in read.pictures["a.png"].objects] == [None]
    assert read.counts == {"broken entry": 1}


def test_the_ranked_table_opens_the_pictures_where_the_tables_have_them(tables, capsys):
    """Also without --pictures: names in a comparison are relative to a folder that is said nowhere."""
    assert main(["compare", "one.csv", "two.csv", "-o", "ranked.csv"]) == 0
    frame = pd.read_csv("ranked.csv")
    assert list(frame["image"]) == [f"photos/{key}" for key in ("b.png", "d/e.png", "a.png", "c.png")]
    with AuditSession.open(frame, order="given", column="image") as session:
        assert [item.error for item in session.items] == [""] * 4
        assert all(stored_size(item.source) == (200, 100) for item in session.items)


@pytest.mark.parametrize("out", ["one.csv", "./two.csv", "labels.csv"])
def test_what_is_compared_is_not_replaced(tables, out, capsys):
    (tables / "labels.csv").write_bytes((tables / "labels.json").read_bytes())
    was = (tables / out).read_bytes()
    assert main(["compare", "one.csv", "two=two.csv", "--labels", "labels.csv", "-o", out]) == 2
    assert "is read; choose another name" in capsys.readouterr().err
    assert (tables / out).read_bytes() == was


@pytest.fixture
def tables(encode, noise, tmp_path, monkeypatch):
    """Pictures, tables of two engines, COCO results of a third, and labels."""
    monkeypatch.chdir(tmp_path)
    for key in ONE:
        path = tmp_path / "photos" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(100, 200), "PNG"))
    for name, found in (("one", ONE), ("two", TWO)):
        rows = [(f"photos/{key}", items.to_json()) for key, items in found.items()]
        pd.DataFrame(rows, columns=["image", "detections"]).to_csv(f"{name}.csv", index=False)
    write_coco("labels.json", TRUTH.pictures)
    results = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 10], "score": 0.7},
               {"image_id": 9, "category_id": 1, "bbox": [10, 10, 40, 10], "score": 0.7}]  # fmt: skip
    (tmp_path / "rival.json").write_text(json.dumps(results))
    return tmp_path


def test_by_the_command_line(tables, capsys):
    assert main(["compare", "one.csv", "second=two.csv", "-o", "ranked.csv", "--pictures", "photos"]) == 0
    told = capsys.readouterr().out
    assert "They differ in 2 of 4 pictures." in told
    assert "only one: 1 plate; only second: 1 face" in told
    frame = pd.read_csv("ranked.csv")
    assert list(frame["image"]) == [f"photos/{key}" for key in ("b.png", "d/e.png", "a.png", "c.png")]
    with AuditSession.open(frame, order="given", column="image") as session:
        assert [item.key for item in session.items] == ["b.png", "d/e.png", "a.png", "c.png"]
        assert len(session.items[0].marks) == 1


def test_with_labels_and_a_rivals_results(tables, capsys):
    assert main(["compare", "one.csv", "rival=rival.json", "--labels", "labels.json"]) == 1
    told = capsys.readouterr()
    assert "| one | plate | 3 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in told.out
    assert "| rival | plate | 3 | 0.333 |" in told.out
    assert "rival: unknown image: there is no image 9" in told.err
    assert main(["compare", "one.csv", "two=two.csv", "--labels", "labels.json", "--by", "bucket", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["bucket"] for row in said["scores"]} == {"<12"}
    assert said["pairs"][0]["both"] == 1


def test_by_the_accessor(tables):
    one, two = pd.read_csv("one.csv"), pd.read_csv("two.csv")
    result = one.blur.compare({"two": two, "rival": "rival.json"}, "image", name="one", labels="labels.json")
    assert result.names == ("one", "two", "rival")
    assert list(result.scores["engine"]) == ["one", "two", "rival"]
    assert result.problems == ("rival: unknown image: there is no image 9", "rival: 1 of 'unknown image'")
    assert result.markdown().startswith("| engine | kind | objects |")
    assert one.blur.compare({"two": two}).markdown().startswith("| first | second |")


def test_wrong_use_is_told(tables, capsys):
    for arguments in (["one.csv", "x/one.csv"], ["one.csv"], ["one.csv", "=two.csv"], ["one.csv", "two=rival.json"]):
        assert main(["compare", *arguments]) == 2
    twice = pd.read_csv("one.csv").assign(image="photos/a.png")
    with pytest.raises(DetectionsError, match="another row of this picture"):
        found_in_frame(twice)


def coco_ap(labels, found):
    """AP at IoU 0.5 of the reference implementation, read from the label file itself."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        category = next(iter(truth.anns.values()))["category_id"]
        numbers = {image["file_name"]: number for number, image in truth.imgs.items()}
        entries = [
            {"image_id": numbers[key], "category_id": category, "score": item.score,
             "bbox": [*item.box[:2], item.box[2] - item.box[0], item.box[3] - item.box[1]]}
            for key, items in found.items() for item in items
        ]  # fmt: skip
        judge = COCOeval(truth, truth.loadRes(entries), "bbox")
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][0, :, judge.params.catIds.index(category), 0, -1].mean()


# pycocotools itself says so, of numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(("folder", "kind"), [("egyptian-motorcycles", "plate"), ("faces", "face")])
def test_average_precision_on_shared_labels_is_cocos(shared, folder, kind):
    """Detections are the labels, moved, doubled and left out by a seed: what is scored is the score."""
    import numpy as np

    path = shared / "eval" / folder / "labels.json"
    labels = read_coco(path)
    random = np.random.default_rng(5)
    found = {}
    for key, said in labels.pictures.items():
        items = []
        for item in said.objects:
            xmin, ymin, xmax, ymax = item.box
            for _ in range(int(random.integers(0, 3))):
                dx, dy = random.normal(0, 0.15, 2) * (xmax - xmin, ymax - ymin)
                box = box_polygon(xmin + dx, ymin + dy, xmax + dx, ymax + dy)
                items.append(Detection(kind, box, round(float(random.uniform()), 3)))
        found[key] = Detections(items)
    ours = compare({"moved": found}, labels).scores
    assert ours["ap"].tolist() == [pytest.approx(coco_ap(path, found), abs=1e-9)]
    assert 0.1 < ours["ap"][0] < 0.9

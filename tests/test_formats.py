"""YOLO, Pascal VOC and the API's JSON, in and out; what cannot be used is listed and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_tools.audit.exchange import FORMATS, format_of, guess_format, labels_frame, read_labels, write_pictures
from blur_tools.cli import main
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError, OutputError, SettingsError
from blur_tools.formats.coco_results import read_results
from blur_tools.formats.labels import PictureLabels

QUAD = ((10.5, 10.0), (60.0, 12.25), (61.0, 30.0), (9.0, 28.0))
TURNED = ((61.0, 30.0), (9.0, 28.0), (10.5, 10.0), (60.0, 12.25))  # upside down: its own top left is bottom right
PLATE = Detection("plate", QUAD, 0.75, "local", result={"plate": "ab12cde", "score": 0.6})
WRITTEN = {
    "a/one.jpg": PictureLabels(
        (200, 100),
        Detections(
            [
                PLATE,
                Detection("face", box_polygon(100, 20.25, 130, 60), source="person:Ann", keep=True),
                Detection("face", box_polygon(100, 20.25, 130, 60), 0.5, "local"),
                Detection("plate", TURNED, 0.31, "cloud"),
                Detection("face", box_polygon(-5, -5, 20, 20), 1.0, "label"),
            ]
        ),
    ),
    "b.png": PictureLabels((3, 4), Detections()),
}
FOLDERS = ("yolo", "yolo-outlines", "voc", "api")


def plain(detections):
    return [replace(item, result={}) for item in detections]


def in_order(detections, form):
    """The API lists plates before faces."""
    return sorted(plain(detections), key=lambda item: item.kind == "face" if form == "api" else 0)


@pytest.fixture
def pictures(encode, noise, tmp_path):
    """Files for `WRITTEN`."""
    folder = tmp_path / "pictures"
    for key, labels in WRITTEN.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(encode(noise(labels.size[1], labels.size[0]), "PNG"))
    return folder


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_comes_back(tmp_path, form):
    path = tmp_path / ("set" if form in FOLDERS else "set.blur.json" if form == "blur.json" else "set.json")
    assert write_pictures(path, WRITTEN, form) == {}
    labels = read_labels(path)
    assert labels.problems == ()
    assert labels.pictures.keys() == WRITTEN.keys()
    for key, said in WRITTEN.items():
        assert labels.pictures[key].size == said.size
        assert in_order(labels.pictures[key].objects, form) == in_order(said.objects, form)
    assert not list(tmp_path.rglob(".*"))


detection = st.builds(
    Detection,
    st.sampled_from(["plate", "face"]),
    st.tuples(*[st.tuples(st.floats(-50, 250).map(lambda v: round(v, 3)), st.floats(-50, 150)) for _ in range(4)]),
    st.none() | st.floats(0, 1),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).map(str.strip),
    st.booleans(),
)


@pytest.mark.parametrize("form", ["yolo", "yolo-outlines", "api"])
@settings(max_examples=40)
@given(found=st.lists(detection, max_size=5))
def test_any_detections_come_back(tmp_path_factory, form, found):
    folder = tmp_path_factory.mktemp("any")
    write_pictures(folder, {"x/ü.jpg": PictureLabels((200, 100), Detections(found))}, form)
    labels = read_labels(folder)
    assert labels.problems == ()
    assert sorted(map(str, plain(labels.pictures["x/ü.jpg"].objects))) == sorted(map(str, found))


@settings(max_examples=60)
@given(found=st.lists(detection, max_size=5))
def test_in_voc_all_come_back_that_lie_in_the_picture(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("voc")
    left = write_pictures(folder, {"x/ü.jpg": PictureLabels((200, 100), Detections(found))}, "voc")
    labels = read_labels(folder)
    items = labels.pictures["x/ü.jpg"].objects
    assert labels.problems == ()
    assert (len(items) < len(found)) == bool(left)
    said = [(item.kind, item.score, item.source, item.keep) for item in found]
    assert all((item.kind, item.score, item.source, item.keep) in said for item in items)


def test_a_neutral_object_is_difficult_in_voc(tmp_path):
    write_pictures(tmp_path, {"a.jpg": PictureLabels((200, 100), Detections([PLATE, PLATE]), (True, False))}, "voc")
    assert read_labels(tmp_path).pictures["a.jpg"].neutral == (True, False)


def test_the_api_form_is_exact_and_keeps_what_the_service_said(tmp_path):
    write_pictures(tmp_path, WRITTEN, "api")
    answer = json.loads((tmp_path / "answers/a/one.jpg.json").read_text())
    assert answer == {**WRITTEN["a/one.jpg"].objects.to_api(), "blur": None}
    assert read_labels(tmp_path).pictures["a/one.jpg"].objects[0].result == PLATE.result
    assert "ab12cde" not in (tmp_path / "exported.blur.json").read_text()


@pytest.mark.parametrize("form", ["yolo", "yolo-outlines", "voc", "coco"])
def test_no_other_form_says_what_stands_on_a_plate(tmp_path, form):
    write_pictures(tmp_path / "set.json", WRITTEN, form)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"ab12cde" in path.read_bytes()]


def test_lines_of_yolo_are_what_its_readers_expect(tmp_path):
    write_pictures(tmp_path, WRITTEN, "yolo")
    lines = (tmp_path / "labels/a/one.txt").read_text().splitlines()
    assert lines[0] == "0 0.175000 0.200000 0.260000 0.200000"
    assert lines[4] == "1 0.050000 0.100000 0.100000 0.200000"  # cut at the border
    assert (tmp_path / "labels/b.txt").read_text() == ""
    assert "names:\n  0: plate\n  1: face\n" in (tmp_path / "data.yaml").read_text()
    write_pictures(tmp_path, WRITTEN, "yolo-outlines")
    lines = (tmp_path / "labels/a/one.txt").read_text().splitlines()
    assert lines[0] == "0 0.052500 0.100000 0.300000 0.122500 0.305000 0.300000 0.045000 0.280000"


def test_a_line_that_another_tool_changed_counts(tmp_path):
    write_pictures(tmp_path, WRITTEN, "yolo")
    path = tmp_path / "labels/a/one.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["1 0.5 0.5 0.1 0.2", *lines[1:3], *lines[4:]]))
    found = read_labels(tmp_path).pictures["a/one.jpg"].objects
    assert found[0] == Detection("face", box_polygon(90, 40, 110, 60), None, "label")
    assert plain(found[1:]) == plain([*WRITTEN["a/one.jpg"].objects[1:3], WRITTEN["a/one.jpg"].objects[4]])


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path):
    write_pictures(tmp_path, WRITTEN, "yolo")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/b.png").write_bytes(b"mine")
    write_pictures(tmp_path, {"b.png": WRITTEN["b.png"]}, "yolo")
    assert [path.name for path in (tmp_path / "labels").rglob("*")] == ["b.txt"]
    assert (tmp_path / "images/b.png").read_bytes() == b"mine"


@pytest.mark.parametrize(("form", "part"), [("yolo", "labels"), ("voc", "Annotations"), ("api", "answers")])
def test_labels_of_others_are_not_replaced(tmp_path, form, part):
    (tmp_path / part).mkdir()
    (tmp_path / part / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="no export of ours has written it"):
        write_pictures(tmp_path, WRITTEN, form)
    assert [path.name for path in tmp_path.rglob("*")] == [part, "mine.txt"]


def test_a_file_of_others_is_not_replaced(tmp_path):
    (tmp_path / "data.yaml").write_text("mine")
    with pytest.raises(OutputError, match=r"data\.yaml is there"):
        write_pictures(tmp_path, WRITTEN, "yolo")
    assert [path.name for path in tmp_path.iterdir()] == ["data.yaml"]


@pytest.mark.parametrize("form", ["yolo", "voc"])
def test_two_pictures_of_one_name_without_ending_are_told(tmp_path, form):
    one = PictureLabels((200, 100), Detections([PLATE]))
    left = write_pictures(tmp_path, {"a.jpg": one, "A.png": one, "b.jpg": one}, form)
    assert list(left) == ["A.png"]
    assert "a.jpg has the same name without its ending" in left["A.png"]
    assert list(read_labels(tmp_path).pictures) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("form", FOLDERS)
@pytest.mark.parametrize("key", ["", "/a.jpg", "../a.jpg", "a\0.jpg"])
def test_a_key_that_leaves_its_folder_is_not_written(tmp_path, form, key):
    with pytest.raises(DetectionsError, match="relative path"):
        write_pictures(tmp_path / "set", {key: PictureLabels((1, 1), Detections())}, form)
    assert list(tmp_path.iterdir()) == []


# labels of others -------------------------------------------------------------------------------------------------


@pytest.fixture
def yolo(pictures):
    (pictures / "data.yaml").write_text("train: x\nnames: [number-plate, 'human face', dog]  # three\n")
    (pictures / "labels/a").mkdir(parents=True)
    return pictures / "labels/a/one.txt"


def test_yolo_of_another_tool(yolo, pictures):
    yolo.write_text("0 0.5 0.5 0.1 0.2\n1 0.5 0.5 0.1 0.2 0.875\n\n0 .05 .1 .3 .12 .3 .3 .05 .3\n")
    labels = read_labels(pictures)
    plate, face, outline = labels.pictures["a/one.jpg"].objects
    assert labels.problems == ()
    assert plate == Detection("plate", box_polygon(90, 40, 110, 60), None, "label")
    assert (face.kind, face.score) == ("face", 0.875)
    assert outline.polygon == ((10, 10), (60, 12), (60, 30), (10, 30))


@pytest.mark.parametrize(
    "names",
    ["names:\n- plate\n- face\n", "names:\n  - plate # of a car\n\n  # more\n  - 'face'\nnc: 2\n",
     "nc: 2\nnames:\n  1: face\n  0: plate\n", 'names: ["plate", "face"]', "names: {0: plate, 1: face}"],
)  # fmt: skip
def test_names_of_classes_in_the_ways_that_they_are_written(yolo, pictures, names):
    (pictures / "data.yaml").write_text(names)
    yolo.write_text("0 0.5 0.5 0.1 0.2\n1 0.5 0.5 0.1 0.2\n")
    assert [item.kind for item in read_labels(pictures).pictures["a/one.jpg"].objects] == ["plate", "face"]


def test_a_mark_of_the_byte_order_is_no_part_of_a_label(yolo, pictures):
    """As editors of Windows write it: the first line of a file says what it says."""
    (pictures / "data.yaml").write_bytes(b"\xef\xbb\xbfnames: [plate, face]\n")
    yolo.write_bytes(b"\xef\xbb\xbf1 0.5 0.5 0.1 0.2\n")
    labels = read_labels(pictures)
    assert labels.problems == ()
    assert [item.kind for item in labels.pictures["a/one.jpg"].objects] == ["face"]


@pytest.mark.parametrize("names", ["nc: 2\n", "names: 5\n", "names: &x [a]\n", "names:\n  one: plate\n"])
def test_names_that_cannot_be_read_are_an_error(yolo, pictures, names):
    (pictures / "data.yaml").write_text(names)
    with pytest.raises(DetectionsError, match="no list of names"):
        read_labels(pictures)


def test_what_cannot_be_used_of_yolo_is_listed(yolo, pictures):
    yolo.write_text("2 0.5 0.5 0.1 0.2\n0 x\n0 0.5 0.5 0 0.2\n0 2 2 0.1 0.1\n0 .1 .1 .3 .1 .2 .3\n0 nan 1 1 1\n")
    (pictures / "labels/gone.txt").write_text("0 0.5 0.5 0.1 0.2\n")
    (pictures / "b.jpg").write_bytes(b"")
    (pictures / "labels/b.txt").write_text("")
    labels = read_labels(pictures)
    assert labels.counts == {
        "unknown category": 1, "broken entry": 3, "degenerate box": 1, "outline reduced": 1, "missing file": 1,
        "repeated picture": 1,
    }  # fmt: skip
    assert labels.pictures["a/one.jpg"].objects[0].polygon == box_polygon(20, 10, 60, 30)
    assert {problem.picture for problem in labels.problems} == {"a/one.jpg", "gone", "b"}


VOC = """<annotation><folder>x</folder><filename>one.jpg</filename><size><width>200</width><height>100</height>
<depth>3</depth></size>{}</annotation>"""
OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>{}</object>"
)


@pytest.fixture
def voc(tmp_path):
    def read(*objects, text=VOC):
        (tmp_path / "Annotations/a").mkdir(parents=True)
        (tmp_path / "Annotations/a/one.xml").write_text(text.format("".join(objects)))
        return read_labels(tmp_path)

    return read


def test_voc_of_another_tool_counts_from_one(voc):
    quad = "<polygon>" + "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in
                                 enumerate([(60, 30), (10, 28), (11, 10), (61, 12)], 1)) + "</polygon>"  # fmt: skip
    labels = voc(OBJECT.format("License_Plate", 1, 1, 20, 10, ""), OBJECT.format("face", 1, 2, 3, 4, quad))
    plate, face = labels.pictures["a/one.jpg"].objects
    assert labels.problems == ()
    assert plate.polygon == box_polygon(0, 0, 20, 10)
    assert (plate.score, plate.source, plate.keep) == (None, "label", False)
    assert face.polygon == ((59, 29), (9, 27), (10, 9), (60, 11))  # clockwise already: left as written


def test_what_cannot_be_used_of_voc_is_listed(voc):
    three = "<polygon><x1>1</x1><y1>1</y1><x2>9</x2><y2>1</y2><x3>9</x3><y3>9</y3></polygon>"
    labels = voc(
        OBJECT.format("dog", 1, 1, 9, 9, ""),
        OBJECT.format("plate", 9, 9, 1, 1, ""),
        OBJECT.format("plate", 300, 1, 310, 9, ""),
        OBJECT.format("plate", "x", 1, 310, 9, ""),
        OBJECT.format("plate", 1, 1, 9, 9, three),
    )
    assert labels.counts == {"unknown category": 1, "degenerate box": 3, "outline reduced": 1}
    assert len(labels.pictures["a/one.jpg"].objects) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<annotation>", "broken file"),
        ("<other/>", "broken file"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>', "broken file"),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', "broken file"),
        ("<annotation><filename>a.jpg</filename></annotation>", "broken file"),
        ("<annotation><filename>../a.jpg</filename></annotation>", "unsafe name"),
        ("<annotation/>", "unsafe name"),
    ],
)
def test_a_file_of_voc_that_cannot_be_used_is_listed(voc, text, kind):
    labels = voc(text=text)
    assert labels.pictures == {}
    assert labels.counts == {kind: 1}


def test_answers_that_somebody_kept(pictures, tmp_path):
    answer = {**Detections([PLATE]).to_api(), "blur": {"base64": "x"}}
    (tmp_path / "kept/a").mkdir(parents=True)
    (tmp_path / "kept/a/one.json").write_text(json.dumps(answer))
    (tmp_path / "kept/b.png.json").write_text("{")
    (tmp_path / "kept/c.jpg.json").write_text(json.dumps(answer))
    labels = read_labels(tmp_path / "kept", pictures=pictures)
    assert [item.polygon for item in labels.pictures["a/one.jpg"].objects] == [QUAD]
    assert labels.pictures["a/one.jpg"].objects[0].text == "ab12cde"
    assert labels.counts == {"broken file": 1, "missing file": 1}


def test_coco_results_speak_of_the_pictures_of_a_label_file(tmp_path):
    write_pictures(tmp_path / "labels.json", WRITTEN, "coco")
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 10], "score": 0.5},
        {"image_id": 9, "category_id": 1, "bbox": [10, 10, 20, 10], "score": 0.5},
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    labels = read_results(tmp_path / "results.json", tmp_path / "labels.json")
    assert [(item.kind, item.score, item.box) for item in labels.pictures["a/one.jpg"].objects] == [
        ("plate", 0.5, (10, 10, 30, 20))
    ]
    assert labels.pictures["b.png"].objects == Detections()
    assert labels.counts == {"unknown image": 1}
    with pytest.raises(DetectionsError, match="need the labels"):
        read_labels(tmp_path / "results.json")


def test_pictures_that_are_missing_or_of_another_size_are_told(pictures, tmp_path, encode, noise):
    write_pictures(tmp_path / "set.json", WRITTEN, "coco")
    (pictures / "a/one.jpg").unlink()
    (pictures / "b.png").write_bytes(encode(noise(5, 5), "PNG"))
    assert read_labels(tmp_path / "set.json", pictures=pictures).counts == {"missing file": 1, "size differs": 1}
    for form in ("yolo", "api"):
        write_pictures(tmp_path / form, WRITTEN, form)
        labels = read_labels(tmp_path / form, pictures=pictures)
        assert labels.counts == {"missing file": 1, "size differs": 1}
        assert labels.pictures["b.png"].size == (5, 5)


def test_a_folder_without_labels_is_told(tmp_path):
    with pytest.raises(SettingsError, match="no labels in it"):
        guess_format(tmp_path)
    with pytest.raises(SettingsError, match="does not say which format"):
        guess_format(tmp_path / "x.txt")
    with pytest.raises(DetectionsError, match="no such folder"):
        read_labels(tmp_path / "gone", "voc")


# other tools' readers ---------------------------------------------------------------------------------------------


@pytest.fixture
def flat(encode, noise, tmp_path):
    """One flat folder of pictures, as supervision reads them, and its labels."""
    labels = {"one.png": WRITTEN["a/one.jpg"], "two.png": PictureLabels((30, 40), Detections())}
    for key, one in labels.items():
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / key).write_bytes(encode(noise(one.size[1], one.size[0]), "PNG"))
    return labels


def boxes(detections):
    frame = (0, 0, 200, 100)
    return [[*(max(v, f) for v, f in zip(d.box[:2], frame[:2], strict=True)),
             *(min(v, f) for v, f in zip(d.box[2:], frame[2:], strict=True))] for d in detections]  # fmt: skip


@pytest.mark.parametrize("form", ["yolo", "yolo-outlines", "voc", "coco"])
@pytest.mark.filterwarnings("ignore")  # supervision's own
def test_supervision_reads_what_is_written(flat, tmp_path, form):
    supervision = pytest.importorskip("supervision")
    write_pictures(tmp_path / ("set.json" if form == "coco" else "set"), flat, form)
    images, known = str(tmp_path / "images"), supervision.DetectionDataset
    if form == "coco":
        data = known.from_coco(images, str(tmp_path / "set.json"))
    elif form == "voc":
        data = known.from_pascal_voc(images, str(tmp_path / "set/Annotations"))
    else:
        data = known.from_yolo(images, str(tmp_path / "set/labels"), str(tmp_path / "set/data.yaml"))
    found = {Path(path).name: detections for path, detections in data.annotations.items()}
    assert len(found["two.png"]) == 0
    truth = flat["one.png"].objects
    assert [data.classes[number] for number in found["one.png"].class_id] == [item.kind for item in truth]
    expected = boxes(truth) if form != "coco" else [list(item.box) for item in truth]
    for ours, theirs in zip(expected, found["one.png"].xyxy.tolist(), strict=True):
        assert theirs == pytest.approx(ours, abs=1.01)  # VOC has whole pixels, masks as well


# tables and the command line --------------------------------------------------------------------------------------


@pytest.fixture
def table(pictures, tmp_path):
    rows = [(str(pictures / key), one.objects.to_json()) for key, one in WRITTEN.items()]
    rows.append((str(pictures / "gone.jpg"), None))
    return pd.DataFrame(rows, columns=["image", "detections"])


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_is_exported(table, tmp_path, form):
    path = tmp_path / ("set.blur.json" if form == "blur.json" else "set.json" if form == "coco" else "set")
    left = table.blur.export(path, form)
    assert list(left) == ([] if form == "blur.json" else ["gone.jpg"])
    labels = read_labels(path)
    for key, one in WRITTEN.items():
        assert in_order(labels.pictures[key].objects, form) == in_order(one.objects, form)


def test_the_command_line_takes_labels_over_and_tells_what_it_could_not(table, pictures, tmp_path, capsys):
    table.to_csv(tmp_path / "run.csv", index=False)
    assert main(["export", str(tmp_path / "run.csv"), "-o", str(tmp_path / "yolo"), "--format", "yolo"]) == 1
    told = capsys.readouterr().err
    assert "gone.jpg: " in told
    assert "1 pictures are not in it as they stand" in told
    assert main(["export", str(tmp_path / "yolo"), "-o", str(tmp_path / "again.json"), "-q"]) == 0
    back = tmp_path / "back.csv"
    assert main(["export", str(tmp_path / "again.json"), "-o", str(back), "--pictures", str(pictures)]) == 0
    frame = pd.read_csv(back)
    assert list(frame["n_plates"]) == [2, 0]
    assert main(["redact", str(back), "-o", str(tmp_path / "out"), "--table", str(tmp_path / "t.csv"), "-q"]) == 0
    (pictures / "b.png").unlink()
    capsys.readouterr()
    arguments = ["export", str(tmp_path / "again.json"), "-o", str(tmp_path / "voc"), "--format", "voc"]
    assert main([*arguments, "--pictures", str(pictures)]) == 1
    assert "missing file: b.png: there is no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run.csv", "-o", "run.csv"], "is what is read"),
        (["set.json", "-o", "t.csv"], "say in which folder they are"),
        (["set.json", "-o", "x"], "does not say which format"),
        (["gone.json", "-o", "x.json"], "cannot be read"),
    ],
)
def test_wrong_use_is_told(table, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    table.to_csv("run.csv", index=False)
    write_pictures("set.json", WRITTEN, "coco")
    assert main(["export", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_labels_become_a_table_of_pictures(pictures, tmp_path):
    frame = labels_frame(read_labels_of(tmp_path), pictures)
    assert list(frame["image"]) == [str(pictures / key) for key in WRITTEN]
    assert list(frame["n_faces"]) == [3, 0]


def read_labels_of(folder):
    write_pictures(folder / "set.json", WRITTEN, "coco")
    return read_labels(folder / "set.json")


@pytest.mark.parametrize(
    "line", ["0.9 .5 .5 .1 .2", "0 320 240 40 20", "0 .5 .5 .1 .2 87", "0 -.2 .5 .1 .2", "0 .5 nan .1 .2"]
)
def test_lines_of_yolo_that_mean_something_else_are_told(yolo, pictures, line):
    yolo.write_text(f"{line}\n0 1.004 .5 .1 .2\n")
    labels = read_labels(pictures)
    assert len(labels.pictures["a/one.jpg"].objects) == 1
    assert ("broken entry", 1) in [(problem.kind, problem.annotation) for problem in labels.problems]


def test_a_picture_without_a_file_of_yolo_is_one_with_nothing_in_it(yolo, pictures):
    """As the format says it: else whatever an engine finds there would never count as a mistake."""
    yolo.write_text("0 .5 .5 .1 .2\n")
    before = read_labels(pictures).pictures
    assert all(len(one.objects) == 0 for key, one in before.items() if key != "a/one.jpg")
    assert len(before) > 1
    yolo.unlink()
    assert not read_labels(pictures).pictures["a/one.jpg"].objects


@pytest.mark.parametrize("form", ["yolo", "api", "s.blur.json", "voc", "s.json"])
def test_neutral_objects_that_a_format_makes_targets_are_told(tmp_path, form):
    objects = Detections([Detection("plate", box_polygon(1, 1, 20, 9)), Detection("plate", box_polygon(30, 1, 50, 9))])
    pictures = {"a.png": PictureLabels((60, 40), objects, (True, False)), "b.png": PictureLabels((60, 40), objects)}
    left = write_pictures(tmp_path / form, pictures, format_of(tmp_path / form, None if "." in form else form))
    if form in ("voc", "s.json"):
        assert left == {}
        assert read_labels(tmp_path / form).pictures["a.png"].neutral == (True, False)
    else:
        assert left == {"a.png": "1 of 2 objects are neutral, which the format cannot say: they are targets"}


@pytest.mark.parametrize("name", ["labels.json", "labels.blur.json"])
@pytest.mark.parametrize("text", ["mine", '{"images": [], "annotations": [], "categories": []}'])
def test_a_file_that_somebody_else_has_written_is_not_replaced(tmp_path, name, text):
    pictures = {"a.png": PictureLabels((60, 40), Detections())}
    place = tmp_path / name
    place.write_text(text)
    with pytest.raises(OutputError, match="is there and is no"):
        write_pictures(place, pictures, format_of(place, None))
    assert place.read_text() == text
    place.unlink()
    for _ in range(2):  # an export of ours is
        write_pictures(place, pictures, format_of(place, None))
    place.write_text("")  # and an empty file
    write_pictures(place, pictures, format_of(place, None))

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError
from blur_tools.formats.coco import PictureLabels, read_coco
from blur_tools.formats.coco_writer import write_coco

SHARED = Path(os.environ.get("BLUR_TOOLS_SHARED") or Path(__file__).parents[2] / "shared/data")
PLATE, FACE, LOGO = 1, 2, 3


@pytest.fixture
def read(tmp_path):
    def read(*annotations, images=None, categories=None, **options):
        form = {
            "images": images or [{"id": 7, "file_name": "a/one.jpg", "width": 200, "height": 100}],
            "annotations": [{"id": i, "image_id": 7, "category_id": PLATE} | a for i, a in enumerate(annotations)],
            "categories": categories
            or [{"id": PLATE, "name": "License-Plate"}, {"id": FACE, "name": "face"}, {"id": LOGO, "name": "logo"}],
        }
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(form))
        return read_coco(path, **options)

    return read


def test_boxes_and_quads(read):
    quad = [10, 10, 60, 12, 61, 30, 9, 28]
    labels = read(
        {"bbox": [9, 10, 52, 20], "segmentation": [quad], "attributes": {"shape": "quad"}},
        {"bbox": [100, 20, 30, 40], "category_id": FACE, "segmentation": []},
    )
    one = labels.pictures["a/one.jpg"]
    assert one.size == (200, 100)
    plate, face = one.objects
    assert plate.polygon == ((10, 10), (60, 12), (61, 30), (9, 28))
    assert (plate.kind, plate.score, plate.source) == ("plate", None, "label")
    assert plate.result == {"id": 0, "category": "License-Plate", "attributes": {"shape": "quad"}}
    assert (face.kind, face.polygon) == ("face", box_polygon(100, 20, 130, 60))
    assert one.neutral == (False, False)
    assert labels.problems == ()
    assert labels.counts == {}


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("step", [1, -1])
def test_corners_are_put_in_order(read, start, step):
    corners = [(10, 10), (60, 12), (61, 30), (9, 28)]
    turned = (corners[start:] + corners[:start])[::step]
    labels = read({"bbox": [9, 10, 52, 20], "segmentation": [[v for point in turned for v in point]]})
    assert labels.pictures["a/one.jpg"].objects[0].polygon == tuple(corners)


def test_crossed_corners_are_uncrossed(read):
    labels = read({"bbox": [10, 10, 50, 20], "segmentation": [[10, 10, 60, 30, 60, 10, 10, 30]]})
    assert labels.pictures["a/one.jpg"].objects[0].polygon == box_polygon(10, 10, 60, 30)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 10, 60, 12, 61, 30, 40, 31, 9, 28]],
        [[10, 10, 60, 12, 61, 30]],
        [[10, 10, 60, 12, 61, 30, 9, 28], [1, 1, 2, 1, 2, 2, 1, 2]],
        {"counts": "abc", "size": [100, 200]},
        [[10, 10, 60, 12, 61, "x", 9, 28]],
        [[10, 10, 60, 10, 30, 10, 20, 10]],
    ],
)
def test_other_outlines_stand_for_their_box_and_are_listed(read, segmentation):
    labels = read({"bbox": [9, 10, 52, 21], "segmentation": segmentation})
    assert labels.pictures["a/one.jpg"].objects[0].polygon == box_polygon(9, 10, 61, 31)
    assert labels.counts == {"outline reduced": 1}
    assert (labels.problems[0].picture, labels.problems[0].annotation) == ("a/one.jpg", 0)


@pytest.mark.parametrize(
    "bbox",
    [
        [10, 10, 0, 5],
        [10, 10, 5, -1],
        [10, 10, float("nan"), 5],
        [10, 10, 1e12, 5],
        [10, 10, 5],
        ["a", 1, 2, 3],
        None,
        [200, 10, 5, 5],
        [-5, 10, 5, 5],
        [10, 100, 5, 5],
    ],
)
def test_degenerate_boxes_are_listed(read, bbox):
    labels = read({"bbox": bbox}, {"bbox": [1, 1, 5, 5]})
    assert len(labels.pictures["a/one.jpg"].objects) == 1
    assert labels.counts == {"degenerate box": 1}
    assert "200x100" in labels.problems[0].detail


def test_boxes_over_the_border_stay(read):
    assert read({"bbox": [-5, -5, 10, 10]}).pictures["a/one.jpg"].objects[0].box == (-5, -5, 5, 5)


@pytest.mark.parametrize(
    ("extra", "neutral"),
    [
        ({"iscrowd": 1}, True),
        ({"iscrowd": 0}, False),
        ({"attributes": {"confirmed": True}}, True),
        ({"attributes": {"neutral": "true"}}, True),
        ({"attributes": {"neutral": False, "confirmed": "false"}}, False),
        ({"attributes": None}, False),
    ],
)
def test_neutral_objects(read, extra, neutral):
    assert read({"bbox": [1, 1, 5, 5]} | extra).pictures["a/one.jpg"].neutral == (neutral,)


def test_unknown_categories_and_images_are_listed(read):
    box = {"bbox": [1, 1, 5, 5]}
    labels = read(box | {"category_id": LOGO}, box | {"category_id": 99}, box | {"image_id": 8}, box)
    assert len(labels.pictures["a/one.jpg"].objects) == 1
    assert labels.counts == {"unknown category": 2, "unknown image": 1}
    assert [problem.annotation for problem in labels.problems] == [0, 1, 2]
    assert "'logo'" in labels.problems[0].detail
    assert "99" in labels.problems[1].detail
    assert "8" in labels.problems[2].detail


@pytest.mark.parametrize("name", ["../../etc/x.jpg", "/etc/x.jpg", "a/../../x.jpg", "a//b.jpg", "a\0.jpg"])
def test_a_name_that_leaves_its_folder_is_listed_and_left_out(read, name):
    images = [
        {"id": 7, "file_name": name, "width": 50, "height": 50},
        {"id": 8, "file_name": "./fine.jpg", "width": 50, "height": 50},
    ]
    labels = read({"bbox": [1, 1, 5, 5], "image_id": 7}, {"bbox": [1, 1, 5, 5], "image_id": 8}, images=images)
    assert {key: len(found.objects) for key, found in labels.pictures.items()} == {"fine.jpg": 1}
    assert labels.counts == {"unsafe name": 1}
    assert labels.problems[0].picture == name


def test_category_names(read):
    def kinds(names, **options):
        categories = [{"id": i, "name": name} for i, name in enumerate(names)]
        annotations = [{"bbox": [1, 1, 5, 5], "category_id": i} for i in range(len(names))]
        labels = read(*annotations, categories=categories, **options)
        return [item.kind for item in labels.pictures["a/one.jpg"].objects], labels.counts

    assert kinds(["licence_PLATE", "Human Face", "face plate"]) == (["plate", "face", "plate"], {})
    assert kinds(["with_mask", "plate"], kinds={"with_mask": "face"}) == (["face"], {"unknown category": 1})


def test_pictures_that_share_a_name_are_left_out_and_listed(read):
    images = [
        {"id": i, "file_name": name, "width": 20, "height": 10} for i, name in enumerate(["a.jpg", "b.jpg", "a.jpg"])
    ]
    labels = read(*[{"bbox": [1, 1, 5, 5], "image_id": i} for i in range(3)], images=images)
    assert list(labels.pictures) == ["b.jpg"]
    assert labels.counts == {"repeated picture": 1}
    assert labels.problems[0].picture == "a.jpg"
    assert "2 objects" in labels.problems[0].detail


def test_missing_files(read, tmp_path):
    images = [{"id": i, "file_name": name, "width": 20, "height": 10} for i, name in enumerate(["a.jpg", "b/c.jpg"])]
    labels = read(images=images)
    assert [problem.picture for problem in labels.missing_files(tmp_path)] == ["a.jpg", "b/c.jpg"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b/c.jpg").touch()
    (tmp_path / "a.jpg").mkdir()
    missing = labels.missing_files(str(tmp_path))
    assert [(problem.kind, problem.picture) for problem in missing] == [("missing file", "a.jpg")]
    assert len(labels.pictures) == 2


def test_sizes_that_differ(read):
    labels = read()
    assert labels.size_problem("a/one.jpg", (200, 100)) is None
    problem = labels.size_problem("a/one.jpg", (100, 200))
    assert problem is not None
    assert (problem.kind, problem.picture, problem.detail) == (
        "size differs",
        "a/one.jpg",
        "labelled at 200x100, is 100x200",
    )


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 2, "height": 2}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"images": []}',
        b'{"images": 1, "annotations": [], "categories": []}',
        json.dumps({"images": [IMAGE, IMAGE], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"width": 0}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"width": 2.5}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"width": float("inf")}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"height": None}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"file_name": ""}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE | {"id": []}], "annotations": [], "categories": []}).encode(),
        json.dumps({"images": [IMAGE], "annotations": [3], "categories": []}).encode(),
        json.dumps({"images": [IMAGE], "annotations": [{"id": 1}], "categories": []}).encode(),
        json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}] * 2}).encode(),
    ],
    ids=range(18),
)
def test_malformed_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "strange.json"
    path.write_bytes(content)
    with pytest.raises(DetectionsError, match=r"strange\.json: "):
        read_coco(path)


def test_no_such_file(tmp_path):
    with pytest.raises(DetectionsError, match=r"none\.json"):
        read_coco(tmp_path / "none.json")


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared pictures here")
@pytest.mark.parametrize(
    ("folder", "kind", "pictures", "objects"),
    [
        ("eval/open-lpr", "plate", 130, 130),
        ("eval/romanian-dashcam", "plate", 54, 68),
        ("eval/egyptian-motorcycles", "plate", 64, 65),
        ("eval/faces", "face", 214, 964),
    ],
)
def test_shared_labels_are_read_whole(folder, kind, pictures, objects):
    labels = read_coco(SHARED / folder / "labels.json")
    items = [item for picture in labels.pictures.values() for item in picture.objects]
    assert (len(labels.pictures), len(items)) == (pictures, objects)
    assert {item.kind for item in items} == {kind}
    assert labels.problems == ()
    assert labels.missing_files(SHARED / folder) == ()


QUAD = ((10.5, 10.0), (60.0, 12.25), (61.0, 30.0), (9.0, 28.0))
WRITTEN = {
    "a/one.jpg": PictureLabels(
        (200, 100),
        Detections(
            [
                Detection("plate", QUAD, 0.75, "local", result={"box": [1]}),
                Detection("face", box_polygon(100, 20, 130, 60), source="person:Ann", keep=True),
                Detection("face", box_polygon(-5, -5, 20, 20), 1.0, "label"),
            ]
        ),
        (False, False, True),
    ),
    "b.jpg": PictureLabels((3, 4), Detections()),
}


def test_what_is_written_comes_back(tmp_path):
    path = tmp_path / "new" / "labels.json"
    write_coco(path, WRITTEN)
    again = read_coco(path)
    assert again.problems == ()
    assert list(again.pictures) == list(WRITTEN)
    for key, labels in WRITTEN.items():
        assert again.pictures[key].size == labels.size
        assert again.pictures[key].neutral == labels.neutral
        # a label file has no place for `result`, and the reader fills it with what it read
        assert [replace(d, result={}) for d in again.pictures[key].objects] == [
            replace(d, result={}) for d in labels.objects
        ]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


# pycocotools itself says so, of numpy 2
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_what_is_written_is_what_pycocotools_reads(tmp_path, capsys):
    from pycocotools.coco import COCO

    path = tmp_path / "labels.json"
    write_coco(path, WRITTEN)
    coco = COCO(str(path))
    assert [coco.cats[number]["name"] for number in sorted(coco.cats)] == ["plate", "face"]
    (image,) = coco.loadImgs([1])
    assert (image["file_name"], image["width"], image["height"]) == ("a/one.jpg", 200, 100)
    plate, face, outside = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    mask = coco.annToMask(plate)
    assert mask.shape == (100, 200)
    assert abs(int(mask.sum()) - plate["area"]) < 0.05 * plate["area"]
    assert plate["bbox"] == [9.0, 10.0, 52.0, 20.0]
    assert face["area"] == 30 * 40
    assert face["attributes"] == {"source": "person:Ann", "keep": True}
    assert (plate["score"], "score" in face, outside["score"]) == (0.75, False, 1.0)
    assert coco.getAnnIds(imgIds=[2]) == []


def test_only_a_clear_true_leaves_a_label_visible(read):
    labels = read(
        *({"bbox": [10, 10, 20, 20], "attributes": {"keep": keep}} for keep in (True, 1, "true", "True", [1], None))
    )
    assert [item.keep for item in labels.pictures["a/one.jpg"].objects] == [True, *[False] * 5]


def test_a_score_or_source_that_is_none_is_not_taken(read):
    labels = read(
        *({"bbox": [10, 10, 20, 20], "score": score} for score in (2, -1, "0.5", True, None, [0.5])),
        {"bbox": [10, 10, 20, 20], "attributes": {"source": 5}},
    )
    assert [(item.score, item.source) for item in labels.pictures["a/one.jpg"].objects] == [(None, "label")] * 7


@pytest.mark.parametrize("key", ["", "/a.jpg", "../a.jpg", "a/../b.jpg", "a\0.jpg"])
def test_a_key_that_leaves_its_folder_is_not_written(tmp_path, key):
    with pytest.raises(DetectionsError, match="relative path"):
        write_coco(tmp_path / "labels.json", {key: PictureLabels((1, 1), Detections())})
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_is_none_is_not_written(tmp_path):
    with pytest.raises(DetectionsError, match=r"'a\.jpg': 0x4"):
        write_coco(tmp_path / "labels.json", {"a.jpg": PictureLabels((0, 4), Detections())})

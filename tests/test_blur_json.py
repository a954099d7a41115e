"""The lossless form of a set of pictures: what is written comes back, and hostile files are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError, OutputError
from blur_tools.formats.blur_json import DECISIONS, PictureRecord, read_blur_json, write_blur_json

PLATE = Detection("plate", ((10, 10), (60, 12), (61.25, 30), (9, 28)), 0.5, "local", result={"box": [1, 2], "ü": None})
FACE = Detection("face", box_polygon(1, 2, 30, 40), source="person:Ann", keep=True)
RECORDS = {
    "b/two.jpg": PictureRecord(
        Detections([PLATE, FACE]), (200, 100), "edited", "Ann", "2026-01-02T03:04:05.678901+00:00"
    ),
    "a/ü \udcff.jpg": PictureRecord(Detections(), (1, 1), "accepted", "Bob", "2026-01-02T03:04:05+00:00"),
    "c.png": PictureRecord(None, error="no such file"),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.blur.json"


def form(path, **changes):
    write_blur_json(path, RECORDS)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def test_everything_comes_back_in_order(path):
    write_blur_json(path, RECORDS)
    again = read_blur_json(path)
    assert again == RECORDS
    assert list(again) == list(RECORDS)
    assert [item.result for item in again["b/two.jpg"].detections] == [PLATE.result, {}]
    assert again["c.png"].detections is None
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_empty_set(path):
    write_blur_json(path, {})
    assert read_blur_json(path) == {}


numbers = st.floats(-1e6, 1e6, width=64)
detections = st.builds(
    Detection,
    st.sampled_from(["plate", "face"]),
    st.tuples(*[st.tuples(numbers, numbers)] * 4),
    st.none() | st.floats(0, 1),
    st.text(),
    st.booleans(),
    st.dictionaries(st.text(), st.none() | st.integers() | st.text()),
)
records = st.builds(
    PictureRecord,
    st.none() | st.builds(Detections, st.lists(detections, max_size=3)),
    st.none() | st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    st.sampled_from(DECISIONS),
    st.text(),
    st.just("") | st.datetimes().map(lambda time: time.isoformat()),
    st.text(),
)
names = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text and text not in (".", ".."))
keys = st.lists(names.map(lambda text: text.replace("/", "_")).filter(lambda t: t not in (".", "..")), min_size=1)


@given(st.dictionaries(keys.map("/".join), records, max_size=4))
def test_any_set_comes_back(tmp_path_factory, pictures):
    path = tmp_path_factory.mktemp("any") / "set.blur.json"
    write_blur_json(path, pictures)
    again = read_blur_json(path)
    assert again == pictures
    for key, record in pictures.items():
        assert [d.result for d in again[key].detections or ()] == [d.result for d in record.detections or ()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "format"),
        ("{}", "format"),
        ('{"format": "blur.json", "version": NaN}', "NaN"),
        ('{"format": "blur.json", "version": true, "pictures": {}}', "version True"),
        ('{"format": "blur.json", "version": 0, "pictures": {}}', "version 0"),
        ('{"format": "blur.json", "pictures": {}}', "version None"),
        ('{"format": "blur.json", "version": 2, "pictures": {}}', "newer"),
        ('{"format": "blur.json", "version": 1, "pictures": []}', "pictures"),
        ('{"format": "blur.json", "version": 1, "pictures": {"a": {}, "a": {}}}', "'a' stands twice"),
        (b"\xff\xfe\x00", "JSON"),
    ],
)
def test_what_is_no_such_file_is_refused_by_its_name(path, text, said):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DetectionsError, match=said) as raised:
        read_blur_json(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../up.jpg", "a/../../b.jpg", "a//b", "a/", ".", "a\0b", "x" * 5000]
)
def test_a_key_that_leaves_its_folder_is_refused(path, key):
    with pytest.raises(DetectionsError, match="relative path"):
        write_blur_json(path, {key: PictureRecord(None)})
    assert not path.exists()
    form(path, pictures={key: {"detections": []}})
    with pytest.raises(DetectionsError, match="relative path") as raised:
        read_blur_json(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (None, "an object with detections"),
        ({}, "an object with detections"),
        ({"detections": {}}, "no list"),
        ({"detections": [{"kind": "plate"}]}, "detection 0"),
        ({"detections": [PLATE.to_json(), {**PLATE.to_json(), "keep": 1}]}, "detection 1: keep"),
        ({"detections": [{**PLATE.to_json(), "polygon": [[1, 1]] * 3}]}, "four points"),
        ({"detections": [{**PLATE.to_json(), "extra": 1}]}, "extra"),
        ({"detections": None, "size": [1]}, "size"),
        ({"detections": None, "size": [1, -1]}, "size"),
        ({"detections": None, "size": [1.5, 1]}, "size"),
        ({"detections": None, "size": [True, 1]}, "size"),
        ({"detections": None, "decision": "deleted"}, "decision 'deleted'"),
        ({"detections": None, "decision": []}, "decision"),
        ({"detections": None, "reviewer": 1}, "reviewer"),
        ({"detections": None, "decided_at": "yesterday"}, "ISO 8601"),
        ({"detections": None, "error": None}, "error"),
        ({"detections": None, "pixels": ""}, "'pixels'"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(path, picture, said):
    form(path, pictures={"good.jpg": {"detections": []}, "bad.jpg": picture})
    with pytest.raises(DetectionsError, match=said) as raised:
        read_blur_json(path)
    assert str(path) in str(raised.value)
    assert "bad.jpg" in str(raised.value)


def test_a_failed_write_leaves_the_older_file(path):
    write_blur_json(path, RECORDS)
    before = path.read_bytes()
    with pytest.raises(DetectionsError, match="'a//b'"):
        write_blur_json(path, {**RECORDS, "a//b": PictureRecord(None)})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_blur_json(tmp_path / "file" / "set.blur.json", RECORDS)


def test_a_file_that_is_not_there_is_said(path):
    with pytest.raises(DetectionsError, match="cannot be read"):
        read_blur_json(path)


def test_the_page_shows_a_file_that_is_read(path):
    page = (Path(__file__).parents[1] / "docs" / "blur-json.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]
    path.write_text(example)
    street, lost = read_blur_json(path).values()
    assert [item.source for item in street.detections] == ["local", "person:Ann"]
    assert (lost.detections, lost.error) == (None, "no such file")
    for entries in (json.loads(example), *json.loads(example)["pictures"].values(), street.detections[0].to_json()):
        assert all(f"| `{name}` |" in page for name in entries)


@pytest.mark.parametrize(
    "facts",
    [
        {"decided_at": "yesterday"},
        {"decision": "ok"},
        {"size": (0, 5)},
        {"reviewer": 5},
        {"error": b"broken"},
        {"size": (np.int64(3), np.int64(4))},
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, facts):
    path = tmp_path / "set.blur.json"
    write_blur_json(path, {"a.jpg": PictureRecord(None)})
    before = path.read_bytes()
    with pytest.raises(DetectionsError, match=r"picture 'b\.jpg'"):
        write_blur_json(path, {"a.jpg": PictureRecord(None), "b.jpg": PictureRecord(None, **facts)})
    assert path.read_bytes() == before
    assert [place.name for place in tmp_path.iterdir()] == [path.name]

"""Plates asked of a Snapshot server, which is played by a fake."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from blur_tools import AnswerError, BlurSettings, ForbiddenError, SettingsError
from blur_tools.detections import box_polygon
from blur_tools.detectors import snapshot as module
from blur_tools.detectors.snapshot import CLOUD, CLOUD_RATE, Snapshot
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.local import LocalEngine
from blur_tools.orientation import turn_stored
from blur_tools.picture import load_picture

BOX = {"xmin": 20, "ymin": 30, "xmax": 60, "ymax": 44}
RESULT = {
    "box": BOX, "plate": "ab123cd", "region": {"code": "fr", "score": 0.5}, "score": 0.3, "dscore": 0.8,
    "candidates": [{"plate": "ab123cd", "score": 0.3}],
    "vehicle": {"score": 0.7, "type": "Sedan", "box": {"xmin": 5, "ymin": 2, "xmax": 105, "ymax": 62}},
}  # fmt: skip
VEHICLE = {
    "plate": {
        "type": "Plate", "score": 0.7, "box": BOX,
        "props": {"plate": [{"value": "ab123cd", "score": 0.9}], "region": [{"value": "fr", "score": 0.5}]},
    },
    "vehicle": {"type": "Sedan", "score": 0.9, "box": {"xmin": 5, "ymin": 2, "xmax": 105, "ymax": 62}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _boxes(monkeypatch):
    """Boxes stay boxes: how they are refined has tests of its own."""
    monkeypatch.setattr(module, "quadrilateral", lambda picture, box: box_polygon(*box))


@pytest.fixture
def fake():
    with FakeBlur(results=[RESULT]) as service:
        yield service


@pytest.fixture
def picture(encode, noise):
    return load_picture(encode(noise(100, 200), "PNG"))


def find(fake: FakeBlur, picture, token: str | None = None, **params):
    return LocalEngine(Snapshot(fake.url, token=token)).detect(picture, BlurSettings(faces=-1, **params)).detections


def test_the_whole_object_is_in_the_result(fake, picture):
    (plate,) = find(fake, picture)
    assert plate.box == (20, 30, 60, 44)
    assert plate.result == RESULT
    assert (plate.score, plate.text, plate.source) == (0.8, "ab123cd", "snapshot")


def test_what_is_forwarded(fake, picture):
    find(fake, picture, regions=["fr", "gb"], config={"threshold_d": 0.2}, camera_id="cam 7")
    find(fake, picture, config={"mode": "fast"}, snapshot_filename="../other name.jpg")
    first, second = fake.posts
    assert (first.path, second.path) == ("/v1/plate-reader", "/v1/plate-reader")
    assert first.all("regions") == ["fr", "gb"]
    assert json.loads(first.get("config")) == {"mode": "redaction", "threshold_d": 0.2}
    assert first.get("camera_id") == "cam 7"
    assert first.files["upload"] == ("picture", picture.source.data)
    assert json.loads(second.get("config")) == {"mode": "fast"}
    assert second.get("camera_id") is None
    assert second.files["upload"][0] == ".._other name.jpg".strip(" .")
    assert "authorization" not in first.headers


def test_nothing_is_asked_for_plates_that_are_not_wanted(fake, picture):
    assert list(find(fake, picture, plates=-1)) == []
    assert fake.posts == []


def test_vehicles_with_and_without_a_plate(fake, picture):
    fake.results = [VEHICLE, {"plate": None, "vehicle": VEHICLE["vehicle"]}]
    (plate,) = find(fake, picture)
    assert plate.box == (20, 30, 60, 44)
    assert (plate.score, plate.text) == (0.7, "ab123cd")


def test_patterns_and_exclusions_hold_here_too(fake, picture):
    assert find(fake, picture, skip_regexp="^AB")[0].keep
    assert not find(fake, picture, skip_regexp="^xx")[0].keep
    assert list(find(fake, picture, et=45)) == []
    assert list(find(fake, picture, plate_threshold=0.9)) == []


def test_slices_are_asked_as_well_and_their_boxes_moved_back(fake, picture):
    """The plate of the right slice is another; both slices see the middle one."""

    def results(call):
        image = load_picture(call.files["upload"][1])
        return [RESULT] if image.size == (200, 100) else [{**RESULT, "dscore": 0.9}]

    fake.results = results
    found = find(fake, picture, split=2, overlap=0)
    assert [load_picture(call.files["upload"][1]).size for call in fake.posts] == [(200, 100), (100, 100), (100, 100)]
    boxes = sorted(item.box for item in found)
    assert boxes == [(20, 30, 60, 44), (120, 30, 160, 44)]
    right = next(item for item in found if item.box[0] == 120)
    assert right.result["box"] == {"xmin": 120, "ymin": 30, "xmax": 160, "ymax": 44}
    assert right.result["vehicle"]["box"]["xmin"] == 105
    assert max(item.score for item in found) == 0.9


def test_a_plate_that_a_slice_sees_more_surely_and_smaller_is_still_one(fake, picture):
    """Its scores are not our networks': how sure the larger is does not matter."""
    smaller = {**RESULT, "box": {"xmin": 25, "ymin": 32, "xmax": 50, "ymax": 42}, "dscore": 0.9}

    def results(call):
        whole = load_picture(call.files["upload"][1]).size == (200, 100)
        return [{**RESULT, "dscore": 0.3}] if whole else [smaller]

    fake.results = results
    found = find(fake, picture, split=2, overlap=0)
    assert [(item.box, item.score) for item in found if item.box[0] < 100] == [((20, 30, 60, 44), 0.9)]


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_a_turned_picture_is_sent_upright(fake, encode, noise, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turn_stored(Image.fromarray(noise(100, 200)), orientation)
    data = encode(stored, "PNG", exif=exif)
    (plate,) = find(fake, load_picture(data))
    sent = Image.open(io.BytesIO(fake.posts[0].files["upload"][1]))
    assert sent.size == (200, 100)
    upright = np.zeros((100, 200), np.uint8)
    upright[30:44, 20:60] = 1
    ys, xs = np.nonzero(np.asarray(turn_stored(Image.fromarray(upright), orientation)))
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert plate.box == expected
    assert tuple(plate.result["box"][name] for name in ("xmin", "ymin", "xmax", "ymax")) == expected


def test_the_cloud_is_asked_at_its_address_with_its_limits(fake, encode, noise, monkeypatch):
    snapshot = Snapshot(token="abc")
    assert (snapshot._service.address, snapshot.info()) == (CLOUD, None)
    assert snapshot._service._pacer.rate == CLOUD_RATE
    assert "abc" not in repr(snapshot)
    find(fake, load_picture(encode(noise(20, 20), "PNG")), token="abc")
    assert fake.posts[0].headers["authorization"] == "Token abc"


def test_an_address_with_a_path_is_used_as_it_is(fake, picture):
    assert Snapshot("http://localhost:8080/")._service.address == "http://localhost:8080/v1/plate-reader/"
    assert Snapshot("http://localhost/mine/")._service.address == "http://localhost/mine/"
    with pytest.raises(SettingsError, match="url"):
        Snapshot("localhost:8080")


def test_its_failures_are_errors(fake, picture):
    fake.then(status=403, body={"detail": "Invalid token."})
    with pytest.raises(ForbiddenError, match="Invalid token"):
        find(fake, picture)
    for body in ({}, {"results": "none"}):
        fake.then(body=body)
        with pytest.raises(AnswerError, match="without results"):
            find(fake, picture)


@pytest.mark.parametrize("result", [None, 7, {}, {"box": None}, {"box": {"xmin": "a"}}, {"plate": {"box": []}}])
def test_results_without_a_box_are_no_plates(fake, picture, result):
    fake.results = lambda call: [RESULT]
    fake.then(body={"results": [result, RESULT]})
    assert len(find(fake, picture)) == 1


def test_info_is_what_the_sdk_says_or_nothing(fake):
    snapshot = Snapshot(fake.url)
    assert snapshot.info()["version"] == "1.0.2"
    fake.then(status=500)
    assert snapshot.info() is None

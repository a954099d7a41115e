"""The local engine: what each parameter does to what is found, with the networks replaced where only that matters."""

from __future__ import annotations

import pytest
from PIL import Image

from blur_tools import BlurSettings, EngineError, SettingsError, engine
from blur_tools.detections import box_polygon
from blur_tools.detectors import faces, plates
from blur_tools.detectors.tiles import Candidate
from blur_tools.engines import Engine, as_engine
from blur_tools.picture import Picture, load_picture

PLATE, FACE = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)


@pytest.fixture
def picture(encode, noise) -> Picture:
    return load_picture(encode(noise(100, 200), "PNG"))


@pytest.fixture
def seen(monkeypatch) -> list[tuple]:
    """Replace both networks: one plate, one face; what they were asked is noted."""
    calls: list[tuple] = []

    def find_plates(picture, part, threshold):
        calls.append(("plate", part, threshold))
        return [Candidate(PLATE, 0.9)]

    def find_faces(picture, part, threshold, max_resolution=None):
        calls.append(("face", part, threshold, max_resolution))
        return [Candidate(FACE, 0.8)]

    monkeypatch.setattr(plates, "find_plates", find_plates)
    monkeypatch.setattr(faces, "find_faces", find_faces)
    return calls


def find(picture: Picture, **params):
    return engine("local").detect(picture, BlurSettings(**params))


def kinds(answer) -> set[str]:
    return {item.kind for item in answer.detections}


def test_the_local_engine_is_an_engine_and_the_default(monkeypatch):
    monkeypatch.delenv("BLUR_TOOLS_ENGINE", raising=False)
    assert isinstance(engine(), Engine)
    assert engine().name == engine("local").name == as_engine(None).name == "local"
    assert as_engine(mine := engine()) is mine
    assert set(engine().versions) == {"plates", "faces"}


def test_the_environment_names_the_default_engine(monkeypatch):
    monkeypatch.setenv("BLUR_TOOLS_ENGINE", "onpremise")
    assert engine().name == as_engine(None).name == "onpremise"


def test_unknown_engines_and_options_are_refused():
    with pytest.raises(SettingsError, match="'nonsense' is none of local"):
        engine("nonsense")
    with pytest.raises(SettingsError, match="no option token"):
        engine("local", token="x")


def test_minus_one_does_not_even_detect_its_kind(picture, seen):
    assert kinds(find(picture)) == {"plate", "face"}
    assert kinds(find(picture, plates=-1)) == {"face"}
    assert kinds(find(picture, faces=-1)) == {"plate"}
    assert [call[0] for call in seen] == ["plate", "face", "face", "plate"]
    assert len(find(picture, plates=-1, faces=-1).detections) == 0


def test_a_detection_says_where_it_came_from(picture, seen):
    plate = find(picture).detections.plates[0]
    assert plate.source.startswith("local:plate-quad")
    assert plate.polygon == PLATE
    assert plate.result == {"box": {"xmin": 10, "ymin": 20, "xmax": 50, "ymax": 30}, "score": 0.9}


def test_thresholds_reach_the_networks(picture, seen):
    find(picture, plate_threshold=0.7, face_threshold=0.6, face_max_resolution=50)
    assert [(call[2], *call[3:]) for call in seen] == [(0.7,), (0.6, 50)]


def test_split_searches_the_whole_and_each_slice_and_joins_duplicates(picture, seen):
    answer = find(picture, split=2, overlap=20)
    assert [call[1] for call in seen if call[0] == "plate"] == [
        (0, 0, 200, 100),
        (0, 0, pytest.approx(200 / 1.8), 100),
        (pytest.approx(160 / 1.8), 0, 200, 100),
    ]
    assert len(answer.detections.plates) == 1
    assert len(answer.detections.faces) == 1


@pytest.mark.parametrize(
    ("params", "left_out"),
    [
        ({"et": 31}, {"plate"}),
        ({"et": 29}, set()),
        ({"el": 26}, {"plate"}),
        ({"eb": 61}, {"face"}),
        ({"er": 51}, {"face"}),
        ({"et": 100}, {"plate", "face"}),
        ({"et": 25, "el": 20}, set()),
        ({"xmin": 5, "ymin": 15, "xmax": 55, "ymax": 35}, {"plate"}),
        ({"xmin": 5, "ymin": 15, "xmax": 49, "ymax": 35}, set()),
        ({"xmin": [0, 99], "ymin": [0, 39], "xmax": [1, 121], "ymax": [1, 71]}, {"face"}),
    ],
)
def test_only_what_lies_entirely_in_an_excluded_area_is_left_out(picture, seen, params, left_out):
    assert kinds(find(picture, **params)) == {"plate", "face"} - left_out


def test_what_reaches_beyond_the_border_is_judged_by_what_can_be_seen(picture, seen, monkeypatch):
    beyond = box_polygon(-20, -20, 30, 20)
    monkeypatch.setattr(plates, "find_plates", lambda *_: [Candidate(beyond, 0.9)])
    assert kinds(find(picture, et=25)) == {"face"}
    box = find(picture).detections.plates[0].result["box"]
    assert box == {"xmin": 0, "ymin": 0, "xmax": 30, "ymax": 20}


def turned(encode, noise, orientation: int) -> Picture:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return load_picture(encode(noise(100, 200), "JPEG", exif=exif))


def test_margins_are_of_the_upright_picture_and_rectangles_of_the_stored(encode, noise, seen):
    # stored 200 x 100, upright 100 x 200: the networks see and answer upright
    picture = turned(encode, noise, 6)
    stored = find(picture).detections.plates[0].box
    assert stored == (20, 50, 30, 90)
    assert kinds(find(picture, et=16)) == {"face"}  # upright y 20..30 of 200
    assert kinds(find(picture, el=51)) == {"face"}  # upright x 10..50 of 100
    assert kinds(find(picture, xmin=19, ymin=49, xmax=31, ymax=91)) == {"face"}


def test_parameters_of_snapshot_are_accepted_and_said_to_be_unused(picture, seen):
    assert find(picture).warnings == ()
    (warning,) = find(picture, regions="us", camera_id="c", config={"mode": "fast"}).warnings
    assert warning == "not used by the local engine: regions, config, camera_id"


def test_a_pattern_needs_the_plates_text(picture, seen):
    with pytest.raises(SettingsError, match="skip_regexp: needs the text"):
        find(picture, skip_regexp="^ab")
    assert seen == []
    assert not issubclass(SettingsError, EngineError)

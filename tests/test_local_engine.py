"""The local engine: what each parameter does to what is found, with the networks replaced where only that matters."""

from __future__ import annotations

import pytest
from PIL import Image

from blur_tools import BlurSettings, PatternTimeoutError, SettingsError, engine
from blur_tools.batch.rows import Job, detect_rows
from blur_tools.detections import box_polygon
from blur_tools.detectors import plates
from blur_tools.detectors.reading import Reading
from blur_tools.detectors.tiles import Candidate
from blur_tools.engines import Engine, _skip, as_engine, local
from blur_tools.picture import Picture, load_picture

PLATE, FACE = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)


@pytest.fixture
def picture(encode, noise) -> Picture:
    return load_picture(encode(noise(100, 200), "PNG"))


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


def test_minus_one_does_not_even_detect_its_kind(picture, networks):
    assert kinds(find(picture)) == {"plate", "face"}
    assert kinds(find(picture, plates=-1)) == {"face"}
    assert kinds(find(picture, faces=-1)) == {"plate"}
    assert [call[0] for call in networks] == ["plate", "face", "face", "plate"]
    assert len(find(picture, plates=-1, faces=-1).detections) == 0


def test_a_detection_says_where_it_came_from(picture, networks):
    plate = find(picture).detections.plates[0]
    assert plate.source.startswith("local:plate-quad")
    assert plate.polygon == PLATE
    assert plate.result == {"box": {"xmin": 10, "ymin": 20, "xmax": 50, "ymax": 30}, "score": 0.9}


def test_thresholds_reach_the_networks(picture, networks):
    find(picture, plate_threshold=0.7, face_threshold=0.6, face_max_resolution=50)
    assert [(call[2], *call[3:]) for call in networks] == [(0.7,), (0.6, 50)]


def test_split_searches_the_whole_and_each_slice_and_joins_duplicates(picture, networks):
    answer = find(picture, split=2, overlap=20)
    assert [call[1] for call in networks if call[0] == "plate"] == [
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
def test_only_what_lies_entirely_in_an_excluded_area_is_left_out(picture, networks, params, left_out):
    assert kinds(find(picture, **params)) == {"plate", "face"} - left_out


def test_what_reaches_beyond_the_border_is_judged_by_what_can_be_seen(picture, networks, monkeypatch):
    beyond = box_polygon(-20, -20, 30, 20)
    monkeypatch.setattr(plates, "find_plates", lambda *_: [Candidate(beyond, 0.9)])
    assert kinds(find(picture, et=25)) == {"face"}
    box = find(picture).detections.plates[0].result["box"]
    assert box == {"xmin": 0, "ymin": 0, "xmax": 30, "ymax": 20}


def turned(encode, noise, orientation: int) -> Picture:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return load_picture(encode(noise(100, 200), "JPEG", exif=exif))


def test_margins_are_of_the_upright_picture_and_rectangles_of_the_stored(encode, noise, networks):
    # stored 200 x 100, upright 100 x 200: the networks see and answer upright
    picture = turned(encode, noise, 6)
    stored = find(picture).detections.plates[0].box
    assert stored == (20, 50, 30, 90)
    assert kinds(find(picture, et=16)) == {"face"}  # upright y 20..30 of 200
    assert kinds(find(picture, el=51)) == {"face"}  # upright x 10..50 of 100
    assert kinds(find(picture, xmin=19, ymin=49, xmax=31, ymax=91)) == {"face"}


def test_parameters_of_snapshot_are_accepted_and_said_to_be_unused(picture, networks):
    assert find(picture).warnings == ()
    (warning,) = find(picture, regions="us", camera_id="c", config={"mode": "fast"}).warnings
    assert warning == "not used by the local engine: regions, config, camera_id"


@pytest.fixture
def says(monkeypatch):
    """Let every plate say something, and note which were read."""

    def saying(text: str | None, score: float = 0.99) -> list:
        read: list = []

        def read_plate(picture, polygon):
            read.append(polygon)
            return Reading(text, score) if text else None

        monkeypatch.setattr(local, "read_plate", read_plate)
        return read

    return saying


@pytest.mark.parametrize(
    ("pattern", "keep"), [("^ab", True), ("1.3$", True), ("B1", True), ("^b", False), (["x", "12"], True)]
)
def test_plates_whose_text_matches_are_kept(picture, networks, says, pattern, keep):
    read = says("ab123")
    found = find(picture, skip_regexp=pattern).detections
    assert [item.keep for item in found] == [keep, False]
    assert read == [PLATE]


def test_what_cannot_be_read_for_sure_is_not_kept(picture, networks, says):
    says("ab123", local.LOWEST_READING - 0.01)
    assert not find(picture, skip_regexp=".").detections.plates[0].keep
    says(None)
    assert not find(picture, skip_regexp=".*").detections.plates[0].keep


def test_the_text_stays_only_where_reading_was_asked_for_or_it_can_be_seen_anyway(picture, networks, says):
    read = says("ab123", 0.97)
    for params in ({}, {"skip_regexp": "^b"}):
        plate = find(picture, **params).detections.plates[0]
        assert plate.text is None
        assert "ab123" not in str(plate)
    assert len(read) == 1
    assert find(picture, skip_regexp="^ab").detections.plates[0].text == "ab123"
    plate, face = find(picture, read_plates=True).detections
    assert plate.result == {"box": {"xmin": 10, "ymin": 20, "xmax": 50, "ymax": 30}, "plate": "ab123", "score": 0.97,
                            "dscore": 0.9}  # fmt: skip
    assert plate.score == 0.9
    assert not plate.keep
    assert face.text is None


def test_excluded_plates_are_not_read(picture, networks, says):
    read = says("ab123")
    find(picture, read_plates=True, et=50)
    assert read == []


def test_a_pattern_that_takes_too_long_is_refused(picture, networks, says, monkeypatch):
    monkeypatch.setattr(_skip, "LONGEST_SEARCH", 0.01)
    says("a" * 40 + "b")
    with pytest.raises(PatternTimeoutError, match=r"skip_regexp: .* takes too long"):
        find(picture, skip_regexp="^(a|aa|a?a)+$")


def test_a_pattern_that_takes_too_long_on_one_picture_does_not_end_a_batch(encode, noise, networks, monkeypatch):
    monkeypatch.setattr(_skip, "LONGEST_SEARCH", 0.01)
    data = [encode(noise(100, 200), "PNG"), encode(noise(100, 210), "PNG")]
    readings = {data[0]: "a" * 40 + "b", data[1]: "aa"}
    monkeypatch.setattr(local, "read_plate", lambda picture, _: Reading(readings[picture.source.data], 0.99))
    rows = list(detect_rows(data, BlurSettings(skip_regexp="^(a|aa|a?a)+$"), local.LocalEngine(), Job(progress=False)))
    assert [row.status for row in rows] == ["failed", "ok"]
    assert "takes too long on a plate's text" in str(rows[0].error)
    assert rows[1].detections.plates[0].keep


def test_patterns_are_searched_without_the_module_that_can_be_stopped(picture, networks, says, monkeypatch):
    monkeypatch.setattr(_skip, "regex", None)
    says("ab123")
    assert find(picture, skip_regexp="AB").detections.plates[0].keep
    assert not find(picture, skip_regexp="^B").detections.plates[0].keep


def test_a_pattern_that_cannot_be_stopped_is_not_tried(picture, networks, says):
    """Python's own module knows it, but holds everything up while it searches."""
    says("abc1234")
    with pytest.raises(SettingsError, match=r"skip_regexp: .* is not a regular expression"):
        find(picture, skip_regexp=r"(?:a){e<=}")

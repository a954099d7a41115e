import contextlib
import dataclasses
import json
import math
import pickle
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_tools.detections import KINDS, Detection, Detections, box_polygon
from blur_tools.errors import DetectionsError

SQUARE = [[1, 2], [5, 2], [5, 6], [1, 6]]


def entry(**changes):
    """One detection of the lossless form."""
    return {"kind": "plate", "polygon": SQUARE, **changes}


def lossless(*entries):
    return {"version": 1, "detections": list(entries)}


def plate_answer(polygon=SQUARE, result=None):
    return {"plates": [{"polygon": polygon, "result": {} if result is None else result}], "faces": []}


def face_answer(score=0.5, **changes):
    return {"plates": [], "faces": [{"box": {"xmin": 1, "ymin": 2, "xmax": 5, "ymax": 6, **changes}, "score": score}]}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


# --- one detection


def test_corners_become_tuples_of_floats_whatever_holds_them():
    wanted = ((1.0, 2.0), (5.0, 2.0), (5.0, 6.0), (1.0, 6.0))
    for points in (SQUARE, tuple(map(tuple, SQUARE)), np.array(SQUARE), np.array(SQUARE, np.float32)):
        polygon = Detection("plate", points).polygon
        assert polygon == wanted
        assert {type(value) for point in polygon for value in point} == {float}


def test_the_box_is_the_smallest_around_the_polygon():
    assert Detection("plate", [(3, 1), (9, 4), (7, 8.5), (1.5, 6)]).box == (1.5, 1, 9, 8.5)
    assert Detection("face", box_polygon(1, 2, 5, 6)).box == (1, 2, 5, 6)


@pytest.mark.parametrize("kind", ["", "Plate", "car", None, 1, [], {}, b"plate"], ids=repr)
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(DetectionsError, match="kind"):
        Detection(kind, SQUARE)


@pytest.mark.parametrize(
    "polygon",
    [
        None, 5, "text", [], SQUARE[:3], [*SQUARE, [0, 0]], [[1, 2, 3]] * 4, [[1]] * 4, [1, 2, 3, 4], [[None, 1]] * 4,
        [["a", "b"]] * 4, [[math.nan, 1], *SQUARE[1:]], [[math.inf, 1], *SQUARE[1:]], [[10**400, 1], *SQUARE[1:]],
        [[[1], 2]] * 4, {}, {"xmin": 1}, ["12", "34", "56", "78"], {"12": 0, "34": 0, "56": 0, "78": 0},
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_what_is_not_four_finite_points_is_refused(polygon):
    with pytest.raises(DetectionsError, match="polygon"):
        Detection("plate", polygon)


@pytest.mark.parametrize(
    "score",
    [-0.01, 1.01, math.nan, math.inf, "high", [], {}, 10**400, pytest.param(10**5000, id="10**5000")],
    ids=lambda value: repr(value)[:10],
)
def test_a_score_is_between_0_and_1(score):
    with pytest.raises(DetectionsError, match="score"):
        Detection("plate", SQUARE, score)


def test_scores_at_the_bounds_and_none_are_allowed():
    assert [Detection("face", SQUARE, score).score for score in (0, 1, None, np.float32(0.5))] == [0, 1, None, 0.5]


@pytest.mark.parametrize("result", [None, [], "text", 5], ids=repr)
def test_a_result_is_an_object(result):
    with pytest.raises(DetectionsError, match="result"):
        Detection("plate", SQUARE, result=result)


@pytest.mark.parametrize("keep", ["no", "false", 0.5, [0], None], ids=repr)
def test_only_a_truth_value_can_leave_a_plate_visible(keep):
    with pytest.raises(DetectionsError, match="keep"):
        Detection("plate", SQUARE, keep=keep)


def test_numpys_truth_values_are_understood():
    """A table of pandas holds them."""
    kept = Detections([Detection("plate", SQUARE, keep=np.True_), Detection("plate", SQUARE, keep=np.False_)])
    assert [item.keep for item in Detections.from_json(kept.to_json())] == [True, False]


@pytest.mark.parametrize("source", [None, 5, ["local"]], ids=repr)
def test_a_source_is_text(source):
    with pytest.raises(DetectionsError, match="source"):
        Detection("plate", SQUARE, source=source)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"plate": "ab123cd"}, "ab123cd"),
        ({"plate": ""}, ""),
        ({"plate": {"props": {"plate": [{"value": "ab123cd"}, {"value": "other"}]}}}, "ab123cd"),
        ({}, None),
        ({"plate": None}, None),
        ({"plate": 123}, None),
        ({"plate": []}, None),
        ({"plate": {}}, None),
        ({"plate": {"props": None}}, None),
        ({"plate": {"props": "text"}}, None),
        ({"plate": {"props": {"plate": []}}}, None),
        ({"plate": {"props": {"plate": "text"}}}, None),
        ({"plate": {"props": {"plate": {"0": 1}}}}, None),
        ({"plate": {"props": {"plate": [{"value": 5}]}}}, None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_plates_text_in_either_mode_of_snapshot(result, text):
    assert Detection("plate", SQUARE, result=result).text == text


# --- a sequence that does not change


def several():
    return Detections(
        [
            Detection("plate", SQUARE, 0.9, "local", result={"plate": "a"}),
            Detection("face", SQUARE, 0.8, "local"),
            Detection("plate", box_polygon(0, 0, 2, 2), None, "person", keep=True),
        ]
    )


def test_detections_are_a_sequence():
    found = several()
    assert (len(found), len(found.plates), len(found.faces), bool(Detections())) == (3, 2, 1, False)
    assert found[0].kind == "plate"
    assert found[-1].source == "person"
    assert found[1:] == Detections([found[1], found[2]])
    assert isinstance(found[1:], Detections)
    assert found[1] in found
    assert list(reversed(found)) == [found[2], found[1], found[0]]
    with pytest.raises(IndexError):
        found[3]


def test_detections_do_not_change():
    found = several()
    with pytest.raises(TypeError):
        found[0] = found[1]
    with pytest.raises(AttributeError):
        found.note = "x"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found[0].keep = True
    assert found == several()


def test_a_result_does_not_change_with_what_it_was_made_of():
    given_ = {"plate": "abc", "box": {"xmin": 1}}
    item = Detection("plate", SQUARE, result=given_)
    given_["plate"] = "xyz"
    given_["box"]["xmin"] = 2
    assert item.result == {"plate": "abc", "box": {"xmin": 1}}


def test_what_a_detection_gives_out_does_not_change_it():
    found = Detections([Detection("plate", SQUARE, result={"plate": "abc", "box": {"xmin": 1}})])
    for form in (found[0].to_json(), found.to_api()["plates"][0]):
        form["result"]["plate"] = "xyz"
        form["result"]["box"]["xmin"] = 2
    with contextlib.suppress(TypeError):
        found[0].result["plate"] = "xyz"
    assert found[0].result == {"plate": "abc", "box": {"xmin": 1}}


def test_equal_detections_are_equal_and_hash_alike():
    assert several() == several()
    assert several() != several()[:2]
    assert several() != list(several())
    assert len({several(), several(), Detections()}) == 2
    assert len({*several(), *several()}) == 3


def test_detections_survive_pickling():
    again = pickle.loads(pickle.dumps(several()))
    assert again == several()
    assert type(again) is Detections


@pytest.mark.parametrize("item", [None, "plate", {"kind": "plate", "polygon": SQUARE}], ids=repr)
def test_only_detections_are_in_detections(item):
    with pytest.raises(DetectionsError, match=type(item).__name__):
        Detections([several()[0], item])


def test_map_and_with_source_make_new_ones():
    found = several()
    assert {item.source for item in found.with_source("me")} == {"me"}
    assert found.map(lambda item: dataclasses.replace(item, keep=True)).plates[0].keep
    assert found == several()


# --- the API's form


def test_api_boxes_are_whole_pixels_rounded_outwards():
    box = Detections([Detection("face", box_polygon(1.2, 2.9, 5.01, 6.99), 0.5)]).to_api()["faces"][0]["box"]
    assert box == {"xmin": 1, "ymin": 2, "xmax": 6, "ymax": 7}
    assert {type(value) for value in box.values()} == {int}


def test_api_form_holds_kept_detections_and_both_keys():
    assert Detections().to_api() == {"faces": [], "plates": []}
    assert [len(found) for found in several().to_api().values()] == [1, 2]


def test_api_form_of_a_drawn_face_has_a_null_score():
    assert Detections([Detection("face", SQUARE)]).to_api()["faces"][0]["score"] is None


@pytest.mark.parametrize(
    ("result", "score"),
    [
        ({"dscore": 0.8, "score": 0.3}, 0.8),
        ({"score": 0.3}, 0.3),
        ({"dscore": None, "score": 1}, 1.0),
        ({"dscore": "0.9"}, None),
        ({}, None),
        (None, None),
    ],
    ids=repr,
)
def test_a_plates_score_is_how_sure_the_detection_is(result, score):
    assert Detections.from_api({"plates": [{"polygon": SQUARE, "result": result}], "faces": []})[0].score == score


def test_api_answer_in_vehicle_mode_comes_back_whole():
    result = {
        "plate": {"type": "Plate", "score": 0.9, "props": {"plate": [{"value": "ab1", "score": 0.7}]}},
        "score": 0.4,
    }
    answer = plate_answer(result=result)
    assert Detections.from_api(answer)[0].text == "ab1"
    assert Detections.from_api(answer).to_api() == answer


def test_from_api_ignores_other_keys_and_notes_the_source():
    found = Detections.from_api({**plate_answer(), "blur": {"base64": 5}, "version": None}, "cloud")
    assert [(item.kind, item.source, item.keep) for item in found] == [("plate", "cloud", False)]


def test_plates_may_come_without_a_result_and_with_corners_outside_the_picture():
    found = Detections.from_api({"plates": [{"polygon": [[-3, -1], [9e5, 0], [9, 9], [0, 9]]}], "faces": []})
    assert found[0].result == {}
    assert found[0].polygon[0] == (-3.0, -1.0)


MALFORMED_ANSWERS = [
    None, 5, "text", [], {}, {"plates": []}, {"faces": []}, {"plates": None, "faces": []}, {"plates": 5, "faces": []},
    {"plates": {}, "faces": []}, {"plates": [], "faces": ""}, {"plates": "", "faces": {}},
    {"plates": "ab", "faces": []},
    {"plates": [None], "faces": []}, {"plates": [[]], "faces": []}, {"plates": [{}], "faces": []},
    {"plates": [{"result": {}}], "faces": []}, plate_answer(None), plate_answer(5), plate_answer("abcd"),
    plate_answer(SQUARE[:3]), plate_answer([[math.nan, 0], *SQUARE[1:]]), plate_answer(["12", "34", "56", "78"]),
    plate_answer(result=[1]), plate_answer(result="text"), plate_answer(result=5), plate_answer(result={"score": 99}),
    plate_answer(result={"dscore": math.nan}), plate_answer(result={"score": 10**400}),
    {"plates": [], "faces": [{}]}, {"plates": [], "faces": [{"box": None, "score": 1}]},
    {"plates": [], "faces": [{"box": [1, 2, 3, 4], "score": 1}]}, {"plates": [], "faces": ["face"]},
    face_answer(xmin=None), face_answer(xmin="left"), face_answer(xmin=math.nan), face_answer(xmin=math.inf),
    face_answer(xmin=10**400), face_answer(xmin=[]), face_answer(score="high"), face_answer(score=2),
    face_answer(score=[]), face_answer(score=10**400),
]  # fmt: skip


@pytest.mark.parametrize("answer", MALFORMED_ANSWERS, ids=lambda value: repr(value)[:60])
def test_a_malformed_answer_is_refused(answer):
    with pytest.raises(DetectionsError):
        Detections.from_api(answer)


def test_an_answer_that_is_an_error_is_told_in_its_words():
    with pytest.raises(DetectionsError, match="No credits left"):
        Detections.from_api({"error": "No credits left"})


def test_a_face_turned_inside_out_covers_the_same_pixels():
    """Polygons are clockwise, whatever the order of a box's sides."""
    assert Detections.from_api(face_answer(xmin=5, xmax=1))[0].polygon == box_polygon(1, 2, 5, 6)


# --- the lossless form


def test_the_lossless_form_is_this_text():
    found = Detections([Detection("plate", SQUARE, 0.5, "local", True, {"plate": "é\n"})])
    assert json.loads(found.to_json()) == lossless(
        {
            "kind": "plate", "polygon": [[1.0, 2.0], [5.0, 2.0], [5.0, 6.0], [1.0, 6.0]], "score": 0.5,
            "source": "local", "keep": True, "result": {"plate": "é\n"},
        }
    )  # fmt: skip
    assert "\n" not in found.to_json()


_numbers = st.floats(-1e6, 1e6)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_detections = st.lists(
    st.builds(
        Detection,
        st.sampled_from(KINDS),
        st.tuples(*[st.tuples(_numbers, _numbers)] * 4),
        st.none() | st.floats(0, 1),
        st.text(),
        st.booleans(),
        st.dictionaries(st.text(), _json, max_size=4),
    ),
    max_size=3,
).map(Detections)


@settings(deadline=None, max_examples=60)
@given(_detections)
def test_the_lossless_form_loses_nothing(found):
    text = found.to_json()
    assert Detections.from_json(text) == found
    assert Detections.from_json(text.encode()) == found
    assert Detections.from_json(json.loads(text)) == found
    assert Detections.from_json(text).to_json() == text


def test_only_kind_and_polygon_must_be_there():
    assert Detections.from_json(lossless(entry()))[0] == Detection("plate", SQUARE)
    assert Detections.from_json(lossless(entry(result=MappingProxyType({"a": 1}))))[0].result == {"a": 1}


@pytest.mark.parametrize("missing", ["kind", "polygon"])
def test_an_entry_without_kind_or_polygon_is_refused(missing):
    partial = entry()
    del partial[missing]
    with pytest.raises(DetectionsError, match=missing):
        Detections.from_json(lossless(partial))


MALFORMED_JSON = [
    "", " ", "[", "null", "5", "[]", '"text"', "{}", '{"version": 1}', '{"detections": []}', b"\xff\xfe\x00", b"\x00",
    None, 5, math.nan, [], {}, {"version": 1, "detections": {}}, {"version": 1, "detections": None},
    {"version": 2, "detections": []}, {"version": 0, "detections": []}, {"version": "1", "detections": []},
    lossless(None), lossless([]), lossless("text"), lossless({}), lossless(entry(extra=1)), lossless(entry(keep="no")),
    lossless(entry(keep=1)), lossless(entry(keep=None)), lossless(entry(source=None)), lossless(entry(source=5)),
    lossless(entry(kind=None)), lossless(entry(kind=[])), lossless(entry(polygon=None)),
    lossless(entry(polygon="text")), lossless(entry(score="high")), lossless(entry(score=-1)),
    lossless(entry(score=math.nan)),
    lossless(entry(score=10**400)), lossless(entry(result=None)), lossless(entry(result=[])),
    lossless({**entry(), 5: 1}),
    '{"version":1,"detections":[{"kind":"plate","polygon":[[NaN,0],[1,0],[1,1],[0,1]]}]}',
    '{"version":1,"detections":[{"kind":"plate","polygon":[[1e999,0],[1,0],[1,1],[0,1]]}]}',
    pytest.param("[" * 100_000, id="deep list"),
    pytest.param('{"detections":' * 100_000, id="deep object"),
    pytest.param('{"version":1,"detections":[' + "9" * 5000 + "]}", id="5000 digits"),
]  # fmt: skip


@pytest.mark.parametrize("form", MALFORMED_JSON, ids=lambda value: repr(value)[:60])
def test_a_malformed_lossless_form_is_refused(form):
    with pytest.raises(DetectionsError):
        Detections.from_json(form)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_can_be_read_can_be_written(number):
    """`NaN` is no JSON; refused when it is read, not when the edited table is written."""
    text = json.dumps(lossless(entry(result={"a": "?"}))).replace('"?"', number)
    with pytest.raises(DetectionsError):
        Detections.from_json(text)


@pytest.mark.parametrize(
    "result",
    [{"a": math.nan}, {"a": object()}, {"a": b"bytes"}, {(1, 2): 3}, nested(100_000)],
    ids=["nan", "object", "bytes", "key", "deep"],
)
def test_a_result_that_json_cannot_say_is_refused(result):
    with pytest.raises(DetectionsError):
        Detections([Detection("plate", SQUARE, result=result)]).to_json()


def test_an_ordinary_depth_of_nesting_is_fine():
    found = Detections([Detection("plate", SQUARE, result=nested(100))])
    assert Detections.from_json(found.to_json()) == found


def test_a_newer_version_is_named():
    with pytest.raises(DetectionsError, match="version 2"):
        Detections.from_json({"version": 2, "detections": []})


def test_the_lossless_text_can_be_stored_as_utf_8():
    """JSON can say half a surrogate pair; Parquet, CSV and SQL cannot hold one."""
    try:
        found = Detections.from_json(json.dumps(lossless(entry(source="\ud800"))))
    except DetectionsError:
        return
    assert Detections.from_json(found.to_json().encode()) == found


# --- anything at all

_key = st.sampled_from(
    ["version", "detections", "kind", "polygon", "score", "source", "keep", "result", "plates", "faces", "box", "xmin"]
)
_leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from([*KINDS, 1, SQUARE])
    | st.sampled_from([10**400, -(10**400)])
)
_anything = _leaf | st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_key | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def _with_any(form):
    """`form` with any value in the place of any of its entries."""
    return st.tuples(st.sampled_from(sorted(form)), _anything).map(lambda change: {**form, change[0]: change[1]})


_near_lossless = _with_any(entry(score=0.5, source="x", keep=False, result={})).map(lossless)
_near_answers = st.one_of(
    _with_any(plate_answer()),
    _with_any(plate_answer()["plates"][0]).map(lambda item: {"plates": [item], "faces": []}),
    _with_any(face_answer()["faces"][0]).map(lambda item: {"plates": [], "faces": [item]}),
    _with_any(face_answer()["faces"][0]["box"]).map(lambda box: face_answer(**box)),
    _with_any({"dscore": 0.5, "score": 0.5}).map(lambda result: plate_answer(result=result)),
)


@settings(deadline=None, max_examples=200)
@given(_anything | _anything.map(lambda value: lossless(value)) | _near_lossless)
def test_any_value_is_read_as_lossless_form_or_refused(value):
    for form in (value, json.dumps(value)):
        try:
            found = Detections.from_json(form)
        except DetectionsError:
            continue
        assert all(item.kind in KINDS and len(item.polygon) == 4 for item in found)


@settings(deadline=None, max_examples=200)
@given(_anything | _near_answers)
def test_any_value_is_read_as_an_answer_or_refused(value):
    try:
        found = Detections.from_api(value)
    except DetectionsError:
        return
    assert len(found) == len(value["plates"]) + len(value["faces"])
    assert all(math.isfinite(number) for item in found for number in item.box)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30) | st.binary(max_size=30))
def test_any_text_is_refused(text):
    with pytest.raises(DetectionsError):
        Detections.from_json(text)

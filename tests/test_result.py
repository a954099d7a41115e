import base64
import dataclasses
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blur_tools.detections import Detection, Detections
from blur_tools.errors import DetectionsError
from blur_tools.result import BlurResult

REFERENCE = Path(__file__).parents[2] / "shared" / "blur-api-reference.txt"

# the reference's example; its base64 is cut short there, with dots
EXAMPLE = {
    "faces": [{"box": {"xmax": 326, "xmin": 300, "ymax": 137, "ymin": 100}, "score": 0.7088521122932434}],
    "plates": [
        {
            "polygon": [
                [157.375, 494.484375], [272.546875, 544.453125], [268.890625, 581.625], [153.109375, 531.65625]
            ],
            "result": {},
        }
    ],
    "blur": {
        "content_type": "image/jpeg",
        "filename": "demo.jpg",
        "base64": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIB",
    },
}  # fmt: skip


def answer(**blur):
    return {"plates": [], "faces": [], "blur": {"content_type": "image/png", "filename": "a.png", **blur}}


def as_text(value):
    """JSON text, which tells 1 from 1.0."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not on this machine")
def test_the_example_is_that_of_the_reference_page():
    text = REFERENCE.read_text(encoding="utf-8")
    example, _ = json.JSONDecoder().raw_decode(text[text.index('{\n"faces": [') :])
    example["blur"]["base64"] = example["blur"]["base64"].removesuffix("...")
    assert example == EXAMPLE


def test_the_references_example_passes_through_detections_unchanged():
    found = Detections.from_api(EXAMPLE)
    assert (len(found.plates), len(found.faces)) == (1, 1)
    assert found.faces[0].box == (300, 100, 326, 137)
    assert found.faces[0].score == 0.7088521122932434
    assert as_text(found.to_api()) == as_text({key: EXAMPLE[key] for key in ("faces", "plates")})


def test_the_references_example_passes_through_a_result_unchanged():
    result = BlurResult.from_api(EXAMPLE, "cloud")
    assert as_text(result.to_api()) == as_text(EXAMPLE)
    assert result.data[:11] == b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
    assert (result.filename, result.content_type, result.engine) == ("demo.jpg", "image/jpeg", "cloud")
    assert {item.source for item in result.detections} == {"cloud"}


def test_the_references_example_passes_through_the_lossless_form_unchanged():
    found = Detections.from_json(Detections.from_api(EXAMPLE).to_json())
    assert as_text(found.to_api()) == as_text({key: EXAMPLE[key] for key in ("faces", "plates")})


@pytest.mark.parametrize("blur", [{"blur": None}, {}], ids=["null", "missing"])
def test_no_picture_is_null(blur):
    result = BlurResult.from_api({"plates": [], "faces": [], **blur})
    assert result.data is None
    assert result.to_api() == {"plates": [], "faces": [], "blur": None}


@given(st.binary(min_size=1, max_size=200), st.none() | st.text(), st.text())
def test_any_picture_passes_through_the_api_form(data, content_type, filename):
    result = BlurResult(Detections(), data, content_type, filename)
    assert BlurResult.from_api(json.loads(json.dumps(result.to_api()))) == result


def test_base64_has_no_line_breaks():
    assert "\n" not in BlurResult(Detections(), b"x" * 1000).to_api()["blur"]["base64"]


@pytest.mark.parametrize(
    "blur",
    [
        "", "text", 5, True, False, [], {}, {"base64": None}, {"base64": 5}, {"base64": []}, {"base64": {}},
        {"base64": "====="}, {"base64": "AAA"}, {"base64": "AA AA"}, {"base64": "é"}, {"base64": "AAAA\x00"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_picture_is_refused(blur):
    with pytest.raises(DetectionsError, match="blur"):
        BlurResult.from_api({"plates": [], "faces": [], "blur": blur})


def test_a_picture_of_no_bytes_is_refused():
    """It would be written as an empty file, as if the redaction had worked."""
    with pytest.raises(DetectionsError, match="blur"):
        BlurResult.from_api(answer(base64=""))


@pytest.mark.parametrize("changes", [{"content_type": 5}, {"content_type": {}}, {"filename": ["a"]}], ids=repr)
def test_a_picture_whose_name_or_type_is_no_text_is_refused(changes):
    with pytest.raises(DetectionsError, match="blur"):
        BlurResult.from_api(answer(base64="AAAA", **changes))


def test_a_picture_without_name_or_type_is_fine():
    result = BlurResult.from_api({"plates": [], "faces": [], "blur": {"base64": "AAAA", "content_type": None}})
    assert (result.data, result.content_type, result.filename) == (b"\0\0\0", None, "")


@pytest.mark.parametrize("value", [None, 5, "text", [], {}, {"error": "no"}, {"plates": []}], ids=repr)
def test_what_is_no_answer_is_refused(value):
    with pytest.raises(DetectionsError):
        BlurResult.from_api(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["base64", "filename", "content_type"]), inner),
        max_leaves=5,
    )
)
def test_any_value_of_blur_is_read_or_refused(blur):
    try:
        result = BlurResult.from_api({"plates": [], "faces": [], "blur": blur})
    except DetectionsError:
        return
    assert (result.data is None) == (blur is None)
    assert blur is None or base64.b64decode(blur["base64"]) == result.data


def full():
    return BlurResult(
        Detections([Detection("plate", [[0, 0], [2, 0], [2, 2], [0, 2]], 0.5)]),
        b"\xff" * 1000, "image/jpeg", "car.jpg", "lossless", "local", {"blur_tools": "1"}, ("a warning",),
    )  # fmt: skip


def test_results_are_values():
    assert full() == full()
    assert len({full(), full()}) == 1
    assert pickle.loads(pickle.dumps(full())) == full()
    with pytest.raises(dataclasses.FrozenInstanceError):
        full().data = b""


def test_the_repr_tells_what_there_is_without_the_bytes():
    text = repr(full())
    assert all(part in text for part in ("car.jpg", "1 plates", "1,000 bytes", "image/jpeg"))
    assert len(text) < 200
    assert "no picture" in repr(BlurResult(Detections()))


def test_the_api_form_has_no_local_words():
    assert set(full().to_api()) == {"plates", "faces", "blur"}
    assert set(full().to_api()["blur"]) == {"content_type", "filename", "base64"}

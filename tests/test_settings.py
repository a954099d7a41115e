import contextlib
import dataclasses
import json
import pickle
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blur_tools.errors import SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, DEFAULT_MARGIN, BlurSettings

REFERENCE = Path(__file__).parents[2] / "shared" / "blur-api-reference.txt"

# the parameter table of the reference, in its order
TABLE = [
    "upload", "upload_url", "regions", "skip_regexp", "faces", "plates", "logo", "config", "et", "el", "eb", "er",
    "xmin", "ymin", "xmax", "ymax", "split", "overlap", "camera_id", "snapshot_filename", "copy_metadata",
    "face_max_resolution",
]  # fmt: skip

PARAMETERS = {parameter.name: parameter for parameter in BlurSettings.parameters()}
NUMBERS = [p for p in PARAMETERS.values() if p.kind in ("int", "float")]
BOUNDED = [p for p in NUMBERS if p.low is not None]
RECTANGLE = {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}


def by_name(parameter):
    return parameter.name


def said(name, value):
    """Keyword arguments that say one parameter, and what it cannot be said without."""
    return {**RECTANGLE, name: value} if name in RECTANGLE else {name: value}


# --- the reference


def test_api_fields_and_the_source_are_the_parameter_table():
    assert len(TABLE) == 22
    assert ["upload", "upload_url", *(p.name for p in PARAMETERS.values() if p.api)] == TABLE


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not on this machine")
def test_parameter_table_is_that_of_the_reference_page():
    text = REFERENCE.read_text(encoding="utf-8")
    table = text[text.index("Parameter | Required | Description |") :]
    rows = table[: table.index("\n- Shell")].splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == TABLE


def test_every_api_field_is_unsaid_by_default_and_an_empty_form_says_nothing():
    nothing = BlurSettings()
    assert {p.name: getattr(nothing, p.name) for p in PARAMETERS.values() if p.api} == dict.fromkeys(TABLE[2:])
    assert nothing.to_form() == []
    assert nothing.to_dict() == {}
    assert BlurSettings.from_form([]) == nothing


# --- numbers


@pytest.mark.parametrize("parameter", BOUNDED, ids=by_name)
def test_bounds_are_inclusive(parameter):
    for bound in (parameter.low, parameter.high):
        assert getattr(BlurSettings(**{parameter.name: bound}), parameter.name) == bound


@pytest.mark.parametrize("parameter", BOUNDED, ids=by_name)
@pytest.mark.parametrize("side", ["low", "high"])
def test_values_out_of_bounds_are_refused_by_name(parameter, side):
    beyond = getattr(parameter, side) + (1 if side == "high" else -1)
    with pytest.raises(SettingsError, match="between") as caught:
        BlurSettings(**{parameter.name: beyond})
    assert caught.value.field == parameter.name
    assert str(caught.value).startswith(f"{parameter.name}: ")


def test_a_refused_value_is_not_shown_as_an_allowed_one():
    with pytest.raises(SettingsError) as caught:
        BlurSettings(overlap=90.0000001)
    assert not caught.value.problem.startswith("90 is not between")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("plates", "10", 10),
        ("faces", "-1", -1),
        ("plates", "10.0", 10),
        ("plates", 10.0, 10),
        ("et", "0.0", 0.0),
        ("er", "1e1", 10.0),
        ("et", Decimal("12.5"), 12.5),
        ("plates", np.int64(7), 7),
        ("plates", np.uint8(7), 7),
        ("plates", np.float32(7), 7),
        ("plates", np.array(7), 7),
        ("et", np.float32(0.5), 0.5),
        ("margin", np.float64(0.5), 0.5),
        ("xmin", "2.5", (2.5,)),
        ("xmin", 2, (2.0,)),
        ("xmin", np.array([2]), (2.0,)),
        ("xmin", pd.Series([2]), (2.0,)),
        ("xmin", np.float64(2), (2.0,)),
        ("xmin", np.int64(2), (2.0,)),
    ],
)
def test_numbers_in_any_form_become_plain_numbers(name, value, wanted):
    number = getattr(BlurSettings(**said(name, value)), name)
    assert number == wanted
    assert type(number) is type(wanted)
    if isinstance(number, tuple):
        assert [type(item) for item in number] == [float]


@pytest.mark.parametrize("name", ["plates", "et", "xmin", "margin"])
@pytest.mark.parametrize("value", [True, False, np.True_], ids=["True", "False", "numpy"])
def test_truth_values_are_not_numbers(name, value):
    with pytest.raises(SettingsError, match="not a number") as caught:
        BlurSettings(**said(name, value))
    assert caught.value.field == name


@pytest.mark.parametrize("name", ["plates", "et", "xmin", "margin"])
@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), "nan", "inf", "-Infinity", "1e999", np.float32("nan"), 10**400,
        -(10**400), pytest.param(10**5000, id="10**5000"), "", "ten", "1,5", "0x10", b"10", 1j, object(), {}, {"1": 2},
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_what_is_no_finite_number_is_refused_by_name(name, value):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(**said(name, value))
    assert caught.value.field == name


@pytest.mark.parametrize("name", [p.name for p in NUMBERS if p.kind == "int"])
@pytest.mark.parametrize("form", [float, str, np.float32])
def test_whole_numbers_are_whole(name, form):
    with pytest.raises(SettingsError, match="whole number") as caught:
        BlurSettings(**{name: form(PARAMETERS[name].high - 0.5)})
    assert caught.value.field == name


# --- excluded rectangles


def test_the_ith_of_each_corner_makes_a_rectangle():
    both = BlurSettings(xmin=[1, 5], ymin=["2", "6"], xmax=(3, 7), ymax=np.array([4, 8]))
    assert both.rectangles == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert BlurSettings().rectangles == ()


@pytest.mark.parametrize("short", RECTANGLE)
def test_unequal_counts_of_corners_are_refused_and_name_the_short_one(short):
    with pytest.raises(SettingsError, match="as many of each") as caught:
        BlurSettings(**{name: [1, 2] if name != short else [1] for name in RECTANGLE})
    assert caught.value.field == short


@pytest.mark.parametrize("missing", RECTANGLE)
def test_a_missing_corner_is_refused(missing):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(**{name: value for name, value in RECTANGLE.items() if name != missing})
    assert caught.value.field == missing


@pytest.mark.parametrize(("low", "high"), [("xmin", "xmax"), ("ymin", "ymax")])
def test_a_rectangle_turned_inside_out_is_refused(low, high):
    with pytest.raises(SettingsError, match=f"larger than {high}") as caught:
        BlurSettings(**{**RECTANGLE, low: 9})
    assert caught.value.field == low
    flat = {**RECTANGLE, low: RECTANGLE[high]}
    assert len(BlurSettings(**flat).rectangles) == 1


# --- text, patterns, flags, JSON


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("fr", ("fr",)),
        ("fr,us-ca", ("fr", "us-ca")),
        (" fr , us-ca ,", ("fr", "us-ca")),
        (["fr", "us-ca"], ("fr", "us-ca")),
        (["fr,us-ca", "gb"], ("fr", "us-ca", "gb")),
        (pd.Series(["fr", "gb"]), ("fr", "gb")),
        ({"fr": 1, "gb": 2}.keys(), ("fr", "gb")),
        ((code for code in ("fr", "gb")), ("fr", "gb")),
    ],
    ids=["one", "commas", "blanks", "list", "both", "series", "keys", "generator"],
)
def test_regions_come_repeated_or_separated_by_commas(value, wanted):
    assert BlurSettings(regions=value).regions == wanted


@pytest.mark.parametrize("value", [b"fr", [None], [5], [b"fr"], 5, [["fr"]]], ids=repr)
def test_regions_are_text(value):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(regions=value)
    assert caught.value.field == "regions"


@pytest.mark.parametrize("name", ["camera_id", "snapshot_filename", "effect", "shape", "render"])
@pytest.mark.parametrize("value", [5, b"text", ["text"], float("nan")], ids=repr)
def test_text_is_text(name, value):
    with pytest.raises(SettingsError, match="text is needed") as caught:
        BlurSettings(**{name: value})
    assert caught.value.field == name


@pytest.mark.parametrize("name", ["effect", "shape", "render"])
def test_a_choice_accepts_its_words_and_tells_them(name):
    for choice in PARAMETERS[name].choices:
        assert getattr(BlurSettings(**{name: choice}), name) == choice
    with pytest.raises(SettingsError, match=PARAMETERS[name].choices[-1]):
        BlurSettings(**{name: PARAMETERS[name].choices[0].upper()})


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS.values() if p.default is not None])
def test_none_is_no_value_where_there_is_a_default(name):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(**{name: None})
    assert caught.value.field == name


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "*", "a{2,1}", "(?P<x", "(?<=a+)b", "a{99999999999}", "\\", "(" * 5000], ids=lambda p: p[:12]
)
def test_a_pattern_that_does_not_compile_is_refused(pattern):
    with pytest.raises(SettingsError, match="regular expression") as caught:
        BlurSettings(skip_regexp=["fine", pattern])
    assert caught.value.field == "skip_regexp"


def test_a_single_pattern_is_not_taken_apart():
    assert BlurSettings(skip_regexp="^ab,c").skip_regexp == ("^ab,c",)


@pytest.mark.parametrize("form", [[("skip_regexp", "")], [("skip_regexp", "^zz$"), ("skip_regexp", "")]], ids=len)
def test_an_empty_pattern_does_not_leave_every_plate_visible(form):
    """An empty field of a form is not the wish to show all plates."""
    try:
        patterns = BlurSettings.from_form(form).skip_regexp or ()
    except SettingsError:
        return
    assert not any(re.search(pattern, "abc123") for pattern in patterns)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("true", True), ("True", True), (" TRUE\n", True), (True, True), (np.True_, True),
        ("false", False), ("yes", False), ("1", False), ("on", False), ("", False), ("truest", False), (False, False),
    ],
)  # fmt: skip
def test_only_the_word_true_copies_metadata(value, wanted):
    assert BlurSettings(copy_metadata=value).copy_metadata is wanted


@pytest.mark.parametrize("value", [1, 0, b"true", 1.0, ["true"]], ids=repr)
def test_copy_metadata_is_no_number(value):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(copy_metadata=value)
    assert caught.value.field == "copy_metadata"


@pytest.mark.parametrize("value", ['{"mode": "redaction"}', b'{"mode": "redaction"}', {"mode": "redaction"}], ids=repr)
def test_config_is_a_mapping_or_json_text(value):
    assert BlurSettings(config=value).config == {"mode": "redaction"}


@pytest.mark.parametrize(
    "value",
    [
        "", "{", "[]", "null", "5", '"text"', "{'mode': 1}", b"\xff\xfe{", [], [("a", 1)], 5, object(), {"a": object()},
        {"a": float("nan")}, {(1, 2): 3}, {"a": {1, 2}}, '{"a": NaN}', '{"a": 1e999}', '{"a": -Infinity}',
        pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, id="deep"),
    ],
    ids=lambda value: repr(value).partition("<object")[0][:30],  # the same in every process
)  # fmt: skip
def test_config_that_is_no_json_object_is_refused(value):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(config=value)
    assert caught.value.field == "config"


# --- logo


@pytest.fixture
def logo_file(tmp_path):
    path = tmp_path / "logo.png"
    path.write_bytes(b"the logo's bytes")
    return path


@pytest.mark.parametrize("form", [Path, str, lambda path: path.read_bytes()], ids=["Path", "str", "bytes"])
def test_a_logo_of_this_machine_is_sent_as_its_bytes(logo_file, form):
    assert BlurSettings(logo=form(logo_file)).to_form() == [("logo", b"the logo's bytes")]


@pytest.mark.parametrize("value", ["/logos/x.png", ""])
def test_a_logo_of_the_server_and_no_logo_are_sent_as_text(value):
    assert BlurSettings(logo=value).to_form() == [("logo", value)]


@pytest.mark.parametrize("value", ["missing.png", ".", "nul\0byte.png", "x" * 5000, "http://127.0.0.1/logo.png"])
def test_a_logo_that_cannot_be_read_is_named_when_it_is_sent(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        BlurSettings(logo=value).to_form()
    assert caught.value.field == "logo"


@pytest.mark.parametrize("value", [5, ["a.png"], object(), 1.5], ids=lambda v: type(v).__name__)
def test_a_logo_is_a_file_or_bytes(value):
    with pytest.raises(SettingsError) as caught:
        BlurSettings(logo=value)
    assert caught.value.field == "logo"


@pytest.mark.parametrize("path", ["/etc/passwd", "logo.png", "~/.ssh/id_rsa", "/logos/../etc/passwd", "/logosx/a.png"])
def test_a_request_cannot_name_a_file_outside_the_logo_folder(path):
    """The text of a request comes from a stranger; a path of this machine would let them have its files read."""
    with pytest.raises(SettingsError) as caught:
        BlurSettings.from_form([("logo", path)])
    assert caught.value.field == "logo"


# --- names


@pytest.mark.parametrize(
    ("name", "near"), [("plate", "plates"), ("face", "faces"), ("skip_regex", "skip_regexp"), ("efect", "effect")]
)
def test_an_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(SettingsError, match=f"did you mean {near}") as caught:
        BlurSettings.of(**{name: 1})
    assert caught.value.field == name


def test_an_unknown_name_that_is_like_none_lists_all():
    with pytest.raises(SettingsError) as caught:
        BlurSettings.of(zzzzzz=1)
    assert all(name in str(caught.value) for name in PARAMETERS)


def test_single_parameters_go_over_settings():
    base = BlurSettings(plates=3, faces=4)
    assert BlurSettings.of(base, plates="5") == BlurSettings(plates=5, faces=4)
    assert BlurSettings.of(base) == base
    assert BlurSettings.of(None, et=5) == BlurSettings(et=5)
    with pytest.raises(SettingsError) as caught:
        BlurSettings.of(base, plates=11)
    assert caught.value.field == "plates"


@pytest.mark.parametrize("value", [{"plates": 3}, "plates=3", 5], ids=repr)
def test_settings_that_are_none_are_refused(value):
    with pytest.raises(SettingsError, match=type(value).__name__):
        BlurSettings.of(value)


# --- a value


def test_settings_are_frozen():
    settings_ = BlurSettings(plates=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings_.plates = 4
    assert settings_.plates == 3


def test_config_is_a_copy_of_what_was_given():
    given_ = {"mode": "redaction", "deep": {"a": [1]}}
    settings_ = BlurSettings(config=given_)
    given_["mode"] = "other"
    given_["deep"]["a"].append(2)
    assert settings_.config == {"mode": "redaction", "deep": {"a": [1]}}


def test_config_cannot_be_changed_through_the_settings():
    settings_ = BlurSettings(config={"mode": "redaction"})
    with contextlib.suppress(TypeError):
        settings_.config["mode"] = object()
    assert settings_.config == {"mode": "redaction"}


FULL = {
    "regions": "fr,gb", "skip_regexp": "^a", "faces": 1, "plates": 10, "logo": b"logo",
    "config": {"a": [1, {"b": None}]}, "et": 1, "el": 2.5, "eb": 3, "er": 4, **RECTANGLE, "split": 3, "overlap": 10,
    "camera_id": "c", "snapshot_filename": "s", "copy_metadata": True, "face_max_resolution": 640, "effect": "fill",
    "shape": "circle", "margin": 0.5, "feather": 0.1, "plate_threshold": 0.3, "face_threshold": 0.4,
    "read_plates": True, "panorama": True, "thorough": True, "copy_gps": True, "copy_serials": True, "render": "server",
}  # fmt: skip


def test_equal_settings_are_equal_and_hash_alike():
    assert set(FULL) == set(PARAMETERS)
    a, b = BlurSettings(**FULL), BlurSettings(**FULL)
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b, BlurSettings()}) == 2


@pytest.mark.parametrize("name", FULL)
def test_every_field_takes_part_in_equality(name):
    names = RECTANGLE if name in RECTANGLE else (name,)
    assert BlurSettings(**{n: FULL[n] for n in names}) != BlurSettings()


def test_settings_survive_pickling():
    settings_ = BlurSettings(**FULL)
    assert pickle.loads(pickle.dumps(settings_)) == settings_


def test_the_dict_is_json_and_makes_the_same_settings():
    settings_ = BlurSettings(**{**FULL, "logo": "/logos/x.png"})
    assert BlurSettings(**json.loads(json.dumps(settings_.to_dict()))) == settings_
    assert BlurSettings(logo=Path("a.png")).to_dict() == {"logo": "a.png"}


def test_a_large_logo_does_not_flood_the_repr():
    assert len(repr(BlurSettings(logo=b"\0" * 100_000))) < 5_000


def test_what_is_unsaid_gets_the_default_intensity():
    assert BlurSettings(plates=0).or_default(DEFAULT_INTENSITY) == BlurSettings(plates=0, faces=DEFAULT_INTENSITY)
    assert BlurSettings(faces=-1).or_default(3) == BlurSettings(plates=3, faces=-1)
    assert (BlurSettings().intensity("plate"), BlurSettings(faces=-1).intensity("face")) == (0, -1)


@pytest.mark.parametrize("kind", ["plate", "face"])
def test_a_margin_of_zero_is_said(kind):
    assert BlurSettings(margin=0).margin_of(kind) == 0
    assert BlurSettings().margin_of(kind) == DEFAULT_MARGIN[kind]


# --- the form


def _sorted_pairs(pairs):
    """Corner parameters of rectangles, from two x and two y each."""
    boxes = [(*sorted(xs), *sorted(ys)) for xs, ys in pairs]
    names = ("xmin", "xmax", "ymin", "ymax")
    return {name: [box[i] for box in boxes] for i, name in enumerate(names)}


_number = st.floats(-1e6, 1e6)
_word = st.text(min_size=1).map(str.strip).filter(lambda text: text and "," not in text)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
API_VALUES = {
    "regions": st.lists(_word, min_size=1, max_size=4),
    "skip_regexp": st.lists(st.text(min_size=1).map(re.escape), min_size=1, max_size=3),
    "faces": st.integers(-1, 10),
    "plates": st.integers(-1, 10),
    "logo": st.binary(min_size=1) | st.just("") | st.from_regex(r"/logos/[a-z0-9]{1,9}\.png", fullmatch=True),
    "config": st.dictionaries(st.text(), _json, max_size=3),
    "et": st.floats(0, 100),
    "el": st.floats(0, 100),
    "eb": st.floats(0, 100),
    "er": st.floats(0, 100),
    "split": st.integers(0, 64),
    "overlap": st.floats(0, 90),
    "camera_id": st.text(),
    "snapshot_filename": st.text(),
    "copy_metadata": st.booleans(),
    "face_max_resolution": st.integers(32, 100_000),
}
_rectangles = st.just({}) | st.lists(
    st.tuples(st.tuples(_number, _number), st.tuples(_number, _number)), min_size=1, max_size=3
).map(_sorted_pairs)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=API_VALUES), _rectangles)
def test_the_form_brings_back_the_same_settings(values, rectangles):
    assert {*API_VALUES, *RECTANGLE} == set(TABLE[2:])
    settings_ = BlurSettings(**values, **rectangles)
    form = settings_.to_form()
    assert BlurSettings.from_form(form) == settings_
    assert all(isinstance(value, str | bytes) for _, value in form)


@pytest.mark.parametrize("name", ["regions", "skip_regexp"])
def test_the_form_brings_back_an_empty_list(name):
    """A form cannot say "none of it"; settings that look different must not travel as the same."""
    settings_ = BlurSettings(**{name: []})
    assert BlurSettings.from_form(settings_.to_form()) == settings_


def test_local_parameters_never_reach_the_form():
    local = {name: value for name, value in FULL.items() if not PARAMETERS[name].api}
    assert local
    assert BlurSettings(**local).to_form() == []


def test_the_form_of_the_vendors_client_is_understood():
    form = [("plates", "10"), ("faces", "10"), ("et", "0.0"), ("el", "0.0"), ("eb", "7.5"), ("er", "0.0")]
    form += [("regions", "fr"), ("regions", "gb"), ("config", '{"mode": "fast"}'), ("copy_metadata", "true")]
    form += [(name, text) for box in ("1122", "3344") for name, text in zip(RECTANGLE, box, strict=True)]
    read = BlurSettings.from_form(form)
    assert (read.plates, read.faces, read.eb, read.regions) == (10, 10, 7.5, ("fr", "gb"))
    assert (read.config, read.copy_metadata, read.rectangles) == ({"mode": "fast"}, True, ((1, 1, 2, 2), (3, 3, 4, 4)))


@pytest.mark.parametrize(
    "field", ["upload", "upload_url", "effect", "render", "plate_threshold", "Plates", "", "csrf_token", "__class__"]
)
def test_form_fields_that_the_api_does_not_have_are_ignored(field):
    assert BlurSettings.from_form([(field, "zzz"), ("plates", "1"), (field, b"\xff")]) == BlurSettings(plates=1)


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS.values() if p.api and not p.repeated])
def test_a_single_valued_field_given_twice_is_refused(name):
    with pytest.raises(SettingsError, match="more than once") as caught:
        BlurSettings.from_form([(name, "" if name == "logo" else "1")] * 2)
    assert caught.value.field == name


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS.values() if p.api and p.kind not in ("logo", "json")])
def test_a_file_where_a_value_is_meant_is_refused_by_name(name):
    form = [(other, "1") for other in RECTANGLE if name in RECTANGLE and other != name]
    with pytest.raises(SettingsError) as caught:
        BlurSettings.from_form([*form, (name, b"\xff")])
    assert caught.value.field == name

"""One picture in a notebook, without a browser: what a page would send goes in as messages, what it gets is caught."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import blur_tools
from blur_tools import BlurResult, BlurSettings, Detection, Detections, ExtraMissingError, OutputError, SettingsError
from blur_tools.picture import load_picture, load_thumbnail
from blur_tools.samples import scenes

for needed in ("ipywidgets", "anywidget", "magicgui"):
    pytest.importorskip(needed, reason="the extra [notebook] is not installed")

from notebook_page import FACE, PLATE, Down, Page, picture, state_of, table  # noqa: E402, F401

from blur_tools.notebook import _desk, _screen  # noqa: E402


def test_a_preview_shows_before_and_after_and_what_was_found(picture, networks):
    made = blur_tools.preview(picture)
    page = Page(made.view)
    assert [(mark["kind"], mark["polygon"]) for mark in made.view.marks] == [
        ("plate", [list(point) for point in PLATE]),
        ("face", [list(point) for point in FACE]),
    ]
    assert made.view.status == "Found 1 plate and 1 face."
    assert made.view.size == (300, 200)
    assert made.view.sides == ["before", "after"]
    page.say("ready")
    seen = page.pictures()
    changed = abs(seen["before"] - seen["after"]).max(axis=2) > 40
    assert changed[22:28, 15:45].mean() > 0.5
    assert changed[50:60, 105:115].mean() > 0.5
    assert changed[100:, 150:].mean() < 0.01


def test_nothing_is_sent_before_somebody_sees_it(picture, networks):
    made = blur_tools.preview(picture)
    page = Page(made.view)
    made.form.fields["plates"].native.value = 3
    assert page.got == []
    made._repr_mimebundle_()
    assert {getattr(message, "is") for message in page.got} == {"picture", "words"}


def test_a_click_leaves_a_mark_visible_and_hides_it_again(picture, networks):
    made = blur_tools.preview(picture)
    page = Page(made.view)
    page.say("ready")
    hidden = page.pictures()["after"]
    number = made.view.marks[0]["id"]
    page.say("toggle", id=number)
    assert [item.keep for item in made.detections] == [True, False]
    assert [mark["keep"] for mark in made.view.marks] == [True, False]
    seen = page.pictures()
    assert abs(seen["after"] - seen["before"])[22:28, 15:45].mean() < 5
    page.say("toggle", id=number)
    assert (page.pictures()["after"] == hidden).all()
    page.say("act", name="undo")
    assert [item.keep for item in made.detections] == [True, False]


def test_the_settings_render_at_once_and_the_code_follows(picture, networks):
    made = blur_tools.preview(picture, effect="gaussian")
    page = Page(made.view)
    page.say("ready")
    before = page.pictures()["after"]
    asked = len(networks)
    made.form.fields["effect"].native.value = "fill"
    assert not (page.pictures()["after"] == before).all()
    made.form.fields["plates"].native.value = 9
    made.form.fields["margin"].native.value = 0.5
    assert made.code == f"blur_tools.blur({str(picture)!r}, plates=9, effect='fill', margin=0.5)"
    assert made.code in made.line.value.replace("&#x27;", "'")
    assert len(networks) == asked  # how it is hidden asks nobody
    result = eval(made.code)
    assert result.data == made.result.data


def test_a_threshold_asks_again_and_keeps_what_a_person_did(picture, networks):
    made = blur_tools.preview(picture)
    page = Page(made.view)
    page.say("ready")
    page.say("toggle", id=made.view.marks[1]["id"])
    asked = len(networks)
    made.form.fields["plate_threshold"].native.value = 0.5
    assert networks[asked][0] == "plate"
    assert networks[asked][2] == 0.5
    assert [item.keep for item in made.detections] == [False, True]


def test_edited_marks_stand_in_the_code_without_their_text(picture):
    read = Detection("plate", PLATE, 0.9, result={"plate": "geheim1"})
    made = blur_tools.preview(BlurResult(Detections([read])), original=picture)
    page = Page(made.view)
    page.say("ready")
    assert page.words() == {made.view.marks[0]["id"]: "geheim1"}
    page.say("toggle", id=made.view.marks[0]["id"])
    names = {"blur_tools": blur_tools}
    exec(made.code.replace("blur_tools.redact", "result = blur_tools.redact"), names)
    assert names["result"].detections[0].keep
    assert "geheim1" not in state_of(made)
    assert "geheim1" not in str(made._repr_mimebundle_())


def test_all_settings_go_through_the_form(picture, networks):
    said = BlurSettings(
        plates=8, faces=9, et=5, skip_regexp=["^ab", "c$"], split=2, config={"a": 1}, regions=["de"], copy_metadata=True
    )
    made = blur_tools.preview(picture, said, xmin=[1], ymin=[1], xmax=[5], ymax=[5])
    assert made.settings == BlurSettings.of(said, xmin=[1], ymin=[1], xmax=[5], ymax=[5])
    made.form.fields["et"].native.value = "banana"
    assert "et" in made.form.problem.value
    assert 'role="alert"' in made.form.problem.value
    assert made.settings.et == 5
    made.form.fields["et"].native.value = "7.5"
    assert (made.form.problem.value, made.settings.et) == ("", 7.5)
    made.form.reset.click()
    assert made.settings == BlurSettings.of(said, xmin=[1], ymin=[1], xmax=[5], ymax=[5])


def test_every_parameter_has_a_labelled_field(picture, networks):
    form = blur_tools.preview(picture).form
    for name, parameter in form.parameters.items():
        native = form.fields[name].native
        assert native.description == name.replace("_", " ")
        assert native.tooltip == parameter.help


def test_magicgui_makes_its_own_widgets_afterwards_as_before(picture, networks):
    from magicgui import application

    before = application.Application._instance
    blur_tools.preview(picture)
    assert application.Application._instance is before


def test_an_added_plate_is_stored_upright_turned_back(networks):
    scene = next(scene for scene in scenes() if scene.name == "bus-stop.jpg")  # stored on its side
    made = blur_tools.preview(scene.data)
    width, height = made.view.size
    assert width < height
    page = Page(made.view)
    page.say("ready")
    page.say("act", name="add_plate")
    assert made.view.drawing == "plate"
    page.say("add", kind="plate", polygon=[[100, 200], [200, 200], [200, 240], [100, 240]])
    added = made.detections[-1]
    assert (added.kind, added.source.split(":")[0], made.view.drawing) == ("plate", "person", "")
    assert made.view.marks[-1]["polygon"] == [[100, 200], [200, 200], [200, 240], [100, 240]]
    assert added.box == (200, width - 200, 240, width - 100)
    page.say("reshape", id=made.view.marks[-1]["id"], polygon=[[110, 200], [9999, 200], [210, 240], [110, 240]])
    assert made.view.marks[-1]["polygon"][1] == [width, 200]
    page.say("act", name="delete")
    assert len(made.detections) == 2


@pytest.mark.parametrize(
    "content",
    [
        {"do": "toggle", "id": "x"},
        {"do": "toggle"},
        {"do": "toggle", "id": 10**400},
        {"do": "add", "kind": "cat", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        {"do": "add", "kind": "plate", "polygon": [[0, 0]]},
        {"do": "add", "kind": "plate", "polygon": "....", "x": 1},
        {"do": "reshape", "id": 99, "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        {"do": "look", "box": [0, 0, float("nan"), 1]},
        {"do": "look", "box": [0, 0, 1e9, 1]},
        {"do": "look"},
        {"do": "act", "name": "close"},
        {"do": "act", "name": "__init__"},
        {"do": "act"},
        {"do": 3},
        [],
        None,
    ],
    ids=range(16),
)
def test_what_a_page_should_not_send_changes_nothing(picture, networks, content):
    made = blur_tools.preview(picture)
    page = Page(made.view)
    page.say("ready")
    before, marks = made.detections, list(made.view.marks)
    if isinstance(content, dict):
        content = {"turn": made.view.turn, **content}  # nothing but what is asked for is wrong
    made.view._handle_custom_msg(content, [])
    assert (made.detections, made.view.marks) == (before, marks)


def test_zooming_sends_a_part_no_larger_than_the_screen(encode, noise, networks):
    made = blur_tools.preview(encode(noise(1000, 3000)))
    page = Page(made.view)
    page.say("ready")
    assert page.pictures()["before"].shape[:2] == (341, 1024)
    page.say("look", box=[1000, 200, 1300, 300])
    assert page.pictures()["before"].shape[:2] == (100, 300)
    sizes = [len(data) for message in page.got if getattr(message, "is") == "picture" for data in message.buffers]
    assert max(sizes) <= _screen.LIMIT


def test_a_broken_picture_has_its_reason_in_its_place(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    made = blur_tools.preview(path)
    assert made.view.problem.startswith("broken.jpg: a broken JPEG file")
    assert made.view.sides == []
    assert set(made._repr_mimebundle_()) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert "broken JPEG" in repr(made)
    made.save_button.click()
    assert made.view.status.startswith("Not saved: ")


def test_saving_replaces_no_file(picture, networks, tmp_path):
    made = blur_tools.preview(picture)
    original = picture.read_bytes()
    target = tmp_path / "out" / "street.png"
    made.path.value = str(target)
    made.save_button.click()
    assert made.view.status == f"Saved as {target}."
    assert target.read_bytes() == made.result.data
    made.form.fields["effect"].native.value = "fill"
    made.save(target)  # its own is replaced
    assert target.read_bytes() == made.result.data
    for name, reason in ((picture, "is there already"), (tmp_path / "a.jpg", "end in .png")):
        with pytest.raises(OutputError, match=reason):
            made.save(name)
    (tmp_path / "link.png").symlink_to(picture)
    with pytest.raises(OutputError, match="is there already"):
        made.save(tmp_path / "link.png")
    assert picture.read_bytes() == original


def test_the_code_has_what_was_marked_where_nobody_searched(picture):
    made = blur_tools.preview(picture, engine=Down())
    page = Page(made.view)
    page.say("ready")
    assert made.code.startswith("blur_tools.blur(")
    page.say("add", kind="plate", polygon=[list(point) for point in PLATE])
    names = {"blur_tools": blur_tools}
    exec(made.code.replace("blur_tools.redact", "result = blur_tools.redact"), names)
    assert names["result"].data == made.result.data


def test_the_bytes_of_a_logo_stay_beside_the_form(picture, networks, encode, noise):
    logo = encode(noise(20, 60))
    made = blur_tools.preview(picture, logo=logo)
    assert made.settings.logo == logo
    made.form.fields["plates"].native.value = 9
    assert (made.settings.logo, made.form.problem.value) == (logo, "")
    assert "PNG" not in state_of(made)
    made.form.fields["logo"].native.value = str(picture)
    assert str(made.settings.logo) == str(picture)
    made.form.reset.click()
    assert made.settings.logo == logo


def test_a_result_alone_is_shown_redacted(networks, picture):
    result = blur_tools.blur(picture)
    made = blur_tools.preview(result)
    page = Page(made.view)
    page.say("ready")
    assert made.view.sides == ["before"]
    assert made.result is result
    shown = page.pictures()["before"]
    assert shown[22:28, 15:45].std() < 40 < shown[100:, 150:].std()
    with pytest.raises(SettingsError, match="original=") as caught:
        blur_tools.preview(BlurResult(Detections()))
    assert caught.value.field == "original"


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.name)
def test_a_thumbnail_is_the_picture_made_small(scene):
    small, whole = load_thumbnail(scene.data, 160), load_picture(scene.data)
    assert max(small.image.size) == 160
    assert (small.size, small.orientation) == (whole.size, whole.orientation)
    same = np.asarray(whole.view(small.image.size), dtype=int)
    assert abs(np.asarray(small.image, dtype=int) - same).mean() < 8


@pytest.mark.parametrize("name", ["ipywidgets", "anywidget", "magicgui"])
def test_without_the_extra_it_is_named_before_anything_is_done(name, monkeypatch, table):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("blur_tools.notebook.find_spec", lambda one: None if one == name else find(one))
    for call in (
        lambda: blur_tools.preview("picture.jpg"),
        table.blur.preview,
        lambda: table.blur.audit(where="notebook"),
    ):
        with pytest.raises(ExtraMissingError, match=r"blur-tools\[notebook\]"):
            call()


def test_what_an_engine_is_asked_again_for():
    same = BlurSettings(plates=10, faces=10)
    for change in (
        {"plates": 1},
        {"faces": 0},
        {"effect": "fill"},
        {"margin": 1.0},
        {"feather": 0.5},
        {"logo": "a.png"},
    ):
        assert _desk.question(BlurSettings.of(same, **change)) == _desk.question(same), change
    for change in ({"plates": -1}, {"plate_threshold": 0.5}, {"split": 2}, {"et": 5.0}, {"skip_regexp": "a"}):
        assert _desk.question(BlurSettings.of(same, **change)) != _desk.question(same), change


def test_what_needs_no_widgets_loads_none():
    code = (
        "import sys, blur_tools; blur_tools.preview\n"
        "blur_tools.BlurResult(blur_tools.Detections())._repr_mimebundle_()\n"
        "import blur_tools.notebook._table\n"
        "print([m for m in ('ipywidgets', 'anywidget', 'magicgui', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

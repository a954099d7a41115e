"""The notebook's widgets without a browser: what a page would send goes in as messages, what it is sent is caught."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import blur_tools
from blur_tools import BlurResult, BlurSettings, Detection, Detections, ExtraMissingError, OutputError, SettingsError
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.engines.fake import FakeBlur
from blur_tools.errors import EngineError
from blur_tools.orientation import polygon_to_upright
from blur_tools.picture import load_picture, load_thumbnail
from blur_tools.samples import scenes, write_scenes

ipywidgets = pytest.importorskip("ipywidgets", reason="the extra [notebook] is not installed")
pytest.importorskip("anywidget", reason="the extra [notebook] is not installed")
pytest.importorskip("magicgui", reason="the extra [notebook] is not installed")

from notebook_privacy import leaks_of  # noqa: E402

from blur_tools.notebook import _desk, _screen, _showing, _still  # noqa: E402
from blur_tools.notebook._gallery import Gallery  # noqa: E402
from blur_tools.notebook._lane import Lane  # noqa: E402
from blur_tools.notebook._preview import Preview  # noqa: E402
from blur_tools.notebook._review import Review  # noqa: E402

PLATE, FACE = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)
"""What the fixture `networks` finds."""


class Page:
    """Stands for the browser at the other end of a view."""

    def __init__(self, view) -> None:
        self.view = view
        self.got: list[SimpleNamespace] = []
        view.send = lambda content, buffers=(): self.got.append(SimpleNamespace(**content, buffers=list(buffers)))

    @property
    def drawn(self) -> int:
        """Which picture the page has drawn last; it says so with all that it asks for."""
        turns = [message.turn for message in self.got if getattr(message, "is") == "picture"]
        return self.view.turn if self.view.problem else turns[-1] if turns else -1

    def say(self, do: str, **facts) -> None:
        """What `model.send` of the page does."""
        self.view._handle_custom_msg({"do": do, "turn": self.drawn, **facts}, [])

    def pictures(self) -> dict[str, np.ndarray]:
        """What is seen now, by side."""
        seen = {}
        for message in self.got:
            if getattr(message, "is") == "picture":
                for side, data in zip(message.sides, message.buffers, strict=True):
                    seen[side] = np.asarray(Image.open(io.BytesIO(data)), dtype=int)
        return seen

    def words(self) -> dict:
        return [message.words for message in self.got if getattr(message, "is") == "words"][-1]


@pytest.fixture
def street(noise):
    return noise(200, 300)


@pytest.fixture
def picture(tmp_path, encode, noise):
    path = tmp_path / "street.png"
    path.write_bytes(encode(noise(200, 300)))
    return path


def state_of(widget) -> str:
    """All that a notebook saves of a widget and those in it, pixels as base64."""
    found, todo = [], [widget]
    while todo:
        one = todo.pop()
        found.append({key: _plain(value) for key, value in one.get_state().items()})
        todo += list(getattr(one, "children", ()))
    return json.dumps(found, default=str)


def _plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


# ---- one picture


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


class Down:
    """An engine that cannot work."""

    name, versions = "down", {}

    def detect(self, picture, settings):
        raise EngineError("the service is asleep")


def test_where_nothing_was_searched_no_picture_goes_into_the_notebook(picture):
    made = blur_tools.preview(picture, engine=Down())
    assert made.view.status == "Not searched: the service is asleep"
    assert made.view.sides == ["before"]
    assert set(made._repr_mimebundle_()) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert made.view.still == b""
    with pytest.raises(SettingsError, match="nothing has searched"):
        _ = made.result


class Finds:
    """An engine that finds these, but for what it is told not to look for."""

    name, versions = "finds", {}

    def __init__(self, found) -> None:
        self.found = Detections(found)
        self.down = False

    def detect(self, picture, settings):
        if self.down:
            raise EngineError("the service is asleep")
        return Answer(Detections([one for one in self.found if settings.intensity(one.kind) >= 0]))


def test_what_stays_in_a_notebook_is_redacted_whatever_is_set():
    scene = scenes()[0]
    found = scene.truth.map(lambda one: Detection(one.kind, one.polygon, 0.9, keep=True))
    made = blur_tools.preview(scene.data, engine=Finds(found), plates=1, faces=0, margin=0)
    page = Page(made.view)
    bundle = made._repr_mimebundle_()
    assert page.pictures()["before"].shape == (683, 1024, 3)  # the page has seen the original
    assert made.view.still.startswith(b"\xff\xd8\xff")
    assert leaks_of({"state": state_of(made), "bundle": bundle}) == []
    # an output stays as it was when a person marks more
    assert {"application/vnd.jupyter.widget-view+json", "text/plain"} == set(bundle)
    # and the comparison would have told
    assert leaks_of(base64.b64encode(_screen.small_jpeg(scene.data, 720)).decode())


CARELESS = [
    {"plates": -1},
    {"faces": -1},
    {"face_threshold": 0.9},
    {"plate_threshold": 0.26},
    {"et": 100},
    {"el": 1},
    {"eb": 1},
    {"er": 60},
    {"xmin": 0, "ymin": 0, "xmax": 300, "ymax": 200},
    {"face_max_resolution": 32},
    {"config": {"mode": "fast"}},
    {"skip_regexp": "a"},
]
CAREFUL = [
    {},
    {"plates": 0, "faces": 1},
    {"face_threshold": 0.2},
    {"et": 0},
    {"split": 2, "overlap": 10},
    {"panorama": True},
    {"thorough": True},
    {"effect": "fill", "margin": 0, "logo": "nowhere.png"},
]


@pytest.mark.parametrize("careless", CARELESS, ids=lambda said: "-".join(said))
def test_a_careless_search_leaves_no_picture_in_the_notebook(picture, networks, careless):
    made = blur_tools.preview(picture, **careless)
    assert "image/jpeg" not in made._repr_mimebundle_()
    assert made.view.still == b""


@pytest.mark.parametrize("careful", CAREFUL, ids=lambda said: "-".join(said) or "nothing said")
def test_a_careful_search_leaves_the_redacted_one(picture, networks, careful):
    made = blur_tools.preview(picture, **careful)
    made._repr_mimebundle_()
    assert made.view.still
    still = np.asarray(Image.open(io.BytesIO(made.view.still)), dtype=int)
    assert still[22:28, 15:45].std() < 40 < still[100:, 150:].std()
    assert still[50:60, 105:115].std() < 40


def test_every_parameter_of_a_search_is_judged():
    """A new one is to be put where it belongs; until then it keeps a picture out of the notebook."""
    asked = {parameter.name for parameter in BlurSettings.parameters() if not parameter.renders}
    unjudged = asked - set(_still.LEAVES_OUT) - _still.HARMLESS
    assert unjudged == set()
    assert not set(_still.LEAVES_OUT) & _still.HARMLESS
    assert (set(_still.LEAVES_OUT) | _still.HARMLESS) <= asked


def test_the_search_counts_and_not_what_is_set_afterwards(picture):
    scene = scenes()[0]
    engine = Finds(scene.truth)
    made = blur_tools.preview(scene.data, engine=engine, faces=-1)
    made._repr_mimebundle_()
    engine.down = True
    made.form.fields["faces"].native.value = 10
    assert made.view.status == "Not searched: the service is asleep"
    assert made._repr_mimebundle_()
    assert made.view.still == b""
    engine.down = False
    made.search_button.click()
    assert made.view.still
    assert leaks_of(state_of(made)) == []
    made.form.fields["plates"].native.value = -1  # and what was kept goes
    assert made.view.still == b""


def test_a_result_keeps_what_its_own_picture_shows():
    """What became of it elsewhere is all that is known: the original has no part in it."""
    scene = scenes()[0]
    whole = blur_tools.redact(scene.data, scene.truth)
    made = blur_tools.preview(whole, original=scene.data)
    made._repr_mimebundle_()
    assert made.view.still
    assert leaks_of(state_of(made)) == []
    # a person lets marks go: they were hidden in the file
    for mark in made.view.marks:
        made.view.selected = [mark["id"]]
        made.desk.delete()
    assert made.detections == Detections()
    assert leaks_of(state_of(made)) == []
    # searched here, and then somebody else's answer again
    made = blur_tools.preview(whole, original=scene.data, engine=Finds(scene.truth))
    made._repr_mimebundle_()
    made.search_button.click()
    assert leaks_of(state_of(made)) == []
    made.session.set_detections(made.session[0].key, [], engine="other")
    assert made.view.still
    assert leaks_of(state_of(made)) == []
    half = blur_tools.redact(scene.data, scene.truth.plates)
    made = blur_tools.preview(half, original=scene.data)
    made._repr_mimebundle_()
    assert not any("a plate" in leak for leak in leaks_of(state_of(made)))
    for none in (replace(whole, data=None), replace(whole, data=b"GIF89a")):
        made = blur_tools.preview(none, original=scene.data)
        made._repr_mimebundle_()
        assert made.view.still == b""


def test_what_another_engine_found_before_stays_hidden():
    scene = scenes()[0]
    engine = Finds(scene.truth)
    made = blur_tools.preview(scene.data, engine=engine)
    made._repr_mimebundle_()
    for found in (scene.truth.plates, []):
        engine.found = Detections(found)
        made.search_button.click()
        assert made.detections == engine.found
        assert leaks_of(state_of(made)) == []


def test_a_table_s_detections_leave_no_picture_until_they_are_searched_here(tmp_path):
    scene = scenes()[0]
    (tmp_path / "street.jpg").write_bytes(scene.data)
    plates = scene.truth.plates
    frame = pd.DataFrame({"image": [str(tmp_path / "street.jpg")], "detections": [plates.to_json()]})
    gallery = frame.blur.preview(engine=Finds(scene.truth))
    opened = gallery.open_picture("street.jpg")
    opened._repr_mimebundle_()
    assert opened.view.still == b""
    opened.search_button.click()
    assert opened.view.still
    assert leaks_of(state_of(opened)) == []
    # somebody else's answer
    gallery.session.set_detections("street.jpg", plates, engine="other")
    assert opened.view.still == b""


def test_what_a_person_deleted_is_hidden_in_what_stays():
    scene = scenes()[0]
    made = blur_tools.preview(scene.data, engine=Finds(scene.truth))
    for mark in made.view.marks:
        made.view.selected = [mark["id"]]
        made.desk.delete()
    assert made.detections == Detections()
    bundle = made._repr_mimebundle_()
    assert made.view.still
    assert leaks_of({"state": state_of(made), "bundle": bundle}) == []


def marked_by_hand() -> Preview:
    """A preview that is displayed, of which nothing was found, and then all is marked."""
    scene = next(scene for scene in scenes() if scene.name == "bus-stop.jpg")  # stored on its side
    upright = load_picture(scene.data)
    made = blur_tools.preview(scene.data, engine=Finds([]))
    page = Page(made.view)
    bundle = made._repr_mimebundle_()
    assert leaks_of(state_of(made))  # nobody has found them
    assert leaks_of(bundle) == []
    for one in scene.truth:
        points = polygon_to_upright(one.polygon, upright.size, upright.orientation)
        page.say("add", kind=one.kind, polygon=[list(point) for point in points])
    assert len(made.detections) == len(scene.truth)
    return made


def test_what_a_person_adds_later_is_hidden_in_what_stays():
    assert leaks_of(state_of(marked_by_hand())) == []


def test_in_a_kernel_what_stays_follows_once_the_person_rests():
    async def kernel() -> Preview:
        made = marked_by_hand()
        kept = made.view.still
        async with asyncio.timeout(30):
            while made.view.still == kept:
                await asyncio.sleep(0.01)
        return made

    assert leaks_of(state_of(asyncio.run(kernel()))) == []


def test_a_preview_sends_less_than_400_kilobytes(noise):
    """Noise is what takes most; the state, the page's code and the picture that stays count as well."""
    made = blur_tools.preview(noise(1200, 1700), engine=Finds([Detection("plate", PLATE)]))
    page = Page(made.view)
    bundle = made._repr_mimebundle_()
    assert made.view.still
    sent = sum(len(data) for message in page.got for data in message.buffers)
    assert {side for message in page.got for side in getattr(message, "sides", ())} == {"before", "after"}
    assert sent + len(state_of(made)) + len(json.dumps(bundle)) < 400_000


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


def test_an_engine_can_be_chosen_and_no_token_of_it_is_kept(picture, networks, monkeypatch):
    monkeypatch.delenv("PLATE_RECOGNIZER_TOKEN", raising=False)
    made = blur_tools.preview(picture)
    made.engines.name.value = "cloud"
    assert "PLATE_RECOGNIZER_TOKEN" in made.view.status
    made.engines.name.value = "address"
    assert made.engines.address.layout.display == ""
    assert "type the service's address" in made.view.status
    with pytest.raises(SettingsError):
        blur_tools.preview(picture, engine="nowhere")
    with pytest.raises(SettingsError, match="holds a user or a password"):
        blur_tools.preview(picture, engine="http://user:hunter2@127.0.0.1:9/")
    with FakeBlur() as fake:
        asked = blur_tools.preview(picture, engine=blur_tools.engine(fake.url, token="hunter2"))
        assert (asked.engines.name.value, asked.view.status) == ("as given", "Found 0 plates and 0 faces.")
        asked.engines.address.value, asked.engines.name.value = fake.url, "address"
        assert asked.code == f"blur_tools.blur({str(picture)!r}, engine={fake.url!r})"
        assert len(fake.posts) == 2
    assert "hunter2" not in state_of(asked) + asked.code + repr(asked)


def test_a_secret_of_an_engine_s_address_reaches_the_engine_and_no_state(picture):
    with FakeBlur() as fake:
        made = blur_tools.preview(picture, engine=f"{fake.url}/?token=hunter2")
        assert "hunter2" not in state_of(made) + made.code + repr(made)
        assert made.engines.address.value == f"{fake.url}/"
        assert made.engines._full_address() == f"{fake.url}/?token=hunter2"
        made.engines.address.value = f"{fake.url}/b?token=hunter3"  # typed
        assert made.engines._full_address() == f"{fake.url}/b?token=hunter3"
        assert "hunter" not in state_of(made) + made.code + repr(made)
        made.engines.address.value = fake.url
        assert made.engines._full_address() == fake.url
        assert made.view.status == "Found 0 plates and 0 faces."


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


def open_widgets() -> int:
    gc.collect()
    return len(ipywidgets.widgets.widget._instances)


def test_a_closed_preview_keeps_nothing(picture, networks):
    def made_and_closed() -> list[weakref.ref]:
        made = blur_tools.preview(picture)
        made._repr_mimebundle_()
        parts = [weakref.ref(one) for one in (made, made.desk, made.desk.shown, made.desk.shown.picture)]
        made.close()
        assert made.desk.shown is None  # whoever still holds the preview holds no pixels
        return parts

    before = open_widgets()
    parts = made_and_closed()
    assert open_widgets() == before
    assert [part() for part in parts] == [None] * 4


def test_a_closed_gallery_and_a_closed_review_keep_nothing(table, networks):
    before = open_widgets()
    gallery = table.blur.preview()
    first = gallery.open_picture(gallery.session[1].key)
    shown = weakref.ref(first.desk.shown)
    opened = open_widgets()
    for item in gallery.session.items[1:4]:
        gallery.show_all()
        assert gallery.opened is None
        assert gallery.open_picture(item.key) is first
        assert first.view.title.endswith(item.key)
    assert open_widgets() == opened
    assert shown() is None
    gallery.close()
    review = Review(gallery.session)
    review.close()
    assert open_widgets() == before


def test_a_widget_that_could_not_be_made_goes_quietly(picture, table, monkeypatch):
    said, session, before = [], AuditSession.open(table), open_widgets()
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    for make in (
        lambda: blur_tools.preview(picture, engine="nowhere"),
        lambda: Review(session, engine="nowhere"),
        lambda: table.blur.preview(engine="nowhere"),
    ):
        with pytest.raises(SettingsError):
            make()
    assert open_widgets() == before
    assert said == []


def test_a_gallery_says_at_once_that_its_engine_cannot_work(table, monkeypatch):
    monkeypatch.delenv("PLATE_RECOGNIZER_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="PLATE_RECOGNIZER_TOKEN"):
        table.blur.preview(engine="cloud")
    # where nobody asked for it, the pages can be looked at all the same
    monkeypatch.setenv("BLUR_TOOLS_ENGINE", "cloud")
    gallery = table.blur.preview()
    Page(gallery.view).say("open", key=gallery.session[1].key)
    assert gallery.opened is None
    assert gallery.view.status.startswith("Not opened: ")
    assert "PLATE_RECOGNIZER_TOKEN" in gallery.view.status


def test_a_secret_of_a_url_is_not_in_the_code():
    with FakeBlur() as fake:
        made = blur_tools.preview(f"{fake.url}/a.jpg?token=hunter2")
        assert made.code == f"blur_tools.blur('{fake.url}/a.jpg')"
    assert "404" in made.view.problem
    assert "hunter2" not in state_of(made) + str(made._repr_mimebundle_())


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


# ---- what a result shows of itself


def test_a_result_shows_its_redacted_picture_and_no_other():
    result = blur_tools.redact(scenes()[0].data, scenes()[0].truth)
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == repr(result)
    shown = Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"])))
    assert shown.size == (1024, 683)
    assert not shown.getexif()
    assert leaks_of(bundle) == []
    assert set(BlurResult(Detections())._repr_mimebundle_()) == {"text/plain"}
    assert set(BlurResult(Detections(), b"GIF89a", "image/gif")._repr_mimebundle_()) == {"text/plain"}


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.name)
def test_a_thumbnail_is_the_picture_made_small(scene):
    small, whole = load_thumbnail(scene.data, 160), load_picture(scene.data)
    assert max(small.image.size) == 160
    assert (small.size, small.orientation) == (whole.size, whole.orientation)
    same = np.asarray(whole.view(small.image.size), dtype=int)
    assert abs(np.asarray(small.image, dtype=int) - same).mean() < 8


# ---- many


@pytest.fixture
def table(tmp_path):
    paths = write_scenes(tmp_path / "pictures")
    truth = {scene.name: scene.truth.to_json() for scene in scenes()}
    broken = tmp_path / "pictures" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    rows = [{"image": str(path), "detections": truth[path.name], "error": None} for path in paths]
    return pd.DataFrame([*rows, {"image": str(broken), "detections": None, "error": "a broken JPEG file"}])


def thumbs(page: Page) -> list[SimpleNamespace]:
    return [message for message in page.got if getattr(message, "is") == "thumb"]


def test_the_gallery_pages_filters_and_sorts(table):
    gallery = table.blur.preview(per_page=3)
    page = Page(gallery.view)
    page.say("thumbs")
    assert [message.key for message in thumbs(page)] == [cell["key"] for cell in gallery.view.cells]
    assert all(message.buffers[0].startswith(b"\xff\xd8\xff") for message in thumbs(page))
    assert gallery.view.pages == 3
    assert gallery.view.status.startswith("8 pictures · ")
    assert "1 failed" in gallery.view.status
    page.say("page", page=2)
    assert (gallery.page, len(gallery.view.cells)) == (2, 2)
    page.say("page", page=99)
    assert gallery.page == 2
    gallery.order.value = "riskiest first"
    keys = [gallery.session[key].risk for key in gallery._keys]
    assert keys == sorted(keys, reverse=True)
    gallery.listing.value = "failed"
    assert [cell["key"] for cell in gallery.view.cells] == ["broken.jpg"]
    assert gallery.view.cells[0]["error"] == "a broken JPEG file"
    assert gallery.view.status.startswith("1 listed of 8")
    gallery.listing.value = "with plates"
    assert all(gallery.session[key].detections.plates for key in gallery._keys)
    gallery.listing.value = "nothing found"
    assert [cell["key"] for cell in gallery.view.cells] == ["empty-street.jpg"]


def test_a_click_in_the_gallery_opens_the_preview_and_its_edits_are_in_the_table(table, networks):
    gallery = table.blur.preview()
    Page(gallery.view).say("open", key="north/two-cars.jpg")
    assert isinstance(gallery.opened, Preview)
    assert networks == []  # what the table says is not searched again
    opened = Page(gallery.opened.view)
    opened.say("ready")
    opened.say("toggle", id=gallery.opened.view.marks[0]["id"])
    opened.say("act", name="next")
    assert gallery.opened.view.title == "6 of 8 · south/bus-stop.jpg"
    assert gallery.opened.path.value == "bus-stop-blurred.jpg"
    gallery.back.click()
    assert (gallery.opened, gallery.children[-1]) == (None, gallery.view)
    frame = gallery.session.to_frame()
    assert sum(item.keep for item in frame.blur.detections()[0]) == 1
    Page(gallery.view).say("open", key="nowhere.jpg")
    assert gallery.opened is None


@pytest.mark.parametrize("change", ["threshold", "engine", "reset"])
def test_a_table_s_own_detections_are_replaced_only_when_a_person_asks(table, networks, change):
    paid = Detections([Detection("plate", PLATE, 0.9, source="cloud"), Detection("face", FACE, 0.8, source="cloud")])
    frame = table.head(1).assign(detections=paid.to_json())
    gallery = frame.blur.preview(engine=Finds([]))
    opened = gallery.open_picture(gallery.session[0].key)
    page = Page(opened.view)
    page.say("ready")
    if change == "engine":
        opened.engines.name.value = "local"
    else:
        opened.form.fields["face_threshold"].native.value = 0.9
        if change == "reset":
            opened.form.reset.click()
    assert (opened.detections, networks) == (paid, [])
    assert opened.view.status == "These detections came with the table; Search replaces them."
    opened.search_button.click()
    assert not any(one.source == "cloud" for one in opened.detections)
    opened.form.fields["plate_threshold"].native.value = 0.8  # they are this preview's now
    assert opened.view.status.startswith("Found ")


def test_the_gallery_keeps_no_picture_in_the_notebook(table):
    gallery = table.blur.preview()
    page = Page(gallery.view)
    bundle = gallery._repr_mimebundle_()
    assert len(thumbs(page)) == 8
    assert "base64" not in str(bundle)
    assert leaks_of({"state": state_of(gallery), "bundle": bundle}) == []


def test_a_gallery_of_bytes_and_of_what_is_missing(encode, noise):
    frame = pd.DataFrame({"image": [encode(noise(20, 30)), None, b"no picture", "nowhere.jpg"]})
    gallery = frame.blur.preview("image")
    page = Page(gallery.view)
    page.say("thumbs")
    assert len(gallery.view.cells) == 3
    assert [bool(message.buffers) for message in thumbs(page)] == [True, False, False]
    assert "is not a picture" in thumbs(page)[1].error
    with pytest.raises(SettingsError, match="per_page"):
        frame.blur.preview("image", per_page=0)


# ---- review


@pytest.fixture
def review(table, tmp_path):
    session = AuditSession.open(table, reviewer="Ada", journal=tmp_path / "review.jsonl")
    made = Review(session)
    yield made
    session.close()


def test_the_keys_are_those_of_napari(review):
    from blur_tools.audit.actions import ACTIONS, HOLD

    assert [(tool["name"], tool["key"]) for tool in review.view.tools] == [
        (action.name, action.key) for action in (*ACTIONS, HOLD)
    ]
    for action in ACTIONS:
        assert callable(getattr(review.desk, action.name))


def test_a_person_goes_through_the_queue(review):
    session, page = review.session, Page(review.view)
    page.say("ready")
    assert review.view.title == "1 of 8 · broken.jpg"
    assert "broken JPEG" in review.view.problem
    page.say("act", name="accept")
    assert session.counts()["accepted"] == 0  # nobody has seen it
    page.say("act", name="next")
    assert review.view.title == "2 of 8 · empty-street.jpg"
    page.say("act", name="accept")
    page.say("act", name="flag")
    assert (session[1].decision, session[2].decision) == ("accepted", "flagged")
    assert "1 flagged" in review.counts.value
    assert (review.progress.value, review.progress.max) == (2, 8)
    page.say("act", name="next_mark")
    page.say("act", name="toggle_keep")
    assert session.current.marks[0].detection.keep
    page.say("act", name="change_kind")
    page.say("act", name="undo")
    page.say("act", name="redo")
    page.say("act", name="previous")
    assert session.position == 1
    assert [item.decision for item in AuditSession.open(session.to_frame()).items].count("accepted") == 1


def test_the_redacted_side_of_a_review_is_rendered_when_it_is_asked_for(review):
    page = Page(review.view)
    review.desk.go("north/two-cars.jpg")
    page.say("ready")
    assert set(page.pictures()) == {"before"}
    page.say("act", name="toggle_preview")
    assert review.view.split == 0
    assert set(page.pictures()) == {"before", "after"}
    page.say("act", name="toggle_preview")
    assert review.view.split == 100


def test_lists_orders_and_the_reviewer(review):
    review.order.value = "riskiest first"
    assert review.session[0].risk == max(item.risk for item in review.session)
    review.reviewer.value = "Grace"
    review.desk.go("north/avenue.jpg")
    review.desk.accept()
    assert review.session["north/avenue.jpg"].reviewer == "Grace"
    review.listing.value = "accepted"
    assert review.session.current.key == "north/avenue.jpg"
    review.desk.next()
    assert "of those that are listed" in review.view.status
    review.listing.value = "flagged"
    assert review.view.status == "There is no such picture."


def test_a_closed_session_says_so_and_nothing_breaks(review):
    review.desk.go("north/avenue.jpg")
    page = Page(review.view)
    page.say("ready")
    review.session.close()
    page.say("act", name="flag")
    assert "closed" in review.view.status


def test_audit_in_a_notebook_shows_the_session_and_returns_it(table, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    with table.blur.audit(where="notebook") as session:
        assert isinstance(session, AuditSession)
        assert [type(one) for one in shown] == [Review]
        shown[0].desk.go("north/avenue.jpg")
        shown[0].desk.accept()
        assert (session.to_frame()["decision"] == "accepted").sum() == 1
        assert "base64" not in str(shown[0]._repr_mimebundle_())
    with pytest.raises(SettingsError, match="none of napari, notebook, none"):
        table.blur.audit(where="elsewhere")


def test_what_is_meant_for_the_picture_before_is_dropped(review):
    """A kernel that was busy gets several keys at once: only the first is of what the person saw."""
    session, page = review.session, Page(review.view)
    review.desk.go("north/avenue.jpg")
    page.say("ready")
    seen = page.drawn
    for _ in range(3):
        page.say("act", turn=seen, name="accept")
    assert session.counts()["accepted"] == 1
    assert review.view.status == "Not done: it was meant for the picture before."
    after = session.current
    number, polygon = after.marks[0].id, [[5, 5], [9, 5], [9, 9], [5, 9]]
    for do, facts in (
        ("toggle", {"id": number}),
        ("select", {"ids": [number]}),
        ("reshape", {"id": number, "polygon": polygon}),
        ("add", {"kind": "face", "polygon": polygon}),
        ("look", {"box": [0, 0, 50, 50]}),
        ("act", {"name": "add_plate"}),
    ):
        page.say(do, turn=seen, **facts)
        page.view._handle_custom_msg({"do": do, **facts}, [])  # and one that does not say what it saw
    assert session.current.marks == after.marks
    assert (review.view.selected, review.view.drawing, review.desk._box) == ([], "", None)
    page.say("act", turn=seen, name="next")  # going on is never wrong
    assert session.current.key != after.key
    page.say("act", name="accept")
    assert session.counts()["accepted"] == 2


# ---- the table


def test_show_has_a_thumbnail_of_each_redacted_file(table, tmp_path):
    result = table.blur.redact("image", out=tmp_path / "blurred", progress=False)
    html = result.blur.show(out=tmp_path / "blurred")._repr_html_()
    assert html.count("data:image/jpeg;base64,") == 7
    assert leaks_of(html) == []
    assert "the first 2 are shown" in result.blur.show(out=tmp_path / "blurred", rows=2).html
    # a table that says that an original is its result
    result["blurred"] = "../pictures/north/two-cars.jpg"
    result.loc[1, "blurred"] = "pictures/north/avenue.jpg"
    result["error"] = "<script>alert(1)</script>"
    html = result.blur.show(out=tmp_path / "blurred").html
    assert "base64" not in html
    assert "<script>" not in html
    assert "not in blurred" in html
    with pytest.raises(SettingsError, match="no column 'blurred'"):
        table.blur.show()
    with pytest.raises(SettingsError, match="rows"):
        result.blur.show(rows=0)


# ---- beside the kernel, and without the extra


def test_a_lane_works_beside_the_loop_and_only_the_last_that_waits_is_done():
    done, go = [], threading.Event()

    async def kernel() -> None:
        lane = Lane()
        lane.start(lambda: go.wait(30), lambda value, error: done.append("first"))
        lane.start(lambda: 1, lambda value, error: done.append("dropped"))
        lane.start(lambda: 1 / 0, lambda value, error: done.append(type(error)))
        go.set()
        async with asyncio.timeout(30):
            while lane.busy:
                await asyncio.sleep(0.001)

    asyncio.run(kernel())
    assert done == ["first", ZeroDivisionError]


def test_what_is_prepared_is_not_decoded_again(table, monkeypatch):
    loaded, gate = [], threading.Event()
    load = _showing.Seen.load

    def slow(source):
        loaded.append(source)
        if len(loaded) == 2:
            gate.wait(30)
        return load(source)

    monkeypatch.setattr(_showing.Seen, "load", slow)

    async def kernel() -> None:
        made = Review(AuditSession.open(table.iloc[1:4]))
        page = Page(made.view)
        async with asyncio.timeout(30):
            while made.desk.shown is None:
                await asyncio.sleep(0.001)
            page.say("ready")
            while len(loaded) < 2:
                await asyncio.sleep(0.001)
            page.say("act", name="next")  # while it is being prepared
            gate.set()
            while made.desk.shown is None:
                await asyncio.sleep(0.001)
        made.close()

    asyncio.run(kernel())
    assert len({str(source) for source in loaded[:2]}) == 2
    assert not any(str(source) == str(loaded[1]) for source in loaded[2:])


def test_a_search_that_ends_after_the_person_has_gone_on_reaches_its_own_picture(table, noise):
    gate = threading.Event()

    class Slow:
        name, versions = "slow", {}

        def detect(self, picture, settings):
            gate.wait(30)
            return Answer(Detections([Detection("plate", PLATE, 0.5)]))

    async def kernel() -> AuditSession:
        session = AuditSession.open(table[["image"]].head(2))
        made = Review(session, engine=Slow())
        async with asyncio.timeout(30):
            while made.desk._awaited is None:
                await asyncio.sleep(0.001)
            first = session.current.key
            made.desk.accept()
            assert made.view.status == "The picture is still being searched."
            made.desk.next()
            while made.desk._awaited == first:  # the second waits for its turn
                await asyncio.sleep(0.001)
            gate.set()
            while not all(item.detected for item in session):
                await asyncio.sleep(0.001)
        assert session.current.key != first
        assert len(made.view.marks) == 1
        return session

    session = asyncio.run(kernel())
    assert [len(item.marks) for item in session] == [1, 1]


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


def test_ten_thousand_rows_open_on_one_page(tmp_path):
    found = Detections([Detection("plate", PLATE, 0.5), Detection("face", FACE, 0.9)]).to_json()
    frame = pd.DataFrame({"image": [f"{tmp_path}/{number:05}.jpg" for number in range(10_000)], "detections": found})
    gallery = frame.blur.preview()
    assert isinstance(gallery, Gallery)
    assert (gallery.view.pages, len(gallery.view.cells)) == (417, 24)
    assert len(state_of(gallery)) < 100_000


def test_what_needs_no_widgets_loads_none():
    code = (
        "import sys, blur_tools; blur_tools.preview\n"
        "blur_tools.BlurResult(blur_tools.Detections())._repr_mimebundle_()\n"
        "import blur_tools.notebook._table\n"
        "print([m for m in ('ipywidgets', 'anywidget', 'magicgui', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- files that are replaced meanwhile


@pytest.fixture
def pair(tmp_path, encode, noise):
    """Two pictures in a folder, and the review of it."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(noise(200, 300)))
    with AuditSession.open(tmp_path, reviewer="Ada") as session:
        yield session


def test_a_file_that_was_replaced_is_shown_and_searched_before_it_is_accepted(pair, tmp_path, networks, encode, noise):
    made = Review(pair)
    page = Page(made.view)
    page.say("ready")
    searched = len(networks)
    assert pair["a.png"].detected
    (tmp_path / "a.png").write_bytes(encode(noise(240, 300)))
    page.say("act", name="accept")
    assert pair["a.png"].decision == "unreviewed"
    assert pair.position == 0
    assert "has changed" in made.view.status
    assert made.view.size == (300, 240)
    assert len(networks) > searched
    page.say("act", name="accept")
    assert pair["a.png"].decision == "accepted"


def test_an_answer_about_the_file_before_is_not_taken(pair, tmp_path, encode, noise):
    class Slow:
        """While it searches, somebody replaces the file."""

        name, versions = "slow", {}

        def detect(self, picture, settings):
            (tmp_path / "a.png").write_bytes(encode(noise(240, 300)))
            return Answer(Detections([Detection("plate", box_polygon(10, 20, 50, 30), 0.9)]))

    made = Review(pair, engine=Slow())
    page = Page(made.view)
    page.say("ready")
    assert pair["a.png"].marks == ()
    page.say("act", name="accept")
    assert pair["a.png"].decision == "unreviewed"

"""What a notebook keeps of the widgets when it is saved, and memory of those that are closed or old."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import blur_tools
from blur_tools import BlurResult, BlurSettings, Detection, Detections, SettingsError
from blur_tools.audit.session import AuditSession
from blur_tools.engines.fake import FakeBlur
from blur_tools.orientation import polygon_to_upright
from blur_tools.picture import load_picture
from blur_tools.samples import scenes

for needed in ("ipywidgets", "anywidget", "magicgui"):
    pytest.importorskip(needed, reason="the extra [notebook] is not installed")

from notebook_page import PLATE, Down, Finds, Page, open_widgets, picture, state_of, table, thumbs  # noqa: E402, F401
from notebook_privacy import leaks_of  # noqa: E402

from blur_tools.notebook import _screen, _showing, _still  # noqa: E402
from blur_tools.notebook._preview import Preview  # noqa: E402
from blur_tools.notebook._review import Review  # noqa: E402


def test_where_nothing_was_searched_no_picture_goes_into_the_notebook(picture):
    made = blur_tools.preview(picture, engine=Down())
    assert made.view.status == "Not searched: the service is asleep"
    assert made.view.sides == ["before"]
    assert set(made._repr_mimebundle_()) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert made.view.still == b""
    with pytest.raises(SettingsError, match="nothing has searched"):
        _ = made.result


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


def test_a_secret_of_a_url_is_not_in_the_code():
    with FakeBlur() as fake:
        made = blur_tools.preview(f"{fake.url}/a.jpg?token=hunter2")
        assert made.code == f"blur_tools.blur('{fake.url}/a.jpg')"
    assert "404" in made.view.problem
    assert "hunter2" not in state_of(made) + str(made._repr_mimebundle_())


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


def test_the_gallery_keeps_no_picture_in_the_notebook(table):
    gallery = table.blur.preview()
    page = Page(gallery.view)
    bundle = gallery._repr_mimebundle_()
    assert len(thumbs(page)) == 8
    assert "base64" not in str(bundle)
    assert leaks_of({"state": state_of(gallery), "bundle": bundle}) == []


def test_only_the_last_views_hold_pixels_and_an_old_one_reads_them_again(picture):
    """A cell that is run again makes a new preview, and ipywidgets keeps the old one."""
    made = [blur_tools.preview(picture, engine=Finds([Detection("plate", PLATE)])) for _ in range(_showing.AWAKE + 2)]
    assert [one.desk._shown is not None for one in made] == [False, False] + [True] * _showing.AWAKE
    assert made[0].desk._redaction is made[0].desk._still is None
    page = Page(made[0].view)
    page.say("ready")
    page.say("toggle", id=made[0].view.marks[0]["id"])
    assert made[0].detections[0].keep
    assert set(page.pictures()) == {"before", "after"}
    assert sum(one.desk._shown is not None for one in made) == _showing.AWAKE


def test_a_view_that_rested_shows_a_file_that_was_replaced_before_anything_is_done(picture, encode, noise):
    made = blur_tools.preview(picture, engine=Finds([Detection("plate", PLATE)]))
    page = Page(made.view)
    page.say("ready")
    made.desk.rest()
    picture.write_bytes(encode(noise(240, 300)))
    page.say("act", name="add_plate")
    assert made.view.status == "Not done: it was meant for the picture before."
    assert (made.view.size, made.view.drawing) == ((300, 240), "")
    made.desk.rest()
    picture.unlink()
    page.say("act", name="add_plate")
    assert made.view.problem == "street.png: no such file"


def test_what_is_marked_just_before_a_view_rests_is_hidden_in_what_stays():
    async def kernel() -> Preview:
        made = marked_by_hand()
        made.desk.rest()  # before the quarter of a second is over
        return made

    assert leaks_of(state_of(asyncio.run(kernel()))) == []


def test_a_picture_that_nobody_looks_at_keeps_no_redacted_one(picture):
    made = blur_tools.preview(picture, engine=Finds([Detection("plate", PLATE)]))
    made._repr_mimebundle_()
    assert made.view.still
    made.desk.leave()
    assert made.view.still == b""


def test_the_account_s_name_is_in_the_journal_and_in_no_state(table, tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "hunter2")
    with AuditSession.open(table, journal=tmp_path / "review.jsonl") as session:
        review = Review(session)
        review.desk.go("north/avenue.jpg")
        review.desk.accept()
        assert session["north/avenue.jpg"].reviewer == "hunter2"
        assert "hunter2" not in state_of(review)
        review.reviewer.value = "Grace"
        assert session.reviewer == "Grace"
        review.reviewer.value = " "
        assert session.reviewer == "hunter2"

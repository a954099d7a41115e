"""A person goes through pictures with mouse and keyboard; the session holds exactly what they did."""

from __future__ import annotations

import json
import shutil
import threading

import pandas as pd
import pytest
from napari.layers.base import ActionType
from napari_hands import FACE, PLATE, Hands, audit, folder, hands, session, viewer  # noqa: F401
from qtpy.QtWidgets import QPushButton

from blur_tools import Detection, Detections
from blur_tools.audit.sampling import draw_sample
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.napari import _audit_widget, open_audit
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._jobs import export_session, save_session, search_rest
from blur_tools.napari._layers import COLOURS

TOLERANCE = 2.5
"""Pixels of the picture: a person hits a whole pixel of the screen."""


def polygons(session: AuditSession, key: str) -> list[tuple[str, list[list[float]]]]:
    return [(m.detection.kind, [list(point) for point in m.detection.polygon]) for m in session[key].marks]


def to_hex(colour) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in colour[:3])


def about(points) -> list:
    return [pytest.approx(list(point), abs=TOLERANCE) for point in points]


def test_a_person_mends_three_pictures_by_mouse_and_keyboard(hands, audit, session, folder):
    # draw a plate
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert polygons(session, "a.png")[2] == ("plate", about(box_polygon(200, 300, 290, 340)))
    # pull its top right corner up
    hands.wait(lambda: hands.window.desk.stage.marks.layer.mode == "direct")
    hands.drag([(290, 300), (300, 280)])
    assert polygons(session, "a.png")[2] == ("plate", about([(200, 300), (300, 280), (290, 340), (200, 340)]))
    # delete the face
    hands.click(330, 90)
    hands.key("Delete")
    assert [kind for kind, _ in polygons(session, "a.png")] == ["plate", "plate"]
    # three times back: as the engine found it
    for _ in range(3):
        hands.key("Control-Z")
    assert polygons(session, "a.png") == [("plate", [*map(list, PLATE)]), ("face", [*map(list, FACE)])]
    # twice forth: the plate with its pulled corner, and the face
    for _ in range(2):
        hands.key("Control-Shift-Z")
    assert [kind for kind, _ in polygons(session, "a.png")] == ["plate", "face", "plate"]
    hands.key("A")
    hands.shown("b/c.png")
    assert session["a.png"].decision == "edited"
    hands.key("A")
    hands.shown("d.png")
    hands.key("B")
    hands.shown("b/c.png")
    hands.key("N")
    hands.shown("d.png")
    hands.key("G")
    frame = session.to_frame().set_index("image", drop=False)
    assert list(session.to_frame()["decision"]) == ["edited", "accepted", "flagged"]
    assert list(session.to_frame()["n_plates"]) == [2, 1, 1]
    assert set(frame["reviewer"]) == {"ada"}
    # the journal alone says the same
    before = [(item.key, item.marks, item.decision) for item in session.items]
    session.close()
    with AuditSession.resume(folder / ".blur-audit.jsonl") as again:
        assert [(item.key, item.marks, item.decision) for item in again.items] == before


def test_nothing_that_was_done_is_lost_when_the_process_dies(hands, audit, session, folder, tmp_path):
    """After each thing a person does, the journal as it lies on the disk gives the same review again."""

    def killed_now(number: int) -> None:
        copy = tmp_path / f"killed-{number}"
        shutil.copytree(folder, copy)
        with AuditSession.resume(copy / ".blur-audit.jsonl") as again:
            assert [(i.key, i.marks, i.decision) for i in again.items] == [
                (i.key, i.marks, i.decision) for i in session.items
            ]

    things = [
        lambda: (hands.key("P"), hands.drag([(200, 300), (290, 340)])),
        lambda: (hands.rest(), hands.drag([(200, 340), (190, 350)])),
        lambda: (hands.click(330, 90), hands.key("Delete")),
        lambda: hands.key("Control-Z"),
        lambda: hands.key("A"),
        lambda: (hands.shown("b/c.png"), hands.click(100, 220), hands.key("K")),
        lambda: hands.key("B"),
    ]
    for number, thing in enumerate(things):
        before = session.items
        thing()
        assert session.items != before or number == len(things) - 1
        killed_now(number)


def test_undo_stays_with_its_picture_and_zoom_stays_with_the_person(hands, audit, session):
    hands.key("F")
    hands.drag([(200, 300), (240, 350)])
    camera = hands.viewer.scene.camera
    camera.zoom, camera.center = 3.0, (0, 210.0, 250.0)
    hands.key("N")
    hands.shown("b/c.png")
    assert (camera.zoom, camera.center[1:]) == (3.0, (210.0, 250.0))
    hands.key("Control-Z")
    assert "nothing to take back" in hands.window.status
    assert len(session["a.png"].marks) == 3
    assert session.current.key == "b/c.png"
    hands.key("B")
    hands.shown("a.png")
    hands.key("Control-Z")
    assert len(session["a.png"].marks) == 2


def test_marks_are_mended_without_a_mouse(hands, audit, session):
    hands.key("M")
    hands.key("M")
    hands.key("K")
    assert [m.detection.keep for m in session["a.png"].marks] == [False, True]
    hands.rest()
    hands.key("M")
    hands.key("Delete")
    assert [m.detection.kind for m in session["a.png"].marks] == ["face"]


def test_keep_kind_and_what_is_seen(hands, audit, session):
    layer = hands.window.desk.stage.marks.layer
    hands.click(330, 90)
    hands.key("K")
    assert [m.detection.keep for m in session["a.png"].marks] == [False, True]
    hands.wait(lambda: "kept" in layer.features["label"][1])
    assert [to_hex(colour) for colour in layer.edge_color] == [COLOURS["plate"], COLOURS["keep"]]
    hands.key("K")
    hands.key("C")
    assert [(m.detection.kind, m.detection.keep) for m in session["a.png"].marks] == [("plate", False)] * 2
    hands.key("H")
    assert not layer.visible
    hands.key("H")
    hands.key("L")
    assert layer.visible
    assert not layer.text.visible


def test_the_preview_follows_edits_and_a_held_key_shows_the_original(hands, audit, session):
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    stage = hands.window.desk.stage
    original = stage.shown.pixels
    hands.key("R")
    assert stage.preview.visible
    assert not (stage.preview.data[205:235, 70:150] == original[205:235, 70:150]).any(axis=2).all()
    assert (stage.preview.data[300:340, 200:290] == original[300:340, 200:290]).all()
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert (stage.preview.data[310:330, 220:270] != original[310:330, 220:270]).any(axis=2).mean() > 0.9
    hands.key("Control-Z")
    assert (stage.preview.data[300:340, 200:290] == original[300:340, 200:290]).all()
    QTest.keyPress(hands.canvas, Qt.Key_O)
    assert (stage.preview.visible, stage.marks.layer.visible) == (False, False)
    QTest.keyRelease(hands.canvas, Qt.Key_O)
    assert (stage.preview.visible, stage.marks.layer.visible) == (True, True)


def test_slips_and_odd_shapes(hands, audit, session):
    layer = hands.window.desk.stage.marks.layer
    # a click is no mark
    hands.key("P")
    hands.click(250, 300)
    hands.rest()
    assert len(session["a.png"].marks) == len(layer.data) == 2
    hands.drag([(200, 300), (290, 340)])
    assert len(session["a.png"].marks) == 3
    # napari's own tools: a corner taken away leaves a mark that covers what was there
    hands.rest()
    layer.mode = "vertex_remove"
    hands.click(290, 340)
    hands.rest()
    assert len(layer.data[2]) == 4
    mark = session["a.png"].marks[2].detection
    assert mark.box[:2] == about([(200, 300)])[0]
    # copying makes a new mark
    layer.mode = "select"
    hands.rest()
    hands.click(80, 220)
    hands.key("Control-C")
    hands.key("Control-V")
    assert len({m.id for m in session["a.png"].marks}) == 4
    # a mark that was pulled flat is refused, and stands as it stood
    before = session["a.png"].marks
    flat = [data.copy() for data in layer.data]
    flat[0][:] = flat[0][0]
    layer.data = flat
    layer.events.data(value=layer.data, action=ActionType.CHANGED, data_indices=(0,), vertex_indices=((),))
    hands.rest()
    assert session["a.png"].marks == before
    hands.wait(lambda: not (layer.data[0] == layer.data[0][0]).all())


def test_the_table_of_features_can_be_edited(hands, audit, session):
    layer = hands.window.desk.stage.marks.layer
    table = layer.features.copy()
    table.loc[0, "kind"], table.loc[1, "keep"] = "face", True
    layer.features = table
    hands.rest()
    assert [(m.detection.kind, m.detection.keep) for m in session["a.png"].marks] == [("face", False), ("face", True)]


def test_a_person_pulls_a_corner_of_a_face_and_it_stays_a_box(hands, audit, session):
    hands.click(330, 90)
    hands.drag([(360, 130), (380, 160)])
    assert polygons(session, "a.png")[1] == ("face", about(box_polygon(300, 60, 380, 160)))


# ---- bad input


def test_a_bad_and_a_vanished_picture_are_said_and_skipped(hands, folder):
    (folder / "b/c.png").write_bytes(b"no picture")
    session = AuditSession.open(folder)
    (folder / "d.png").unlink()
    (folder / "e.png").write_bytes((folder / "a.png").read_bytes())
    panel = open_audit(session, hands.viewer)
    panel.search.value = False
    hands.shown("a.png")
    hands.key("N")
    hands.wait(lambda: session["d.png"].error and "d.png" in hands.window.status)
    assert session["b/c.png"].error
    assert session["d.png"].error == "no such file"
    assert "not readable" in panel.counts.value
    # nobody can accept what nobody saw
    hands.key("A")
    assert session.counts()["accepted"] == 0
    hands.key("B")
    hands.shown("a.png")
    # it is there again
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes())
    hands.window.desk.go("d.png")
    hands.shown("d.png")
    session.close()


def test_many_bad_pictures_are_said_once_and_skipped_together(hands, folder, monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", told.append)
    for number in range(1200):
        (folder / "b" / f"{number:04d}.png").write_bytes(b"no picture")
    session = AuditSession.open(folder)
    for item in session.items:
        if item.key.startswith("b/0") or item.key.startswith("b/1"):
            session.set_error(item.key, "is not a picture")
    panel = open_audit(session, hands.viewer)
    panel.search.value = False
    hands.shown("a.png")
    hands.key("N")
    hands.shown("b/c.png")
    assert told == ["b/0000.png is skipped: is not a picture, and 1199 more pictures with it"]
    session.close()


def test_a_layer_that_was_thrown_away_comes_back(hands, audit, session):
    hands.viewer.layers.remove(hands.window.desk.stage.marks.layer)
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert len(session["a.png"].marks) == 3
    hands.viewer.layers.clear()
    hands.key("N")
    hands.shown("b/c.png")
    assert [layer.name for layer in hands.viewer.layers] == ["Picture", "Plates and faces"]


def test_a_newer_journal_is_said_and_left_alone(hands, folder):
    AuditSession.open(folder).close()
    journal = folder / ".blur-audit.jsonl"
    newer = journal.read_text().replace('"version": 1', '"version": 99').replace('"version":1', '"version":99')
    journal.write_text(newer)
    hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel = audit_panel(hands.viewer)
    panel.open_folder(folder)
    hands.wait(lambda: "99" in hands.window.status)
    assert panel.session is None
    assert journal.read_text() == newer
    panel.open_folder(folder / "no such folder")
    hands.wait(lambda: "no such folder" in hands.window.status)


# ---- searching on the way


def test_the_next_picture_is_searched_before_it_comes(hands, folder, networks):
    session = AuditSession.open(folder)
    open_audit(session, hands.viewer)
    hands.wait(lambda: session["b/c.png"].detected)
    assert session.current.key == "a.png"
    assert not session["d.png"].detected
    assert len(hands.window.desk.stage.marks.layer.data) == 2
    hands.key("N")
    assert hands.window.desk.is_shown  # at once
    hands.wait(lambda: session["d.png"].detected)
    session.close()


def test_a_service_that_fails_is_said_and_nothing_is_lost(hands, folder):
    session = AuditSession.open(folder)
    hands.window.engine_name, hands.window.address = "address", "http://127.0.0.1:9"
    panel = open_audit(session, hands.viewer)
    hands.wait(lambda: "Nothing is lost" in hands.window.status)
    assert "127.0.0.1:9" in hands.window.status
    assert [item.error for item in session.items] == ["", "", ""]
    assert not hands.window.desk.auto
    # a person goes on by hand
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert len(session["a.png"].marks) == 1
    # and asks another engine
    hands.window.engine_name = "local"
    panel.search.value = False
    panel.search.value = True
    hands.wait(lambda: session["a.png"].detected)
    assert len(session["a.png"].marks) >= 1
    session.close()


def test_all_are_searched_saved_and_exported(hands, folder, networks, tmp_path):
    session = AuditSession.open(folder)
    panel = open_audit(session, hands.viewer)
    panel.search.value = False
    search_rest(hands.window)
    hands.wait(lambda: hands.window.jobs.current is None)
    assert all(item.detected for item in session.items)
    hands.shown("a.png")
    hands.key("A")
    hands.shown("b/c.png")
    hands.key("A")
    hands.shown("d.png")
    out = folder / "results"
    save_session(hands.window, out)
    hands.wait(lambda: hands.window.jobs.current is None)
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == ["a.png", "b/c.png"]
    assert "2 of 2 pictures saved" in hands.window.status
    assert "left out as not accepted: 1" in hands.window.status
    # what is flagged later, or is another file by now, is not left there as it was
    session.decide("a.png", "flagged")
    (folder / "b/c.png").write_bytes((folder / "d.png").read_bytes() + b"\0")
    save_session(hands.window, out)
    hands.wait(lambda: hands.window.jobs.current is None)
    assert not list(out.rglob("*.png"))
    assert "the file has changed" in hands.window.status
    export_session(hands.window, tmp_path / "all.blur.json")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert set(json.loads((tmp_path / "all.blur.json").read_text())["pictures"]) == {"a.png", "b/c.png", "d.png"}
    session.close()
    # the results are none of the pictures to review
    with AuditSession.open(folder) as again:
        assert len(again) == 3


def test_a_search_is_cancelled(hands, folder, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        name, versions = "slow", {}

        def detect(self, picture, settings):
            begun.set()
            go_on.wait(20)
            return Answer(Detections([Detection("plate", PLATE)]))

    session = AuditSession.open(folder)
    panel = open_audit(session, hands.viewer)
    panel.search.value = False
    hands.wait(lambda: not hands.window.desk._searching.busy)
    monkeypatch.setattr(hands.window, "engine", Slow)
    search_rest(hands.window)
    waiting = [item for item in session.items if not item.detected]
    hands.wait(begun.is_set)
    assert panel.bar.visible
    panel.bar.cancel.native.click()
    assert hands.window.jobs.current is None
    hands.rest()
    assert not panel.bar.visible
    assert "Cancelled" in hands.window.status
    go_on.set()
    hands.rest()
    assert [item for item in session.items if not item.detected] == waiting
    session.close()


# ---- the panel


def test_list_filter_order_and_reviewer(hands, audit, session):
    hands.key("A")
    hands.shown("b/c.png")
    audit.filter.value = "to do"
    assert audit.queue.model().rowCount() == 2
    hands.key("B")
    assert "first picture of those that are listed" in hands.window.status
    audit.filter.value = "all"
    audit.reviewer.value = "grace"
    hands.key("A")
    assert session["b/c.png"].reviewer == "grace"
    audit.kinds.value = "faces"
    assert hands.window.desk.stage.marks.layer.edge_color[:, 3].tolist() == [0, 1]
    audit.order.value = "riskiest first"
    assert session.current.key == "d.png"
    hands.click(-5, -5)
    index = audit.queue.model().index(0)
    audit.queue.clicked.emit(index)
    hands.shown(session.items[0].key)
    assert "✓" in audit.queue.model().data(audit.queue.model().index([i.key for i in session.items].index("a.png")))


def test_keys_are_settable_and_shown(hands, session):
    from napari.settings import get_plugin_settings

    get_plugin_settings("blur-tools").keys.accept = "J"
    get_plugin_settings("blur-tools").keys.flag = "no key at all"
    window = hands.window
    panel = open_audit(session, hands.viewer)
    hands.shown("a.png")
    assert window.keys["accept"] == "J"
    texts = [child.text() for child in panel.native.findChildren(QPushButton)]
    assert "Accept (J)" in texts
    hands.key("J")
    hands.shown("b/c.png")
    assert session["a.png"].decision == "accepted"
    hands.key("G")
    assert session["b/c.png"].decision == "flagged"


def test_a_session_that_is_closed_meanwhile_is_said_and_ends_the_search(hands, folder, networks):
    session = AuditSession.open(folder)
    open_audit(session, hands.viewer)
    session.close()
    hands.wait(lambda: "closed" in hands.window.status)
    assert not hands.window.desk.auto
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    hands.wait(lambda: len(hands.window.desk.stage.marks.layer.data) == 0)
    assert "closed" in hands.window.status


# ---- a sample


@pytest.fixture
def sampled(folder):
    """A run of these three pictures that has found the plate of each, and a review of two of them, blind."""
    found = Detections([Detection("plate", PLATE, 0.9, "test")]).to_json()
    run = pd.DataFrame({"image": [str(folder / name) for name in ("a.png", "b/c.png", "d.png")], "detections": found})
    with AuditSession.open(draw_sample(run, 2), reviewer="ada") as made:
        yield made


def test_how_many_more_are_needed_is_seen_while_a_sample_is_reviewed(hands, sampled):
    panel = open_audit(sampled, hands.viewer)
    first, second = (item.key for item in sampled.items)
    hands.shown(first)
    assert panel.sample.native.isVisible()
    assert panel.sample.value == "0 of 2 looked at · 3 more without a miss for at most 1 %"
    assert panel.order.value == "as it is"
    hands.wait(lambda: "Mark all that is to be hidden" in panel.about.value)
    hands.key("P")
    hands.drag([PLATE[0], PLATE[2]])
    hands.key("A")
    hands.shown(second)
    hands.wait(lambda: panel.sample.value.startswith("1 of 2 looked at"))
    assert panel.sample.value == (
        "1 of 2 looked at · at most 66.7 % of the run's pictures exposed, at 95 % · "
        "2 more without a miss for at most 1 %"
    )
    hands.key("P")
    hands.drag([(300, 60), (360, 130)])  # which the run has not found
    hands.key("A")
    hands.wait(lambda: panel.sample.value.startswith("2 of 2 looked at"))
    assert panel.sample.value.endswith("at most 1 % cannot be claimed any more")
    hands.key("Control-Z")
    hands.wait(lambda: panel.sample.value.startswith("1 of 2 looked at · at most 66.7 %"))


def test_of_a_review_that_is_no_sample_nothing_is_said_of_the_run(hands, audit):
    assert not audit.sample.native.isVisible()


def test_a_long_review_is_gone_on_with_at_once_and_counted_meanwhile(hands, sampled, monkeypatch):
    for item in sampled.items:
        sampled.add(item.key, "plate", PLATE)
        sampled.decide(item.key, "accepted")
    monkeypatch.setattr(_audit_widget, "LOOKING", 0.0)
    panel = open_audit(sampled, hands.viewer)
    panel.show_state()
    assert panel.sample.value.endswith("counting …")
    hands.wait(lambda: panel.sample.value.startswith("2 of 2 looked at"))
    assert hands.window.desk.sample.is_whole

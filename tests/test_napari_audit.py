"""A person goes through pictures with mouse and keyboard; the session holds exactly what they did."""

from __future__ import annotations

import shutil

import pytest
from napari.layers.base import ActionType
from napari_hands import FACE, PLATE, Hands, audit, folder, hands, session, viewer  # noqa: F401

from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.napari import open_audit
from blur_tools.napari._audit_widget import audit_panel
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

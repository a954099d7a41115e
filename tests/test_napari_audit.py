"""A person goes through pictures with mouse and keyboard; the session holds exactly what they did."""

from __future__ import annotations

import json

import pytest
from napari_hands import Hands, hands, viewer  # noqa: F401

from blur_tools import Detection
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.napari import open_audit

PLATE, FACE = box_polygon(60, 200, 160, 240), box_polygon(300, 60, 360, 130)
TOLERANCE = 2.5
"""Pixels of the picture: a person hits a whole pixel of the screen."""


@pytest.fixture
def folder(tmp_path, encode, noise):
    pictures = tmp_path / "pictures"
    (pictures / "b").mkdir(parents=True)
    for name in ("a.png", "b/c.png", "d.png"):
        (pictures / name).write_bytes(encode(noise(400, 500)))
    return pictures


@pytest.fixture
def session(folder):
    made = AuditSession.open(folder, reviewer="ada")
    for item in made.items:
        made.set_detections(item.key, [Detection("plate", PLATE, 0.9, "test"), Detection("face", FACE, 0.8, "test")])
    yield made
    made.close()


@pytest.fixture
def audit(hands: Hands, session):  # noqa: F811
    panel = open_audit(session, hands.viewer)
    hands.shown("a.png")
    return panel


def polygons(session: AuditSession, key: str) -> list[tuple[str, list[list[float]]]]:
    return [(m.detection.kind, [list(point) for point in m.detection.polygon]) for m in session[key].marks]


def about(points) -> list:
    return [pytest.approx(list(point), abs=TOLERANCE) for point in points]


def test_a_person_mends_three_pictures_by_mouse_and_keyboard(hands, audit, session, folder):  # noqa: F811
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

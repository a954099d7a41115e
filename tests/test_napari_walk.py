"""A new user's way: thirty pictures of a folder by keyboard alone, the results saved and the labels exported."""

from __future__ import annotations

import json

import numpy as np
from napari_hands import hands, viewer  # noqa: F401
from PIL import Image

from blur_tools import Detection, Detections
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._jobs import export_session, save_session

PLATE, FACE = box_polygon(20, 60, 80, 84), box_polygon(100, 20, 130, 60)
COUNT = 30


class Finder:
    """Finds a plate and a face in each picture, and in each third one something that is none."""

    name, versions = "finder", {}

    def detect(self, picture, settings):
        found = [Detection("plate", PLATE, 0.9, "finder"), Detection("face", FACE, 0.8, "finder")]
        if picture.source.name[1] in "0369":
            found.append(Detection("face", box_polygon(5, 5, 25, 25), 0.3, "finder"))
        return Answer(Detections(found))


def test_thirty_pictures_by_keyboard_alone(hands, tmp_path, noise, encode, monkeypatch):
    folder, out = tmp_path / "pictures", tmp_path / "redacted"
    for number in range(COUNT):
        path = folder / f"street-{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(100, 160)))
    hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel = audit_panel(hands.viewer)
    monkeypatch.setattr(hands.window, "engine", Finder)
    panel.open_folder(folder)
    hands.wait(lambda: panel.session is not None)
    session = panel.session
    assert len(session) == COUNT
    flagged = []
    for number, item in enumerate(session.items):
        hands.shown(item.key)
        hands.wait(lambda: hands.window.desk.item.detected and hands.window.desk.searched_key != session.current.key)
        if len(session.current.marks) == 3:
            for _ in range(3):
                hands.key("M")
            hands.key("Delete")  # what is none
        if number == 7:
            hands.key("M")
            hands.key("K")  # that plate may be seen
        if number in (4, 17):
            flagged.append(item.key)
            hands.key("G")
            hands.key("N")
        else:
            hands.key("A")
    hands.wait(lambda: session.counts()["unreviewed"] == 0)
    assert panel.progress.native.text() == f"{COUNT} of {COUNT} reviewed"
    # flagged ones are looked at again
    panel.filter.value = "flagged"
    for _ in flagged:
        hands.key("B")
        hands.wait(lambda: hands.window.desk.is_shown)
        hands.key("A")
    assert {session[key].decision for key in flagged} == {"accepted"}
    assert session.counts()["flagged"] == 0
    save_session(hands.window, out)
    hands.wait(lambda: hands.window.jobs.current is None)
    export_session(hands.window, tmp_path / "all.json")
    hands.wait(lambda: hands.window.jobs.current is None)
    done = session.items
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == sorted(item.key for item in done)
    labels = json.loads((tmp_path / "all.json").read_text())
    assert len(labels["images"]) == COUNT
    assert len(labels["annotations"]) == 2 * COUNT
    hidden = shown = 0
    for item in done:
        before, after = (np.asarray(Image.open(root / item.key)) for root in (folder, out))
        plate = (before[62:82, 24:76] != after[62:82, 24:76]).any(axis=2).mean()
        hidden, shown = hidden + (plate > 0.9), shown + (plate == 0)
        assert (before[25:55, 105:125] != after[25:55, 105:125]).any(axis=2).mean() > 0.9
        assert np.array_equal(before[90:, 140:], after[90:, 140:])
    assert shown == 1
    assert hidden == len(done) - 1

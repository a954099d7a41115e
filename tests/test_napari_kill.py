"""A process with a real window is killed between two things that a person does: the next one goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from napari_hands import folder  # noqa: F401  (and skips where there is no screen)

from blur_tools import Detection
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon

TESTS = Path(__file__).parent

CHILD = """
import json, sys, time
import napari
from napari_hands import Hands
from qtpy.QtWidgets import QApplication
from blur_tools.audit.session import AuditSession
from blur_tools.napari import open_audit

class Loop:
    def waitUntil(self, until, timeout):
        end = time.monotonic() + timeout / 1000
        while not until():
            assert time.monotonic() < end
            QApplication.processEvents()

session = AuditSession.open(sys.argv[1], reviewer="ada")
viewer = napari.Viewer()
viewer.window.resize(1200, 900)
hands = Hands(viewer, Loop())
open_audit(session, viewer).search.value = False
things = {
    "draw": lambda: (hands.key("P"), hands.drag([(200, 300), (290, 340)])),
    "pull": lambda: (hands.key("D"), hands.rest(), hands.drag([(290, 300), (300, 280)])),
    "delete": lambda: (hands.click(330, 90), hands.key("Delete")),
    "undo": lambda: hands.key("Control-Z"),
    "accept": lambda: hands.key("A"),
    "next": lambda: hands.key("N"),
    "previous": lambda: hands.key("B"),
}
for word in sys.stdin:
    hands.wait(lambda: hands.window.desk.is_shown)
    things[word.strip()]()
    facts = [[i.key, len(i.marks), i.decision, [m.detection.polygon for m in i.marks]] for i in session.items]
    print(json.dumps(facts), session.can_redo("a.png"), flush=True)
"""


class Person:
    """A child process with a window, told one thing after the other."""

    def __init__(self, pictures: Path, home: Path) -> None:
        environment = os.environ | {
            "NAPARI_CONFIG": str(home / "settings.yaml"),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        }
        self.log = (home / "child.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(pictures)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
        )

    def does(self, word: str) -> str:
        """One thing; what stands when it is done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, Path(self.log.name).read_text()[-2000:]
        return line.strip()

    def is_killed(self) -> None:
        """Without a word, as the kernel does it."""
        self.process.kill()
        self.process.communicate(timeout=60)
        self.log.close()


def stands(session: AuditSession) -> str:
    facts = [[i.key, len(i.marks), i.decision, [m.detection.polygon for m in i.marks]] for i in session.items]
    return f"{json.dumps(facts)} {session.can_redo('a.png')}"


@pytest.mark.skipif(os.name == "nt", reason="what is killed there may still hold its lock for a moment")
def test_a_killed_window_has_lost_nothing(folder, tmp_path):
    with AuditSession.open(folder, reviewer="ada") as session:
        for item in session.items:
            session.set_detections(item.key, [Detection("face", box_polygon(300, 60, 360, 130), 0.8, "test")])
    # how many of them change what stands; the last process goes on at the first picture that is not reviewed
    for words, changes in (
        (["draw", "pull", "delete", "undo"], 4),
        (["undo", "accept", "next", "previous"], 2),
        (["accept"], 1),
    ):
        person = Person(folder, tmp_path)
        try:
            last = [person.does(word) for word in words]
        finally:
            person.is_killed()
        assert len(set(last)) == changes, last
        with AuditSession.open(folder) as session:
            assert stands(session) == last[-1]
    assert [item.decision for item in session.items] == ["edited", "accepted", "unreviewed"]
    plate = session["a.png"].detections.plates[0]
    assert plate.source == "person:ada"
    assert max(abs(a - b) for a, b in zip(plate.box, box_polygon(200, 300, 290, 340)[0] + (290, 340), strict=True)) < 3

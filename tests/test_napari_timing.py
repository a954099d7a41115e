"""What comes at the wrong moment: keys and answers while a person holds a mark, decisions before there is an answer."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari_hands import FACE, PLATE, Hands, audit, folder, hands, session, viewer  # noqa: F401

from blur_tools import Detection, Detections
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.napari import _stage, open_audit
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._jobs import export_session, save_session, search, search_items, search_rest
from blur_tools.redaction.live import Redaction

TOLERANCE = 2.5
"""Pixels of the picture: a person hits a whole pixel of the screen."""

PULLED = box_polygon(300, 60, 390, 180)
"""The face, when its lower right corner was pulled."""

ASIDE = [
    Detection("plate", box_polygon(10, 10, 90, 40), 0.8, "late"),
    Detection("plate", box_polygon(10, 300, 90, 340)),
]


class Service:
    """An engine that waits until it is let go, and fails where it is told to."""

    name, versions = "service", {}

    def __init__(self, fails: tuple[int, ...] = (), waits: bool = True) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.fails, self.calls = fails, 0
        if not waits:
            self.go_on.set()

    def detect(self, picture, settings):
        self.begun.set()
        self.calls += 1
        number = self.calls
        self.go_on.wait(20)
        if number in self.fails:
            raise RuntimeError(f"hiccup {number}")
        return Answer(Detections([Detection("plate", PLATE)]))


@pytest.fixture
def told(monkeypatch):
    """All warnings."""
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


def decoded(hands: Hands) -> None:
    hands.wait(lambda: len(hands.window.desk._ready) == len(hands.window.desk.neighbours()))


def corners(session: AuditSession, key: str, kind: str) -> list:
    return [pytest.approx(np.array(m.detection.polygon), abs=TOLERANCE) for m in session[key].marks
            if m.detection.kind == kind]  # fmt: skip


# ---- a mark in the hand


@pytest.mark.parametrize("key", ["A", "N", "G", "Control-Z", "P", "M", "K"])
def test_a_corner_in_the_hand_is_not_lost_to_a_key(hands, audit, session, key):
    decoded(hands)
    hands.click(330, 90)
    hands.press((360, 130))
    hands.pull([(360, 130), (375, 150)])
    hands.key(key)
    assert hands.window.status == "Let go of the mouse first."
    assert session.current.key == "a.png"
    assert session["a.png"].decision == "unreviewed"
    hands.pull([(375, 150), (390, 180)])
    hands.release((390, 180))
    assert corners(session, "a.png", "face") == [np.array(PULLED)]
    hands.key("A")
    assert session["a.png"].decision == "edited"
    hands.shown("b/c.png")
    assert corners(session, "b/c.png", "face") == [np.array(FACE)]


def test_a_half_drawn_box_is_not_lost(hands, audit, session, tmp_path):
    decoded(hands)
    hands.key("P")
    hands.press((200, 300))
    hands.pull([(200, 300), (260, 330)])
    hands.key("N")
    hands.window.desk.go("d.png")
    save_session(hands.window, tmp_path / "out")
    export_session(hands.window, tmp_path / "all.blur.json")
    assert hands.window.status == "Let go of the mouse first."
    assert session.current.key == "a.png"
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "all.blur.json").exists()
    hands.pull([(260, 330), (290, 340)])
    hands.release((290, 340))
    assert len(session["a.png"].marks) == 3
    assert corners(session, "a.png", "plate")[1] == np.array(box_polygon(200, 300, 290, 340))
    hands.key("N")
    hands.shown("b/c.png")


def test_a_late_answer_leaves_the_corner_in_the_hand(hands, audit, session):
    hands.click(330, 90)
    hands.press((360, 130))
    hands.pull([(360, 130), (375, 150)])
    session.set_detections("a.png", [*ASIDE, Detection("face", box_polygon(301, 61, 361, 131), 0.7, "late")])
    hands.rest()
    hands.pull([(375, 150), (390, 180)])
    hands.release((390, 180))
    assert corners(session, "a.png", "face") == [np.array(PULLED)]
    assert len(corners(session, "a.png", "plate")) == 2
    hands.rest()
    assert len(hands.window.desk.stage.marks.layer.data) == 3


def test_a_corner_pulled_of_what_an_answer_no_longer_has_is_a_new_mark(hands, audit, session):
    hands.click(330, 90)
    hands.press((360, 130))
    hands.pull([(360, 130), (375, 150)])
    session.set_detections("a.png", ASIDE)
    hands.rest()
    hands.pull([(375, 150), (390, 180)])
    hands.release((390, 180))
    assert corners(session, "a.png", "face") == [np.array(PULLED)]
    assert len(corners(session, "a.png", "plate")) == 2


def test_a_late_answer_leaves_the_box_that_is_drawn(hands, audit, session):
    hands.key("P")
    hands.press((200, 300))
    hands.pull([(200, 300), (260, 330)])
    session.set_detections("a.png", ASIDE)
    hands.rest()
    hands.pull([(260, 330), (290, 340)])
    hands.release((290, 340))
    hands.rest()
    assert corners(session, "a.png", "plate")[-1] == np.array(box_polygon(200, 300, 290, 340))
    assert len(session["a.png"].marks) == len(hands.window.desk.stage.marks.layer.data) == 3


# ---- decisions and answers


def test_what_is_not_searched_yet_is_not_accepted_and_what_was_passed_by_is_searched(hands, folder, monkeypatch):
    service = Service()
    monkeypatch.setattr(hands.window, "engine", lambda: service)
    with AuditSession.open(folder) as session:
        open_audit(session, hands.viewer)
        hands.shown("a.png")
        hands.wait(lambda: hands.window.desk.searched_key == "a.png")
        decoded(hands)
        hands.key("N")
        hands.shown("b/c.png")
        hands.key("A")
        assert "not searched yet" in hands.window.status
        assert session["b/c.png"].decision == "unreviewed"
        hands.key("N")
        hands.shown("d.png")
        service.go_on.set()
        hands.wait(lambda: all(item.detected for item in session.items))
        hands.key("A")
        assert session["d.png"].decision == "accepted"


def test_without_search_it_is_said_that_nothing_searched(hands, folder):
    with AuditSession.open(folder) as session:
        open_audit(session, hands.viewer).search.value = False
        hands.wait(lambda: not hands.window.desk._searching.busy)
        hands.window.desk.go("d.png")
        hands.shown("d.png")
        undone = not session["d.png"].detected
        hands.key("A")
        assert session["d.png"].decision == "accepted"
        assert undone
        assert "d.png was accepted, but nothing has searched it" in hands.window.status


def test_one_failure_is_that_pictures_and_the_search_goes_on(hands, folder, monkeypatch, told):
    service = Service(fails=(1,), waits=False)
    monkeypatch.setattr(hands.window, "engine", lambda: service)
    with AuditSession.open(folder) as session:
        panel = open_audit(session, hands.viewer)
        hands.shown("a.png")
        hands.wait(lambda: session["b/c.png"].detected)
        assert panel.search.value
        assert told == [
            "RuntimeError: hiccup 1. The others are searched all the same; click a.png in the list to try again."
        ]
        hands.window.desk.go("a.png")
        hands.wait(lambda: session["a.png"].detected)


def test_two_failures_end_the_search_the_box_says_so_and_a_search_that_works_begins_it_again(
    hands, folder, monkeypatch, told
):
    service = Service(fails=(1, 2), waits=False)
    monkeypatch.setattr(hands.window, "engine", lambda: service)
    with AuditSession.open(folder) as session:
        panel = open_audit(session, hands.viewer)
        hands.shown("a.png")
        hands.wait(lambda: not hands.window.desk.auto)
        hands.wait(lambda: not panel.search.value)
        assert "tick “find plates and faces on the way”" in told[-1]
        search(hands.window, [session["a.png"]])
        hands.wait(lambda: hands.window.jobs.current is None)
        assert hands.window.desk.auto
        hands.wait(lambda: panel.search.value)
        hands.wait(lambda: session["b/c.png"].detected)


def test_a_job_lets_one_picture_fail_and_says_which(hands, folder, monkeypatch, told):
    service = Service(fails=(1,), waits=False)
    with AuditSession.open(folder) as session:
        panel = open_audit(session, hands.viewer)
        panel.search.value = False
        hands.shown("a.png")
        hands.wait(lambda: not hands.window.desk._searching.busy)
        monkeypatch.setattr(hands.window, "engine", lambda: service)
        search(hands.window, session.items)
        hands.wait(lambda: hands.window.jobs.current is None)
        assert [item.detected for item in session.items][1:] == [True, True]
        assert "Not searched: a.png: RuntimeError: hiccup 1" in told[-1]
    items = session.items
    load, asked = hands.window.desk.load, hands.window.asked()
    with pytest.raises(RuntimeError, match="hiccup 2"):
        list(search_items(items, load, Service(fails=(1, 2), waits=False), asked))


def test_what_a_job_is_about_to_search_is_not_accepted(hands, folder, monkeypatch):
    service = Service()
    with AuditSession.open(folder) as session:
        panel = open_audit(session, hands.viewer)
        panel.search.value = False
        hands.shown("a.png")
        hands.wait(lambda: not hands.window.desk._searching.busy)
        session.set_detections("d.png", [])
        session.decide("d.png", "accepted")
        monkeypatch.setattr(hands.window, "engine", lambda: service)
        search(hands.window, [session["a.png"], session["d.png"]])
        hands.key("A")
        assert "press Cancel" in hands.window.status
        assert session["a.png"].decision == "unreviewed"
        service.go_on.set()
        hands.wait(lambda: hands.window.jobs.current is None)
        # what was accepted before falls, but not silently
        assert "No longer accepted, as the marks changed: d.png" in hands.window.status
        hands.key("A")
        assert session["a.png"].decision == "accepted"


def test_another_folder_ends_the_search_of_the_one_before(hands, folder, monkeypatch, tmp_path, told):
    service = Service()
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.png").write_bytes((folder / "a.png").read_bytes())
    hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel = audit_panel(hands.viewer)
    panel.search.value = False
    panel.open_folder(folder)
    hands.shown("a.png")
    monkeypatch.setattr(hands.window, "engine", lambda: service)
    search_rest(hands.window)
    hands.wait(service.begun.is_set)
    panel.open_folder(other)
    assert hands.window.jobs.current.title == "Opening"
    hands.wait(lambda: hands.window.desk is not None)
    hands.shown("z.png")
    service.go_on.set()
    hands.rest()
    assert told == []


def test_a_job_stops_at_the_first_refusal(hands, folder, monkeypatch, told):
    service = Service()
    session = AuditSession.open(folder)
    panel = open_audit(session, hands.viewer)
    panel.search.value = False
    hands.shown("a.png")
    hands.wait(lambda: not hands.window.desk._searching.busy)
    monkeypatch.setattr(hands.window, "engine", lambda: service)
    search(hands.window, session.items)
    hands.wait(service.begun.is_set)
    session.close()
    service.go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert told == ["this review is closed; open it again to go on"]


def test_the_order_of_a_closed_review_is_refused_with_a_word(hands, audit, session, told):
    session.close()
    audit.order.value = "riskiest first"
    assert told == ["this review is closed; open it again to go on"]


# ---- a preview that takes long


@pytest.fixture
def slow(monkeypatch):
    """Whole previews are rendered in a thread, which waits until it is let go."""
    go_on, counted = threading.Event(), []
    update = Redaction.update

    def waiting(redaction, detections, settings):
        if threading.current_thread() is not threading.main_thread():
            counted.append(settings)
            go_on.wait(20)
        return update(redaction, detections, settings)

    monkeypatch.setattr(_stage, "AT_ONCE", 0)
    monkeypatch.setattr(Redaction, "update", waiting)
    return go_on, counted


def test_a_whole_preview_is_rendered_beside_the_window_and_edits_meanwhile_are_in_it(hands, audit, session, slow):
    go_on, _ = slow
    stage = hands.window.desk.stage
    hands.key("R")
    assert stage.preview is None
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert len(session["a.png"].marks) == 3
    go_on.set()
    hands.wait(lambda: stage.preview is not None and stage.preview.visible)
    original = stage.shown.pixels
    assert (stage.preview.data[310:330, 220:270] != original[310:330, 220:270]).any(axis=2).mean() > 0.9
    # from here on only what changed is rendered, at once
    hands.key("Control-Z")
    assert (stage.preview.data[300:340, 200:290] == original[300:340, 200:290]).all()


def test_a_preview_of_the_picture_before_is_not_shown(hands, audit, session, slow):
    go_on, _ = slow
    decoded(hands)
    stage = hands.window.desk.stage
    hands.key("R")
    hands.key("N")
    hands.shown("b/c.png")
    go_on.set()
    hands.wait(lambda: stage.preview is not None and stage.preview.visible)
    assert stage.redaction.shown is stage.shown
    assert stage.preview.data is stage.redaction.pixels


def test_settings_that_change_quickly_are_rendered_once_or_twice(hands, audit, session, slow):
    go_on, counted = slow
    go_on.set()
    _, panel = hands.viewer.window.add_plugin_dock_widget("blur-tools", "Blur")
    hands.key("R")
    stage = hands.window.desk.stage
    hands.wait(lambda: stage.redaction is not None)
    counted.clear()
    for intensity in (9, 8, 7, 6, 5, 4, 3):
        panel.form.fields["plates"].value = intensity
    assert counted == []
    hands.wait(lambda: stage.redaction.fits(hands.window.settings))
    assert [settings.plates for settings in counted] == [3]

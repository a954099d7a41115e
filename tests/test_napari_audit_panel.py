"""The Audit panel: searching, saving, the list, and a sample."""

from __future__ import annotations

import json
import threading

import pandas as pd
import pytest
from napari_hands import FACE, PLATE, Hands, audit, folder, hands, session, viewer  # noqa: F401
from qtpy.QtWidgets import QPushButton

from blur_tools import Detection, Detections
from blur_tools.audit.sampling import draw_sample
from blur_tools.audit.session import AuditSession
from blur_tools.engines import Answer
from blur_tools.napari import _audit_widget, open_audit
from blur_tools.napari._jobs import export_session, save_session, search_rest

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

"""Opening and exporting, which take as long as a folder is large: beside the window, with Cancel, and one at a time."""

from __future__ import annotations

import json
import threading

import pytest
from napari_hands import audit, folder, hands, session, viewer  # noqa: F401

from blur_tools.audit.session import AuditSession
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._jobs import export_session, save_session, search_rest


@pytest.fixture
def panel(hands):
    hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    made = audit_panel(hands.viewer)
    made.search.value = False
    return made


class Gate:
    """Holds what runs in a thread until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.go_on.wait(20)


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.go_on.set()


@pytest.fixture
def slow(monkeypatch, gate):
    """A folder takes long to open."""
    real = AuditSession.open

    def opened(*sources, **options):
        gate()
        return real(*sources, **options)

    monkeypatch.setattr(AuditSession, "open", opened)
    return gate


def test_the_window_goes_on_while_a_folder_is_opened(hands, panel, folder, slow):
    panel.open_folder(folder)
    hands.wait(slow.begun.is_set)
    hands.rest()
    assert hands.window.jobs.current.title == "Opening"
    assert panel.bar.visible
    assert panel.session is None
    slow.go_on.set()
    hands.shown("a.png")
    assert hands.window.jobs.current is None
    assert panel.session is hands.window.own


def test_a_folder_whose_opening_was_cancelled_is_free_for_the_next(hands, panel, folder, slow):
    panel.open_folder(folder)
    hands.wait(slow.begun.is_set)
    panel.bar.cancel.native.click()
    assert hands.window.jobs.current is None
    assert "Cancelled: Opening" in hands.window.status
    slow.go_on.set()
    panel.open_folder(folder)
    hands.shown("a.png")
    assert panel.session.counts()["unreviewed"] == 3


def test_the_last_of_two_folders_is_opened(hands, panel, folder, slow, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.png").write_bytes((folder / "a.png").read_bytes())
    panel.open_folder(folder)
    hands.wait(slow.begun.is_set)
    panel.open_folder(other)
    slow.go_on.set()
    hands.shown("z.png")
    with AuditSession.open(folder) as free:  # nobody holds the journal of the first
        assert len(free) == 3


def test_one_job_does_not_end_another(hands, audit, session, gate, tmp_path, monkeypatch):
    audit.search.value = False
    real = AuditSession.export

    def export(self, path, format=None):
        gate()
        return real(self, path, format)

    monkeypatch.setattr(AuditSession, "export", export)
    export_session(hands.window, tmp_path / "all.blur.json")
    hands.wait(gate.begun.is_set)
    for begin in (
        lambda: save_session(hands.window, tmp_path / "out"),
        lambda: export_session(hands.window, tmp_path / "more.json"),
        lambda: audit.open_folder(tmp_path),
    ):
        session.decide("a.png", "accepted")
        begin()
        assert hands.window.status == "Exporting is still going on: wait for it, or press Cancel."
        assert hands.window.jobs.current.title == "Exporting"
    gate.go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert len(json.loads((tmp_path / "all.blur.json").read_text())["pictures"]) == 3
    assert "Exported 3 pictures" in hands.window.status
    assert not (tmp_path / "out").exists()
    assert audit.session is session


def test_a_search_waits_for_what_is_saved(hands, panel, folder, gate, tmp_path, monkeypatch):
    real = AuditSession.saving

    def saving(self, *where, **how):
        gate()
        yield from real(self, *where, **how)

    monkeypatch.setattr(AuditSession, "saving", saving)
    panel.open_folder(folder)
    hands.shown("a.png")
    panel.session.set_detections("a.png", [])
    panel.session.decide("a.png", "accepted")
    save_session(hands.window, tmp_path / "out")
    hands.wait(gate.begun.is_set)
    search_rest(hands.window)
    assert hands.window.status == "Saving is still going on: wait for it, or press Cancel."
    gate.go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_an_export_that_cannot_be_written_is_said(hands, audit, session, tmp_path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", told.append)
    export_session(hands.window, session.root / "a.png" / "all.blur.json")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert len(told) == 1
    assert told[0].startswith("not exported: ")
    export_session(hands.window, session.root / "a.png")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert "is the picture a.png of this review" in told[1]

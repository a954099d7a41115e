"""Opening and exporting, which take as long as a folder is large: beside the window, with Cancel, and one at a time."""

from __future__ import annotations

import json
import threading

import pytest
from napari_hands import audit, folder, hands, session, viewer  # noqa: F401
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from blur_tools.audit import _labels
from blur_tools.audit.session import AuditSession
from blur_tools.errors import AuditError, DetectionsError
from blur_tools.formats.blur_json import read_blur_json, write_blur_json
from blur_tools.napari import _io
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._jobs import export_session, save_session, search_rest


@pytest.fixture
def panel(hands):
    hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    made = audit_panel(hands.viewer)
    made.search.value = False
    return made


@pytest.fixture
def told(monkeypatch):
    """All warnings."""
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


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


def test_an_opening_that_fails_after_it_was_cancelled_stands_in_nobodys_way(hands, panel, folder, gate):
    def fails():
        gate()
        raise AuditError("no")

    panel.open_session(fails)
    hands.wait(gate.begun.is_set)
    panel.bar.cancel.native.click()
    panel.open_folder(folder)
    gate.go_on.set()
    hands.shown("a.png")
    assert not hands.window.opening._making.locked()


def test_a_late_review_closes_none_but_itself(hands, panel, folder, tmp_path):
    """Both are made before the window has a moment for either."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.png").write_bytes((folder / "a.png").read_bytes())
    made = []

    def opened(place):
        def make():
            made.append(AuditSession.open(place))
            return made[-1]

        return make

    panel.open_session(opened(folder), folder)
    while len(made) < 1:
        threading.Event().wait(0.01)
    panel.open_session(opened(other), other)
    while len(made) < 2:
        threading.Event().wait(0.01)
    hands.shown("z.png")
    assert panel.session is made[1]
    assert made[0].closed
    assert not made[1].closed


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
    real = AuditSession.exporting

    def exporting(self, path, format=None):
        gate()
        yield from real(self, path, format)

    monkeypatch.setattr(AuditSession, "exporting", exporting)
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


def test_an_export_that_cannot_be_written_is_said(hands, audit, session, told):
    export_session(hands.window, session.root / "a.png" / "all.blur.json")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert len(told) == 1
    assert told[0].startswith("not exported: ")
    export_session(hands.window, session.root / "a.png")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert "is the picture a.png of this review" in told[1]


# ---- the review before, and the one that comes


def test_the_review_before_stays_where_the_next_cannot_be_opened(hands, panel, folder, tmp_path, told):
    panel.open_folder(folder)
    hands.shown("a.png")
    before = panel.session
    (tmp_path / "empty").mkdir()
    panel.open_folder(tmp_path / "empty")
    hands.wait(lambda: hands.window.jobs.current is None)
    assert "there are no pictures in it" in told[-1]
    assert panel.session is before
    assert not before.closed
    hands.key("N")
    hands.shown("b/c.png")


def test_the_same_folder_again_is_read_anew(hands, panel, folder, told):
    panel.open_folder(folder)
    hands.shown("a.png")
    before = panel.session
    (folder / "new.png").write_bytes((folder / "a.png").read_bytes())
    for _ in range(3):  # impatiently
        panel.open_folder(folder)
        hands.rest()
    hands.wait(lambda: panel.session is not None and panel.session is not before)
    hands.shown("a.png")
    assert before.closed
    assert len(panel.session) == 4
    assert told == []


def test_a_review_that_was_given_is_found_again(hands, audit, session, folder, tmp_path, told):
    audit.search.value = False
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.png").write_bytes((folder / "a.png").read_bytes())
    audit.open_folder(other)
    hands.shown("z.png")
    audit.open_folder(folder)
    hands.shown("a.png")
    assert audit.session is session
    assert told == []


def test_a_mark_in_the_hand_is_not_lost_to_a_review_that_arrives(hands, audit, session, slow, tmp_path, folder):
    audit.search.value = False
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.png").write_bytes((folder / "a.png").read_bytes())
    audit.open_folder(other)
    hands.wait(slow.begun.is_set)
    hands.key("P")
    hands.press((200, 300))
    hands.pull([(200, 300), (260, 330)])
    slow.go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert audit.session is session
    hands.pull([(260, 330), (290, 340)])
    hands.release((290, 340))
    hands.shown("z.png")
    assert len(session["a.png"].marks) == 3


def test_a_panel_that_is_closed_meanwhile_leaves_nothing_open(hands, panel, folder, slow):
    panel.open_folder(folder)
    hands.wait(slow.begun.is_set)
    hands.viewer.window.remove_dock_widget(panel.native)
    hands.rest()
    slow.go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    with AuditSession.open(folder) as free:
        assert len(free) == 3


@pytest.mark.parametrize("trusted", [True, False])
def test_pictures_from_elsewhere_are_read_when_the_person_says_so(hands, panel, folder, tmp_path, monkeypatch, trusted):
    asked: list[str] = []
    buttons = QMessageBox.StandardButton

    def question(parent, title, text, offered, default):
        asked.append(text)
        assert default == buttons.No
        return buttons.Yes if trusted else buttons.No

    monkeypatch.setattr(QMessageBox, "question", question)
    journal = tmp_path / "away" / "list.blur-audit.jsonl"
    journal.parent.mkdir()
    with AuditSession.open([str(folder / "a.png"), str(folder / "d.png")], journal=journal):
        pass
    panel.open_journal(journal)
    hands.wait(lambda: panel.session is not None)
    assert len(asked) == 1
    assert str(folder) in asked[0]
    if trusted:
        hands.shown("a.png")
    assert [bool(item.error) for item in panel.session.items] == [not trusted] * 2


@pytest.mark.parametrize("form", ["all.blur.json", "all.json"])
def test_a_large_file_of_labels_is_read_beside_the_window(hands, panel, session, folder, monkeypatch, form):
    session.export(folder / form)
    monkeypatch.setattr(_io, "LARGE", (folder / form).stat().st_size // 2)
    session.close()
    threads = []
    real = _io.read_coco if form == "all.json" else _labels.label_table

    def read(*arguments):
        threads.append(threading.current_thread())
        return real(*arguments)

    monkeypatch.setattr(*(_io, "read_coco") if form == "all.json" else ("blur_tools.audit._opening.label_table",), read)
    hands.viewer.open(str(folder / form), plugin="blur-tools")
    hands.shown("a.png")
    assert threads
    assert threading.main_thread() not in threads
    assert [len(item.marks) for item in panel.session.items] == [2, 2, 2]


# ---- words from elsewhere


@pytest.mark.parametrize("say", ["say", "warn"])
def test_what_looks_like_html_is_text(hands, panel, tmp_path, say, told):
    getattr(hands.window, say)(f"<img src='{tmp_path / 'fifo'}'>\0 and\nmore " + "x" * 900)
    hands.rest()
    shown = [hands.window.status, hands.viewer.status, *told]
    assert all("<" not in text and "\n" not in text and len(text) <= 600 for text in shown)
    assert shown[0].startswith("‹img src=")
    assert panel.status.native.textFormat() == Qt.TextFormat.PlainText


def test_the_list_says_errors_as_text(hands, audit, session):
    session.set_error("d.png", "<h1>broken</h1>")
    hands.rest()
    model = audit.queue.model()
    tip = model.data(model.index(2), Qt.ItemDataRole.ToolTipRole)
    assert "‹h1›broken" in tip
    assert "<" not in tip


def test_a_decision_outlives_a_layer(hands, panel, folder, session, tmp_path):
    """A file with a decision opens in the panel, and a layer cannot be written over it."""
    session.decide("a.png", "accepted")
    path = folder / "one.blur.json"
    session.export(path)
    records = read_blur_json(path)
    write_blur_json(path, {"a.png": records["a.png"]})
    session.close()
    hands.viewer.open(str(path), plugin="blur-tools")
    hands.shown("a.png")
    assert panel.session["a.png"].decision == "accepted"
    layer = hands.window.desk.stage.marks.layer
    with pytest.raises(DetectionsError, match="choose another name"):
        _io.write_detections(str(path), layer.data, {"features": layer.features, "metadata": layer.metadata})
    assert read_blur_json(path)["a.png"].decision == "accepted"


def test_a_folder_whose_journal_is_elsewhere_is_asked_about(hands, panel, folder, tmp_path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(
        QMessageBox, "question", lambda *facts: asked.append(facts[2]) or QMessageBox.StandardButton.Yes
    )
    journal = tmp_path / "away" / "x.blur-audit.jsonl"
    journal.parent.mkdir()
    AuditSession.open(folder, journal=journal).close()
    panel.open_journal(journal)
    hands.shown("a.png")
    assert len(panel.session) == 3
    assert len(asked) == 1
    assert str(folder) in asked[0]


def test_a_picture_that_was_passed_and_replaced_is_searched_again(hands, audit, session, folder, noise, encode):
    """The marks are of the file before; going back shows the new one, and says so before anybody accepts."""
    audit.search.value = False
    hands.key("N")
    hands.shown("b/c.png")
    hands.key("N")
    hands.shown("d.png")
    (folder / "a.png").write_bytes(encode(noise(401, 500)))
    hands.window.desk.go("a.png")
    hands.wait(lambda: hands.window.desk.is_shown and hands.window.desk.stage.shown.pixels.shape == (401, 500, 3))
    assert any("has changed" in text for text in session["a.png"].warnings)
    hands.key("G")
    hands.key("G")
    assert any("has changed" in text for text in session["a.png"].warnings)


def test_another_file_under_the_same_name_is_shown_before_it_is_accepted(hands, audit, session, folder, noise, encode):
    audit.search.value = False
    (folder / "a.png").write_bytes(encode(noise(401, 500)))
    hands.key("A")
    assert session["a.png"].decision == "unreviewed"
    assert "has changed" in hands.window.status
    hands.shown("a.png")
    hands.wait(lambda: hands.window.desk.stage.shown.pixels.shape == (401, 500, 3))
    hands.key("A")
    assert session["a.png"].decision == "accepted"

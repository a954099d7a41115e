"""A review and its journal: what is written when, and what a failure or a killed process leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from blur_tools.audit import journal as journal_module
from blur_tools.audit._records import Ordered
from blur_tools.audit.journal import Header, Journal
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detection, box_polygon
from blur_tools.errors import AuditError, JournalError


def test_a_decision_is_brought_onto_the_disk_and_an_edit_only_to_the_system(tmp_path, monkeypatch):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with AuditSession.open(tmp_path) as session:
        calls = []
        monkeypatch.setattr(Journal, "_sync", lambda self: calls.append(self.path.read_bytes().splitlines()[-1]))
        session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
        assert calls == []
        session.decide("a.png", "accepted")
        assert [json.loads(line)["type"] for line in calls] == ["decision"]


def test_a_failed_write_leaves_the_review_as_it_was(tmp_path, monkeypatch):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with AuditSession.open(tmp_path) as session:
        before, told = session["a.png"], []
        session.subscribe(lambda *said: told.append(said))

        def refuse(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal_module.os, "write", refuse)
        for step in (
            lambda: session.add("a.png", "plate", box_polygon(1, 1, 9, 9)),
            lambda: session.set_detections("a.png", [Detection("plate", box_polygon(1, 2, 30, 40))]),
            lambda: session.decide("a.png", "accepted"),
            lambda: session.reorder("random"),
        ):
            with pytest.raises(JournalError, match="No space"):
                step()
        monkeypatch.undo()
        assert session["a.png"] == before
        assert told == []
        assert not session.can_undo("a.png")
        session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
    with AuditSession.open(tmp_path) as session:
        assert len(session["a.png"].marks) == 1


def test_a_change_that_is_broken_off_half_way_ends_the_review_and_not_the_journal(tmp_path, monkeypatch):
    from blur_tools.audit._state import PictureState

    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    with AuditSession.open(tmp_path) as session:
        session.add("a.png", "plate", box_polygon(1, 1, 9, 9))

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(PictureState, "apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.undo("a.png")
        monkeypatch.undo()
        for step in (
            lambda: session.undo("a.png"),
            lambda: session.decide("b.png", "flagged"),
            lambda: session.reorder("risk"),
        ):
            with pytest.raises(AuditError, match="open this review again"):
                step()
    with AuditSession.open(tmp_path) as session:
        assert session["a.png"].marks == ()
        assert session.can_redo("a.png")
        assert session["b.png"].decision == "unreviewed"


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    real = os.open

    def refuse(path, flags, *more):  # the superuser of a test machine may write anywhere
        if flags & os.O_CREAT and Path(path).parent == tmp_path:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(JournalError, match=r"cannot be written there: Permission denied; say with journal="):
        AuditSession.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    (tmp_path.parent / "elsewhere").mkdir()
    with AuditSession.open(tmp_path, journal=tmp_path.parent / "elsewhere" / "j.jsonl") as session:
        assert len(session) == 1


CHILD = """
import os, signal, sys
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detection, box_polygon

session = AuditSession.open(sys.argv[1], reviewer="Ann")
found = [Detection("plate", box_polygon(1, 1, 9, 9), 0.5, "local"), Detection("face", box_polygon(20, 1, 40, 9))]
STEPS = [
    lambda: session.set_detections("a.png", found, engine="local"),
    lambda: session.add("a.png", "plate", box_polygon(5, 20, 15, 30)),
    lambda: session.reshape("a.png", {3: box_polygon(6, 20, 15, 30)}),
    lambda: session.delete("a.png", [2]),
    lambda: session.set_kind("a.png", [1], "face"),
    lambda: session.set_keep("a.png", [1, 3], True),
    lambda: session.undo("a.png"),
    lambda: session.undo("a.png"),
    lambda: session.undo("a.png"),
    lambda: session.redo("a.png"),
    lambda: session.decide("a.png", "accepted"),
    lambda: session.next(),
    lambda: session.set_error("b.png", "broken"),
    lambda: session.decide("b.png", "flagged"),
    lambda: session.reorder("random", 3),
    lambda: session.set_detections("a.png", found[:1], engine="local"),
]
for number, step in enumerate(STEPS):
    step()
    seen = [repr((item, session.can_undo(item.key), session.can_redo(item.key))) for item in session.items]
    os.write(1, (repr((number, seen)) + "\\n").encode())
    if number == int(sys.argv[2]):
        sys.stdin.read()  # until it is killed
"""
STEPS = CHILD.count("    lambda:")


@pytest.mark.parametrize("last", range(STEPS))
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path, last):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (50, 40)).save(tmp_path / name)
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(last)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        for number in range(last + 1):
            acknowledged = child.stdout.readline()
            assert acknowledged.startswith(f"({number}, ")
        child.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        child.wait()
    with AuditSession.resume(tmp_path / ".blur-audit.jsonl") as session:
        again = [repr((item, session.can_undo(item.key), session.can_redo(item.key))) for item in session.items]
        assert repr((last, again)) + "\n" == acknowledged
        assert session.current.key == next(
            (item.key for item in session.items if item.decision == "unreviewed"), session.items[0].key
        )


def test_a_kill_in_the_middle_of_a_line_loses_only_that_line(tmp_path):
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    with AuditSession.open(tmp_path) as session:
        session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
        before = session["a.png"]
        session.add("a.png", "plate", box_polygon(1, 1, 19, 19))
    path = tmp_path / ".blur-audit.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    with AuditSession.open(tmp_path) as session:
        assert session["a.png"] == before
        assert session.add("a.png", "face", box_polygon(1, 1, 9, 9)).id == 2


def test_a_closed_review_refuses_changes_and_can_be_opened_elsewhere(tmp_path):
    Image.new("RGB", (50, 40)).save(tmp_path / "a.png")
    with AuditSession.open(tmp_path) as session, pytest.raises(JournalError, match="in this Python already"):
        AuditSession.open(tmp_path)
    session.close()
    with pytest.raises(AuditError, match="closed"):
        session.decide("a.png", "accepted")
    assert session["a.png"].decision == "unreviewed"
    AuditSession.open(tmp_path).close()


def test_closed_in_the_middle_it_writes_into_no_other_file(tmp_path, monkeypatch):
    """The number of a closed descriptor is the next file's."""
    journal = Journal.open(tmp_path / "review.jsonl", Header(None, False))
    begun, go_on, errors = threading.Event(), threading.Event(), []
    real = journal._line

    def line(record, more):
        begun.set()
        assert go_on.wait(20)
        return real(record, more)

    monkeypatch.setattr(journal, "_line", line)

    def write():
        try:
            journal.append([Ordered("path", 0)])
        except JournalError as error:
            errors.append(str(error))

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(20)
    journal.close()
    with open(tmp_path / "other.txt", "w+b") as other:
        go_on.set()
        writer.join(20)
        assert other.read() == b""
    assert len(errors) == 1
    assert "is closed" in errors[0]

"""The journal: what was acknowledged is there after any death, and what is damaged is said, never skipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blur_tools.audit import journal as journal_module
from blur_tools.audit._records import Decided, Edited, Failed, Ordered, Sources, Undone, read_record, record_form
from blur_tools.audit.journal import Header, Journal
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detection, box_polygon
from blur_tools.errors import JournalError

MARK = Detection("plate", box_polygon(1, 2, 30, 40), 0.5, "local", result={"box": [1]})
RECORDS = [
    Sources((("a.jpg", None), ("b.jpg", "https://host/b.jpg"), ("c", False))),
    Edited("a.jpg", "2026-01-02T03:04:05.678+00:00", "Ann", "add plate", ((1, MARK), (2, None))),
    Undone("a.jpg", ""),
    Decided("b.jpg", "", "", "flagged"),
    Failed("c", "", "no such file"),
    Ordered("random", 7),
]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "review.jsonl"


@pytest.fixture
def begin(path):
    """Write a journal with some records and close it."""

    def begun(*records) -> bytes:
        journal = Journal.open(path, Header(path.parent, True))
        for record in records:
            journal.append([record], durable=True)
        journal.close()
        return path.read_bytes()

    return begun


def opened(path, new=None) -> list:
    journal = Journal.open(path, new)
    journal.close()
    return [record for _, record in journal.records]


def test_what_is_written_is_read(path, begin):
    begin(*RECORDS)
    journal = Journal.open(path)
    assert [record for _, record in journal.records] == RECORDS
    assert [number for number, _ in journal.records] == list(range(2, 8))
    assert journal.header == Header(path.parent, True)
    journal.close()


def test_a_journal_only_grows(path, begin):
    first = begin(RECORDS[0])
    assert begin(RECORDS[1]).startswith(first)
    assert json.loads(first.splitlines()[0]) == {"format": "blur-audit", "version": 1, "root": ".", "folder": True}


def test_every_record_is_a_line_of_ascii_and_holds_no_default(path, begin):
    begin(Failed("a\n\udcffü.jpg", "", ""))
    line = path.read_bytes().splitlines()[1]
    assert line.isascii()
    assert json.loads(line) == {"type": "error", "key": "a\n\udcffü.jpg"}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.type)
def test_a_record_survives_json(record):
    text = json.dumps(record_form(record), default=lambda mark: mark.to_json())
    assert read_record(json.loads(text)) == record


def test_a_second_writer_is_refused_and_told_that_it_is_here(path, begin):
    begin()
    journal = Journal.open(path)
    with pytest.raises(JournalError, match="open in this Python already"):
        Journal.open(path)
    journal.close()
    Journal.open(path).close()


def test_a_process_that_died_holds_no_lock(path, begin):
    begin()
    code = (
        "import sys, os, signal; from blur_tools.audit.journal import Journal; "
        "Journal.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "open\n"
        with pytest.raises(JournalError, match=f"open elsewhere \\(process {child.pid}\\)"):
            Journal.open(path)
        child.kill()
        child.wait()
    Journal.open(path).close()


def test_every_cut_of_the_last_line_is_recovered_from(path, begin, caplog):
    whole = begin(*RECORDS)
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        caplog.clear()
        assert opened(path) == RECORDS[:-1]
        assert path.read_bytes() == whole[:start]
        assert bool(caplog.records) == (end > start)
    path.write_bytes(whole)
    assert opened(path) == RECORDS


def test_of_records_that_belong_together_all_or_none_are_there(path, begin, caplog):
    before = begin(RECORDS[0])
    journal = Journal.open(path)
    journal.append(RECORDS[1:4])
    journal.close()
    whole = path.read_bytes()
    assert opened(path) == RECORDS[:4]
    for end in range(len(before) + 1, len(whole), 7):
        path.write_bytes(whole[:end])
        caplog.clear()
        assert opened(path) == RECORDS[:1]
        assert path.read_bytes() == before
        assert "not whole" in caplog.text


# what only its type allows: a caller's value that slipped through must not make the whole journal unreadable
UNREADABLE = [
    Edited("a.jpg", "", 5, "add", ((1, MARK),)),
    Edited("a.jpg", "", "", "delete", ((1.0, None),)),
    Edited("a.jpg", "", "", "delete", ((True, None),)),
    Edited("a.jpg", "", "", "add", ((1 << 63, MARK),)),
    Failed("a.jpg", "", 404),
    Failed("../a.jpg", "", "broken"),
    Failed("a.jpg", "", b"broken"),
    Decided("a.jpg", "yesterday", "", "flagged"),
    Ordered("random", 1 << 63),
    Sources((("../../x.jpg", None),)),
]


@pytest.mark.parametrize("record", UNREADABLE, ids=repr)
def test_what_could_not_be_read_again_is_not_written(path, begin, record):
    whole = begin(RECORDS[0])
    journal = Journal.open(path)
    with pytest.raises(JournalError, match="nothing was changed"):
        journal.append([RECORDS[2], record])
    journal.append([RECORDS[2]])
    journal.close()
    assert path.read_bytes().startswith(whole)
    assert opened(path) == [RECORDS[0], RECORDS[2]]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()], ids=repr)
def test_what_does_not_reach_the_disk_is_taken_back(path, begin, monkeypatch, error):
    whole = begin(RECORDS[0])
    journal = Journal.open(path)

    def fail(*_):
        raise error

    monkeypatch.setattr(journal_module.os, "fsync", fail)
    with pytest.raises(JournalError if isinstance(error, OSError) else KeyboardInterrupt):
        journal.append([RECORDS[3]], durable=True)
    assert path.read_bytes() == whole
    monkeypatch.undo()
    journal.append([RECORDS[2]])
    journal.close()
    assert opened(path) == [RECORDS[0], RECORDS[2]]


def test_somebody_elses_file_is_no_lock_and_stays(path):
    for text in ("precious", "12 and more"):
        lock = path.with_name(f".{path.name}.blur-lock")
        lock.write_text(text)
        with pytest.raises(JournalError, match="another file"):
            Journal.open(path, Header(path.parent, True))
        assert lock.read_text() == text
        assert not path.exists()
    lock.write_text("123\n")
    Journal.open(path, Header(path.parent, True)).close()
    assert sorted(place.name for place in path.parent.iterdir()) == [f".{path.name}.blur-lock", path.name]


def test_a_folder_is_no_journal_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(JournalError, match=r"is a folder.*AuditSession\.open"):
        Journal.open(tmp_path / "set")
    assert [place.name for place in tmp_path.iterdir()] == ["set"]


def test_every_cut_of_the_first_line_begins_anew(path, begin):
    whole = begin()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert opened(path, Header(path.parent, True)) == []
        assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b"\0" * 4096, b'{"type":"err\0\0\0\0', b'{"type":"err\0\0\0"}\n'])
def test_zeros_that_a_loss_of_power_leaves_are_cut_off(path, begin, tail):
    whole = begin(*RECORDS)
    path.write_bytes(whole + tail)
    assert opened(path) == RECORDS
    assert path.read_bytes() == whole


def test_what_is_written_after_a_recovery_stands_on_a_line_of_its_own(path, begin):
    whole = begin(*RECORDS[:2])
    path.write_bytes(whole + b'{"type":"und')
    begin(RECORDS[2])
    assert opened(path) == RECORDS[:3]


DAMAGED = [
    (b"", "damaged"),
    (b"{", "damaged"),
    (b"[]", "not an object"),
    (b"\xff", "damaged"),
    (b"\0\0", "damaged"),
    (b"[" * 100_000, "damaged"),
    (b'{"type":"delete everything"}', "unknown type"),
    (b'{"type":["edit"]}', "unknown type"),
    (b'{"type":"undo"}', "relative path"),
    (b'{"type":"undo","key":"../a.jpg"}', "stays in its folder"),
    (b'{"type":"undo","key":"/a.jpg"}', "stays in its folder"),
    (b'{"type":"undo","key":"a","at":"never"}', "never"),
    (b'{"type":"undo","key":"a","more":1}', "more"),
    (b'{"type":"edit","key":"a","marks":[[1]]}', "pairs"),
    (b'{"type":"edit","key":"a","marks":[[true,null]]}', "whole number"),
    (b'{"type":"edit","key":"a","marks":[[1,null],[1,null]]}', "twice"),
    (b'{"type":"edit","key":"a","marks":[[1,{"kind":"plate"}]]}', "kind and polygon"),
    (b'{"type":"edit","key":"a","by":1}', "text"),
    (b'{"type":"detections","key":"a","marks":[[1,null]]}', "kind and polygon"),
    (b'{"type":"detections","key":"a","areas":[["plate",[1,2]]]}', "area"),
    (b'{"type":"detections","key":"a","settled":1}', "not true"),
    (b'{"type":"decision","key":"a","decision":"maybe"}', "'maybe'"),
    (b'{"type":"decision","key":"a","decision":["edited"]}', "none of"),
    (b'{"type":"order","order":"up"}', "'up'"),
    (b'{"type":"order","order":"risk","seed":-1}', "whole number"),
    (b'{"type":"sources","items":[["a",1]]}', "place"),
    (b'{"type":"sources","items":[["a/../b",null]]}', "stays in its folder"),
]


# zeros in the last line are what a loss of power leaves, see above
@pytest.mark.parametrize(
    ("line", "said", "last"),
    [(*case, last) for case in DAMAGED for last in (True, False) if not (last and b"\0" in case[0])],
)
def test_a_damaged_line_is_reported_by_its_number_and_nothing_is_changed(path, begin, line, said, last):
    whole = begin(*RECORDS[:2])
    damaged = whole + line + b"\n" + (b"" if last else b'{"type":"error","key":"a"}\n')
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match="line 4") as raised:
        Journal.open(path)
    assert said in str(raised.value)
    assert raised.value.line == 4
    assert len(str(raised.value)) < 1000
    assert path.read_bytes() == damaged
    path.write_bytes(whole)
    Journal.open(path).close()  # the lock was given up


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"undo","key":"a.jpg"}',
        '{"type":"redo","key":"a.jpg"}',
        '{"type":"edit","key":"a.jpg","marks":[[9,null]]}',
        '{"type":"edit","key":"a.jpg"}',
    ],
)
def test_a_line_that_does_not_fit_the_ones_before_is_reported_by_its_number(path, begin, line):
    begin(Ordered("risk", 0))
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(JournalError, match=r"line 3: does not fit"):
        AuditSession.resume(path)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "{}\n", "[]\n", "\n", '{"format":"blur.json"}\n', "no end", "\0"])
def test_what_is_no_journal_is_left_as_it_is(path, text):
    path.write_text(text)
    for new in (None, Header(path.parent, True)):
        if new and not text.strip("\0"):
            continue  # zeros alone are what a loss of power leaves of a new file
        with pytest.raises(JournalError, match="not the journal"):
            Journal.open(path, new)
        assert path.read_text() == text


def test_a_newer_version_is_refused(path):
    path.write_text('{"format":"blur-audit","version":2,"strange":1}\n???\n')
    with pytest.raises(JournalError, match=r"newer blur_tools \(version 2"):
        Journal.open(path)
    assert path.read_text().endswith("???\n")


@pytest.mark.parametrize(
    "head",
    [
        {"version": "1"},
        {"version": 0},
        {"version": True},
        {"version": 1},
        {"version": 1, "root": 5, "folder": False},
        {"version": 1, "root": None, "folder": True},
        {"version": 1, "root": "a\0", "folder": True},
    ],
)
def test_a_wrong_first_line_is_reported(path, head):
    path.write_text(json.dumps({"format": "blur-audit"} | head) + "\n")
    with pytest.raises(JournalError, match="line 1"):
        Journal.open(path)


def test_a_folder_that_is_not_there_or_a_journal_that_is_not_is_said(tmp_path):
    with pytest.raises(JournalError, match="no such journal"):
        Journal.open(tmp_path / "none.jsonl")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(JournalError, match="cannot be written there"):
        Journal.open(tmp_path / "none" / "a.jsonl", Header(tmp_path, True))
    with pytest.raises(JournalError):
        Journal.open(tmp_path, Header(tmp_path, True))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
def test_a_pipe_or_a_link_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError):
        Journal.open(tmp_path / "pipe", Header(tmp_path, True))
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match="link"):
        Journal.open(tmp_path / "link", Header(tmp_path, True))
    assert not (tmp_path / "elsewhere").exists()


def test_a_root_beside_or_below_moves_with_the_journal_and_another_does_not(tmp_path):
    for root, said in ((tmp_path, "."), (tmp_path / "a" / "b", "a/b"), (tmp_path.parent, str(tmp_path.parent))):
        path = tmp_path / f"{len(said)}.jsonl"
        Journal.open(path, Header(root, True)).close()
        assert json.loads(path.read_text())["root"] == said
        again = Journal.open(path)
        assert again.header.root == root
        again.close()


def test_a_full_disk_takes_back_what_was_half_written(path, begin, monkeypatch):
    whole = begin(RECORDS[0])
    journal = Journal.open(path)
    real, calls = os.write, []

    def full(descriptor, data):
        calls.append(data)
        if len(calls) == 1:
            return real(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module.os, "write", full)
    with pytest.raises(JournalError, match="No space left"):
        journal.append([RECORDS[1]])
    monkeypatch.undo()
    assert path.read_bytes() == whole
    journal.append([RECORDS[2]])
    journal.close()
    assert opened(path) == [RECORDS[0], RECORDS[2]]


def test_what_cannot_be_taken_back_ends_the_writing(path, begin, monkeypatch):
    begin(RECORDS[0])
    journal = Journal.open(path)

    def refuse(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(journal_module.os, "write", refuse)
    monkeypatch.setattr(journal_module.os, "ftruncate", refuse)
    with pytest.raises(JournalError, match="Input/output"):
        journal.append([RECORDS[1]])
    monkeypatch.undo()
    with pytest.raises(JournalError, match="open it again"):
        journal.append([RECORDS[1]])
    journal.close()
    assert opened(path) == RECORDS[:1]


def test_a_deleted_journal_is_noticed(path, begin):
    begin()
    journal = Journal.open(path)
    path.unlink()
    with pytest.raises(JournalError, match="was deleted"):
        journal.append([RECORDS[0]])
    journal.close()


def test_a_closed_journal_is_not_written(path, begin):
    begin()
    journal = Journal.open(path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append([RECORDS[0]])

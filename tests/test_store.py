"""What is kept by content: whole or not at all, by anybody at once, and never a picture's trouble."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blur_tools import OutputError, SettingsError
from blur_tools.batch import store as stores
from blur_tools.batch.store import Store, default_folder, key_of, open_store
from blur_tools.formats._writing import _machine

KEY = key_of("answer", "x")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def files(store: Store) -> list[Path]:
    return sorted(path for path in store.folder.rglob("*.json"))


def test_a_value_comes_back(store):
    assert store.get(KEY) is None
    store.put(KEY, {"detections": "é", "number": 1.5})
    assert store.get(KEY) == {"version": 1, "detections": "é", "number": 1.5}
    store.put(KEY, {"number": 2})
    assert store.get(KEY) == {"version": 1, "number": 2}
    assert [path.relative_to(store.folder).as_posix() for path in files(store)] == [f"{KEY[:2]}/{KEY[2:]}.json"]


def test_its_folder_is_for_its_user_alone_and_no_backup(store):
    store.put(KEY, {})
    assert (store.folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    if os.name == "posix":
        assert store.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_shared_keeps_its_permissions(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o775)
    Store(tmp_path / "store").put(KEY, {})
    if os.name == "posix":
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o775


def test_a_folder_that_is_removed_meanwhile_is_made_as_the_first(store):
    import shutil

    store.put(KEY, {"number": 1})
    shutil.rmtree(store.folder)
    store.put(KEY, {"number": 2})
    assert store.get(KEY) == {"version": 1, "number": 2}
    assert (store.folder / "CACHEDIR.TAG").exists()
    if os.name == "posix":
        assert store.folder.stat().st_mode & 0o777 == 0o700


def test_keys_are_of_all_parts():
    keys = [key_of("a"), key_of("b"), key_of("a", "b"), key_of("ab"), key_of("a", {"x": 1}), key_of("a", {"x": 2})]
    assert len(set(keys)) == len(keys)
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})


def damaged(line: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": line[: len(line) // 2],
        "without its sum": line.partition(b"\n")[0] + b"\n",
        "one digit": line.replace(b"12.5", b"92.5"),
        "no JSON": b"nonsense\n",
        "zeros": bytes(len(line)),
        "two values": line + line,
    }


@pytest.mark.parametrize("how", damaged(b"x"))
def test_a_damaged_file_is_not_there_is_said_and_is_replaced(store, caplog, how):
    store.put(KEY, {"x": 12.5})
    (path,) = files(store)
    path.write_bytes(damaged(path.read_bytes())[how])
    assert store.get(KEY) is None
    assert "is damaged; its picture is done again" in caplog.text
    assert store.contents().unreadable == 1
    store.put(KEY, {"x": 12.5})
    assert store.get(KEY) == {"version": 1, "x": 12.5}


def test_what_another_version_wrote_is_not_read_and_can_be_removed(store, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(stores, "VERSION", 2)
        store.put(KEY, {"x": 1})
    assert store.get(KEY) is None
    assert store.prune() == 1
    assert files(store) == []


def test_a_store_that_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    broken = Store(tmp_path / "file" / "store")
    for number in range(3):
        broken.put(key_of(number), {})
        assert broken.get(key_of(number)) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_value_that_cannot_be_read_is_said_once(store, caplog):
    for number in range(2):
        (store.folder / key_of(number)[:2] / f"{key_of(number)[2:]}.json").mkdir(parents=True)
        assert store.get(key_of(number)) is None
    assert caplog.text.count("cannot be read") == 1


def test_one_after_another_for_a_key_and_at_once_for_others(store):
    inside, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2, timeout=10)

    def work(key: str) -> None:
        nonlocal inside, most
        with store.turn(key):
            with lock:
                inside += 1
                most = max(most, inside)
            if key != "same":
                both.wait()
            with lock:
                inside -= 1

    for keys, expected in ((["same"] * 8, 1), (["one", "other"], 2)):
        most = 0
        threads = [threading.Thread(target=work, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == expected
    assert store._held == {}


WRITER = """
import sys
from blur_tools.batch.store import Store, key_of
store, who = Store(sys.argv[1]), sys.argv[2]
for turn in range(150):
    for number in range(4):
        store.put(key_of(number), {"who": who, "text": who * 5000})
        value = store.get(key_of(number))
        assert value is not None and value["text"] == value["who"] * 5000, value
"""


def test_processes_share_it(store):
    """Three write and read the same values: each reads a whole one, its own or another's."""
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, store.folder, who], stderr=subprocess.PIPE) for who in "abc"
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, b"")
    assert len(files(store)) == 4
    assert store.contents().unreadable == 0


def test_contents(store):
    assert store.contents() == stores.Contents()
    for number in range(5):
        store.put(key_of(number), {"text": "x" * 100})
    held = store.contents()
    assert (held.values, held.unreadable) == (5, 0)
    assert held.size == sum(path.stat().st_size for path in files(store))
    assert held.oldest <= held.newest <= time.time() + 1


def test_pruning_removes_the_old_the_damaged_and_the_left_and_nothing_else(store):
    for number in range(4):
        store.put(key_of(number), {})
    first, second, third, _ = (store.folder / key_of(n)[:2] / f"{key_of(n)[2:]}.json" for n in range(4))
    first.write_bytes(b"broken")
    os.utime(second, (0, time.time() - 100))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = third.parent / f".blur-{_machine()}-{gone.pid}-{'0' * 16}.tmp"
    under_way = third.parent / left.name.replace(f"-{gone.pid}-", f"-{os.getpid()}-")
    others = [store.folder / "notes.txt", store.folder / "zz" / "x.json", third.parent / "mine.json"]
    for path in (left, under_way, *others):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert store.prune(older_than=50) == 3
    assert [path.exists() for path in (first, second, left)] == [False] * 3
    assert all(path.exists() for path in (third, under_way, *others))
    assert store.contents().values == 2
    assert store.prune(older_than=0) == 2
    assert all(path.exists() for path in (under_way, *others))
    assert store.contents().values == 0


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    for look in (Store(tmp_path / "file").contents, Store(tmp_path / "file").prune):
        with pytest.raises(OutputError, match="cannot be read"):
            look()


def test_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("BLUR_TOOLS_STORE", str(tmp_path / "there"))
    assert default_folder() == tmp_path / "there"
    assert open_store(True).folder == tmp_path / "there"
    assert open_store(False) is None
    (tmp_path / "there").write_text("x")
    with pytest.raises(SettingsError, match=r"BLUR_TOOLS_STORE: .* is no folder"):
        default_folder()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="each system has a folder of its own for caches")
def test_where_it_is_when_nobody_says(tmp_path, monkeypatch):
    monkeypatch.delenv("BLUR_TOOLS_STORE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_folder() == tmp_path / ".cache/blur_tools/store"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert default_folder() == tmp_path / "caches/blur_tools/store"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == tmp_path / ".cache/blur_tools/store"
    monkeypatch.setenv("HOME", "nowhere")
    assert default_folder() is None
    assert open_store(True) is None


def test_values_are_plain_json(store):
    store.put(KEY, {"x": [1, None, "é"]})
    line, digest = files(store)[0].read_text().splitlines()
    assert json.loads(line) == {"version": 1, "x": [1, None, "é"]}
    assert len(digest) == 64

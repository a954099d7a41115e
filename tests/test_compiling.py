"""Loops whose compiled form is damaged on disk, or was made with other parts."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import pytest

pytest.importorskip("numba")

from blur_tools.redaction import _compiling

SOURCE = """
def twice(number):
    return number + number
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function in a file of its own, as a new process would import it, and where its compiled form is kept."""
    from numba.core import config

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "kept"))
    path = tmp_path / "loops.py"
    path.write_text(SOURCE)
    _compiling._tell.cache_clear()

    def load():
        spec = importlib.util.spec_from_file_location("loops", path)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return _compiling.kernel(loaded.twice)

    return load, lambda ending: sorted(Path(tmp_path / "kept").rglob(f"*.{ending}"))


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_cache_is_told_and_made_anew(module, ending, caplog):
    load, kept = module
    assert load()(21) == 42
    (damaged,) = kept(ending)
    damaged.write_bytes(damaged.read_bytes()[:20])
    with caplog.at_level(logging.WARNING, "blur_tools"):
        assert load()(21) == 42
    assert [record.args[0] for record in caplog.records] == [str(damaged.parent)]
    caplog.clear()
    again = load()
    assert again(21) == 42
    assert sum(again.stats.cache_hits.values()) == 1
    assert not caplog.records


def test_a_cache_that_cannot_be_written_is_none(module, caplog, monkeypatch):
    load, kept = module
    from numba.core.caching import IndexDataCacheFile

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    with caplog.at_level(logging.WARNING, "blur_tools"):
        assert load()(21) == 42
    assert len(caplog.records) == 1
    assert kept("nbc") == []


def test_another_state_of_the_shared_parts_is_another_cache(module, monkeypatch):
    load, kept = module
    assert load()(1) == 2
    monkeypatch.setattr(_compiling, "_state_of_parts", lambda: "_changed")
    again = load()
    assert again(1) == 2
    assert sum(again.stats.cache_misses.values()) == 1
    assert len(kept("nbi")) == 2


def test_all_shared_parts_are_in_the_file_that_is_looked_at():
    """Else a change of one would leave compiled loops of other files as they were."""
    folder = Path(_compiling.__file__).parent
    parts = {path.name for path in folder.glob("*.py") if "\n@part\n" in path.read_text()}
    own = {"_jpeg_encoding.py"}  # used in it alone
    assert parts - own == {_compiling.PARTS}


def test_a_numba_that_does_not_work_is_done_without(monkeypatch, encode, noise):
    import sys

    import blur_tools
    from blur_tools.detections import Detection, box_polygon

    monkeypatch.delitem(sys.modules, "blur_tools.redaction._jpeg_scans", raising=False)
    monkeypatch.delattr("blur_tools.redaction._jpeg_scans", raising=False)

    class Broken:
        def find_spec(self, name, *_):
            if name == "blur_tools.redaction._jpeg_scans":
                raise SystemError("initialization of _internal failed")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    done = blur_tools.redact(encode(noise(64, 32), "JPEG"), [Detection("plate", box_polygon(4, 4, 20, 12))])
    assert done.method in ("jpeg-transcode", "reencode-keep")

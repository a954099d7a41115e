"""``ddf.blur``: lazily, over several workers, one of which dies."""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from blur_tools import OutputError, SettingsError
from blur_tools.engines import LocalEngine, engine
from blur_tools.engines.fake import FakeBlur

dd = pytest.importorskip("dask.dataframe", reason="the extra [dask] is not installed")
pytest.importorskip("distributed", reason="the extra [dask] is not installed")
from dask.distributed import Client, LocalCluster  # noqa: E402

import blur_tools.frames.dask  # noqa: E402, F401  (registers the accessor)

FACE = {"box": {"xmin": 1, "ymin": 2, "xmax": 9, "ymax": 12}, "score": 0.9}
PICTURES, RATE = 60, 20.0


@pytest.fixture
def fake():
    with FakeBlur(faces=[FACE]) as service:
        yield service


@pytest.fixture
def frame(tmp_path, encode, noise) -> pd.DataFrame:
    data = encode(noise(48, 64), "JPEG")
    paths = []
    for number in range(PICTURES):
        paths.append(tmp_path / "in" / f"{number % 3}" / f"{number:03}.jpg")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(data + bytes([number]))  # what follows the picture makes it another file
    return pd.DataFrame({"image": list(map(str, paths)), "note": range(PICTURES)}, index=range(100, 100 + PICTURES))


def few(frame: pd.DataFrame, partitions: int = 2) -> object:
    return dd.from_pandas(frame.head(6), npartitions=partitions)


def test_importing_the_package_does_not_load_dask():
    code = "import sys, blur_tools; assert 'dask' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_dask_the_extra_is_named():
    code = """
import sys
sys.modules["dask"] = None
import blur_tools
try:
    import blur_tools.frames.dask
except blur_tools.ExtraMissingError as error:
    assert "blur-tools[dask]" in str(error), error
else:
    raise SystemExit("it was imported")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_as_with_pandas(frame, fake, tmp_path):
    """Names, values, types, index and partitions."""
    finder = engine(fake.url)
    expected = frame.head(6).blur.apply(out=tmp_path / "one", engine=finder, progress=False)
    lazy = few(frame).blur.apply("image", out=tmp_path / "two", root=tmp_path / "in", engine=finder)
    assert len(fake.posts) == 6
    assert not (tmp_path / "two").exists()
    assert lazy.npartitions == 2
    assert lazy.divisions == few(frame).divisions
    result = lazy.compute(scheduler="threads")
    assert result.dtypes.equals(lazy.dtypes)
    assert result["blurred"].tolist() == [name.replace("one/", "two/") for name in expected["blurred"]]
    same = [name for name in expected.columns if name not in ("blurred", "image")]
    pd.testing.assert_frame_equal(result[same], expected[same])
    assert result["image"].tolist() == expected["image"].tolist()
    for name in result["blurred"]:
        assert (tmp_path / name).read_bytes() == (tmp_path / name.replace("two/", "one/")).read_bytes()
    assert len(fake.posts) == 6  # both have one store


def test_detect_is_as_with_pandas(frame, fake):
    finder = engine(fake.url)
    expected = frame.head(6).blur.detect("image", engine=finder, progress=False)
    lazy = few(frame).blur.detect("image", engine=finder)
    result = lazy.compute(scheduler="threads")
    assert result.dtypes.equals(lazy.dtypes)
    same = [name for name in expected.columns if name != "image"]
    pd.testing.assert_frame_equal(result[same], expected[same])
    assert len(fake.posts) == 6


def test_parts_without_pictures_have_the_same_columns(frame, fake, tmp_path):
    table = frame.head(4).assign(image=[*frame["image"].head(2), None, None])
    lazy = dd.from_pandas(table, npartitions=2).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url))
    result = lazy.compute(scheduler="threads")
    assert result["status"].tolist() == ["ok", "ok", "skipped", "skipped"]
    assert result.dtypes.equals(lazy.dtypes)
    found = dd.from_pandas(table, npartitions=2).blur.detect("image", engine=engine(fake.url))
    assert len(found.compute(scheduler="threads")) == 2


def test_a_file_keeps_its_whole_way_without_a_root(frame, fake, tmp_path):
    result = few(frame).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url)).compute(scheduler="threads")
    whole = Path(frame["image"].iloc[0]).relative_to("/").as_posix()
    assert result["blurred"].iloc[0] == f"out/{whole}"
    again = (
        few(frame, 5).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url)).compute(scheduler="threads")
    )
    assert again["blurred"].tolist() == result["blurred"].tolist()  # whatever partition it is in


def test_endings_that_lie_never_meet_in_one_name(tmp_path, encode, noise, fake):
    names = ["a.jpg", "a.jpg.png"]
    (tmp_path / "in").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(encode(noise(48, 64) ^ np.uint8(number)))
    ddf = dd.from_pandas(pd.DataFrame({"image": [str(tmp_path / "in" / name) for name in names]}), npartitions=2)
    lazy = ddf.blur.apply(out=tmp_path / "out", root=tmp_path / "in", engine=engine(fake.url))
    result = lazy.compute(scheduler="threads")
    assert result["blurred"].nunique() == 2
    assert result["blurred"].iloc[1] == "out/a.jpg.png"


def test_what_is_wrong_is_said_at_once(frame, fake, tmp_path):
    ddf = few(frame)
    with pytest.raises(SettingsError, match="plates: 11"):
        ddf.blur.apply("image", plates=11)
    with pytest.raises(SettingsError, match="no column 'picture'"):
        ddf.blur.detect("picture")
    with pytest.raises(SettingsError, match="say which of 'image', 'note'"):
        ddf.blur.apply()
    with pytest.raises(SettingsError, match="token"):
        ddf.blur.apply("image", engine="cloud")
    with pytest.raises(SettingsError, match="out: a folder is needed"):
        ddf.blur.apply("image", out=None)
    with pytest.raises(SettingsError, match="workers"):
        ddf.blur.apply("image", workers=0)
    with pytest.raises(OutputError, match="choose another"):
        ddf.blur.apply("image", out=tmp_path / "in", root=tmp_path / "in")
    assert fake.calls == []


def test_a_logo_goes_with_the_work(frame, fake, tmp_path, encode, noise, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("logo.png").write_bytes(encode(noise(8, 16)))
    lazy = few(frame).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url), logo="logo.png")
    Path("logo.png").unlink()  # as on another machine
    assert lazy.compute(scheduler="threads")["status"].tolist() == ["ok"] * 6
    with pytest.raises(SettingsError, match="logo"):
        few(frame).blur.apply("image", logo="logo.png")


def test_an_original_is_never_replaced(frame, fake, tmp_path):
    lazy = few(frame).blur.apply("image", out=tmp_path / "in" / "0", engine=engine(fake.url))
    with pytest.raises(OutputError, match="holds originals"):
        lazy.compute(scheduler="threads")


def test_an_engine_that_cannot_be_sent_is_refused(frame):
    class Locked(LocalEngine):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

    with pytest.raises(SettingsError, match="engine: local cannot be sent to workers"):
        few(frame).blur.apply("image", engine=Locked())


def test_where_the_store_is(frame, fake, tmp_path, monkeypatch):
    finder = engine(fake.url)
    few(frame).blur.apply("image", out=tmp_path / "out", engine=finder, store=tmp_path / "mine").compute(
        scheduler="threads"
    )
    assert len(list((tmp_path / "mine").rglob("*.json"))) == 12
    monkeypatch.delenv("BLUR_TOOLS_STORE")
    few(frame).blur.apply("image", out=tmp_path / "out", engine=finder).compute(scheduler="threads")
    assert len(list((tmp_path / "out.store").rglob("*.json"))) == 12
    few(frame).blur.apply("image", out=tmp_path / "o", engine=finder, resume=False).compute(scheduler="threads")
    assert not (tmp_path / "o.store").exists()
    assert len(fake.posts) == 18


def test_a_remote_engine_is_one_in_every_process():
    first = engine("http://127.0.0.1:9", token="secret", rate=3, upload_limit=1000)
    sent = pickle.dumps(first)
    second, third = pickle.loads(sent), pickle.loads(sent)
    assert second is third
    assert second.pace == first.pace == ("http://127.0.0.1:9", 3)
    assert (second.name, second.upload_limit, second.identity) == (first.name, first.upload_limit, first.identity)
    assert "secret" not in repr(second)


def test_a_worker_is_killed(frame, fake, tmp_path):
    """Every row is there, what was answered is not asked again, and one rate holds over both workers."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        workers = client.run(os.getpid)
        ddf = dd.from_pandas(frame, npartitions=6)
        finder = engine(fake.url, rate=RATE)
        lazy = ddf.blur.apply("image", out=tmp_path / "out", root=tmp_path / "in", engine=finder)
        future = client.compute(lazy)
        while len(fake.posts) < PICTURES // 2:
            assert not future.done()
            time.sleep(0.01)
        # as long as one rate takes; with one of its own for each of the two workers it would be half of that
        both = fake.posts[PICTURES // 6 : PICTURES // 2]  # at first each loads and compiles
        assert both[-1].time - both[0].time >= 0.8 * (len(both) - 1) / RATE
        os.kill(next(iter(workers.values())), signal.SIGKILL)
        result = future.result(timeout=100)
        assert result["status"].tolist() == ["ok"] * PICTURES
        assert result.index.tolist() == frame.index.tolist()
        assert result.dtypes.equals(lazy.dtypes)
        repeated = Counter(call.files["upload"][0] for call in fake.posts)
        assert sum(repeated.values()) - PICTURES <= 2  # the dead worker's threads were in a call each
        done = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "out").rglob("*.*"))
        assert done == sorted(result["blurred"])
        calls = len(fake.posts)
        found = ddf.blur.detect("image", engine=finder).compute()
        assert len(found) == PICTURES
        assert len(fake.posts) == calls


def test_the_scheduler_gives_turns_in_order_and_none_to_who_is_gone():
    from blur_tools.frames._dask_rate import TurnsPlugin

    async def scene() -> None:
        plugin = TurnsPlugin()
        scheduler = SimpleNamespace(workers={"a": 1, "b": 2}, handlers={})
        await plugin.start(scheduler)
        turn, pause = scheduler.handlers["blur_tools_turn"], scheduler.handlers["blur_tools_pause"]
        begun: list[tuple[str, float]] = []

        async def ask(worker: str) -> None:
            await turn("here", 0.05, worker)
            begun.append((worker, time.monotonic()))

        await asyncio.gather(*(ask(worker) for worker in "aab"))
        assert [worker for worker, _ in begun] == ["a", "a", "b"]
        assert all(later[1] - earlier[1] >= 0.049 for earlier, later in itertools.pairwise(begun))
        last = plugin._places["here"].last
        await turn("here", 1000.0, "gone")  # at once, and it takes nobody's turn
        assert plugin._places["here"].last == last
        waiting = asyncio.create_task(turn("here", 1000.0, "b"))
        await asyncio.sleep(0)
        del scheduler.workers["b"]  # while it waits
        await waiting
        assert plugin._places["here"].last == last
        await pause("here", 1000.0)
        await turn("there", 1000.0, "a")  # another address
        closed = asyncio.create_task(turn("here", 0.0, "a"))
        await asyncio.sleep(0.01)
        assert not closed.done()
        closed.cancel()

    asyncio.run(scene())


def test_a_worker_that_is_paused_keeps_to_the_rate(monkeypatch):
    from distributed.core import Status

    from blur_tools.frames import _dask_rate

    asked: list[str] = []
    monkeypatch.setattr(_dask_rate, "sync", lambda loop, ask, **facts: asked.append(facts["place"]))
    scheduler = SimpleNamespace(blur_tools_turn=None, blur_tools_pause=None)
    worker = SimpleNamespace(status=Status.running, loop=None, scheduler=scheduler, address="a")
    turns = _dask_rate._ClusterTurns(worker, "here")
    for status in (Status.running, Status.paused, Status.closing_gracefully):
        worker.status = status
        turns.wait(1.0)
    assert asked == ["here"] * 3
    for status in (Status.closing, Status.closed, Status.failed):
        worker.status = status
        turns.wait(1.0)
        turns.pause(1.0)
    assert asked == ["here"] * 3


def test_originals_in_and_beside_the_root_have_a_result_each(tmp_path, fake, encode, noise):
    """Whole ways from the root of the file system and places below `root` can be alike."""
    outside = tmp_path / "other/a.jpg"
    inside = tmp_path / "root" / outside.relative_to("/")
    for number, path in enumerate((outside, inside)):
        path.parent.mkdir(parents=True)
        path.write_bytes(encode(noise(48, 64) ^ np.uint8(number), "JPEG"))
    ddf = dd.from_pandas(pd.DataFrame({"image": [str(outside), str(inside)]}), npartitions=2)
    lazy = ddf.blur.apply("image", out=tmp_path / "out", root=tmp_path / "root", engine=engine(fake.url))
    result = lazy.compute(scheduler="sync")
    assert result["status"].tolist() == ["ok", "ok"]
    assert result["blurred"].nunique() == 2
    assert result["blurred"].iloc[1] == "out/" + outside.relative_to("/").as_posix()
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 2
    # whoever is first, and whoever else there is
    alone = ddf.partitions[0].blur.apply("image", out=tmp_path / "one", root=tmp_path / "root", engine=engine(fake.url))
    name = alone.compute(scheduler="sync")["blurred"].iloc[0]
    assert name == result["blurred"].iloc[0].replace("out/", "one/")


def test_bytes_are_pictures_where_dask_leaves_them_bytes(frame, fake, tmp_path):
    import dask

    table = pd.DataFrame({"image": [Path(path).read_bytes() for path in frame["image"].head(4)]})
    with dask.config.set({"dataframe.convert-string": False}):
        lazy = dd.from_pandas(table, npartitions=2).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url))
        result = lazy.compute(scheduler="threads")
    assert result["status"].tolist() == ["ok"] * 4
    with dask.config.set({"dataframe.convert-string": True}):
        text = pd.DataFrame({"image": [{"bytes": data, "path": None} for data in table["image"]]})
        lazy = dd.from_pandas(text, npartitions=2).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url))
        result = lazy.compute(scheduler="threads")
    assert result["status"].tolist() == ["failed"] * 4
    assert result["error"].str.contains("something has turned the cell into text").all()


def test_several_processes_without_a_cluster_have_no_common_rate(frame, fake, tmp_path):
    lazy = few(frame).blur.apply("image", out=tmp_path / "out", engine=engine(fake.url, rate=RATE))
    with pytest.raises(SettingsError, match="rate: holds over several processes only on a distributed cluster"):
        lazy.compute(scheduler="processes", num_workers=1)
    assert fake.posts == []

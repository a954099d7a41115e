"""A run goes on where another was ended, and nobody is asked twice."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import blur_tools
from blur_tools import BlurSettings, Detection, Detections, PictureError, SettingsError
from blur_tools._stop import LOOK, proceed
from blur_tools.batch import rows
from blur_tools.batch.rows import Job
from blur_tools.batch.store import Store, open_store
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.remote import RemoteEngine
from blur_tools.frames.tables import apply_frame


class Counting:
    """An engine that finds one plate, and counts whom it was asked for."""

    name = "counting"
    versions: ClassVar[dict[str, str]] = {"model": "1"}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, picture, settings) -> Answer:
        self.asked.append(os.path.basename(picture.source.origin))
        plate = Detection("plate", box_polygon(4, 4, 20, 10), 0.9, "counting")
        return Answer(Detections([plate]), ("a warning",))


@pytest.fixture
def engine() -> Counting:
    return Counting()


@pytest.fixture
def frame(tmp_path, encode, noise) -> pd.DataFrame:
    paths = []
    for number in range(4):
        paths.append(tmp_path / "in" / f"{number}.jpg")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_bytes(encode(noise(48, 64) ^ np.uint8(number), "JPEG"))
    return pd.DataFrame({"image": list(map(str, paths))})


def apply(frame: pd.DataFrame, engine: Any, **options: Any) -> pd.DataFrame:
    out = Path(frame["image"].iloc[0]).parents[1] / "out"
    return frame.blur.apply(**({"out": out, "engine": engine, "progress": False, "workers": 1} | options))


def store_files() -> list[Path]:
    return sorted(Path(os.environ["BLUR_TOOLS_STORE"]).rglob("*.json"))


def test_a_second_run_asks_nobody_decodes_nothing_and_writes_nothing(frame, engine, tmp_path, monkeypatch):
    first = apply(frame, engine)
    assert len(engine.asked) == 4
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(rows, "load_picture", lambda *_: pytest.fail("a picture was decoded"))
    pd.testing.assert_frame_equal(apply(frame, Counting()), first)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == written


def test_warnings_are_told_again(frame, engine, caplog):
    for _ in range(2):
        caplog.clear()
        apply(frame, engine)
        assert [record.getMessage() for record in caplog.records] == ["a warning (4 pictures)"]


def test_the_rest_of_a_run_is_done(frame, engine, tmp_path):
    apply(frame.head(2), engine)
    apply(frame, engine)
    assert engine.asked == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_without_resume_all_is_done_anew_and_nothing_is_kept(frame, engine):
    apply(frame, engine, resume=False)
    assert store_files() == []
    apply(frame, engine)
    kept = {path: path.stat().st_mtime_ns for path in store_files()}
    assert len(kept) == 8
    apply(frame, engine, resume=False)
    assert len(engine.asked) == 12
    assert {path: path.stat().st_mtime_ns for path in store_files()} == kept


OTHER_VALUES: dict[str, Any] = {
    "regions": ("us",),
    "skip_regexp": ("^A",),
    "faces": -1,
    "plates": -1,
    "logo": None,  # made by the test
    "config": {"region": "strict"},
    "et": 1.0,
    "el": 1.0,
    "eb": 1.0,
    "er": 1.0,
    "xmin": (1,),
    "ymin": (1,),
    "xmax": (2,),
    "ymax": (2,),
    "split": 2,
    "overlap": 30.0,
    "camera_id": "c",
    "snapshot_filename": "n.jpg",
    "copy_metadata": True,
    "face_max_resolution": 640,
    "effect": "fill",
    "shape": "square",
    "margin": 0.5,
    "feather": 0.1,
    "panorama": True,
    "thorough": True,
    "plate_threshold": 0.9,
    "face_threshold": 0.9,
    "read_plates": True,
    "copy_gps": True,
    "copy_serials": True,
}
HIDING = {"logo", "copy_metadata", "effect", "shape", "margin", "feather", "copy_gps", "copy_serials"}
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def test_every_parameter_either_changes_what_is_found_or_how_it_is_hidden():
    assert {*OTHER_VALUES, "render"} == {parameter.name for parameter in BlurSettings.parameters()}
    assert {parameter.name for parameter in BlurSettings.parameters() if parameter.renders} == {*HIDING, "render"}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_only_what_changes_the_answer_asks_again(frame, engine, tmp_path, encode, noise, name):
    frame = frame.head(1)
    apply(frame, engine)
    (tmp_path / "logo.png").write_bytes(encode(noise(8, 16)))
    changed = {key: OTHER_VALUES[key] for key in (CORNERS if name in CORNERS else (name,))}
    apply(frame, engine, **(changed | ({"logo": tmp_path / "logo.png"} if name == "logo" else {})))
    assert len(engine.asked) == (1 if name in HIDING else 2)


def test_how_strongly_something_is_hidden_asks_nobody(frame, engine):
    before = apply(frame, engine, plates=5, faces=3)
    after = apply(frame, engine, plates=10, faces=0)
    found = frame.blur.detect(engine=engine, progress=False)
    assert len(engine.asked) == 4
    assert len(found) == 4
    assert before["detections"].tolist() == after["detections"].tolist()


def test_another_strength_is_rendered(frame, engine, tmp_path):
    apply(frame, engine, plates=5)
    weak = (tmp_path / "out/0.jpg").read_bytes()
    apply(frame, engine, plates=10)
    strong = (tmp_path / "out/0.jpg").read_bytes()
    apply(frame, engine, plates=5)
    assert weak != strong
    assert (tmp_path / "out/0.jpg").read_bytes() == weak


def test_a_logo_is_known_by_what_it_shows(frame, engine, tmp_path, encode, noise):
    logo = tmp_path / "logo.png"
    results = []
    for number in range(2):
        logo.write_bytes(encode(noise(8, 16) ^ np.uint8(255 * number)))
        apply(frame, engine, logo=logo)
        results.append((tmp_path / "out/0.jpg").read_bytes())
    assert results[0] != results[1]
    assert len(engine.asked) == 4


def test_another_picture_under_the_same_name_is_another(frame, engine, encode, noise):
    apply(frame, engine)
    Path(frame["image"].iloc[1]).write_bytes(encode(noise(48, 64) ^ np.uint8(99), "JPEG"))
    apply(frame, engine)
    assert engine.asked[4:] == ["1.jpg"]


@pytest.mark.parametrize("change", ["name", "versions", "class"])
def test_another_engine_is_asked(frame, engine, change):
    apply(frame, engine)
    other = type("Other", (Counting,), {})() if change == "class" else Counting()
    if change != "class":
        setattr(other, change, "other" if change == "name" else {"model": "2"})
    apply(frame, other)
    assert len(other.asked) == 4


def test_an_engine_that_says_no_versions_is_asked_every_time(frame, engine, caplog):
    """It could be another one of the same name: what it does not find is not hidden."""
    engine.versions = {}
    for _ in range(2):
        apply(frame, engine)
    assert len(engine.asked) == 8
    assert store_files() == []
    assert caplog.text.count("counting says no versions, so what it finds is not kept for the next run") == 2


def test_an_engine_says_itself_what_its_answers_depend_on(frame, engine):
    engine.identity = {"weights": "a"}
    apply(frame, engine)
    engine.versions = {"model": "2"}  # which changes nothing, it says: but what is known to be another is
    apply(frame, engine)
    assert len(engine.asked) == 8
    engine.identity = {"weights": "b"}
    apply(frame, engine)
    assert len(engine.asked) == 12
    engine.identity = {"weights": object()}
    with pytest.raises(SettingsError, match="engine: counting: its identity or versions are not what JSON can say"):
        apply(frame, engine)
    assert apply(frame, engine, resume=False)["status"].tolist() == ["ok"] * 4


def test_the_first_error_ends_a_run_at_once(frame, engine, tmp_path):
    """No thread goes on behind the back of who was told."""
    Path(frame["image"].iloc[0]).write_text("no picture")
    with pytest.raises(PictureError) as told:
        apply(frame, engine, errors="raise", workers=2)
    assert not any(thread.name.startswith("blur_tools_") for thread in threading.enumerate())
    assert told.value.picture.endswith("0.jpg")


def test_the_local_engine_is_not_asked_twice(frame, networks):
    for effect in ("gaussian", "fill", "gaussian"):
        assert (apply(frame, None, effect=effect)["n_faces"] == 1).all()
    assert len(networks) == 8
    apply(frame, None, plate_threshold=0.5)
    assert len(networks) == 16


@pytest.mark.parametrize("damage", ["gone", "edited", "a folder"])
def test_a_result_that_is_not_as_it_was_written_is_written_again(frame, engine, tmp_path, damage):
    apply(frame, engine)
    target = tmp_path / "out/2.jpg"
    data = target.read_bytes()
    if damage == "edited":
        target.write_bytes(Path(frame["image"].iloc[2]).read_bytes())  # the original, unhidden
    else:
        target.unlink()
    if damage == "a folder":
        target.mkdir()
    result = apply(frame, engine)
    assert len(engine.asked) == 4
    if damage == "a folder":
        assert result["status"].tolist() == ["ok", "ok", "failed", "ok"]
    else:
        assert target.read_bytes() == data


def test_a_damaged_answer_is_asked_for_again(frame, engine, caplog):
    apply(frame, engine)
    for path in store_files():
        path.write_bytes(path.read_bytes()[:-70])
    apply(frame, engine)
    assert len(engine.asked) == 8
    assert caplog.text.count("is damaged") == 8
    apply(frame, engine)
    assert len(engine.asked) == 8


@pytest.mark.parametrize(
    "value",
    [
        {"detections": 5},
        {"detections": "{}"},
        {"warnings": 5},
        {"warnings": [5]},
        {"written": 5},
        {"written": {"format": "?", "sha256": ""}},
        {"written": {"format": "JPEG", "sha256": "", "more": 1}},
        {"written": {"format": "JPEG", "sha256": 5}},
        {"written": {"format": [], "sha256": ""}},
        {"method": None},
    ],
)
def test_a_value_of_another_shape_is_none(frame, engine, value):
    apply(frame, engine)
    store = Store(os.environ["BLUR_TOOLS_STORE"])
    for path in store_files():
        key = path.parent.name + path.stem
        store.put(key, store.get(key) | value)
    assert apply(frame, engine)["status"].tolist() == ["ok"] * 4


def test_pictures_of_the_same_content_are_asked_for_once(frame, engine, tmp_path):
    copies = [tmp_path / "in" / f"copy-{number}.jpg" for number in range(5)]
    for copy in copies:
        copy.write_bytes(Path(frame["image"].iloc[0]).read_bytes())
    frame = pd.DataFrame({"image": [*frame["image"], *map(str, copies), frame["image"].iloc[0]]})
    result = apply(frame, engine, workers=4)
    assert len(engine.asked) == 4
    assert result["status"].tolist() == ["ok"] * 10
    assert len({(tmp_path / name).read_bytes() for name in result["blurred"].iloc[[0, *range(4, 9)]]}) == 1
    assert result["blurred"].nunique() == 9


def test_a_failure_is_not_kept(frame, engine, monkeypatch):
    def broken(picture, settings):
        raise blur_tools.EngineError("no")

    with monkeypatch.context() as patched:
        patched.setattr(engine, "detect", broken)
        assert (apply(frame, engine)["status"] == "failed").all()
    assert store_files() == []
    assert (apply(frame, engine)["status"] == "ok").all()


def test_what_is_kept_shows_no_picture_and_no_name(frame, engine, tmp_path):
    apply(frame, engine)
    kept = b"".join(path.read_bytes() for path in store_files())
    for name in (b".jpg", b"out/", b"/in", str(tmp_path).encode()):
        assert name not in kept
    assert len(kept) < 8 * 1000
    values = [json.loads(path.read_text().splitlines()[0]) for path in store_files()]
    assert {name for value in values for name in value} == {
        "version", "engine", "versions", "detections", "warnings", "method", "written"
    }  # fmt: skip


def test_nothing_to_hide_is_kept_too(frame, engine, tmp_path):
    for _ in range(2):
        result = apply(frame, engine, plates=0, faces=0)
        assert result["blurred"].isna().all()
        assert result["n_plates"].tolist() == [1] * 4
    assert len(engine.asked) == 4


FACE = {"box": {"xmin": 1, "ymin": 2, "xmax": 9, "ymax": 12}, "score": 0.9}


@pytest.fixture
def fake():
    with FakeBlur(faces=[FACE]) as service:
        yield service


def test_a_service_is_sent_no_picture_twice(frame, fake):
    for options in ({}, {"effect": "fill"}, {"plates": 3}, {"copy_metadata": True}, {}):
        result = apply(frame, RemoteEngine("paid", fake.url, token="secret"), **options)
        assert result["n_faces"].tolist() == [1] * 4
    assert len(fake.posts) == 4
    kept = b"".join(path.read_bytes() for path in store_files())
    assert b"secret" not in kept
    assert fake.url.encode() not in kept


def test_another_address_or_limit_is_another_service(frame, fake):
    apply(frame, RemoteEngine("paid", fake.url))
    apply(frame, RemoteEngine("paid", fake.url + "/v1/blur"))
    apply(frame, RemoteEngine("paid", fake.url, upload_limit=5_000))
    assert len(fake.posts) == 12


def test_a_service_that_has_become_another_is_asked_again(frame, fake, monkeypatch):
    apply(frame, RemoteEngine("own", fake.url))
    answer = FakeBlur._answer
    info: Any = {"version": "2.0", "snapshot": None}

    def answered(self, call, upload):
        return info if call.path == "/info" else answer(self, call, upload)

    monkeypatch.setattr(FakeBlur, "_answer", answered)
    apply(frame, RemoteEngine("own", fake.url))
    assert len(fake.posts) == 8
    info = {"detail": "Not found."}  # it does not say: what is known counts
    apply(frame, RemoteEngine("own", fake.url))
    assert len(fake.posts) == 8


def test_a_service_is_asked_for_its_version_once_and_need_not_answer(frame, fake):
    engine = RemoteEngine("own", fake.url)
    apply(frame, engine)
    apply(frame, engine, effect="fill")
    assert [call.method for call in fake.calls].count("GET") == 1
    assert engine.versions == {"blur": "1.0.2", "snapshot": "1.3.8"}
    gone = RemoteEngine("gone", "http://127.0.0.1:9", retries=0)
    gone.learn_versions()
    assert gone.versions == {}


def test_what_a_service_rendered_is_not_asked_for_again(frame, fake, tmp_path):
    copy = tmp_path / "in/copy.jpg"
    copy.write_bytes(Path(frame["image"].iloc[0]).read_bytes())
    frame = pd.DataFrame({"image": [*frame["image"], str(copy)]})
    for _ in range(2):
        result = apply(frame, RemoteEngine("own", fake.url), render="server")
        assert result["method"].tolist() == ["server"] * 5
        assert len(fake.posts) == 4
    assert (tmp_path / "out/copy.jpg").read_bytes() == (tmp_path / "out/0.jpg").read_bytes()
    (tmp_path / "out/1.jpg").unlink()
    apply(frame, RemoteEngine("own", fake.url), render="server")
    assert len(fake.posts) == 5
    apply(frame, RemoteEngine("own", fake.url), render="server", plates=5)
    assert len(fake.posts) == 9


def test_a_stop_ends_a_run_and_the_next_goes_on(frame, engine, tmp_path):
    stop = threading.Event()
    found = engine.detect

    def detect(picture, settings):
        stop.set()
        return found(picture, settings)

    engine.detect = detect
    job = Job(workers=1, progress=False, stop=stop)
    result = apply_frame(frame, "image", out=tmp_path / "out", engine=engine, job=job)
    done = result["status"].tolist().count("ok")
    assert 1 <= done < 4
    assert result["status"].tolist() == ["ok"] * done + ["skipped"] * (4 - done)
    assert result["error"].iloc[-1].startswith("the run was stopped before its turn")
    assert apply(frame, engine)["status"].tolist() == ["ok"] * 4
    assert len(engine.asked) == 4


def test_an_interrupt_finishes_the_call_under_way_and_keeps_its_answer(frame, engine, tmp_path):
    """As on Ctrl-C: the picture that is being asked for is paid for, so its answer must not be lost."""
    begun, go_on = threading.Event(), threading.Event()
    found = engine.detect

    def detect(picture, settings):
        answer = found(picture, settings)
        begun.set()
        assert go_on.wait(10)
        return answer

    engine.detect = detect
    outputs = rows.Outputs(tmp_path / "out", frame["image"].tolist())
    wanted = BlurSettings(plates=10, faces=10)
    running = rows.blur_rows(frame["image"].tolist(), outputs, wanted, engine, Job(1, False), open_store(True))
    threading.Thread(target=lambda: (begun.wait(10), go_on.set())).start()
    next(running)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    asked = len(engine.asked)
    assert asked <= 3
    go_on.set()
    apply(frame, engine)
    assert sorted(engine.asked) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_an_interrupt_finishes_the_call_to_a_service(frame, fake, tmp_path, monkeypatch):
    """What a service is already answering is paid for; what waits for its turn is not begun."""
    begun, go_on = threading.Event(), threading.Event()
    answer = FakeBlur._answer

    def answered(self, call, upload):
        if call.method == "POST" and len(self.posts) == 2:
            begun.set()
            assert go_on.wait(30)
        return answer(self, call, upload)

    monkeypatch.setattr(FakeBlur, "_answer", answered)
    outputs = rows.Outputs(tmp_path / "out", frame["image"].tolist())
    finder, store = RemoteEngine("paid", fake.url), open_store(True)
    wanted = BlurSettings(plates=10, faces=10)
    running = rows.blur_rows(frame["image"].tolist(), outputs, wanted, finder, Job(1, False), store)
    next(running)
    assert begun.wait(30)
    # longer than it takes the watch over connections to look again
    threading.Timer(3 * LOOK, go_on.set).start()
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert len(fake.posts) == 2
    assert apply(frame, finder)["status"].tolist() == ["ok"] * 4
    assert [call.files["upload"][0] for call in fake.posts] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to one thread")
def test_an_interrupt_does_not_wait_for_a_url(tmp_path, monkeypatch):
    """What is fetched costs nothing; a slow host need not be waited for."""
    with FakeBlur() as slow:
        slow.then(hang=True)
        urls = [f"{slow.url}/x.jpg"]
        outputs = rows.Outputs(tmp_path / "out", urls)
        running = rows.blur_rows([*urls, None], outputs, BlurSettings(plates=10), Counting(), Job(2, False))

        def interrupt() -> None:
            while not slow.calls:
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        other = threading.Thread(target=interrupt)
        other.start()
        with pytest.raises(KeyboardInterrupt):
            next(running)
        other.join()
        # the host still hangs: the work has ended before it
        assert not any(thread.name.startswith("blur_tools_") for thread in threading.enumerate())


def test_an_interrupt_ends_work_that_waits(frame, engine, tmp_path):
    def detect(picture, settings):
        if engine.asked:
            while True:  # until it is told to end
                proceed()
        engine.asked.append("one")
        return Answer(Detections())

    engine.detect = detect
    (tmp_path / "out").mkdir()
    (tmp_path / "out/1.jpg").write_bytes(b"of an earlier run")
    outputs = rows.Outputs(tmp_path / "out", frame["image"].tolist())
    running = rows.blur_rows(frame["image"].tolist(), outputs, BlurSettings(plates=10), engine, Job(1, False))
    assert next(running).status == "ok"
    running.close()
    assert (tmp_path / "out/1.jpg").read_bytes() == b"of an earlier run"  # ended is not failed


def test_identity_of_settings_with_a_frozen_config(frame, engine):
    apply(frame, engine, config={"a": {"b": [1, 2]}})
    apply(frame, engine, config='{"a": {"b": [1, 2]}}')
    assert len(engine.asked) == 4


def test_temporary_files_of_a_killed_run_go(frame, engine, tmp_path):
    import subprocess
    import sys

    from blur_tools.formats._writing import _machine

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / "out" / f".blur-{_machine()}-{gone.pid}-{'0' * 16}.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half a picture")
    apply(frame, engine)
    assert sorted(os.listdir(tmp_path / "out")) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_an_edited_table_does_not_touch_what_is_kept(frame, engine, tmp_path):
    result = apply(frame, engine)
    edited = result.assign(
        detections=[found.map(lambda item: replace(item, keep=True)).to_json() for found in result.blur.detections()]
    )
    edited.blur.redact("image", out=tmp_path / "out", progress=False)
    again = apply(frame, engine)  # what redact wrote is not what apply would have
    assert len(engine.asked) == 4
    with Image.open(tmp_path / again["blurred"].iloc[0]) as image:
        hidden = np.asarray(image.convert("L"))[5:9, 5:19]
    with Image.open(frame["image"].iloc[0]) as image:
        assert np.ptp(hidden) < np.ptp(np.asarray(image.convert("L"))[5:9, 5:19])

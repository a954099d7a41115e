"""Batches that are killed: ``make soak``."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from blur_tools.engines.fake import FakeBlur
from blur_tools.samples import write_scenes

KILLS, WORKERS = 10, 3
RUN = """
import os, sys
import pandas as pd
import blur_tools
from blur_tools.batch import rows
from blur_tools.engines import engine

folder, out, log, name = sys.argv[1:]

def noted(what, work):
    def noting(picture, *rest):
        with open(log, "a") as file:  # one short line: written at once
            file.write(f"{what} {picture.source.name}\\n")
        return work(picture, *rest)
    return noting

finder = engine(name)
finder.detect = noted("found", finder.detect)
rows.redact_loaded = noted("hidden", rows.redact_loaded)
paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
table = pd.DataFrame({"image": paths}).blur.apply(out=out, engine=finder, workers=3, progress=False)
table.to_csv(out + ".csv", index=False)
"""
PLATE = {"polygon": [[20, 60], [90, 60], [90, 80], [20, 80]], "result": {"plate": "x", "dscore": 0.9}}


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "pictures"), [("local", 90), ("service", 700)])
def test_killed_ten_times(tmp_path, kind, pictures):
    """`kill -9` at random moments: the end is as if nothing had been, and little is done twice."""
    scenes = []
    for path in write_scenes(tmp_path / "scenes"):
        with Image.open(path) as image:
            scenes.append(image.convert("RGB"))
    (tmp_path / "in").mkdir()
    for number in range(pictures):
        scene = scenes[number % len(scenes)]
        left = (scene.width - 480) * number // pictures
        buffer = io.BytesIO()
        scene.crop((left, 0, left + 480, 360)).save(buffer, "JPEG" if number % 4 else "PNG")
        (tmp_path / "in" / f"{number:03}.jpg").write_bytes(buffer.getvalue() + number.to_bytes(2))
    chance = random.Random(7)
    with FakeBlur([PLATE]) as fake:
        name = "local" if kind == "local" else fake.url

        def start(out: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", RUN, tmp_path / "in", tmp_path / out, tmp_path / f"{out}.log", name]
            environment = {**os.environ, "BLUR_TOOLS_STORE": str(tmp_path / f"{out}.store")}
            return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

        undisturbed = start("whole")
        assert undisturbed.communicate()[1] == b""
        calls = len(fake.posts)
        log = tmp_path / "out.log"
        for kill in range(KILLS):
            process = start("out")
            until = pictures * (kill + chance.random()) / (KILLS + 1)
            while len({line for line in lines(log) if line.startswith("hidden")}) < until:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.002)
            time.sleep(chance.random() / 20)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
        final = start("out")
        assert final.communicate()[1] == b""
        assert final.returncode == 0
        calls_killed = len(fake.posts) - calls
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    whole, killed = (pd.read_csv(tmp_path / f"{out}.csv") for out in ("whole", "out"))
    whole["blurred"] = whole["blurred"].str.replace("whole/", "out/")
    pd.testing.assert_frame_equal(killed, whole)
    assert (killed["status"] == "ok").all()
    for what in ("found", "hidden"):
        times = [line for line in lines(log) if line.startswith(what)]
        assert len(set(times)) == pictures
        assert len(times) <= pictures + KILLS * WORKERS, what
    if kind == "service":
        assert calls == pictures
        assert pictures <= calls_killed <= pictures + KILLS * WORKERS
    left = list((tmp_path / "out.store").rglob("*.tmp"))
    assert len(left) <= KILLS * WORKERS

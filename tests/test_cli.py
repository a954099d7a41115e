"""The command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from blur_tools import BlurError, BlurSettings, Detection, Detections
from blur_tools.batch.rows import Row
from blur_tools.cli import main
from blur_tools.detections import box_polygon


@pytest.fixture
def folder(tmp_path, encode, noise, monkeypatch) -> Path:
    """``photos`` with two pictures in two folders, and the working folder beside it."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/deep/b.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(48, 64), "PNG" if name.endswith("png") else "JPEG"))
    return tmp_path


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_blur_writes_results_a_table_and_says_where(folder, capsys):
    assert run("blur", "photos") == 0
    shown = capsys.readouterr()
    assert "2 of 2 pictures done" in shown.out
    assert "Results: blurred" in shown.out
    assert "blurred.csv" in shown.out
    table = pd.read_csv("blurred.csv")
    assert table["status"].tolist() == ["ok", "ok"]
    assert table["blurred"].tolist() == ["blurred/a.jpg", "blurred/deep/b.png"]
    assert Path("blurred/deep/b.png").is_file()


def test_a_second_run_does_not_take_its_own_results_for_pictures(folder, capsys):
    assert run("blur", "photos", "-o", "photos/out", "--table", "t.csv", "-q") == 0
    assert run("blur", "photos", "-o", "photos/out", "--table", "t.csv", "-q") == 0
    assert len(pd.read_csv("t.csv")) == 2
    assert capsys.readouterr().out == ""


def test_results_onto_originals_are_refused(folder, capsys):
    before = Path("photos/a.jpg").read_bytes()
    assert run("blur", "photos", "-o", "photos") == 2
    assert run("blur", "photos/a.jpg", "-o", ".") == 2
    shown = capsys.readouterr().err
    assert "choose another" in shown
    assert Path("photos/a.jpg").read_bytes() == before
    assert not Path("photos.csv").exists()


def test_hostile_input_fails_its_row_and_the_exit_status(folder, capsys, encode, noise):
    Path("photos/text.jpg").write_text("hello")
    Path("photos/short.jpg").write_bytes(encode(noise(48, 64), "JPEG")[:500])
    Path("photos/link.jpg").symlink_to("nowhere")
    Path("photos/folder.jpg").mkdir()
    bomb = bytearray(encode(Image.new("1", (8, 8)), "PNG"))
    bomb[16:24] = (65000).to_bytes(4, "big") * 2
    Path("photos/bomb.png").write_bytes(bomb)
    assert run("blur", "photos", "missing.jpg") == 1
    shown = capsys.readouterr()
    assert "2 of 7 pictures done" in shown.out
    for name in ("text.jpg", "short.jpg", "link.jpg", "bomb.png", "missing.jpg"):
        assert sum(name in line for line in shown.err.splitlines()) == 1, name
    done = sorted(str(path.relative_to("blurred")) for path in Path("blurred").rglob("*") if path.is_file())
    assert done == ["a.jpg", "deep/b.png"]


def test_damaged_metadata_is_no_warning_of_another_program(folder, capsys, encode, noise):
    exif = Image.Exif()
    exif[0x010E] = "a text that is said to be longer than the file"
    data = encode(noise(48, 64), "JPEG", exif=exif)
    entry = struct.pack(">HHI", 0x010E, 2, 47)
    assert data.count(entry) == 1
    Path("photos/a.jpg").write_bytes(data.replace(entry, entry[:4] + b"\0\xff\xff\xff"))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert run("blur", "photos") == 0
    assert [warning for warning in shown if "PIL" in warning.filename] == []


def test_formats_that_are_not_read_are_said_and_other_files_counted(folder, capsys):
    Path("photos/c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12))
    Path("photos/notes.txt").write_text("x")
    assert run("blur", "photos") == 1
    shown = capsys.readouterr().err
    assert "left out of photos: 1 with names that no picture has" in shown
    assert "c.heic: a broken HEIF file" in shown


def test_an_empty_folder_is_an_error(folder, capsys):
    os.mkdir("empty")
    assert run("blur", "empty") == 2
    assert "no pictures in empty" in capsys.readouterr().err


def test_every_parameter_is_an_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        run("blur", "--help")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for parameter in BlurSettings.parameters():
        assert "--" + parameter.name.replace("_", "-") in shown


def test_options_reach_the_settings_and_bad_ones_are_said(folder, capsys):
    assert run("detect", "photos/a.jpg", "--plates", "-1", "--faces", "-1", "--regions", "us", "--regions", "mx") == 0
    line = json.loads(capsys.readouterr().out)
    assert line == {"image": "photos/a.jpg", "status": "ok", "detections": [], "error": None}
    assert run("blur", "photos", "--plates", "11") == 2
    assert "plates: 11 is not between -1 and 10" in capsys.readouterr().err
    assert run("blur", "photos", "--xmin", "1") == 2
    assert not Path("blurred").exists()


def test_detect_prints_a_line_a_picture_and_fails_for_bad_ones(folder, capsys):
    assert run("detect", "photos/a.jpg", "none.jpg") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == ["ok", "failed"]
    assert lines[1]["error"] == "none.jpg: no such file"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_detections_can_be_edited_and_redacted(folder, capsys, suffix):
    table = f"found.{suffix}"
    assert run("detect", "photos", "--table", table, "-q") == 0
    assert capsys.readouterr().out == ""
    frame = pd.read_csv(table) if suffix == "csv" else pd.read_parquet(table)
    drawn = Detections([Detection("plate", box_polygon(8, 8, 40, 20), source="person")])
    frame["detections"] = drawn.to_json()
    frame.to_csv(table, index=False) if suffix == "csv" else frame.to_parquet(table)
    assert run("redact", table, "-o", "out", "--effect", "fill", "--margin", "0") == 0
    after = np.asarray(Image.open("out/deep/b.png"))
    before = np.asarray(Image.open("photos/deep/b.png"))
    assert (after[8:20, 8:40] == after[10, 10]).all()
    np.testing.assert_array_equal(after[24:], before[24:])


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n", '"'])
def test_a_table_that_cannot_be_used_is_an_error(folder, capsys, content):
    if content is not None:
        Path("t.csv").write_text(content)
    assert run("redact", "t.csv") == 2
    assert "t.csv" in capsys.readouterr().err
    assert run("blur", "photos", "--table", "t.xlsx") == 2
    assert "must end in .csv or .parquet" in capsys.readouterr().err


def test_the_installed_command_stops_cleanly_on_interrupt(folder, encode, noise):
    picture = encode(noise(48, 64), "JPEG")
    for number in range(3000):  # so many that a busy machine cannot be done before it is told to stop
        Path(f"photos/{number}.jpg").write_bytes(picture + number.to_bytes(2))  # what is the same is done once
    command = [shutil.which("blur-tools", path=os.path.dirname(sys.executable)) or "blur-tools", "blur", "photos"]
    # who started the tests in the background of a shell has them ignore the signal, and their children with them
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **heard) as process:
        # the bar's first count says that pictures are under way
        seen = ""
        while "ok=" not in seen:
            new = process.stderr.read(1)
            assert new, seen
            seen += new
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what is done stays done, and no table was written; the same command goes on from there" in errors
    assert "Traceback" not in errors
    assert not list(Path("blurred").rglob("*.tmp"))
    for path in Path("blurred").rglob("*.jpg"):
        Image.open(path).load()


def test_the_version_is_the_packages(capsys):
    from blur_tools import __version__

    with pytest.raises(SystemExit):
        run("--version")
    assert capsys.readouterr().out.split()[-1] == __version__


def test_an_empty_name_is_not_the_working_folder(folder, capsys):
    assert run("blur", "") == 2
    assert "an empty name" in capsys.readouterr().err
    assert not Path("blurred").exists()


def test_a_linked_folder_is_said_not_to_be_followed(folder, capsys):
    Path("elsewhere").mkdir()
    Path("photos/link").symlink_to(folder / "elsewhere")
    assert run("blur", "photos", "-q") == 0
    assert "photos/link is a link to a folder and was not followed" in capsys.readouterr().err


def test_a_table_is_not_overwritten_by_what_is_read_from_it(folder, capsys):
    assert run("blur", "photos", "-q") == 0
    before = Path("blurred.csv").read_bytes()
    assert run("redact", "blurred.csv") == 2
    assert "blurred.csv is the table that is read" in capsys.readouterr().err
    assert Path("blurred.csv").read_bytes() == before
    assert run("redact", "blurred.csv", "--table", "again.csv", "--effect", "fill", "-q") == 0
    assert pd.read_csv("again.csv")["blurred"].tolist() == ["blurred/a.jpg", "blurred/deep/b.png"]


def test_a_place_for_the_table_that_cannot_be_is_said_before_the_work(folder, capsys):
    assert run("blur", "photos", "--table", "photos/a.jpg/t.csv") == 2
    assert "cannot be written there" in capsys.readouterr().err
    assert not Path("blurred").exists()


def test_columns_of_the_users_own_come_back_as_they_were(folder, capsys):
    assert run("detect", "photos", "--table", "found.csv", "-q") == 0
    frame = pd.read_csv("found.csv", dtype=str).assign(id=["007", "1e3"])
    frame.to_csv("found.csv", index=False)
    assert run("redact", "found.csv", "-o", "out", "-q") == 0
    assert pd.read_csv("out.csv", dtype=str)["id"].tolist() == ["007", "1e3"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_going_on_keeps_a_table_that_was_edited(folder, capsys, suffix):
    table = f"t.{suffix}"
    command = ["blur", "photos", "--table", table, "-q"]
    for _ in range(2):  # as it was written: nothing is lost
        assert run(*command) == 0
    assert not Path(f"{table}.bak").exists()
    assert capsys.readouterr().err == ""
    read, write = (pd.read_csv, "to_csv") if suffix == "csv" else (pd.read_parquet, "to_parquet")
    drawn = Detections([Detection("plate", box_polygon(8, 8, 40, 20), source="person")]).to_json()
    for kept, change in ((f"{table}.bak", {"detections": drawn}), (f"{table}.bak2", {"note": "mine"})):
        getattr(read(table).assign(**change), write)(table, index=False)
        edited = Path(table).read_bytes()
        assert run(*command) == 0
        assert f"it is kept as {kept}" in capsys.readouterr().err
        assert Path(kept).read_bytes() == edited
        assert Path(table).read_bytes() != edited
    Path(table).write_text('"nothing of ours')
    assert run(*command) == 0
    assert Path(f"{table}.bak3").read_text() == '"nothing of ours'
    assert run("detect", "photos", "--table", table, "-q") == 0
    assert Path(f"{table}.bak4").exists()  # `blurred`


def test_detect_keeps_no_row_that_it_has_printed(folder, capsys, monkeypatch):
    alive: weakref.WeakSet = weakref.WeakSet()
    most = []

    def rows(sources, *_):
        for _ in sources:
            row = Row("failed", error=BlurError("no"))
            alive.add(row)
            most.append(len(alive))
            yield row

    monkeypatch.setattr("blur_tools.batch.rows.detect_rows", rows)
    assert run("detect", *(f"{number}.jpg" for number in range(50))) == 1
    assert len(capsys.readouterr().out.splitlines()) == 50
    assert max(most) <= 3


def test_a_misspelt_option_names_the_right_one(folder, capsys):
    assert run("blur", "photos", "--plate", "5") == 2
    assert capsys.readouterr().err == "blur-tools blur: --plate is not an option; did you mean --plates?\n"


def test_detection_alone_says_that_nothing_was_written(folder, capsys):
    assert run("blur", "photos", "--plates", "0", "--faces", "0") == 0
    assert "Results: nothing was written" in capsys.readouterr().out
    assert not Path("blurred").exists()

"""Two thousand files, some of them bad: every one has its row, and no bad one leaves a file."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from blur_tools import Detections
from blur_tools.cli import main
from blur_tools.detections import box_polygon
from blur_tools.engines.fake import FakeBlur
from blur_tools.samples import write_scenes

FILES, EACH = 2000, 10
BAD = {
    "missing": "no such file",
    "truncated": "broken JPEG",
    "no-picture": "not a picture",
    "bomb": "65000 x 65000 pixels",
    "folder": "is a folder, not a picture",
    "dangling": "link to nothing",
}
PLATE = {"polygon": [[20, 60], [50, 60], [50, 70], [20, 70]], "result": {"plate": "x", "dscore": 0.9}}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list[bytes]:
    """Parts of our own scenes, as a camera would have written them."""
    folder = tmp_path_factory.mktemp("scenes")
    parts = []
    for path in write_scenes(folder):
        with Image.open(path) as image:
            scene = image.convert("RGB")
        for number in range(10):
            left, top = (scene.width - 96) * number // 10, (scene.height - 80) * (number % 3) // 3
            buffer = io.BytesIO()
            scene.crop((left, top, left + 96, top + 80)).save(buffer, "JPEG", quality=80 + number)
            parts.append(buffer.getvalue())
    return parts


def spoil(kind: str, path: Path, data: bytes) -> None:
    match kind:
        case "truncated":
            path.write_bytes(data[: len(data) * 2 // 3])
        case "no-picture":
            path.write_text("hello")
        case "bomb":
            buffer = io.BytesIO()
            Image.new("1", (8, 8)).save(buffer, "PNG")
            bomb = bytearray(buffer.getvalue())
            bomb[16:24] = (65000).to_bytes(4, "big") * 2
            bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
            path.write_bytes(bomb)
        case "folder":
            path.mkdir()
        case "dangling":
            path.symlink_to(path.with_name("nowhere"))


def test_two_thousand_files(tmp_path, photographs, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, bad = [], {}
    for number in range(FILES):
        # the same names in every folder
        path = Path("in", f"{number // 100:02}", "deep", f"{number % 100:02}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        # a comment at the end makes each another file
        data = photographs[number % len(photographs)] + number.to_bytes(2)
        names.append(str(path))
        if number % 33 == 7 and len(bad) < EACH * len(BAD):
            bad[str(path)] = kind = list(BAD)[len(bad) % len(BAD)]
            spoil(kind, path, data)
        else:
            path.write_bytes(data)
    assert len(bad) == FILES * 0.03
    with FakeBlur([PLATE]) as fake:
        table = pd.DataFrame({"image": names}).blur.apply(out="blurred", engine=fake.url, progress=False)
        # the command line, to which a folder is what it holds: the same, and nobody is asked again
        given = [name for name in names if bad.get(name) != "folder"]
        assert main(["blur", *given, "--engine", fake.url, "-o", "again", "--table", "table.csv"]) == 1
        assert len(fake.posts) == FILES - len(bad)
    assert table["image"].tolist() == names
    assert set(table["status"]) == {"ok", "failed"}
    failed, done = table[table["status"] == "failed"], table[table["status"] == "ok"]
    assert set(failed["image"]) == set(bad)
    for row in failed.itertuples():
        assert BAD[bad[row.image]] in row.error
        assert row.error.startswith(row.image)
    assert done["blurred"].tolist() == [name.replace("in/", "blurred/", 1) for name in done["image"]]
    assert (done["n_plates"] == 1).all()
    assert Detections.from_json(done["detections"].iloc[0])[0].polygon == box_polygon(20, 60, 50, 70)
    assert written("blurred") == sorted(done["blurred"])
    for name in done["blurred"].iloc[::40]:
        with Image.open(name) as image:
            image.load()
    shown = capsys.readouterr()
    assert f"{len(done)} of {len(given)} pictures done" in shown.out
    assert pd.read_csv("table.csv")["image"].tolist() == given
    assert written("again") == [name.replace("blurred/", "again/", 1) for name in written("blurred")]
    for name in given:
        assert shown.err.count(f"failed: {name}:") == (name in bad)


def written(folder: str) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(path.as_posix() for path in Path(folder).rglob("*") if not path.is_dir())


@pytest.mark.parametrize("name", ["blur", "detect"])
def test_the_same_command_goes_on(tmp_path, photographs, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(6):
        Path(f"in/{number}.jpg").write_bytes(photographs[number])
    with FakeBlur([PLATE]) as fake:
        for options, calls in (([], 6), ([], 6), (["--no-resume"], 12)):
            assert main([name, "in", "--engine", fake.url, *options]) == 0
            assert len(fake.posts) == calls
    capsys.readouterr()
    assert main(["store", "info"]) == 0
    shown = capsys.readouterr().out
    assert os.environ["BLUR_TOOLS_STORE"] in shown
    assert f"Holds:   {12 if name == 'blur' else 6} answers and results" in shown
    assert main(["store", "prune"]) == 0
    assert capsys.readouterr().out.startswith("0 files removed")
    assert main(["store", "prune", "--older-than", "1"]) == 0
    assert capsys.readouterr().out.startswith("0 files removed")
    assert main(["store", "prune", "--all"]) == 0
    assert "; 0 are left" in capsys.readouterr().out
    assert main(["store", "info"]) == 0
    assert "Holds:   0 answers and results, 0 bytes" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["prune", "--older-than", "-1"], ["prune", "--older-than", "nan"]])
def test_a_time_that_is_none_is_refused(arguments, capsys):
    assert main(["store", *arguments]) == 2
    assert "--older-than: " in (shown := capsys.readouterr().err)
    assert "is not a number of days" in shown


def test_a_store_that_is_none_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["store", "prune", "--all", "--store", str(tmp_path / "file")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "x"


def test_a_damaged_store_is_said(tmp_path, capsys):
    from blur_tools.batch.store import Store, key_of

    Store(tmp_path / "store").put(key_of("x"), {})
    next((tmp_path / "store").rglob("*.json")).write_text("x")
    assert main(["store", "info", "--store", str(tmp_path / "store")]) == 0
    assert "Damaged: 1" in capsys.readouterr().out

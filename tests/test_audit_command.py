"""``blur-tools audit``: what is opened, what a person's edits become, and where they are kept; without a window."""

from __future__ import annotations

import pandas as pd
import pytest

from blur_tools import Detections
from blur_tools.cli import main
from blur_tools.detections import Detection, box_polygon
from blur_tools.frames import audit_command

pytest.importorskip("napari")


@pytest.fixture
def folder(encode, noise, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(encode(noise(60, 80), "JPEG"))
    return tmp_path / "in"


@pytest.fixture
def hands(monkeypatch):
    """What a person does in the window: here one plate on the current picture, which is then accepted."""
    seen = []

    def show(session) -> None:
        seen.append((session.position, [item.decision for item in session.items]))
        key = session.current.key
        session.add(key, "plate", box_polygon(10, 10, 40, 20))
        session.decide(key, "accepted")

    monkeypatch.setattr(audit_command, "_show", show)
    return seen


def test_a_folder_is_reviewed_and_gone_on_with(folder, hands, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["audit", str(folder), "--reviewer", "Ann"]) == 0
    assert "2 pictures: 1 unreviewed, 1 edited" in capsys.readouterr().out
    assert main(["audit", str(folder / ".blur-audit.jsonl"), "--reviewer", "Bob", "--table", "t.csv"]) == 0
    assert hands == [(0, ["unreviewed"] * 2), (1, ["edited", "unreviewed"])]
    table = pd.read_csv("t.csv")
    assert list(table["reviewer"]) == ["Ann", "Bob"]
    assert list(table["n_plates"]) == [1, 1]


def test_of_a_table_another_is_written_that_redact_renders(folder, hands, tmp_path, capsys):
    found = Detections([Detection("face", box_polygon(50, 10, 70, 30), 0.9, "local")]).to_json()
    rows = pd.DataFrame({"image": [str(folder / "a.jpg"), str(folder / "b.jpg")], "detections": [found, found]})
    rows.to_csv(tmp_path / "found.csv", index=False)
    assert main(["audit", str(tmp_path / "found.csv")]) == 0
    audited = tmp_path / "found-audited.csv"
    assert f"Table:   {audited}" in capsys.readouterr().out
    assert list(pd.read_csv(audited)["n_plates"]) == [1, 0]
    assert (tmp_path / ".found.csv.blur-audit.jsonl").exists()
    assert main(["redact", str(audited), "--out", str(tmp_path / "out"), "--table", str(tmp_path / "t.csv")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.jpg")) == ["a.jpg", "b.jpg"]


def test_a_label_file_is_reviewed_and_gone_on_with(folder, hands, capsys):
    from blur_tools.audit.session import AuditSession

    with AuditSession.open(folder, journal=folder.parent / "j.jsonl") as session:
        session.decide("a.jpg", "flagged")
        session.export(folder / "set.blur.json")
    for _ in range(2):
        assert main(["audit", str(folder / "set.blur.json")]) == 0
    assert hands == [(1, ["flagged", "unreviewed"]), (0, ["flagged", "edited"])]
    assert f"Journal: {folder / '.set.blur.json.blur-audit.jsonl'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "none is no folder, no CSV or Parquet table, no .blur.json and no journal"),
        (["none.blur.json"], "none.blur.json: cannot be read"),
        (["none.csv"], "none.csv cannot be read"),
        (["none.jsonl"], "none.jsonl"),
        (["x.jsonl", "--journal", "y.jsonl"], "x.jsonl is one itself"),
        (["x.csv", "--table", "x.csv"], "x.csv is the table that is read"),
        (["x.csv", "--table", "x.txt"], "x.txt"),
    ],
)
def test_wrong_use_is_said(arguments, said, hands, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["audit", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert hands == []
    assert list(tmp_path.iterdir()) == []


def test_without_napari_the_extra_is_named(folder, monkeypatch, capsys):
    monkeypatch.setattr(audit_command, "find_spec", lambda name: None)
    assert main(["audit", str(folder)]) == 2
    assert "pip install 'blur-tools[napari]'" in capsys.readouterr().err

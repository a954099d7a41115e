"""Auditing from end to end: detect, sample, review, bound, redact, verify, report, receipt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from blur_tools.audit.receipt import check_receipt
from blur_tools.audit.session import AuditSession
from blur_tools.cli import main
from blur_tools.detections import Detections
from blur_tools.formats.coco import read_coco
from blur_tools.samples import scenes, write_scenes


def review(sample: pd.DataFrame, truth: Mapping[str, Detections], journal: Path) -> pd.DataFrame:
    """A reviewer who does not see what was found and draws what is there; broken off once, and gone on with."""
    for _ in range(2):
        with AuditSession.open(sample, journal=journal, reviewer="Ann", column="image") as session:
            begun = [item for item in session.items if item.decision == "unreviewed"]
            for item in begun[: len(session) // 2 + 1]:
                assert not item.marks
                for found in truth[os.path.basename(item.source)]:
                    session.add(item.key, found.kind, found.polygon)
                session.decide(item.key, "accepted")
            reviewed = session.to_frame()
    return reviewed


def test_our_scenes_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scenes("photos")
    truth = {scene.name: scene.truth for scene in scenes()}
    # detect: a person has lost a plate, so that there is something to be found
    frame = pd.DataFrame({"image": [str(path) for path in sorted(Path("photos").rglob("*.*"))]})
    run = frame.blur.apply(out="blurred", progress=False)
    lost = next(i for i, found in enumerate(run.blur.detections()) if len(found.plates) > 1)
    found = run.blur.detections()[lost]
    plate = found.plates[0]
    run.loc[lost, "detections"] = Detections(item for item in found if item is not plate).to_json()
    run = run.blur.redact("image", out="blurred", progress=False)
    # sample and review, blind
    sample = review(run.blur.sample(7), truth, tmp_path / "review.jsonl")
    bounds = run.blur.bounds(sample)
    assert (bounds.reviewed, bounds.population, bounds.complete, bounds.blind) == (7, 7, True, True)
    assert (bounds.exposed, bounds.exposed_bound) == (1, 1 / 7)
    assert bounds.objects.iloc[0]["missed"] == 1
    # mend what the review has shown, and look again at what is written
    run.loc[lost, "detections"] = found.to_json()
    run = run.blur.redact("image", out="blurred", progress=False)
    run = run.blur.verify("image", out="blurred", detect=False, progress=False)
    assert set(run["verdict"]) == {"ok"}
    again = review(run.blur.sample(4), truth, tmp_path / "second.jsonl")
    bounds = run.blur.bounds(again)
    assert bounds.exposed == 0
    assert bounds.exposed_bound > 0  # three were not looked at
    # receipt and report
    head = run.blur.receipt("receipt.jsonl", "image", out="blurred")
    report = run.blur.report("report.html", "image", out="blurred", sample=bounds, receipt="receipt.jsonl")
    assert [state for state, _ in report.data["says"]] == ["good"] * 4
    assert report.data["crops"]["shown"] >= 10
    assert head in Path("report.html").read_text()
    assert check_receipt("receipt.jsonl", head=head, folder="blurred", originals="photos").differences == ()
    result = next(Path("blurred").rglob("*.jpg"))
    result.write_bytes(result.read_bytes()[:-1] + b"\0")
    assert main(["verify", "blurred", "--receipt", "receipt.jsonl", "--head", head]) == 1
    # in and out of another tool's format
    assert run.blur.export("yolo", "yolo-outlines") == {}
    assert main(["export", "yolo", "-o", "back.csv", "--pictures", "photos", "-q"]) == 0
    back = pd.read_csv("back.csv").set_index("image")["detections"]
    assert [len(items) for items in back[run["image"]].map(Detections.from_json)] == [
        len(items) for items in run.blur.detections()
    ]


def test_the_same_by_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_scenes("photos")
    truth = {scene.name: scene.truth for scene in scenes()}
    assert main(["blur", "photos", "-q"]) == 0
    assert main(["sample", "blurred.csv"]) == 0
    assert "of the 7 pictures of this run" in capsys.readouterr().out
    assert main(["sample", "blurred.csv", "-n", "3", "-o", "sample.csv"]) == 0
    assert main(["sample", "blurred.csv", "-n", "5", "-o", "sample.csv"]) == 0
    assert "It enlarges the sample of 3 pictures that was there." in capsys.readouterr().out
    assert set(pd.read_csv("sample.csv")["sample_planned"]) == {3}
    assert main(["sample", "blurred.csv", "-n", "5", "--enlarges", "2", "-o", "sample.csv"]) == 0
    assert set(pd.read_csv("sample.csv")["sample_planned"]) == {2}
    reviewed = review(pd.read_csv("sample.csv"), truth, tmp_path / "review.jsonl")
    reviewed.to_csv("sample-audited.csv", index=False)
    for other in ("sample-audited.csv", "other.csv"):  # what was reviewed, or is no sample, is not replaced
        Path("other.csv").write_text("image\nx\n")
        was = Path(other).read_bytes()
        for more in ([], ["--enlarges", "2"]):
            assert main(["sample", "blurred.csv", "-n", "5", "-o", other, *more]) == 2
        assert Path(other).read_bytes() == was
    capsys.readouterr()
    assert main(["bounds", "sample-audited.csv", "--run", "blurred.csv"]) == 0
    assert (
        "0 of 5 reviewed pictures show something that was to be hidden: at 95 % confidence" in capsys.readouterr().out
    )
    assert main(["receipt", "blurred.csv", "-o", "receipt.jsonl"]) == 0
    head = capsys.readouterr().out.strip()
    arguments = ["--sample", "sample-audited.csv", "--verify", "--receipt", "receipt.jsonl"]
    assert main(["report", "blurred.csv", *arguments]) == 0
    assert head in capsys.readouterr().out
    assert main(["verify", "blurred", "--receipt", "receipt.jsonl", "--head", head]) == 0
    assert main(["sample", "blurred.csv", "-n", "0"]) == 2
    assert main(["bounds", "sample.csv", "--run", "blurred.csv"]) == 2  # nobody has reviewed it


def test_two_hundred_photographs_from_end_to_end(shared, tmp_path):
    """The reviewer of a blind sample is the label file; what it says of the run is compared with all labels."""
    folder = shared / "eval"
    labels = {
        folder / name / key: one.objects
        for name in ("egyptian-motorcycles", "romanian-dashcam", "open-lpr")
        for key, one in read_coco(folder / name / "labels.json").pictures.items()
    }
    paths = list(labels)[:200]
    truth = {path.name: labels[path] for path in paths}
    run = pd.DataFrame({"image": list(map(str, paths))}).blur.apply(out=tmp_path / "out", faces=-1, progress=False)
    assert set(run["status"]) == {"ok"}
    sample = review(run.blur.sample(120), truth, tmp_path / "review.jsonl")
    bounds = run.blur.bounds(sample, faces=-1)
    everything = run.blur.bounds(review(run.blur.sample(200), truth, tmp_path / "all.jsonl"), faces=-1)
    assert everything.exposed_bound == everything.exposed / 200
    assert everything.exposed_bound <= bounds.exposed_bound
    row, exact = (b.objects.iloc[0] for b in (bounds, everything))
    assert row["recall_low"] <= exact["recall"] == exact["recall_low"]
    head = run.blur.receipt(tmp_path / "receipt.jsonl", out=tmp_path / "out", faces=-1)
    report = run.blur.report(
        tmp_path / "report.html", out=tmp_path / "out", sample=bounds, receipt=tmp_path / "receipt.jsonl", faces=-1
    )
    assert report.data["counts"]["done"] == 200
    assert report.data["crops"]["shown"] == 24
    assert head in report.to_html()

"""How much of what should be hidden is hidden, on labelled pictures: ``python benchmarks/quality.py``.

Runs the local engine with its default settings over ``eval`` of the shared pictures and compares the rendered
masks with the labels (`blur_tools.audit.coverage`). ``--choose`` runs over ``train`` instead, at many thresholds
and margins, and is how the defaults were chosen; it writes nothing. ``--worst N`` lists the worst misses.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from _results import machine, shared_data, table, write_section

from blur_tools import BlurSettings, Detections, engine
from blur_tools.audit.coverage import CoverageReport, PictureScore, score_picture
from blur_tools.formats.coco import PictureLabels, read_coco
from blur_tools.picture import load_picture
from blur_tools.redaction.masks import regions

EVAL = ("open-lpr", "romanian-dashcam", "egyptian-motorcycles", "faces")
TRAIN = (*EVAL, "ccpd-quads")
CHOOSE_AT_MOST = 250
"""Pictures of each training set that defaults are chosen on, evenly spaced."""

LOWEST = 0.1
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
MARGINS = {"plate": (0.1, 0.15, 0.2), "face": (0.15, 0.2, 0.25, 0.3)}
FACE_HEIGHT = 12


@dataclass(frozen=True)
class Looked:
    """One labelled picture and what the engine found in it."""

    name: str
    group: str
    labels: PictureLabels
    found: Detections


def look(folder: Path, settings: BlurSettings, at_most: int | None = None) -> Iterator[Looked]:
    """Run the engine over one set; label problems are printed, a size that disagrees ends the run."""
    labels = read_coco(folder / "labels.json")
    for problem in (*labels.problems, *labels.missing_files(folder)):
        print(f"{folder.name}: {problem}")
    names = list(labels.pictures)
    names = names[:: max(1, len(names) // at_most)] if at_most else names
    kinds = {item.kind for entry in labels.pictures.values() for item in entry.objects}
    one_kind = replace(settings, **{f"{kind}s": -1 for kind in {"plate", "face"} - kinds})

    def one(name: str) -> Looked:
        picture = load_picture(folder / name)
        if problem := labels.size_problem(name, picture.size):
            raise SystemExit(f"{folder.name}: {problem}")
        return Looked(name, folder.name, labels.pictures[name], finder.detect(picture, one_kind).detections)

    finder = engine("local")
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(one, names)


def score(looked: Looked, settings: BlurSettings) -> PictureScore:
    """Score one picture as these settings would render it."""
    found = Detections(
        item for item in looked.found if item.score is None or item.score >= settings.threshold_of(item.kind)
    )
    hidden = regions(found, settings, looked.labels.size)
    return score_picture(looked.labels, found, hidden, picture=looked.name, group=looked.group)


def percent(row: pd.Series, name: str) -> str:
    """A share with its 95 % interval."""
    return f"{row[name]:.3f} ({row[name + '_low']:.3f}–{row[name + '_high']:.3f})"


def show(report: CoverageReport, *by: str) -> str:
    """A summary as a Markdown table."""
    rows = []
    for _, row in report.summary(*by).iterrows():
        shares = [percent(row, name) for name in ("coverage", "hidden", "recall", "precision")]
        over = "" if "bucket" in by else f"{100 * row['over_blur']:.2f} %"
        rows.append([", ".join(str(row[name]) for name in (*by, "kind")), row["n"], *shares, f"{row['ap']:.3f}", over])
    head = [
        ", ".join((*by, "kind")),
        "objects",
        "coverage",
        "hidden ≥ 90 %",
        "recall",
        "precision",
        "AP50",
        "over-blur",
    ]
    return table(head, rows)


def tall_faces(report: CoverageReport) -> str:
    """The bar's own figure: faces of at least 12 pixels."""
    faces = report.objects[(report.objects["kind"] == "face") & (report.objects["height"] >= FACE_HEIGHT)]
    small = report.objects[(report.objects["kind"] == "face") & (report.objects["height"] < FACE_HEIGHT)]
    return (
        f"Faces at least {FACE_HEIGHT} px high: {len(faces)}, coverage {faces['coverage'].mean():.3f} "
        f"(the {len(small)} smaller ones: {small['coverage'].mean():.3f})."
    )


def measure(worst: int) -> None:
    """Measure the defaults on ``eval`` and write them down."""
    data, settings = shared_data() / "eval", BlurSettings().or_default(10)
    scores = [score(looked, settings) for name in EVAL for looked in look(data / name, settings)]
    report = CoverageReport.of(scores)
    text = f"""## Quality: `python benchmarks/quality.py`

Local engine {dict(engine("local").versions)}, default settings: thresholds {settings.threshold_of("plate")} (plates)
and {settings.threshold_of("face")} (faces), margins {settings.margin_of("plate")} and {settings.margin_of("face")}.
Coverage is the hidden share of each labelled object, by the rendered mask; 95 % intervals in brackets, exact for
shares of objects, bootstrap over pictures for mean coverage. A detection on an unlabelled object counts as wrong here,
so precision is a lower bound. open-lpr's labels are loose boxes; all three plate sets have relatives in the training
data (other pictures of the same collections).

{show(report, "set")}

By height in pixels:

{show(report, "set", "bucket")}

{tall_faces(report)}

Measured on {machine()}.
"""
    print(text)
    write_section("quality", text)
    if worst:
        targets = report.objects[~report.objects["neutral"]]
        columns = ["set", "picture", "kind", "xmin", "ymin", "xmax", "ymax", "coverage", "found", "score"]
        print(targets.sort_values("coverage")[columns].head(worst).to_string())


def choose() -> None:
    """Print what each threshold and margin would do on ``train``."""
    low = BlurSettings(plate_threshold=LOWEST, face_threshold=LOWEST).or_default(10)
    data = shared_data() / "train"
    seen = [looked for name in TRAIN for looked in look(data / name, low, CHOOSE_AT_MOST)]
    for kind, margins in MARGINS.items():
        mine = [looked for looked in seen if any(item.kind == kind for item in looked.labels.objects)]
        for threshold in THRESHOLDS:
            for margin in margins:
                settings = replace(low, margin=margin, plate_threshold=threshold, face_threshold=threshold)
                summary = CoverageReport.of(score(looked, settings) for looked in mine).summary("set")
                for _, row in summary[summary["kind"] == kind].iterrows():
                    print(
                        f"{kind} {row['set']:22s} threshold {threshold:.2f} margin {margin:.2f}: "
                        f"coverage {row['coverage']:.3f} hidden {row['hidden']:.3f} recall {row['recall']:.3f} "
                        f"precision {row['precision']:.3f} over-blur {100 * row['over_blur']:.2f} %"
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="sweep thresholds and margins on train")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list the N worst misses")
    options = parser.parse_args()
    choose() if options.choose else measure(options.worst)

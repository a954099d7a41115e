"""From data to weights: ``python -m training --data ../shared/data --out FOLDER``; see ``training/README.md``."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch

from blur_tools.detectors.check import HEIGHT, WIDTH
from training import data, designs, distractors
from training.check import as_seen, crops_to_learn_from, train_check
from training.detector import train_detector
from training.eight_bit import quantise, scenes_seen
from training.export import export
from training.finds import find_all
from training.loop import Plan
from training.manifest import keep_finder, read_ignored, write_manifest

DESIGNS, DISTRACTORS = 4000, 3000
DETECTOR, CHECK = "plate-quad-2", "plate-check-3"
CALIBRATION = 512  # samples of the check whose activations tell its ranges


def main() -> None:
    """Pack, train the detector, collect its finds, train the check, export both in eight bits, write it all down."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds train/")
    parser.add_argument("--out", type=Path, required=True, help="where everything is written; go on there after a stop")
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--begin", type=Path, help="an exported detector whose weights are the first ones")
    first.add_argument("--finder", type=Path, help="a finished detector: only the check of its finds is trained")
    parser.add_argument("--detector-samples", type=int, default=72_000)
    parser.add_argument("--check-samples", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--full-precision", action="store_true", help="no bfloat16: slower without its instructions")
    options = parser.parse_args()

    cv2.setNumThreads(0)  # OpenCV's threads do not survive the fork into workers
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    packed = options.out / "pictures.zip"
    if not packed.exists():
        data.pack(options.data, packed)
    pictures = data.load(packed)
    textures = designs.bank(options.seed, DESIGNS)
    unsure = read_ignored()

    common = {
        "batch": options.batch,
        "seed": options.seed,
        "workers": options.workers,
        "device": options.device,
        "mixed": not options.full_precision,
    }
    small, check_small = (options.out / f"{name}.onnx" for name in (DETECTOR, CHECK))
    if options.finder:
        keep_finder(options.finder, small)
    else:
        plan = Plan(options.detector_samples, rate=1e-3 if options.begin else 2e-3, **common)
        detector = train_detector(pictures, textures, unsure, plan, options.out, options.begin)
        whole = options.out / f"{DETECTOR}-whole.onnx"
        export(detector, whole, (416, 416), ("score", "corners"), any_size=True)
        quantise(whole, small, scenes_seen(pictures))

    found, others = find_all(small, pictures, options.threads), distractors.bank(options.seed, DISTRACTORS)
    crops = crops_to_learn_from(pictures, found, textures, others, unsure, options.seed)
    check = train_check(crops, Plan(options.check_samples, **(common | {"batch": 4 * options.batch})), options.out)
    whole = options.out / f"{CHECK}-whole.onnx"
    export(check, whole, (HEIGHT, WIDTH), ("score", "corners"), any_size=False)
    quantise(whole, check_small, [as_seen(crops[number]) for number in range(CALIBRATION)])
    write_manifest(options.out, options, packed, [small.name, check_small.name])


if __name__ == "__main__":
    main()

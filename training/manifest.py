"""What a run was made of, and what it is not to learn from."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

from training.data import SETS, Floats, fingerprint

__all__ = ["keep_finder", "read_ignored", "write_manifest"]

UNLABELLED = Path(__file__).with_name("unlabelled.json")
"""Plates, or what may be one, that nobody labelled: {picture: [[xmin, ymin, xmax, ymax], ...]}, packed pixels.

The 672 surest unlabelled finds of a first run's detector were looked at one by one: 70 % of the first 84 are plates. Of
the 2,023 less sure ones, those that its check took for plates as well are left open."""

LIBRARIES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "pillow")


def read_ignored() -> dict[str, Floats]:
    """Picture name -> boxes ``(n, 4)``, in pixels of the packed picture."""
    return {name: np.float32(boxes) for name, boxes in json.loads(UNLABELLED.read_text("utf-8")).items()}


def _code() -> str:
    """SHA-256 over this package's modules and lists, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".json")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def keep_finder(finder: Path, place: Path) -> None:
    """Copy a finished detector into a run's folder; another one there ends the run, since its check learns on it."""
    if not place.exists():
        shutil.copyfile(finder, place)
    elif fingerprint(place) != fingerprint(finder):
        raise SystemExit(f"{place.parent} is a run with another detector: give --out a new folder")


def _named(path: Path | None) -> dict[str, str] | None:
    return {"file": path.name, "sha256": fingerprint(path)} if path else None


def write_manifest(folder: Path, options: argparse.Namespace, packed: Path, networks: list[str]) -> None:
    """Write ``manifest.json``: the command, hashes of code, data and networks, every option, and the versions used."""
    elsewhere = {"data", "out", "begin", "finder"} | ({"detector_samples"} if options.finder else set())
    content = {
        "command": shlex.join(["python", "-m", "training", *sys.argv[1:]]),
        "code": _code(),
        "options": {key: value for key, value in sorted(vars(options).items()) if key not in elsewhere},
        "begun_with": _named(options.begin),
        "finder": _named(options.finder),
        "pictures": {"sha256": fingerprint(packed), "sets": list(SETS)},
        "labels": {name: fingerprint(options.data / "train" / name / "labels.json") for name in SETS},
        "networks": {name: fingerprint(folder / name) for name in networks},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
        "machine": platform.machine(),
    }
    (folder / "manifest.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")

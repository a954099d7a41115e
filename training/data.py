"""The labelled pictures that networks are trained on, packed once into one small file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from blur_tools.detectors.tiles import boxes_of

__all__ = ["SETS", "Floats", "Picture", "Pixels", "Plate", "fingerprint", "load", "pack"]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SETS = {"open-lpr": 640, "romanian-dashcam": 960, "egyptian-motorcycles": 640, "ccpd-quads": 720, "faces": 640}
"""Folder under ``train``, and the longest side in pixels at which its pictures are kept."""

QUALITY = 95  # of the packed JPEG files


@dataclass(frozen=True)
class Plate:
    """One labelled object.

    ``corners`` is ``(4, 2)``, clockwise from the corner nearest the picture's top left, in pixels; ``exact`` says that
    these are the object's own corners and not those of a box around it.
    """

    corners: Floats
    exact: bool


@dataclass(frozen=True)
class Picture:
    """A picture ``(h, w, 3)``, blue first, with its plates; a picture of a set without plates shows none."""

    name: str
    group: str
    pixels: Pixels
    plates: tuple[Plate, ...]

    @property
    def boxes(self) -> Floats:
        """Upright boxes ``(n, 4)`` around the plates: xmin, ymin, xmax, ymax."""
        if not self.plates:
            return np.zeros((0, 4), np.float32)
        return boxes_of(np.stack([plate.corners for plate in self.plates]))


def clockwise(points: npt.ArrayLike) -> Floats:
    """Four corners ``(4, 2)``, clockwise (y down), beginning with the one nearest the top left."""
    corners = np.asarray(points, np.float32).reshape(4, 2)
    middle = corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0]))]
    return np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)


def pack(data: Path, out: Path) -> None:
    """Write all training pictures, made small, and their labels into one file.

    Parameters
    ----------
    data : Path
        The folder that holds ``train``.
    out : Path
        The file; a ZIP archive of JPEG files and one ``labels.json``.
    """
    entries: list[dict[str, Any]] = []
    partial = out.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        for group, side in SETS.items():
            for entry, jpeg in _labelled(data / "train" / group, side):
                entry |= {"group": group, "member": f"{len(entries)}.jpg"}
                _add(archive, entry["member"], jpeg)
                entries.append(entry)
        _add(archive, "labels.json", json.dumps(entries).encode())
    partial.replace(out)


def _add(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    # a fixed date: the same pictures give the same file, to the byte
    archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)


def _labelled(folder: Path, side: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    plate_ids = {category["id"] for category in labels["categories"] if "plate" in category["name"]}
    objects: dict[int, list[dict[str, Any]]] = {}
    for item in labels["annotations"]:
        objects.setdefault(item["image_id"], []).append(item)
    for image in sorted(labels["images"], key=lambda image: image["file_name"]):
        pixels = cv2.imread(str(folder / image["file_name"]))
        if pixels is None:
            raise SystemExit(f"{folder / image['file_name']}: not readable as a picture")
        scale = min(1.0, side / max(pixels.shape[:2]))
        if scale < 1:
            pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        plates = [_plate(item, scale) for item in objects.get(image["id"], []) if item["category_id"] in plate_ids]
        jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        yield {"name": image["file_name"], "plates": plates}, jpeg


def _plate(item: dict[str, Any], scale: float) -> dict[str, Any]:
    points = item["segmentation"][0]
    exact = item["attributes"]["shape"] == "quad" and len(points) == 8
    if not exact:
        x, y, width, height = item["bbox"]
        points = [x, y, x + width, y, x + width, y + height, x, y + height]
    corners = clockwise(points) * scale
    return {"corners": [[round(float(value), 2) for value in corner] for corner in corners], "exact": exact}


def load(packed: Path) -> list[Picture]:
    """All pictures of a packed file, decoded."""
    with zipfile.ZipFile(packed) as archive:
        return [
            Picture(
                entry["name"],
                entry["group"],
                cv2.imdecode(np.frombuffer(archive.read(entry["member"]), np.uint8), cv2.IMREAD_COLOR),
                tuple(Plate(np.float32(plate["corners"]), plate["exact"]) for plate in entry["plates"]),
            )
            for entry in json.loads(archive.read("labels.json"))
        ]


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""napari's way to our files: readers, writers, and the commands of the menus."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from blur_tools.audit._items import Mark
from blur_tools.audit._labels import LABELS
from blur_tools.audit._state import persons_source
from blur_tools.detections import Detection, Detections, Kind
from blur_tools.errors import BlurError, DetectionsError
from blur_tools.formats.blur_json import PictureRecord, read_blur_json, write_blur_json
from blur_tools.formats.coco import PictureLabels, read_coco
from blur_tools.formats.coco_writer import write_coco
from blur_tools.napari._layers import NEW, edge_width, facts_of, layer_values, mended, text_options
from blur_tools.napari._pictures import HALF, load_shown
from blur_tools.orientation import polygon_to_stored, polygon_to_upright
from blur_tools.samples import write_scenes

__all__ = [
    "audit_folder",
    "get_reader",
    "open_folder",
    "open_review",
    "open_samples",
    "open_saved",
    "read_detections",
    "read_pictures",
    "write_detections",
    "write_labels",
]

LayerData = tuple[Any, ...]
NO_LAYERS: list[LayerData] = [(None,)]
"""What a reader answers that opened something by itself."""

REVIEW = ".blur-audit.jsonl"
COCO = frozenset(("images", "annotations", "categories"))

LARGE = 1 << 18
"""Bytes from which a file is read beside the window: a quarter of a megabyte takes some 20 ms."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """The reader for a path, or None when it is not ours."""
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    first = os.fspath(paths[0])
    if os.path.isdir(first):
        return audit_folder if len(paths) == 1 else None
    if first.lower().endswith(REVIEW):
        return open_review
    if first.lower().endswith(LABELS) or _is_coco(first):
        return read_detections
    return None if first.lower().endswith(".json") or any(map(_is_deep, paths)) else read_pictures


def _is_deep(path: Any) -> bool:
    """Whether a picture has more than eight bits: `load_picture` would make it white, napari shows it as it is."""
    try:
        with Image.open(os.fspath(path)) as image:
            return image.mode.startswith(("I", "F"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # said by who reads it


def _is_coco(path: str) -> bool:
    if not path.lower().endswith(".json"):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(LARGE)
        if len(start) == LARGE:  # it is read beside the window; any of the names says whose it is
            return any(f'"{name}"'.encode() in start for name in COCO)
        form = json.loads(start)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(form, dict) and form.keys() >= COCO


# ---- pictures and reviews


def read_pictures(path: str | Sequence[str]) -> list[LayerData]:
    """Pictures as layers, upright whatever their orientation tag says.

    Raises
    ------
    PictureError
        One cannot be read.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [(load_shown(os.fspath(place)).pixels, {"name": Path(place).name, "rgb": True}, "image") for place in paths]


def audit_folder(path: Any) -> list[LayerData]:
    """Open a folder in the Audit panel of the current viewer."""
    folder = path if isinstance(path, str | os.PathLike) else path[0]
    _panel().open_folder(folder)
    return NO_LAYERS


def open_review(path: Any) -> list[LayerData]:
    """Go on with a review, by its journal, in the Audit panel of the current viewer."""
    journal = path if isinstance(path, str | os.PathLike) else path[0]
    _panel().open_journal(journal)
    return NO_LAYERS


def open_folder() -> None:
    """Menu: choose a folder to review."""
    _panel().folder.native.click()


def open_samples() -> None:
    """Menu: write our sample scenes into a new folder and review them."""
    from blur_tools.audit.session import AuditSession

    def make() -> AuditSession:
        folder = Path(tempfile.mkdtemp(prefix="blur-tools-samples-"))
        write_scenes(folder)
        return AuditSession.open(folder)

    _panel().open_session(make)


def open_saved() -> None:
    """Menu: choose a review that was begun."""
    _panel().saved.native.click()


def _panel() -> Any:
    import napari

    from blur_tools.napari._audit_widget import audit_panel

    return audit_panel(napari.current_viewer() or napari.Viewer())


# ---- detections


@dataclass(frozen=True)
class _Labelled:
    """What a file says of one picture: enough of `Shown` to place its marks without the pixels."""

    key: str
    size: tuple[int, int]
    turn: int
    detections: Detections

    def to_canvas(self, polygon: Any) -> Any:
        points = polygon_to_upright(polygon, self.size, self.turn)
        return np.array([(y - HALF, x - HALF) for x, y in points], dtype=np.float64)


def read_detections(path: Any) -> list[LayerData]:
    """Detections of a ``.blur.json`` or COCO file.

    One picture becomes its layers: the picture, where it is found beside the file, and its marks. Several pictures, and
    one that somebody has decided on, are opened in the Audit panel, which shows them one at a time.

    Raises
    ------
    DetectionsError
        The file cannot be read, or is newer than this version.
    """
    place = Path(path if isinstance(path, str | os.PathLike) else path[0])
    if place.is_file() and place.stat().st_size >= LARGE and _opened_in_panel(place):
        return NO_LAYERS
    records = _records(place)
    if not records:
        raise DetectionsError(f"{place}: there is no picture in it")
    several = len(records) > 1 or any(record.decision != "unreviewed" for record in records.values())
    if several and _opened_in_panel(place):
        return NO_LAYERS
    return [layer for key, record in records.items() for layer in _picture_layers(place, key, record)]


def _records(place: Path) -> Mapping[str, PictureRecord]:
    if place.name.lower().endswith(LABELS):
        return read_blur_json(place)
    labels = read_coco(place)
    return {key: PictureRecord(found.objects, found.size) for key, found in labels.pictures.items()}


def _picture_layers(place: Path, key: str, record: PictureRecord) -> list[LayerData]:
    layers: list[LayerData] = []
    size, turn = record.size or (0, 0), 1
    try:
        shown = load_shown(place.parent / key)
    except BlurError:
        pass  # the marks are worth seeing without it
    else:
        size, turn = shown.size, shown.turn
        layers.append((shown.pixels, {"name": Path(key).name, "rgb": True}, "image"))
    labelled = _Labelled(key, size, turn, record.detections or Detections())
    return [*layers, _marks_layer(labelled)]


def _marks_layer(labelled: _Labelled) -> LayerData:
    marks = [Mark(number, item) for number, item in enumerate(labelled.detections, start=1)]
    points, types, features = layer_values(marks, labelled)  # type: ignore[arg-type]
    facts = {
        "name": f"Plates and faces: {Path(labelled.key).name}",
        "shape_type": types,
        "features": features,
        # what is drawn in it later is a person's, and none of the marks that it came with
        "feature_defaults": {
            "kind": "plate",
            "score": math.nan,
            "text": "",
            "source": persons_source(""),
            "keep": False,
            "mark": NEW,
            "label": "drawn",
        },
        "text": text_options(),
        "face_color": "transparent",
        "edge_color": "white",
        "edge_width": edge_width(labelled.size),
        "metadata": {"blur_tools": facts_of(labelled.key, labelled.size, labelled.turn, marks)},
    }
    return points, facts, "shapes"


def _opened_in_panel(place: Path) -> bool:
    import napari

    if napari.current_viewer() is None:
        return False
    from blur_tools.audit.session import AuditSession

    journal = place.with_name(f".{place.name}{REVIEW}")

    def make() -> AuditSession:
        is_ours = place.name.lower().endswith(LABELS)
        return AuditSession.open(place if is_ours else _coco_table(place), journal=journal)

    _panel().open_session(make, journal)
    return True


def _coco_table(place: Path) -> pd.DataFrame:
    """The pictures of a COCO file as a table; it knows of no decisions."""
    rows = [(str(place.parent / key), record.detections.to_json()) for key, record in _records(place).items()
            if record.detections is not None]  # fmt: skip
    if not rows:
        raise DetectionsError(f"{place}: there is no picture in it")
    return pd.DataFrame(rows, columns=["image", "detections"], dtype=object)


def write_detections(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """A layer's marks as ``.blur.json``.

    Raises
    ------
    DetectionsError
        A shape has no area, or the file that is there holds other pictures, or decisions.
    """
    labelled = _labelled(data, meta)
    _refuse_other(Path(path), labelled.key)
    write_blur_json(path, {labelled.key: PictureRecord(labelled.detections, _known(labelled.size))})
    return [path]


def _refuse_other(path: Path, key: str) -> None:
    """A layer holds one picture's marks and nobody's decision: it must not replace a file that holds more."""
    if not path.exists():
        return
    there = read_blur_json(path)
    if there.keys() - {key} or any(record.decision != "unreviewed" for record in there.values()):
        raise DetectionsError(f"{path}: holds other pictures, or decisions; choose another name")


def write_labels(path: str, data: Any, meta: Mapping[str, Any]) -> list[str]:
    """A layer's marks as COCO.

    Raises
    ------
    DetectionsError
        A shape has no area, or the picture's size is not known.
    """
    labelled = _labelled(data, meta)
    if _known(labelled.size) is None:
        raise DetectionsError(f"{labelled.key}: COCO needs the picture's size; open the picture with Blur Tools")
    write_coco(path, {labelled.key: PictureLabels(labelled.size, labelled.detections)})
    return [path]


def _known(size: tuple[int, int]) -> tuple[int, int] | None:
    return size if min(size) > 0 else None


def _labelled(data: Any, meta: Mapping[str, Any]) -> _Labelled:
    facts = meta.get("metadata", {}).get("blur_tools", {})
    size, turn = tuple(facts.get("size", (0, 0))), facts.get("turn", 1)
    features = meta.get("features")
    known = facts.get("marks", {})
    found = []
    written: set[int] = set()
    for row, points in enumerate(data):
        said = {} if features is None else features.iloc[row].to_dict()
        kind: Kind = "face" if said.get("kind") == "face" else "plate"
        corners = mended(np.asarray(points), kind)
        a, b, c, d = ((float(x) + HALF, float(y) + HALF) for y, x in corners)
        polygon = polygon_to_stored((a, b, c, d), size, turn)
        number = int(said.get("mark") or NEW)
        if number in known and number not in written:
            written.add(number)
            base = known[number]
        elif number in written:  # a copy, which a person made
            base = Detection(kind, polygon, None, persons_source(""))
        else:
            base = Detection(kind, polygon, _score(said.get("score")), _text(said.get("source")))
        keep = bool(said.get("keep", False))
        found.append(replace(base, kind=kind, polygon=polygon, keep=keep))
    return _Labelled(str(facts.get("key") or meta.get("name") or "picture"), size, turn, Detections(found))


def _score(value: Any) -> float | None:
    return float(value) if isinstance(value, float) and 0 <= value <= 1 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""

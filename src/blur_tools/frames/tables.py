"""The plain functions behind the accessors: a DataFrame in, a DataFrame out."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.batch.columns import cells_of, earlier_names, find_column, known_column, once, picture_column, with_rows
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.rows import COLUMNS, Given, Job, Row, blur_rows, detect_rows, message, redact_rows, tell
from blur_tools.detections import Detection, Detections
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import DetectionsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = [
    "COLUMNS",
    "Job",
    "apply_frame",
    "detect_frame",
    "find_column",
    "parse_detections",
    "redact_frame",
    "with_rows",
]

DETECTION_COLUMNS = (
    "kind", "score", "xmin", "ymin", "xmax", "ymax", "polygon", "source", "keep", "status", "error",
)  # fmt: skip


def apply_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    root: Path | None = None,
    settings: BlurSettings | None = None,
    engine: str | Engine | None = None,
    job: Job | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Blur the pictures of one column; see ``df.blur.apply``. `root` is what inputs are relative to."""
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    finder = as_engine(engine)
    cells = cells_of(frame[picture_column(frame, column)])
    sources, places = once(cells)
    outputs = Outputs(out, sources, root)
    rows = list(blur_rows(sources, outputs, wanted, finder, job or Job()))
    tell(rows)
    return with_rows(frame, [rows[place] for place in places])


def redact_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    root: Path | None = None,
    detections: Hashable = "detections",
    settings: BlurSettings | None = None,
    job: Job | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Render the detections in a table; see ``df.blur.redact``.

    Raises
    ------
    DetectionsError
        Two rows of the same picture say different things.
    """
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    name = picture_column(frame, column)
    known_column(frame, detections, "detections")
    cells, texts = cells_of(frame[name]), cells_of(frame[detections])
    reasons = cells_of(frame["error"]) if "error" in frame.columns else [None] * len(frame)
    sources, places = once(cells)
    said: dict[int, tuple[Any, Any]] = {}
    for place, text, reason, label in zip(places, texts, reasons, frame.index, strict=True):
        if said.setdefault(place, (text, reason))[0] != text:
            raise DetectionsError(f"row {label!r}: another row of this picture has different detections")
    items = [None if source is None else Given(source, *said[place]) for place, source in enumerate(sources)]
    outputs = Outputs(out, sources, root, earlier_names(frame, cells))
    rows = list(redact_rows(items, outputs, wanted, job or Job()))
    tell(rows)
    return with_rows(frame, [rows[place] for place in places])


def detect_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    settings: BlurSettings | None = None,
    engine: str | Engine | None = None,
    job: Job | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Find in the pictures of one column, one row a detection; see ``df.blur.detect``."""
    wanted = BlurSettings.of(settings, **params)
    name = find_column(frame, column)
    sources, places = once(cells_of(frame[name]))
    rows = list(detect_rows(sources, wanted, as_engine(engine), job or Job()))
    tell(rows)
    positions: list[int] = []
    entries: list[dict[str, Any]] = []
    for position, place in enumerate(places):
        for entry in _detection_entries(rows[place]):
            positions.append(position)
            entries.append(entry)
    found = pd.DataFrame(entries, columns=list(DETECTION_COLUMNS), index=frame.index[positions])
    found = found.astype({**dict.fromkeys(("score", "xmin", "ymin", "xmax", "ymax"), "Float64"), "keep": "boolean"})
    found.insert(0, name, frame[name].iloc[positions].to_numpy(), allow_duplicates=True)
    return found


def parse_detections(frame: pd.DataFrame, column: Hashable = "detections") -> pd.Series[Any]:
    """A table's detections as objects; see ``df.blur.detections``."""
    known_column(frame, column, "column")
    parsed: list[Detections | None] = []
    for label, text in zip(frame.index, cells_of(frame[column]), strict=True):
        try:
            parsed.append(None if text is None else Detections.from_json(text))
        except DetectionsError as error:
            raise DetectionsError(f"row {label!r}: {error}") from error
    values = np.empty(len(parsed), dtype=object)  # pandas would take a sequence apart
    for position, value in enumerate(parsed):
        values[position] = value
    return pd.Series(values, index=frame.index, name=column)


def _detection_entries(row: Row) -> list[dict[str, Any]]:
    if row.detections is None:
        return [] if row.error is None else [{"status": row.status, "error": message(row.error)}]
    return [_detection_entry(item) for item in row.detections]


def _detection_entry(item: Detection) -> dict[str, Any]:
    entry: dict[str, Any] = dict(zip(("xmin", "ymin", "xmax", "ymax"), item.box, strict=True))
    polygon = json.dumps([list(point) for point in item.polygon])
    return entry | {
        "kind": item.kind,
        "score": item.score,
        "polygon": polygon,
        "source": item.source,
        "keep": item.keep,
        "status": "ok",
    }

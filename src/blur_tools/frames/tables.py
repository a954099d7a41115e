"""The plain functions behind the accessors: a DataFrame in, a DataFrame out."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.batch.outputs import Outputs, local_path
from blur_tools.batch.rows import COLUMNS, Given, Job, Row, blur_rows, detect_rows, message, redact_rows, tell
from blur_tools.detections import Detection, Detections
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import DetectionsError, SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings
from blur_tools.sources import SUFFIXES, Source, is_url

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
SEEN = 200
"""Cells of a column that are looked at to tell whether it holds pictures."""


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
    cells = _cells(frame[_picture_column(frame, column)])
    sources, places = _once(cells)
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
    name = _picture_column(frame, column)
    _known_column(frame, detections, "detections")
    cells, texts = _cells(frame[name]), _cells(frame[detections])
    reasons = _cells(frame["error"]) if "error" in frame.columns else [None] * len(frame)
    sources, places = _once(cells)
    said: dict[int, tuple[Any, Any]] = {}
    for place, text, reason, label in zip(places, texts, reasons, frame.index, strict=True):
        if said.setdefault(place, (text, reason))[0] != text:
            raise DetectionsError(f"row {label!r}: another row of this picture has different detections")
    items = [None if source is None else Given(source, *said[place]) for place, source in enumerate(sources)]
    outputs = Outputs(out, sources, root, _earlier_names(frame, cells))
    rows = list(redact_rows(items, outputs, wanted, job or Job()))
    tell(rows)
    return with_rows(frame, [rows[place] for place in places])


def _earlier_names(frame: pd.DataFrame, cells: Sequence[Any]) -> dict[Path, PurePath]:
    """The names that an earlier run gave its results, from the column ``blurred``."""
    if "blurred" not in frame.columns:
        return {}
    names: dict[Path, PurePath] = {}
    for cell, blurred in zip(cells, _cells(frame["blurred"]), strict=True):
        path = local_path(cell)
        parts = PurePath(blurred).parts if isinstance(blurred, str) else ()
        # a table can come from anywhere: a name must stay below the folder
        if path is not None and len(parts) > 1 and ".." not in parts and not PurePath(*parts).is_absolute():
            names[path] = PurePath(*parts[1:])
    return names


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
    sources, places = _once(_cells(frame[name]))
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
    _known_column(frame, column, "column")
    parsed: list[Detections | None] = []
    for label, text in zip(frame.index, _cells(frame[column]), strict=True):
        try:
            parsed.append(None if text is None else Detections.from_json(text))
        except DetectionsError as error:
            raise DetectionsError(f"row {label!r}: {error}") from error
    values = np.empty(len(parsed), dtype=object)  # pandas would take a sequence apart
    for position, value in enumerate(parsed):
        values[position] = value
    return pd.Series(values, index=frame.index, name=column)


def find_column(frame: pd.DataFrame, column: Hashable | None) -> Hashable:
    """The column that holds the pictures.

    Raises
    ------
    SettingsError
        It is not there, or is not said and none or several could be meant.
    """
    if column is not None:
        return _known_column(frame, column, "column")
    ours = set(COLUMNS)
    candidates = [name for name in frame.columns if name not in ours and _holds_pictures(frame[name])]
    if len(candidates) == 1:
        return candidates[0]
    if frame.empty and len(frame.columns) == 1:
        return frame.columns[0]
    if frame.empty:
        raise SettingsError("column", f"the table has no rows to tell by; say which of {_listed(frame)}")
    if not candidates:
        raise SettingsError("column", f"no column holds paths, URLs or pictures; say which of {_listed(frame)}")
    names = ", ".join(map(repr, candidates))
    raise SettingsError("column", f"several columns could hold the pictures: {names}; say which")


def _known_column(frame: pd.DataFrame, column: Any, field: str) -> Hashable:
    """The label, if it names one column; a list or a label that stands twice does not."""
    if not isinstance(column, Hashable) or column not in frame.columns:
        raise SettingsError(field, f"the table has no column {column!r}; there are {_listed(frame)}")
    if sum(label == column for label in frame.columns) > 1:
        raise SettingsError(field, f"the table has several columns {column!r}")
    return column


def _picture_column(frame: pd.DataFrame, column: Hashable | None) -> Hashable:
    """`find_column` for a run that adds columns: it must not replace the pictures by its results."""
    name = find_column(frame, column)
    if name in COLUMNS:
        raise SettingsError("column", f"{name!r} is a column that the result has; rename the one with the pictures")
    return name


def _listed(frame: pd.DataFrame) -> str:
    return ", ".join(map(repr, frame.columns)) or "no columns"


def _holds_pictures(series: pd.Series[Any]) -> bool:
    cells = [cell for cell in _cells(series.dropna().head(SEEN)) if cell is not None]
    # half: a bad cell is a bad row, not another column
    return bool(cells) and 2 * sum(map(_could_be_picture, cells)) >= len(cells)


def _could_be_picture(cell: Any) -> bool:
    if isinstance(cell, str):
        return is_url(cell) or cell.lower().endswith(SUFFIXES)
    if isinstance(cell, dict):
        return bool({"bytes", "path"} & cell.keys())
    if isinstance(cell, np.ndarray):
        return cell.ndim in (2, 3)
    # by name: asking an image anything else could decode it
    return isinstance(cell, os.PathLike | bytes | Source) or type(cell).__module__.startswith("PIL.")


def _cells(series: pd.Series[Any]) -> list[Any]:
    """A column's values; None where one is missing, whatever the column's type calls that."""
    return [None if _missing(cell) else cell for cell in series]


def _missing(cell: Any) -> bool:
    if cell is None or cell is pd.NA:
        return True
    if isinstance(cell, dict):
        return bool({"bytes", "path"} & cell.keys()) and cell.get("bytes") is None and cell.get("path") is None
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _once(cells: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """The distinct sources, and for each cell the place of its own among them."""
    sources: list[Any] = []
    seen: dict[Hashable, int] = {}
    places = []
    for cell in cells:
        key = _identity(cell)
        if key not in seen:
            seen[key] = len(sources)
            sources.append(cell)
        places.append(seen[key])
    return sources, places


def _identity(cell: Any) -> Hashable:
    path = local_path(cell)
    if path is not None:
        return os.path.abspath(path)
    if isinstance(cell, dict) and isinstance(cell.get("path"), str | None):
        data = cell.get("bytes")
        return (data if isinstance(data, bytes | None) else id(data)), cell.get("path")
    return cell if cell is None or isinstance(cell, str | bytes) else id(cell)


def with_rows(frame: pd.DataFrame, rows: Iterable[Row]) -> pd.DataFrame:
    """The frame with the columns `COLUMNS` added or replaced, one `Row` for each of its rows, in order."""
    entries = pd.DataFrame([row.to_columns() for row in rows], columns=list(COLUMNS))
    result = frame.copy()
    for name in COLUMNS:
        kind = "Int64" if name in ("n_plates", "n_faces") else _text_dtype()
        result[name] = pd.Series(entries[name].astype(object).tolist(), index=frame.index, dtype=kind)
    return result


def _text_dtype() -> Any:
    """What pandas itself makes of text: ``str`` since 3.0, object before."""
    return pd.Series(["text"]).dtype


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

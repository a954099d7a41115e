"""Pictures in the columns of a table: which column, which cells are the same picture, and what is added to it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.batch.outputs import local_name, local_path
from blur_tools.batch.rows import COLUMNS, Row
from blur_tools.errors import SettingsError
from blur_tools.sources import SUFFIXES, Source, is_url

__all__ = [
    "cells_of",
    "earlier_names",
    "find_column",
    "known_column",
    "once",
    "picture_column",
    "text_dtype",
    "with_rows",
    "with_values",
]

LONGEST_NAME = 255
"""Bytes of a file's name that file systems take."""

SEEN = 200
"""Cells of a column that are looked at to tell whether it holds pictures."""


def find_column(frame: pd.DataFrame, column: Hashable | None) -> Hashable:
    """The column that holds the pictures.

    Raises
    ------
    SettingsError
        It is not there, or is not said and none or several could be meant.
    """
    if column is not None:
        return known_column(frame, column, "column")
    ours = {_label(frame, name) for name in COLUMNS}
    # by place: a label can stand twice
    candidates = [
        name for place, name in enumerate(frame.columns)
        if name not in ours and _holds_pictures(frame.iloc[:, place])
    ]  # fmt: skip
    if candidates and all(name == candidates[0] for name in candidates):
        known_column(frame, candidates[0], "column")
        return candidates[0]
    if frame.empty and len(frame.columns) == 1:
        return frame.columns[0]
    if frame.empty:
        raise SettingsError("column", f"the table has no rows to tell by; say which of {_listed(frame)}")
    if not candidates:
        raise SettingsError("column", f"no column holds paths, URLs or pictures; say which of {_listed(frame)}")
    names = ", ".join(map(repr, candidates))
    raise SettingsError("column", f"several columns could hold the pictures: {names}; say which")


def known_column(frame: pd.DataFrame, column: Any, field: str) -> Hashable:
    """The label, if it names one column; a list or a label that stands twice does not."""
    if not isinstance(column, Hashable) or column not in frame.columns:
        raise SettingsError(field, f"the table has no column {column!r}; there are {_listed(frame)}")
    if sum(label == column for label in frame.columns) > 1:
        raise SettingsError(field, f"the table has several columns {column!r}; rename all but one")
    return column


def picture_column(frame: pd.DataFrame, column: Hashable | None) -> Hashable:
    """`find_column` for a run that adds columns: it must not replace the pictures by its results."""
    name = find_column(frame, column)
    if name in {*COLUMNS, *(_label(frame, ours) for ours in COLUMNS)}:
        raise SettingsError("column", f"{name!r} is a column that the result has; rename the one with the pictures")
    return name


def _listed(frame: pd.DataFrame) -> str:
    return ", ".join(map(repr, frame.columns)) or "no columns"


def _holds_pictures(series: pd.Series[Any]) -> bool:
    cells = [cell for cell in cells_of(series.dropna().head(SEEN)) if cell is not None]
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


def cells_of(series: pd.Series[Any]) -> list[Any]:
    """A column's values; None where one is missing, whatever the column's type calls that."""
    return [None if _missing(cell) else cell for cell in series]


def _missing(cell: Any) -> bool:
    if cell is None or cell is pd.NA:
        return True
    if isinstance(cell, dict):
        return bool({"bytes", "path"} & cell.keys()) and cell.get("bytes") is None and cell.get("path") is None
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def once(cells: Sequence[Any]) -> tuple[list[Any], list[int]]:
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


def earlier_names(frame: pd.DataFrame, cells: Sequence[Any]) -> dict[Path, PurePath]:
    """The names that an earlier run gave its results, from the column ``blurred``."""
    if "blurred" not in frame.columns:
        return {}
    names: dict[Path, PurePath] = {}
    for cell, blurred in zip(cells, cells_of(frame["blurred"]), strict=True):
        path = local_path(cell)
        parts = PurePath(blurred).parts if isinstance(blurred, str) and local_name(blurred) is not None else ()
        if path is not None and len(parts) > 1 and _stays_below(parts):
            names[path] = PurePath(*parts[1:])
    return names


def _stays_below(parts: tuple[str, ...]) -> bool:
    """Whether a name, which can come from anywhere, is one below a folder, and one that a file can have."""
    if ".." in parts or PurePath(*parts).is_absolute():
        return False
    return all(len(os.fsencode(part)) <= LONGEST_NAME for part in parts)


def with_rows(frame: pd.DataFrame, rows: Iterable[Row]) -> pd.DataFrame:
    """The frame with the columns `COLUMNS` added or replaced, one `Row` for each of its rows, in order."""
    return with_values(frame, [row.to_values() for row in rows])


def with_values(frame: pd.DataFrame, values: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """`with_rows` for what `Row.to_values` gave: where there are many rows, no more is kept of them."""
    columns = list(zip(*values, strict=True)) or [()] * len(COLUMNS)
    result = frame.copy()
    for name, cells in zip(COLUMNS, columns, strict=True):
        kind = "Int64" if name in ("n_plates", "n_faces") else text_dtype()
        result[_label(frame, name)] = pd.Series(list(cells), index=frame.index, dtype=kind)
    return result


def _label(frame: pd.DataFrame, name: str) -> Hashable:
    """What a column of ours is called in a table whose columns have several levels: pandas finds it by `name` too."""
    levels = frame.columns.nlevels
    return name if levels == 1 else (name, *[""] * (levels - 1))


def text_dtype() -> Any:
    """What pandas itself makes of text: ``str`` since 3.0, object before."""
    return pd.Series(["text"]).dtype

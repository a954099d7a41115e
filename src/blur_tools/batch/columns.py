"""Pictures in the columns of a table: which column, which cells are the same picture, and what is added to it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from blur_tools.batch.outputs import local_name
from blur_tools.batch.packed import View, hashes
from blur_tools.batch.rows import COLUMNS, Row
from blur_tools.errors import SettingsError
from blur_tools.sources import SUFFIXES, Source, is_url

__all__ = [
    "Cells",
    "Growing",
    "cells_of",
    "earlier_names",
    "find_column",
    "first_rows",
    "known_column",
    "once",
    "our_column",
    "picture_column",
    "text_dtype",
    "with_rows",
]

Places = npt.NDArray[np.intp]

LONGEST_NAME = 255
"""Bytes of a file's name that file systems take."""

SEEN = 200
"""Cells of a column that are looked at to tell whether it holds pictures."""

PART = 1000
"""Rows that are kept as they come before they become a part of a column."""


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
    others = [name for name in frame.columns if name not in ours]
    if frame.empty and len(others) == 1:
        return others[0]
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
    cells = list(islice((cell for cell in Cells(series) if cell is not None), SEEN))
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


class Cells(Sequence[Any]):
    """A column's values; None where one is missing, whatever the column's type calls that.

    They are taken from the column when they are asked for: one that keeps text or bytes in its own way (Arrow) makes
    an object of each, and there can be many.
    """

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series, self._array = series, series.array

    def __len__(self) -> int:
        return len(self._series)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return cells_of(self._series.iloc[place])
        cell = self._array[place]
        return None if _missing(cell) else cell

    def __iter__(self) -> Iterator[Any]:
        return (None if _missing(cell) else cell for cell in self._series)

    @property
    def lasting(self) -> bool:
        """Whether each is an object that is there as long as the column."""
        return self._series.dtype == object


def cells_of(series: pd.Series[Any]) -> list[Any]:
    """`Cells`, all at once."""
    return list(Cells(series))


def _missing(cell: Any) -> bool:
    if cell is None or cell is pd.NA:
        return True
    if isinstance(cell, dict):
        return bool({"bytes", "path"} & cell.keys()) and cell.get("bytes") is None and cell.get("path") is None
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def once(cells: Sequence[Any]) -> tuple[Sequence[Any], Places]:
    """The distinct sources, as they come, and for each cell the place of its own among them."""
    lasting = getattr(cells, "lasting", True)

    def what(place: int) -> Hashable:
        return _identity(cells[place], None if lasting else place)

    found = hashes(_identity(cell, None if lasting else place) for place, cell in enumerate(cells))
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.argsort(order)[group]  # numbered as they come
    first = first[order]
    others: dict[Hashable, int] = {}  # of the same hash, and yet others
    for row in np.flatnonzero(first[places] != np.arange(len(places))).tolist():
        if what(row) != what(first[places[row]]):
            places[row] = len(first) + others.setdefault(what(row), len(others))
    first = first_rows(places)
    return (cells if len(first) == len(cells) else View(cells, places=first)), places


def first_rows(places: Places) -> Places:
    """Of the places that `once` gives, the row of each that has it first."""
    return np.unique(places, return_index=True)[1]


def _identity(cell: Any, number: int | None) -> Hashable:
    """What cells of the same picture have in common; an object is known by its `number` where it does not last."""
    path = local_name(cell)
    if path is not None:
        return os.path.abspath(path)
    if isinstance(cell, dict) and isinstance(cell.get("path"), str | None):
        data = cell.get("bytes")
        if isinstance(data, bytes | None):
            return data, cell.get("path")
    if cell is None or isinstance(cell, str | bytes):
        return cell
    return id(cell) if number is None else ("cell", number)


def earlier_names(frame: pd.DataFrame, cells: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """The names that an earlier run gave its results, from the column ``blurred``, each with its picture's path."""
    names = our_column(frame, "blurred")
    if names is None:
        return
    for cell, blurred in zip(cells, Cells(names), strict=True):
        path = local_name(cell)
        parts = PurePath(blurred).parts if isinstance(blurred, str) and local_name(blurred) is not None else ()
        if path is not None and len(parts) > 1 and _stays_below(parts):
            yield path, str(PurePath(*parts[1:]))


def _stays_below(parts: tuple[str, ...]) -> bool:
    """Whether a name, which can come from anywhere, is one below a folder, and one that a file can have."""
    if ".." in parts or PurePath(*parts).is_absolute():
        return False
    return all(len(os.fsencode(part)) <= LONGEST_NAME for part in parts)


class Growing:
    """Columns that rows are added to; nothing is kept of a row but what its columns hold.

    Parameters
    ----------
    types : mapping
        What is in each column, by its name.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._parts: list[pd.DataFrame] = []
        self._rows: list[tuple[Any, ...]] = []

    def add(self, values: tuple[Any, ...]) -> None:
        """Add a row, in the columns' order."""
        self._rows.append(values)
        if len(self._rows) >= PART:
            self._pack()

    def table(self) -> pd.DataFrame:
        """What was added, under an index of numbers."""
        self._pack()
        table = self._parts[0] if len(self._parts) == 1 else pd.concat(self._parts, ignore_index=True)
        self._parts = [table]
        return table

    def _pack(self) -> None:
        if self._rows or not self._parts:
            columns = list(zip(*self._rows, strict=True)) or [()] * len(self._types)
            self._parts.append(
                pd.DataFrame(
                    {name: pd.Series(list(cells), dtype=kind)
                     for (name, kind), cells in zip(self._types.items(), columns, strict=True)}
                )
            )  # fmt: skip
            self._rows = []


def with_rows(frame: pd.DataFrame, rows: Iterable[Row], places: Places | None = None) -> pd.DataFrame:
    """The frame with the columns `COLUMNS` added or replaced.

    Parameters
    ----------
    rows : iterable of Row
        One for each row of the frame, in order.
    places : array of int, optional
        Which of the rows is each one's, where several share one; as of `once`.
    """
    growing = Growing({name: "Int64" if name in ("n_plates", "n_faces") else text_dtype() for name in COLUMNS})
    for row in rows:
        growing.add(row.to_values())
    added = growing.table()
    if places is not None and not np.array_equal(places, np.arange(len(added))):
        added = added.take(places)
    result = frame.copy()
    for name in COLUMNS:
        result[_label(frame, name)] = added[name].array
    return result


def our_column(frame: pd.DataFrame, name: str) -> pd.Series[Any] | None:
    """A column that a run has added to a table, if it is there."""
    label = _label(frame, name)
    return frame[known_column(frame, label, "column")] if label in frame.columns else None


def _label(frame: pd.DataFrame, name: str) -> Hashable:
    """What a column of ours is called in a table whose columns have several levels: pandas finds it by `name` too."""
    levels = frame.columns.nlevels
    return name if levels == 1 else (name, *[""] * (levels - 1))


def text_dtype() -> Any:
    """What pandas itself makes of text: ``str`` since 3.0, object before."""
    return pd.Series(["text"]).dtype

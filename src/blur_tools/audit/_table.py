"""A review of a table: what its columns already say, and the table that comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pandas as pd

from blur_tools.audit._items import DECISIONS, Decision, Item
from blur_tools.batch.columns import cells_of, known_column, picture_column, text_dtype
from blur_tools.batch.rows import storable
from blur_tools.detections import Detections
from blur_tools.errors import AuditError, DetectionsError

__all__ = ["COLUMNS", "Given", "Table", "found_in", "plain_table"]

COLUMNS = ("detections", "n_plates", "n_faces", "decision", "reviewer", "decided_at", "error")
"""Columns that a review adds to a table, in their order."""


DETECTION_ROWS = frozenset(("kind", "xmin", "ymin", "xmax", "ymax", "polygon"))
"""Columns by which a table of ``df.blur.detect`` is known."""


@dataclass(frozen=True)
class Given:
    """What a table says of one picture; None and ``""`` where it says nothing."""

    detections: Detections | None
    digest: str
    decision: Decision
    reviewer: str
    decided_at: str
    error: str


@dataclass
class Table:
    """A table under review.

    Attributes
    ----------
    frame : pandas.DataFrame
        As it was given.
    column : label
        The column with the pictures.
    keys : list of (str or None)
        The picture of each row; None where the cell is missing.
    """

    frame: pd.DataFrame
    column: Hashable
    keys: list[str | None]

    @classmethod
    def of(cls, frame: pd.DataFrame, column: Hashable | None) -> Table:
        """A table whose keys are still to come.

        Raises
        ------
        SettingsError
            No column, or several, could be meant.
        AuditError
            The table has a row for each detection, as ``df.blur.detect`` gives it.
        """
        if set(frame.columns) >= DETECTION_ROWS and "detections" not in frame.columns:
            raise AuditError(
                "this table has a row for each detection, and none for a picture without: open the table of the "
                "pictures. df.blur.apply puts detections beside each picture, as does blur-tools detect --table; "
                "AuditSession.set_detections takes over those of an engine"
            )
        return cls(frame.copy(), picture_column(frame, column), [])

    @property
    def cells(self) -> list[Any]:
        """The cells with the pictures; None where one is missing."""
        return cells_of(self.frame[self.column])

    def given(self) -> dict[str, Given]:
        """What the table says of each picture.

        Raises
        ------
        AuditError, DetectionsError
            A cell that cannot be read, or two rows of one picture that differ; the row is named.
        """
        columns = ("detections", "decision", "reviewer", "decided_at", "error", "status")
        cells = zip(*(self._column(name) for name in columns), strict=True)
        said: dict[str, tuple[Any, ...]] = {}
        result: dict[str, Given] = {}
        for label, key, row in zip(self.frame.index, self.keys, cells, strict=True):
            if key is None:
                continue
            if said.setdefault(key, row) != row:
                raise DetectionsError(f"row {label!r}: another row of this picture says something else")
            if key not in result:
                result[key] = _given(label, row)
        return result

    def filled(self, items: Mapping[str, Item]) -> pd.DataFrame:
        """The table with the columns `COLUMNS` as they stand; rows without a picture have none."""
        return _with(self.frame, [None if key is None else items[key] for key in self.keys])

    def _column(self, name: str) -> list[Any]:
        if name not in self.frame.columns:
            return [None] * len(self.frame)
        known_column(self.frame, name, "column")
        return cells_of(self.frame[name])


def plain_table(items: Iterable[Item]) -> pd.DataFrame:
    """A table of a review that began without one: the column ``image``, and `COLUMNS`."""
    items = list(items)
    # as objects: a file name need not be valid UTF-8, which a text column would refuse
    images = pd.Series([item.source for item in items], dtype=object)
    return _with(pd.DataFrame({"image": images}), list(items))


def _with(frame: pd.DataFrame, items: list[Item | None]) -> pd.DataFrame:
    result = frame.copy()
    for name in COLUMNS:
        kind = "Int64" if name in ("n_plates", "n_faces") else text_dtype()
        values = [None if item is None else _CELLS[name](item) for item in items]
        result[name] = pd.Series(values, index=frame.index, dtype=kind)
    return result


def found_in(item: Item) -> Detections | None:
    """What is in a picture; None when nobody has said."""
    # to accept a picture that nobody has searched does not say that nothing is in it
    return item.detections if item.detected or item.marks else None


def _number(item: Item, kind: str) -> int | None:
    found = found_in(item)
    return None if found is None else sum(detection.kind == kind for detection in found)


def _text(item: Item) -> str | None:
    found = found_in(item)
    return None if found is None else found.to_json()


_CELLS: dict[str, Callable[[Item], Any]] = {
    "detections": _text,
    "n_plates": lambda item: _number(item, "plate"),
    "n_faces": lambda item: _number(item, "face"),
    "decision": lambda item: item.decision,
    "reviewer": lambda item: storable(item.reviewer) or None,
    "decided_at": lambda item: item.decided_at or None,
    "error": lambda item: storable(item.error) or None,
}


def _given(label: Any, row: tuple[Any, ...]) -> Given:
    text, decision, reviewer, decided_at, error, status = row
    try:
        found = None if text is None else Detections.from_json(text)
    except DetectionsError as problem:
        raise DetectionsError(f"row {label!r}: {problem}") from problem
    if decision is not None and decision not in DECISIONS:
        raise AuditError(
            f"row {label!r}: decision {str(decision)[:60]!r} is none of {', '.join(DECISIONS)}; "
            "rename the column if it is about something else"
        )
    # what a run left out on purpose has no error of its own
    reason = "" if error is None or status == "skipped" else str(error)
    return Given(
        found,
        "" if not isinstance(text, str) else hashlib.sha256(text.encode()).hexdigest(),
        cast("Decision", decision or "unreviewed"),
        "" if reviewer is None else str(reviewer),
        _time(label, decided_at),
        reason,
    )


def _time(label: Any, value: Any) -> str:
    if value is None:
        return ""
    try:
        if isinstance(value, datetime):
            return value.isoformat()
        datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise AuditError(f"row {label!r}: decided_at {str(value)[:60]!r} is no ISO 8601 time") from error
    return str(value)

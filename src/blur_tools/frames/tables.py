"""The plain functions behind the accessors: a DataFrame in, a DataFrame out."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.batch.columns import (
    Cells,
    Growing,
    cells_of,
    earlier_names,
    find_column,
    first_rows,
    known_column,
    once,
    our_column,
    picture_column,
    text_dtype,
    with_rows,
)
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.packed import View
from blur_tools.batch.rows import (
    COLUMNS,
    STOPPED,
    Given,
    Job,
    Row,
    blur_rows,
    detect_rows,
    message,
    redact_rows,
    storable,
    telling,
)
from blur_tools.batch.store import Store, open_store
from blur_tools.detections import Detection, Detections
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import DetectionsError, SettingsError
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

DETECTION_COLUMNS: Mapping[str, Any] = {
    "kind": text_dtype(),
    **dict.fromkeys(("score", "xmin", "ymin", "xmax", "ymax"), "Float64"),
    "polygon": text_dtype(),
    "source": text_dtype(),
    "keep": "boolean",
    "status": text_dtype(),
    "error": text_dtype(),
}
"""Columns of `detect_frame` beside the pictures', and what is in them."""


def apply_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    settings: BlurSettings | None = None,
    engine: str | Engine | None = None,
    job: Job | None = None,
    resume: bool = True,
    store: Store | None = None,
    alone: bool = True,
    **params: Any,
) -> pd.DataFrame:
    """Blur the pictures of one column; see ``df.blur.apply``.

    `store` is another than the usual one; `alone` as for `Outputs`. With a `root` the names that the table's column
    ``blurred`` has do not count.
    """
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    finder = as_engine(engine)
    cells = Cells(frame[picture_column(frame, column)])
    sources, places = once(cells)
    outputs = Outputs(out, sources, *_places_of(frame, cells, root), alone=alone)
    known = store or open_store(resume)
    rows = blur_rows(sources, outputs, wanted, finder, job or Job(), known)
    with closing(telling(rows)) as told:
        return with_rows(frame, _whole(told, len(sources)), places)


def redact_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
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
    cells, texts = Cells(frame[name]), Cells(frame[detections])
    errors = our_column(frame, "error")
    reasons = None if errors is None else Cells(errors)
    sources, places = once(cells)
    first = first_rows(places)
    for row in np.flatnonzero(first[places] != np.arange(len(places))).tolist():
        if not _same(texts[row], texts[int(first[places[row]])]):
            raise DetectionsError(f"row {frame.index[row]!r}: another row of this picture has different detections")

    def given(place: int) -> Given | None:
        row = int(first[place])
        return None if cells[row] is None else Given(cells[row], texts[row], None if reasons is None else reasons[row])

    outputs = Outputs(out, sources, *_places_of(frame, cells, root))
    rows = redact_rows(View(range(len(sources)), given), outputs, wanted, job or Job())
    with closing(telling(rows)) as told:
        return with_rows(frame, _whole(told, len(sources)), places)


def detect_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    settings: BlurSettings | None = None,
    engine: str | Engine | None = None,
    job: Job | None = None,
    resume: bool = True,
    store: Store | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Find in the pictures of one column, one row a detection; see ``df.blur.detect``."""
    wanted = BlurSettings.of(settings, **params)
    name = find_column(frame, column)
    sources, places = once(Cells(frame[name]))
    rows = detect_rows(sources, wanted, as_engine(engine), job or Job(), store or open_store(resume))
    growing, numbers = Growing(DETECTION_COLUMNS), np.zeros(len(sources), np.intp)
    with closing(telling(rows)) as told:
        for place, row in enumerate(_whole(told, len(sources))):
            entries = _detection_entries(row)
            numbers[place] = len(entries)
            for entry in entries:
                growing.add(entry)
    # of each row of the frame the entries of its picture: where they begin, and so many
    each = numbers[places]
    begun = (np.cumsum(numbers) - numbers)[places]
    which = np.arange(each.sum()) + np.repeat(begun - (np.cumsum(each) - each), each)
    positions = np.repeat(np.arange(len(frame)), each)
    found = growing.table().take(which).set_axis(frame.index[positions])
    found.insert(0, name, frame[name].iloc[positions].array, allow_duplicates=True)
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


def _places_of(
    frame: pd.DataFrame, cells: Iterable[Any], root: str | os.PathLike[str] | None
) -> tuple[Path | None, Iterable[tuple[str, str]]]:
    """What tells where results go: the folder that paths are relative to, else the names that the table has."""
    if root is None:
        return None, earlier_names(frame, cells)
    if not isinstance(root, str | os.PathLike):
        raise SettingsError("root", f"a folder is needed, not {type(root).__name__}")
    return Path(os.fsdecode(root)), ()


def _same(one: Any, other: Any) -> bool:
    """Whether two cells say the same of a picture; what is no text fails its row anyway."""
    return bool(one == other) if isinstance(one, str | None) and isinstance(other, str | None) else one is other


def _whole(rows: Iterable[Row], number: int) -> Iterator[Row]:
    """So many rows: fewer come only where the run was stopped."""
    done = 0
    for row in rows:
        done += 1
        yield row
    yield from repeat(STOPPED, number - done)


def _detection_entries(row: Row) -> list[tuple[Any, ...]]:
    """What `DETECTION_COLUMNS` say of a picture, once for each detection; once, too, where there was an error."""
    if row.detections is None:
        return [] if row.error is None else [(*(None,) * 9, row.status, storable(message(row.error)))]
    return [_detection_entry(item) for item in row.detections]


def _detection_entry(item: Detection) -> tuple[Any, ...]:
    polygon = json.dumps([list(point) for point in item.polygon])
    return item.kind, item.score, *item.box, polygon, item.source, item.keep, "ok", None

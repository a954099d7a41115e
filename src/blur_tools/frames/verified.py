"""Verifying the results that a table names: a DataFrame in, a DataFrame out."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools.batch.rows import Job
from blur_tools.batch.verify import COLUMNS, Subject, Verdict, verify_all
from blur_tools.engines import Engine, as_engine
from blur_tools.errors import SettingsError
from blur_tools.frames.tables import find_column
from blur_tools.settings import BlurSettings

__all__ = ["verify_frame", "with_verdicts"]


def verify_frame(
    frame: pd.DataFrame,
    column: Hashable | None = None,
    *,
    out: str | os.PathLike[str],
    detect: bool = True,
    strict: bool = False,
    settings: BlurSettings | None = None,
    engine: str | Engine | None = None,
    job: Job | None = None,
    **params: Any,
) -> pd.DataFrame:
    """Check the results of a run; see ``df.blur.verify``."""
    wanted = BlurSettings.of(settings, **params)
    name, job = find_column(frame, column), job or Job()
    for needed in ("blurred", "detections"):
        if needed not in frame.columns:
            raise SettingsError("column", f"the table has no column {needed!r}, which apply and redact write")
    finder = as_engine(engine) if detect else None
    base = Path(os.path.abspath(out)).parent
    subjects = [_subject(row, frame[name].iloc[i], base) for i, row in enumerate(_rows(frame))]
    verdicts = verify_all(subjects, wanted, finder, strict=strict, workers=job.workers, progress=job.progress)
    return with_verdicts(frame, list(verdicts))


def with_verdicts(frame: pd.DataFrame, verdicts: list[Verdict]) -> pd.DataFrame:
    """The frame with the columns `COLUMNS` added or replaced, one verdict for each of its rows, in order."""
    entries = [verdict.to_columns() for verdict in verdicts]
    result, text = frame.copy(), pd.Series(["text"]).dtype
    for name in COLUMNS:
        kind: Any = "Int64" if name in ("leaks", "missed") else text
        result[name] = pd.Series([entry[name] for entry in entries], index=frame.index, dtype=kind)
    return result


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = [name for name in ("blurred", "detections", "method") if name in frame.columns]
    parts = {name: [None if pd.isna(cell) else str(cell) for cell in frame[name]] for name in names}
    return [{name: cells[i] for name, cells in parts.items()} for i in range(len(frame))]


def _subject(row: dict[str, Any], original: Any, base: Path) -> Subject | None:
    """What a row says; None where it names no result."""
    if row["blurred"] is None:
        return None
    return Subject(base / row["blurred"], original, row["detections"], row.get("method"))

"""What comes out of a review: redacted pictures, and label files."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd

from blur_tools.audit._items import DECISIONS, Item
from blur_tools.audit._sizes import stored_size
from blur_tools.audit._table import found_in
from blur_tools.batch.columns import earlier_names, with_rows
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.rows import Given, Job, Row, redact_rows, tell
from blur_tools.errors import AuditError, PictureError, SettingsError
from blur_tools.formats.blur_json import PictureRecord, write_blur_json
from blur_tools.formats.coco import PictureLabels
from blur_tools.formats.coco_writer import write_coco
from blur_tools.settings import BlurSettings
from blur_tools.sources import is_url

__all__ = ["FORMATS", "check_decisions", "format_of", "outputs_of", "redacted", "write_labels"]

logger = logging.getLogger("blur_tools")

FORMATS = ("blur.json", "coco")


def outputs_of(
    frame: pd.DataFrame, items: Sequence[Item | None], out: str | os.PathLike[str], root: Path | None
) -> Outputs:
    """Where the results of a review go; what an earlier run named in the table keeps its name.

    Raises
    ------
    OutputError
        The folder holds originals.
    """
    known = earlier_names(frame, [None if item is None else item.source for item in items])
    return Outputs(out, [item.source for item in items if item is not None], root, known)


def redacted(
    frame: pd.DataFrame,
    items: Sequence[Item | None],
    outputs: Outputs,
    settings: BlurSettings,
    only: Collection[str],
    job: Job,
    each: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Write the redacted pictures of a review; see `AuditSession.save`.

    Parameters
    ----------
    frame : pandas.DataFrame
        The review's table.
    items : sequence of Item or None
        The picture of each row; None where the row has none.
    """
    shown = list({item.key: item for item in items if item is not None}.values())
    given = [_given(item) if item.decision in only else None for item in shown]
    rows: dict[str, Row] = {}
    for item, row in zip(shown, redact_rows(given, outputs, settings, job), strict=True):
        left = row.status == "skipped"
        rows[item.key] = Row("skipped", error=AuditError(f"left out: {item.decision}")) if left else row
        if each is not None:
            each(len(rows), len(shown))
    tell(list(rows.values()))
    _tell_left_out([item for item in shown if item.decision not in only], len(shown))
    result = with_rows(frame, [Row("skipped") if item is None else rows[item.key] for item in items])
    for name in ("detections", "n_plates", "n_faces"):  # also of what was not written: the table stays whole
        result[name] = frame[name]
    return result


def check_decisions(only: Collection[str]) -> None:
    """Refuse what is no collection of decisions.

    Raises
    ------
    AuditError
        It holds something else.
    """
    if isinstance(only, str) or set(only) - set(DECISIONS):
        raise AuditError(f"only: {only!r} is no collection of {', '.join(DECISIONS)}")


def write_labels(items: Iterable[Item], path: str | os.PathLike[str], form: str) -> dict[str, str]:
    """Write a label file in one of `FORMATS`; what could not go into it, by key, and why."""
    left: dict[str, str] = {}
    if form == "blur.json":
        write_blur_json(path, {item.key: _record(item) for item in items})
        return left
    pictures = {}
    for item in items:
        found = found_in(item)
        try:
            if found is None:
                raise PictureError(item.key, item.error or "nobody has searched it")
            pictures[item.key] = PictureLabels(stored_size(item.source), found)
        except PictureError as error:
            left[item.key] = error.reason
    write_coco(path, pictures)
    if left:
        logger.warning("%s: %d pictures are not in it, such as %s: %s", path, len(left), *next(iter(left.items())))
    return left


def format_of(path: str | os.PathLike[str], form: str | None) -> str:
    """The format that is asked for, or that a name means.

    Raises
    ------
    SettingsError
        It is none of `FORMATS`.
    """
    name = os.fspath(path).lower()
    if form is None and name.endswith(".json"):
        form = "blur.json" if name.endswith(".blur.json") else "coco"
    if form not in FORMATS:
        raise SettingsError(
            "format", f"{form or os.fspath(path)!r} is none of {', '.join(FORMATS)} (.blur.json, .json)"
        )
    return form


def _given(item: Item) -> Given:
    found = found_in(item)
    return Given(item.source, None if found is None else found.to_json(), f"{item.key}: nobody has searched it")


def _record(item: Item) -> PictureRecord:
    size = None
    if not is_url(item.source):  # a size is not worth fetching every picture
        try:
            size = stored_size(item.source)
        except PictureError:
            logger.debug("%s: its size is not known", item.key)
    return PictureRecord(found_in(item), size, item.decision, item.reviewer, item.decided_at, item.error)


def _tell_left_out(items: Sequence[Item], total: int) -> None:
    if items:
        counts = Counter(item.decision for item in items)
        why = ", ".join(f"{count} {decision}" for decision, count in counts.items())
        logger.warning("%d of %d pictures were left out: %s", len(items), total, why)

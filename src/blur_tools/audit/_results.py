"""What comes out of a review: redacted pictures, and label files."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from blur_tools.audit._files import CHANGED
from blur_tools.audit._items import DECISIONS, FINISHED, Item
from blur_tools.audit._sizes import stored_size
from blur_tools.audit._table import found_in
from blur_tools.audit.exchange import format_of, refuse_others, write_pictures
from blur_tools.batch.columns import earlier_names, with_rows
from blur_tools.batch.outputs import Outputs, local_path
from blur_tools.batch.rows import Given, Job, Row, redact_rows, tell
from blur_tools.errors import AuditError, OutputError, PictureError
from blur_tools.formats.blur_json import PictureRecord, write_blur_json
from blur_tools.formats.labels import PictureLabels
from blur_tools.settings import BlurSettings
from blur_tools.sources import is_url

__all__ = ["check_decisions", "format_of", "outputs_of", "redacted", "redacted_rows", "refuse_own",
           "tell_not_exported", "write_labels"]  # fmt: skip

logger = logging.getLogger("blur_tools")


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


def redacted_rows(
    items: Iterable[Item],
    outputs: Outputs,
    settings: BlurSettings,
    only: Collection[str],
    job: Job,
    changed: Collection[str] = (),
) -> Iterator[tuple[Item, Row]]:
    """Write the redacted pictures of a review, each once; see `AuditSession.saving`.

    Parameters
    ----------
    changed : collection of str
        Keys of pictures whose file is another one now: nothing is known of it.
    """
    shown = list({item.key: item for item in items}.values())
    reasons = [_left_out(item, only, changed) for item in shown]
    given = [None if reason else _given(item) for item, reason in zip(shown, reasons, strict=True)]
    rows = redact_rows(given, outputs, settings, job)
    for item, reason, row in zip(shown, reasons, rows, strict=True):
        yield item, _cleared(item, reason, only, outputs) if reason else row


def redacted(frame: pd.DataFrame, items: Sequence[Item | None], rows: Mapping[str, Row]) -> pd.DataFrame:
    """The table of a review with what became of each picture, by its key; `items` are those of its rows."""
    shown = {item.key: item for item in items if item is not None}
    tell(list(rows.values()))
    left = [(item, str(rows[key].error)) for key, item in shown.items() if rows[key].status == "skipped"]
    _tell_left_out(left, len(shown))
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


def write_labels(items: Iterable[Item], path: str | os.PathLike[str], form: str) -> Iterator[tuple[Item, str]]:
    """Write labels in one of `exchange.FORMATS`, when the last picture is read.

    Yields
    ------
    (Item, str)
        A picture, and why it could not go into it; once more at the end where it is not wholly in it.
    """
    refuse_others(path, form)
    if form == "blur.json":
        records = {}
        for item in items:
            records[item.key] = _record(item)
            yield item, ""
        write_blur_json(path, records)
        return
    pictures, items_of = {}, {}
    for item in items:
        found, reason = found_in(item), ""
        try:
            if found is None:
                raise PictureError(item.key, item.error or "nobody has searched it")
            pictures[item.key] = PictureLabels(stored_size(item.source), found)
        except PictureError as error:
            reason = error.reason
        items_of[item.key] = item
        yield item, reason
    yield from ((items_of[key], reason) for key, reason in write_pictures(path, pictures, form).items())


def refuse_own(path: str | os.PathLike[str], items: Iterable[Item], journal: Path | None) -> None:
    """Refuse to write over what a review is made of.

    Raises
    ------
    OutputError
        The path is one of its pictures, or its journal, however it is spelt.
    """
    own = _node(path)
    if own is None:
        return
    if journal is not None and _node(journal) == own:
        raise OutputError(f"{os.fspath(path)} is the journal of this review; choose another name")
    for item in items:
        place = local_path(item.source)
        if place is not None and _node(place) == own:
            raise OutputError(f"{os.fspath(path)} is the picture {item.key} of this review; choose another name")


def _node(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _left_out(item: Item, only: Collection[str], changed: Collection[str]) -> str:
    """Why a picture is not written; ``""`` when it is."""
    if item.decision not in only:
        return f"left out: {item.decision}"
    if item.source is None:
        return f"left out: {item.error}"
    if item.key in changed:
        return f"left out: {CHANGED}; open the review again and look at it"
    if found_in(item) is None:
        because = f": {item.error}" if item.error else ""
        return f"left out: {item.decision}, but no engine has searched it and nothing is marked{because}"
    return ""


def _cleared(item: Item, reason: str, only: Collection[str], outputs: Outputs) -> Row:
    """The row of a picture that is left out; its older result goes, unless it is only not wanted this time."""
    if only and (item.decision in only or item.decision not in FINISHED):
        try:
            outputs.discard(item.source)
        except OutputError as error:
            return Row("failed", error=error)
    return Row("skipped", error=AuditError(reason))


def _given(item: Item) -> Given:
    return Given(item.source, item.detections.to_json())


def _record(item: Item) -> PictureRecord:
    size = None
    if not is_url(item.source):  # a size is not worth fetching every picture
        try:
            size = stored_size(item.source)
        except PictureError:
            logger.debug("%s: its size is not known", item.key)
    return PictureRecord(found_in(item), size, item.decision, item.reviewer, item.decided_at, item.error)


def tell_not_exported(path: str | os.PathLike[str], left: Mapping[str, str]) -> None:
    """Log what is not in an exported file."""
    if left:
        logger.warning("%s: %d pictures are not in it, such as %s: %s", path, len(left), *next(iter(left.items())))


def _tell_left_out(left: Sequence[tuple[Item, str]], total: int) -> None:
    if not left:
        return
    plain = Counter(item.decision for item, reason in left if reason == f"left out: {item.decision}")
    other = [(item, reason) for item, reason in left if reason != f"left out: {item.decision}"]
    why = [f"{count} {decision}" for decision, count in plain.items()]
    why += [f"{len(other)} for other reasons, such as {other[0][0].key}: {other[0][1]}"] if other else []
    logger.warning("%d of %d pictures were left out: %s", len(left), total, ", ".join(why))

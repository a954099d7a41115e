"""What a table says of each picture, and the three jobs that make such rows."""

from __future__ import annotations

import logging
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blur_tools._cores import available_cores
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.runner import run_ordered, with_progress
from blur_tools.detections import Detections
from blur_tools.engines import Engine
from blur_tools.errors import (
    BlurError,
    DetectionsError,
    ExtraMissingError,
    ModelError,
    NotYetError,
    OutputError,
    SettingsError,
)
from blur_tools.picture import load_picture, sniff
from blur_tools.pipeline import blur_picture, blur_source, redact_loaded
from blur_tools.redaction.logo import logo_of
from blur_tools.result import BlurResult
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source

__all__ = ["COLUMNS", "Given", "Job", "Row", "blur_rows", "detect_rows", "message", "redact_rows", "storable", "tell"]

logger = logging.getLogger("blur_tools")

COLUMNS = ("blurred", "detections", "n_plates", "n_faces", "method", "status", "error")
"""Columns that a run adds to a table, in their order."""

# wrong for every picture alike: said once, at once
_FATAL = (SettingsError, ModelError, ExtraMissingError, NotYetError)


@dataclass(frozen=True)
class Row:
    """What became of one picture; the attributes are the table's columns.

    Attributes
    ----------
    status : {"ok", "skipped", "failed"}
        Skipped rows had no picture.
    blurred : str or None
        Path of the written file, relative to the parent of the output folder.
    detections : Detections or None
        What was found.
    method : str or None
        How the file was written.
    error : BaseException or None
        Why it failed.
    warnings : tuple of str
        What a person should know; said once for the whole run.
    """

    status: str
    blurred: str | None = None
    detections: Detections | None = None
    method: str | None = None
    error: BaseException | None = None
    warnings: tuple[str, ...] = ()

    def to_columns(self) -> dict[str, Any]:
        """Plain values for the table: text and whole numbers, None where there is nothing to say."""
        found = self.detections
        return {
            "blurred": None if self.blurred is None else storable(self.blurred),
            "detections": None if found is None else found.to_json(),
            "n_plates": None if found is None else len(found.plates),
            "n_faces": None if found is None else len(found.faces),
            "method": self.method,
            "status": self.status,
            "error": None if self.error is None else storable(message(self.error)),
        }


@dataclass(frozen=True)
class Job:
    """How a run is done: threads, progress, and what an error does."""

    workers: int | None = None
    progress: bool = True
    errors: str = "record"

    def __post_init__(self) -> None:
        if self.errors not in ("record", "raise"):
            raise SettingsError("errors", f"{self.errors!r} is none of record, raise")
        if self.workers is not None:
            whole = hasattr(self.workers, "__index__") and not isinstance(self.workers, bool)
            if not whole or self.workers < 1:
                raise SettingsError("workers", f"{self.workers!r} is not a number of threads")
            object.__setattr__(self, "workers", operator.index(self.workers))

    def _kept(self, error: BaseException) -> BaseException:
        if self.errors == "record":
            # its traceback and causes hold the decoded picture, for as long as the row lives
            error.__traceback__ = error.__cause__ = error.__context__ = None
        return error

    @staticmethod
    def _cleared(failed: Callable[[Any], None], item: Any) -> OutputError | None:
        try:
            failed(item)
        except OutputError as error:
            return error
        return None

    def run(
        self, work: Callable[[Any], Row], items: Sequence[Any], failed: Callable[[Any], None] = lambda item: None
    ) -> Iterator[Row]:
        """The rows of `items`, in order; None among them is a missing picture, `failed` clears up after another."""

        def guarded(item: Any) -> Row:
            if item is None:
                return Row("skipped")
            try:
                return work(item)
            except _FATAL:
                raise
            except Exception as error:
                return Row("failed", error=self._kept(self._cleared(failed, item) or error))

        workers = self.workers or available_cores()
        rows = run_ordered(guarded, items, workers)
        for row in with_progress(rows, len(items), lambda row: row.status, self.progress):
            if row.error is not None and self.errors == "raise":
                raise row.error
            yield row


def blur_rows(
    sources: Sequence[Any], outputs: Outputs, settings: BlurSettings, engine: Engine, job: Job
) -> Iterator[Row]:
    """Find, hide and write each picture; None is a missing one."""
    if settings.render == "local":
        logo_of(settings)  # a bad logo is said before the first picture

    def work(source: Any) -> Row:
        if settings.render == "server":
            result = blur_source(source, settings, engine)
            # a URL that was handed over is not known here: its result is all there is to tell it from others
            return _written(source, Source(result.data or b"", result.filename, result.filename), result, outputs)
        picture = load_picture(source)
        return _written(source, picture.source, blur_picture(picture, settings, engine), outputs)

    return job.run(work, sources, outputs.discard)


@dataclass(frozen=True)
class Given:
    """A picture with the detections that a table has of it: lossless JSON text, or why there are none."""

    source: Any
    detections: str | None
    reason: str | None = None


def redact_rows(items: Sequence[Given | None], outputs: Outputs, settings: BlurSettings, job: Job) -> Iterator[Row]:
    """Hide given detections in each picture."""
    logo_of(settings)

    def work(item: Given) -> Row:
        picture = load_picture(item.source)
        name = picture.source.origin
        if item.detections is None:
            raise DetectionsError(item.reason or f"{name}: the table has no detections of it")
        try:
            found = Detections.from_json(item.detections)
        except DetectionsError as error:
            raise DetectionsError(f"{name}: {error}") from error
        return _written(item.source, picture.source, redact_loaded(picture, found, settings), outputs)

    return job.run(work, items, lambda item: outputs.discard(item.source))


def detect_rows(sources: Sequence[Any], settings: BlurSettings, engine: Engine, job: Job) -> Iterator[Row]:
    """Find in each picture; nothing is written."""

    def work(source: Any) -> Row:
        answer = engine.detect(load_picture(source), settings)
        return Row("ok", detections=answer.detections, warnings=answer.warnings)

    return job.run(work, sources)


def storable(text: str) -> str:
    """Text that every table and terminal takes: a file name need not be valid UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def message(error: BaseException) -> str:
    """What a table says of an error; what we did not foresee is named by its type."""
    return str(error) if isinstance(error, BlurError) else f"{type(error).__name__}: {error}"


def _written(source: Any, loaded: Source, result: BlurResult, outputs: Outputs) -> Row:
    path = None
    if result.data is not None:
        kind = sniff(result.data)
        if kind is None:
            raise OutputError(f"{loaded.origin}: its result is no picture, and was not written")
        path = outputs.write(source, loaded, kind, result.data)
    return Row("ok", path, result.detections, result.method or None, warnings=result.warnings)


def tell(rows: Sequence[Row]) -> None:
    """Log what a person should know of a whole run: failures, and each warning with its count."""
    failed = sum(row.status == "failed" for row in rows)
    if failed:
        logger.warning("%d of %d pictures failed; the column error says why", failed, len(rows))
    for text, count in Counter(text for row in rows for text in row.warnings).items():
        logger.warning("%s (%d pictures)", text, count)

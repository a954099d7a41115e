"""What a table says of each picture, and the three jobs that make such rows."""

from __future__ import annotations

import hashlib
import logging
import operator
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from blur_tools._cores import available_cores
from blur_tools.batch.answers import Answers, Done, Written, settings_key
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.runner import run_ordered, with_progress
from blur_tools.batch.store import Store
from blur_tools.detections import Detections
from blur_tools.engines import Answer, Engine
from blur_tools.errors import (
    BlurError,
    DetectionsError,
    ExtraMissingError,
    ForbiddenError,
    ModelError,
    OutputError,
    ServiceTimeoutError,
    SettingsError,
    ThrottledError,
    UnavailableError,
    UnreachableError,
)
from blur_tools.picture import FORMATS, load_picture, sniff
from blur_tools.pipeline import blur_source, redact_loaded
from blur_tools.redaction.logo import logo_of
from blur_tools.result import BlurResult
from blur_tools.service.pacing import pacer_for
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source, is_url, load_source

__all__ = [
    "COLUMNS",
    "STOPPED",
    "Given",
    "Job",
    "Row",
    "blur_rows",
    "detect_rows",
    "message",
    "redact_rows",
    "storable",
    "tell",
    "telling",
]

logger = logging.getLogger("blur_tools")

COLUMNS = ("blurred", "detections", "n_plates", "n_faces", "method", "status", "error")
"""Columns that a run adds to a table, in their order."""

FETCH_RATE = 20.0
"""URLs a second that are asked of one host: a data set's host serves others, too."""

# wrong for every picture alike: said once, at once
_FATAL = (SettingsError, ModelError, ExtraMissingError, ForbiddenError)

# says nothing of the picture that was asked for
_AWAY = (UnreachableError, UnavailableError, ThrottledError, ServiceTimeoutError)


@dataclass(frozen=True)
class Row:
    """What became of one picture; the attributes are the table's columns.

    Attributes
    ----------
    status : {"ok", "skipped", "failed"}
        Skipped rows had no picture, or were not begun before the run was stopped.
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
        return dict(zip(COLUMNS, self.to_values(), strict=True))

    def to_values(self) -> tuple[Any, ...]:
        """The same as a tuple, in the order of `COLUMNS`: small, where there are many."""
        found = self.detections
        return (
            None if self.blurred is None else storable(self.blurred),
            None if found is None else found.to_json(),
            None if found is None else sum(item.kind == "plate" for item in found),
            None if found is None else sum(item.kind == "face" for item in found),
            self.method,
            self.status,
            None if self.error is None else storable(message(self.error)),
        )


STOPPED = Row("skipped", error=BlurError("the run was stopped before its turn; the same call goes on from there"))
"""Of a picture that a run which was stopped had not begun."""


@dataclass(frozen=True)
class Job:
    """How a run is done: threads, progress, what an error does, and what ends it before its time."""

    workers: int | None = None
    progress: bool = True
    errors: str = "record"
    stop: threading.Event | None = None

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

    def run(self, work: Callable[[Any], Row], items: Iterable[Any]) -> Iterator[Row]:
        """The rows of `items`, in order; None among them is a missing picture.

        After `stop` there are fewer rows than items.
        """

        def guarded(item: Any) -> Row:
            if item is None:
                return Row("skipped")
            try:
                return work(item)
            except _FATAL:
                raise
            except Exception as error:
                return Row("failed", error=self._kept(error))

        workers = self.workers or available_cores()
        total = operator.length_hint(items, -1)
        # closed at once, and not when an error's traceback is forgotten: its threads work until then
        with closing(run_ordered(guarded, items, workers, self.stop)) as rows:
            for row in with_progress(rows, None if total < 0 else total, lambda row: row.status, self.progress):
                if row.error is not None and self.errors == "raise":
                    raise row.error
                yield row


def blur_rows(
    sources: Iterable[Any],
    outputs: Outputs,
    settings: BlurSettings,
    engine: Engine,
    job: Job,
    store: Store | None = None,
) -> Iterator[Row]:
    """Find, hide and write each picture; None is a missing one. What the store knows is not done again."""
    if settings.render == "local":
        logo_of(settings)  # a bad logo is said before the first picture
    answers, how = Answers(store, engine, settings), settings_key(settings)
    rendered: dict[str, str] = {}  # by a service: where, by content, for pictures that are the same

    def again(source: Any, loaded: Source, before: Done) -> Row | None:
        if before.written is None:
            return _row(before, None)
        kind, sha256 = FORMATS[before.written.format], before.written.sha256
        path = outputs.reuse(source, loaded, kind, sha256, how)
        if path is None and sha256 in rendered:
            path = outputs.copy(rendered[sha256], source, loaded, kind, sha256, how)
        return None if path is None else _row(before, path)

    def handed_over(source: str) -> Row:
        result = blur_source(source, settings, engine)
        # what was handed over is not known here: its result is all there is to tell it from others
        given = Source(result.data or b"", result.filename, result.filename)
        return _row(*_written(source, given, result, outputs, how))

    def hidden(source: Any, loaded: Source) -> Row:
        with answers.turn(loaded):
            before = answers.done(loaded)
            row = None if before is None else again(source, loaded, before)
            if row is None:
                if settings.render == "server":
                    result = blur_source(loaded, settings, engine)
                else:
                    picture = load_picture(loaded)
                    answer = answers.of(picture)
                    result = redact_loaded(picture, answer.detections, settings, engine, answer.warnings)
                before, path = _written(source, loaded, result, outputs, how)
                answers.keep_done(loaded, before)
                row = _row(before, path)
            if settings.render == "server" and before is not None and before.written and row.blurred:
                rendered.setdefault(before.written.sha256, row.blurred)
            return row

    def work(source: Any) -> Row:
        if settings.render == "server" and getattr(engine, "send_urls", False) and is_url(source):
            return handed_over(source)
        with _clearing(outputs, source, how) as attempt:
            attempt.loaded = _loaded(source)
            return hidden(source, attempt.loaded)

    return job.run(work, sources)


@dataclass
class _Attempt:
    """What was learnt of a picture until its work failed."""

    loaded: Source | None = None


@contextmanager
def _clearing(outputs: Outputs, source: Any, how: str | None = None) -> Iterator[_Attempt]:
    """Remove a picture's older result when its work fails for a reason that is the picture's own.

    Where only the engine was not there, a result of the same bytes with the settings `how` stays.
    """
    attempt = _Attempt()
    try:
        yield attempt
    except _FATAL:
        raise
    except Exception as error:
        try:
            outputs.discard(source, attempt.loaded, how if isinstance(error, _AWAY) else None)
        except Exception as left:
            if isinstance(error, OutputError):  # it says what is wrong with what stands there
                raise error from None
            raise OutputError(f"{message(error)}; and {message(left)}") from error
        raise


@dataclass(frozen=True)
class Given:
    """A picture with the detections that a table has of it: lossless JSON text, or why there are none."""

    source: Any
    detections: Any
    reason: str | None = None


def redact_rows(items: Iterable[Given | None], outputs: Outputs, settings: BlurSettings, job: Job) -> Iterator[Row]:
    """Hide given detections in each picture."""
    logo_of(settings)

    def work(item: Given) -> Row:
        with _clearing(outputs, item.source) as attempt:
            attempt.loaded = _loaded(item.source)
            return hidden(item, attempt.loaded)

    def hidden(item: Given, loaded: Source) -> Row:
        picture = load_picture(loaded)
        name = picture.source.origin
        if item.detections is None:
            raise DetectionsError(item.reason or f"{name}: the table has no detections of it")
        if not isinstance(item.detections, str):
            kind = type(item.detections).__name__
            raise DetectionsError(f"{name}: its detections must be JSON text, not {kind}")
        try:
            found = Detections.from_json(item.detections)
        except DetectionsError as error:
            raise DetectionsError(f"{name}: {error}") from error
        return _row(*_written(item.source, picture.source, redact_loaded(picture, found, settings), outputs))

    return job.run(work, items)


def detect_rows(
    sources: Iterable[Any], settings: BlurSettings, engine: Engine, job: Job, store: Store | None = None
) -> Iterator[Row]:
    """Find in each picture; nothing is written. What the store knows is not asked again."""
    answers = Answers(store, engine, settings)

    def work(source: Any) -> Row:
        loaded = _loaded(source)
        with answers.turn(loaded):
            answer = answers.known(loaded) or answers.of(load_picture(loaded))
        return Row("ok", detections=answer.detections, warnings=answer.warnings)

    return job.run(work, sources)


def storable(text: str) -> str:
    """Text that every table and terminal takes: a file name need not be valid UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def message(error: BaseException) -> str:
    """What a table says of an error; what we did not foresee is named by its type."""
    return str(error) if isinstance(error, BlurError) else f"{type(error).__name__}: {error}"


def _loaded(source: Any) -> Source:
    """The bytes of a picture; a host is asked for no more than `FETCH_RATE` URLs a second, by all threads together."""
    url = source.get("path") if isinstance(source, Mapping) and source.get("bytes") is None else source
    if is_url(url):
        try:
            host = urlsplit(str(url)).hostname or ""
        except ValueError:  # no address; the fetching says so
            host = ""
        pacer_for(f"fetch from {host}", FETCH_RATE).wait()
    return load_source(source)


def _written(
    source: Any, loaded: Source, result: BlurResult, outputs: Outputs, how: str | None = None
) -> tuple[Done, str | None]:
    """Write a result, if there is one; what was done, and where it is."""
    answer = Answer(result.detections, result.warnings)
    if result.data is None:
        return Done(answer, result.method, None), None
    kind = sniff(result.data)
    if kind is None:
        raise OutputError(f"{loaded.origin}: its result is no picture, and was not written")
    sha256 = hashlib.sha256(result.data).hexdigest()
    path = outputs.write(source, loaded, kind, result.data, sha256, how)
    return Done(answer, result.method, Written(kind.name, sha256)), path


def _row(done: Done, path: str | None) -> Row:
    return Row("ok", path, done.answer.detections, done.method or None, warnings=done.answer.warnings)


def tell(rows: Iterable[Row]) -> None:
    """Log what a person should know of a whole run: failures, and each warning with its count."""
    for _ in telling(rows):
        pass


def telling(rows: Iterable[Row]) -> Generator[Row]:
    """Pass rows on, and `tell` of them at their end; closing this ends the run that they come from."""
    total = failed = 0
    warnings: Counter[str] = Counter()
    try:
        for row in rows:
            total, failed = total + 1, failed + (row.status == "failed")
            warnings.update(row.warnings)
            yield row
    finally:
        if isinstance(rows, Generator):
            rows.close()
    if failed:
        logger.warning("%d of %d pictures failed; the column error says why", failed, total)
    for text, count in warnings.items():
        logger.warning("%s (%d pictures)", text, count)

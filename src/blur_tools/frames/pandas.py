"""``df.blur`` and ``series.blur``: thin over the plain functions of `blur_tools.frames.tables`.

pandas makes a new accessor at every ``df.blur``, so nothing is kept in it; everything heavier than pandas is loaded
when a method is called.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd

from blur_tools._later import not_yet
from blur_tools.errors import ExtraMissingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blur_tools.audit._measured import SampleBounds
    from blur_tools.audit.comparison import Comparison
    from blur_tools.audit.report import Report
    from blur_tools.audit.session import AuditSession, Order
    from blur_tools.engines import Engine
    from blur_tools.settings import BlurSettings

__all__ = ["FrameAccessor", "SeriesAccessor"]


@pd.api.extensions.register_dataframe_accessor("blur")
class FrameAccessor:
    """Find and blur plates and faces in the pictures that a column of a DataFrame names."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def apply(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        errors: str = "record",
        workers: int | None = None,
        progress: bool = True,
        resume: bool = True,
        **params: Any,
    ) -> pd.DataFrame:
        """Blur every picture into the folder `out` and say in added columns what was done.

        Parameters
        ----------
        column : label, optional
            Holds paths, http(s) URLs, bytes, arrays, images or ``{"bytes", "path"}``; found by itself when only
            one can be meant.
        out : path
            Folder of the results. They mirror the tree of the inputs: each file keeps its place below the folder
            that all of them share.
        settings : BlurSettings, optional
            What to do; ``plates`` and ``faces`` are 10 unless said.
        engine : str or Engine, optional
            Who finds; see `blur_tools.engine`.
        errors : {"record", "raise"}
            Write a picture's error into its row and go on, or raise the first.
        workers : int, optional
            Threads; as many as cores by default.
        progress : bool
            Show a bar.
        resume : bool
            Accepted for the store of detections, which a later version brings; this one computes every row.
        **params
            Single parameters of `BlurSettings`, over `settings`.

        Returns
        -------
        pandas.DataFrame
            The same rows, index and order, with these columns added or replaced: ``blurred`` (path of the
            result relative to the parent of `out`), ``detections`` (JSON text; `detections` parses it),
            ``n_plates``, ``n_faces``, ``method``, ``status`` (``ok``, ``skipped`` for a missing cell,
            ``failed``), ``error``.

        Raises
        ------
        SettingsError
            A bad parameter, or no column or several that could be meant.
        OutputError
            A result would replace an original.
        """
        from blur_tools.frames import tables

        return tables.apply_frame(
            self._frame,
            column,
            out=out,
            settings=settings,
            engine=engine,
            job=tables.Job(workers, progress, errors),
            **params,
        )

    def detect(
        self,
        column: Any = None,
        *,
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        errors: str = "record",
        workers: int | None = None,
        progress: bool = True,
        **params: Any,
    ) -> pd.DataFrame:
        """Find plates and faces; one row a detection.

        Parameters are those of `apply`.

        Returns
        -------
        pandas.DataFrame
            The index and picture column of the row that a detection comes from, and ``kind``, ``score``,
            ``xmin``, ``ymin``, ``xmax``, ``ymax`` (pixels of the stored picture), ``polygon`` (JSON text),
            ``source``, ``keep``, ``status``, ``error``. A picture without detections has no row; one that
            failed has one, with its error.
        """
        from blur_tools.frames import tables

        return tables.detect_frame(
            self._frame,
            column,
            settings=settings,
            engine=engine,
            job=tables.Job(workers, progress, errors),
            **params,
        )

    def redact(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        detections: Any = "detections",
        settings: BlurSettings | None = None,
        errors: str = "record",
        workers: int | None = None,
        progress: bool = True,
        **params: Any,
    ) -> pd.DataFrame:
        """Render the detections that are in the table, whoever found or edited them; no engine is asked.

        Parameters
        ----------
        detections : label
            Column of lossless JSON text, as `apply` writes it.
        column, out, settings, errors, workers, progress, **params
            As for `apply`.

        Returns
        -------
        pandas.DataFrame
            As for `apply`.
        """
        from blur_tools.frames import tables

        return tables.redact_frame(
            self._frame,
            column,
            out=out,
            detections=detections,
            settings=settings,
            job=tables.Job(workers, progress, errors),
            **params,
        )

    def detections(self, column: Any = "detections") -> pd.Series[Any]:
        """The table's detections as `Detections` objects; None where a row has none.

        Raises
        ------
        DetectionsError
            A cell that cannot be read; it names the row.
        """
        from blur_tools.frames import tables

        return tables.parse_detections(self._frame, column)

    def preview(self, *_: Any, **__: Any) -> Any:
        """Page through before and after in a notebook; not in this version."""
        raise not_yet("df.blur.preview", "notebook", "anywidget")

    def audit(
        self,
        column: Any = None,
        *,
        journal: str | os.PathLike[str] | None = None,
        reviewer: str = "",
        order: Order | None = None,
        engine_name: str = "",
        where: str = "napari",
    ) -> AuditSession:
        """Review by a person: see what was found in each picture, mend it, decide.

        Parameters
        ----------
        column : label, optional
            As for `apply`. What the table says in ``detections``, ``decision``, ``reviewer``, ``decided_at`` and
            ``error`` is taken over.
        journal : path, optional
            Where the work is kept as it is done, and found again when the same table is opened with it. Without one
            it is in memory only, and lost with the process.
        reviewer : str
            Who edits and decides.
        order : {"path", "risk", "random", "given"}, optional
            Order of the queue; by default the journal's, or by path.
        engine_name : str
            Whose detections the table holds, for those that do not say it themselves.
        where : {"napari", "none"}
            The window. ``"none"`` opens none: the session is then a script's, which calls its methods.

        Returns
        -------
        AuditSession
            Its ``to_frame()`` is the edited table, ``save(out)`` writes the redacted pictures, ``close()`` lets others
            open the journal.

        Raises
        ------
        ExtraMissingError
            napari is not installed.
        AuditError, JournalError, DetectionsError, SettingsError
            As for `blur_tools.audit.session.AuditSession.open`.
        """
        if where not in ("napari", "none"):
            raise SettingsError("where", f"{where!r} is none of napari, none")
        if where == "napari" and find_spec("napari") is None:
            raise ExtraMissingError("df.blur.audit", "napari")
        from blur_tools.audit.session import AuditSession

        session = AuditSession.open(
            self._frame, journal=journal, reviewer=reviewer, order=order, column=column, engine_name=engine_name
        )
        if where == "napari":
            try:
                # by name: what is below is not loaded, and need not be there, for a script
                import_module("blur_tools.napari").open_audit(session)
            except BaseException:
                session.close()
                raise
        return session

    def verify(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        detect: bool = True,
        strict: bool = False,
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        workers: int | None = None,
        progress: bool = True,
        **params: Any,
    ) -> pd.DataFrame:
        """Check the results that `apply` or `redact` wrote: nothing left, nothing missed, nothing else changed.

        Each result is scanned (`blur_tools.scan`), compared with its original outside the regions, and searched
        for plates and faces where nothing was to be hidden.

        Parameters
        ----------
        column : label, optional
            The originals, as for `apply`.
        out : path
            The folder that was written to; ``blurred`` is relative to its parent.
        detect : bool
            Ask the engine what is still seen.
        strict : bool
            Doubts fail a row, too.
        settings, **params
            As the results were made: ``plates``, ``faces``, ``shape``, ``margin`` and ``feather`` say where regions
            are.
        engine, workers, progress
            As for `apply`.

        Returns
        -------
        pandas.DataFrame
            The same rows with these columns added or replaced: ``verdict`` (``ok``, ``doubtful``, ``failed``,
            ``skipped`` where there is no result), ``outside`` (``blocks identical``, ``pixels identical``,
            ``recoded`` where the method says so, ``changed``), ``leaks``, ``missed`` (numbers), ``problems``,
            ``doubts`` (text).

        Raises
        ------
        SettingsError
            A bad parameter, or a table without the columns of a run.
        """
        from blur_tools.batch.rows import Job
        from blur_tools.frames.verified import verify_frame

        return verify_frame(
            self._frame,
            column,
            out=out,
            detect=detect,
            strict=strict,
            settings=settings,
            engine=engine,
            job=Job(workers, progress),
            **params,
        )

    def sample(
        self, n: int, column: Any = None, *, strata: Any = None, seed: str | int | None = None, blind: bool = True
    ) -> pd.DataFrame:
        """Draw pictures of a finished run for a person to look at, to learn how much was missed.

        Parameters are those of `blur_tools.audit.sampling.draw_sample`. ``sample.blur.audit(order="given")`` opens it
        for review, and `bounds` says what the reviewed table (``session.to_frame()``) tells of the run.

        Returns
        -------
        pandas.DataFrame
            The drawn rows in the order of the draw.

        Raises
        ------
        AuditError, SettingsError, DetectionsError
            Nothing to draw from, a column that is missing, a cell that cannot be read.
        """
        from blur_tools.audit.sampling import draw_sample

        return draw_sample(self._frame, n, column, strata=strata, seed=seed, blind=blind)

    def bounds(
        self,
        sample: pd.DataFrame,
        column: Any = None,
        *,
        settings: BlurSettings | None = None,
        level: float = 0.95,
        hidden_at: float = 0.9,
        largest: float | None = None,
        **params: Any,
    ) -> SampleBounds:
        """How much of this run was missed, from its reviewed sample.

        Parameters are those of `blur_tools.audit.sampling.measure`; ``print(bounds.text())`` tells it.

        Raises
        ------
        AuditError
            It is not the sample of this run, or nobody has reviewed it.
        """
        from blur_tools.audit.sampling import measure

        return measure(
            self._frame,
            sample,
            column,
            settings=settings,
            level=level,
            hidden_at=hidden_at,
            largest=largest,
            **params,
        )

    def compare(
        self,
        others: Mapping[str, pd.DataFrame | str | os.PathLike[str]],
        column: Any = None,
        *,
        name: str = "this",
        labels: str | os.PathLike[str] | None = None,
        pictures: str | os.PathLike[str] | None = None,
        settings: BlurSettings | None = None,
        **params: Any,
    ) -> Comparison:
        """Put what this table says is in its pictures beside what others say.

        Parameters
        ----------
        others : mapping of str to (DataFrame or path)
            Engines by their names: tables, or label files of any format that `export` writes, or COCO's results.
        column : label, optional
            The pictures, as for `apply`.
        name : str
            What this table's engine is called.
        labels : path, optional
            Label file of what is truly there, for scores.
        pictures : path, optional
            Folder that paths are relative to; by default the one that all pictures of a table share.
        settings, **params
            How detections would be hidden, for coverage.

        Returns
        -------
        blur_tools.audit.comparison.Comparison
            Its ``pictures`` are ranked by disagreement.

        Raises
        ------
        SettingsError, DetectionsError
            A table or label file that cannot be read, or no picture that all are of.
        """
        from blur_tools.audit.comparison import compare, found_in_frame, found_in_labels
        from blur_tools.audit.exchange import problem_lines, read_labels

        found: dict[str, Any] = {name: found_in_frame(self._frame, column, pictures=pictures)}
        told: list[str] = []
        for other, where in others.items():
            if isinstance(where, pd.DataFrame):
                same = column if column in where.columns else None
                found[other] = found_in_frame(where, same, pictures=pictures)
            else:
                found[other], problems = found_in_labels(where, pictures=pictures, labels=labels)
                told += [f"{other}: {problem}" for problem in problems]
        truth = None if labels is None else read_labels(labels, pictures=pictures)
        told += [] if truth is None else [f"labels: {problem}" for problem in problem_lines(truth.problems)]
        return compare(found, truth, settings=settings, told=told, **params)

    def report(
        self,
        path: str | os.PathLike[str],
        column: Any = None,
        *,
        out: str | os.PathLike[str] | None = "blurred",
        sample: pd.DataFrame | SampleBounds | None = None,
        receipt: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        title: str = "Anonymised pictures",
        settings: BlurSettings | None = None,
        names: bool = True,
        crops: int = 24,
        pseudonyms: dict[str, str] | None = None,
        **params: Any,
    ) -> Report:
        """Write the report of a run: an HTML file for a person, and the same as JSON beside it.

        Parameters are those of `blur_tools.audit.report.make_report`.

        Returns
        -------
        Report
            What was written; ``data`` is its JSON.

        Raises
        ------
        SettingsError, DetectionsError, AuditError, OutputError
            The table is none of a run, the sample or receipt is not of it, or a file cannot be written.
        """
        from blur_tools.audit.report import make_report

        report = make_report(
            self._frame,
            column,
            out=out,
            sample=sample,
            receipt=receipt,
            key=key,
            title=title,
            settings=settings,
            names=names,
            crops=crops,
            pseudonyms=pseudonyms,
            **params,
        )
        report.write(path)
        return report

    def receipt(
        self,
        path: str | os.PathLike[str],
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        settings: BlurSettings | None = None,
        key: str | os.PathLike[str] | None = None,
        hash_names: bool = False,
        pseudonyms: dict[str, str] | None = None,
        **params: Any,
    ) -> str:
        """Write the receipt of a run: a chain of hashes over every picture, its result and what was hidden in it.

        Parameters are those of `blur_tools.audit.receipt.write_receipt`.

        Returns
        -------
        str
            The hash that proves it. Keep it elsewhere; ``blur-tools verify --receipt`` compares it with the files.

        Raises
        ------
        SettingsError, OutputError
            A column or a result is missing, the key is too short, it cannot be written.
        """
        from blur_tools.audit.receipt import write_receipt

        return write_receipt(
            path,
            self._frame,
            column,
            out=out,
            settings=settings,
            key=key,
            hash_names=hash_names,
            pseudonyms=pseudonyms,
            **params,
        )

    def export(self, path: str | os.PathLike[str], format: str | None = None, column: Any = None) -> dict[str, str]:
        """Write the detections of the table as label files, whole or not at all.

        Parameters
        ----------
        path : path
            A file, or for formats with one for each picture a folder; an earlier export is replaced.
        format : {"blur.json", "coco", "yolo", "yolo-outlines", "voc", "api"}, optional
            By default what the name ends in: ``.blur.json``, another ``.json`` is COCO's.
        column : label, optional
            The pictures, as for `apply`. Labels name them relative to the folder that all of them share.

        Returns
        -------
        dict of str to str
            Pictures that could not go into it as they stand, and why.

        Raises
        ------
        SettingsError, DetectionsError, OutputError
            No such format or column; a cell that cannot be read; it cannot be written.
        """
        from blur_tools.audit.session import AuditSession

        with AuditSession.open(self._frame, column=column) as session:
            return session.export(path, format)


@pd.api.extensions.register_series_accessor("blur")
class SeriesAccessor:
    """Find and blur plates and faces in a Series of pictures."""

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def apply(self, **options: Any) -> pd.DataFrame:
        """`FrameAccessor.apply` on this column alone.

        Parameters
        ----------
        **options
            Those of `FrameAccessor.apply` except ``column``, by name.

        Returns
        -------
        pandas.DataFrame
            The added columns, with this Series' index.
        """
        from blur_tools.frames import tables

        frame = self._frame()
        result: pd.DataFrame = frame.blur.apply(frame.columns[0], **options)
        return result[list(tables.COLUMNS)]

    def detect(self, **options: Any) -> pd.DataFrame:
        """`FrameAccessor.detect` on this column alone."""
        frame = self._frame()
        result: pd.DataFrame = frame.blur.detect(frame.columns[0], **options)
        return result

    def _frame(self) -> Any:
        return self._series.to_frame("image" if self._series.name is None else self._series.name)

"""What ``df.blur`` has for checking and auditing a finished run: thin over plain functions."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd

from blur_tools.errors import ExtraMissingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blur_tools.audit.comparison import Comparison
    from blur_tools.audit.report import Report
    from blur_tools.audit.sampling import SampleBounds
    from blur_tools.audit.session import AuditSession, Order
    from blur_tools.engines import Engine
    from blur_tools.settings import BlurSettings

__all__ = ["AuditingMethods"]


class AuditingMethods:
    """Methods of a DataFrame's accessor that check and audit the run whose table it is."""

    _frame: pd.DataFrame

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
        where : {"napari", "notebook", "none"}
            The window. ``"notebook"`` shows the review below the cell, with the same keys. ``"none"`` opens none: the
            session is then a script's, which calls its methods.

        Returns
        -------
        AuditSession
            Its ``to_frame()`` is the edited table, ``save(out)`` writes the redacted pictures, ``close()`` lets others
            open the journal.

        Raises
        ------
        ExtraMissingError
            napari, or the extra [notebook], is not installed.
        AuditError, JournalError, DetectionsError, SettingsError
            As for `blur_tools.audit.session.AuditSession.open`.
        """
        if where not in ("napari", "notebook", "none"):
            raise SettingsError("where", f"{where!r} is none of napari, notebook, none")
        if where == "napari" and find_spec("napari") is None:
            raise ExtraMissingError("df.blur.audit", "napari")
        if where == "notebook":
            import_module("blur_tools.notebook").need_widgets("df.blur.audit")
        from blur_tools.audit.session import AuditSession

        session = AuditSession.open(
            self._frame, journal=journal, reviewer=reviewer, order=order, column=column, engine_name=engine_name
        )
        if where != "none":
            try:
                # by name: what is below is not loaded, and need not be there, for a script
                if where == "napari":
                    import_module("blur_tools.napari").open_audit(session)
                else:
                    import_module("blur_tools.notebook").open_review(session)
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
        self,
        n: int,
        column: Any = None,
        *,
        strata: Any = None,
        seed: str | int | None = None,
        blind: bool = True,
        enlarges: int | None = None,
    ) -> pd.DataFrame:
        """Draw pictures of a finished run for a person to look at, to learn how much was missed.

        Parameters are those of `blur_tools.audit.sampling.draw_sample`. ``sample.blur.audit()`` opens it for review,
        and `bounds` says what the reviewed table (``session.to_frame()``) tells of the run.

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

        return draw_sample(self._frame, n, column, strata=strata, seed=seed, blind=blind, enlarges=enlarges)

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
        **options: Any,
    ) -> Report:
        """Write the report of a run: an HTML file for a person, and the same as JSON beside it.

        Parameters
        ----------
        path : path
            Of the HTML file.
        column, out, **options
            Those of `blur_tools.audit.report.make_report`: ``sample``, ``receipt``, ``key``, ``head``, ``title``,
            ``names``, ``crops``, ``pseudonyms``, ``settings`` and its single parameters.

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

        report = make_report(self._frame, column, out=out, **options)
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

"""What ``df.blur`` has for auditing a finished run: thin over `blur_tools.audit`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blur_tools.audit.comparison import Comparison
    from blur_tools.audit.report import Report
    from blur_tools.audit.sampling import SampleBounds
    from blur_tools.settings import BlurSettings

__all__ = ["AuditingMethods"]


class AuditingMethods:
    """Methods of a DataFrame's accessor that audit the run whose table it is."""

    _frame: pd.DataFrame

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

"""``df.blur`` and ``series.blur``: thin over the plain functions of `blur_tools.frames.tables`.

pandas makes a new accessor at every ``df.blur``, so nothing is kept in it; everything heavier than pandas is loaded
when a method is called.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd

from blur_tools.errors import SettingsError
from blur_tools.frames.auditing import AuditingMethods

if TYPE_CHECKING:
    from blur_tools.engines import Engine
    from blur_tools.notebook._gallery import Gallery
    from blur_tools.notebook._table import ResultTable
    from blur_tools.settings import BlurSettings

__all__ = ["FrameAccessor", "SeriesAccessor"]

MOST_A_PAGE = 200
"""Thumbnails of one page of a gallery."""


@pd.api.extensions.register_dataframe_accessor("blur")
class FrameAccessor(AuditingMethods):
    """Find and blur plates and faces in the pictures that a column of a DataFrame names."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def apply(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        root: str | os.PathLike[str] | None = None,
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
            Folder of the results. They mirror the tree of the inputs: each file keeps its place below `root`. What
            stands there and is not known to be an earlier result of the same picture is neither replaced nor removed.
        root : path, optional
            Folder that paths are relative to; say it where several runs of parts of a data set write into one folder.
            By default a row keeps the name that it has in the column ``blurred``, if the table has one; others are
            relative to the folder that all files of this table share.
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
            Go on where an earlier run was ended, and ask nobody again what is known: answers are kept by the
            pictures' content (see `blur_tools.batch.store`). False neither reads nor writes what is kept.
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
        ForbiddenError
            The service's token is wrong, or no credits are left. What is done stays done; the same call goes on.
        """
        from blur_tools.frames import tables
        from blur_tools.settings import BlurSettings

        return tables.apply_frame(
            self._frame,
            column,
            out=out,
            root=root,
            settings=BlurSettings.of(settings, **params),
            engine=engine,
            job=tables.Job(workers, progress, errors),
            resume=resume,
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
        resume: bool = True,
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
        from blur_tools.settings import BlurSettings

        return tables.detect_frame(
            self._frame,
            column,
            settings=BlurSettings.of(settings, **params),
            engine=engine,
            job=tables.Job(workers, progress, errors),
            resume=resume,
        )

    def redact(
        self,
        column: Any = None,
        *,
        out: str | os.PathLike[str] = "blurred",
        root: str | os.PathLike[str] | None = None,
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
        column, out, root, settings, errors, workers, progress, **params
            As for `apply`.

        Returns
        -------
        pandas.DataFrame
            As for `apply`.
        """
        from blur_tools.frames import tables
        from blur_tools.settings import BlurSettings

        return tables.redact_frame(
            self._frame,
            column,
            out=out,
            root=root,
            detections=detections,
            settings=BlurSettings.of(settings, **params),
            job=tables.Job(workers, progress, errors),
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

    def preview(
        self,
        column: Any = None,
        *,
        settings: BlurSettings | None = None,
        engine: str | Engine | None = None,
        per_page: int = 24,
        **params: Any,
    ) -> Gallery:
        """Page through the pictures in a notebook: what was found in each, by risk or by name; a click opens one.

        Parameters
        ----------
        column : label, optional
            As for `apply`. What the table says in ``detections``, ``decision`` and ``error`` is shown.
        settings : BlurSettings, optional
            What an opened picture begins with; see `blur_tools.preview`.
        engine : str or Engine, optional
            Who searches an opened picture that nobody has searched.
        per_page : int
            Pictures a page.
        **params
            Single parameters of `BlurSettings`, over `settings`.

        Returns
        -------
        blur_tools.notebook._gallery.Gallery
            An ipywidgets widget; its ``session.to_frame()`` is the table with the edits made in it.

        Raises
        ------
        ExtraMissingError
            The extra [notebook] is not installed.
        AuditError, DetectionsError, SettingsError
            As for `audit`.
        """
        from blur_tools.notebook import gallery, need_widgets

        need_widgets("df.blur.preview")
        from blur_tools.audit.session import AuditSession
        from blur_tools.settings import BlurSettings

        if isinstance(per_page, bool) or not isinstance(per_page, int) or not 1 <= per_page <= MOST_A_PAGE:
            raise SettingsError("per_page", f"{per_page!r} is not between 1 and {MOST_A_PAGE}")
        wanted = BlurSettings.of(settings, **params)
        return gallery(AuditSession.open(self._frame, column=column), engine=engine, settings=wanted, per_page=per_page)

    def show(self, column: Any = None, *, out: str | os.PathLike[str] = "blurred", rows: int = 50) -> ResultTable:
        """The table as a notebook shows it, with a thumbnail of each redacted picture; needs no widgets.

        Parameters
        ----------
        column : label, optional
            The originals, as for `apply`; they are named, and never shown.
        out : path
            The folder that was written to; ``blurred`` is relative to its parent, and only what is in it is shown.
        rows : int
            How many rows are shown.

        Returns
        -------
        blur_tools.notebook._table.ResultTable
            Its ``html`` is what a notebook shows.

        Raises
        ------
        SettingsError
            A table without the column ``blurred``, or no column that could be meant.
        """
        from blur_tools.notebook._table import result_table

        return result_table(self._frame, column, out=out, rows=rows)


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

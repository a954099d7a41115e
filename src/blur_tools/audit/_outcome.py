"""What a review gives: its table, redacted pictures, label files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blur_tools.audit._items import FINISHED, Decision, Item
from blur_tools.audit._results import (
    check_decisions,
    format_of,
    outputs_of,
    redacted,
    redacted_rows,
    refuse_own,
    tell_not_exported,
    write_labels,
)
from blur_tools.audit._review import Review
from blur_tools.audit._table import plain_table
from blur_tools.batch.rows import Job, Row
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

if TYPE_CHECKING:
    import pandas as pd

    from blur_tools.audit._progress import SampleProgress

__all__ = ["Outcome"]


class Outcome(Review):
    """A review whose results can be taken."""

    def to_frame(self) -> pd.DataFrame:
        """The table as it stands.

        Returns
        -------
        pandas.DataFrame
            The columns that were given (without a table: ``image``, in order of path) with ``detections`` (lossless
            JSON text; missing where nobody has searched), ``n_plates``, ``n_faces``, ``decision``, ``reviewer``,
            ``decided_at`` and ``error`` added or replaced. ``df.blur.redact`` renders exactly that, and `open`
            gives the same review again, without its history.
        """
        return self._frame_of(self._items)

    def sample_progress(self) -> SampleProgress | None:
        """What the review of a sample (``df.blur.sample``) says of its run so far; None where this is none.

        Who shows it tells it of each change (`SampleProgress.note`).
        """
        from blur_tools.audit._progress import SampleProgress

        return SampleProgress.of(self._table, self._items)

    def save(
        self,
        out: str | os.PathLike[str],
        settings: BlurSettings | None = None,
        *,
        only: Collection[Decision] = FINISHED,
        workers: int | None = None,
        progress: bool = False,
        each: Callable[[int, int], None] | None = None,
        **params: Any,
    ) -> pd.DataFrame:
        """Write redacted pictures into the folder `out`, as ``df.blur.redact`` does.

        A picture is left out when its decision is not in `only`, when no engine has searched it and nothing is marked
        (``set_detections(key, [])`` says that there is nothing), or when its file is another one than was decided on.
        What an earlier run left in `out` of a picture that is left out, and is not accepted now, is removed: it may
        hide less than was asked. With an empty `only` nothing is removed.

        Parameters
        ----------
        out : path
            Where results go. Below the session's root it is no longer searched for pictures.
        settings : BlurSettings, optional
            How to hide; ``plates`` and ``faces`` are 10 unless said.
        only : collection of str
            Decisions of the pictures that are written.
        workers, progress
            Threads, and whether to show a bar, as for ``df.blur.apply``.
        each : callable, optional
            Called with how many are done and how many there are; what it raises stops the run.
        **params
            Single parameters, over `settings`.

        Returns
        -------
        pandas.DataFrame
            `to_frame` with ``blurred``, ``method``, ``status`` and ``error``; a picture that was left out is
            ``skipped``, and its error says why.

        Raises
        ------
        SettingsError, OutputError
            As for ``df.blur.redact``.
        """
        stands = dict(self._items)  # a person may go on while this runs
        frame = self._frame_of(stands)
        items = [None if key is None else stands[key] for key in self._rows()]
        shown = {item.key: item for item in items if item is not None}
        rows: dict[str, Row] = {}
        wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
        for item, row in self._saving(list(shown.values()), frame, out, wanted, only, Job(workers, progress)):
            rows[item.key] = row
            if each is not None:
                each(len(rows), len(shown))
        return redacted(frame, items, rows)

    def saving(
        self,
        out: str | os.PathLike[str],
        settings: BlurSettings | None = None,
        *,
        only: Collection[Decision] = FINISHED,
        keys: Collection[str] | None = None,
        workers: int | None = None,
        **params: Any,
    ) -> Iterator[tuple[Item, Row]]:
        """What `save` does, one picture at a time, for who shows how far it is and may stop between two.

        Parameters
        ----------
        keys : collection of str, optional
            Only these pictures; the others are left as they are, in `out` too.
        out, settings, only, workers, **params
            As for `save`.

        Yields
        ------
        (Item, Row)
            A picture as it stood when this began, and what became of it, in the order of the paths.

        Raises
        ------
        SettingsError, OutputError
            As for `save`.
        """
        stands = dict(self._items)
        items = [stands[key] for key in self._by_path() if keys is None or key in keys]
        wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
        yield from self._saving(items, self._frame_of(stands), out, wanted, only, Job(workers, progress=False))

    def _saving(
        self,
        items: Sequence[Item],
        frame: pd.DataFrame,
        out: str | os.PathLike[str],
        settings: BlurSettings,
        only: Collection[Decision],
        job: Job,
    ) -> Iterator[tuple[Item, Row]]:
        check_decisions(only)
        outputs = outputs_of(frame, [self._items.get(key or "") for key in self._rows()], out, self._root)
        self._note_results(out)
        changed = [i.key for i in items if i.decision in only and self._is_another(i.key, self._state(i.key))]
        return redacted_rows(items, outputs, settings, only, job, changed)

    def export(self, path: str | os.PathLike[str], format: str | None = None) -> dict[str, str]:
        """Write all detections into label files, whole or not at all.

        Parameters
        ----------
        path : path
            The file, or for the formats that have one for each picture the folder; an earlier export is replaced.
        format : {"blur.json", "coco", "yolo", "yolo-outlines", "voc", "api"}, optional
            By default what the name ends in: ``.blur.json`` loses nothing, another ``.json`` is COCO's.

        Returns
        -------
        dict of str to str
            Pictures that could not go into it as they stand, and why. But for ``.blur.json`` no format has a place
            for a picture that cannot be read or that nobody has searched.

        Raises
        ------
        SettingsError, OutputError
            No such format; the file cannot be written, or is one of the pictures or the journal.
        """
        left = {item.key: reason for item, reason in self.exporting(path, format) if reason}
        tell_not_exported(path, left)
        return left

    def exporting(self, path: str | os.PathLike[str], format: str | None = None) -> Iterator[tuple[Item, str]]:
        """What `export` does, one picture at a time; the file is written behind the last one.

        Yields
        ------
        (Item, str)
            A picture as it stood when this began, and why it could not go into the file.
        """
        items = tuple(self._items.values())  # a person may go on while this runs
        refuse_own(path, items, self.journal)
        yield from write_labels(items, path, format_of(path, format))

    def _frame_of(self, items: Mapping[str, Item]) -> pd.DataFrame:
        if self._table is not None:
            return self._table.filled(items)
        return plain_table(items[key] for key in self._by_path())

    def _by_path(self) -> list[str]:
        return sorted(self._items, key=lambda key: key.split("/"))

    def _rows(self) -> Sequence[str | None]:
        """The picture of each row of `to_frame`."""
        return self._by_path() if self._table is None else self._table.keys

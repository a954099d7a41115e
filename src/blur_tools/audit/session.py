"""`AuditSession`: a queue of pictures that a person looks through, mends and decides on; it knows no GUI."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blur_tools.audit._items import Decision, Item, Mark, Order
from blur_tools.detections import Detection, Kind, Polygon
from blur_tools.settings import BlurSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AuditSession", "Decision", "Item", "Mark", "Order"]


class AuditSession:
    """Pictures in a queue, what is marked on them, and what a person decided.

    Made by `open` or `resume`. Every edit and decision is in the journal before its call returns, so a process that
    is killed loses nothing that was acknowledged. The session holds no pixels. It belongs to one thread.

    Attributes
    ----------
    reviewer : str
        Who decides; may be set at any time.
    """

    reviewer: str

    @classmethod
    def open(
        cls,
        sources: Any,
        *,
        journal: str | os.PathLike[str] | None = None,
        reviewer: str = "",
        order: Order = "path",
        column: Any = None,
        engine_name: str = "",
    ) -> AuditSession:
        """Open pictures for review; an existing journal is resumed at the first unreviewed picture.

        Parameters
        ----------
        sources : path of a folder, list of sources, or DataFrame
            A folder is taken with everything below it. Of a DataFrame the column ``detections`` is taken over where
            it has one.
        journal : path, optional
            Where the work is kept. By default a folder's is ``<folder>/.blur-audit.jsonl``; a list or a DataFrame
            has none and lives **in memory only**: give a path to keep the work.
        reviewer : str
            Who decides.
        order : {"path", "risk", "random"}
            Order of the queue.
        column : label, optional
            The DataFrame's column with the pictures; found by itself when only one can be meant.
        engine_name : str
            Which engine's detections the table holds, for detections that do not say it themselves.

        Raises
        ------
        AuditError
            Nothing to review, or sources that cannot be listed.
        JournalError
            A journal that cannot be read or written, that another process has open, that a newer version wrote, or
            that belongs to other pictures.
        """
        raise NotImplementedError

    @classmethod
    def resume(cls, journal: str | os.PathLike[str], *, reviewer: str = "") -> AuditSession:
        """Go on from a journal alone: the pictures of a folder or of a list of paths and URLs."""
        raise NotImplementedError

    # -- the queue ---------------------------------------------------------------------------------------------

    @property
    def root(self) -> Path | None:
        """The folder that keys are relative to; None when there is none."""
        raise NotImplementedError

    @property
    def journal(self) -> Path | None:
        """The journal's file; None in memory."""
        raise NotImplementedError

    @property
    def items(self) -> tuple[Item, ...]:
        """All pictures in the order of the queue."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, where: int | str) -> Item:
        """The picture at a position of the queue, or with a key."""
        raise NotImplementedError

    @property
    def position(self) -> int:
        """Where the cursor stands; 0 in an empty queue."""
        raise NotImplementedError

    @property
    def current(self) -> Item | None:
        """The picture under the cursor; None in an empty queue."""
        raise NotImplementedError

    def go(self, where: int | str) -> Item:
        """Move the cursor to a position or a key."""
        raise NotImplementedError

    def next(self, only: Collection[Decision] | None = None) -> Item | None:
        """Move to the next picture (with one of these decisions); None, and no move, where there is none."""
        raise NotImplementedError

    def previous(self, only: Collection[Decision] | None = None) -> Item | None:
        """Move to the picture before (with one of these decisions); None, and no move, where there is none."""
        raise NotImplementedError

    def reorder(self, order: Order, seed: int = 0) -> None:
        """Put the queue in another order; the current picture stays the current one."""
        raise NotImplementedError

    def counts(self) -> dict[Decision, int]:
        """How many pictures have each decision."""
        raise NotImplementedError

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        """Call ``callback(key, what)`` after each change; the answer ends that.

        ``what`` is ``"detections"``, ``"error"``, ``"edit"``, ``"undo"``, ``"redo"``, ``"decision"``, or
        ``"position"`` and ``"order"`` for the queue (key of the current picture).
        """
        raise NotImplementedError

    # -- what an engine says -----------------------------------------------------------------------------------

    def set_detections(
        self, key: str, detections: Iterable[Detection], *, engine: str = "", warnings: Iterable[str] = ()
    ) -> Item:
        """Take over what an engine found; what a person did stays."""
        raise NotImplementedError

    def set_error(self, key: str, text: str) -> Item:
        """Say why a picture cannot be shown or searched; ``""`` takes it back."""
        raise NotImplementedError

    # -- what a person does: each call is one step of undo of that picture ---------------------------------------

    def add(self, key: str, kind: Kind, polygon: Polygon, *, reviewer: str | None = None) -> Mark:
        """Mark a plate or a face; `polygon` is four (x, y) in pixels of the stored picture."""
        raise NotImplementedError

    def delete(self, key: str, ids: Iterable[int]) -> None:
        """Remove marks."""
        raise NotImplementedError

    def reshape(self, key: str, polygons: Mapping[int, Polygon]) -> None:
        """Give marks new corners (moving is a reshape)."""
        raise NotImplementedError

    def set_kind(self, key: str, ids: Iterable[int], kind: Kind) -> None:
        """Say that marks are plates, or faces."""
        raise NotImplementedError

    def set_keep(self, key: str, ids: Iterable[int], keep: bool) -> None:
        """Leave marks visible in the result, or hide them again."""
        raise NotImplementedError

    def undo(self, key: str) -> str | None:
        """Take back the picture's last step; a word for it (``"add plate"``), None when there is none."""
        raise NotImplementedError

    def redo(self, key: str) -> str | None:
        """Do the step again that was taken back last; a word for it, None when there is none."""
        raise NotImplementedError

    def can_undo(self, key: str) -> bool:
        """Whether `undo` has something to take back."""
        raise NotImplementedError

    def can_redo(self, key: str) -> bool:
        """Whether `redo` has something to do again."""
        raise NotImplementedError

    def decide(self, key: str, decision: Decision) -> Item:
        """Decide on a picture; ``accepted`` is stored as ``edited`` where a person changed something."""
        raise NotImplementedError

    # -- results -------------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """The table as it stands: what was given, and what was found, mended and decided."""
        raise NotImplementedError

    def save(
        self,
        out: str | os.PathLike[str],
        settings: BlurSettings | None = None,
        *,
        only: Collection[Decision] = ("accepted", "edited"),
        **params: Any,
    ) -> pd.DataFrame:
        """Write redacted pictures into the folder `out`; the table says of each what was done, or why not."""
        raise NotImplementedError

    def export(self, path: str | os.PathLike[str], format: str | None = None) -> None:
        """Write all detections as ``.blur.json`` (lossless) or COCO (``.json``)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the journal and give up its lock; changes are refused afterwards. Closing twice is fine."""
        raise NotImplementedError

    def __enter__(self) -> AuditSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

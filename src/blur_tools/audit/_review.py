"""What `AuditSession` stands on: pictures in an order, a cursor, and a journal that everything goes through."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from blur_tools.audit._checks import seed_number, text_of
from blur_tools.audit._edits import Change
from blur_tools.audit._files import FileMark
from blur_tools.audit._items import DECISIONS, Decision, Item, Order
from blur_tools.audit._opening import Opened, timestamp
from blur_tools.audit._queue import Queue, check_order
from blur_tools.audit._records import Changed, Decided, Edited, Failed, Found, Ordered, Record, Redone, Saved, Undone
from blur_tools.audit._state import PictureState
from blur_tools.errors import AuditError
from blur_tools.formats._keys import check_key

__all__ = ["Observer", "Review"]

Observer = Callable[[str, str], None]
PictureRecord = Found | Edited | Undone | Redone | Decided | Changed | Failed


class Review:
    """Pictures in a queue with a cursor; subclasses say what can be done to them.

    Attributes
    ----------
    reviewer : str
        Who edits and decides; may be set at any time.
    unread : tuple of str
        Folders, files and URLs that were left out as `AuditSession.resume` was asked to.
    """

    reviewer: str
    unread: tuple[str, ...]

    def __init__(self, opened: Opened, reviewer: str = "") -> None:
        self.reviewer = reviewer
        self._root, self._journal, self._table = opened.root, opened.journal, opened.table
        self.unread = opened.unread
        self._entries, self._states, self._saved = opened.entries, opened.states, opened.saved
        blank = PictureState()
        self._items = {key: self._states.get(key, blank).item(entry) for key, entry in self._entries.items()}
        self._counts = Counter(item.decision for item in self._items.values())
        self._unreadable = sum(bool(item.error) for item in self._items.values())
        self._queue = Queue(self._items, opened.order.order, opened.order.seed)
        self._queue.position = self._queue.first(range(len(self._items)), self._among(("unreviewed",))) or 0
        self._row = [self._items[key] for key in self._queue.keys]
        self._shown: tuple[Item, ...] | None = None
        self._observers: list[Observer] = []
        self._open = True
        # `save` may note its folder in another thread
        self._changing = threading.RLock()
        self._half_done = False

    @property
    def root(self) -> Path | None:
        """The folder that keys are relative to; None when there is none."""
        return self._root

    @property
    def journal(self) -> Path | None:
        """The journal's file; None in memory."""
        return None if self._journal is None else self._journal.path

    @property
    def items(self) -> tuple[Item, ...]:
        """All pictures in the order of the queue."""
        if self._shown is None:
            self._shown = tuple(self._row)
        return self._shown

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __getitem__(self, where: int | str) -> Item:
        """The picture at a position of the queue (`IndexError`), or with a key (`AuditError`)."""
        return self._items[self._queue.keys[self._queue.place(where)]]

    @property
    def position(self) -> int:
        """Where the cursor stands; 0 in an empty queue."""
        return self._queue.position

    @property
    def current(self) -> Item | None:
        """The picture under the cursor; None in an empty queue."""
        key = self._queue.current
        return None if key is None else self._items[key]

    def go(self, where: int | str) -> Item:
        """Move the cursor to a position (`IndexError`) or a key (`AuditError`)."""
        self._queue.position = self._queue.place(where)
        item = self[self._queue.position]
        self._tell(item.key, "position")
        return item

    def next(self, only: Collection[Decision] | None = None) -> Item | None:
        """Move to the next picture (with one of these decisions); None, and no move, where there is none."""
        return self._seek(range(self.position + 1, len(self)), only)

    def previous(self, only: Collection[Decision] | None = None) -> Item | None:
        """Move to the picture before (with one of these decisions); None, and no move, where there is none."""
        return self._seek(range(self.position - 1, -1, -1), only)

    def reorder(self, order: Order, seed: int = 0) -> None:
        """Put the queue in another order, as risks stand now; the current picture stays the current one."""
        check_order(order)
        record = Ordered(order, seed_number(seed))
        with self._written(record):
            self._queue.sort(self._items, order, record.seed)
            self._row = [self._items[key] for key in self._queue.keys]
            self._shown = None
        self._tell(self._queue.current or "", "order")

    def counts(self) -> dict[Decision, int]:
        """How many pictures have each decision."""
        return {decision: self._counts[decision] for decision in DECISIONS}

    @property
    def unreadable(self) -> int:
        """How many pictures cannot be read or searched."""
        return self._unreadable

    def subscribe(self, callback: Observer) -> Callable[[], None]:
        """Call ``callback(key, what)`` after each change; the answer ends that.

        ``what`` is ``"detections"``, ``"error"``, ``"edit"``, ``"undo"``, ``"redo"``, ``"decision"``, or
        ``"position"`` and ``"order"`` for the queue (with the key of the current picture). What a callback raises
        comes out of the call that made the change; the change is done.
        """
        self._observers.append(callback)

        def unsubscribe() -> None:
            if callback in self._observers:
                self._observers.remove(callback)

        return unsubscribe

    @property
    def closed(self) -> bool:
        """Whether changes are refused since `close`."""
        return not self._open

    def close(self) -> None:
        """Close the journal and give up its lock; changes are refused afterwards. Closing twice is fine."""
        with self._changing:
            self._open = False
            if self._journal is not None:
                self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        said = ", ".join(f"{count} {decision}" for decision, count in self.counts().items() if count)
        return f"<AuditSession of {len(self)} pictures: {said or 'none'}>"

    def _seek(self, places: range, only: Collection[Decision] | None) -> Item | None:
        place = self._queue.first(places, self._among(DECISIONS if only is None else only))
        return None if place is None else self.go(place)

    def _among(self, decisions: Collection[str]) -> Callable[[str], bool]:
        return lambda key: self._items[key].decision in decisions

    def _state(self, key: str) -> PictureState:
        """What is known of a picture; an empty state where nothing is."""
        if key not in self._items:
            raise AuditError(f"there is no picture {key!r} in this review")
        return self._states.get(key) or PictureState()

    def _is_another(self, key: str, state: PictureState) -> bool:
        """Whether the file is another one than what is known of it was said of."""
        return state.changed or self._taken_its_place(key, state.file) is not None

    def _taken_its_place(self, key: str, seen: FileMark | None) -> FileMark | None:
        """The file that is there now, where it is another one than was seen."""
        return None if seen is None else seen.differs(self._entries[key].source)

    def _note_results(self, out: str | os.PathLike[str]) -> None:
        """Write down where results go, so that they are not taken for pictures of the folder later."""
        if self._journal is None or self._root is None or not isinstance(out, str | os.PathLike):
            return
        # real paths: either may be written by way of a link
        root, folder = os.path.realpath(self._root), os.path.realpath(os.fsdecode(out))
        try:
            below = os.path.relpath(folder, root).replace(os.sep, "/")
        except ValueError:
            return  # on another drive
        try:
            key = check_key(below)
        except ValueError:
            return  # elsewhere
        if key not in self._saved:
            with self._written(Saved(key, timestamp())):
                self._saved.add(key)

    def _edit(self, key: str, change: Change, by: str) -> None:
        if change.marks:
            self._do(Edited(key, timestamp(), text_of("reviewer", by), change.word, change.marks), "edit")

    def _do(self, record: PictureRecord, what: str, *, durable: bool = False) -> Item:
        """Write a record down, then do it, then say so."""
        key = record.key
        with self._written(record, durable=durable):
            self._states.setdefault(key, PictureState()).apply(record)
            before, item = self._items[key], self._states[key].item(self._entries[key])
            self._items[key] = self._row[self._queue.place(key)] = item
            self._counts[before.decision] -= 1
            self._counts[item.decision] += 1
            self._unreadable += bool(item.error) - bool(before.error)
            self._shown = None
        self._tell(key, what)
        return item

    @contextmanager
    def _written(self, record: Record, *, durable: bool = False) -> Iterator[None]:
        """Write a record down; the block does it.

        Where that is broken off (a person's Ctrl-C), memory may not be what the journal says: nothing more is written.
        """
        with self._changing:
            if not self._open:
                raise AuditError("this review is closed; open it again to go on")
            if self._half_done:
                raise AuditError(
                    "the last change was broken off half-way: open this review again, the journal is whole"
                )
            self._half_done = True
            try:
                if self._journal is not None:
                    self._journal.append([record], durable=durable)
            except AuditError:
                self._half_done = False  # nothing was written
                raise
            yield
            self._half_done = False

    def _tell(self, key: str, what: str) -> None:
        for callback in tuple(self._observers):
            callback(key, what)

"""Searching pictures while a person looks at others: the one that is seen, the next, and those that were passed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blur_tools.audit._files import FileMark
from blur_tools.audit._seen import is_searched
from blur_tools.audit.session import AuditSession, Item
from blur_tools.batch.rows import message
from blur_tools.engines import Answer
from blur_tools.errors import BlurError, PictureError
from blur_tools.napari._edits import Edits
from blur_tools.napari._pictures import Shown
from blur_tools.napari._work import Lane

__all__ = ["ON_THE_WAY", "OnTheWay", "reason_of", "take_answer"]

ON_THE_WAY = "find plates and faces on the way"
"""What the box in the Audit panel says."""

PATIENCE = 2
"""Pictures that fail one after the other before the service is taken to be at fault."""


class OnTheWay(Edits):
    """A quiet search of one picture at a time.

    Attributes
    ----------
    auto : bool
        Whether pictures are searched as they come.
    searched_key : str or None
        The picture that is being searched.
    """

    load: Callable[[Item], Shown]
    prepare: Callable[[], None]

    def begin_search(self, auto: bool) -> None:
        """Nothing is searched or passed by yet."""
        self.auto = auto
        self.searched_key: str | None = None
        self._searching = Lane(lambda: self.window.alive)
        self._stopped = False
        self._failed: set[str] = set()
        self._in_a_row = 0
        self._passed: dict[str, None] = {}

    def set_auto(self, on: bool) -> None:
        """Search on the way, or not, as a person says; what failed is tried again."""
        self.auto, self._stopped, self._in_a_row = on, False, 0
        self._failed.clear()
        self.prepare()

    def worked_again(self) -> None:
        """A search that a person asked for worked: go on on the way, if that had stopped by itself."""
        if self._stopped:
            self.set_auto(True)

    def try_again(self, key: str) -> None:
        """Search a picture again that failed."""
        self._failed.discard(key)

    def has_failed(self, key: str) -> bool:
        """Whether the search of a picture failed, so that none is to come."""
        return key in self._failed

    def pass_by(self, item: Item) -> None:
        """Remember a picture that a person sees: it is searched even if they go on before."""
        if not is_searched(item):
            self._passed[item.key] = None

    def search_next(self, near: Sequence[Item], ready: Mapping[str, Shown]) -> None:
        """Search what is near, once it is decoded, and then what was passed by."""
        if not self.auto or self._searching.busy:
            return
        due = next((item for item in near if self._is_due(item)), None)
        if due is None:
            self._passed = {key: None for key in self._passed if self._is_due(self.session[key])}
            due = next(map(self.session.__getitem__, self._passed), None)
            if due is not None:
                self._start_search(due, ready.get(due.key))
        elif due.key in ready:
            self._start_search(due, ready[due.key])

    def _is_due(self, item: Item) -> bool:
        # an answer takes a decision back: who accepted a picture as it is has searched it with their eyes
        return not (
            is_searched(item)
            or item.error
            or item.decision in ("accepted", "edited")
            or item.key in self._failed
            or item.key in self.window.jobs.left_of(self)
        )

    def _start_search(self, item: Item, known: Shown | None) -> None:
        load = self.load
        try:
            finder, settings = self.window.engine(), self.window.asked(self.stage.image)
        except BlurError as error:
            self._stop(f"nothing is searched for: {error}")
            return

        def work() -> tuple[Answer, FileMark | None]:
            shown = load(item) if known is None else known
            return finder.detect(shown.picture, settings(shown)), shown.file

        def done(result: tuple[Answer, FileMark | None] | None, error: Exception | None) -> None:
            self.searched_key = None
            if result is not None:
                self._in_a_row = 0
                self._take(lambda: take_answer(self.session, item.key, result[0], finder.name, result[1]))
            elif isinstance(error, PictureError):
                self._take(lambda: self.session.set_error(item.key, reason_of(error)))
            else:
                self._on_failure(item.key, message(error) if error else "no answer")
            self.window.changed()
            self.prepare()

        self.searched_key = item.key
        self._searching.start(work, done)

    def _on_failure(self, key: str, reason: str) -> None:
        self._failed.add(key)
        self._in_a_row += 1
        if self._in_a_row < PATIENCE:
            self.window.warn(f"{reason}. The others are searched all the same; click {key} in the list to try again.")
        else:  # the service fails for the next one as well: wait until a person asks again
            self._stop(reason)

    def _stop(self, reason: str) -> None:
        self.auto, self._stopped = False, True
        self.window.warn(f"{reason}. Nothing is lost; tick “{ON_THE_WAY}” in the Audit panel to try again.")

    def _take(self, change: Callable[[], Any]) -> None:
        if self.safely(change) is None:  # closed, or the disk is full: the next one would be lost as well
            self.auto = False


def take_answer(session: AuditSession, key: str, answer: Answer, engine: str, seen: FileMark | None) -> Item:
    """Give the session what an engine found in a file."""
    return session.set_detections(key, answer.detections, engine=engine, warnings=answer.warnings, seen=seen)


def reason_of(error: Exception | None) -> str:
    """Why, without the path: the person sees which picture it is."""
    return error.reason if isinstance(error, PictureError) else message(error) if error else "cannot be read"

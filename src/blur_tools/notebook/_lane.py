"""Work beside the kernel: one thing at a time in a thread, its outcome back in the kernel's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Lane"]

Done = Callable[[Any, Exception | None], None]


class Lane:
    """Does pieces of work one after the other; of those that wait, only the last is done.

    What has been begun is always told of: it may have been paid for.

    Where no loop runs, as in a script, work is done at once.
    """

    def __init__(self) -> None:
        self._waiting: tuple[Callable[[], Any], Done] | None = None
        self._turn = 0
        self.busy = False

    def start(self, work: Callable[[], Any], on_done: Done, *, wait: bool = False) -> None:
        """Do `work`; `on_done` gets its value, or the error that it raised.

        Parameters
        ----------
        wait : bool
            Do it now, whatever else is under way.
        """
        try:
            loop = None if wait else asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None:
            self.forget()
            on_done(*_tried(work))
        elif self.busy:
            self._waiting = (work, on_done)
        else:
            self._begin(loop, work, on_done)

    def forget(self) -> None:
        """Take no notice of what is under way or waits."""
        self._turn += 1
        self._waiting, self.busy = None, False

    def _begin(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Any], on_done: Done) -> None:
        self.busy, turn = True, self._turn

        def end(outcome: tuple[Any, Exception | None]) -> None:
            if turn != self._turn:
                return
            self.busy, waiting, self._waiting = False, self._waiting, None
            if waiting is not None:
                self._begin(loop, *waiting)
            on_done(*outcome)

        def run() -> None:
            outcome = _tried(work)
            with contextlib.suppress(RuntimeError):  # the kernel goes down
                loop.call_soon_threadsafe(end, outcome)

        threading.Thread(target=run, name="blur_tools notebook", daemon=True).start()


def _tried(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error

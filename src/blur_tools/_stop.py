"""Ending work whose answer nobody wants any more: it asks, wherever it could go on, whether it should."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["LOOK", "asked", "finishing", "pause", "proceed", "stoppable", "stoppable_between"]

LOOK = 0.2
"""Seconds of waiting after which it is asked again."""

_asked: ContextVar[Callable[[], None] | None] = ContextVar("blur_tools_asked", default=None)


_between: ContextVar[Callable[[], None] | None] = ContextVar("blur_tools_between", default=None)


@contextmanager
def stoppable(ask: Callable[[], None]) -> Iterator[None]:
    """Let work of this thread be ended by `ask`, which raises when it is to end.

    It is called before each part of a picture that is searched, each plate that is read, each call to a service, and
    in the pauses between calls.
    """
    token = _asked.set(ask)
    try:
        yield
    finally:
        _asked.reset(token)


@contextmanager
def stoppable_between(ask: Callable[[], None]) -> Iterator[None]:
    """As `stoppable`, but calls to a service are finished once they are begun: they may have been paid for."""
    token = _between.set(ask)
    try:
        yield
    finally:
        _between.reset(token)


@contextmanager
def finishing() -> Iterator[None]:
    """What is done here is not ended by `stoppable_between`."""
    token = _between.set(None)
    try:
        yield
    finally:
        _between.reset(token)


def asked() -> Callable[[], None] | None:
    """What this thread's work asks, for another thread to ask on its behalf."""
    asks = [ask for ask in (_asked.get(), _between.get()) if ask is not None]
    if len(asks) < 2:
        return asks[0] if asks else None

    def all_of_them() -> None:
        for ask in asks:
            ask()

    return all_of_them


def proceed() -> None:
    """Return when work is to go on; raises what the thread's `stoppable` raises."""
    for place in (_asked, _between):
        ask = place.get()
        if ask is not None:
            ask()


def pause(seconds: float) -> None:
    """Sleep, unless the work is ended meanwhile."""
    until = time.monotonic() + seconds
    proceed()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK))
        proceed()

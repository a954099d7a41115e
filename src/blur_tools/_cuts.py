"""Connections that are cut at a deadline, or when nobody wants their work any more: also one that drips for ever."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

from blur_tools._stop import LOOK, asked, proceed

__all__ = ["BodyTooSlowError", "cut_at", "expose", "go_on"]

_local = threading.local()


class BodyTooSlowError(Exception):
    """Not all of it within the time."""


class _Cut:
    """Connections that end at a moment, or when their work is not wanted any more; none begins afterwards."""

    def __init__(self, deadline: float, ask: Callable[[], None] | None) -> None:
        self._deadline, self._ask = deadline, ask
        self._lock = threading.Lock()
        self._twins: list[socket.socket] = []
        self._done = False

    def go_on(self) -> None:
        """Return before the cut; neither urllib3 nor requests takes the error for one to try again after."""
        if self._done or time.monotonic() > self._deadline:
            raise BodyTooSlowError

    def add(self, twin: socket.socket) -> None:
        """Cut this connection too."""
        with self._lock:
            self._twins.append(twin)
            if self._done:
                _shut(twin)
        self.go_on()

    def end(self) -> None:
        """Cut nothing any more."""
        with self._lock:
            self._done = True
            for twin in self._twins:
                twin.close()
            self._twins.clear()

    def look(self) -> float:
        """Cut if it is time to; the moment to look again."""
        now = time.monotonic()
        if now >= self._deadline or self._is_unwanted():
            with self._lock:
                self._done = True
                for twin in self._twins:
                    _shut(twin)
            return math.inf
        return self._deadline if self._ask is None else min(self._deadline, now + LOOK)

    def _is_unwanted(self) -> bool:
        try:
            if self._ask is not None:
                self._ask()
        except BaseException:  # whatever it is: this thread looks after others' calls, too
            return True
        return False


class _Watch:
    """One thread that looks after all cuts: one for each call would cost more than the rest of the call."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._cuts: set[_Cut] = set()
        self._wakes = math.inf
        self._thread: threading.Thread | None = None

    def add(self, cut: _Cut) -> None:
        """Look after a cut from now on."""
        first = cut.look()
        with self._changed:
            self._cuts.add(cut)
            if self._thread is None or not self._thread.is_alive():  # as in a process that was forked
                self._wakes = first
                self._thread = threading.Thread(target=self._run, name="blur_tools cuts", daemon=True)
                self._thread.start()
            elif first < self._wakes:
                self._changed.notify()

    def remove(self, cut: _Cut) -> None:
        """Forget a cut."""
        with self._changed:
            self._cuts.discard(cut)

    def _run(self) -> None:
        while True:
            with self._changed:
                cuts = list(self._cuts)
            # outside the lock: it asks others' code
            wakes = min((cut.look() for cut in cuts), default=math.inf)
            with self._changed:
                if self._cuts.issubset(cuts):
                    self._wakes = wakes
                    self._changed.wait(None if wakes == math.inf else max(0.0, wakes - time.monotonic()))


_watch = _Watch()
if hasattr(os, "register_at_fork"):  # the thread does not go with a fork, and its lock may be held
    os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]


def _shut(twin: socket.socket) -> None:
    with contextlib.suppress(OSError):
        twin.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_at(deadline: float) -> Iterator[None]:
    """Cut the connections of our adapters that this thread uses meanwhile, when `time.monotonic` is `deadline`.

    A time limit on single reads does not end a server that sends a byte now and then, in its headers for instance.
    They are cut as well when the thread's work is to end (`blur_tools._stop`), whose error then comes out.

    Raises
    ------
    BodyTooSlowError
        A connection would begin, or be used again, after the cut.
    """
    cut = _local.cut = _Cut(deadline, asked())
    _watch.add(cut)
    try:
        yield
    except Exception:
        proceed()
        raise
    else:
        proceed()  # what was cut can look complete
    finally:
        _local.cut = None
        _watch.remove(cut)
        cut.end()


def go_on() -> None:
    """Return before this thread's cut.

    Raises
    ------
    BodyTooSlowError
        It has been; neither urllib3 nor requests takes this for an error to try again after.
    """
    cut: _Cut | None = getattr(_local, "cut", None)
    if cut is not None:
        cut.go_on()


def expose(connection: socket.socket) -> None:
    """Let this thread's cut reach a connection, by a twin: it can be closed while its answer is still being read."""
    cut: _Cut | None = getattr(_local, "cut", None)
    if cut is not None:
        cut.add(connection.dup())

"""When a service may be called, and called again: all numbers of the policy stand here."""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from weakref import WeakValueDictionary

from blur_tools._stop import LOOK, pause, proceed

__all__ = ["MOST_RETRIES", "RETRIED", "Elsewhere", "Pacer", "pacer_for", "retry_delay", "said_seconds", "share_turns"]

RETRIED = (429, 502, 503, 504)
"""Statuses after which the same call may be made again."""

MOST_RETRIES = 4
"""Further tries after the first."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds: the pause doubles from the first to the longest, less up to a quarter by chance."""

LONGEST_OBEYED = 60.0
"""Seconds that a service may make us wait; asked for more, we give up at once and say so."""

MOST_REMEMBERED = 1000
"""Addresses whose last call is remembered when nobody holds a pacer of them: URLs can be of any number of hosts."""

# "Request was throttled. Expected available in 1 second."
_SECONDS = re.compile(r"available in (\d+(?:\.\d+)?) second", re.IGNORECASE)


class Elsewhere(Protocol):
    """Turns that are shared with other processes, which call the same address."""

    def wait(self, interval: float) -> None:
        """Return when a call may begin, `interval` seconds after the last that began anywhere."""

    def pause(self, seconds: float) -> None:
        """Let no call begin for so long, anywhere."""


class Turns:
    """Who waits to call an address, when the last call began, and until when none may; shared by all that call it."""

    elsewhere: Elsewhere | None = None

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[object] = deque()
        self.last = self.closed = -math.inf


class Pacer:
    """Lets calls begin no faster than a rate; shared by threads.

    Parameters
    ----------
    rate : float or None
        Calls a second; None is without limit.
    clock, sleep : callable
        Seconds that only go forwards, and waiting for some.
    turns : Turns, optional
        Shared with pacers of the same address, which may have other rates; by default its own.
    """

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pause,
        turns: Turns | None = None,
    ) -> None:
        self.rate = rate
        self._interval = 0.0 if rate is None else 1 / rate
        self._clock, self._sleep = clock, sleep
        self._turns = turns or Turns()

    def wait(self) -> None:
        """Return when a call may begin; each return is for one call, and turns are given in the order of asking."""
        turns, ticket = self._turns, object()
        with turns.changed:
            turns.waiting.append(ticket)
        try:
            while True:
                with turns.changed:
                    if turns.waiting[0] is ticket:
                        now = self._clock()
                        delay = max(turns.closed, turns.last + self._interval) - now
                        if delay <= 0:
                            turns.last = now
                            break
                    else:
                        delay = 0.0
                        turns.changed.wait(LOOK)
                if delay > 0:
                    self._sleep(delay)
                else:
                    proceed()
        finally:
            with turns.changed:
                turns.waiting.remove(ticket)
                turns.changed.notify_all()
        if turns.elsewhere is not None and self._interval:
            turns.elsewhere.wait(self._interval)

    def pause(self, seconds: float) -> None:
        """Let no call begin for so long: what one thread was told holds for all."""
        turns = self._turns
        with turns.changed:
            turns.closed = max(turns.closed, self._clock() + seconds)
        if turns.elsewhere is not None:
            turns.elsewhere.pause(seconds)


_turns: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_recent: OrderedDict[str, Turns] = OrderedDict()
_turns_lock = threading.Lock()


def pacer_for(address: str, rate: float | None) -> Pacer:
    """A pacer of an address: whoever calls that from this process shares the turns, each at its own rate."""
    with _turns_lock:
        return Pacer(rate, turns=_turns_of(address))


def _turns_of(address: str) -> Turns:
    """The turns of an address, which last as long as a pacer of it, or until many others were asked for."""
    _recent[address] = _turns.setdefault(address, Turns())
    _recent.move_to_end(address)
    if len(_recent) > MOST_REMEMBERED:
        _recent.popitem(last=False)
    return _recent[address]


def share_turns(address: str, elsewhere: Elsewhere | None) -> None:
    """From now on calls of an address from this process also wait for those of others; None ends that."""
    with _turns_lock:
        _turns_of(address).elsewhere = elsewhere


def said_seconds(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds after which a service says that it can be asked again: by ``Retry-After``, else in its words."""
    said = headers.get("Retry-After", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        seconds = _until(said)
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    match = _SECONDS.search(text)
    return float(match.group(1)) if match else None


def _until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return math.nan
    if moment.tzinfo is None:  # "-0000" says UTC without saying so
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def retry_delay(tried: int, said: float | None, most: int = MOST_RETRIES) -> float | None:
    """Seconds to wait before the next try; None when there is none.

    Parameters
    ----------
    tried : int
        Tries so far.
    said : float or None
        What `said_seconds` gave.
    most : int
        Retries that are allowed.
    """
    if tried > most or (said is not None and said > LONGEST_OBEYED):
        return None
    if said is not None:
        return said
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tried - 1))
    return pause * random.uniform(0.75, 1)  # noqa: S311  (spreads the tries of many clients; no secret)

"""One rate over all workers of a Dask cluster: the scheduler gives the turns.

A semaphore would bound how many calls are made at once, not how many a second; and a lease that a killed worker held
would stand still until it ran out. Here a worker that is gone is passed over, and one that joins asks like the others.
"""

from __future__ import annotations

import asyncio
import math
import pickle
import time
from typing import Any

from distributed import Worker, get_worker
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.utils import sync

from blur_tools._stop import proceed
from blur_tools.errors import EngineError
from blur_tools.service.pacing import share_turns

__all__ = ["share_rate"]

NAME = "blur-tools-turns"
LOOK = 0.2
"""Seconds after which the scheduler looks again whether a worker that waits is still there."""


class _Place:
    """An address that is called."""

    def __init__(self) -> None:
        self.turns = asyncio.Lock()
        self.last = self.closed = -math.inf


class TurnsPlugin(SchedulerPlugin):
    """Gives turns to the workers; lives in the scheduler."""

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self._scheduler: Any = None
        self._places: dict[str, _Place] = {}

    async def start(self, scheduler: Any) -> None:
        """Answer what workers ask."""
        self._scheduler = scheduler
        scheduler.handlers["blur_tools_turn"] = self.turn
        scheduler.handlers["blur_tools_pause"] = self.pause

    async def turn(self, place: str, interval: float, worker: str) -> None:
        """Answer when the worker may begin its call; first come, first served."""
        entry = self._places.setdefault(place, _Place())
        async with entry.turns:
            while worker in self._scheduler.workers:
                delay = max(entry.closed, entry.last + interval) - time.monotonic()
                if delay <= 0:
                    entry.last = time.monotonic()
                    return
                await asyncio.sleep(min(delay, LOOK))

    async def pause(self, place: str, seconds: float) -> None:
        """Give no turn for so long."""
        entry = self._places.setdefault(place, _Place())
        entry.closed = max(entry.closed, time.monotonic() + seconds)


class _ClusterTurns:
    """The scheduler's turns as a pacer of this process asks for them."""

    def __init__(self, worker: Worker, place: str) -> None:
        self._worker, self._place = worker, place

    def wait(self, interval: float) -> None:
        self._ask("blur_tools_turn", interval=interval, worker=self._worker.address)
        proceed()

    def pause(self, seconds: float) -> None:
        self._ask("blur_tools_pause", seconds=seconds)

    def _ask(self, what: str, **facts: Any) -> None:
        # a cluster in this very process leaves its turns behind when it is closed; a worker that is paused, or closes
        # gracefully, still finishes what it does, at the common rate
        if self._worker.status not in (Status.closed, Status.closing, Status.failed):
            sync(self._worker.loop, getattr(self._worker.scheduler, what), place=self._place, **facts)


def share_rate(address: str) -> bool:
    """Let calls of an address from this worker wait for those of the others.

    Returns
    -------
    bool
        False where there is no distributed cluster.

    Raises
    ------
    EngineError
        The scheduler does not let it be.
    """
    try:
        worker = get_worker()
    except ValueError:
        return False
    try:
        sync(
            worker.loop,
            worker.scheduler.register_scheduler_plugin,
            plugin=pickle.dumps(TurnsPlugin()),
            name=NAME,
            idempotent=True,
        )
    except Exception as error:
        reason = "the scheduler cannot hold one rate over all workers; is blur-tools installed where it runs"
        raise EngineError(f"{reason}, and is distributed.scheduler.pickle not switched off? ({error})") from error
    share_turns(address, _ClusterTurns(worker, address))
    return True

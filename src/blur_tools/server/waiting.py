"""Waiting on behalf of a client, no longer than it is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import Request

__all__ = ["GoneError", "unless", "waited", "while_there"]

Outcome = TypeVar("Outcome")


class GoneError(Exception):
    """Nobody waits for the answer any more."""


def unless(*events: threading.Event) -> Callable[[], None]:
    """What raises `GoneError` once any of the events is there."""

    def ask() -> None:
        if any(event.is_set() for event in events):
            raise GoneError

    return ask


async def while_there(
    request: Request, gone: threading.Event, pool: ThreadPoolExecutor, work: Callable[[], Outcome]
) -> Outcome:
    """Work in a pool, unless the client goes away before it begins; what has begun learns it by `gone`."""
    job = [work]
    begun = pool.submit(_taken, job)
    working = asyncio.wrap_future(begun)
    leaving = asyncio.ensure_future(_left(request))
    both: set[asyncio.Future[Any]] = {working, leaving}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        gone.set()
        if begun.cancel():
            job.clear()  # it stays in the pool's queue, and must not hold the picture there
        else:
            await asyncio.wait({working})  # the share of the memory is held as long as the memory is
        raise GoneError
    except asyncio.CancelledError:  # the server ends, and can wait no longer
        gone.set()
        if begun.cancel():
            job.clear()
        raise
    finally:
        leaving.cancel()
        # an error is taken note of, and its traceback must not hold the picture together with this frame
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
        del working, begun, both, job, work


def _taken(job: list[Callable[[], Outcome]]) -> Outcome:
    return job.pop()()


async def waited(request: Request, waiting: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Wait for something, unless the client goes away first."""
    task, leaving = asyncio.ensure_future(waiting), asyncio.ensure_future(_left(request))
    both: set[asyncio.Future[Any]] = {task, leaving}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise GoneError
    finally:
        leaving.cancel()
        task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

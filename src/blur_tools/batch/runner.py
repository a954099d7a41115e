"""Do one thing to many items on several threads: in order, bounded, stoppable, with progress.

Threads, because decoding, inference and encoding release the interpreter's lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from queue import SimpleQueue
from typing import TypeVar

from blur_tools._stop import asked, stoppable, stoppable_between

__all__ = ["run_ordered", "with_progress"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

UNDER_WAY = 2
"""Items for each worker that are begun or wait to be."""

AHEAD = 32
"""Items for each worker, outcomes that wait for an earlier one included: one slow item must not idle the others."""


class Abandoned(BaseException):
    """Nobody waits for the outcome any more. Not an `Exception`: no item has failed."""


def run_ordered(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    workers: int,
    stop: threading.Event | None = None,
) -> Generator[Outcome]:
    """Do `work` to each item and give the outcomes in the items' order.

    When the caller stops asking, as on Ctrl-C, no further item is begun, and those under way end at their next pause:
    a call that a service is answering is finished, and no other is made.

    Parameters
    ----------
    work : callable
        What it raises comes out here, at its item's turn; items not yet begun are then dropped.
    items : iterable
        Taken as needed: at most two for each worker are under way or waiting.
    workers : int
        Threads.
    stop : threading.Event, optional
        When set, no further item is begun; those under way are finished and given.
    """
    waiting: deque[Future[Outcome]] = deque()
    finished: SimpleQueue[None] = SimpleQueue()
    left = threading.Event()
    outer = asked()
    source, more, unfinished = iter(items), True, 0

    def ask() -> None:
        if left.is_set():
            raise Abandoned

    def begun(item: Item) -> Outcome:
        with stoppable(outer) if outer else nullcontext(), stoppable_between(ask):
            return work(item)

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="blur_tools") as pool:
        try:
            while True:
                while more and unfinished < UNDER_WAY * workers and len(waiting) < AHEAD * workers:
                    if stop is not None and stop.is_set():
                        break
                    try:
                        item = next(source)
                    except StopIteration:
                        more = False
                        break
                    future = pool.submit(begun, item)
                    del item  # it may be a picture
                    future.add_done_callback(lambda _: finished.put(None))
                    waiting.append(future)
                    unfinished += 1
                if not waiting:
                    return
                if waiting[0].done():
                    yield waiting.popleft().result()
                else:
                    finished.get()
                    unfinished -= 1
                while not finished.empty():
                    finished.get()
                    unfinished -= 1
        finally:
            # also on Ctrl-C and when the caller stops asking
            left.set()
            for future in waiting:
                future.cancel()


def with_progress(
    outcomes: Iterable[Outcome], total: int | None, status_of: Callable[[Outcome], str], show: bool
) -> Iterator[Outcome]:
    """Pass outcomes on under a progress bar that counts each status; `total` is None where nobody knows it."""
    if not show:
        yield from outcomes
        return
    from tqdm.auto import tqdm

    counts = dict.fromkeys(("ok", "failed", "skipped"), 0)
    with tqdm(total=total, unit="picture", dynamic_ncols=True) as bar:
        for outcome in outcomes:
            counts[status_of(outcome)] += 1
            bar.update()
            bar.set_postfix(counts, refresh=False)
            yield outcome

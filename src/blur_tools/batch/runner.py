"""Do one thing to many items on several threads: in order, bounded, stoppable, with progress.

Threads, because decoding, inference and encoding release the interpreter's lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["run_ordered", "with_progress"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_ordered(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    workers: int,
    stop: threading.Event | None = None,
) -> Iterator[Outcome]:
    """Do `work` to each item and give the outcomes in the items' order.

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
    source = iter(items)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="blur_tools") as pool:
        try:
            while True:
                while len(waiting) < 2 * workers and not (stop and stop.is_set()):
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                    waiting.append(pool.submit(work, item))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            # also on Ctrl-C and when the caller stops asking
            for future in waiting:
                future.cancel()


def with_progress(
    outcomes: Iterable[Outcome], total: int, status_of: Callable[[Outcome], str], show: bool
) -> Iterator[Outcome]:
    """Pass outcomes on under a progress bar that counts each status."""
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

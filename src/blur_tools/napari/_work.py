"""Long work beside the window: one job with progress and Cancel, and quiet lanes that prepare what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from blur_tools.batch.rows import message
from blur_tools.napari._words import plain

__all__ = ["Job", "Jobs", "Lane"]


@dataclass
class Job:
    """What a person started and may cancel.

    Attributes
    ----------
    title : str
        What is being done.
    total : int
        Steps; 0 when they are not known.
    done : int
        Steps that are done.
    owner : object
        Whose work it is; it ends with them. None when it can end without them.
    left : set of str
        Keys of the owner's pictures that are still to be done.
    """

    title: str
    total: int
    worker: Any = None
    done: int = 0
    owner: Any = None
    left: set[str] = field(default_factory=set)


class Jobs:
    """Runs one job at a time in napari's ``thread_worker``.

    Parameters
    ----------
    changed : callable
        Told when a job begins, steps on or ends.
    alive : callable
        Whether there still is a window; without it nothing is told.
    """

    def __init__(self, changed: Callable[[], None], alive: Callable[[], bool]) -> None:
        self._changed = changed
        self._alive = alive
        self.current: Job | None = None

    def start(
        self,
        title: str,
        total: int,
        work: Callable[[], Iterator[Any]],
        on_step: Callable[[Any], None],
        on_end: Callable[[str], None],
        *,
        owner: Any = None,
        left: Iterable[str] = (),
        on_late: Callable[[Any], None] | None = None,
    ) -> Job:
        """Run a generator in a thread.

        Parameters
        ----------
        title, total, owner, left
            See `Job`.
        work : callable
            Gives the generator; what it yields is one step.
        on_step : callable
            Gets each step's value, in the window's thread.
        on_end : callable
            Gets ``""`` at the end, or why it ended early, in words for a person.
        on_late : callable, optional
            Gets the value of a step that ended after Cancel, where something must be closed.
        """
        from napari.qt.threading import create_worker

        self.cancel()
        title = plain(title)
        job = Job(title, total, owner=owner, left=set(left))
        facts = {"desc": title, "total": total}
        worker = create_worker(_generator(work), _start_thread=False, _progress=facts, _ignore_errors=True)
        job.worker, self.current = worker, job

        def step(value: Any) -> None:
            if self.current is job and self._alive():  # nothing of a cancelled job is taken over
                job.done += 1
                on_step(value)
                self._changed()
            elif on_late is not None:
                on_late(value)

        def end(reason: str) -> None:
            if self.current is job and self._alive():
                self.current = None
                on_end(reason)
                self._changed()

        worker.yielded.connect(step)
        worker.errored.connect(lambda error: end(message(error)))
        worker.finished.connect(lambda: end(""))
        worker.start()
        self._changed()
        return job

    def left_of(self, owner: Any) -> set[str]:
        """Pictures of somebody's that the running job has not come to yet."""
        return self.current.left if self.current is not None and self.current.owner is owner else set()

    def cancel_of(self, owner: Any) -> None:
        """End the job if it is somebody's who goes away."""
        if self.current is not None and self.current.owner is owner:
            self.cancel()

    def cancel(self) -> str:
        """End the job now as far as the window is concerned; its thread ends behind the step that it is in.

        Returns
        -------
        str
            Title of what was cancelled; ``""`` when nothing ran.
        """
        job, self.current = self.current, None
        if job is None:
            return ""
        job.worker.quit()
        self._changed()
        return job.title


class Lane:
    """Does small pieces of work in a thread, one at a time, without a word to the user.

    Parameters
    ----------
    alive : callable
        Whether there still is a window; without it nothing is told.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self._alive = alive
        self._worker: Any = None

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._worker is not None

    def start(self, work: Callable[[], Any], on_done: Callable[[Any, Exception | None], None]) -> None:
        """Do `work`; `on_done` gets its value, or the error that it raised, in the window's thread."""
        from superqt.utils import create_worker

        worker = create_worker(work, _start_thread=False, _ignore_errors=True)

        def end(value: Any, error: Exception | None) -> None:
            if self._worker is worker and self._alive():
                self._worker = None
                on_done(value, error)

        worker.returned.connect(lambda value: end(value, None))
        worker.errored.connect(lambda error: end(None, error))
        self._worker = worker
        worker.start()

    def forget(self) -> None:
        """Take no notice of what is under way."""
        self._worker = None


def _generator(work: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    # napari tells a generator function by looking at it, which a lambda or a partial would hide
    def steps() -> Iterator[Any]:
        yield from work()

    return steps

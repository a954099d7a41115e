"""Reviews that are being opened beside the window: one at a time, and none is left open that nobody took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from blur_tools.audit.session import AuditSession
from blur_tools.errors import BlurError
from blur_tools.napari._marks import marks_layer

__all__ = ["Opening"]


class Opening:
    """Makes reviews in threads, and holds each until the window takes it.

    A journal has one writer: what was made and not taken, because a person cancelled or opened something else, gives
    its journal up before the next one asks for its own.
    """

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._made: list[AuditSession] = []

    def steps(self, make: Callable[[], AuditSession]) -> Iterator[AuditSession | BlurError]:
        """Work for a thread.

        Yields
        ------
        AuditSession or BlurError
            What was made, or why it could not be.
        """
        outcome: AuditSession | BlurError
        with self._making:  # and no yield in it: what is cancelled may never be gone on with
            self.forget()
            marks_layer("")  # a process's first one loads napari's compiled loops, half a second
            try:
                made = outcome = make()
            except BlurError as error:
                outcome = error
            else:
                self._made.append(made)
        yield outcome

    def take(self, made: AuditSession) -> bool:
        """Whether it is still there; from now on it is the caller's."""
        try:
            self._made.remove(made)
        except ValueError:
            return False
        return True

    def drop(self, made: AuditSession | BlurError) -> None:
        """Close one that nobody will take."""
        if isinstance(made, AuditSession) and self.take(made):
            made.close()

    def forget(self) -> None:
        """Close all that nobody took."""
        for made in list(self._made):
            self.drop(made)

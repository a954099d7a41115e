"""Whether the file of a picture is still the one that a person or an engine saw."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Any

from blur_tools.batch.outputs import local_name

__all__ = ["CHANGED", "FileMark", "mark_of"]

CHANGED = "the file has changed since it was searched or decided on"

WHOLE = 1 << 20
"""Bytes up to which a file is read whole for its digest; of a larger one as many are read, spread over it."""
PARTS = 16


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells a file from another of the same name.

    Attributes
    ----------
    size : int
        Bytes.
    changed : int
        When it was written, in nanoseconds since 1970; a copy has another time.
    digest : str
        Of its content, or of parts of a large one; ``""`` where nobody has read it.
    """

    size: int
    changed: int
    digest: str = ""

    def is_of(self, other: FileMark) -> bool:
        """Whether both are marks of one content, as far as they tell."""
        if self.size != other.size or self.changed == other.changed:
            return self.size == other.size
        return "" in (self.digest, other.digest) or self.digest == other.digest

    def differs(self, source: Any) -> FileMark | None:
        """The mark of the file that is there now, where it is another one; None where it is the same or gone.

        Only a file with another time is read: to copy a folder changes none of its pictures.
        """
        now = mark_of(source, read=False)
        if now is None or (now.size, now.changed) == (self.size, self.changed):
            return None
        now = mark_of(source)
        return None if now is None or self.is_of(now) else now


def mark_of(source: Any, *, read: bool = True) -> FileMark | None:
    """The mark of a source that is a file on this machine; None for another, and where there is none."""
    path = local_name(source)
    if path is None:
        return None
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        return FileMark(status.st_size, max(status.st_mtime_ns, 0), _digest(path, status.st_size) if read else "")
    except OSError:
        return None


def _digest(path: str, size: int) -> str:
    digest = hashlib.sha256()
    part = WHOLE // PARTS
    with open(path, "rb") as file:
        if size <= WHOLE:
            digest.update(file.read(WHOLE))
        else:
            for number in range(PARTS):
                file.seek((size - part) * number // (PARTS - 1))
                digest.update(file.read(part))
    return digest.hexdigest()

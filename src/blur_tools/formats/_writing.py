"""A file is written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import BinaryIO

from blur_tools.errors import OutputError

__all__ = ["replacing", "sweep", "write_text"]

_TEMPORARY = re.compile(r"\.blur-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.tmp")
"""Machine, process, and what no other file has: other machines may write into the same folder."""

LONGEST_WRITTEN = 86_400.0
"""Seconds after which a temporary file of another machine is one that nobody writes any more."""


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, which replaces an older one at once when the block ends well; its folder is made.

    Parameters
    ----------
    path : path
        Where the file is to be.
    durable : bool
        Wait until it is on the disk.

    Raises
    ------
    OutputError
        It cannot be written; an older file stays. What the block raises passes through, and nothing is left either.
    """
    target = os.fspath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".blur-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        os.makedirs(folder or ".", exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def write_text(path: str | os.PathLike[str], parts: Iterable[str]) -> None:
    """Write text in UTF-8 part by part; see `replacing`."""
    with replacing(path, durable=True) as file:
        for part in parts:
            file.write(part.encode())


def sweep(folder: str | os.PathLike[str]) -> int:
    """Remove what processes that were killed left of files they were writing in a folder; the number of files."""
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match and _is_left(entry, match.group(1), int(match.group(2))):
                with suppress(OSError):
                    os.unlink(entry.path)
                    removed += 1
    return removed


def _is_left(entry: os.DirEntry[str], machine: str, process: int) -> bool:
    if machine == _machine() and os.name == "posix":  # elsewhere asking could end the process
        return not _runs(process)
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > LONGEST_WRITTEN
    return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@lru_cache(maxsize=1)
def _machine() -> str:
    """Whose process numbers a temporary file speaks of: containers of one machine have numbers of their own."""
    numbers = ""
    with suppress(OSError):
        numbers = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {numbers}".encode()).hexdigest()[:8]

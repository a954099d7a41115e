"""A file is written whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from blur_tools.errors import OutputError

__all__ = ["replacing", "write_text"]


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
    target = Path(path)
    temporary = target.with_name(f".{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def write_text(path: str | os.PathLike[str], parts: Iterable[str]) -> None:
    """Write text in UTF-8 part by part; see `replacing`."""
    with replacing(path, durable=True) as file:
        for part in parts:
            file.write(part.encode())

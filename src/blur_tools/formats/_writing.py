"""A label file is written whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from blur_tools.errors import OutputError

__all__ = ["write_text"]


def write_text(path: str | os.PathLike[str], parts: Iterable[str]) -> None:
    """Write text in UTF-8 part by part, replacing an older file at once and durably.

    Raises
    ------
    OutputError
        It cannot be written; an older file stays. What `parts` raises passes through, and nothing is left either.
    """
    target = Path(path)
    temporary = target.with_name(f".{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "w", encoding="utf-8", newline="\n") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error

"""Whether a file that is to be replaced is an earlier one of ours, and where a result that a table names lies."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from blur_tools.errors import OutputError

__all__ = ["refuse_foreign", "result_below"]

HEAD = 4096
"""Bytes in which a file of ours says what it is."""


def refuse_foreign(path: str | os.PathLike[str], mark: str, what: str) -> None:
    """Refuse to replace a file that is none of ours: a table, a key, labels that somebody has made.

    Parameters
    ----------
    path : path
        What is to be written.
    mark : str
        What stands at the beginning of every file of ours.
    what : str
        What such a file is, for the message.

    Raises
    ------
    OutputError
        There is another file, or it cannot be told.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{os.fspath(path)} cannot be written: {error.strerror}") from error
    if head and mark.encode() not in head:
        raise OutputError(f"{os.fspath(path)} is there and is no {what}; choose another name, or remove it")


def result_below(out: Path, blurred: str) -> tuple[str, Path]:
    """The name below the folder of the results, and the place, of what a table calls ``FOLDER/NAME``.

    The table can come from anywhere: nothing outside of the folder is read.

    Raises
    ------
    OutputError
        It is not below the folder, or no file of its own but a link.
    """
    name = blurred.partition("/")[2]
    parts = PurePosixPath(name).parts
    path = out / name
    if not parts or name.startswith("/") or ".." in parts or "/".join(parts) != name:
        raise OutputError(f"{blurred!r}: is no name of a result below {out}")
    if not path.resolve().is_relative_to(out.resolve()):
        raise OutputError(f"{blurred!r}: is not below {out}, but leads out of it by a link")
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
    except OSError as error:
        raise OutputError(f"{path}: the table names this result, and it cannot be read: {error.strerror}") from error
    if not regular:
        raise OutputError(f"{path}: the table names this result, and it is no file but a link or a device")
    return name, path

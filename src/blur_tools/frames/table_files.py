"""The tables of the command line: read and written."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from blur_tools.errors import SettingsError
from blur_tools.frames._edited import keep_edited

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "check_table_name",
    "read_table",
    "replace_table",
    "shortened",
    "table_path",
    "write_table",
]

LONGEST_SHOWN = 60

PART = 10_000
"""Rows of a table that become text at a time."""


def table_path(options: argparse.Namespace) -> Path:
    """Where the table of a run goes: as was said, else beside its results."""
    out: Path = options.out
    # "." and ".." have no name of their own
    path: Path = options.table or Path(f"{out if out.name not in ('', '..') else os.path.abspath(out)}.csv")
    check_table_name(path)
    return path


def check_table_name(path: Path) -> None:
    """Refuse what no table can be called; before the work, not after it.

    Raises
    ------
    SettingsError
        Another ending than .csv and .parquet, or a place where nothing can be written.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SettingsError("table", f"{path} must end in .csv or .parquet")
    parent = path.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if path.is_dir() or not parent.is_dir():
        raise SettingsError("table", f"{path} cannot be written there")


def read_table(path: Path) -> pd.DataFrame:
    """A table with the column image.

    Raises
    ------
    SettingsError
        There is none.
    """
    import pandas as pd

    check_table_name(path)
    try:
        # as text, and nothing but an empty cell is missing: a column of the user's own must come back as it was
        frame = (
            pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
            if path.suffix.lower() == ".csv"
            else pd.read_parquet(path)
        )
    except (OSError, ValueError) as error:
        raise SettingsError("table", f"{path} cannot be read: {error}") from error
    if "image" not in frame.columns:
        raise SettingsError("table", f"{path} has no column image; there are {', '.join(map(str, frame.columns))}")
    return frame


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all; as text a part at a time, for there can be many rows.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    from blur_tools.formats._writing import replacing

    with replacing(path) as file:
        if path.suffix.lower() == ".csv":
            for start in range(0, max(len(frame), 1), PART):
                part = _stored(frame.iloc[start : start + PART])
                file.write(part.to_csv(index=False, header=not start).encode())
        else:
            _stored(frame).to_parquet(file, index=False)


def replace_table(frame: pd.DataFrame, path: Path) -> None:
    """`write_table`, after what an older one has and this one has not is kept.

    Raises
    ------
    OutputError
        The older one cannot be kept, or this one not be written.
    """
    keep_edited(frame, path, read_table)
    write_table(frame, path)


def shortened(path: object) -> str:
    """A path as it is shown in a line of a table."""
    text = str(path).encode(errors="backslashreplace").decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN // 2]}…{text[-LONGEST_SHOWN // 2 :]}"


def _stored(frame: pd.DataFrame) -> pd.DataFrame:
    from blur_tools.batch.rows import storable

    return frame.assign(image=frame["image"].map(lambda image: storable(str(image)), na_action="ignore"))

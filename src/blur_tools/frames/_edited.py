"""A table that a person has edited is not lost when the run that wrote it is done again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blur_tools.batch.packed import Numbers, hashes
from blur_tools.errors import OutputError, SettingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["keep_edited"]


def keep_edited(new: pd.DataFrame, path: Path, read: Callable[[Path], pd.DataFrame]) -> None:
    """Keep the table that a new one is to replace, if it holds what the new one does not, and say so on the terminal.

    That is a column, or the detections of a picture: edited ones, or those of another run. It is kept beside itself
    with ``.bak`` behind its name, and no older one is replaced.

    Parameters
    ----------
    new : DataFrame
        To be written.
    path : Path
        Where to.
    read : callable
        Reads a table; SettingsError where it is none.

    Raises
    ------
    OutputError
        It cannot be kept.
    """
    if not os.path.isfile(path) or not path.stat().st_size:
        return
    try:
        old = read(path)
        lost = bool(set(old.columns) - set(new.columns)) or not np.isin(_said_in(old), _said_in(new)).all()
    except SettingsError:  # whatever it is, it is not ours
        lost = True
    if not lost:
        return
    from blur_tools.batch.outputs import write_atomic

    number, kept = 1, path.with_name(f"{path.name}.bak")
    while os.path.lexists(kept):
        number += 1
        kept = path.with_name(f"{path.name}.bak{number}")
    try:
        write_atomic(kept, path.read_bytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be kept as {kept}: {error.strerror or error}") from error
    sys.stderr.write(f"{path} held columns or detections that the new one does not; it is kept as {kept}\n")


def _said_in(frame: pd.DataFrame) -> Numbers:
    """Which detections a table has of which picture, each as a hash: both tables can be long."""
    from blur_tools.batch.rows import storable

    if "detections" not in frame.columns:
        return hashes(())
    told = zip(frame["image"], frame["detections"], frame["detections"].notna(), strict=True)
    return hashes((storable(str(image)), str(found)) for image, found, there in told if there)

"""The pictures of a finished run that a sample is drawn from: what each is called, and what was found in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._sources import files_of
from blur_tools.batch.columns import cells_of, find_column, known_column
from blur_tools.batch.outputs import local_name
from blur_tools.detections import Detections
from blur_tools.errors import DetectionsError
from blur_tools.sources import Source

__all__ = ["Population", "canonical", "name_of", "population_of", "strata_of", "text_of"]


@dataclass(frozen=True)
class Population:
    """The pictures that a run has finished, each once.

    Attributes
    ----------
    column : label
        Where the pictures stand.
    rows : list of int
        Position of each picture's first row in the table.
    names : list of str
        What each is called in the draw.
    found : list of str
        The run's detections of each, as `canonical` text.
    left_out : int
        Rows of pictures that failed, were skipped or have no detections: nothing was published of them.
    root : str
        Folder that the names of files are relative to: a run that is moved gives the same sample.
    """

    column: Hashable
    rows: list[int]
    names: list[str]
    found: list[str]
    left_out: int
    root: str

    @cached_property
    def digest(self) -> str:
        """Of everything that a draw depends on, whatever the order of the rows."""
        digest = hashlib.sha256()
        for name, found in sorted(zip(self.names, self.found, strict=True)):
            digest.update(hashlib.sha256(os.fsencode(name)).digest() + hashlib.sha256(found.encode()).digest())
        return digest.hexdigest()


def population_of(frame: pd.DataFrame, column: Hashable | None = None) -> Population:
    """The pictures of a run's table that a sample can be drawn from.

    Raises
    ------
    SettingsError
        No column of pictures, or none with detections.
    DetectionsError
        Two rows of one picture say different things.
    """
    name = find_column(frame, column)
    known_column(frame, "detections", "detections")
    texts = cells_of(frame["detections"])
    states = cells_of(frame["status"]) if "status" in frame.columns else ["ok"] * len(frame)
    rows: list[int] = []
    names: dict[str, str] = {}
    left_out = 0
    cells = cells_of(frame[name])
    root = _root([cell for cell, text, state in zip(cells, texts, states, strict=True) if text and state == "ok"])
    for position, (cell, text, state) in enumerate(zip(cells, texts, states, strict=True)):
        if cell is None or text is None or state != "ok":
            left_out += 1
            continue
        own, text = name_of(cell, root), canonical(text)
        if own not in names:
            rows.append(position)
        elif names[own] != text:
            raise DetectionsError(f"row {frame.index[position]!r}: another row of this picture has other detections")
        names[own] = text
    return Population(name, rows, list(names), list(names.values()), left_out, root)


def canonical(text: str) -> str:
    """Detections as they are always written: spaces and the order of entries in a cell say nothing."""
    return Detections.from_json(text).to_json()


def _root(cells: Sequence[Any]) -> str:
    """The folder that all files share, whether they are there or not; ``""`` without one."""
    folders = {os.path.dirname(path) for path in files_of(cells) if path is not None}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""  # different drives


def name_of(cell: Any, root: str) -> str:
    """What a picture is called in the draw, the same on every machine."""
    path = local_name(cell)
    if path is not None and root:
        return os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
    if isinstance(cell, str | os.PathLike):
        return os.fsdecode(cell)
    if isinstance(cell, Source):
        return cell.digest
    if isinstance(cell, Mapping):
        path, data = cell.get("path"), cell.get("bytes")
        return f"{path} {hashlib.sha256(data or b'').hexdigest()}"
    if isinstance(cell, bytes | bytearray | memoryview):
        return hashlib.sha256(cell).hexdigest()
    array = np.ascontiguousarray(cell)
    return hashlib.sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).hexdigest()


def strata_of(frame: pd.DataFrame, strata: Hashable, people: Population) -> list[str]:
    known_column(frame, strata, "strata")
    values = cells_of(frame[strata])
    return [text_of(values[row]) for row in people.rows]


def text_of(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)

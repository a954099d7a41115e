"""The numbers of a report, as JSON can say them; nothing of them is a plate's text, a person's name or a pixel."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._facts import Pseudonyms, engine_of
from blur_tools.audit._sizes import stored_frame
from blur_tools.audit._sources import common_root, files_of
from blur_tools.audit._state import is_persons
from blur_tools.audit.coverage import HEIGHTS
from blur_tools.batch.columns import cells_of, find_column, known_column, once
from blur_tools.batch.rows import storable
from blur_tools.detections import KINDS, Detections
from blur_tools.errors import PictureError
from blur_tools.orientation import point_to_upright, upright_size
from blur_tools.sources import Source, is_url, shown_place

__all__ = [
    "LISTED",
    "Run",
    "Safe",
    "counted",
    "failures",
    "places",
    "review",
    "run_of",
    "scores",
    "sizes",
    "verification",
]

LISTED = 50
"""Failures and problems that are told one by one; the others are in the table."""

SCORE_STEPS = 20
GRID = (24, 16)
"""Columns and rows of the map of where detections are."""

HIDDEN_TEXT = "(not shown: it holds what stands on a plate)"
SHORTEST_TEXT = 3
SOME_PATH = "(a path)"
_PATHS = re.compile(
    r"""(?<=')(?:/|[A-Za-z]:[\\/])[^']*(?=')|(?<=")(?:/|[A-Za-z]:[\\/])[^"]*(?=")"""  # quoted, also with spaces
    r"""|(?<![\w.:/\\<])(?:/(?=[^\s/])|[A-Za-z]:[\\/])[^\s'",;]*"""
)
"""Absolute paths: they say who somebody is."""
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Run:
    """A table of a run, each picture once.

    Attributes
    ----------
    cells, names : list
        The pictures, and what they are called.
    found : list of (Detections or None)
        What was found in each.
    columns : dict of str to list
        The run's other columns, as text or None.
    rows : int
        Rows of the table.
    safe : Safe
        Takes plates' texts out of what is shown.
    named : bool
        Whether pictures are shown by their names.
    """

    cells: list[Any]
    names: list[str]
    found: list[Detections | None]
    columns: dict[str, list[str | None]]
    rows: int
    safe: Safe
    named: bool = True

    def name(self, i: int) -> str:
        """What a picture is called in the report."""
        return self.safe.text(self.names[i]) if self.named and self.names[i] else f"picture {i + 1}"

    def told(self, i: int, text: str) -> str:
        """A message about a picture, with what it is called here in place of where it lies."""
        name, path = self.name(i), _path_of(self.cells[i])
        words = [path]
        if not (self.named and self.names[i]):  # its result is called so, too
            base = os.path.basename(path)
            words += [self.names[i], base, os.path.splitext(base)[0]]
        for word in words:
            for written in (word, repr(word)[1:-1], storable(word)):
                text = text.replace(written, name) if len(word) >= SHORTEST_TEXT else text
        return self.text(text)

    def text(self, text: str) -> str:
        """Any text of the table: without a plate's text, and without where on this machine something lies."""
        return self.safe.text(_PATHS.sub(SOME_PATH, text))

    def done(self) -> list[int]:
        """Positions of the pictures that were done."""
        return [i for i, status in enumerate(self.columns["status"]) if status == "ok" and self.found[i] is not None]


@dataclass(frozen=True)
class Safe:
    """Lets no text through that holds the text of a plate of this run."""

    plates: frozenset[str] = frozenset()
    lengths: frozenset[int] = frozenset()

    @classmethod
    def of(cls, found: Iterable[Detections | None]) -> Safe:
        texts = {_bare(item.text) for items in found if items is not None for item in items if item.text}
        known = frozenset(text for text in texts if len(text) >= SHORTEST_TEXT)
        return cls(known, frozenset(map(len, known)))

    def text(self, text: str) -> str:
        bare = _bare(text)
        parts = {bare[i : i + n] for n in self.lengths for i in range(len(bare) - n + 1)}
        return storable(text) if self.plates.isdisjoint(parts) else HIDDEN_TEXT


def _path_of(cell: Any) -> str:
    """The path, or the name, that a cell says; ``""`` where it says none."""
    if isinstance(cell, Mapping):
        cell = cell.get("path")
    elif isinstance(cell, Source):
        cell = cell.name
    return os.fsdecode(cell) if isinstance(cell, str | os.PathLike) else ""


def _bare(text: str) -> str:
    return _SIGNS.sub("", text).casefold()


def run_of(frame: pd.DataFrame, column: Hashable | None, *, names: bool) -> Run:
    """Read the table of a run.

    Raises
    ------
    SettingsError, DetectionsError
        No column of pictures or of detections, or a cell that cannot be read.
    """
    known_column(frame, "detections", "detections")
    cells = cells_of(frame[find_column(frame, column)])
    _, places = once(cells)
    first = list({place: row for row, place in reversed(list(enumerate(places))) if cells[row] is not None}.values())
    first.sort()
    texts = cells_of(frame["detections"])
    found = [None if texts[row] is None else Detections.from_json(texts[row]) for row in first]
    wanted = ("blurred", "method", "status", "error", "decision", "reviewer", "verdict", "outside", "leaks", "missed",
              "problems")  # fmt: skip
    columns: dict[str, list[str | None]] = {}
    for name in wanted:
        values = cells_of(frame[name]) if name in frame.columns else [None] * len(frame)
        columns[name] = [None if values[row] is None else str(values[row]) for row in first]
    if "status" not in frame.columns:
        columns["status"] = ["ok" if items is not None else "skipped" for items in found]
    safe = Safe.of(found)
    pictures = [cells[row] for row in first]
    files = files_of(pictures)
    root = common_root(files)
    start = "" if root is None else f"{root}{os.sep}"
    called = [
        file.removeprefix(start) if file is not None else shown_place(cell) if isinstance(cell, str) else ""
        for cell, file in zip(pictures, files, strict=True)
    ]
    return Run(pictures, called, found, columns, len(frame), safe, names)


def counted(run: Run) -> dict[str, Any]:
    """How many pictures and objects, and how they were written."""
    done = run.done()
    items = [item for i in done for item in run.found[i] or ()]
    states = Counter(run.columns["status"])
    return {
        "rows": run.rows,
        "pictures": len(run.cells),
        "done": len(done),
        "failed": states["failed"],
        "skipped": len(run.cells) - len(done) - states["failed"],
        "empty": sum(not run.found[i] for i in done),
        **{f"{kind}s": sum(item.kind == kind for item in items) for kind in KINDS},
        "kept": sum(item.keep for item in items),
        "methods": dict(Counter(run.text(method) for i in done if (method := run.columns["method"][i])).most_common()),
        "engines": dict(Counter(run.text(engine_of(item)) for item in items).most_common()),
    }


def failures(run: Run) -> list[dict[str, str]]:
    """The first failures: which picture, and why."""
    listed: list[dict[str, str]] = []
    for i, status in enumerate(run.columns["status"]):
        if status == "failed" and len(listed) < LISTED:
            listed.append({"picture": run.name(i), "error": run.told(i, run.columns["error"][i] or "")})
    return listed


def scores(run: Run) -> dict[str, Any]:
    """Histograms of scores by kind."""
    result: dict[str, Any] = {"edges": [round(i / SCORE_STEPS, 3) for i in range(SCORE_STEPS + 1)]}
    for kind in KINDS:
        items = [item for i in run.done() for item in run.found[i] or () if item.kind == kind]
        values = [item.score for item in items if item.score is not None]
        counts, _ = np.histogram(values, bins=SCORE_STEPS, range=(0, 1))
        result[kind] = {"counts": counts.tolist(), "without": len(items) - len(values)}
    return result


def sizes(run: Run, heights: Sequence[float] = HEIGHTS) -> dict[str, Any]:
    """Numbers of objects by the height of their box in pixels."""
    edges = [0.0, *heights, math.inf]
    labels = [f"<{heights[0]:g}", *(f"{low:g}–{high:g}" for low, high in pairwise(heights)), f"≥{heights[-1]:g}"]
    result: dict[str, Any] = {"labels": labels}
    for kind in KINDS:
        values = [i.box[3] - i.box[1] for n in run.done() for i in run.found[n] or () if i.kind == kind]
        result[kind] = [sum(low <= value < high for value in values) for low, high in pairwise(edges)]
    return result


def places(run: Run) -> dict[str, Any]:
    """Where in the frame the middles of detections are, as a person sees the picture: counts by row and column."""
    columns, rows = GRID
    maps = {kind: np.zeros((rows, columns), int) for kind in KINDS}
    unknown = 0
    for i in run.done():
        items = run.found[i] or Detections()
        if not items or is_url(run.cells[i]):  # a URL is not fetched for a plot
            unknown += bool(items)
            continue
        try:
            size, orientation = stored_frame(run.cells[i])
        except PictureError:
            unknown += 1
            continue
        width, height = upright_size(size, orientation)
        for item in items:
            xmin, ymin, xmax, ymax = item.box
            x, y = point_to_upright(((xmin + xmax) / 2, (ymin + ymax) / 2), size, orientation)
            column = min(max(int(x / width * columns), 0), columns - 1)
            maps[item.kind][min(max(int(y / height * rows), 0), rows - 1), column] += 1
    return {"unknown": unknown, **{kind: counts.tolist() for kind, counts in maps.items()}}


def review(run: Run, names: Pseudonyms) -> dict[str, Any] | None:
    """What persons decided and drew; None where nobody reviewed."""
    decisions = Counter(run.text(decision or "unreviewed") for decision in run.columns["decision"])
    drawn = sum(is_persons(item) for items in run.found if items is not None for item in items)
    if set(decisions) <= {"unreviewed"} and not drawn:
        return None
    return {
        "decisions": dict(decisions),
        "reviewers": [run.text(name) for name in names.met(run.columns["reviewer"])],
        "drawn": drawn,
    }


def verification(run: Run) -> dict[str, Any] | None:
    """What ``verify`` has put into the table; None where it was not run."""
    verdicts = Counter(run.text(verdict) for verdict in run.columns["verdict"] if verdict)
    if not verdicts:
        return None
    problems = [(i, problem) for i, problem in enumerate(run.columns["problems"]) if problem]
    listed = [{"picture": run.name(i), "problem": run.told(i, problem)} for i, problem in problems[:LISTED]]
    return {
        "verdicts": dict(verdicts),
        "outside": dict(Counter(run.text(outside) for outside in run.columns["outside"] if outside)),
        "leaks": sum(int(float(value)) for value in run.columns["leaks"] if value),
        "missed": sum(int(float(value)) for value in run.columns["missed"] if value),
        "problems": listed,
        "problem_count": len(problems),
    }

"""A random sample of a finished run, looked at by a person: how much was missed, with what certainty.

The sample is blind unless it is asked otherwise: a reviewer sees the picture without what the run found, and draws
every plate and face. Who sees marks looks at the marks; what was missed must be found by an eye that does not know.
It is then measured how much of each drawn object the run has hidden.

A sample cannot be drawn again until it pleases: the order of the draw follows from the table of the run alone, a larger
sample begins with the smaller one, and `measure` refuses a sample that is not the one which the run gives. A seed of
one's own is possible, and said in every result.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._items import FINISHED
from blur_tools.audit._measured import HIDDEN_AT, Looked, SampleBounds, look_at, summarize
from blur_tools.audit._sources import files_of
from blur_tools.audit.coverage import HEIGHTS
from blur_tools.batch.columns import cells_of, find_column, known_column, text_dtype
from blur_tools.batch.outputs import local_name
from blur_tools.batch.rows import COLUMNS
from blur_tools.detections import Detections
from blur_tools.errors import AuditError, DetectionsError, SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings
from blur_tools.sources import Source

__all__ = ["SAMPLE_COLUMNS", "SampleBounds", "check_same_run", "draw_sample", "measure", "population_of"]

SAMPLE_COLUMNS = (
    "run_detections", "sample_place", "sample_stratum", "sample_strata", "sample_seed", "sample_population",
    "sample_blind",
)  # fmt: skip
"""Columns that a sample has beside those of its run's table."""

_BY_TABLE, _BY_HAND = "table:", "given:"
_REVIEWED = ("decision", "reviewer", "decided_at")


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
        The run's detections of each, as lossless JSON text.
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
        own = _name(cell, root)
        if own not in names:
            rows.append(position)
        elif names[own] != text:
            raise DetectionsError(f"row {frame.index[position]!r}: another row of this picture has other detections")
        names[own] = text
    return Population(name, rows, list(names), list(names.values()), left_out, root)


def draw_sample(
    frame: pd.DataFrame,
    n: int,
    column: Hashable | None = None,
    *,
    strata: Hashable | None = None,
    seed: str | int | None = None,
    blind: bool = True,
) -> pd.DataFrame:
    """Draw pictures of a finished run for a person to look at.

    Parameters
    ----------
    frame : DataFrame
        The run's table.
    n : int
        How many pictures; of fewer all are taken.
    column : label, optional
        The column with the pictures.
    strata : label, optional
        A column whose values are sampled in proportion to their numbers, at least two pictures each, so that none is
        forgotten. Bounds over all strata are wider than those of a plain sample.
    seed : str or int, optional
        By default the order of the draw follows from the table, and nobody can choose it.
    blind : bool
        Hide from the reviewer what the run has found.

    Returns
    -------
    DataFrame
        The drawn rows in the order of the draw, with the index and columns of `frame` but the run's own;
        ``run_detections`` is what the run found, ``detections`` what the review begins with: nothing if `blind`.
        ``sample_place``, ``_stratum``, ``_strata`` (the column's name), ``_seed``, ``_population`` (pictures in the
        stratum) and ``_blind`` say how it was drawn. ``AuditSession.open(sample)`` opens it in this order.

    Raises
    ------
    AuditError
        Nothing to draw from, or no number of pictures.
    SettingsError, DetectionsError
        As for `population_of`; an unknown column of `strata`.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise AuditError(f"n: {n!r} is not a number of pictures")
    people = population_of(frame, column)
    if not people.rows:
        raise AuditError("there is nothing to draw from: no row of the table is done and has detections")
    said = _BY_TABLE + _digest(people) if seed is None else f"{_BY_HAND}{seed}"
    strata_of = [""] * len(people.rows) if strata is None else _strata(frame, strata, people)
    order = sorted(range(len(people.rows)), key=lambda i: _rank(said, people.names[i]))
    sizes = {stratum: strata_of.count(stratum) for stratum in sorted(set(strata_of))}
    shares = _shares(sizes, int(n), few=strata is not None)
    taken: dict[str, int] = dict.fromkeys(sizes, 0)
    chosen = []
    for i in order:
        if taken[strata_of[i]] < shares[strata_of[i]]:
            taken[strata_of[i]] += 1
            chosen.append(i)
    gone = [*COLUMNS, *_REVIEWED, *SAMPLE_COLUMNS]
    sample = frame.iloc[[people.rows[i] for i in chosen]]
    sample = sample.drop(columns=[name for name in gone if name in sample.columns and name != people.column])
    found = [people.found[i] for i in chosen]
    values: dict[str, list[Any]] = {
        "detections": [Detections().to_json()] * len(chosen) if blind else found,
        "run_detections": found,
        "sample_place": list(range(1, len(chosen) + 1)),
        "sample_stratum": [strata_of[i] for i in chosen],
        "sample_strata": ["" if strata is None else str(strata)] * len(chosen),
        "sample_seed": [said] * len(chosen),
        "sample_population": [sizes[strata_of[i]] for i in chosen],
        "sample_blind": [bool(blind)] * len(chosen),
    }
    kinds = {"sample_place": "int64", "sample_population": "int64", "sample_blind": "bool"}
    for name, cells in values.items():
        sample[name] = pd.Series(cells, index=sample.index, dtype=kinds.get(name, text_dtype()))
    return sample


def measure(
    frame: pd.DataFrame,
    sample: pd.DataFrame,
    column: Hashable | None = None,
    *,
    settings: BlurSettings | None = None,
    level: float = 0.95,
    hidden_at: float = HIDDEN_AT,
    heights: Sequence[float] = HEIGHTS,
    largest: float | None = None,
    **params: Any,
) -> SampleBounds:
    """What a reviewed sample says of its run.

    Counted are the pictures up to the first, in the order of the draw, that nobody has decided on: a person may leave
    out what is hard to judge, and a sample without its hard pictures proves nothing. A flagged picture counts as one
    that shows something.

    Parameters
    ----------
    frame : DataFrame
        The run's table, with which the sample is compared.
    sample : DataFrame
        As `draw_sample` made it and a review gave it back (``session.to_frame()``).
    column : label, optional
        The column with the pictures.
    settings, **params
        As the results were made: they say where regions are.
    level : float
        Confidence of each bound, one-sided.
    hidden_at : float
        From which hidden share of its area on an object counts as hidden.
    heights : sequence of float
        Edges of the size buckets, in pixels of the drawn objects' height.
    largest : float, optional
        At most so many misses of one picture are counted for the recall of objects; by default as many objects as the
        run has found in one picture of the population.

    Raises
    ------
    AuditError
        It is not the sample that this run gives, or nothing of it was reviewed.
    PictureError
        A picture of the sample cannot be read.
    """
    for name in SAMPLE_COLUMNS:
        if name not in sample.columns:
            raise AuditError(f"the table has no column {name!r}: it is no sample, or has lost how it was drawn")
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    if largest is not None and not 0 < largest < np.inf:
        raise SettingsError("largest", f"{largest} is no number of misses")
    if not 0 < level < 1 or not 0 < hidden_at <= 1:
        raise SettingsError(
            "level", f"a confidence below 1 and a share up to 1 are needed, not {level} and {hidden_at}"
        )
    people = population_of(frame, column)
    _check(frame, people, sample, find_column(sample, column))
    cells = {name: cells_of(sample[name]) for name in (find_column(sample, column), "detections", "run_detections")}
    decisions = cells_of(sample["decision"]) if "decision" in sample.columns else [None] * len(sample)
    looked: list[Looked] = []
    for source, drawn, ran, decision, stratum in zip(
        *cells.values(), decisions, cells_of(sample["sample_stratum"]), strict=True
    ):
        if decision not in (*FINISHED, "flagged"):
            break
        truth = Detections.from_json(drawn) if drawn is not None else Detections()
        looked.append(
            look_at(source, truth, Detections.from_json(ran), wanted, hidden_at, str(stratum or ""), decision)
        )
    if not looked:
        raise AuditError("nobody has decided on the first picture of the sample: there is nothing to tell from")
    later = sum(decision in (*FINISHED, "flagged") for decision in decisions[len(looked) :])
    sizes = dict(zip(map(_text, sample["sample_stratum"]), map(int, sample["sample_population"]), strict=True))
    found = [Detections.from_json(text) for text in people.found]
    return summarize(
        looked,
        found,
        sizes=sizes,
        drawn=len(sample),
        unused=later,
        seed=str(sample["sample_seed"].iloc[0]),
        blind=_true(sample["sample_blind"].iloc[0]),
        left_out=people.left_out,
        level=level,
        hidden_at=hidden_at,
        heights=tuple(heights),
        largest=largest,
    )


def check_same_run(frame: pd.DataFrame, bounds: SampleBounds, column: Hashable | None = None) -> None:
    """Refuse bounds that were measured on another run than the one of this table.

    Raises
    ------
    AuditError
        They were; or the table has changed since.
    """
    people = population_of(frame, column)
    other = bounds.seed.startswith(_BY_TABLE) and bounds.seed != _BY_TABLE + _digest(people)
    if other or bounds.population != len(people.names):
        raise AuditError("the bounds are of another run, or the table of the run has changed since they were measured")


def _check(frame: pd.DataFrame, people: Population, sample: pd.DataFrame, column: Hashable) -> None:
    """Refuse a sample that the table of the run does not give.

    Raises
    ------
    AuditError
        What is wrong with it.
    """
    seeds, columns = ({_text(cell) for cell in sample[name]} for name in ("sample_seed", "sample_strata"))
    seed, strata = next(iter(seeds), ""), next(iter(columns), "")
    if len(seeds) != 1 or len(columns) != 1 or not seed.startswith((_BY_TABLE, _BY_HAND)):
        raise AuditError("the rows are not of one sample: sample_seed differs, or is none of ours")
    if seed.startswith(_BY_TABLE) and seed != _BY_TABLE + _digest(people):
        raise AuditError(
            "the sample is of another run, or the table of the run has changed since it was drawn: its pictures and "
            "detections must be those that were sampled"
        )
    found = dict(zip(people.names, people.found, strict=True))
    names = [_name(cell, people.root) for cell in cells_of(sample[column])]
    for place, (name, ran) in enumerate(zip(names, cells_of(sample["run_detections"]), strict=True), start=1):
        if found.get(name) != ran:
            raise AuditError(f"place {place} of the sample: the run has no such picture, or found something else")
    ranks = [_rank(seed, name) for name in names]
    if len(set(names)) != len(names) or ranks != sorted(ranks):
        raise AuditError("the rows of the sample are not in the order of the draw, or one stands twice")
    own = _strata(frame, _label(frame, strata), people) if strata else [""] * len(people.names)
    members: dict[str, list[bytes]] = {}
    for name, stratum in zip(people.names, own, strict=True):
        members.setdefault(stratum, []).append(_rank(seed, name))
    said = {_text(stratum): int(size) for stratum, size in zip(sample["sample_stratum"], sample["sample_population"],
                                                               strict=True)}  # fmt: skip
    if said != {stratum: len(one) for stratum, one in members.items()}:
        raise AuditError("the sample's strata, or the numbers of pictures in them, are not those of the run")
    drawn: dict[str, list[bytes]] = {}
    for rank, stratum in zip(ranks, sample["sample_stratum"], strict=True):
        drawn.setdefault(_text(stratum), []).append(rank)
    if any(sorted(members[stratum])[: len(one)] != one for stratum, one in drawn.items()):
        raise AuditError("a picture that was drawn is not in the sample: it must be complete")


def _label(frame: pd.DataFrame, text: str) -> Hashable:
    """The column that is called so; a table of text has only text for labels."""
    label: Hashable = next((name for name in frame.columns if str(name) == text), text)
    return label


def _root(cells: Sequence[Any]) -> str:
    """The folder that all files share, whether they are there or not; ``""`` without one."""
    folders = {os.path.dirname(path) for path in files_of(cells) if path is not None}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:
        return ""  # different drives


def _name(cell: Any, root: str) -> str:
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


def _digest(people: Population) -> str:
    """Of everything that a draw depends on, whatever the order of the rows."""
    digest = hashlib.sha256()
    for name, found in sorted(zip(people.names, people.found, strict=True)):
        digest.update(hashlib.sha256(os.fsencode(name)).digest() + hashlib.sha256(found.encode()).digest())
    return digest.hexdigest()


def _rank(seed: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0".encode() + os.fsencode(name)).digest()


def _strata(frame: pd.DataFrame, strata: Hashable, people: Population) -> list[str]:
    known_column(frame, strata, "strata")
    values = cells_of(frame[strata])
    return [_text(values[row]) for row in people.rows]


def _shares(sizes: Mapping[str, int], n: int, *, few: bool) -> dict[str, int]:
    """How many of each stratum: in proportion, the largest remainders rounded up, at least two of each."""
    total = sum(sizes.values())
    n = min(n, total)
    exact = {name: n * size / total for name, size in sizes.items()}
    shares = {name: int(value) for name, value in exact.items()}
    rest = sorted(sizes, key=lambda name: shares[name] - exact[name])
    for name in rest[: n - sum(shares.values())]:
        shares[name] += 1
    return {name: min(size, max(shares[name], 2 if few else 0)) for name, size in sizes.items()}


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1")  # a CSV has only text

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
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._facts import plain_settings
from blur_tools.audit._items import FINISHED
from blur_tools.audit._measured import Looked, look_at, summarize
from blur_tools.audit._population import Population, canonical, name_of, population_of, strata_of, text_of
from blur_tools.audit._sample_bounds import BY_HAND, BY_TABLE, HIDDEN_AT, SampleBounds
from blur_tools.audit.coverage import HEIGHTS
from blur_tools.batch.columns import cells_of, find_column, text_dtype
from blur_tools.batch.rows import COLUMNS
from blur_tools.detections import KINDS, Detections
from blur_tools.errors import AuditError, SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["SAMPLE_COLUMNS", "SampleBounds", "check_same_run", "draw_sample", "is_true", "measure", "population_of"]

SAMPLE_COLUMNS = (
    "run_detections", "sample_place", "sample_stratum", "sample_strata", "sample_seed", "sample_population",
    "sample_blind", "sample_size", "sample_planned",
)  # fmt: skip
"""Columns that a sample has beside those of its run's table."""

_REVIEWED = ("decision", "reviewer", "decided_at")
EACH = 2
"""Pictures of each stratum that a stratified sample has at least."""


def draw_sample(
    frame: pd.DataFrame,
    n: int,
    column: Hashable | None = None,
    *,
    strata: Hashable | None = None,
    seed: str | int | None = None,
    blind: bool = True,
    enlarges: int | None = None,
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
    enlarges : int, optional
        How many were drawn at first, where this goes on with a sample that somebody has begun to look at. The exact
        bound on pictures is only of a sample whose size was settled before.

    Returns
    -------
    DataFrame
        The drawn rows in the order of the draw, with the index and columns of `frame` but the run's own;
        ``run_detections`` is what the run found, ``detections`` what the review begins with: nothing if `blind`.
        ``sample_place``, ``_stratum``, ``_strata`` (the column's name), ``_seed``, ``_population`` (pictures in the
        stratum), ``_blind``, ``_size`` (rows drawn) and ``_planned`` (drawn at first) say how it was drawn. The first
        rows of a larger sample are those of a smaller one. ``AuditSession.open(sample)`` opens it in this order.

    Raises
    ------
    AuditError
        Nothing to draw from, or no number of pictures.
    SettingsError, DetectionsError
        As for `population_of`; an unknown column of `strata`.
    """
    for word, number in (("n", n), ("enlarges", n if enlarges is None else enlarges)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise AuditError(f"{word}: {number!r} is not a number of pictures")
    people = population_of(frame, column)
    if not people.rows:
        raise AuditError("there is nothing to draw from: no row of the table is done and has detections")
    said = BY_TABLE + people.digest if seed is None else f"{BY_HAND}{seed}"
    stratum = [""] * len(people.rows) if strata is None else strata_of(frame, strata, people)
    sizes = Counter(stratum)
    least = 0 if strata is None else sum(min(size, EACH) for size in sizes.values())
    chosen = _order(people.names, stratum, said)[: max(int(n), least)]
    gone = [*COLUMNS, *_REVIEWED, *SAMPLE_COLUMNS]
    sample = frame.iloc[[people.rows[i] for i in chosen]]
    sample = sample.drop(columns=[name for name in gone if name in sample.columns and name != people.column])
    found = [people.found[i] for i in chosen]
    values: dict[str, list[Any]] = {
        "detections": [Detections().to_json()] * len(chosen) if blind else found,
        "run_detections": found,
        "sample_place": list(range(1, len(chosen) + 1)),
        "sample_stratum": [stratum[i] for i in chosen],
        "sample_strata": ["" if strata is None else str(strata)] * len(chosen),
        "sample_seed": [said] * len(chosen),
        "sample_population": [sizes[stratum[i]] for i in chosen],
        "sample_blind": [bool(blind)] * len(chosen),
        "sample_size": [len(chosen)] * len(chosen),
        "sample_planned": [len(chosen) if enlarges is None else min(int(enlarges), len(chosen))] * len(chosen),
    }
    numbers = dict.fromkeys(("sample_place", "sample_population", "sample_size", "sample_planned"), "int64")
    kinds = {**numbers, "sample_blind": "bool"}
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
        No picture has more misses than this, which the bounds on objects take for granted; by default as many objects
        as were found or drawn in any picture, and 10 at least.

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
    sizes = dict(zip(map(text_of, sample["sample_stratum"]), map(int, sample["sample_population"]), strict=True))
    found = [Detections.from_json(text) for text in people.found]
    first = sample.iloc[0]
    return summarize(
        looked,
        found,
        sizes=sizes,
        drawn=len(sample),
        unused=later,
        planned=int(first["sample_planned"]),
        seed=str(first["sample_seed"]),
        blind=is_true(first["sample_blind"]),
        left_out=people.left_out,
        level=level,
        hidden_at=hidden_at,
        heights=tuple(heights),
        largest=largest,
        settings=_hiding(wanted),
        run=people.digest,
    )


def check_same_run(
    frame: pd.DataFrame, bounds: SampleBounds, settings: BlurSettings, column: Hashable | None = None
) -> None:
    """Refuse bounds that were measured on another run than the one of this table, or as if it was made otherwise.

    Raises
    ------
    AuditError
        They were; or the table has changed since.
    """
    people = population_of(frame, column)
    if bounds.run != people.digest:
        raise AuditError("the bounds are of another run, or the table of the run has changed since they were measured")
    own = _hiding(settings)
    if others := [name for name, value in own.items() if bounds.settings.get(name) != value]:
        raise AuditError(f"the bounds were measured with other settings ({', '.join(others)}): give the run's to both")


def _hiding(settings: BlurSettings) -> dict[str, Any]:
    """The settings that say where something is hidden, and how."""
    said = plain_settings(settings)
    return {name: said[name] for name in ("effect", *(f"{kind}s" for kind in KINDS), "shape", "feather", "margin")}


def _check(frame: pd.DataFrame, people: Population, sample: pd.DataFrame, column: Hashable) -> None:
    """Refuse a sample that the table of the run does not give.

    Raises
    ------
    AuditError
        What is wrong with it.
    """
    seeds, columns = ({text_of(cell) for cell in sample[name]} for name in ("sample_seed", "sample_strata"))
    seed, strata = next(iter(seeds), ""), next(iter(columns), "")
    if len(seeds) != 1 or len(columns) != 1 or not seed.startswith((BY_TABLE, BY_HAND)):
        raise AuditError("the rows are not of one sample: sample_seed differs, or is none of ours")
    if seed.startswith(BY_TABLE) and seed != BY_TABLE + people.digest:
        raise AuditError(
            "the sample is of another run, or the table of the run has changed since it was drawn: its pictures and "
            "detections must be those that were sampled"
        )
    found = dict(zip(people.names, people.found, strict=True))
    names = [name_of(cell, people.root) for cell in cells_of(sample[column])]
    for place, (name, ran) in enumerate(zip(names, cells_of(sample["run_detections"]), strict=True), start=1):
        if ran is None or found.get(name) != canonical(ran):
            raise AuditError(f"place {place} of the sample: the run has no such picture, or found something else")
    own = strata_of(frame, _label(frame, strata), people) if strata else [""] * len(people.names)
    stratum, counts = dict(zip(people.names, own, strict=True)), Counter(own)
    said = zip(map(text_of, sample["sample_stratum"]), map(_number, sample["sample_population"]), strict=True)
    if list(said) != [(stratum[name], counts[stratum[name]]) for name in names]:
        raise AuditError("the sample's strata, or the numbers of pictures in them, are not those of the run")
    order = [people.names[i] for i in _order(people.names, own, seed)]
    if names != order[: len(names)]:
        raise AuditError(
            "the rows of the sample are not those of the draw in its order: it must be complete, and none stand twice"
        )
    sizes = {(_number(size), _number(planned)) for size, planned in zip(sample["sample_size"],
             sample["sample_planned"], strict=True)}  # fmt: skip
    size, planned = next(iter(sizes), (0, 0))
    if len(sizes) != 1 or size != len(sample) or not 0 < planned <= size:
        raise AuditError(f"the sample has {len(sample)} rows, and {size} were drawn: it must be complete")


def _order(names: Sequence[str], strata: Sequence[str], seed: str) -> list[int]:
    """Places of all pictures in the order of the draw, whose beginning is the sample, however long.

    Within a stratum the order is random. The strata are merged so that each has its share at any length; some of each
    come first.
    """
    ranks = [hashlib.sha256(f"{seed}\0".encode() + os.fsencode(name)).digest() for name in names]
    if len(set(strata)) == 1:
        return sorted(range(len(names)), key=ranks.__getitem__)
    members: dict[str, list[int]] = {}
    for i in sorted(range(len(names)), key=ranks.__getitem__):
        members.setdefault(strata[i], []).append(i)
    keys = {
        i: (place >= EACH, (place + 0.5) / len(mine), ranks[i])
        for mine in members.values()
        for place, i in enumerate(mine)
    }
    return sorted(keys, key=keys.__getitem__)


def _number(value: Any) -> int:
    """A count of a sample's columns; -1 where the cell holds none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1


def _label(frame: pd.DataFrame, text: str) -> Hashable:
    """The column that is called so; a table of text has only text for labels."""
    label: Hashable = next((name for name in frame.columns if str(name) == text), text)
    return label


def is_true(value: Any) -> bool:
    """What a cell of a column of truths says."""
    return str(value).lower() in ("true", "1")  # a CSV has only text

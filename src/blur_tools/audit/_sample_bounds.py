"""What a reviewed sample says of its run, as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from blur_tools.detections import KINDS

__all__ = ["ALL", "BY_HAND", "BY_TABLE", "CLAIMS", "HIDDEN_AT", "RECALL", "SampleBounds", "percent"]

HIDDEN_AT = 0.9
"""Share of an object's area from which on it counts as hidden."""

CLAIMS = (0.95, 0.99, 0.999)
"""Shares of pictures for which it is said how many more must be looked at."""

RECALL = 0.99
"""The recall of objects for which it is said."""

ALL = "all"

BY_TABLE, BY_HAND = "table:", "given:"
"""How the seed of a sample begins: it followed from the table, or was chosen."""


@dataclass(frozen=True)
class SampleBounds:
    """What a reviewed sample says of its run. Each bound holds with the confidence `level`, on its own.

    Attributes
    ----------
    population, drawn, reviewed : int
        Pictures of the run, of the sample, and those that were counted: up to the first without a decision.
    unused : int
        Pictures behind that one which have a decision.
    left_out : int
        Rows of the run that failed or were skipped, and are not in the population.
    exposed, flagged : int
        Reviewed pictures that show something that was to be hidden, and those among them that were only flagged.
    exposed_bound : float
        Upper bound on the share of the run's pictures that show something; it holds at every moment of a review.
    planned : int
        How many pictures were to be looked at before anybody looked.
    exact_bound : float or None
        The same by Clopper and Pearson, where the whole sample was reviewed and its size was not changed; else None.
    needed : mapping of float to (int or None)
        For each claim in `CLAIMS`, as a share of pictures that show nothing: how many more pictures must be looked
        at if none of them shows anything; 0 where it stands already, None where it cannot be reached.
    objects : DataFrame
        One row for each ``kind`` (or ``all``) and ``bucket`` of height in pixels (or ``all``): ``n`` objects in
        ``pictures`` pictures, ``missed``, ``recall``, its lower bound ``recall_low``, in which a flagged picture counts
        as one with `largest` misses; not a number where it cannot be told.
    largest, largest_given
        No picture is taken to have more misses than this, and whether it was set by hand.
    above_largest : int
        Reviewed pictures with more misses than `largest`: with any the bounds on objects do not hold, and are not told.
    neutral : int
        Drawn objects that the run left visible on purpose; they are not counted.
    strata : DataFrame
        One row for each stratum: ``stratum``, ``population``, ``reviewed``, ``exposed``, ``exposed_bound``.
    needless : DataFrame
        One row for each kind: ``detections``, ``needless``, ``share``, ``share_high``, of those not flagged.
    over_blur : float
        Mean share of a picture that is hidden without need, of those that are not flagged.
    seed, blind, level, hidden_at
        How the sample was drawn and judged.
    searched : int
        Reviewed pictures of a sample that was drawn blind in which an engine's marks are among the reviewer's: it was
        asked on the way, so that the review was not blind.
    settings : mapping
        How regions were hidden, as it was taken for the judgement.
    run : str
        Digest of the pictures and detections of the run.
    more_for_recall : int or None
        How many more pictures for a recall of 0.99 over all objects, if they are like those seen and none is missed.
    """

    population: int
    drawn: int
    reviewed: int
    unused: int
    left_out: int
    exposed: int
    flagged: int
    exposed_bound: float
    planned: int
    exact_bound: float | None
    needed: Mapping[float, int | None]
    objects: pd.DataFrame
    largest: float
    largest_given: bool
    above_largest: int
    neutral: int
    strata: pd.DataFrame
    needless: pd.DataFrame
    over_blur: float
    seed: str
    blind: bool
    level: float
    hidden_at: float
    settings: Mapping[str, Any]
    run: str
    more_for_recall: int | None
    searched: int = 0

    @property
    def complete(self) -> bool:
        """Whether the whole sample was reviewed."""
        return self.reviewed == self.drawn

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can say it."""
        tables = ("objects", "strata", "needless")
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in tables}
        plain |= {"needed": [{"claim": claim, "more": more} for claim, more in self.needed.items()]}
        plain |= {"settings": dict(self.settings), "complete": self.complete}
        plain |= {"over_blur": None if math.isnan(self.over_blur) else self.over_blur}
        return plain | {name: _records(getattr(self, name)) for name in tables}

    def claim(self) -> str:
        """What can be said of all pictures, in one sentence."""
        flagged = f" ({self.flagged} only flagged)" if self.flagged else ""
        show = "shows" if self.exposed == 1 else "show"
        begin = f"{self.exposed} of {self.reviewed} reviewed pictures {show} something that was to be hidden{flagged}"
        if self.reviewed == self.population:
            return f"{begin}; there are no others, and it is as sure as the reviewer's eye."
        said = (
            f"{begin}: at {100 * self.level:g} % confidence no more than {percent(self.exposed_bound)} of all pictures "
            f"do ({self._of_all(self.exposed_bound)})."
        )
        if self.exact_bound is not None:
            said += (
                f" The exact bound (Clopper–Pearson), if it was settled before anybody looked that {self.planned} are "
                f"drawn, is {percent(self.exact_bound)} ({self._of_all(self.exact_bound)})."
            )
        return said

    def _of_all(self, share: float) -> str:
        return f"{math.floor(share * self.population + 1e-6)} of {self.population}"

    def text(self) -> str:
        """For a person; it never says that nothing is left."""
        lines = [
            f"{self.reviewed} of {self.drawn} drawn pictures reviewed"
            f"{'' if self.blind else ' (with the marks shown)'}, of {self.population} in the run.",
            self.claim(),
        ]
        for row in self.objects[self.objects["bucket"] == ALL].to_dict("records"):
            name = "objects" if row["kind"] == ALL else f"{row['kind']}s"
            low = row["recall_low"]
            share = f"recall {percent(row['recall'])}, " if row["n"] else "none seen"
            share += "" if not row["n"] else "no bound" if low != low else f"at least {percent(low)}"
            lines.append(f"{row['n']} {name}, {row['missed']} missed: {share}.")
        if self.reviewed < self.population:
            lines.append(f"Taken for granted: no picture has more than {self.largest:g} misses (--largest).")
        if len(self.needless):
            count, of = int(self.needless["needless"].sum()), int(self.needless["detections"].sum())
            lines.append(f"{count} of {of} hidden regions were needless; {percent(self.over_blur)} of the area.")
        for claim, more in self.needed.items():
            said = "stands" if more == 0 else "cannot be reached" if more is None else f"{more} more without a miss"
            lines.append(f"To claim that {100 * claim:g} % of the pictures show nothing: {said}.")
        if self.more_for_recall:
            lines.append(
                f"To claim a recall of {100 * RECALL:g} % of all objects: {self.more_for_recall} more like these, "
                "without a miss."
            )
        lines += self.caveats()
        return "\n".join(lines)

    def caveats(self) -> list[str]:
        """What a reader must know beside the numbers."""
        said = []
        if not self.complete:
            said.append("The sample is not reviewed to its end: say so, or finish it.")
        if self.unused:
            said.append(f"{self.unused} reviewed pictures behind the first unreviewed one were not counted.")
        if self.above_largest:
            have = "picture has" if self.above_largest == 1 else "pictures have"
            said.append(
                f"{self.above_largest} {have} more than {self.largest:g} misses: the bounds on objects do not hold and "
                "are not told; give a higher --largest."
            )
        elif self.largest_given and self.reviewed < self.population:
            said.append(f"It was set by hand that no picture has more than {self.largest:g} misses.")
        off = [f"{kind}s" for kind in KINDS if self.settings[f"{kind}s"] < 1]
        if off:
            said.append(f"{' and '.join(off).capitalize()} were not to be hidden, and are not counted.")
        if self.neutral:
            said.append(f"{self.neutral} drawn objects were left visible on purpose, and are not counted.")
        if self.hidden_at < HIDDEN_AT:
            said.append(f"An object counts as hidden from {100 * self.hidden_at:g} % of its area on.")
        if self.seed.startswith(BY_HAND):
            said.append("The seed of the sample was chosen by hand.")
        if self.searched:
            many = "picture" if self.searched == 1 else "pictures"
            said.append(
                f"The sample was drawn blind, but in {self.searched} reviewed {many} marks are an engine's: the "
                "reviewer saw what it finds, and may have looked only there."
            )
        elif not self.blind:
            said.append("The reviewer saw what had been found, and may have looked only there.")
        if len(self.strata) > 1:
            said.append("The sample is stratified: bounds over all strata are wider than those of a plain one.")
        return said


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in record.items()} for record in plain.to_dict("records")]


def percent(share: float | None) -> str:
    """A share for a person; two digits that count, so that 99.97 % is not 100 %."""
    if share is None or share != share:
        return "–"
    value = 100 * share
    digits = next((d for d in (1, 2, 3) if round(value, d) not in (0, 100) or value in (0, 100)), 3)
    return f"{value:.{digits}f} %" if value not in (0, 100) else f"{value:.0f} %"

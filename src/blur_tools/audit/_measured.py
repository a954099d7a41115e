"""From reviewed pictures of a sample to bounds on the whole run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._sizes import stored_size
from blur_tools.audit.bounds import miss_bound, more_pictures, pictures_needed, share_bound
from blur_tools.audit.coverage import ObjectScore, score_picture
from blur_tools.detections import KINDS, Detection, Detections
from blur_tools.formats.coco import PictureLabels
from blur_tools.outlines import shared_part
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings

__all__ = ["CLAIMS", "HIDDEN_AT", "Looked", "SampleBounds", "look_at", "percent", "summarize"]

HIDDEN_AT = 0.9
"""Share of an object's area from which on it counts as hidden."""

CLAIMS = (0.95, 0.99, 0.999)
"""Shares of pictures for which it is said how many more must be looked at."""

SAME = 0.5
"""Overlap, as intersection over union, from which on two outlines are the same object."""

NEEDED = 0.5
"""Share of the smaller of two boxes that must lie in the other for a detection to be of a drawn object."""

ALL = "all"


@dataclass(frozen=True)
class Looked:
    """One reviewed picture of a sample.

    Attributes
    ----------
    stratum, flagged
        Which part of the population it stands for, and whether the reviewer could not decide.
    objects : tuple of ObjectScore
        What the reviewer drew, with how much of it the run has hidden; those left visible on purpose, and those of a
        kind that was not to be hidden, are neutral.
    needless : dict of kind to (int, int)
        How many detections of the run lie where nothing was drawn, and of how many.
    over_blur : float
        Share of the picture that is hidden without need.
    hidden_at : float
        From which coverage on an object is hidden.
    """

    stratum: str
    flagged: bool
    objects: tuple[ObjectScore, ...]
    needless: Mapping[str, tuple[int, int]]
    over_blur: float
    hidden_at: float

    def counts(self, kind: str | None = None, low: float = 0, high: float = math.inf) -> tuple[int, int]:
        """Hidden and missed objects of a kind, None for both, with a height from `low` up to below `high`."""
        mine = [o for o in self.objects if not o.neutral and kind in (None, o.kind) and low <= o.height < high]
        missed = sum(o.coverage < self.hidden_at - 1e-9 for o in mine)
        return len(mine) - missed, missed

    @property
    def exposed(self) -> bool:
        """Whether something can be seen that was to be hidden, as far as is known."""
        return self.flagged or self.counts()[1] > 0


def look_at(
    source: Any,
    truth: Detections,
    found: Detections,
    settings: BlurSettings,
    hidden_at: float,
    stratum: str = "",
    decision: str = "accepted",
) -> Looked:
    """Measure how much of what a reviewer drew a run has hidden.

    Raises
    ------
    PictureError
        The picture's size cannot be read.
    """
    size = stored_size(source)
    kept = [item for item in found if item.keep]
    hides = {kind: settings.intensity(kind) >= 1 for kind in KINDS}
    neutral = tuple(item.keep or not hides[item.kind] or any(_same(item, other) for other in kept) for item in truth)
    shown = Detections(item for item in found if not item.keep and hides[item.kind])
    score = score_picture(PictureLabels(size, truth, neutral), shown, regions(shown, settings, size))
    needless: dict[str, tuple[int, int]] = {
        kind: (
            sum(item.kind == kind and not any(_touch(item, other) for other in truth) for item in shown),
            sum(item.kind == kind for item in shown),
        )
        for kind in KINDS
    }
    return Looked(stratum, decision == "flagged", score.objects, needless, score.over_blur["any"], hidden_at)


def _same(one: Detection, other: Detection) -> bool:
    return one.kind == other.kind and shared_part(one.polygon, other.polygon) >= SAME


def _touch(one: Detection, other: Detection) -> bool:
    """Whether most of the smaller box lies in the other: a reviewer draws more loosely than a network."""
    a, b = one.box, other.box
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width > 0 and height > 0 and width * height >= NEEDED * smaller


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
        Upper bound on the share of the run's pictures that show something.
    needed : mapping of float to (int or None)
        For each claim in `CLAIMS`, as a share of pictures that show nothing: how many more pictures must be looked
        at if none of them shows anything; 0 where it stands already, None where it cannot be reached.
    objects : DataFrame
        One row for each ``kind`` (or ``all``) and ``bucket`` of height in pixels (or ``all``): ``n`` objects in
        ``pictures`` pictures, ``missed``, ``recall``, its lower bound ``recall_low``, ``largest`` (see `miss_bound`).
    strata : DataFrame
        One row for each stratum: ``stratum``, ``population``, ``reviewed``, ``exposed``, ``exposed_bound``.
    needless : DataFrame
        One row for each kind: ``detections``, ``needless``, ``share``, ``share_high``.
    over_blur : float
        Mean share of a picture that is hidden without need.
    seed, blind, level, hidden_at
        How the sample was drawn and judged.
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
    needed: Mapping[float, int | None]
    objects: pd.DataFrame
    strata: pd.DataFrame
    needless: pd.DataFrame
    over_blur: float
    seed: str
    blind: bool
    level: float
    hidden_at: float
    more_for_recall: int | None

    @property
    def complete(self) -> bool:
        """Whether the whole sample was reviewed."""
        return self.reviewed == self.drawn

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can say it."""
        plain = {
            name: getattr(self, name)
            for name in ("population", "drawn", "reviewed", "unused", "left_out", "exposed", "flagged",
                         "exposed_bound", "over_blur", "seed", "blind", "level", "hidden_at", "more_for_recall")
        }  # fmt: skip
        tables = {name: _records(getattr(self, name)) for name in ("objects", "strata", "needless")}
        needed = [{"claim": claim, "more": more} for claim, more in self.needed.items()]
        return {**plain, "complete": self.complete, "needed": needed, **tables}

    def claim(self) -> str:
        """What can be said of all pictures, in one sentence."""
        flagged = f" ({self.flagged} only flagged)" if self.flagged else ""
        show = "shows" if self.exposed == 1 else "show"
        begin = f"{self.exposed} of {self.reviewed} reviewed pictures {show} something that was to be hidden{flagged}"
        if self.reviewed == self.population:
            return f"{begin}; there are no others, and it is as sure as the reviewer's eye."
        most = math.floor(self.exposed_bound * self.population + 1e-6)
        return (
            f"{begin}: at {100 * self.level:g} % confidence no more than {percent(self.exposed_bound)} of all pictures "
            f"do ({most} of {self.population})."
        )

    def text(self) -> str:
        """For a person; it never says that nothing is left."""
        lines = [
            f"{self.reviewed} of {self.drawn} drawn pictures reviewed"
            f"{'' if self.blind else ' (with the marks shown)'}, of {self.population} in the run.",
            self.claim(),
        ]
        for row in self.objects[self.objects["bucket"] == ALL].to_dict("records"):
            name = "objects" if row["kind"] == ALL else f"{row['kind']}s"
            share = (
                f"recall {percent(row['recall'])}, at least {percent(row['recall_low'])}" if row["n"] else "none seen"
            )
            lines.append(f"{row['n']} {name}, {row['missed']} missed: {share}.")
        if len(self.needless):
            count, of = int(self.needless["needless"].sum()), int(self.needless["detections"].sum())
            lines.append(f"{count} of {of} hidden regions were needless; {percent(self.over_blur)} of the area.")
        for claim, more in self.needed.items():
            said = "stands" if more == 0 else "cannot be reached" if more is None else f"{more} more without a miss"
            lines.append(f"To claim that {100 * claim:g} % of the pictures show nothing: {said}.")
        lines += self.caveats()
        return "\n".join(lines)

    def caveats(self) -> list[str]:
        """What a reader must know beside the numbers."""
        said = []
        if not self.complete:
            said.append("The sample is not reviewed to its end: say so, or finish it.")
        if self.unused:
            said.append(f"{self.unused} reviewed pictures behind the first unreviewed one were not counted.")
        if self.seed.startswith("given:"):
            said.append("The seed of the sample was chosen by hand.")
        if not self.blind:
            said.append("The reviewer saw what had been found, and may have looked only there.")
        if len(self.strata) > 1:
            said.append("The sample is stratified: bounds over all strata are wider than those of a plain one.")
        return said


def summarize(
    looked: Sequence[Looked],
    found: Sequence[Detections],
    *,
    sizes: Mapping[str, int],
    level: float,
    heights: Sequence[float],
    largest: float | None,
    **facts: Any,
) -> SampleBounds:
    """Bounds from reviewed pictures in the order of their draw.

    Parameters
    ----------
    looked : sequence of Looked
        The reviewed pictures.
    found : sequence of Detections
        What the run found in each picture of the population: says how many objects one picture can hold.
    sizes : mapping of str to int
        Pictures of the population in each stratum.
    level, heights, largest, **facts
        As for `SampleBounds` and `measure`.
    """
    # each stratum's bound is a little surer, so that all hold at once
    each = 1 - (1 - level) / len(sizes)
    rows = []
    for stratum, size in sizes.items():
        mine = [picture for picture in looked if picture.stratum == stratum]
        exposed = sum(picture.exposed for picture in mine)
        rows.append((stratum, size, len(mine), exposed, share_bound(exposed, len(mine), size, each)))
    strata = pd.DataFrame(rows, columns=["stratum", "population", "reviewed", "exposed", "exposed_bound"])
    population = sum(sizes.values())
    exposed = sum(picture.exposed for picture in looked)
    bound = float((strata["exposed_bound"] * strata["population"]).sum()) / population
    needed: dict[float, int | None] = {}
    for claim in CLAIMS if len(sizes) == 1 else ():
        if bound <= 1 - claim + 1e-12:
            needed[claim] = 0
            continue
        total = pictures_needed(claim, misses=exposed, population=population, level=level, least=len(looked))
        needed[claim] = None if total is None else total - len(looked)
    buckets = [(ALL, 0.0, math.inf), *_buckets(heights)]
    objects = [
        _object_row(looked, found, kind, bucket, sizes, each, largest) for kind in (None, *KINDS) for bucket in buckets
    ]
    hidden, missed = _counted(looked, None, 0, math.inf)
    more = None
    if len(sizes) == 1:
        most = largest or _largest(found, None, 0, math.inf)
        more = more_pictures(hidden, missed, 0.99, largest=most, population=population, level=level)
    return SampleBounds(
        population=population,
        reviewed=len(looked),
        exposed=exposed,
        flagged=sum(picture.flagged and picture.counts()[1] == 0 for picture in looked),
        exposed_bound=bound,
        needed=needed,
        objects=pd.DataFrame([row for row in objects if row["bucket"] == ALL or row["n"]]),
        strata=strata,
        needless=_needless(looked, found, sizes, each),
        over_blur=float(np.mean([picture.over_blur for picture in looked])),
        level=level,
        more_for_recall=more,
        **facts,
    )


def _object_row(
    looked: Sequence[Looked],
    found: Sequence[Detections],
    kind: str | None,
    bucket: tuple[str, float, float],
    sizes: Mapping[str, int],
    level: float,
    largest: float | None,
) -> dict[str, Any]:
    name, low, high = bucket
    most = largest or _largest(found, kind, low, high)
    hidden, missed = _counted(looked, kind, low, high)
    bounds = [
        miss_bound(*_counted([p for p in looked if p.stratum == stratum], kind, low, high), largest=most,
                   population=size, level=level)
        for stratum, size in sizes.items()
    ]  # fmt: skip
    total, lost = int(sum(hidden) + sum(missed)), int(sum(missed))
    return {
        "kind": kind or ALL,
        "bucket": name,
        "n": total,
        "pictures": sum(one + other > 0 for one, other in zip(hidden, missed, strict=True)),
        "missed": lost,
        "recall": 1 - lost / total if total else math.nan,
        "recall_low": 1 - max(bounds) if total else math.nan,
        "largest": most,
    }


def _counted(looked: Sequence[Looked], kind: str | None, low: float, high: float) -> tuple[list[int], list[int]]:
    counts = [picture.counts(kind, low, high) for picture in looked]
    return [hidden for hidden, _ in counts], [missed for _, missed in counts]


def _largest(found: Sequence[Detections], kind: str | None, low: float, high: float) -> float:
    """The most objects that the run found in one picture: known before anybody has looked."""
    return float(
        max(
            (sum(kind in (None, i.kind) and low <= i.box[3] - i.box[1] < high for i in items) for items in found),
            default=1,
        )
        or 1
    )


def _needless(
    looked: Sequence[Looked], found: Sequence[Detections], sizes: Mapping[str, int], level: float
) -> pd.DataFrame:
    rows = []
    for kind in KINDS:
        wrong, of = (sum(picture.needless[kind][i] for picture in looked) for i in (0, 1))
        bounds = []
        for stratum, size in sizes.items():
            counts = [picture.needless[kind] for picture in looked if picture.stratum == stratum]
            most = _largest(found, kind, 0, math.inf)
            right = [total - bad for bad, total in counts]
            bounds.append(miss_bound(right, [bad for bad, _ in counts], largest=most, population=size, level=level))
        rows.append((kind, of, wrong, wrong / of if of else math.nan, max(bounds) if of else math.nan))
    return pd.DataFrame(rows, columns=["kind", "detections", "needless", "share", "share_high"])


def _buckets(heights: Sequence[float]) -> list[tuple[str, float, float]]:
    edges = [0.0, *heights, math.inf]
    names = [f"<{heights[0]:g}", *(f"{low:g}-{high:g}" for low, high in pairwise(heights)), f">={heights[-1]:g}"]
    return [(name, low, high) for name, (low, high) in zip(names, pairwise(edges), strict=True)]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in record.items()} for record in plain.to_dict("records")]


def percent(share: float) -> str:
    """A share for a person; two digits that count, so that 99.97 % is not 100 %."""
    if share != share:
        return "–"
    value = 100 * share
    digits = next((d for d in (1, 2, 3) if round(value, d) not in (0, 100) or value in (0, 100)), 3)
    return f"{value:.{digits}f} %" if value not in (0, 100) else f"{value:.0f} %"

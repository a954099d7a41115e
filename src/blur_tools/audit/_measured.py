"""From reviewed pictures of a sample to bounds on the whole run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from blur_tools.audit._sample_bounds import ALL, CLAIMS, RECALL, SampleBounds
from blur_tools.audit._sizes import stored_size
from blur_tools.audit._state import is_persons
from blur_tools.audit.bounds import (
    default_largest,
    miss_bound,
    more_pictures,
    running_bound,
    running_needed,
    share_bound,
)
from blur_tools.audit.coverage import ObjectScore, hidden_shares, score_picture
from blur_tools.detections import KINDS, Detection, Detections
from blur_tools.errors import PictureError
from blur_tools.formats.coco import PictureLabels
from blur_tools.outlines import shared_part
from blur_tools.redaction.masks import regions
from blur_tools.settings import BlurSettings
from blur_tools.sources import is_url

__all__ = ["Looked", "is_exposed", "look_at", "summarize"]

SAME = 0.5
"""Overlap, as intersection over union, from which on two outlines are the same object."""

NEEDED = 0.5
"""Share of the smaller of two boxes that must lie in the other for a detection to be of a drawn object."""


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
    left : int
        How many of the objects were left visible on purpose.
    searched : bool
        Whether some of what the reviewer left there was found by an engine.
    """

    stratum: str
    flagged: bool
    objects: tuple[ObjectScore, ...]
    needless: Mapping[str, tuple[int, int]]
    over_blur: float
    hidden_at: float
    left: int
    searched: bool = False

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
    hides = {kind: settings.intensity(kind) >= 1 for kind in KINDS}
    left = _left_on_purpose(truth, found)
    neutral = tuple(on_purpose or not hides[item.kind] for item, on_purpose in zip(truth, left, strict=True))
    shown = Detections(item for item in found if not item.keep and hides[item.kind])
    score = score_picture(PictureLabels(size, truth, neutral), shown, regions(shown, settings, size))
    needless: dict[str, tuple[int, int]] = {
        kind: (
            sum(item.kind == kind and not any(_touch(item, other) for other in truth) for item in shown),
            sum(item.kind == kind for item in shown),
        )
        for kind in KINDS
    }
    on_purpose = sum(kept and hides[item.kind] for item, kept in zip(truth, left, strict=True))
    flagged, searched = decision == "flagged", any(_is_engines(item) for item in truth)
    return Looked(stratum, flagged, score.objects, needless, score.over_blur["any"], hidden_at, on_purpose, searched)


def _is_engines(item: Detection) -> bool:
    """Whether an engine has found it; what nobody has signed, and labels, can be a person's."""
    return not is_persons(item) and item.source not in ("", "label")


def is_exposed(source: Any, truth: Detections, found: Detections, settings: BlurSettings, hidden_at: float) -> bool:
    """`Looked.exposed` of a picture that is not flagged, at a small part of the price of `look_at`.

    Nothing is fetched, and a picture that cannot be read is taken to be as large as what is marked in it: its border
    cuts nothing off then.
    """
    targets = Detections(
        item
        for item, on_purpose in zip(truth, _left_on_purpose(truth, found), strict=True)
        if not on_purpose and settings.intensity(item.kind) >= 1
    )
    if not targets:
        return False
    try:
        size = _marked_size(truth, found) if is_url(source) else stored_size(source)
    except PictureError:
        size = _marked_size(truth, found)
    # an object outside the picture has no share, and is none
    return any(share < hidden_at - 1e-9 for share in hidden_shares(targets, regions(found, settings, size), size))


def _marked_size(*marks: Detections) -> tuple[int, int]:
    corners = [point for items in marks for item in items for point in item.polygon]
    width, height = (max(1, math.ceil(max(values))) for values in zip(*corners, strict=True))
    return width, height


def _left_on_purpose(truth: Detections, found: Detections) -> list[bool]:
    """Of each drawn object, whether the run, or the reviewer, has left it visible on purpose."""
    kept = [item for item in found if item.keep]
    return [item.keep or any(_same(item, other) for other in kept) for item in truth]


def _same(one: Detection, other: Detection) -> bool:
    return one.kind == other.kind and shared_part(one.polygon, other.polygon) >= SAME


def _touch(one: Detection, other: Detection) -> bool:
    """Whether most of the smaller box lies in the other: a reviewer draws more loosely than a network."""
    a, b = one.box, other.box
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width > 0 and height > 0 and width * height >= NEEDED * smaller


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
        What the run found in each picture of the population.
    sizes : mapping of str to int
        Pictures of the population in each stratum.
    level, heights, largest, **facts
        As for `SampleBounds` and `measure`.
    """
    # each stratum's bound is a little surer, so that all hold at once
    each = 1 - (1 - level) / len(sizes)
    settled = facts["planned"] == facts["drawn"] == len(looked)
    rows = []
    for stratum, size in sizes.items():
        mine = [picture.exposed for picture in looked if picture.stratum == stratum]
        exact = share_bound(sum(mine), len(mine), size, each) if settled else math.nan
        rows.append((stratum, size, len(mine), sum(mine), running_bound(mine, size, each), exact))
    strata = pd.DataFrame(
        rows, columns=["stratum", "population", "reviewed", "exposed", "exposed_bound", "exact_bound"]
    )
    population = sum(sizes.values())
    bounds = [float((strata[name] * strata["population"]).sum()) / population for name in strata.columns[-2:]]
    all_seen = len(looked) == population
    most = largest or default_largest([*map(len, found), *(sum(picture.counts()) for picture in looked)])
    searched = sum(picture.searched for picture in looked) if facts["blind"] else 0
    facts["blind"] = facts["blind"] and not searched
    above = 0 if all_seen else sum(picture.counts()[1] > most for picture in looked)
    whole = _Whole(looked, sizes, each, most, stated=not above)
    buckets = [(ALL, 0.0, math.inf), *_buckets(heights)]
    objects = [_object_row(whole, kind, bucket) for kind in (None, *KINDS) for bucket in buckets]
    judged = [picture for picture in looked if not picture.flagged]
    return SampleBounds(
        population=population,
        reviewed=len(looked),
        exposed=sum(picture.exposed for picture in looked),
        flagged=sum(picture.flagged and picture.counts()[1] == 0 for picture in looked),
        exposed_bound=bounds[0],
        exact_bound=bounds[1] if settled else None,
        needed=_needed(looked, population, level) if len(sizes) == 1 else {},
        objects=pd.DataFrame([row for row in objects if row["bucket"] == ALL or row["n"]]),
        largest=most,
        largest_given=largest is not None,
        above_largest=above,
        neutral=sum(picture.left for picture in looked),
        strata=strata.drop(columns="exact_bound"),
        needless=_needless(looked, found, sizes, each),
        over_blur=float(np.mean([picture.over_blur for picture in judged])) if judged else math.nan,
        level=level,
        more_for_recall=_more_for_recall(whole, population, level),
        searched=searched,
        **facts,
    )


@dataclass(frozen=True)
class _Whole:
    """All reviewed pictures, and what bounds on their objects depend on."""

    looked: Sequence[Looked]
    sizes: Mapping[str, int]
    level: float
    largest: float
    stated: bool

    def worst(self, kind: str | None, low: float, high: float, stratum: str) -> tuple[list[float], list[float]]:
        """Hidden and missed objects of each picture; a flagged one can hold as many misses as any."""
        counts = [
            (0, self.largest) if picture.flagged else picture.counts(kind, low, high)
            for picture in self.looked
            if picture.stratum == stratum
        ]
        return [hidden for hidden, _ in counts], [missed for _, missed in counts]


def _needed(looked: Sequence[Looked], population: int, level: float) -> dict[float, int | None]:
    seen = [picture.exposed for picture in looked]
    total = {claim: running_needed(claim, seen, population, level) for claim in CLAIMS}
    return {claim: None if number is None else number - len(seen) for claim, number in total.items()}


def _more_for_recall(whole: _Whole, population: int, level: float) -> int | None:
    if len(whole.sizes) > 1 or not whole.stated:
        return None
    hidden, missed = whole.worst(None, 0, math.inf, next(iter(whole.sizes)))
    return more_pictures(hidden, missed, RECALL, largest=whole.largest, population=population, level=level)


def _object_row(whole: _Whole, kind: str | None, bucket: tuple[str, float, float]) -> dict[str, Any]:
    name, low, high = bucket
    counts = [picture.counts(kind, low, high) for picture in whole.looked]
    lost, total = sum(missed for _, missed in counts), sum(map(sum, counts))
    recall = 1 - lost / total if total else math.nan
    bound = math.nan
    if total and whole.stated:
        bound = max(
            miss_bound(*whole.worst(kind, low, high, stratum), largest=whole.largest, population=size,
                       level=whole.level)
            for stratum, size in whole.sizes.items()
        )  # fmt: skip
    return {
        "kind": kind or ALL,
        "bucket": name,
        "n": total,
        "pictures": sum(sum(pair) > 0 for pair in counts),
        "missed": lost,
        "recall": recall,
        "recall_low": min(1 - bound, recall),
        "largest": whole.largest,
    }


def _needless(
    looked: Sequence[Looked], found: Sequence[Detections], sizes: Mapping[str, int], level: float
) -> pd.DataFrame:
    """Of the pictures that can be judged; the flagged ones are no part of the population that is spoken of."""
    judged = [picture for picture in looked if not picture.flagged]
    rows = []
    for kind in KINDS:
        wrong, of = (sum(picture.needless[kind][i] for picture in judged) for i in (0, 1))
        most = max((sum(item.kind == kind for item in items) for items in found), default=1) or 1
        bounds = []
        for stratum, size in sizes.items():
            counts = [picture.needless[kind] for picture in judged if picture.stratum == stratum]
            flagged = sum(picture.flagged and picture.stratum == stratum for picture in looked)
            right = [total - bad for bad, total in counts]
            bad = [bad for bad, _ in counts]
            bounds.append(miss_bound(right, bad, largest=most, population=size - flagged, level=level))
        rows.append((kind, of, wrong, wrong / of if of else math.nan, max(bounds) if of else math.nan))
    return pd.DataFrame(rows, columns=["kind", "detections", "needless", "share", "share_high"])


def _buckets(heights: Sequence[float]) -> list[tuple[str, float, float]]:
    edges = [0.0, *heights, math.inf]
    names = [f"<{heights[0]:g}", *(f"{low:g}-{high:g}" for low, high in pairwise(heights)), f">={heights[-1]:g}"]
    return [(name, low, high) for name, (low, high) in zip(names, pairwise(edges), strict=True)]

"""The arithmetic of `detectors.py`: operating points on a precision-recall curve, neutral detections, corners.

Right, wrong, hidden and over-blur are those of `blur_tools.audit.coverage`. Beside the labels there are plates that
nobody labelled but a person saw (``unlabelled.json``): their pixels are no over-blur, and a detection on one is
neutral, neither right nor wrong. "On one" is an IoU of the boxes of 0.3, or half of the plate's box covered, or half of
the detection's own box on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from _detectors_sweep import THRESHOLDS, Step
from numpy.typing import NDArray

from blur_tools import BlurSettings, Detections
from blur_tools.audit.coverage import CoverageReport, PictureScore, clopper_pearson, score_picture
from blur_tools.detections import Box, Detection, box_polygon
from blur_tools.formats.labels import PictureLabels
from blur_tools.outlines import shared_part
from blur_tools.redaction.masks import Region, regions

SETTINGS = BlurSettings(plates=10, faces=10, margin=0.15)
"""How everything is rendered, whoever found it."""

NEUTRAL_IOU = 0.3
NEUTRAL_COVER = 0.5
MATCH_IOU = 0.5
_SLACK = 1e-9  # of shares that are the same, however computed


@dataclass(frozen=True)
class Seen:
    """One picture of a set, and what one detector found in it at each threshold, the lowest first."""

    name: str
    group: str
    labels: PictureLabels
    unlabelled: tuple[Box, ...]
    steps: tuple[Step, ...]

    def at(self, threshold: float) -> Detections:
        """What was found with a threshold."""
        return self.steps[self._step(threshold)].found

    def _step(self, threshold: float) -> int:
        return max(0, sum(step.threshold <= threshold + _SLACK for step in self.steps) - 1)

    def score(self, threshold: float, settings: BlurSettings = SETTINGS) -> PictureScore:
        """Compare with the labels; what lies on an unlabelled plate is neutral."""
        found = self.at(threshold)
        return self._judged(found, regions(found, settings, self.labels.size))

    def _judged(self, found: Detections, hidden: Iterable[Region]) -> PictureScore:
        labels = with_unlabelled(self.labels, self.unlabelled)
        scored = score_picture(labels, found, hidden, picture=self.name, group=self.group)
        judged = tuple(
            replace(item, outcome="neutral")
            if item.outcome == "wrong" and on_unlabelled((item.xmin, item.ymin, item.xmax, item.ymax), self.unlabelled)
            else item
            for item in scored.detections
        )
        return replace(scored, detections=judged)

    @property
    def targets(self) -> int:
        """How many labelled objects are to be found."""
        return sum(not item.neutral for item in self._judged(Detections(), ()).objects)

    def counts(self, thresholds: Sequence[float]) -> NDArray[np.int_]:
        """Right and wrong detections, one row a threshold."""
        outcomes = [[item.outcome for item in self._judged(step.found, ()).detections] for step in self.steps]
        both = np.array([(row.count("right"), row.count("wrong")) for row in outcomes])
        return both[[self._step(threshold) for threshold in thresholds]]


def with_unlabelled(labels: PictureLabels, boxes: Sequence[Box]) -> PictureLabels:
    """Labels, and after them the unlabelled plates as neutral ones."""
    more = [Detection("plate", box_polygon(*box), source="label") for box in boxes]
    neutral = labels.neutral or (False,) * len(labels.objects)
    return replace(labels, objects=Detections([*labels.objects, *more]), neutral=(*neutral, *(True for _ in more)))


def on_unlabelled(box: Box, plates: Iterable[Box]) -> bool:
    """Whether a detection's box matches one of the unlabelled plates by `NEUTRAL_IOU`, or covers `NEUTRAL_COVER`."""
    return any(
        overlap(box, plate) >= NEUTRAL_IOU - _SLACK or _shared(box, plate) >= (NEUTRAL_COVER - _SLACK) * _size(plate)
        for plate in plates
    )


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes; 0 without any area."""
    shared = _shared(one, other)
    return shared / (_size(one) + _size(other) - shared) if shared else 0.0


def _shared(one: Box, other: Box) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _size(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@dataclass(frozen=True)
class Point:
    """A threshold and what it gives: recall, and precision of what was not neutral."""

    threshold: float
    recall: float
    precision: float


def curve(pictures: Sequence[Seen], thresholds: Sequence[float] = THRESHOLDS) -> list[Point]:
    """One point for each threshold at which anything is found that is not neutral."""
    targets = sum(picture.targets for picture in pictures)
    counts = sum(picture.counts(thresholds) for picture in pictures)
    return [
        Point(threshold, int(right) / targets, int(right) / int(right + wrong))
        for threshold, (right, wrong) in zip(thresholds, counts, strict=True)
        if right + wrong
    ]


def at_recall(points: Iterable[Point], recall: float) -> Point | None:
    """The point of the highest precision with at least this recall; None where none has it."""
    enough = [point for point in points if point.recall >= recall - _SLACK]
    return max(enough, key=lambda point: (point.precision, point.recall), default=None)


def at_precision(points: Iterable[Point], precision: float) -> Point | None:
    """The point of the highest recall with at least this precision; None where none has it."""
    enough = [point for point in points if point.precision >= precision - _SLACK]
    return max(enough, key=lambda point: (point.recall, point.precision), default=None)


def average_precision(points: Sequence[Point]) -> float:
    """Mean over recalls of 0, 0.01, ... 1 of the best precision at that recall or more, 0 beyond, as COCO's."""
    best = [at_recall(points, recall / 100) for recall in range(101)]
    return sum(point.precision for point in best if point) / len(best)


def figures(scores: Iterable[PictureScore], kind: str = "plate") -> pd.Series:
    """Shares with their exact 95 % intervals, of pictures of one set: a row of `CoverageReport.summary`."""
    summary = CoverageReport.of(scores).summary("set")
    return summary[summary["kind"] == kind].iloc[0]


@dataclass(frozen=True)
class Corners:
    """Polygon IoU of each true quadrilateral with its detection; nan where it was not found."""

    ious: tuple[float, ...]

    @classmethod
    def of(cls, pictures: Iterable[Seen], threshold: float) -> Corners:
        """At a threshold; a label's detection is the surest whose box has an IoU of 0.5 or more."""
        values = []
        for seen in pictures:
            for label in seen.labels.objects:
                if dict(label.result.get("attributes") or {}).get("shape") == "quad":
                    near = [item for item in seen.at(threshold) if overlap(item.box, label.box) >= MATCH_IOU - _SLACK]
                    best = max(near, key=lambda item: item.score or 0.0, default=None)
                    values.append(shared_part(best.polygon, label.polygon) if best else math.nan)
        return cls(tuple(values))

    @property
    def found(self) -> int:
        """How many have a detection."""
        return sum(not math.isnan(value) for value in self.ious)

    @property
    def mean(self) -> float:
        """Over those that were found; nan if none was."""
        return float(np.nanmean(self.ious)) if self.found else math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the mean, by drawing the found ones 1000 times with replacement; nan below two."""
        found = np.array([value for value in self.ious if not math.isnan(value)])
        if len(found) < 2:
            return math.nan, math.nan
        drawn = np.random.default_rng(0).choice(found, (1000, len(found))).mean(axis=1)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
        return low, high


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    def __str__(self) -> str:
        if not self.whole:
            return "– (0 of 0)"
        low, high = clopper_pearson(self.part, self.whole)
        return f"{self.part / self.whole:.3f} ({low:.3f}–{high:.3f}), {self.part} of {self.whole}"


def misses_found(before: Iterable[PictureScore], after: Iterable[PictureScore], hidden_at: float = 0.9) -> list[Share]:
    """How much of what one detector misses another has: not hidden by `hidden_at`, then not found at IoU 0.5.

    Both have the same pictures and labels in the same order.
    """
    pairs = [
        (one, other)
        for first, second in zip(before, after, strict=True)
        for one, other in zip(first.objects, second.objects, strict=True)
        if not one.neutral
    ]
    hidden = [(one.coverage >= hidden_at - _SLACK, other.coverage >= hidden_at - _SLACK) for one, other in pairs]
    found = [(one.found, other.found) for one, other in pairs]
    return [
        Share(sum(now for was, now in both if not was), sum(not was for was, _ in both)) for both in (hidden, found)
    ]


def boxes_of(facts: Mapping[str, Sequence[Sequence[float]]], picture: str) -> tuple[Box, ...]:
    """Unlabelled plates of one picture, from what ``unlabelled.json`` says of its set."""
    found: list[Box] = []
    for xmin, ymin, xmax, ymax in facts.get(picture, ()):
        if not (xmin < xmax and ymin < ymax):
            raise SystemExit(f"unlabelled.json, {picture}: {[xmin, ymin, xmax, ymax]} is no box")
        found.append((xmin, ymin, xmax, ymax))
    return tuple(found)

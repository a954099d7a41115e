"""The tables of `detectors.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from _detectors_found import DEFAULT, DETECTORS, HANDED_OVER, ONE, THOROUGH, Detector
from _detectors_scored import (
    Corners,
    Point,
    Seen,
    Share,
    at_precision,
    at_recall,
    average_precision,
    curve,
    figures,
    misses_found,
)
from _detectors_sweep import LOWEST
from _results import table
from quality import percent

from blur_tools.audit.coverage import CoverageReport

Results = Mapping[str, Sequence[Seen]]
BY_NAME: Mapping[str, Detector] = {detector.name: detector for detector in DETECTORS}

RECALLS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
OWN, RECALL, PRECISION = "its own", "A's recall", "A's precision"


@dataclass(frozen=True)
class Judged:
    """One detector on one set: its curve, and thresholds and figures by operating point (None: not reached)."""

    points: Sequence[Point]
    places: Mapping[str, tuple[float, pd.Series] | None]


def judge(seen: Results) -> dict[str, Judged]:
    """All detectors on one set."""
    a = _at(seen, HANDED_OVER, BY_NAME[HANDED_OVER].threshold)
    judged = {}
    for name, detector in BY_NAME.items():
        points = curve(seen[name])
        places: dict[str, tuple[float, pd.Series] | None] = {
            OWN: (detector.threshold, _at(seen, name, detector.threshold))
        }
        for place, point in (
            (RECALL, at_recall(points, a["recall"])),
            (PRECISION, at_precision(points, a["precision"])),
        ):
            places[place] = (point.threshold, _at(seen, name, point.threshold)) if point else None
        judged[name] = Judged(points, places)
    return judged


def _at(seen: Results, name: str, threshold: float) -> pd.Series:
    return figures(picture.score(threshold) for picture in seen[name])


def points_table(judged: Mapping[str, Judged]) -> str:
    """Each detector at its own threshold, at A's recall and at A's precision."""
    rows = []
    for detector, one in judged.items():
        for name, place in one.places.items():
            named = "its own: A" if (detector, name) == (HANDED_OVER, OWN) else name
            if place is None:
                rows.append([detector, named, "not reached", *["–"] * 5])
                continue
            threshold, row = place
            shares = [percent(row, share) for share in ("recall", "precision", "hidden")]
            over = f"{100 * row['over_blur']:.2f} %"
            rows.append([detector, named, f"{threshold:.3f}", *shares, over, row["neutral_detections"]])
    return table(["detector", "at", "threshold", "recall", "precision", "hidden ≥ 90 %", "over-blur", "neutral"], rows)


def gains_table(judged: Mapping[str, Mapping[str, Judged]]) -> str:
    """Each detector against A, in percentage points: what the bar is set in."""
    rows = []
    for group, detectors in judged.items():
        a = _figures(detectors[HANDED_OVER], OWN)
        for detector, one in detectors.items():
            recall, precision = _figures(one, RECALL), _figures(one, PRECISION)
            if detector == HANDED_OVER or a is None:
                continue
            rows.append(
                [
                    f"{group}, {detector}",
                    _gain(recall, a, "precision"),
                    _gain(recall, a, "hidden"),
                    _gain(precision, a, "recall"),
                    _gain(precision, a, "hidden"),
                    _gain(_figures(one, OWN), a, "hidden"),
                ]
            )
    head = ["", f"precision at {RECALL}", "hidden there", f"recall at {PRECISION}", "hidden there", "hidden at its own"]
    return table(head, rows)


def _figures(one: Judged, place: str) -> pd.Series | None:
    found = one.places[place]
    return found[1] if found else None


def _gain(row: pd.Series | None, a: pd.Series, share: str) -> str:
    if row is None:
        return "not reached"
    return f"{row[share]:.3f} ({100 * (row[share] - a[share]):+.1f})"


def curve_table(judged: Mapping[str, Judged]) -> str:
    """Precision at some recalls, what is found at the lowest threshold, and the average precision."""
    rows = []
    for detector, one in judged.items():
        at = [at_recall(one.points, recall) for recall in RECALLS]
        lowest = one.points[0]
        cells = [f"{point.precision:.3f}" if point else "–" for point in at]
        rows.append(
            [
                detector,
                *cells,
                f"{lowest.recall:.3f}",
                f"{lowest.precision:.3f}",
                f"{average_precision(one.points):.3f}",
            ]
        )
    head = [f"precision at recall {recall:g}" for recall in RECALLS]
    return table(["detector", *head, f"recall at threshold {LOWEST:g}", "precision there", "AP50"], rows)


def corners_table(quads: Mapping[str, Results]) -> str:
    """Mean polygon IoU against true corners."""
    rows = []
    for group, seen in quads.items():
        for detector, pictures in seen.items():
            corners = Corners.of(pictures, BY_NAME[detector].threshold)
            low, high = corners.interval()
            mean = f"{corners.mean:.3f} ({low:.3f}–{high:.3f})" if corners.found else "–"
            rows.append([group, detector, f"{corners.found} of {len(corners.ious)}", mean])
    return table(["quads of", "detector", "found", "mean polygon IoU of those found"], rows)


def misses_table(sets: Mapping[str, Results]) -> str:
    """What of one variant's misses the next one has, at their own thresholds."""
    pairs = [pair for pair in ((ONE, DEFAULT), (DEFAULT, THOROUGH)) if pair[1] in BY_NAME]
    rows = []
    for first, second in pairs:
        total = [Share(0, 0), Share(0, 0)]
        for group, seen in sets.items():
            one, other = (
                [picture.score(BY_NAME[name].threshold) for picture in seen[name]] for name in (first, second)
            )
            shares = misses_found(one, other)
            total = [Share(a.part + b.part, a.whole + b.whole) for a, b in zip(total, shares, strict=True)]
            rows.append([f"{first} → {second}", group, *shares])
        rows.append([f"{first} → {second}", "all", *total])
    return table(["misses of → found by", "set", "not hidden ≥ 90 %", "not found at IoU 0.5"], rows)


def faces_table(reports: Mapping[str, CoverageReport]) -> str:
    """Coverage of faces by height, beside the reference."""
    rows = []
    parts = {name: report.summary("bucket") for name, report in reports.items()}
    whole = {name: report.summary().assign(bucket="all") for name, report in reports.items()}
    heights = next(iter(reports.values())).objects["bucket"].cat.categories
    for height, tables in (*((height, parts) for height in heights), ("all", whole)):
        for name, summary in tables.items():
            for _, row in summary[(summary["bucket"] == height) & (summary["n"] > 0)].iterrows():
                shares = [percent(row, share) for share in ("coverage", "hidden", "recall", "precision")]
                rows.append([height, row["n"], name, *shares])
    return table(["height", "faces", "detector", "coverage", "hidden ≥ 90 %", "recall", "precision"], rows)

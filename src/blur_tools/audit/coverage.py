"""How much of what should be hidden is hidden: coverage of each true object, and the detector's usual scores.

Coordinates are pixels of the stored picture; pixel (x, y) is the square from there to (x + 1, y + 1). Sizes
are ``(width, height)``, array shapes ``(height, width)``.

* **coverage** of an object: |truth ∩ hidden| / |truth|. Truth is its polygon, clipped to the picture; hidden the
  union of all regions, of either kind; only mask 255 is hidden, a soft edge is not. Areas are exact, not sampled, so
  that an object of a few pixels is measured as well as a large one.
* **over-blur**: hidden pixels that no labelled object touches, neutral ones included, / all pixels.
* **right** is a detection that, by falling score, takes the free target of its kind with the highest box IoU, if that
  is at least 0.5: COCO's matching [1]_, without its limit of 100 a picture. Of the others one is **neutral** that has
  half of its box or more on a neutral object of its kind (as on COCO's crowds), the rest is **wrong**. Without a score
  (drawn by a person) a detection ranks as score 1; a kept one counts as found.

.. [1] ``COCOeval`` in https://github.com/cocodataset/cocoapi
.. [2] C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413
.. [3] B. Efron, Annals of Statistics 7 (1979) 1-26
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from blur_tools.errors import DetectionsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from blur_tools.detections import Detections, Kind, Polygon
    from blur_tools.formats.coco import PictureLabels
    from blur_tools.redaction.masks import Region

    Floats = NDArray[np.float64]
    Bitmap = NDArray[np.uint8]

__all__ = [
    "HEIGHTS",
    "CoverageReport",
    "DetectionScore",
    "ObjectScore",
    "PictureScore",
    "average_precision",
    "clopper_pearson",
    "hidden_shares",
    "score_picture",
]

HEIGHTS: tuple[float, ...] = (12, 24, 48, 96)
"""Default edges of the height buckets in pixels; a bucket includes its lower edge."""

_MATCH_IOU = 0.5
_BITS: dict[str, int] = {"plate": 1, "face": 2, "any": 3}  # of hidden pixels; "any" is the others' union
_LABELLED = 4
_BAND = 64  # rows worked on at a time, to bound memory
_ROUNDING = 1e-4  # a smaller area, in pixels, is none


@dataclass(frozen=True)
class ObjectScore:
    """What became of one true object; lengths in pixels.

    Attributes
    ----------
    kind, xmin, ymin, xmax, ymax, height
        What it is, the upright box around its polygon, and that box's height.
    neutral : bool
        No target: labelled as neutral, or without any area in the picture.
    coverage : float
        Hidden share of its area, 0 to 1; nan without any area in the picture.
    found : bool
        Whether a detection took it; then ``iou`` and ``score`` are of that detection, else nan.
    """

    kind: Kind
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    height: float
    neutral: bool
    coverage: float
    found: bool = False
    iou: float = math.nan
    score: float = math.nan


@dataclass(frozen=True)
class DetectionScore:
    """What one detection was worth; lengths in pixels.

    Its kind and upright box; the ``height`` of the object that it took, else its own; its ``score``, 1 where it has
    none; and its ``outcome``, as the module says.
    """

    kind: Kind
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    height: float
    score: float
    outcome: Literal["right", "wrong", "neutral"]


@dataclass(frozen=True)
class PictureScore:
    """One picture's scores, in the order of its labels and of its detections.

    ``over_blur`` is the share of the picture, 0 to 1, that ``"plate"``, ``"face"`` or ``"any"`` regions over-blur.
    """

    picture: str
    group: str
    size: tuple[int, int]
    objects: tuple[ObjectScore, ...]
    detections: tuple[DetectionScore, ...]
    over_blur: Mapping[str, float]


def score_picture(
    labels: PictureLabels, detections: Detections, regions: Iterable[Region], *, picture: str = "", group: str = ""
) -> PictureScore:
    """Compare one picture's labels with its detections and with what was rendered.

    Parameters
    ----------
    labels : PictureLabels
        What is truly in the picture, and its size.
    detections : Detections
        What was found; for recall, precision and AP.
    regions : iterable of Region
        What was hidden; for coverage and over-blur.
    picture, group : str
        The picture's relative path and the name of its set, for the report.

    Raises
    ------
    DetectionsError
        A region does not fit into a picture of the labels' size.
    """
    bitmap = _hidden(regions, labels.size)
    coverage = [_cover(item.polygon, bitmap) for item in labels.objects]
    neutral = np.array(labels.neutral, bool) | np.isnan(coverage)
    scores = [1.0 if item.score is None else item.score for item in detections]
    taken, on_neutral = _match(labels.objects, neutral, detections, scores)
    found = {j: (True, iou, scores[i]) for i, (j, iou) in taken.items()}
    objects = tuple(
        ObjectScore(item.kind, *item.box, item.box[3] - item.box[1], bool(neutral[j]), coverage[j], *found.get(j, ()))
        for j, item in enumerate(labels.objects)
    )
    judged = []
    for i, item in enumerate(detections):
        height = objects[taken[i][0]].height if i in taken else item.box[3] - item.box[1]
        outcome: Any = "right" if i in taken else "neutral" if on_neutral[i] else "wrong"
        judged.append(DetectionScore(item.kind, *item.box, height, scores[i], outcome))
    return PictureScore(picture, group, labels.size, objects, tuple(judged), _over_blur(bitmap))


def hidden_shares(objects: Detections, regions: Iterable[Region], size: tuple[int, int]) -> list[float]:
    """`ObjectScore.coverage` of each object alone, at a small part of the price of `score_picture`.

    Raises
    ------
    DetectionsError
        A region does not fit into a picture of this size.
    """
    bitmap = _hidden(regions, size)
    return [_cover(item.polygon, bitmap) for item in objects]


def average_precision(scores: Floats, right: NDArray[np.bool_], objects: int) -> float:
    """Area under the precision-recall curve with COCO's interpolation [1]_: 0 to 1, nan without objects.

    It is the mean, over the 101 recalls 0, 0.01, ... 1, of the highest precision at that recall or a higher
    one, and 0 where no recall is that high.

    Parameters
    ----------
    scores : array of float, shape (n,)
        Scores of all pictures' detections but the neutral ones; equal ones rank in the given order.
    right : array of bool, shape (n,)
        Which of them are right.
    objects : int
        Number of targets.
    """
    if not objects:
        return math.nan
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(best[np.searchsorted(hits / objects, np.linspace(0, 1, 101))].mean())


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion of `k` in `n` trials [2]_; (0, 1) when `n` is 0.

    Its ends are quantiles, α/2 of Beta(k, n - k + 1) and 1 - α/2 of Beta(k + 1, n - k) with α = 1 - level; 0
    at k = 0, 1 at k = n. The trials are taken as independent, which objects of one picture are not quite.
    """
    from scipy.special import betaincinv

    if not 0 <= k <= n or not 0 < level < 1:
        raise ValueError(f"no interval for {k} of {n} at level {level:g}")
    low = float(betaincinv(k, n - k + 1, (1 - level) / 2)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, (1 + level) / 2)) if k < n else 1.0
    return low, high


@dataclass(frozen=True)
class CoverageReport:
    """The scores of many pictures as tables; ``objects.sort_values("coverage")`` begins with the worst misses.

    Attributes
    ----------
    objects, detections : DataFrame
        One row each: ``picture``, ``set``, the fields of its score, and the ``bucket`` of its height.
    pictures : DataFrame
        One row each: ``picture``, ``set``, ``width``, ``height``, ``over_blur_plate``, ``_face`` and ``_any``.
    """

    objects: pd.DataFrame
    detections: pd.DataFrame
    pictures: pd.DataFrame

    @classmethod
    def of(cls, scores: Iterable[PictureScore], heights: Sequence[float] = HEIGHTS) -> CoverageReport:
        """Put pictures together; `heights` are the edges between the buckets, rising, in pixels."""
        scores = list(scores)
        pictures = pd.DataFrame(
            [(score.picture, score.group, *score.size, *map(score.over_blur.get, _BITS)) for score in scores],
            columns=["picture", "set", "width", "height", *(f"over_blur_{name}" for name in _BITS)],
        )
        objects = _table(scores, "objects", ObjectScore, heights)
        return cls(objects, _table(scores, "detections", DetectionScore, heights), pictures)

    def summary(self, *by: str, hidden_at: float = 0.9, level: float = 0.95) -> pd.DataFrame:
        """Shares with intervals: one row for each kind and each value of the columns `by`.

        Neutral objects and detections count only in their own columns. In a height bucket, precision and AP are of
        the detections that took an object of it, or are wrong and have such a height themselves.

        Parameters
        ----------
        *by : {"set", "bucket", "picture"}
            Columns to tell apart, beside the kind.
        hidden_at : float
            From which coverage on an object counts as hidden.
        level : float
            Confidence of the intervals.

        Returns
        -------
        DataFrame
            `by` and ``kind``; ``n`` targets in ``pictures`` pictures; ``coverage`` (mean), ``hidden``, ``recall`` and
            ``precision``, each followed by ``..._low`` and ``..._high``; ``ap``; ``over_blur``: mean over all pictures,
            with or without objects, of what regions of the kind hide without need (nan in buckets);
            ``neutral_objects``, ``neutral_detections``. A share of nothing is nan. Intervals are exact
            (`clopper_pearson`) but for mean coverage, which is no proportion: it has the percentile bootstrap over
            whole pictures [3]_ with a fixed seed, nan with one picture and too narrow with a few.
        """
        columns = [*by, "kind"]
        keys = pd.concat([self.objects[columns], self.detections[columns]]).drop_duplicates().sort_values(columns)
        groups = [dict(zip(columns, key, strict=True)) for key in keys.itertuples(index=False, name=None)]
        return pd.DataFrame([group | self._row(group, hidden_at, level) for group in groups])

    def _row(self, group: Mapping[str, Any], hidden_at: float, level: float) -> dict[str, Any]:
        objects, detections = _where(self.objects, group), _where(self.detections, group)
        targets = objects[~objects["neutral"].astype(bool)]
        judged = detections[detections["outcome"] != "neutral"]
        coverage, right = targets["coverage"].to_numpy(float), (judged["outcome"] == "right").to_numpy()
        clusters = targets.groupby(["set", "picture"])["coverage"].agg(["sum", "count"]).to_numpy(float)
        low, high = _bootstrap(clusters, level)
        pictures = _where(self.pictures, {name: group[name] for name in group if name in ("set", "picture")})
        return {
            "n": len(targets),
            "pictures": len(clusters),
            "coverage": targets["coverage"].mean(),
            "coverage_low": low,
            "coverage_high": high,
            **_proportion("hidden", coverage >= hidden_at - 1e-9, level),  # 0.9 of an area is 0.9, however rounded
            **_proportion("recall", targets["found"].to_numpy(bool), level),
            **_proportion("precision", right, level),
            "ap": average_precision(judged["score"].to_numpy(float), right, len(targets)),
            "over_blur": math.nan if "bucket" in group else pictures[f"over_blur_{group['kind']}"].mean(),
            "neutral_objects": len(objects) - len(targets),
            "neutral_detections": len(detections) - len(judged),
        }


def _table(scores: list[PictureScore], part: str, of: type, heights: Sequence[float]) -> pd.DataFrame:
    names = [field.name for field in fields(of)]
    rows = [(score.picture, score.group, row) for score in scores for row in getattr(score, part)]
    values = [(picture, group, *(getattr(row, name) for name in names)) for picture, group, row in rows]
    frame = pd.DataFrame(values, columns=["picture", "set", *names])
    buckets = [f"<{heights[0]:g}", *(f"{low:g}-{high:g}" for low, high in pairwise(heights)), f">={heights[-1]:g}"]
    frame["bucket"] = pd.cut(
        frame["height"].astype(float), [-math.inf, *heights, math.inf], right=False, labels=buckets
    )
    return frame


def _where(frame: pd.DataFrame, group: Mapping[str, Any]) -> pd.DataFrame:
    rows = np.ones(len(frame), bool)
    for name, value in group.items():
        rows &= (frame[name] == value).to_numpy()
    return frame[rows]


def _proportion(name: str, yes: NDArray[np.bool_], level: float) -> dict[str, float]:
    low, high = clopper_pearson(int(yes.sum()), len(yes), level)
    return {name: float(yes.mean()) if len(yes) else math.nan, f"{name}_low": low, f"{name}_high": high}


def _bootstrap(clusters: Floats, level: float) -> tuple[float, float]:
    """Percentile interval of the mean from rows of (sum, count), drawn 1000 times with replacement."""
    if len(clusters) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(0)
    draws = [clusters[random.integers(len(clusters), size=len(clusters))].sum(axis=0) for _ in range(1000)]
    low, high = np.quantile([total / count for total, count in draws], [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def _match(
    objects: Detections, neutral: NDArray[np.bool_], detections: Detections, scores: list[float]
) -> tuple[dict[int, tuple[int, float]], NDArray[np.bool_]]:
    """Index of each right detection -> (index of its object, IoU); which detections lie on neutral objects."""
    a = np.array([item.box for item in detections]).reshape(-1, 1, 4)
    b = np.array([item.box for item in objects]).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(axis=2)
    own, true = ((box[..., 2:] - box[..., :2]).prod(axis=2) for box in (a, b))
    kinds, true_kinds = (np.array([item.kind for item in items], str) for items in (detections, objects))
    shared[kinds[:, None] != true_kinds] = 0
    ious = np.where(neutral, 0, shared / np.maximum(own + true - shared, 1e-300))
    taken = {}
    for i in sorted(range(len(detections)), key=lambda i: -scores[i]):
        if ious[i].max(initial=0) >= _MATCH_IOU:
            best = int(ious[i].argmax())
            taken[i] = best, float(ious[i, best])
            ious[:, best] = 0
    return taken, (neutral & (shared > 0) & (shared >= 0.5 * own)).any(axis=1)


def _hidden(regions: Iterable[Region], size: tuple[int, int]) -> Bitmap:
    """One byte a pixel, shape (height, width): the bits of the kinds whose regions hide it wholly."""
    bitmap = np.zeros((size[1], size[0]), np.uint8)
    for region in regions:
        left, top, right, bottom = region.box
        mask = np.asarray(region.mask)
        window = bitmap[max(top, 0) : bottom, max(left, 0) : right]
        if mask.shape != window.shape or mask.shape != (bottom - top, right - left):
            raise DetectionsError(f"region {region.box} is not one of a picture of {size[0]}x{size[1]}")
        window[mask == 255] |= _BITS[region.kind]
    return bitmap


def _cover(polygon: Polygon, bitmap: Bitmap) -> float:
    """Hidden share of the polygon's area in the picture, nan without any; marks the pixels it touches."""
    corners = np.array(polygon)
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    (left, top), (right, bottom) = np.clip([low, high], 0, bitmap.shape[::-1]).astype(int)
    whole = hidden = 0.0
    for row in range(top, bottom if left < right else top, _BAND):
        window = bitmap[row : min(row + _BAND, bottom), left:right]
        areas = _areas(corners - (left, row), *window.shape)
        # the same sum with terms set to zero: exactly 1 when all is hidden, and never less when more is
        whole += float(areas.sum())
        hidden += float((areas * (window & _BITS["any"] != 0)).sum())
        window[areas > _ROUNDING] |= _LABELLED
    return hidden / whole if whole > _ROUNDING else math.nan


def _over_blur(bitmap: Bitmap) -> dict[str, float]:
    """Share of pixels that are hidden and not labelled, by kind of region."""
    bands = [bitmap[top : top + _BAND].ravel() for top in range(0, len(bitmap), _BAND)]
    counts = np.sum([np.bincount(band, minlength=8) for band in bands], axis=0)[:_LABELLED]
    return {name: float(counts[np.arange(_LABELLED) & bit != 0].sum() / bitmap.size) for name, bit in _BITS.items()}


def _areas(corners: Floats, height: int, width: int) -> Floats:
    """Area of a polygon in each pixel of a window, shape (height, width): signed areas left of its edges.

    `corners` has the shape (n, 2): x, y in the window's pixels; they may lie outside.
    """
    # between two cuts an edge is either absent or straight from cut to cut
    cuts = np.unique(np.append(np.arange(height + 1.0), np.clip(corners[:, 1], 0, height)))
    above, below, columns = cuts[:-1], cuts[1:], np.arange(width)
    signed = np.zeros((len(above), width))
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crossed = (above + below > 2 * min(y0, y1)) & (above + below < 2 * max(y0, y1))
        if crossed.any() and abs(y1 - y0) > _ROUNDING**2:  # a flatter edge bounds nothing
            starts, stops = (x0 + (y[crossed, None] - y0) * ((x1 - x0) / (y1 - y0)) - columns for y in (above, below))
            signed[crossed] += np.sign(y1 - y0) * (below - above)[crossed, None] * _left_of(starts, stops)
    areas: Floats = np.add.reduceat(np.abs(signed), np.searchsorted(cuts, np.arange(height)), axis=0)
    return areas


def _left_of(start: Floats, stop: Floats) -> Floats:
    """Mean of clip(x, 0, 1), the share of a unit pixel left of x, while x goes evenly from `start` to `stop`."""
    low, high = np.clip(start, 0, 1), np.clip(stop, 0, 1)
    # the integral of clip(x, 0, 1) from 0 to x is c (x - c / 2) with c = clip(x, 0, 1)
    rise = high * (stop - high / 2) - low * (start - low / 2)
    upright = np.abs(stop - start) < 1e-6
    return np.where(upright, (low + high) / 2, rise / np.where(upright, 1, stop - start))

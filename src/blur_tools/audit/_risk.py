"""How much a picture needs a person's look: rules of thumb that order a queue, no measurement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from blur_tools.audit._merge import overlapping
from blur_tools.audit._records import Area
from blur_tools.detections import Detection
from blur_tools.settings import DEFAULT_THRESHOLD

__all__ = ["risk_of"]

BORDER = 2 * DEFAULT_THRESHOLD
"""A score below this was nearly not found: what is like it may not have been."""

TINY = 12.0
"""Pixels of the shorter side below which a detection is tiny: others of its size are easily missed."""

FAILED, UNSEARCHED, NOTHING, DISAGREE, LOW, SMALL = 1.0, 0.9, 0.8, 0.7, 0.6, 0.4
"""How much each reason counts; several are joined as if they were independent chances: 1 - (1-a)(1-b)…"""


def risk_of(
    detections: Iterable[Detection],
    detected: bool,
    error: str,
    answers: Sequence[Sequence[Area]] = (),
    *,
    changed: bool = False,
) -> tuple[float, tuple[str, ...]]:
    """The risk of a picture, 0 to 1, and words for it.

    Parameters
    ----------
    detections : iterable of Detection
        What is marked.
    detected : bool
        Whether anybody has searched.
    error : str
        Why not.
    answers : sequence
        What each of several engines found.
    changed : bool
        Whether the file is another one since.
    """
    if error:
        return FAILED, ("cannot be read or searched",)
    if not detected:
        return UNSEARCHED, ("not searched",)
    found = list(detections)
    chances: dict[str, float] = {"the file has changed": UNSEARCHED} if changed else {}
    if not found:
        chances["nothing found"] = NOTHING
    if any(_disagree(one, other) for one, other in combinations(answers, 2)):
        chances["engines disagree"] = DISAGREE
    scores = [item.score for item in found if item.score is not None]
    lowest = min(scores, default=BORDER)
    if lowest < BORDER:
        chances["border score"] = LOW * min(1.0, 0.5 + (BORDER - lowest) / BORDER)
    if any(_short_side(item) < TINY for item in found):
        chances["tiny"] = SMALL
    rest = 1.0
    for chance in chances.values():
        rest *= 1 - chance
    return 1 - rest, tuple(chances)


def _disagree(one: Sequence[Area], other: Sequence[Area]) -> bool:
    return not (all(overlapping(one, other)) and all(overlapping(other, one)))


def _short_side(item: Detection) -> float:
    left, top, right, bottom = item.box
    return min(right - left, bottom - top)

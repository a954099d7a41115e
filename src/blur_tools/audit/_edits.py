"""A person's edits as changes of marks, checked before anything is written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from blur_tools.audit._checks import mark_number
from blur_tools.audit._state import PictureState
from blur_tools.detections import Detection, Kind, Polygon
from blur_tools.errors import AuditError

__all__ = ["Change", "added", "changed", "deleted"]

LEAST_AREA = 1.0
"""Square pixels below which a shape hides nothing: a click without a drag."""


@dataclass(frozen=True)
class Change:
    """One step: a word for it, and what marks are afterwards (None: gone). Without marks it is no step."""

    word: str
    marks: tuple[tuple[int, Detection | None], ...]


def added(state: PictureState, kind: Kind, polygon: Polygon, source: str) -> Change:
    """A new mark.

    Raises
    ------
    AuditError
        Corners that enclose no area.
    DetectionsError
        No kind, or not four finite corners.
    """
    mark = Detection(kind, polygon, source=source)
    _check_area(mark)
    return Change(f"add {kind}", ((state.next_id, mark),))


def deleted(state: PictureState, key: str, ids: Iterable[int]) -> Change:
    """Marks that go.

    Raises
    ------
    AuditError
        A mark that is not there, or what is no mark's number.
    """
    numbers = dict.fromkeys(map(mark_number, ids))
    _check_numbers(state, key, numbers)
    return Change(_word("delete", state, numbers), tuple((number, None) for number in numbers))


def changed(state: PictureState, key: str, verb: str, facts: Mapping[int, Mapping[str, Any]]) -> Change:
    """Marks that get other values; those that have them already are no part of the step.

    Raises
    ------
    AuditError
        A mark that is not there, or corners that enclose no area.
    DetectionsError
        A value that is none.
    """
    wanted = {mark_number(number): values for number, values in facts.items()}
    _check_numbers(state, key, wanted)
    marks = [(number, replace(state.marks[number], **values)) for number, values in wanted.items()]
    news = [(number, mark) for number, mark in marks if mark != state.marks[number]]
    for number, mark in news:
        if mark.polygon != state.marks[number].polygon:
            _check_area(mark)
    return Change(_word(verb, state, [number for number, _ in news]), tuple(news))


def _check_numbers(state: PictureState, key: str, numbers: Iterable[int]) -> None:
    unknown = [number for number in numbers if number not in state.marks]
    if unknown:
        raise AuditError(f"{key}: there is no mark {', '.join(map(repr, unknown[:5]))}; was it deleted meanwhile?")


def _check_area(mark: Detection) -> None:
    # the largest triangle of its corners: also crossed corners enclose something
    areas = [
        abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2
        for a, b, c in combinations(mark.polygon, 3)
    ]
    if max(areas) < LEAST_AREA:
        raise AuditError(f"these corners of a {mark.kind} enclose no area; draw it from one corner to the other")


def _word(verb: str, state: PictureState, numbers: Iterable[int]) -> str:
    """``delete plate``, or ``delete 3 marks``."""
    named = list(numbers)
    return f"{verb} {state.marks[named[0]].kind}" if len(named) == 1 else f"{verb} {len(named)} marks"

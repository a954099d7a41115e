"""What can happen in a review, as values; each is one line of the journal.

A record says the outcome, not the request: reading a journal again needs no rule that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, cast

from blur_tools.audit._files import FileMark
from blur_tools.audit._items import DECISIONS, ORDERS, Decision, Order
from blur_tools.detections import KINDS, Box, Detection, Kind
from blur_tools.formats._keys import check_key, shown_key

__all__ = [
    "Area",
    "Changed",
    "Decided",
    "Edited",
    "Failed",
    "Found",
    "Ordered",
    "Record",
    "Redone",
    "Saved",
    "Sources",
    "Undone",
    "read_record",
    "record_form",
]

Area = tuple[Kind, Box]
"""A kind and an upright box: what is compared between two engines."""


@dataclass(frozen=True, slots=True)
class Found:
    """An engine, or a table, said what is in a picture; `marks` is what then stands, a person's edits merged.

    `areas` is what the engine itself found, `digest` tells one table's answer from another, `settled` says that
    a person has already mended the marks, and `file` is which file was searched.
    """

    type: ClassVar[str] = "detections"
    key: str
    at: str
    marks: tuple[tuple[int, Detection], ...]
    engine: str = ""
    areas: tuple[Area, ...] = ()
    warnings: tuple[str, ...] = ()
    digest: str = ""
    settled: bool = False
    file: FileMark | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """One step of a person: what the named marks are afterwards, None where they are gone."""

    type: ClassVar[str] = "edit"
    key: str
    at: str
    by: str
    word: str
    marks: tuple[tuple[int, Detection | None], ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """A person took the last step back."""

    type: ClassVar[str] = "undo"
    key: str
    at: str


@dataclass(frozen=True, slots=True)
class Redone:
    """A person did a step again."""

    type: ClassVar[str] = "redo"
    key: str
    at: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A person decided on a picture, as it was in `file`."""

    type: ClassVar[str] = "decision"
    key: str
    at: str
    by: str
    decision: Decision
    file: FileMark | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The picture's file is another one than was searched or decided on."""

    type: ClassVar[str] = "changed"
    key: str
    at: str
    file: FileMark | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A picture cannot be shown or searched; an empty text takes that back."""

    type: ClassVar[str] = "error"
    key: str
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Pictures that belong to the review: each key with its place.

    A place is None for a file below the root, text for a URL or a path elsewhere, False for what only the caller has.
    """

    type: ClassVar[str] = "sources"
    items: tuple[tuple[str, str | bool | None], ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """The queue was put in another order."""

    type: ClassVar[str] = "order"
    order: Order
    seed: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Results were written into a folder below the root: no pictures of the review."""

    type: ClassVar[str] = "saved"
    key: str
    at: str


Record = Found | Edited | Undone | Redone | Decided | Changed | Failed | Sources | Ordered | Saved
_TYPES: dict[str, type[Record]] = {
    cls.type: cls for cls in (Found, Edited, Undone, Redone, Decided, Changed, Failed, Sources, Ordered, Saved)
}


def record_form(record: Record) -> dict[str, Any]:
    """A record as what JSON can say; `Detection` is left to the encoder. What is empty is left out."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    if isinstance(file := values.get("file"), FileMark):
        values["file"] = [file.size, file.changed, file.digest]
    empty = ((), "", False, None)
    return {"type": record.type} | {name: value for name, value in values.items() if value not in empty}


def read_record(form: Any) -> Record:
    """A record from parsed JSON, every value checked.

    Raises
    ------
    ValueError
        What is wrong with it.
    """
    if not isinstance(form, Mapping):
        raise ValueError("not an object")
    kind = form.get("type")
    cls = _TYPES.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ValueError(f"unknown type {shown_key(kind)}")
    names = {item.name for item in fields(cls)}
    unknown = form.keys() - names - {"type"}
    if unknown:
        raise ValueError(f"unknown entries {', '.join(sorted(map(shown_key, unknown)))}")
    values = {name: _READERS[name](form.get(name)) for name in names if name != "marks"}
    if "marks" in names:
        values["marks"] = _marks(form.get("marks"), cls is Edited)
    return cls(**values)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{shown_key(value)} is no text")
    return value


def _time(value: Any) -> str:
    text = _text(value)
    if text:
        datetime.fromisoformat(text)
    return text


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{shown_key(value)} is no list")
    return value


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    entries = _list(value)
    if not all(isinstance(entry, list) and len(entry) == 2 for entry in entries):
        raise ValueError("a list of pairs is needed")
    return [(first, second) for first, second in entries]


def _mark_number(value: Any) -> int:
    # far below what a number may be, so that there are some left for the marks that come
    if type(value) is not int or not 0 < value < 1 << 53:
        raise ValueError(f"{shown_key(value)} is no whole number that a mark can have")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{shown_key(value)} is no whole number")
    return value


def _truth(value: Any) -> bool:
    if value not in (None, True) or (isinstance(value, int) and value is not True):
        raise ValueError(f"{shown_key(value)} is not true")
    return value is True


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"{shown_key(value)} is none of {', '.join(choices)}")
        return value

    return read


def _marks(value: Any, gone: bool) -> tuple[tuple[int, Detection | None], ...]:
    marks = tuple(
        (_mark_number(number), None if gone and form is None else Detection.from_json(form))
        for number, form in _pairs(value)
    )
    if len(dict(marks)) != len(marks):
        raise ValueError("a mark stands twice")
    return marks


def _areas(value: Any) -> tuple[Area, ...]:
    areas = []
    for kind, box in _pairs(value):
        sides = [float(side) for side in _list(box)]
        if kind not in KINDS or len(sides) != 4:
            raise ValueError("an area is a kind and a box")
        areas.append((cast("Kind", kind), cast("Box", tuple(sides))))
    return tuple(areas)


def _places(value: Any) -> tuple[tuple[str, str | bool | None], ...]:
    pairs = _pairs(value)
    if not all(place is None or place is False or isinstance(place, str) for _, place in pairs):
        raise ValueError("a place is text, null or false")
    return tuple((check_key(key), place) for key, place in pairs)


def _file(value: Any) -> FileMark | None:
    if value is None:
        return None
    if len(_list(value)) != 3:
        raise ValueError("a file is its size, its time and its digest")
    return FileMark(_number(value[0]), _number(value[1]), _text(value[2]))


_READERS: dict[str, Callable[[Any], Any]] = {
    "key": check_key,
    "at": _time,
    "by": _text,
    "word": _text,
    "text": _text,
    "engine": _text,
    "digest": _text,
    "warnings": lambda value: tuple(map(_text, _list(value))),
    "settled": _truth,
    "file": _file,
    "areas": _areas,
    "items": _places,
    "decision": _one_of(DECISIONS),
    "order": _one_of(ORDERS),
    "seed": lambda value: _number(0 if value is None else value),
}

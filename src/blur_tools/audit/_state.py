"""One picture's marks, its history and its decision; records are its only way to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blur_tools.audit._files import CHANGED, FileMark
from blur_tools.audit._items import Decision, Item, Mark
from blur_tools.audit._merge import claimed
from blur_tools.audit._records import Area, Changed, Decided, Edited, Failed, Found, Record, Redone, Undone
from blur_tools.audit._risk import risk_of
from blur_tools.audit._sources import Entry
from blur_tools.detections import Detection
from blur_tools.outlines import shared_part

__all__ = ["PERSON", "PictureState", "is_persons", "persons_source", "print_of"]

PERSON = "person"
"""`Detection.source` of what a person drew; with a name it is ``person:name``."""

Marks = dict[int, Detection]


def persons_source(reviewer: str) -> str:
    """`Detection.source` of what a reviewer draws."""
    return f"{PERSON}:{reviewer}" if reviewer else PERSON


def is_persons(detection: Detection) -> bool:
    """Whether a person drew it."""
    return detection.source == PERSON or detection.source.startswith(f"{PERSON}:")


@dataclass(frozen=True, slots=True)
class Step:
    """What one edit did: the marks that it names, before and after; None where there was none."""

    word: str
    before: Mapping[int, Detection | None]
    after: Mapping[int, Detection | None]


@dataclass(slots=True)
class PictureState:
    """Everything that a review knows of one picture.

    Marks stand in the order of their numbers. `persons` are those that a table says a person made or mended, before
    this review; `answers` is the last answer of each engine; `digests` are those of tables already taken over, and
    `stood` are the prints (`print_of`) of all marks that ever stood, `print` of those that stand: a table that says
    one of them says nothing new. `file` is what was searched or decided on last, and `changed` says that another file
    has taken its place since.
    """

    marks: Marks = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    next_id: int = 1
    persons: frozenset[int] = frozenset()
    detected: bool = False
    error: str = ""
    warnings: tuple[str, ...] = ()
    decision: Decision = "unreviewed"
    reviewer: str = ""
    decided_at: str = ""
    answers: dict[str, tuple[Area, ...]] = field(default_factory=dict)
    digests: frozenset[str] = frozenset()
    print: int = 0
    stood: set[int] = field(default_factory=set)
    file: FileMark | None = None
    changed: bool = False

    def item(self, entry: Entry) -> Item:
        """The picture as it is shown."""
        error = self.error or entry.error
        answers = list(self.answers.values())
        risk, reasons = risk_of(self.marks.values(), self.searched, error, answers, changed=self.changed)
        return Item(
            entry.key,
            entry.source,
            tuple(Mark(number, detection) for number, detection in self.marks.items()),
            self.decision,
            self.detected,
            error,
            self.reviewer,
            self.decided_at,
            risk,
            reasons,
            (*self.warnings, CHANGED) if self.changed else self.warnings,
        )

    @property
    def searched(self) -> bool:
        """Whether an engine or a person has said what is in it."""
        return self.detected or bool(self.marks) or self.decision in ("accepted", "edited")

    @property
    def edited(self) -> bool:
        """Whether a person has changed what the engine said; what was changed and changed back does not count."""
        return bool(self.persons) or any(self.marks.get(number) != first for number, first in self._origins().items())

    def merged(self, detections: Iterable[Detection]) -> Marks:
        """The marks after an engine's new answer.

        What a person touched stays as it is. Of the answer, what is the same object (`claimed`) is left out. So is
        one that a person deleted; what a person drew and deleted again says nothing of what is there. The rest takes
        the place of all other marks; what is the same as before keeps its number.
        """
        origins = self._origins()
        kept = {number: mark for number, mark in self.marks.items() if number in origins or number in self.persons}
        found = list(detections)
        known = claimed([*self._places(kept, origins), *self._deleted(origins)], found)
        numbers: dict[tuple[Any, ...], list[int]] = {}
        for number, mark in self.marks.items():
            if number not in kept:
                numbers.setdefault(_shape(mark), []).append(number)
        marks, after = dict(kept), self.next_id
        for place, item in enumerate(found):
            if place in known:
                continue
            same = numbers.get(_shape(item))
            if same:
                marks[same.pop(0)] = item
            else:
                marks[after] = item
                after += 1
        return dict(sorted(marks.items()))

    def apply(self, record: Record) -> str | None:
        """Change as the record says; a word for a step of undo or redo.

        Raises
        ------
        ValueError
            The record does not fit: a journal that was changed by other hands.
        """
        match record:
            case Found():
                self._take(record)
            case Edited():
                self._edit(record)
            case Undone():
                return self._move(self.done, self.undone, "undo")
            case Redone():
                return self._move(self.undone, self.done, "redo")
            case Decided():
                self._decide(record)
            case Changed():
                if self.decision != "flagged":
                    self._undecide()
                self.file, self.changed = record.file, True
            case Failed():
                self.error = record.text
            case _:
                raise ValueError(f"{record.type} is of no picture")
        return None

    def _take(self, record: Found) -> None:
        marks = {number: mark for number, mark in record.marks if mark is not None}
        before = [_shape(mark) for mark in self.marks.values()]
        another = self.file is not None and record.file is not None and not self.file.is_of(record.file)
        if self.decision != "flagged" and (another or before != [_shape(mark) for mark in marks.values()]):
            self._undecide()
        old = self.changed and None not in (self.file, record.file) and another
        if not old:  # else an answer that was begun before the file was replaced
            self.file, self.changed = record.file or self.file, self.changed and record.file is None
        self.marks = dict(sorted(marks.items()))
        self.print = print_of(marks.values())
        self.next_id = max([self.next_id, *(number + 1 for number in marks)])
        # what a step of this review made is not settled: it may be undone
        given = marks.keys() - self._origins().keys()
        self.persons |= {number for number in given if record.settled or is_persons(marks[number])}
        self.detected, self.error, self.warnings = True, "", record.warnings
        self.undone.clear()
        if record.engine:
            self.answers[record.engine] = record.areas
        if record.digest:
            self.digests |= {record.digest}
        self._remember()

    def _edit(self, record: Edited) -> None:
        after = dict(record.marks)
        before = {number: self.marks.get(number) for number in after}
        if not after or any(before[number] is None and mark is None for number, mark in after.items()):
            raise ValueError("a step that changes no mark, or one that is not there")
        self.next_id = max(self.next_id, max(after) + 1)
        self.done.append(Step(record.word, before, after))
        self.undone.clear()
        self._put(after)

    def _decide(self, record: Decided) -> None:
        self.decision, self.reviewer, self.decided_at = record.decision, record.by, record.at
        if record.decision == "unreviewed":
            self._undecide()
            return
        self._remember()
        if record.file is not None:
            self.file, self.changed = record.file, False

    def _remember(self) -> None:
        self.stood.add(self.print)

    def _move(self, steps: list[Step], to: list[Step], what: str) -> str:
        if not steps:
            raise ValueError(f"there is nothing to {what}")
        step = steps.pop()
        to.append(step)
        self._put(step.before if what == "undo" else step.after)
        return step.word

    def _put(self, marks: Mapping[int, Detection | None]) -> None:
        grown = any(number not in self.marks for number, mark in marks.items() if mark is not None)
        gone = [self.marks[number] for number in marks if number in self.marks]
        self.print += print_of(mark for mark in marks.values() if mark is not None) - print_of(gone)
        for number, mark in marks.items():
            if mark is None:
                self.marks.pop(number, None)
            else:
                self.marks[number] = mark
        if grown:
            self.marks = dict(sorted(self.marks.items()))
        if self.decision != "flagged":
            self._undecide()
        self._remember()

    def _undecide(self) -> None:
        self.decision, self.reviewer, self.decided_at = "unreviewed", "", ""

    def _origins(self) -> dict[int, Detection | None]:
        """Each mark that a step has touched, as it was before the first of them."""
        origins: dict[int, Detection | None] = {}
        for step in self.done:
            for number, before in step.before.items():
                origins.setdefault(number, before)
        return origins

    @staticmethod
    def _places(kept: Marks, origins: Mapping[int, Detection | None]) -> list[list[Detection]]:
        """Where each mark is found again: as it stands and, while it still is there, as the engine first gave it."""
        places = []
        for number, mark in kept.items():
            first = origins.get(number)
            there = first is not None and not is_persons(first) and shared_part(mark.polygon, first.polygon) > 0
            places.append([mark, first] if first is not None and there else [mark])
        return places

    def _deleted(self, origins: Mapping[int, Detection | None]) -> list[list[Detection]]:
        """An engine's marks that a person has deleted: as they were then, and as the engine first gave them."""
        last: dict[int, Detection] = {}
        for step in self.done:
            for number, before in step.before.items():
                if before is not None:
                    last[number] = before
        firsts = {number: origins[number] for number in last if number not in self.marks}
        return [
            [last[number], first] for number, first in firsts.items() if first is not None and not is_persons(first)
        ]


def print_of(marks: Iterable[Detection]) -> int:
    """A number for what is marked, whatever the order; for one process only."""
    # as text: the hash of -1 is that of -2
    return sum(hash(f"{mark.kind}{mark.polygon}{mark.score}{mark.source}\0{mark.keep}") for mark in marks)


def _shape(mark: Detection) -> tuple[Any, ...]:
    """What decides how a picture is redacted."""
    return mark.kind, mark.polygon, mark.keep

"""The review without a window: random edits against a plain model, merges with a re-run, tables, results, queue."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from PIL import Image

import blur_tools  # noqa: F401  (registers the accessor)
from blur_tools.audit._files import mark_of
from blur_tools.audit.session import AuditSession, Item
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import (
    AuditError,
    DetectionsError,
    ExtraMissingError,
    JournalError,
    OutputError,
    PictureError,
    SettingsError,
)
from blur_tools.formats.blur_json import read_blur_json
from blur_tools.formats.coco import read_coco

PLATE = Detection("plate", ((10, 10), (60, 12), (61, 30), (9, 28)), 0.9, "local", result={"box": [1, 2]})
FACE = Detection("face", box_polygon(100, 20, 130, 60), 0.8, "local")
NAMES = ("a.png", "b.png", "sub/c.png")


def write_pictures(folder: Path, names=NAMES) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (80, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_pictures(tmp_path / "set")


@pytest.fixture
def session(folder):
    with AuditSession.open(folder, reviewer="Ann") as session:
        yield session


def shapes(item: Item) -> list:
    return [(mark.detection.kind, mark.detection.box) for mark in item.marks]


# -- random edits against a plain model --------------------------------------------------------------------------


class Model:
    """One picture as a list of whole states: undo is going back in the list."""

    def __init__(self) -> None:
        self.states: list[dict[int, Detection]] = [{}]
        self.at = 0
        self.first: dict[int, Detection] = {}
        self.decision = "unreviewed"
        self.error = ""
        self.used = 0

    @property
    def marks(self) -> dict[int, Detection]:
        return self.states[self.at]

    def step(self, marks: dict[int, Detection]) -> None:
        if marks == self.marks:
            return
        del self.states[self.at + 1 :]
        self.states.append(marks)
        self.at += 1
        self.used = max(self.used, *marks, 0)
        self.undecide()

    def move(self, by: int) -> bool:
        if not 0 <= self.at + by < len(self.states):
            return False
        self.at += by
        self.undecide()
        return True

    def undecide(self) -> None:
        if self.decision != "flagged":
            self.decision = "unreviewed"


kinds = st.sampled_from(["plate", "face"])
boxes = st.builds(
    lambda x, y, w, h: box_polygon(x, y, x + w, y + h),
    *[st.integers(-20, 200)] * 2,
    *[st.integers(2, 90)] * 2,
)


class Review(RuleBasedStateMachine):
    """A session with a journal and a model of each picture; now and then the process is thought to die."""

    @initialize(found=st.lists(st.tuples(kinds, boxes), min_size=2, max_size=4))
    def begin(self, found) -> None:
        self.folder = Path(tempfile.mkdtemp())
        for name in NAMES:
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.touch()  # nothing looks into a picture here
        self.session = AuditSession.open(self.folder, reviewer="Ann")
        self.models = {name: Model() for name in NAMES}
        self.position = 0
        self.order = list(NAMES)
        detections = [Detection(kind, box, 0.5, "local") for kind, box in found]
        for name in NAMES[:2]:
            self.session.set_detections(name, detections, engine="local")
            model = self.models[name]
            model.states = [dict(enumerate(detections, start=1))]
            model.first = dict(model.states[0])
            model.used = len(detections)

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.close()
            shutil.rmtree(self.folder)

    # mostly one picture: long histories find more than many short ones
    names = st.sampled_from([*NAMES, *["a.png"] * 5])

    def some(self, data, key: str) -> list[int]:
        ids = list(self.models[key].marks)
        return data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1)) if ids else []

    @rule(key=names, kind=kinds, polygon=boxes)
    def add(self, key, kind, polygon) -> None:
        model = self.models[key]
        mark = self.session.add(key, kind, polygon)
        assert mark.id == model.used + 1  # never one that was used
        assert mark.detection == Detection(kind, polygon, source="person:Ann")
        model.step({**model.marks, mark.id: mark.detection})

    @precondition(lambda self: any(model.marks for model in self.models.values()))
    @rule(key=names, data=st.data())
    def delete(self, key, data) -> None:
        ids, model = self.some(data, key), self.models[key]
        self.session.delete(key, ids)
        model.step({number: mark for number, mark in model.marks.items() if number not in ids})

    @rule(key=names, polygon=boxes, data=st.data())
    def reshape(self, key, polygon, data) -> None:
        ids, model = self.some(data, key), self.models[key]
        self.session.reshape(key, dict.fromkeys(ids, polygon))
        model.step({n: replace(mark, polygon=polygon) if n in ids else mark for n, mark in model.marks.items()})

    @rule(key=names, kind=kinds, data=st.data())
    def set_kind(self, key, kind, data) -> None:
        ids, model = self.some(data, key), self.models[key]
        self.session.set_kind(key, ids, kind)
        model.step({n: replace(mark, kind=kind) if n in ids else mark for n, mark in model.marks.items()})

    @rule(key=names, keep=st.booleans(), data=st.data())
    def set_keep(self, key, keep, data) -> None:
        ids, model = self.some(data, key), self.models[key]
        self.session.set_keep(key, ids, keep)
        model.step({n: replace(mark, keep=keep) if n in ids else mark for n, mark in model.marks.items()})

    @rule(key=names, steps=st.integers(1, 3))
    def undo(self, key, steps) -> None:
        for _ in range(steps):
            assert (self.session.undo(key) is not None) == self.models[key].move(-1)

    @rule(key=names, steps=st.integers(1, 3))
    def redo(self, key, steps) -> None:
        for _ in range(steps):
            assert (self.session.redo(key) is not None) == self.models[key].move(1)

    @rule(key=names, data=st.data())
    def delete_and_undo(self, key, data) -> None:
        self.delete(key, data)
        self.undo(key, 1)

    @rule(key=names, decision=st.sampled_from(["unreviewed", "accepted", "edited", "flagged"]))
    def decide(self, key, decision) -> None:
        model = self.models[key]
        item = self.session.decide(key, decision)
        if decision in ("accepted", "edited"):
            decision = "accepted" if model.marks == model.first else "edited"
        model.decision = decision
        assert item.decision == decision

    @rule(key=names, text=st.sampled_from(["", "broken"]))
    def set_error(self, key, text) -> None:
        self.session.set_error(key, text)
        self.models[key].error = text

    @rule(key=names, how=st.sampled_from(["go", "next", "previous"]))
    def walk(self, key, how) -> None:
        if how == "go":
            assert self.session.go(key).key == key
            self.position = self.order.index(key)
            return
        moved = self.session.next() if how == "next" else self.session.previous()
        there = self.position + (1 if how == "next" else -1)
        assert (moved is not None) == (0 <= there < len(NAMES))
        self.position = there if moved else self.position

    @rule(order=st.sampled_from(["path", "risk", "random"]), seed=st.integers(0, 3))
    def reorder(self, order, seed) -> None:
        current = self.session.current.key
        self.session.reorder(order, seed)
        assert self.session.current.key == current
        self.order = [item.key for item in self.session.items]
        assert sorted(self.order) == sorted(NAMES)
        self.position = self.order.index(current)

    @rule()
    def resume(self) -> None:
        before = {item.key: item for item in self.session.items}
        self.session.close()
        self.session = AuditSession.resume(self.folder / ".blur-audit.jsonl", reviewer="Ann")
        assert {item.key: item for item in self.session.items} == before
        self.order = [item.key for item in self.session.items]
        open_ones = [place for place, item in enumerate(self.session.items) if item.decision == "unreviewed"]
        self.position = open_ones[0] if open_ones else 0

    @precondition(lambda self: hasattr(self, "session"))
    @invariant()
    def agrees(self) -> None:
        for key, model in self.models.items():
            item = self.session[key]
            assert {mark.id: mark.detection for mark in item.marks} == model.marks
            assert [mark.id for mark in item.marks] == sorted(model.marks)
            assert (item.decision, item.error) == (model.decision, model.error)
            assert bool(item.decided_at) == (item.decision != "unreviewed")
            assert (item.reviewer == "Ann") == (item.decision != "unreviewed")
            assert self.session.can_undo(key) == (model.at > 0)
            assert self.session.can_redo(key) == (model.at + 1 < len(model.states))
            assert 0 <= item.risk <= 1
        assert self.session.position == self.position
        assert self.session.current == self.session.items[self.position]
        decisions = [model.decision for model in self.models.values()]
        assert self.session.counts() == {d: decisions.count(d) for d in ("unreviewed", "accepted", "edited", "flagged")}


Review.TestCase.settings = settings(max_examples=80, stateful_step_count=50, derandomize=True, deadline=None)
TestReview = Review.TestCase


# -- an engine's second answer ----------------------------------------------------------------------------------------


def test_a_second_answer_replaces_what_nobody_touched(session):
    session.set_detections("a.png", [PLATE, FACE], engine="local")
    moved = replace(FACE, polygon=box_polygon(0, 60, 20, 79))
    item = session.set_detections("a.png", [PLATE, moved], engine="local")
    assert list(item.detections) == [PLATE, moved]
    assert [mark.id for mark in item.marks] == [1, 3]  # what is the same keeps its number, others get new ones


def test_a_persons_edits_survive_a_second_answer(session):
    other = replace(FACE, polygon=box_polygon(0, 50, 30, 79))
    session.set_detections("a.png", [PLATE, FACE, other], engine="local")
    drawn = session.add("a.png", "face", box_polygon(140, 1, 158, 20))
    session.reshape("a.png", {1: box_polygon(5, 5, 70, 35)})
    session.delete("a.png", [3])
    before = session["a.png"].detections
    # the same objects again, slightly elsewhere, and one that the person had drawn
    again = [
        replace(PLATE, polygon=((11, 10), (61, 12), (62, 30), (10, 28))),
        replace(other, polygon=box_polygon(1, 51, 31, 80)),
        replace(FACE, polygon=box_polygon(140, 2, 158, 21), score=0.4),
    ]
    item = session.set_detections("a.png", again, engine="local")
    # only the face that nobody touched and nobody found again is gone
    assert list(item.detections) == [mark for mark in before if mark != FACE]
    assert drawn in item.marks
    # and the history still leads back
    assert session.undo("a.png") == "delete face"
    assert other in session["a.png"].detections
    assert session.undo("a.png") == "reshape plate"
    assert session.undo("a.png") == "add face"
    assert PLATE in session["a.png"].detections
    assert not session.can_undo("a.png")


def test_a_deleted_mark_stays_deleted_only_for_its_kind_and_place(session):
    session.set_detections("a.png", [FACE])
    session.delete("a.png", [1])
    same, kind = replace(FACE, score=0.1), replace(FACE, kind="plate")
    elsewhere = replace(FACE, polygon=box_polygon(125, 20, 155, 60))
    item = session.set_detections("a.png", [same, kind, elsewhere])
    assert list(item.detections) == [kind, elsewhere]


def test_what_a_person_drew_and_deleted_says_nothing_of_what_is_there(session):
    mark = session.add("a.png", "face", FACE.polygon)
    session.delete("a.png", [mark.id])
    assert list(session.set_detections("a.png", [FACE]).detections) == [FACE]


def test_where_a_person_moved_a_mark_away_the_engine_may_find_another_object(session):
    session.set_detections("a.png", [FACE])
    session.reshape("a.png", {1: box_polygon(0, 0, 20, 30)})
    item = session.set_detections("a.png", [FACE])
    assert shapes(item) == [("face", (0, 0, 20, 30)), ("face", FACE.box)]


def test_a_mark_that_was_made_smaller_is_found_again_where_the_engine_had_it(session):
    session.set_detections("a.png", [FACE])
    session.reshape("a.png", {1: box_polygon(101, 21, 108, 30)})
    assert shapes(session.set_detections("a.png", [FACE])) == [("face", (101, 21, 108, 30))]


def test_where_a_mark_was_deleted_it_stays_deleted_though_the_engine_had_it_elsewhere(session):
    session.set_detections("a.png", [FACE])
    moved = replace(FACE, polygon=box_polygon(0, 0, 30, 40))
    session.reshape("a.png", {1: moved.polygon})
    session.delete("a.png", [1])
    assert session.set_detections("a.png", [FACE]).marks == ()
    assert session.set_detections("a.png", [moved]).marks == ()
    assert len(session.set_detections("a.png", [FACE, moved]).marks) == 1  # one object was deleted, not two


def test_one_mark_is_one_object_the_one_that_it_overlaps_most(session):
    session.add("a.png", "face", box_polygon(40, 10, 100, 70))
    left, right = (Detection("face", box_polygon(x, 10, x + 60, 70), 0.9, "local") for x in (25, 52))
    item = session.set_detections("a.png", [left, right])
    assert [mark.detection.box[0] for mark in item.marks] == [40, 25]


def test_what_stands_beside_a_tilted_plate_is_another_plate(session):
    def band(offset: float) -> tuple:
        along, across = np.array([1, 1]) * 0.7071, np.array([1, -1]) * 0.7071
        middle = np.array([300, 300]) + across * offset
        return tuple(
            tuple(middle + along * a + across * b) for a, b in ((-100, -15), (100, -15), (100, 15), (-100, 15))
        )

    session.add("a.png", "plate", band(0))
    found = [Detection("plate", band(offset), 0.9, "local") for offset in (1, 40)]
    item = session.set_detections("a.png", found)
    assert len(item.marks) == 2
    assert item.marks[1].detection == found[1]


def test_how_much_outlines_share():
    from blur_tools.outlines import shared_part

    square, half = box_polygon(0, 0, 10, 10), box_polygon(0, 0, 5, 10)
    diamond = ((5, 0), (10, 5), (5, 10), (0, 5))
    assert shared_part(square, square) == 1
    assert shared_part(square, half) == shared_part(half, square[::-1]) == 0.5
    assert shared_part(square, diamond) == pytest.approx(0.5)
    assert shared_part(square, box_polygon(5, 5, 15, 15)) == pytest.approx(25 / 175)
    assert shared_part(square, box_polygon(10, 0, 20, 10)) == 0
    assert shared_part(square, ((0, 0), (10, 10), (10, 0), (0, 10))) == 1  # crossed corners are what they enclose
    for flat in (((1, 1),) * 4, ((0, 0), (5, 5), (10, 10), (2, 2))):
        assert shared_part(square, flat) == shared_part(flat, flat) == 0
    far = tuple((x + 1e8, y - 1e8) for x, y in square)
    assert shared_part(far, far) == 1


def test_what_was_drawn_and_undone_after_a_second_answer_is_no_edit(session):
    session.set_detections("a.png", [PLATE])
    session.add("a.png", "face", FACE.polygon)
    session.set_detections("a.png", [PLATE])
    assert session.undo("a.png") == "add face"
    assert session.decide("a.png", "accepted").decision == "accepted"


def test_an_undone_edit_is_no_edit_for_a_second_answer(session):
    session.set_detections("a.png", [FACE])
    session.delete("a.png", [1])
    session.undo("a.png")
    moved = replace(FACE, polygon=box_polygon(0, 0, 20, 30))
    assert list(session.set_detections("a.png", [moved]).detections) == [moved]
    assert not session.can_redo("a.png")


def test_a_decision_falls_when_the_marks_change_and_stays_when_they_do_not(session):
    session.set_detections("a.png", [PLATE])
    decided = session.decide("a.png", "accepted")
    same = session.set_detections("a.png", [replace(PLATE, score=0.1, source="cloud")])
    assert (same.decision, same.reviewer, same.decided_at) == ("accepted", "Ann", decided.decided_at)
    assert session.set_detections("a.png", [PLATE, FACE]).decision == "unreviewed"
    session.decide("a.png", "flagged")
    assert session.set_detections("a.png", []).decision == "flagged"


def test_an_answer_takes_an_error_back_and_brings_its_warnings(session):
    session.set_error("a.png", "no connection")
    assert session["a.png"].risk == 1
    item = session.set_detections("a.png", [], warnings=["et was not used"])
    assert (item.error, item.warnings, item.detected) == ("", ("et was not used",), True)


def overlap(one: Detection, other: Detection) -> float:
    """Intersection over union of the boxes, written plainly; 0 between kinds."""
    (a, b, c, d), (e, f, g, h) = one.box, other.box
    shared = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
    union = (c - a) * (d - b) + (g - e) * (h - f) - shared
    return shared / union if one.kind == other.kind else 0


answers = st.lists(st.builds(Detection, kinds, boxes, st.just(0.5), st.just("local")), max_size=6)
edits = st.lists(
    st.tuples(st.sampled_from(["add", "delete", "reshape", "kind", "keep", "undo"]), st.integers(0, 9), kinds, boxes),
    max_size=8,
)


def do_edits(session: AuditSession, steps) -> None:
    key = session[0].key
    for verb, number, kind, polygon in steps:
        ids = [mark.id for mark in session[0].marks]
        one = ids[number % len(ids)] if ids else None
        if verb == "add":
            session.add(key, kind, polygon)
        elif verb == "undo":
            session.undo(key)
        elif one is None:
            continue
        elif verb == "delete":
            session.delete(key, [one])
        elif verb == "reshape":
            session.reshape(key, {one: polygon})
        elif verb == "kind":
            session.set_kind(key, [one], kind)
        else:
            session.set_keep(key, [one], True)


@given(first=answers, steps=edits, second=answers, nearby=st.sampled_from([0, 2, 10, 40]))
@settings(max_examples=300)
def test_any_second_answer_keeps_any_edits(first, steps, second, nearby):
    session = AuditSession.open(["https://host/a.jpg"])
    key = session[0].key
    session.set_detections(key, first, engine="local")
    given_marks = {mark.id: mark.detection for mark in session[0].marks}
    do_edits(session, steps)
    before = {mark.id: mark.detection for mark in session[0].marks}
    # what is seen from outside: a mark is touched when it is not what the engine gave, or was not given
    changed = {number: mark for number, mark in before.items() if given_marks.get(number) != mark}
    deleted = [mark for number, mark in given_marks.items() if number not in before]
    # the engine finds again what it found before, a little elsewhere, and more
    shifted = [replace(mark, polygon=tuple((x + nearby, y) for x, y in mark.polygon)) for mark in given_marks.values()]
    session.set_detections(key, [*shifted, *second], engine="local")
    after = {mark.id: mark.detection for mark in session[0].marks}
    assert changed.items() <= after.items()
    for number, mark in after.items():
        if before.get(number) != mark:
            assert mark in (*shifted, *second)
    # what is left out is the same object as one that a person changed or deleted, each of them once
    stay = [mark for number, mark in after.items() if number not in changed]
    left = [mark for mark in (*shifted, *second) if mark not in stay]
    assert len(shifted) + len(second) - len(stay) <= len(changed) + len(deleted)
    for number, mark in changed.items():
        places = [mark, given_marks.get(number, mark)]
        if any(overlap(place, other) >= 0.5 for place in places[:1] for other in stay):
            assert any(overlap(place, other) >= 0.5 for place in places for other in [*left, *stay])
            assert len(stay) < len(shifted) + len(second)
    # nothing that the engine found is lost without a reason
    reasons = [*changed.values(), *given_marks.values()]
    # a mark that was moved before it was deleted
    reasons += [Detection(kind, step[3]) for step in steps if step[0] == "reshape" for kind in ("plate", "face")]
    for mark in second:
        assert mark in after.values() or any(overlap(mark, other) >= 0.5 for other in reasons)
    # and undo still leads back to what the engine gave, or says now
    while session.undo(key):
        pass
    for mark in session[0].detections:
        assert mark in (*shifted, *second, *given_marks.values())


# -- edits and their limits -------------------------------------------------------------------------------------------


def test_each_call_is_one_step_with_a_word(session):
    session.set_detections("a.png", [PLATE, FACE])
    session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
    session.set_keep("a.png", [1, 2], True)
    session.set_keep("a.png", [1], False)
    session.set_kind("a.png", [2], "plate")
    session.reshape("a.png", {1: box_polygon(1, 1, 9, 9), 3: box_polygon(2, 2, 9, 9)})
    session.delete("a.png", [1, 2, 3])
    assert [session.undo("a.png") for _ in range(7)] == [
        "delete 3 marks", "reshape 2 marks", "make plate of face", "hide plate", "keep 2 marks", "add plate", None,
    ]  # fmt: skip
    assert session["a.png"].detections == Detections([PLATE, FACE])
    assert session.redo("a.png") == "add plate"


def test_undo_belongs_to_its_picture(session):
    session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
    session.add("b.png", "face", box_polygon(1, 1, 9, 9))
    assert session.undo("a.png") == "add plate"
    assert session.undo("a.png") is None
    assert len(session["b.png"].marks) == 1
    assert session.current.key == "a.png"


def test_a_number_is_never_used_again(folder):
    with AuditSession.open(folder) as session:
        numbers = [session.add("a.png", "plate", PLATE.polygon).id for _ in range(3)]
        session.delete("a.png", numbers[1:])
        session.reshape("a.png", {numbers[0]: FACE.polygon})
        numbers.append(session.add("a.png", "plate", PLATE.polygon).id)
        session.undo("a.png")
        numbers.append(session.add("a.png", "plate", PLATE.polygon).id)
    with AuditSession.open(folder) as session:
        session.undo("a.png")
        numbers.append(session.add("a.png", "plate", PLATE.polygon).id)
        session.delete("a.png", numbers[-1:])
        numbers += [mark.id for mark in session.set_detections("a.png", [FACE, FACE]).marks if mark.id not in numbers]
    assert numbers == sorted(set(numbers))


def test_a_step_that_changes_nothing_is_none(session):
    session.set_detections("a.png", [PLATE])
    session.delete("a.png", [])
    session.set_keep("a.png", [1], False)
    session.reshape("a.png", {1: PLATE.polygon})
    session.set_kind("a.png", [1], "plate")
    assert not session.can_undo("a.png")


@pytest.mark.parametrize(
    "polygon",
    [((5, 5),) * 4, box_polygon(5, 5, 90, 5), ((0, 0), (10, 10), (20, 20), (30, 30)), box_polygon(5, 5, 6, 5.9)],
)
def test_corners_without_an_area_are_refused_and_nothing_is_lost(session, polygon):
    session.set_detections("a.png", [PLATE])
    before = session["a.png"]
    with pytest.raises(AuditError, match="no area"):
        session.add("a.png", "plate", polygon)
    with pytest.raises(AuditError, match="no area"):
        session.reshape("a.png", {1: polygon})
    assert session["a.png"] == before
    assert not session.can_undo("a.png")


@pytest.mark.parametrize("polygon", [(), ((1, 2),) * 3, "abcd", ((float("nan"), 1),) * 4, ((1e12, 1),) * 4, None])
def test_what_is_no_polygon_is_refused(session, polygon):
    with pytest.raises(DetectionsError):
        session.add("a.png", "plate", polygon)
    assert session["a.png"].marks == ()


def test_unknown_pictures_marks_and_words_are_said(session):
    for call in (
        lambda: session.add("z.png", "plate", PLATE.polygon),
        lambda: session.decide("z.png", "accepted"),
        lambda: session.go("z.png"),
        lambda: session["z.png"],
        lambda: session.undo("z.png"),
        lambda: session.set_error("z.png", ""),
        lambda: session.set_detections("z.png", []),
    ):
        with pytest.raises(AuditError, match=r"'z\.png'"):
            call()
    with pytest.raises(AuditError, match=r"a\.png: there is no mark 7"):
        session.delete("a.png", [7])
    with pytest.raises(AuditError, match="'maybe'"):
        session.decide("a.png", "maybe")
    with pytest.raises(AuditError, match="'size'"):
        session.reorder("size")
    with pytest.raises(AuditError, match="seed"):
        session.reorder("random", -1)
    with pytest.raises(DetectionsError, match="lorry"):
        session.add("a.png", "lorry", PLATE.polygon)
    with pytest.raises(IndexError):
        session[3]
    assert "z.png" not in session
    assert "a.png" in session


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda s: s.delete("a.png", [1.0]), "mark: 1.0"),
        (lambda s: s.delete("a.png", [True]), "mark: True"),
        (lambda s: s.set_keep("a.png", [np.True_], True), "mark"),
        (lambda s: s.set_kind("a.png", ["1"], "face"), "mark: '1'"),
        (lambda s: s.reshape("a.png", {1.0: FACE.polygon}), "mark: 1.0"),
        (lambda s: s.set_error("a.png", 404), "error: 404"),
        (lambda s: s.set_detections("a.png", [], engine=5), "engine: 5"),
        (lambda s: s.set_detections("a.png", [], warnings=[3]), "warnings: 3"),
        (lambda s: s.set_detections("a.png", [], warnings="a text"), "list of texts"),
        (lambda s: s.add("a.png", "plate", PLATE.polygon, reviewer=7), "reviewer: 7"),
        (lambda s: s.reorder("random", 2**63), "seed"),
        (lambda s: s.reorder("random", -1), "seed"),
        (lambda s: s.reorder("random", 1.5), "seed: 1.5"),
        (lambda s: [setattr(s, "reviewer", 5), s.decide("a.png", "accepted")], "reviewer: 5"),
        (lambda s: [setattr(s, "reviewer", 5), s.delete("a.png", [1])], "reviewer: 5"),
    ],
)
@pytest.mark.parametrize("kept", [True, False], ids=["journal", "memory"])
def test_what_a_journal_could_not_say_is_refused_at_the_door(folder, step, said, kept):
    sources = folder if kept else [str(folder / "a.png")]
    with AuditSession.open(sources) as session:
        session.set_detections("a.png", [PLATE])
        before = session["a.png"]
        with pytest.raises(AuditError, match=said):
            step(session)
        assert session["a.png"] == before
        session.reviewer = "Ann"
        assert session.decide("a.png", "accepted").decision == "accepted"
    if kept:
        AuditSession.open(folder).close()


def test_numbers_of_numpy_are_numbers(folder):
    with AuditSession.open(folder) as session:
        session.set_detections("a.png", [PLATE, FACE])
        session.delete("a.png", np.array([1]))
        session.set_keep("a.png", np.array([2]), True)
        session.reorder("random", np.int64(3))
    with AuditSession.open(folder) as session:
        assert list(session["a.png"].detections) == [replace(FACE, keep=True)]


def test_a_name_of_a_callers_own_leads_nowhere(folder, tmp_path, encode, noise):
    from blur_tools.sources import Source

    data = encode(noise(20, 30), "PNG")
    with AuditSession.open([Source(data, "../../x.png", "x")], journal=tmp_path / "j.jsonl") as session:
        key = session[0].key
        assert "/" not in key
        session.decide(key, "flagged")
    with AuditSession.resume(tmp_path / "j.jsonl") as session:
        assert session[key].decision == "flagged"


@pytest.mark.parametrize("reviewer", [5, None])
def test_a_reviewer_that_is_no_text_opens_nothing(folder, reviewer):
    with pytest.raises(AuditError, match="reviewer"):
        AuditSession.open(folder, reviewer=reviewer)
    assert not (folder / ".blur-audit.jsonl").exists()


def test_deleting_some_that_are_not_there_deletes_none(session):
    session.set_detections("a.png", [PLATE, FACE])
    with pytest.raises(AuditError, match="no mark 9"):
        session.delete("a.png", [1, 9])
    assert len(session["a.png"].marks) == 2


def test_who_and_when_are_kept(folder):
    with AuditSession.open(folder, reviewer="Ann") as session:
        assert session.add("a.png", "plate", PLATE.polygon, reviewer="Bob").detection.source == "person:Bob"
        session.reviewer = ""
        assert session.add("a.png", "plate", PLATE.polygon).detection.source == "person"
        session.reviewer = "Cy"
        item = session.decide("a.png", "accepted")
        assert (item.decision, item.reviewer) == ("edited", "Cy")
        assert pd.Timestamp(item.decided_at).tzinfo is not None
    lines = [json.loads(line) for line in (folder / ".blur-audit.jsonl").read_text().splitlines()]
    assert [line.get("by") for line in lines[1:]] == ["Bob", None, "Cy"]


# -- the queue --------------------------------------------------------------------------------------------------------


def test_the_queue_is_walked_by_decision(session):
    session.decide("b.png", "accepted")
    assert session.next(only={"unreviewed"}).key == "sub/c.png"
    assert session.next(only={"unreviewed"}) is None
    assert session.current.key == "sub/c.png"
    assert session.previous(only={"accepted", "edited"}).key == "b.png"
    assert session.previous(only={"flagged"}) is None
    assert session.position == 1
    assert session.go(-1).key == "sub/c.png"


def test_an_order_by_chance_is_its_seeds(session):
    def order(seed):
        session.reorder("random", seed)
        return [item.key for item in session.items]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 1


def test_the_riskiest_come_first(folder):
    write_pictures(folder, ["d.png", "e.png", "f.png", "g.png"])
    with AuditSession.open(folder) as session:
        session.set_error("a.png", "broken")
        session.set_detections("d.png", [], engine="local")
        session.set_detections("e.png", [replace(PLATE, score=0.3)], engine="local")
        session.set_detections("f.png", [PLATE], engine="local")
        session.set_detections("f.png", [PLATE, FACE], engine="cloud")
        session.set_detections("g.png", [PLATE, FACE], engine="local")
        session.set_detections("g.png", [PLATE, FACE], engine="cloud")
        session.set_detections("sub/c.png", [replace(FACE, polygon=box_polygon(1, 1, 9, 9))], engine="local")
        session.reorder("risk")
        assert [(item.key, item.reasons) for item in session.items] == [
            ("a.png", ("cannot be read or searched",)),
            ("b.png", ("not searched",)),
            ("d.png", ("nothing found",)),
            ("f.png", ("engines disagree",)),
            ("e.png", ("border score",)),
            ("sub/c.png", ("tiny",)),
            ("g.png", ()),
        ]
        risks = [item.risk for item in session.items]
        assert risks == sorted(risks, reverse=True)
        assert (risks[0], risks[-1]) == (1, 0)


def test_a_lower_score_is_a_higher_risk_and_reasons_add_up(session):
    risks = [session.set_detections("a.png", [replace(PLATE, score=s)]).risk for s in (0.6, 0.49, 0.3, 0.1)]
    assert risks == sorted(risks)
    assert risks[0] == 0
    both = session.set_detections("a.png", [replace(PLATE, score=0.1, polygon=box_polygon(1, 1, 9, 9))])
    assert both.reasons == ("border score", "tiny")
    assert risks[-1] < both.risk < 1


def test_observers_are_told_what_changed_until_they_leave(session):
    said = []
    leave = session.subscribe(lambda key, what: said.append((key, what, session[key].decision)))
    session.set_detections("a.png", [PLATE])
    session.add("a.png", "plate", box_polygon(1, 1, 9, 9))
    session.undo("a.png")
    session.redo("a.png")
    session.decide("a.png", "accepted")
    session.set_error("b.png", "gone")
    session.next()
    session.reorder("risk")
    assert said == [
        ("a.png", "detections", "unreviewed"),
        ("a.png", "edit", "unreviewed"),
        ("a.png", "undo", "unreviewed"),
        ("a.png", "redo", "unreviewed"),
        ("a.png", "decision", "edited"),
        ("b.png", "error", "unreviewed"),
        ("b.png", "position", "unreviewed"),
        ("b.png", "order", "unreviewed"),
    ]
    leave()
    leave()
    session.undo("a.png")
    assert len(said) == 8


# -- what is opened ---------------------------------------------------------------------------------------------------


def test_a_folder_is_listed_as_the_command_line_does(folder):
    for name in ("old.gif", "notes.txt", "UPPER.JPG"):
        (folder / name).touch()
    with AuditSession.open(folder) as session:
        assert [item.key for item in session.items] == ["UPPER.JPG", "a.png", "b.png", "old.gif", "sub/c.png"]
        assert session.root == folder
        assert session.journal == folder / ".blur-audit.jsonl"
        assert all(Path(item.source).is_absolute() and Path(item.source).exists() for item in session)
        assert session.counts() == {"unreviewed": 5, "accepted": 0, "edited": 0, "flagged": 0}


def test_new_and_vanished_pictures_of_a_folder(folder):
    with AuditSession.open(folder) as session:
        session.add("b.png", "plate", PLATE.polygon)
        session.decide("a.png", "accepted")
    (folder / "b.png").unlink()
    write_pictures(folder, ["0.png"])
    with AuditSession.open(folder) as session:
        assert [item.key for item in session.items] == ["0.png", "a.png", "b.png", "sub/c.png"]
        assert session.current.key == "0.png"
        assert "no such file" in session["b.png"].error
        assert len(session["b.png"].marks) == 1
        assert session["a.png"].error == ""
    write_pictures(folder, ["b.png"])
    with AuditSession.open(folder) as session:
        assert session["b.png"].error == ""


def test_a_folder_can_be_moved_with_its_journal(folder):
    with AuditSession.open(folder) as session:
        session.add("sub/c.png", "plate", PLATE.polygon)
    moved = folder.rename(folder.parent / "elsewhere")
    with AuditSession.resume(moved / ".blur-audit.jsonl") as session:
        assert len(session["sub/c.png"].marks) == 1
        assert Path(session["sub/c.png"].source) == moved / "sub" / "c.png"


def test_a_journal_of_another_folder_is_refused(folder, tmp_path):
    AuditSession.open(folder, journal=tmp_path / "j.jsonl").close()
    other = write_pictures(tmp_path / "other")
    with pytest.raises(JournalError, match="if they have moved"):
        AuditSession.open(other, journal=tmp_path / "j.jsonl")
    AuditSession.open(folder, journal=tmp_path / "j.jsonl").close()


def test_a_folders_journal_adds_nothing_from_outside_the_folder(folder):
    AuditSession.open(folder).close()
    path = folder / ".blur-audit.jsonl"
    with path.open("a") as file:
        for place in ("/etc/passwd", "http://169.254.169.254/x.jpg"):
            file.write(json.dumps({"type": "sources", "items": [["x.png", place]]}) + "\n")
            file.write(json.dumps({"type": "error", "key": "x.png", "text": "x"}) + "\n")
    with AuditSession.open(folder) as session:
        assert [item.key for item in session] == list(NAMES)


def test_one_picture_can_be_opened(folder):
    with AuditSession.open(folder / "a.png") as session:
        assert [item.key for item in session] == ["a.png"]
        assert session.journal is None


def test_nothing_to_open_is_said(tmp_path, folder):
    with pytest.raises(AuditError, match="no such folder or picture"):
        AuditSession.open(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AuditError, match="no pictures"):
        AuditSession.open(tmp_path / "empty")
    with pytest.raises(AuditError, match="'size'"):
        AuditSession.open(folder, order="size")
    AuditSession.open(folder).close()  # the lock was given up
    empty = AuditSession.open([])
    assert (len(empty), empty.current, empty.position, empty.next()) == (0, None, 0, None)
    assert len(empty.to_frame()) == 0


def test_a_label_file_is_opened_as_the_review_that_it_holds(folder, tmp_path):
    labels = folder / "set.blur.json"
    with AuditSession.open(folder, reviewer="Ann") as session:
        session.set_detections("a.png", [PLATE, FACE])
        session.delete("a.png", [2])
        session.decide("a.png", "accepted")
        session.set_error("b.png", "no connection")
        session.set_detections("sub/c.png", [])
        session.decide("sub/c.png", "flagged")
        session.export(labels)
        before = {item.key: item for item in session}
    with AuditSession.open(labels, journal=tmp_path / "j.jsonl") as session:
        for item in session:
            was = before[item.key]
            assert item.source == was.source
            assert item.detections == was.detections
            assert (item.decision, item.reviewer, item.decided_at) == (was.decision, was.reviewer, was.decided_at)
            assert (item.error, item.detected) == (was.error, was.detected)
        assert [item.key for item in session] == list(NAMES)
        assert session.root == folder
        session.add("b.png", "face", FACE.polygon)
    with AuditSession.open(labels, journal=tmp_path / "j.jsonl") as session:
        assert len(session["b.png"].marks) == 1
    # keys stay as they are where all pictures lie deeper
    AuditSession.open([folder / "sub" / "c.png"]).export(folder / "sub" / "one.blur.json")
    labels.write_text((folder / "sub" / "one.blur.json").read_text().replace("c.png", "sub/c.png"))
    assert [item.key for item in AuditSession.open(str(labels))] == ["sub/c.png"]


def test_a_label_file_decides_on_no_other_picture_of_that_name(folder, caplog):
    with AuditSession.open(folder) as session:
        for name in NAMES:
            session.set_detections(name, [PLATE])
            session.decide(name, "accepted")
        session.export(folder / "set.blur.json")
    Image.new("RGB", (50, 40), "red").save(folder / "a.png")
    (folder / "b.png").unlink()
    session = AuditSession.open(folder / "set.blur.json")
    assert [item.decision for item in session] == ["unreviewed", "accepted", "accepted"]
    assert [len(item.marks) for item in session] == [1, 1, 1]
    assert caplog.text.count("of another size") == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.jsonl", "", r"AuditSession\.resume"),
        ("x.csv", "image\n", r"read_csv"),
        ("x.parquet", "", r"read_parquet"),
        ("x.json", "{}", r"read_coco"),
        ("x.blur.json", '{"format": "blur.json", "version": 1, "pictures": {}}', "no pictures"),
        ("x.blur.json", "{}", "not a .blur.json"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_and_it_is_said_how_it_is_opened(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises((AuditError, DetectionsError), match=said):
        AuditSession.open(tmp_path / name, journal=tmp_path / "j.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_table_with_a_row_for_each_detection_is_refused(folder):
    from blur_tools.frames.tables import DETECTION_COLUMNS

    rows = pd.DataFrame({"image": [str(folder / "a.png")]} | {name: [None] for name in DETECTION_COLUMNS})
    with pytest.raises(AuditError, match=r"a row for each detection.*df\.blur\.apply"):
        rows.blur.audit(where="none")
    # the same names beside detections are somebody's own columns
    assert len(AuditSession.open(rows.assign(detections=None))) == 1


def test_an_array_of_paths_is_a_list_and_one_of_pixels_a_picture(folder):
    paths = [str(folder / name) for name in NAMES]
    for kind in (object, str):
        assert [item.key for item in AuditSession.open(np.array(paths, dtype=kind))] == list(NAMES)
    assert len(AuditSession.open(np.zeros((20, 30, 3), dtype=np.uint8))) == 1


def test_nothing_is_left_in_a_folder_without_pictures(tmp_path):
    with pytest.raises(AuditError, match="no pictures"):
        AuditSession.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_linked_folders_are_named(folder, tmp_path, caplog):
    (folder / "more").symlink_to(write_pictures(tmp_path / "elsewhere"))
    with AuditSession.open(folder) as session:
        assert [item.key for item in session] == list(NAMES)
    assert caplog.text.count(f"{folder / 'more'} is a link to a folder") == 1


def test_whatever_holds_a_picture_can_be_listed(folder, encode, noise):
    pixels = noise(20, 30)
    data = encode(pixels)
    sources = [
        folder / "a.png",
        str(folder / "sub" / "c.png"),
        data,
        bytearray(data),
        {"bytes": data, "path": "x/named.png"},
        {"bytes": None, "path": str(folder / "b.png")},
        pixels,
        Image.fromarray(pixels),
        "https://host/dir/photo.jpg?token=secret",
        "ftp://host/photo.jpg",
        "",
        "a\0b.jpg",
        5,
        None,
        folder / "a.png",
    ]
    session = AuditSession.open(sources)
    keys = [item.key for item in session]
    assert len(set(keys)) == len(keys) == 12  # equal bytes, and equal pixels, are one picture
    assert {"a.png", "b.png", "sub/c.png"} <= set(keys)
    wrong = {item.key: item.error for item in session if item.error}
    assert len(wrong) == 5
    assert not any("secret" in repr((item.key, item.error)) for item in session)
    assert AuditSession.open(sources)[0] == session[0]
    assert {item.key for item in AuditSession.open(sources)} == set(keys)


def test_files_of_one_name_stay_apart(tmp_path):
    for name in ("x/a.png", "y/a.png"):
        write_pictures(tmp_path, [name])
    journal = tmp_path / "j.jsonl"
    with AuditSession.open([tmp_path / "x" / "a.png"], journal=journal) as session:
        assert [item.key for item in session] == ["a.png"]
        session.add("a.png", "plate", PLATE.polygon)
    with AuditSession.open([tmp_path / "y" / "a.png", tmp_path / "x" / "a.png"], journal=journal) as session:
        assert session["a.png"].source == str(tmp_path / "x" / "a.png")
        other = next(item for item in session if item.key != "a.png")
        assert other.source == str(tmp_path / "y" / "a.png")
        assert other.marks == ()
    with AuditSession.resume(journal) as session:
        assert {item.source for item in session} == {str(tmp_path / "x" / "a.png"), str(tmp_path / "y" / "a.png")}


def test_a_list_goes_on_from_its_journal_alone_but_for_what_is_not_in_it(folder, tmp_path, encode, noise):
    journal = tmp_path / "j.jsonl"
    sources = [folder / "a.png", "https://host/b.jpg", "https://host/c.jpg?token=secret", encode(noise(20, 30))]
    with AuditSession.open(sources, journal=journal) as session:
        for item in session.items:
            session.add(item.key, "plate", PLATE.polygon)
    assert b"secret" not in journal.read_bytes()
    assert b"PNG" not in journal.read_bytes()
    with AuditSession.resume(journal) as session:
        assert [len(item.marks) for item in session] == [1] * 4
        assert [item.source for item in session if not item.error] == [str(folder / "a.png"), "https://host/b.jpg"]
        assert all("open the review with its list" in item.error for item in session if item.source is None)
    with AuditSession.open(sources, journal=journal) as session:
        assert [(len(item.marks), item.error) for item in session] == [(1, "")] * 4


def test_a_journal_of_other_pictures_is_refused(tmp_path):
    write_pictures(tmp_path)
    journal = tmp_path / "j.jsonl"
    AuditSession.open([tmp_path / "a.png"], journal=journal).close()
    with pytest.raises(JournalError, match="of other pictures"):
        AuditSession.open([tmp_path / "b.png"], journal=journal)
    with AuditSession.open([tmp_path / "a.png", tmp_path / "b.png"], journal=journal) as session:
        assert len(session) == 2


def test_hostile_keys_of_a_journal_lead_nowhere(folder):
    path = folder / ".blur-audit.jsonl"
    AuditSession.open(folder).close()
    good = path.read_bytes()
    for key in ("../../etc/passwd", "/etc/passwd", "a/../../b", "a\\u0000"):
        path.write_bytes(good + f'{{"type":"error","key":"{key}","text":"x"}}\n'.encode())
        with pytest.raises(JournalError, match="line 2"):
            AuditSession.open(folder)


@pytest.mark.skipif(not hasattr(Path, "symlink_to"), reason="needs links")
def test_a_folders_journal_that_is_a_link_is_not_followed(folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("")
    (folder / ".blur-audit.jsonl").symlink_to(victim)
    with pytest.raises(JournalError, match="link"):
        AuditSession.open(folder)
    assert victim.read_text() == ""


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def frame(folder) -> pd.DataFrame:
    paths = [str(folder / name) for name in NAMES]
    texts = [Detections([PLATE, FACE]).to_json(), Detections().to_json(), None]
    return pd.DataFrame({"image": paths, "who": [1, 2, 3], "detections": texts}, index=[7, 8, 9])


def test_a_table_is_taken_over_and_comes_back(frame):
    session = frame.blur.audit(where="none", reviewer="Ann")
    assert [(item.detected, len(item.marks)) for item in session] == [(True, 2), (True, 0), (False, 0)]
    plain = session.to_frame()
    assert list(plain.index) == [7, 8, 9]
    assert list(plain.columns) == [
        "image", "who", "detections", "n_plates", "n_faces", "decision", "reviewer", "decided_at", "error",
    ]  # fmt: skip
    assert plain["detections"].tolist()[:2] == frame["detections"].tolist()[:2]
    assert plain["detections"].isna().tolist() == [False, False, True]
    assert plain["n_plates"].tolist()[:2] == [1, 0]
    assert plain["decision"].tolist() == ["unreviewed"] * 3
    assert list(frame.columns) == ["image", "who", "detections"]


def both(one: AuditSession, other: AuditSession) -> tuple[list, list]:
    def facts(item):
        return (item.key, item.detections, item.decision, item.reviewer, item.decided_at, item.error, item.risk)

    return list(map(facts, one.items)), list(map(facts, other.items))


def test_the_edited_table_opens_as_the_same_review(frame, tmp_path):
    session = frame.blur.audit(where="none", reviewer="Ann")
    keys = [item.key for item in session]
    session.delete(keys[0], [1])
    session.add(keys[1], "face", box_polygon(20, 20, 50, 70))
    session.set_keep(keys[0], [2], True)
    session.decide(keys[0], "accepted")
    session.decide(keys[1], "flagged")
    session.set_error(keys[2], "no connection")
    edited = session.to_frame()
    again = AuditSession.open(edited)
    ours, theirs = both(session, again)
    assert ours == theirs
    assert again.current.key == keys[2]
    pd.testing.assert_frame_equal(again.to_frame(), edited)
    # also by way of files
    edited.to_parquet(tmp_path / "edited.parquet")
    edited.to_csv(tmp_path / "edited.csv")
    for again in (pd.read_parquet(tmp_path / "edited.parquet"), pd.read_csv(tmp_path / "edited.csv", index_col=0)):
        ours, theirs = both(session, AuditSession.open(again))
        assert ours == theirs


def test_an_edited_picture_of_a_table_stays_edited_and_its_marks_a_persons(frame):
    session = AuditSession.open(frame, reviewer="Ann")
    session.delete("a.png", [1])
    session.decide("a.png", "accepted")
    again = AuditSession.open(session.to_frame())
    assert again.decide("a.png", "accepted").decision == "edited"
    assert FACE in again.set_detections("a.png", []).detections


def test_what_stands_is_what_is_rendered(frame, folder, tmp_path):
    session = AuditSession.open(frame)
    session.reshape("a.png", {1: box_polygon(40, 40, 90, 60)})
    session.set_keep("a.png", [2], True)
    result = session.to_frame().iloc[:1].blur.redact(out=tmp_path / "out", effect="fill", margin=0, progress=False)
    assert result["status"].tolist() == ["ok"]
    before = np.asarray(Image.open(folder / "a.png"))
    after = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    changed = (before != after).any(axis=2)
    assert changed[41:59, 41:89].mean() > 0.9
    changed[38:62, 38:92] = False
    assert not changed.any()


def test_rows_of_one_picture_are_one_picture_and_missing_cells_none(folder):
    path = str(folder / "a.png")
    frame = pd.DataFrame({"image": [path, None, path], "detections": [Detections([PLATE]).to_json(), None, None]})
    with pytest.raises(DetectionsError, match="row 2"):
        AuditSession.open(frame)
    frame.loc[2, "detections"] = frame.loc[0, "detections"]
    session = AuditSession.open(frame)
    assert len(session) == 1
    session.delete("a.png", [1])
    result = session.to_frame()
    assert result["n_plates"].isna().tolist() == [False, True, False]
    assert result["n_plates"].tolist()[::2] == [0, 0]
    assert result["decision"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("column", "value", "error", "said"),
    [
        ("detections", "nonsense", DetectionsError, "row 8"),
        ("decision", "yes", AuditError, "row 8.*'yes'"),
        ("decided_at", "yesterday", AuditError, "row 8.*'yesterday'"),
    ],
)
def test_a_wrong_cell_is_said_by_its_row(frame, tmp_path, column, value, error, said):
    frame[column] = frame.get(column, None)
    frame.loc[8, column] = value
    with pytest.raises(error, match=said):
        AuditSession.open(frame, journal=tmp_path / "j.jsonl")
    frame.loc[8, column] = None
    AuditSession.open(frame, journal=tmp_path / "j.jsonl").close()


def test_the_column_of_the_pictures_is_found_or_asked_for(frame):
    frame["other"] = frame["image"]
    with pytest.raises(SettingsError, match="say which"):
        AuditSession.open(frame)
    assert len(AuditSession.open(frame, column="other")) == 3


def test_a_table_with_a_journal_goes_on(frame, tmp_path):
    journal = tmp_path / "j.jsonl"
    with frame.blur.audit(journal=journal, where="none", reviewer="Ann") as session:
        session.delete("a.png", [1])
        session.decide("a.png", "accepted")
    lines = journal.read_bytes()
    with AuditSession.open(frame, journal=journal) as session:
        assert session["a.png"].decision == "edited"
        assert session.current.key == "b.png"
        assert session.undo("a.png") == "delete plate"
        session.redo("a.png")
    assert len(journal.read_bytes().splitlines()) == len(lines.splitlines()) + 2  # the table is no news


def test_a_table_of_a_second_run_is_merged_into_the_journal(frame, tmp_path):
    journal = tmp_path / "j.jsonl"
    with AuditSession.open(frame, journal=journal) as session:
        session.delete("a.png", [1])
        edited = session.to_frame()
    more = Detection("face", box_polygon(140, 60, 158, 79), 0.7, "cloud")
    second = frame.assign(detections=[Detections([PLATE, FACE, more]).to_json(), *frame["detections"].iloc[1:]])
    with AuditSession.open(second, journal=journal) as session:
        assert list(session["a.png"].detections) == [FACE, more]
    # neither an older table nor an edited one takes that back
    for older in (frame, second):
        with AuditSession.open(older, journal=journal) as session:
            assert list(session["a.png"].detections) == [FACE, more]
    assert list(edited.columns) == list(session.to_frame().columns)


def test_a_table_of_an_earlier_day_takes_nothing_back(frame, tmp_path):
    journal = tmp_path / "j.jsonl"
    with AuditSession.open(frame, journal=journal) as session:
        session.add("b.png", "face", box_polygon(20, 20, 50, 70))
        session.set_keep("a.png", [2], True)
        session.decide("a.png", "accepted")
        session.add("sub/c.png", "plate", PLATE.polygon)
        first_day = session.to_frame()
        session.undo("sub/c.png")
    with AuditSession.open(first_day, journal=journal) as session:
        session.reshape("b.png", {max(mark.id for mark in session["b.png"].marks): box_polygon(60, 20, 90, 70)})
        session.undo("a.png")
        session.delete("a.png", [1])
        for name in NAMES:
            session.decide(name, "accepted")
        second_day = {item.key: item for item in session}
    size = journal.stat().st_size
    for older in (first_day, frame, first_day):
        with AuditSession.open(older, journal=journal) as session:
            assert {item.key: item for item in session} == second_day
    assert journal.stat().st_size == size


def test_a_crash_while_a_table_is_taken_over_loses_no_decision(frame, tmp_path):
    journal = tmp_path / "j.jsonl"
    frame = frame.assign(decision=["flagged", "accepted", None], error=["boom", None, None])
    with AuditSession.open(frame, journal=journal) as session:
        whole, said = journal.read_bytes(), [(item.decision, item.error) for item in session]
    assert said == [("flagged", "boom"), ("accepted", ""), ("unreviewed", "")]
    lines = whole.splitlines(keepends=True)
    for count in range(1, len(lines)):
        journal.write_bytes(b"".join(lines[:count]))
        with AuditSession.open(frame, journal=journal) as session:
            assert [(item.decision, item.error) for item in session] == said


def test_the_order_of_a_journal_stays(folder):
    with AuditSession.open(folder, order="risk") as session:
        session.reorder("random", 7)
        order = [item.key for item in session]
        assert order != list(NAMES)
    for asked in (None, "random"):
        with AuditSession.open(folder, order=asked) as session:
            assert [item.key for item in session] == order
    with AuditSession.open(folder, order="path") as session:
        assert [item.key for item in session] == list(NAMES)


def test_whose_detections_a_table_holds_can_be_said(folder):
    mine = replace(PLATE, source="")
    table = pd.DataFrame({"image": [str(folder / "a.png")], "detections": [Detections([mine]).to_json()]})
    session = table.blur.audit(where="none", engine_name="ours")
    assert [item.source for item in session[0].detections] == ["ours"]


def test_a_missing_extra_and_a_wrong_window_are_said(frame, monkeypatch, tmp_path):
    from blur_tools.frames import auditing as accessors

    monkeypatch.setattr(accessors, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissingError, match=r"\[napari\]"):
        frame.blur.audit(journal=tmp_path / "j.jsonl")
    with pytest.raises(SettingsError, match="browser"):
        frame.blur.audit(where="browser")
    assert not (tmp_path / "j.jsonl").exists()


def test_the_window_is_given_the_session_and_its_failure_gives_the_lock_up(frame, monkeypatch, tmp_path):
    from types import SimpleNamespace

    from blur_tools.frames import auditing as accessors

    given = []
    monkeypatch.setattr(accessors, "find_spec", lambda name: object())
    monkeypatch.setattr(accessors, "import_module", lambda name: SimpleNamespace(open_audit=given.append))
    session = frame.blur.audit(journal=tmp_path / "j.jsonl")
    assert given == [session]
    session.close()

    def fail(session):
        raise RuntimeError("no display")

    monkeypatch.setattr(accessors, "import_module", lambda name: SimpleNamespace(open_audit=fail))
    with pytest.raises(RuntimeError, match="no display"):
        frame.blur.audit(journal=tmp_path / "j.jsonl")
    AuditSession.open(frame, journal=tmp_path / "j.jsonl").close()


# -- results ----------------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_saved_and_the_rest_is_named(session, folder, caplog):
    session.set_detections("a.png", [PLATE])
    session.decide("a.png", "accepted")
    session.set_detections("b.png", [FACE])
    session.decide("b.png", "flagged")
    calls = []
    result = session.save(folder / "out", each=lambda done, total: calls.append((done, total)))
    assert result["status"].tolist() == ["ok", "skipped", "skipped"]
    assert result["blurred"].tolist()[0] == "out/a.png"
    assert result["error"].tolist()[1:] == ["left out: flagged", "left out: unreviewed"]
    assert result["n_faces"].tolist()[1] == 1
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert "2 of 3 pictures were left out: 1 flagged, 1 unreviewed" in caplog.text
    assert [path.name for path in (folder / "out").iterdir()] == ["a.png"]
    again = AuditSession.open(result)
    assert [item.error for item in again] == [""] * 3
    # its own results are no pictures of the folder
    session.close()
    with AuditSession.open(folder) as later:
        assert [item.key for item in later] == list(NAMES)


def test_what_nobody_has_searched_is_not_saved_as_if_there_were_nothing(session, folder, tmp_path):
    session.set_error("a.png", "no connection")
    session.decide("a.png", "accepted")
    session.set_detections("b.png", [])
    session.decide("b.png", "accepted")
    for only in (["unreviewed", "accepted"], ["accepted"]):
        result = session.save(tmp_path / "out", only=only)
        assert result["status"].tolist() == ["skipped", "ok", "skipped"]
        assert "no engine has searched it and nothing is marked: no connection" in result["error"].tolist()[0]
        assert result["n_faces"].isna().tolist() == [True, False, True]
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]
    # nor by way of the table
    rows = session.to_frame().blur.redact(out=tmp_path / "out2", progress=False)
    assert rows["status"].tolist() == ["failed", "ok", "failed"]
    session.add("a.png", "plate", PLATE.polygon)  # what a person drew is an answer
    session.decide("a.png", "accepted")
    assert session.save(tmp_path / "out")["status"].tolist() == ["ok", "ok", "skipped"]


def test_an_older_result_of_what_is_left_out_now_is_removed(session, folder, tmp_path):
    for name in NAMES:
        session.set_detections(name, [PLATE])
        session.decide(name, "accepted")
    out = tmp_path / "out"
    session.save(out)
    session.add("a.png", "face", FACE.polygon)  # undecided again
    session.decide("b.png", "flagged")
    session.save(out, only=())  # nothing is asked for, nothing is taken away
    assert len(list(out.rglob("*.png"))) == 3
    session.save(out, only=["edited"])  # also not what is accepted and only not asked for
    assert [path.relative_to(out).as_posix() for path in out.rglob("*.png")] == ["sub/c.png"]
    result = session.save(out)
    assert result["status"].tolist() == ["skipped", "skipped", "ok"]
    assert [path.relative_to(out).as_posix() for path in out.rglob("*.png")] == ["sub/c.png"]
    assert all((folder / name).is_file() for name in NAMES)


def test_what_is_saved_is_what_stood_when_it_began(session, tmp_path, monkeypatch):
    from blur_tools.audit import _outcome as module

    session.set_detections("a.png", [])
    session.decide("a.png", "accepted")
    real = module.outputs_of

    def later(*arguments):
        session.add("a.png", "face", FACE.polygon)
        session.decide("a.png", "accepted")
        return real(*arguments)

    monkeypatch.setattr(module, "outputs_of", later)
    result = session.save(tmp_path / "out")
    assert (result["decision"].iloc[0], result["n_faces"].iloc[0], result["status"].iloc[0]) == ("accepted", 0, "ok")
    same = [np.asarray(Image.open(place / "a.png")) for place in (tmp_path / "out", tmp_path / "set")]
    assert (same[0] == same[1]).all()


def test_a_decision_is_on_the_file_that_was_there(folder, tmp_path):
    for name in ("d.png", "e.png"):
        shutil.copy(folder / "a.png", folder / name)
    with AuditSession.open(folder) as session:
        for name in (*NAMES, "d.png", "e.png"):
            session.set_detections(name, [PLATE])
        for name in ("a.png", "b.png", "e.png"):
            session.decide(name, "accepted")
        session.decide("d.png", "flagged")
        Image.new("RGB", (50, 40), "red").save(folder / "a.png")
        result = session.save(tmp_path / "out")
        assert result["status"].tolist()[:2] == ["skipped", "ok"]
        assert "the file has changed" in result["error"].tolist()[0]
    Image.new("RGB", (50, 40), "red").save(folder / "d.png")
    pixels = bytearray((folder / "e.png").read_bytes())
    pixels[-20] ^= 1  # as long as before
    (folder / "e.png").write_bytes(pixels)
    os.utime(folder / "e.png", ns=(1, 1))
    os.utime(folder / "b.png", ns=(5, 5))  # a copy: another time, the same content
    for _ in range(2):  # it is noted, and stays noted
        with AuditSession.open(folder) as session:
            decisions = {item.key: item.decision for item in session}
            assert decisions == {
                "a.png": "unreviewed",
                "b.png": "accepted",
                "d.png": "flagged",
                "e.png": "unreviewed",
                "sub/c.png": "unreviewed",
            }
            changed = [item.key for item in session if "the file has changed" in " ".join(item.warnings)]
            assert changed == ["a.png", "d.png", "e.png"]
            assert "the file has changed" in session["a.png"].reasons
            assert len(session["a.png"].marks) == 1
            assert session.save(tmp_path / "out", only=["unreviewed"])["status"].tolist()[0] == "skipped"
    with AuditSession.open(folder) as session:
        item = session.decide("a.png", "accepted")  # a person has looked at what is there now
        assert item.warnings == ()
        assert session.set_detections("d.png", []).warnings == ()
        assert session.save(tmp_path / "out")["status"].tolist()[0] == "ok"
    with AuditSession.resume(folder / ".blur-audit.jsonl") as session:
        assert session["a.png"].decision == "accepted"


def test_a_search_of_another_file_takes_the_decision_back(session, folder):
    session.set_detections("a.png", [PLATE])
    session.decide("a.png", "accepted")
    assert session.set_detections("a.png", [PLATE]).decision == "accepted"
    Image.new("RGB", (50, 40), "red").save(folder / "a.png")
    assert session.set_detections("a.png", [PLATE]).decision == "unreviewed"


def test_a_journal_without_marks_of_files_still_opens(folder):
    with AuditSession.open(folder) as session:
        session.set_detections("a.png", [PLATE])
        session.decide("a.png", "accepted")
    journal = folder / ".blur-audit.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sum("file" in line for line in lines) == 2
    for line in lines:
        line.pop("file", None)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    Image.new("RGB", (50, 40), "red").save(folder / "a.png")
    with AuditSession.open(folder) as session:
        assert session["a.png"].decision == "accepted"


def test_large_files_are_told_apart_by_parts_of_them(tmp_path):
    from blur_tools.audit._files import WHOLE, mark_of

    path = tmp_path / "large.bmp"
    data = bytearray(3 * WHOLE + 17)
    path.write_bytes(data)
    first = mark_of(path)
    assert first.differs(path) is None
    for place in (0, len(data) - 1):
        data[place] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(place, place))
        assert first.differs(path) == mark_of(path)
        data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(7, 7))
    assert first.differs(path) is None
    path.unlink()
    assert first.differs(path) is None
    assert mark_of("https://host/a.jpg") is mark_of(b"bytes") is mark_of(tmp_path) is None


def test_an_export_is_never_written_over_what_the_review_is_made_of(session, folder, tmp_path):
    before = (folder / "a.png").read_bytes(), session.journal.read_bytes()
    (tmp_path / "link.json").symlink_to(folder / "a.png")
    for path in (folder / "a.png", folder / "sub" / ".." / "a.png", tmp_path / "link.json"):
        with pytest.raises(OutputError, match=r"is the picture a\.png"):
            session.export(path, format="blur.json")
    with pytest.raises(OutputError, match="journal"):
        session.export(session.journal, format="coco")
    assert ((folder / "a.png").read_bytes(), session.journal.read_bytes()) == before
    session.export(tmp_path / "x.blur.json")
    session.export(tmp_path / "x.blur.json")


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_results_below_a_folder_that_is_a_link_are_no_pictures_of_it(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with AuditSession.open(tmp_path / "link") as session:
        session.set_detections("a.png", [])
        session.decide("a.png", "accepted")
        session.save(folder / "out")
    for root in (tmp_path / "link", folder):
        with AuditSession.open(root) as session:
            assert [item.key for item in session] == list(NAMES)


def test_a_vanished_picture_fails_its_row(session, folder, tmp_path):
    for name in NAMES:
        session.set_detections(name, [PLATE])
        session.decide(name, "accepted")
    (folder / "b.png").unlink()
    result = session.save(tmp_path / "out")
    assert result["status"].tolist() == ["ok", "failed", "ok"]
    assert "no such file" in result["error"].tolist()[1]


def test_saving_refuses_what_would_harm_and_what_is_no_decision(session, folder, tmp_path):
    session.decide("a.png", "accepted")
    for out in (folder, folder / "sub"):
        with pytest.raises(OutputError, match="originals"):
            session.save(out)
    with pytest.raises(AuditError, match="maybe"):
        session.save(tmp_path / "out", only=["maybe"])
    with pytest.raises(AuditError, match="accepted"):
        session.save(tmp_path / "out", only="accepted")
    with pytest.raises(SettingsError, match="plates"):
        session.save(tmp_path / "out", plates=11)
    with pytest.raises(SettingsError, match="workers"):
        session.save(tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()
    session.close()
    with AuditSession.open(folder) as later:
        assert len(later) == 3


def test_saving_can_be_stopped(session, tmp_path):
    for name in NAMES:
        session.set_detections(name, [PLATE])
        session.decide(name, "accepted")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.save(tmp_path / "out", workers=1, each=stop)
    assert len(list((tmp_path / "out").rglob("*.png"))) >= 1


def test_the_lossless_file_holds_the_review(session, tmp_path):
    session.set_detections("a.png", [PLATE, FACE])
    session.set_keep("a.png", [2], True)
    item = session.decide("a.png", "accepted")
    session.set_error("b.png", "broken")
    assert session.export(tmp_path / "set.blur.json") == {}
    records = read_blur_json(tmp_path / "set.blur.json")
    assert list(records) == list(NAMES)
    first = records["a.png"]
    assert (first.detections, first.size, first.decision) == (item.detections, (160, 80), "edited")
    assert first.detections[0].result == PLATE.result
    assert (first.reviewer, first.decided_at) == ("Ann", item.decided_at)
    assert (records["b.png"].detections, records["b.png"].error) == (None, "broken")


def test_the_coco_file_holds_what_was_searched_and_the_rest_is_named(session, folder, tmp_path, caplog):
    session.set_detections("a.png", [PLATE, FACE])
    session.set_detections("sub/c.png", [])
    (folder / "sub" / "c.png").write_bytes(b"no picture")
    left = session.export(tmp_path / "labels.json")
    assert left == {"b.png": "nobody has searched it", "sub/c.png": "is no picture of a format that is read"}
    assert "2 pictures are not in it" in caplog.text
    labels = read_coco(tmp_path / "labels.json")
    assert list(labels.pictures) == ["a.png"]
    assert labels.pictures["a.png"].size == (160, 80)
    assert [(item.polygon, item.score) for item in labels.pictures["a.png"].objects] == [
        (PLATE.polygon, 0.9),
        (FACE.polygon, 0.8),
    ]


def test_a_format_is_known_by_name_or_said(session, tmp_path):
    with pytest.raises(SettingsError, match=r"blur\.json, coco"):
        session.export(tmp_path / "labels.xml")
    with pytest.raises(SettingsError, match="yolo"):
        session.export(tmp_path / "labels.json", format="kitti")
    session.export(tmp_path / "labels.txt", format="blur.json")
    assert set(read_blur_json(tmp_path / "labels.txt")) == set(NAMES)


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("TIFF", 6), ("PNG", 1), ("WEBP", 6), ("BMP", 1)])
def test_sizes_are_those_of_the_stored_picture(tmp_path, kind, orientation):
    from blur_tools.audit._sizes import stored_size
    from blur_tools.picture import load_picture

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind.lower()}"
    Image.new("RGB", (30, 20)).save(path, kind, **({"exif": exif} if orientation != 1 else {}))
    assert stored_size(str(path)) == stored_size(path.read_bytes()) == load_picture(path).size == (30, 20)


def test_a_size_of_what_is_no_picture_is_an_error(tmp_path):
    from blur_tools.audit._sizes import stored_size

    broken = tmp_path / "a.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 broken")
    for source in (broken, tmp_path / "none.jpg", tmp_path, b"nothing", 5):
        with pytest.raises(PictureError):
            stored_size(source)


# -- many -------------------------------------------------------------------------------------------------------------


def test_a_thousand_marks_are_one_line_and_one_step(session, folder):
    marks = [
        Detection("face", box_polygon(x, y, x + 4, y + 4), 0.5) for x in range(0, 500, 10) for y in range(0, 200, 10)
    ]
    session.set_detections("a.png", marks)
    session.set_keep("a.png", range(1, 1001), True)
    assert len((folder / ".blur-audit.jsonl").read_bytes().splitlines()) == 3
    assert all(item.keep for item in session["a.png"].detections)
    again = session.set_detections("a.png", marks)
    assert len(again.marks) == 1000
    session.undo("a.png")
    assert session["a.png"].detections == Detections(marks)


def test_many_paths_cost_little_memory():
    import tracemalloc

    paths = [f"/data/set/{number // 1000:03}/picture_{number:06}.jpg" for number in range(10_000)]
    tracemalloc.start()
    session = AuditSession.open(paths)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(session) == 10_000
    assert used < 10_000 * 1500


# -- a file that was replaced, a journal from elsewhere, threads ---------------------------------------------------


def replaced(path: Path, seed: int = 99) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (80, 161, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_a_file_that_nobody_saw_is_not_accepted(session, folder, tmp_path):
    session.set_detections("a.png", [PLATE])
    replaced(folder / "a.png")
    with pytest.raises(AuditError, match="has changed"):
        session.decide("a.png", "accepted")
    item = session["a.png"]
    assert item.decision == "unreviewed"
    assert "the file has changed" in item.reasons
    assert list(session.save(tmp_path / "out")["status"]) == ["skipped"] * 3
    # having been told, a person may accept the new one
    session.decide("a.png", "accepted")
    assert session["a.png"].decision == "accepted"
    session.close()
    with AuditSession.open(folder) as again:
        assert again["a.png"].decision == "accepted"


def test_what_was_seen_is_what_is_decided_on(session, folder):
    seen = mark_of(str(folder / "a.png"))
    replaced(folder / "a.png")
    session.set_detections("a.png", [PLATE])  # the engine saw the new one, the person still the old
    with pytest.raises(AuditError, match="look at it again"):
        session.decide("a.png", "accepted", seen=seen)
    session.set_detections("b.png", [PLATE], seen=mark_of(str(folder / "b.png")))
    replaced(folder / "b.png")
    with pytest.raises(AuditError, match="look at it again"):
        session.decide("b.png", "accepted")
    session.decide("b.png", "flagged")


def test_an_old_answer_is_of_the_old_file(session, folder):
    seen = mark_of(str(folder / "a.png"))
    replaced(folder / "a.png")
    session.set_detections("a.png", [PLATE])
    item = session.set_detections("a.png", [FACE, PLATE], seen=seen)
    assert [mark.detection for mark in item.marks] == [PLATE]  # it is of nothing that is there
    replaced(folder / "b.png", 97)
    item = session.set_detections("b.png", [FACE], seen=mark_of(str(folder / "c.png")) or seen)
    assert item.marks == ()


def test_a_flag_is_no_look_at_the_file(session, folder, tmp_path):
    session.set_detections("a.png", [PLATE])
    replaced(folder / "a.png")
    session.decide("a.png", "flagged")
    assert list(session.save(tmp_path / "out", only=("flagged",))["status"]) == ["skipped"] * 3
    session.decide("a.png", "unreviewed")
    with pytest.raises(AuditError, match="has changed"):
        session.decide("a.png", "accepted")
    session.decide("a.png", "flagged")
    assert any("has changed" in text for text in session["a.png"].warnings)


def test_a_link_out_of_the_folder_is_elsewhere(tmp_path, folder):
    secret = write_pictures(tmp_path / "secret", ("s.png",))
    away = tmp_path / "away"
    away.mkdir()
    (away / "link").symlink_to(secret)
    journal = away / "x.blur-audit.jsonl"
    journal.write_text(
        '{"format":"blur-audit","version":1,"root":".","folder":false}\n'
        '{"type":"sources","items":[["link/s.png",null]]}\n'
    )
    with AuditSession.resume(journal, elsewhere=False) as session:
        assert [(item.source, "outside the folder" in item.error) for item in session.items] == [(None, True)]
        assert len(session.unread) == 1
    with AuditSession.resume(journal) as session:
        assert session.items[0].source.endswith("s.png")
        assert session.unread == ()


def test_a_journal_from_elsewhere_reads_nothing_outside_its_folder(tmp_path, folder):
    secret = write_pictures(tmp_path / "secret", ("s.png",)) / "s.png"
    journal = folder / "list.blur-audit.jsonl"
    sources = [str(folder / "a.png"), str(secret), "http://127.0.0.1:9/x.png"]
    with AuditSession.open(sources, journal=journal) as session:
        session.set_detections(session.items[-1].key, [PLATE])
        keys = {item.key for item in session.items}
    assert len(keys) == 3
    away = tmp_path / "away"
    away.mkdir()
    moved = away / "list.blur-audit.jsonl"
    shutil.copy(journal, moved)
    with AuditSession.resume(moved, elsewhere=False) as again:
        assert {item.key for item in again.items} == keys
        assert all("outside the folder" in item.error and item.source is None for item in again.items)
        assert sum(len(item.marks) for item in again.items) == 1
    with AuditSession.resume(moved) as trusted:
        assert {item.source for item in trusted.items} >= {str(secret), "http://127.0.0.1:9/x.png"}


def test_a_folders_own_journal_is_no_journal_from_elsewhere(session, folder):
    session.decide("a.png", "accepted")
    session.close()
    with AuditSession.resume(folder / ".blur-audit.jsonl", elsewhere=False) as again:
        assert [item.error for item in again.items] == ["", "", ""]
        assert again["a.png"].decision == "accepted"


def test_an_export_that_is_stopped_writes_nothing(session, tmp_path):
    steps = session.exporting(tmp_path / "all.blur.json")
    assert next(steps)[0].key == "a.png"
    steps.close()
    assert list(tmp_path.glob("*.json")) == []
    assert [item.key for item, _ in session.exporting(tmp_path / "all.blur.json")] == list(NAMES)
    assert len(read_blur_json(tmp_path / "all.blur.json")) == 3


def test_a_number_that_leaves_none_for_the_next_mark_is_refused(session, folder):
    session.close()
    journal = folder / ".blur-audit.jsonl"
    line = {"type": "edit", "key": "a.png", "at": "2026-01-01T00:00:00+00:00", "by": "", "word": "add plate"}
    line["marks"] = [[(1 << 63) - 1, PLATE.to_json()]]
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(JournalError, match="whole number"):
        AuditSession.open(folder)


def test_what_cannot_be_read_is_counted(session):
    assert session.unreadable == 0
    session.set_error("a.png", "broken")
    session.set_error("b.png", "broken")
    session.set_error("a.png", "")
    assert session.unreadable == 1
    assert not session.closed
    session.close()
    assert session.closed

"""What a sample says while it is reviewed: the same as its bounds at the end, whatever the order of what is done."""

from __future__ import annotations

import random
import sys

import pandas as pd
import pytest

import blur_tools  # noqa: F401  (registers df.blur)
from blur_tools.audit import _progress
from blur_tools.audit._progress import SampleProgress
from blur_tools.audit._sample_bounds import percent
from blur_tools.audit.bounds import running_needed
from blur_tools.audit.sampling import draw_sample, measure
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import AuditError
from blur_tools.settings import BlurSettings

PLATE, MISSED = box_polygon(10, 10, 40, 20), box_polygon(5, 40, 45, 54)
PLAIN = BlurSettings()


@pytest.fixture
def run(encode, noise, tmp_path):
    """Forty pictures of a finished run, in each of which one plate was found."""
    (tmp_path / "in").mkdir()
    data, found = encode(noise(60, 80), "PNG"), Detections([Detection("plate", PLATE, 0.9, "local")]).to_json()
    paths = [tmp_path / "in" / f"{number:02}.png" for number in range(40)]
    for path in paths:
        path.write_bytes(data)
    groups = [f"group {number % 3}" for number in range(40)]
    return pd.DataFrame({"image": list(map(str, paths)), "detections": found, "status": "ok", "group": groups})


def watched(session):
    """The progress of a review, which is told of its changes."""
    progress = session.sample_progress()
    session.subscribe(progress.note)
    return progress


def test_before_during_and_at_the_end_it_says_how_many_more(run):
    session = AuditSession.open(draw_sample(run, 25))
    progress = watched(session)
    needed = running_needed(0.99, (), 40)
    assert progress.text(PLAIN) == f"0 of 25 looked at · {needed} more without a miss for at most 1 %"
    for item in session.items[:20]:
        session.add(item.key, "plate", PLATE)
        session.decide(item.key, "accepted")
    bounds = measure(run, session.to_frame())
    assert progress.text(PLAIN) == (
        f"20 of 25 looked at · at most {percent(bounds.exposed_bound)} of the run's pictures exposed, at 95 % · "
        f"{bounds.needed[0.99]} more without a miss for at most 1 %"
    )
    session.add(session.items[20].key, "plate", MISSED)
    session.decide(session.items[20].key, "accepted")
    assert progress.text(PLAIN).endswith(" · at most 1 % cannot be claimed any more")


def test_of_all_pictures_it_is_known(run):
    session = AuditSession.open(draw_sample(run, 40))
    progress = watched(session)
    for number, item in enumerate(session.items):
        session.decide(item.key, "flagged" if number == 3 else "accepted")
    assert progress.text(PLAIN) == "40 of 40 looked at · 1 of all 40 pictures exposed"


@pytest.mark.parametrize("strata", [None, "group"])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_in_whatever_order_it_says_what_the_bounds_say(run, strata, seed):
    chance = random.Random(seed)
    session = AuditSession.open(draw_sample(run, 30, strata=strata))
    progress = watched(session)
    for step in range(60):
        item = session.items[min(chance.randrange(30), chance.randrange(30), step)]
        what = chance.choice(["accepted", "accepted", "accepted", "flagged", "unreviewed", "missed", "undo", "right"])
        if what in ("missed", "right"):
            session.add(item.key, "plate", MISSED if what == "missed" else PLATE)
        elif what == "undo":
            session.undo(item.key)
        else:
            session.decide(item.key, what)
        if step % 3 == 0:
            assert_says(progress, run, session)
    for item in session.items[::-1]:
        session.decide(item.key, "accepted")
    assert_says(progress, run, session)
    session.reorder("random", seed)
    assert_says(progress, run, session)


def assert_says(progress, run, session):
    said = progress.text(PLAIN)
    assert said == session.sample_progress().text(PLAIN)  # as who opens the review now
    try:
        bounds = measure(run, session.to_frame())
    except AuditError:
        assert said.startswith("0 of 30 looked at")
        return
    assert said.startswith(f"{bounds.reviewed} of 30 looked at · at most {percent(bounds.exposed_bound)} of")
    assert (f"{bounds.unused} behind the first open one do not count yet" in said) == bool(bounds.unused)
    more = bounds.needed.get(0.99, "strata")
    assert ("more without a miss" in said) == isinstance(more, int)
    assert f" {more:,} more without" in said if isinstance(more, int) else True


def test_other_settings_hide_something_else(run):
    session = AuditSession.open(draw_sample(run, 10))
    progress = watched(session)
    for item in session.items:
        session.add(item.key, "plate", box_polygon(6, 9, 44, 21))
        session.decide(item.key, "accepted")
    for settings in (PLAIN, BlurSettings(margin=0.0), BlurSettings(plates=0), PLAIN):
        bounds = measure(run, session.to_frame(), settings=settings)
        assert f" at most {percent(bounds.exposed_bound)} of" in progress.text(settings)
    assert progress.text(PLAIN) == progress.text(BlurSettings(plates=0)) != progress.text(BlurSettings(margin=0.0))


def test_what_was_decided_before_is_looked_at_little_by_little(run, monkeypatch):
    session = AuditSession.open(draw_sample(run, 30))
    for item in session.items:
        session.add(item.key, "plate", PLATE)
        session.decide(item.key, "accepted")
    progress, now = session.sample_progress(), iter(range(1000))
    monkeypatch.setattr(_progress, "time", type("Clock", (), {"monotonic": lambda: next(now)}))
    first = progress.text(PLAIN, 5)
    assert (progress.is_whole, first.endswith("counting …")) == (False, True)
    assert 0 < int(first.partition(" ")[0]) < 30
    while not progress.is_whole:
        progress.text(PLAIN, 5)
    assert progress.text(PLAIN) == session.sample_progress().text(PLAIN)
    assert progress.text(PLAIN).startswith("30 of 30 looked at")


def test_a_picture_that_is_not_on_this_machine_is_not_fetched(monkeypatch):
    found = Detections([Detection("plate", PLATE)]).to_json()
    urls = [f"http://127.0.0.1:9/{number}.jpg" for number in range(5)]
    run = pd.DataFrame({"image": [*urls, "/nowhere/6.jpg"], "detections": found})
    monkeypatch.setattr("blur_tools.sources.load_source", lambda *_, **__: pytest.fail("fetched"))
    session = AuditSession.open(draw_sample(run, 6))
    progress = watched(session)
    for number, item in enumerate(session.items):
        session.add(item.key, "plate", PLATE if number else MISSED)
        session.decide(item.key, "accepted")
    assert progress.text(PLAIN) == "6 of 6 looked at · 1 of all 6 pictures exposed"


def not_whole(sample):
    return sample.iloc[:4]


def shuffled(sample):
    return sample.iloc[::-1]


def with_a_size_that_is_none(sample):
    return sample.assign(sample_population="many")


def with_a_population_that_is_too_small(sample):
    return sample.assign(sample_population=3)


def no_sample(sample):
    return sample[["image", "detections"]]


@pytest.mark.parametrize(
    "change", [not_whole, shuffled, with_a_size_that_is_none, with_a_population_that_is_too_small, no_sample]
)
def test_of_what_is_no_sample_nothing_is_said(run, change):
    sample = draw_sample(run, 6)
    assert AuditSession.open(sample).sample_progress() is not None
    assert AuditSession.open(change(sample)).sample_progress() is None


def test_a_sample_from_a_file_says_the_same(run, tmp_path):
    draw_sample(run, 6, strata="group").to_csv(tmp_path / "sample.csv", index=False)
    sample = pd.read_csv(tmp_path / "sample.csv", dtype=str)
    assert AuditSession.open(sample, column="image").sample_progress().text(PLAIN) == "0 of 6 looked at"


def test_what_a_decision_costs_does_not_grow_with_the_sample(run, monkeypatch):
    """Counted by the lines of Python that run, which no other load of the machine changes."""
    monkeypatch.setattr(_progress, "is_exposed", lambda source, *_: source == "missed")

    def cost(number: int) -> int:
        progress, decide = long_review(number)
        progress.text(PLAIN)
        lines = 0

        def count(frame, event, _):
            nonlocal lines
            lines += event == "line"
            return count

        sys.settrace(count)
        try:
            for place in range(number - 50, number - 40):
                decide(place)
                progress.text(PLAIN)
        finally:
            sys.settrace(None)
        return lines

    assert cost(20_000) < 1.5 * cost(1_000)


def long_review(number):
    """A review of so many pictures without a session, all but the last fifty of which are decided."""
    from types import SimpleNamespace as Item

    keys = [f"{place}.jpg" for place in range(number)]
    state = ["accepted"] * (number - 50) + ["unreviewed"] * 50
    items = {key: Item(decision=what, marks=(), source=key) for key, what in zip(keys, state, strict=True)}
    progress = SampleProgress(keys, [""] * number, {"": 2 * number}, ["[]"] * number, items)

    def decide(place):
        items[keys[place]].decision = "accepted"
        progress.note(keys[place], "decision")

    return progress, decide

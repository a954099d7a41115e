"""Threads: order, bounds, stopping, progress."""

from __future__ import annotations

import threading

import pytest

from blur_tools.batch.runner import run_ordered, with_progress


def test_outcomes_come_in_the_order_of_the_items():
    release = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert release.wait(10)  # the first ends last
        if item == 3:
            release.set()
        return item * item

    assert list(run_ordered(work, range(6), 4)) == [0, 1, 4, 9, 16, 25]


def test_items_are_taken_as_needed():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    outcomes = run_ordered(lambda item: item, items(), 3)
    assert next(outcomes) == 0
    assert len(taken) <= 2 * 3 + 1
    outcomes.close()
    assert len(taken) <= 2 * 3 + 1


def test_a_stop_finishes_what_is_under_way_and_begins_no_more():
    stop = threading.Event()

    def work(item: int) -> int:
        if item == 2:
            stop.set()
        return item

    outcomes = list(run_ordered(work, range(1000), 1, stop))
    assert outcomes == list(range(len(outcomes)))
    assert 3 <= len(outcomes) < 10


def test_an_error_comes_out_at_its_turn_and_drops_what_is_not_begun():
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise RuntimeError("one")
        return item

    outcomes = run_ordered(work, range(1000), 1)
    assert next(outcomes) == 0
    with pytest.raises(RuntimeError, match="one"):
        next(outcomes)
    assert len(begun) < 10


def test_no_items_are_no_outcomes():
    assert list(run_ordered(lambda item: item, [], 2)) == []


def test_progress_counts_each_status(capsys):
    outcomes = ["ok", "failed", "ok", "skipped"]
    assert list(with_progress(outcomes, 4, lambda status: status, True)) == outcomes
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "failed=1" in shown
    assert list(with_progress(outcomes, 4, lambda status: status, False)) == outcomes
    assert capsys.readouterr().err == ""

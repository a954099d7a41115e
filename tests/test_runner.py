"""Threads: order, bounds, stopping, progress."""

from __future__ import annotations

import itertools
import math
import threading
import time
import weakref

import pytest

from blur_tools._cuts import BodyTooSlowError, _Cut, cut_at
from blur_tools._stop import asked, finishing, proceed, stoppable, stoppable_between
from blur_tools.batch.runner import AHEAD, UNDER_WAY, run_ordered, with_progress


def test_outcomes_come_in_the_order_of_the_items():
    release = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert release.wait(10)  # the first ends last
        if item == 3:
            release.set()
        return item * item

    assert list(run_ordered(work, range(6), 4)) == [0, 1, 4, 9, 16, 25]


def test_no_more_items_are_held_than_are_under_way():
    """Items can be pictures: of those that are done or not yet begun nothing is held, whatever their number."""
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    class Item:
        pass

    def items():
        nonlocal most
        for _ in range(2000):
            item = Item()
            alive.add(item)
            most = max(most, len(alive))
            yield item
            del item

    assert sum(1 for _ in run_ordered(lambda item: None, items(), 3)) == 2000
    # those under way, the one that is given, and what each thread still has in its hand
    assert most <= UNDER_WAY * 3 + 1 + 3


def test_items_are_taken_as_outcomes_are():
    taken = []

    def items():
        for number in range(10_000):
            taken.append(number)
            yield number

    outcomes = run_ordered(lambda item: item, items(), 3)
    assert next(outcomes) == 0
    assert len(taken) <= AHEAD * 3 + 1
    outcomes.close()
    assert len(taken) <= AHEAD * 3 + 1


def test_a_slow_item_does_not_idle_the_other_workers():
    last = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert last.wait(10)  # until far more than two for each worker are done
        if item == 20:
            last.set()
        return item

    assert list(run_ordered(work, range(30), 2)) == list(range(30))


def test_items_need_no_end():
    assert list(itertools.islice(run_ordered(lambda item: item, itertools.count(), 2), 500)) == list(range(500))


def test_who_stops_asking_ends_the_work_that_waits():
    begun = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            return item
        begun.set()
        while True:
            proceed()

    outcomes = run_ordered(work, range(10), 2)
    assert next(outcomes) == 0
    assert begun.wait(10)
    outcomes.close()  # returns, since the work does


def test_what_the_caller_is_asked_is_asked_in_the_threads():
    class EndedError(Exception):
        pass

    def ask() -> None:
        if threading.current_thread() is not threading.main_thread():
            raise EndedError

    with stoppable(ask), pytest.raises(EndedError):
        list(run_ordered(lambda item: proceed(), [1], 1))


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


class EndedError(BaseException):
    pass


def ended() -> None:
    raise EndedError


def test_a_call_that_is_begun_is_finished():
    with stoppable_between(ended):
        with pytest.raises(EndedError):
            proceed()
        with finishing():
            proceed()
            assert asked() is None
        with pytest.raises(EndedError):
            asked()()
    assert asked() is None


def test_who_must_end_at_once_ends_a_call_too():
    class GoneError(Exception):
        pass

    def gone() -> None:
        raise GoneError

    with stoppable(gone), stoppable_between(lambda: None):
        with pytest.raises(GoneError):
            asked()()
        with finishing(), pytest.raises(GoneError):
            proceed()


def test_the_watch_over_connections_survives_whatever_ends_the_work():
    with stoppable_between(ended), pytest.raises(EndedError), cut_at(time.monotonic() + 100):
        pass
    cut = _Cut(math.inf, ended)
    assert cut.look() == math.inf
    with pytest.raises(BodyTooSlowError):
        cut.go_on()


def test_progress_counts_each_status(capsys):
    outcomes = ["ok", "failed", "ok", "skipped"]
    assert list(with_progress(outcomes, 4, lambda status: status, True)) == outcomes
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "failed=1" in shown
    assert list(with_progress(outcomes, 4, lambda status: status, False)) == outcomes
    assert capsys.readouterr().err == ""


def test_progress_without_a_known_number(capsys):
    assert list(with_progress(iter(["ok"] * 3), None, lambda status: status, True)) == ["ok"] * 3
    assert "ok=3" in capsys.readouterr().err


def test_many_items_cost_little_each():
    """A bound that only something quadratic passes: ten times as many take no more than thirty times as long."""

    def seconds(count: int) -> float:
        start = time.process_time()
        assert sum(1 for _ in run_ordered(lambda item: item, range(count), 2)) == count
        return time.process_time() - start

    seconds(1000)
    assert seconds(20_000) <= 30 * max(seconds(2_000), 0.02)

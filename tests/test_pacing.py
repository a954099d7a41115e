"""When a service is called again: rates over threads, what it says, and when to give up."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from weakref import WeakValueDictionary

import pytest

from blur_tools._stop import proceed, stoppable
from blur_tools.service import pacing
from blur_tools.service.pacing import (
    FIRST_PAUSE,
    LONGEST_OBEYED,
    LONGEST_PAUSE,
    MOST_REMEMBERED,
    MOST_RETRIES,
    Pacer,
    Turns,
    pacer_for,
    retry_delay,
    said_seconds,
)


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


def paced(rate: float | None) -> tuple[Pacer, Clock]:
    clock = Clock()
    return Pacer(rate, clock, clock.sleep), clock


def test_calls_begin_no_faster_than_the_rate():
    pacer, clock = paced(4)
    begun = []
    for _ in range(9):
        pacer.wait()
        begun.append(clock.now)
    assert begun == pytest.approx([100 + index / 4 for index in range(9)])


def test_the_rate_holds_over_all_threads():
    pacer, clock = paced(2)
    begun = []

    def call() -> None:
        pacer.wait()
        begun.append(clock.now)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(call) for _ in range(16)]:
            future.result()
    assert clock.now - 100 >= 15 / 2


def test_without_a_rate_nobody_waits():
    pacer, clock = paced(None)
    for _ in range(1000):
        pacer.wait()
    assert clock.now == 100


def test_a_pause_holds_for_everybody_and_is_never_shortened():
    pacer, clock = paced(None)
    pacer.pause(30)
    pacer.pause(5)
    pacer.wait()
    assert clock.now == 130


def test_engines_of_one_address_share_its_turns_each_at_its_own_rate():
    turns, clock = Turns(), Clock()
    slow, fast = (Pacer(rate, clock, clock.sleep, turns) for rate in (1, 4))
    begun = []
    for pacer in (slow, fast, slow, slow, fast):
        pacer.wait()
        begun.append(clock.now - 100)
    assert begun == [0, 0.25, 1.25, 2.25, 2.5]
    slow.pause(30)
    fast.wait()
    assert clock.now - 100 == 32.5


def test_a_slow_engine_gets_its_turn_beside_a_fast_one():
    turns = Turns()
    slow, fast = Pacer(20, turns=turns), Pacer(None, turns=turns)
    done = threading.Event()

    def keep_calling() -> None:
        while not done.is_set():
            fast.wait()

    def call() -> None:
        for _ in range(5):
            slow.wait()

    callers = [threading.Thread(target=keep_calling, daemon=True), threading.Thread(target=call, daemon=True)]
    for caller in callers:
        caller.start()
    callers[1].join(20)
    starved = callers[1].is_alive()
    done.set()
    callers[0].join(20)
    assert not starved


def test_turns_belong_to_an_address():
    assert pacer_for("http://a", 1)._turns is pacer_for("http://a", 2)._turns
    assert pacer_for("http://a", 1)._turns is not pacer_for("http://b", 1)._turns


def test_of_many_addresses_only_some_are_remembered(monkeypatch):
    monkeypatch.setattr(pacing, "_recent", OrderedDict())
    monkeypatch.setattr(pacing, "_turns", WeakValueDictionary())
    held = pacer_for("http://held", 1)
    for number in range(3 * MOST_REMEMBERED):
        pacer_for(f"http://{number}", 1)
    assert len(pacing._turns) == MOST_REMEMBERED + 1
    assert pacer_for("http://held", 2)._turns is held._turns  # it is in use
    assert pacer_for(f"http://{number}", 2)._turns is pacing._recent[f"http://{number}"]


def test_waiting_ends_when_the_answer_is_not_wanted_any_more():
    """Without the question it would wait for an hour; the turn stays free."""
    pacer, asked = Pacer(1 / 3600), []

    def ask() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise InterruptedError

    pacer.wait()
    last = pacer._turns.last
    with stoppable(ask), pytest.raises(InterruptedError):
        pacer.wait()
    assert (pacer._turns.last, len(pacer._turns.waiting)) == (last, 0)
    proceed()  # and nobody is asked afterwards
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("said", "text", "seconds"),
    [
        ("7", "", 7),
        ("0", "", 0),
        ("1.5", "", 1.5),
        ("7", "Expected available in 3 seconds.", 7),
        (None, "Request was throttled. Expected available in 1 second.", 1),
        (None, "Request was throttled. Expected available in 12 seconds.", 12),
        ("soon", "Expected available in 2 seconds.", 2),
        ("nan", "", None),
        ("-3", "", None),
        ("inf", "", None),
        (None, "Too many calls.", None),
    ],
)
def test_what_a_service_says_of_when_to_come_again(said, text, seconds):
    assert said_seconds({} if said is None else {"Retry-After": said}, text) == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(40, 30, 40), (-40, 0, 0)])
def test_retry_after_may_be_a_date(ahead, least, most):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    assert least <= said_seconds({"Retry-After": date}, "") <= most


def test_a_date_of_unknown_zone_is_utc():
    date = (datetime.now(UTC) + timedelta(seconds=40)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    assert 30 <= said_seconds({"Retry-After": date}, "") <= 40


def test_without_a_word_the_pause_doubles_up_to_a_cap_with_jitter():
    for tried in range(1, MOST_RETRIES + 1):
        full = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tried - 1))
        delays = {retry_delay(tried, None) for _ in range(50)}
        assert 0.75 * full <= min(delays) < max(delays) <= full
    assert retry_delay(30, None, most=50) <= LONGEST_PAUSE


def test_what_the_service_says_is_obeyed_up_to_a_cap():
    assert retry_delay(1, 0.0) == 0
    assert retry_delay(1, LONGEST_OBEYED) == LONGEST_OBEYED
    assert retry_delay(1, LONGEST_OBEYED + 1) is None


def test_after_the_last_retry_there_is_no_other():
    assert retry_delay(MOST_RETRIES, None) is not None
    assert retry_delay(MOST_RETRIES + 1, None) is None
    assert retry_delay(1, None, most=0) is None

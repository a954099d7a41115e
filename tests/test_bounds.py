"""Bounds from a sample: against scipy's, by hand, and by simulation of clustered misses."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from blur_tools.audit.bounds import (
    default_largest,
    miss_bound,
    more_pictures,
    pictures_needed,
    running_bound,
    running_bound_at,
    running_needed,
    running_needed_at,
    share_bound,
)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("exposed", "seen"), [(0, 1), (0, 299), (1, 40), (7, 30), (29, 30), (5, 5)])
def test_of_very_many_pictures_the_bound_is_that_of_scipys_exact_interval(exposed, seen, level):
    both = stats.binomtest(exposed, seen).proportion_ci(confidence_level=2 * level - 1, method="exact")
    assert share_bound(exposed, seen, level=level) == pytest.approx(both.high, abs=1e-9)


@settings(max_examples=60)
@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(n, 90))))
def test_of_a_finite_population_it_is_the_largest_number_that_the_sample_does_not_refute(case):
    seen, exposed, population = case
    possible = np.arange(exposed, population - (seen - exposed) + 1)
    likely = [stats.hypergeom(population, k, seen).cdf(exposed) > 0.05 for k in possible]
    assert share_bound(exposed, seen, population) * population == pytest.approx(possible[np.flatnonzero(likely)[-1]])


def test_who_has_seen_all_pictures_knows():
    assert share_bound(3, 40, 40) == 3 / 40
    assert share_bound(0, 40, 40) == 0


def test_a_finite_population_is_never_worse_than_an_endless_one():
    assert share_bound(1, 50, 200) < share_bound(1, 50, 5000) <= share_bound(1, 50) + 1 / 5000


def test_nothing_seen_says_nothing():
    assert share_bound(0, 0) == share_bound(0, 0, 10) == 1
    assert miss_bound([], [], largest=1) == 1
    assert miss_bound([0, 0], [0, 0], largest=1) == 1


@pytest.mark.parametrize("wrong", [(2, 1, None, 0.95), (0, 5, 4, 0.95), (-1, 5, None, 0.95), (0, 5, None, 1)])
def test_numbers_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="no bound for"):
        share_bound(*wrong)


@pytest.mark.parametrize(
    ("claim", "misses", "needed"),  # known figures: research on how many to inspect
    [(0.9, 0, 29), (0.95, 0, 59), (0.99, 0, 299), (0.99, 1, 473), (0.99, 3, 773), (0.999, 0, 2995)],
)
def test_how_many_pictures_a_claim_needs(claim, misses, needed):
    assert pictures_needed(claim, misses=misses) == needed
    assert share_bound(misses, needed) <= 1 - claim < share_bound(misses, needed - 1)


def test_a_small_population_needs_fewer_and_some_claims_cannot_be_made():
    assert pictures_needed(0.99, population=1000) == 238
    assert share_bound(0, 238, 1000) <= 0.01 < share_bound(0, 237, 1000)
    assert pictures_needed(0.99, population=50) == 48  # 1 % of 50 is less than one picture; 47 could miss it
    assert pictures_needed(0.99, misses=3, population=100) is None


# looking at any time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("population", [None, 400])
@pytest.mark.parametrize("exposed", [[], [0], [0] * 60, [1, *[0] * 80], [*[0] * 50, 1, 1], [0, 1] * 20])
def test_the_bound_of_pictures_at_any_time_is_that_of_objects_with_one_a_picture(exposed, population):
    shown = np.array(exposed, float)
    of_objects = miss_bound(1 - shown, shown, largest=1, population=population)
    assert running_bound(exposed, population) <= of_objects
    assert running_bound(exposed, population) == pytest.approx(of_objects, rel=0.02, abs=0.005)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_over_all_orders_of_a_small_population_the_share_is_within_the_bound_at_every_moment(level):
    """Not by chance: whatever the share, up to a run that hides nothing, and however often somebody looks."""
    beyond: dict[int, list[bool]] = {}
    for shown in product([False, True], repeat=7):
        lowest = min(running_bound(shown[:seen], 7, level) for seen in range(8))
        beyond.setdefault(sum(shown), []).append(lowest < sum(shown) / 7 - 1e-12)
    assert max(map(np.mean, beyond.values())) <= 1 - level


def test_a_run_that_hides_nothing_is_not_bounded_below_what_it_shows():
    assert running_bound([True] * 5, 10) == 1
    assert running_bound([False, True, True], 10) == 0.9
    assert running_needed(0.5, [False] * 4 + [True] * 2, 10) == 7  # 6 of 10 can show something


@pytest.mark.parametrize("population", [None, 60])
def test_the_places_of_what_shows_something_say_all(population):
    shown = np.zeros(40, bool)
    shown[[3, 4, 17]] = True
    assert running_bound_at([3, 4, 17], 40, population) == running_bound(shown, population)
    assert running_needed_at(0.9, [3, 4, 17], 40, population) == running_needed(0.9, shown, population) > 40


def test_late_misses_do_not_bring_the_bound_below_what_was_seen():
    for population in (None, 300):
        assert running_bound([*[0] * 100, *[1] * 30], population) >= 30 / 130


def test_who_has_seen_all_pictures_knows_at_any_time():
    assert running_bound([0, 1, 0, 0], 4) == 1 / 4
    assert running_bound([], 4) == running_bound([]) == running_bound([1, 1]) == running_bound([], 0) == 1
    with pytest.raises(ValueError, match="no bound for 3 pictures of 2"):
        running_bound([0, 0, 0], 2)


@pytest.mark.parametrize("population", [None, 1000])
@pytest.mark.parametrize("misses", [0, 1, 3])
def test_how_many_pictures_a_claim_needs_if_one_looks_and_goes_on(misses, population):
    shown = [True] * misses
    needed = running_needed(0.95, shown, population)
    assert needed > pictures_needed(0.95, misses=misses, population=population)
    assert running_bound([*shown, *[False] * (needed - misses)], population) <= 0.05 + 1e-8
    assert running_bound([*shown, *[False] * (needed - misses - 1)], population) > 0.05


def test_some_claims_need_all_pictures_and_some_cannot_be_made():
    assert running_needed(0.95, [True], 20) == 20
    assert running_needed(0.95, [True, True], 20) is None
    assert running_needed(0.9, [False] * 500) == 500
    assert running_needed(0.9999999, ()) is None  # more than ten millions
    with pytest.raises(ValueError, match="a claim is a share"):
        running_needed(1)


def test_who_enlarges_a_sample_by_what_it_shows_is_right_at_any_time():
    """The exact bound is wrong in more than one of twenty such samples, which is why it is not told of them."""
    random, rate, runs = np.random.default_rng(1), 0.051, 400
    wrong = {"at any time": 0, "exact": 0}
    for _ in range(runs):
        shown = random.random(600) < rate
        looks = range(59, 600, 20)
        wrong["exact"] += any(share_bound(int(shown[:n].sum()), n) < rate for n in looks)
        wrong["at any time"] += running_bound(shown) < rate or any(running_bound(shown[:n]) < rate for n in (59, 200))
    assert wrong["exact"] / runs > 0.1
    assert wrong["at any time"] / runs <= allowed(runs)


# objects that are missed together ---------------------------------------------------------------------------------


def test_one_object_a_picture_is_nearly_as_sure_as_the_exact_bound():
    exact = share_bound(0, 300)
    assert exact < miss_bound(np.ones(300), np.zeros(300), largest=1) < 1.4 * exact


def test_misses_that_may_come_together_make_it_wider_and_more_pictures_narrower():
    bounds = [miss_bound(np.full(200, 2), np.zeros(200), largest=k) for k in (1, 3, 9)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]
    assert miss_bound(np.full(400, 2), np.zeros(400), largest=3) < bounds[1]
    assert miss_bound(np.full(200, 2), np.zeros(200), largest=3, population=250) < bounds[1]


def test_of_all_pictures_the_rate_is_known():
    assert miss_bound([3, 0, 1], [1, 0, 0], largest=5, population=3) == 1 / 5
    assert miss_bound([3, 0], [9, 0], largest=3, population=2) == 0.75


def test_more_misses_than_were_taken_for_possible_are_no_bound():
    with pytest.raises(ValueError, match="a picture has 9 misses, more than the largest of 3"):
        miss_bound([3, 0], [9, 0], largest=3, population=3)
    assert default_largest([]) == default_largest([2, 0]) == 10
    assert default_largest(iter([2, 30])) == 30


def test_the_order_after_a_miss_does_not_let_the_bound_fall_below_the_truth_of_a_census():
    hidden, missed = np.ones(100), np.zeros(100)
    missed[3] = 1
    assert miss_bound(hidden[:99], missed[:99], largest=1, population=100) >= 1 / 101


@pytest.mark.parametrize("facts", [{"largest": 0}, {"largest": 1, "population": 1}, {"largest": 1, "level": 0}])
def test_object_bounds_refuse_what_does_not_fit(facts):
    with pytest.raises(ValueError, match="no bound for 2 pictures"):
        miss_bound([1, 1], [0, 0], **facts)


def test_how_many_more_pictures_a_recall_needs():
    more = more_pictures([2] * 100, [0] * 100, 0.99, largest=3)
    assert more
    assert miss_bound([2] * (100 + more), [0] * (100 + more), largest=3) <= 0.01
    assert miss_bound([2] * (99 + more), [0] * (99 + more), largest=3) > 0.01
    assert more_pictures([2] * 2000, [0] * 2000, 0.99, largest=3) == 0
    assert more_pictures([0] * 10, [0] * 10, 0.99, largest=3) is None
    assert more_pictures([1] * 10, [5] * 10, 0.99, largest=5, population=20) is None


# simulated data sets ----------------------------------------------------------------------------------------------


def _together(random, n):
    """All objects of a picture are hidden, or all are missed."""
    objects = random.poisson(1.5, n)
    return objects, np.where(random.random(n) < random.choice([0.002, 0.03, 0.2]), objects, 0)


def _crowds(random, n):
    """Misses are in the few pictures with very many objects."""
    crowd = random.random(n) < 0.03
    objects = np.where(crowd, 20, random.poisson(1.0, n))
    return objects, np.where(crowd, random.binomial(8, random.random(n)), 0)


def _beta(random, n):
    """Every picture has a miss rate of its own."""
    objects = 1 + random.geometric(0.4, n)
    return objects, random.binomial(objects, random.beta(0.05, random.choice([0.5, 3]), n))


def _rare(random, n):
    """One picture with many misses in a set without any other."""
    objects, missed = np.full(n, 2), np.zeros(n, int)
    missed[0], objects[0] = 6, 6
    return objects, missed


def _car_parks(random, n):
    """Of twenty cars in a picture the run has found one; no other picture says that there can be so many."""
    full = random.random(n) < 0.05
    return np.where(full, 20, random.integers(0, 3, n)), np.where(full, 19, 0)


def _blind(random, n):
    """The engine finds next to nothing."""
    objects = random.integers(1, 4, n)
    return objects, np.where(random.random(n) < 0.98, objects, 0)


KINDS_OF_SETS = (_together, _crowds, _beta, _rare, _car_parks, _blind)


def failures(sets: int) -> dict[str, float]:
    """In which share of simulated data sets the truth was beyond the bound."""
    beyond: dict[str, list[bool]] = {}
    for number in range(sets):
        random = np.random.default_rng([7, number])
        make = KINDS_OF_SETS[number % len(KINDS_OF_SETS)]
        population = int(random.choice([150, 600, 3000]))
        objects, missed = make(random, population)
        drawn = random.permutation(population)[: int(random.choice([40, 100, 140]))]
        truth, share = missed.sum() / objects.sum(), (missed > 0).mean()
        hidden = objects - missed
        largest = default_largest([*hidden, *objects[drawn]])  # as a review knows it: of the others what was found
        bound = miss_bound(hidden[drawn], missed[drawn], largest=largest, population=population)
        shown = missed[drawn] > 0
        beyond.setdefault(f"objects, {make.__name__}", []).append(bound < truth)
        for name, by_picture in (("fixed", share_bound(int(shown.sum()), len(drawn), population)),
                                 ("any time", running_bound(shown, population))):  # fmt: skip
            beyond.setdefault(f"pictures {name}, {make.__name__}", []).append(by_picture < share - 1e-12)
    return {name: float(np.mean(values)) for name, values in beyond.items()}


def allowed(trials: int) -> float:
    """What a true 5 % exceeds by chance once in a thousand times."""
    return stats.binom(trials, 0.05).ppf(0.999) / trials


def test_in_simulated_sets_with_clustered_misses_the_truth_is_within_the_bound():
    shares = failures(1200)
    assert max(shares.values()) <= allowed(200), shares


@pytest.mark.soak
def test_in_twelve_thousand_simulated_sets_the_truth_is_within_the_bound():
    shares = failures(12_000)
    assert max(shares.values()) <= allowed(2000), shares
    assert np.mean([share for name, share in shares.items() if name.startswith("objects")]) <= 0.05
    assert np.mean([share for name, share in shares.items() if name.startswith("pictures")]) <= 0.05


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("number", range(5))
def test_over_all_samples_of_a_small_population_the_truth_is_within_the_bound(number, level):
    """Not by chance: every order in which some of seven pictures can be drawn; low levels make it a near thing."""
    random = np.random.default_rng([11, number])
    hidden, missed = random.integers(0, 4, 7), random.integers(0, 3, 7) * (random.random(7) < 0.4)
    hidden[0] += 1
    truth, largest = missed.sum() / (hidden + missed).sum(), max(1, missed.max())
    orders = [list(order) for order in permutations(range(7), 3 + number % 2)]
    beyond = [
        miss_bound(hidden[order], missed[order], largest=largest, population=7, level=level) < truth - 1e-9
        for order in orders
    ]
    assert np.mean(beyond) <= 1 - level

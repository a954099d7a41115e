"""Bounds from a sample: against scipy's, by hand, and by simulation of clustered misses."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from blur_tools.audit.bounds import miss_bound, more_pictures, pictures_needed, share_bound


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
    assert miss_bound([3, 0], [9, 0], largest=3, population=2) == 0.5  # at most three of a picture count


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


KINDS_OF_SETS = (_together, _crowds, _beta, _rare)


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
        bound = miss_bound(
            (objects - missed)[drawn], missed[drawn], largest=max(1, missed.max()), population=population
        )
        exposed = int((missed[drawn] > 0).sum())
        by_picture = share_bound(exposed, len(drawn), population)
        beyond.setdefault(f"objects, {make.__name__}", []).append(bound < truth)
        beyond.setdefault(f"pictures, {make.__name__}", []).append(by_picture < share - 1e-12)
    return {name: float(np.mean(values)) for name, values in beyond.items()}


def allowed(trials: int) -> float:
    """What a true 5 % exceeds by chance once in a thousand times."""
    return stats.binom(trials, 0.05).ppf(0.999) / trials


def test_in_simulated_sets_with_clustered_misses_the_truth_is_within_the_bound():
    shares = failures(800)
    assert max(shares.values()) <= allowed(200), shares


@pytest.mark.soak
def test_in_ten_thousand_simulated_sets_the_truth_is_within_the_bound():
    shares = failures(10_000)
    assert max(shares.values()) <= allowed(2500), shares
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

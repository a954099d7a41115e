"""Bounds on what a sample cannot have seen: exact for pictures, safe for objects that are missed together.

All bounds are one-sided: with probability `level` or more, over all samples that could have been drawn, the truth is
not beyond them. No misses give a bound, too, never certainty.

* **pictures** (`share_bound`): Clopper and Pearson's [1]_ for a proportion; in a population of N pictures the
  hypergeometric distribution takes the place of the binomial, so that looking at all of them leaves no doubt.
* **objects** (`miss_bound`): objects of one picture are missed together, so they are no independent trials. A picture
  is the unit here: with h hidden and m missed objects, and a miss rate r in the population, the h r - m (1 - r) of all
  pictures add up to zero. Whoever bets against r with a fair game's stakes wins twenty-fold with a chance of one in
  twenty at most (Ville), whatever the distribution; rates against which a bet won are ruled out [2]_. It holds at
  every moment of a review in random order, so one may look at it and go on. The only thing assumed is `largest`: of
  one picture at most so many misses are counted.

.. [1] C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413
.. [2] I. Waudby-Smith, A. Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27; without replacement: section 4
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MOST", "miss_bound", "more_pictures", "pictures_needed", "share_bound"]

Floats = npt.NDArray[np.float64]

MOST = 10_000_000
"""Pictures above which a number that is needed is not told: nobody looks at so many."""

STAKES = ((1.0, 0.5), (0.7, 0.15), (0.45, 0.12), (0.25, 0.1), (0.12, 0.08), (0.05, 0.05))
"""Shares of the largest safe stake and how the money is spread over them: the first is best without any miss."""

RATES = 160
"""Miss rates that are tried, evenly spaced in log-odds; each step is refined once."""


def share_bound(exposed: int, seen: int, population: int | None = None, level: float = 0.95) -> float:
    """Upper bound on the share of pictures that show something, from a simple random sample.

    Parameters
    ----------
    exposed, seen : int
        Pictures of the sample that show something, and all of them.
    population : int, optional
        Pictures that the sample was drawn from, without replacement; None: very many.
    level : float
        Confidence, one-sided.

    Returns
    -------
    float
        0 to 1; 1 where nothing was seen. A share of a finite population is a whole number of pictures over it.

    Raises
    ------
    ValueError
        Numbers that do not fit together.
    """
    if not 0 <= exposed <= seen or (population is not None and seen > population) or not 0 < level < 1:
        raise ValueError(f"no bound for {exposed} of {seen} pictures of {population} at level {level:g}")
    if exposed == seen and population is None:
        return 1.0
    if population is None:
        from scipy.special import betaincinv

        return float(betaincinv(exposed + 1, seen - exposed, level))
    return _finite(exposed, seen, population, level) / population if population else 1.0


def _finite(exposed: int, seen: int, population: int, level: float) -> int:
    """The largest number of exposed pictures with which so few in the sample are not too rare a chance."""
    from scipy.stats import hypergeom

    low, high = exposed, population - (seen - exposed)
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeom.cdf(exposed, population, middle, seen) > 1 - level:
            low = middle
        else:
            high = middle - 1
    return low


def pictures_needed(
    claim: float, *, misses: int = 0, population: int | None = None, level: float = 0.95, least: int = 1
) -> int | None:
    """How many pictures must be looked at to claim that a share of them, such as 0.99, shows nothing.

    Parameters
    ----------
    claim : float
        Share of pictures that show nothing, above 0 and below 1.
    misses : int
        Exposed pictures that are expected in the sample, or that it has already.
    population, level
        As for `share_bound`.
    least : int
        As many are looked at in any case.

    Returns
    -------
    int or None
        The smallest size of the sample; None where even all pictures would not do, or more than `MOST`.
    """
    if not 0 < claim < 1:
        raise ValueError(f"a claim is a share between 0 and 1, not {claim:g}")
    allowed = 1 - claim + 1e-12

    def enough(size: int) -> bool:
        return share_bound(misses, size, population, level) <= allowed

    low = max(least, misses, 1)
    most = MOST if population is None else population
    high = low
    while high < most and not enough(high):
        low, high = high + 1, min(2 * high, most)
    if low > most or not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def miss_bound(
    hidden: Sequence[float] | Floats,
    missed: Sequence[float] | Floats,
    *,
    largest: float,
    population: int | None = None,
    level: float = 0.95,
) -> float:
    """Upper bound on the share of objects that are missed, from pictures in the random order of their draw.

    Parameters
    ----------
    hidden, missed : sequence of float, one a picture
        How many objects of each picture are hidden, and how many are not. Pictures without objects count.
    largest : float
        At most so many misses of one picture are counted; not chosen by what the sample shows.
    population : int, optional
        Pictures that the sample was drawn from, without replacement; None: very many.
    level : float
        Confidence, one-sided.

    Returns
    -------
    float
        0 to 1; of all pictures it is the miss rate itself.

    Raises
    ------
    ValueError
        Numbers that do not fit together.
    """
    found, lost = np.asarray(hidden, float), np.minimum(np.asarray(missed, float), largest)
    if found.shape != lost.shape or largest <= 0 or not 0 < level < 1 or (population or len(found)) < len(found):
        raise ValueError(f"no bound for {len(found)} pictures of {population} at level {level:g}")
    if population is not None and len(found) == population:
        total = float(found.sum() + lost.sum())
        return float(lost.sum()) / total if total else 0.0
    edge = math.log(RATES * 1e4)
    rates = _open(found, lost, 1 / (1 + np.exp(-np.linspace(-edge, edge, RATES))), largest, population, level)
    if rates[1] >= 1 or rates[0] <= 0:
        return rates[1]
    return _open(found, lost, np.linspace(rates[0], rates[1], 24), largest, population, level)[1]


def _open(
    hidden: Floats, missed: Floats, rates: Floats, largest: float, population: int | None, level: float
) -> tuple[float, float]:
    """Neighbours among rising `rates`: the highest that no bet ruled out, and the next; 0 and 1 beyond the ends."""
    standing = np.flatnonzero(_best_bet(hidden, missed, rates, largest, population) < -math.log(1 - level))
    if not len(standing):
        return 0.0, float(rates[0])
    last = int(standing[-1])
    return float(rates[last]), float(rates[last + 1]) if last + 1 < len(rates) else 1.0


def _best_bet(hidden: Floats, missed: Floats, rates: Floats, largest: float, population: int | None) -> Floats:
    """Logarithm of the most that a bet against each rate, or a higher one, ever stood at."""
    if not len(hidden):
        return np.zeros(len(rates))
    gains = hidden[:, None] * rates - missed[:, None] * (1 - rates)
    expected = np.zeros_like(gains)  # at most, for who knows the pictures before
    if population is not None:
        before = np.vstack([np.zeros(len(rates)), np.cumsum(gains, axis=0)[:-1]])
        expected = -before / (population - np.arange(len(gains)))[:, None]
    worst = (1 - rates) * largest + expected  # what a stake of 1 can lose
    impossible = worst <= 1e-12  # the pictures that are left cannot bring such a rate about
    relative = (gains - expected) / np.where(impossible, 1, worst)
    money = np.full(gains.shape, -np.inf)
    with np.errstate(divide="ignore"):
        for stake, part in STAKES:
            factors = np.log(np.maximum(1 + stake * relative, 0))
            money = np.logaddexp(money, math.log(part) + np.cumsum(factors, axis=0))
    money[np.maximum.accumulate(impossible, axis=0)] = np.inf
    best: Floats = np.maximum(money.max(axis=0), 0)
    return best


def more_pictures(hidden: Sequence[float], missed: Sequence[float], claim: float, **facts: Any) -> int | None:
    """How many more pictures to look at for a recall of objects, if they are like those seen and nothing is missed.

    Parameters
    ----------
    hidden, missed, **facts
        As for `miss_bound`.
    claim : float
        The recall, such as 0.99.

    Returns
    -------
    int or None
        0 where the claim stands already; None where all pictures, a hundred times those seen, or 10,000 would not do.
    """
    found, lost = list(hidden), list(missed)
    population = facts.get("population")
    most = (
        min(100 * len(found), 10_000) if population is None else min(100 * len(found), 10_000, population - len(found))
    )
    if not sum(found) or not 0 < claim < 1:
        return None

    def enough(more: int) -> bool:
        longer = found + [found[i % len(found)] for i in range(more)]
        return miss_bound(longer, lost + [0.0] * more, **facts) <= 1 - claim

    low, high = 0, 0
    while not enough(high):
        if high >= most:
            return None
        low, high = high + 1, min(max(2 * high, len(found), 1), most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low

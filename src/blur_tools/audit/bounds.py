"""Bounds on what a sample cannot have seen: exact for pictures, safe for objects that are missed together.

All bounds are one-sided: with probability `level` or more, over all samples that could have been drawn, the truth is
not beyond them. No misses give a bound, too, never certainty.

* **pictures, of a sample whose size was fixed before** (`share_bound`): Clopper and Pearson's [1]_ for a proportion; in
  a population of N pictures the hypergeometric distribution takes the place of the binomial, so that looking at all of
  them leaves no doubt. Who enlarges a sample because of what it showed must not use it.
* **pictures, at any moment** (`running_bound`): the bound of objects with one object a picture. It holds however often
  one looks and goes on.
* **objects** (`miss_bound`): objects of one picture are missed together, so they are no independent trials. A picture
  is the unit here: with h hidden and m missed objects, and a miss rate r in the population, the h r - m (1 - r) of all
  pictures add up to zero. Whoever bets against r with a fair game's stakes ever stands at twenty-fold with a chance of
  one in twenty at most (Ville), whatever the distribution; rates against which the bet does are ruled out [2]_. It
  holds at every moment of a review in random order, so one may look at it and go on. The only thing assumed is
  `largest`: no picture has more misses.

.. [1] C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413
.. [2] I. Waudby-Smith, A. Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27; without replacement: section 4
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "MOST", "default_largest", "miss_bound", "more_pictures", "pictures_needed", "running_bound", "running_bound_at",
    "running_needed", "running_needed_at", "share_bound",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

MOST = 10_000_000
"""Pictures above which a number that is needed is not told: nobody looks at so many."""

STAKES = ((1.0, 0.5), (0.7, 0.15), (0.45, 0.12), (0.25, 0.1), (0.12, 0.08), (0.05, 0.05))
"""Shares of the largest safe stake and how the money is spread over them: the first is best without any miss."""

FLOOR = 10.0
"""So many misses one picture can have at least, by default."""

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
    """How many pictures must be looked at, if it is fixed before, to claim that a share of them shows nothing.

    Parameters
    ----------
    claim : float
        Share of pictures that show nothing, above 0 and below 1, such as 0.99.
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


def running_bound(exposed: Sequence[bool], population: int | None = None, level: float = 0.95) -> float:
    """Upper bound on the share of pictures that show something, at any moment of a review.

    Parameters
    ----------
    exposed : sequence of bool, one a picture
        Whether it shows something, in the random order of the draw.
    population, level
        As for `share_bound`.

    Returns
    -------
    float
        0 to 1; 1 where nothing was seen. A share of a finite population is a whole number of pictures over it.

    Raises
    ------
    ValueError
        Numbers that do not fit together.
    """
    return running_bound_at(*_places(exposed), population, level)


def running_bound_at(
    places: Sequence[int] | Places, seen: int, population: int | None = None, level: float = 0.95
) -> float:
    """`running_bound` of `seen` pictures, given only the places from 0, rising, of those that show something.

    It costs as much as there are of these, however many were seen.
    """
    where = np.asarray(places, np.int64)
    many = len(where)
    if not 0 < level < 1 or (population is not None and seen > population):
        raise ValueError(f"no bound for {seen} pictures of {population} at level {level:g}")
    if population == 0:
        return 1.0
    edge = -math.log(1 - level)
    # the lower the rate, the less a bet against it can win: halving finds the last that stands
    if population is None:
        low, high = (many / seen if seen else 0.0), 1.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            low, high = (middle, high) if _won(many, seen, middle) < edge else (low, middle)
        return high
    least, most = many, population - (seen - many)
    while least < most:
        half = (least + most + 1) // 2
        least, most = (half, most) if _won_of(where, seen, half, population) < edge else (least, half - 1)
    return least / population


def running_needed(
    claim: float, exposed: Sequence[bool] = (), population: int | None = None, level: float = 0.95
) -> int | None:
    """How many pictures must be looked at for `running_bound` to allow a claim, if no other one shows anything.

    Parameters
    ----------
    claim : float
        Share of pictures that show nothing, above 0 and below 1, such as 0.99.
    exposed, population, level
        What was seen so far; as for `running_bound`.

    Returns
    -------
    int or None
        Pictures in all, at least those that were seen; None where even all would not do, or more than `MOST`.
    """
    return running_needed_at(claim, *_places(exposed), population, level)


def running_needed_at(
    claim: float, places: Sequence[int] | Places, seen: int, population: int | None = None, level: float = 0.95
) -> int | None:
    """`running_needed`, given only the places of pictures that show something; see `running_bound_at`."""
    if not 0 < claim < 1:
        raise ValueError(f"a claim is a share between 0 and 1, not {claim:g}")
    where, edge = np.asarray(places, np.int64), -math.log(1 - level)
    most = MOST if population is None else population
    # the least number, or rate, that must be ruled out
    count = 0 if population is None else math.floor((1 - claim) * population + 1e-9) + 1
    if population is not None and count > population:
        return seen
    if population is not None and len(where) >= count:
        return None

    def enough(size: int) -> bool:
        if population is None:
            return _won(len(where), size, 1 - claim) >= edge
        return _won_of(where, size, count, population) >= edge

    if most < seen or not enough(most):
        return None
    low, high = seen, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _places(exposed: Sequence[bool]) -> tuple[Places, int]:
    return np.flatnonzero(np.asarray(exposed, bool)), len(exposed)


def _won(many: int, seen: int, rate: float) -> float:
    """Logarithm of what a bet against a rate stands at when `many` of the pictures seen have shown something.

    It is `_bet` with one object a picture: each picture that shows something multiplies a stake's money by 1 less
    the stake, each other one by 1 + stake * rate / (1 - rate).
    """
    stakes, parts = np.array(STAKES).T
    return _sum(parts, stakes, many, (seen - many) * np.log1p(stakes * rate / (1 - rate)))


def _won_of(places: Places, seen: int, count: int, population: int) -> float:
    """The same of a bet against `count` pictures of a finite population that show something.

    Of the pictures that are left before each, as many show something as were not seen yet. Without one that does
    that number stays, so that the factors of a run of such pictures are a ratio of factorials.
    """
    from scipy.special import gammaln

    begin, end = np.append(0, places + 1), np.append(places, seen)
    runs = end > begin
    left = (count - np.arange(len(begin)))[runs]
    before, after = population - begin[runs], population - end[runs]
    if (after < left).any():
        return math.inf  # too few pictures would be left to bring such a number about
    stakes, parts = np.array(STAKES).T
    rest = (1 - stakes[:, None]) * left
    gained = gammaln(before - rest + 1) - gammaln(after - rest + 1)
    gained -= gammaln(before - left + 1) - gammaln(after - left + 1)
    return _sum(parts, stakes, len(places), gained.sum(axis=1))


def _sum(parts: Floats, stakes: Floats, many: int, gained: Floats) -> float:
    with np.errstate(divide="ignore"):
        lost = many * np.log1p(-stakes) if many else np.zeros(len(stakes))
    return float(np.logaddexp.reduce(np.log(parts) + lost + gained))


def default_largest(counts: Iterable[float]) -> float:
    """How many misses one picture can have, if nothing better is known.

    A run can have found one car of a full car park: of the misses in one picture its own findings say little.

    Parameters
    ----------
    counts : iterable of float
        Objects of all kinds and sizes that were found, or drawn, in each picture.

    Returns
    -------
    float
        The largest of them, and 10 at least.
    """
    return float(max([FLOOR, *counts]))


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
        No picture has more misses; not chosen by what the sample shows. Where all pictures were seen it is not needed.
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
        Numbers that do not fit together; a picture with more misses than `largest`, which is then wrong.
    """
    found, lost = np.asarray(hidden, float), np.asarray(missed, float)
    if found.shape != lost.shape or largest <= 0 or not 0 < level < 1 or (population or len(found)) < len(found):
        raise ValueError(f"no bound for {len(found)} pictures of {population} at level {level:g}")
    if population is not None and len(found) == population:
        total = float(found.sum() + lost.sum())
        return float(lost.sum()) / total if total else 0.0
    if len(lost) and lost.max() > largest:
        raise ValueError(f"no bound: a picture has {lost.max():g} misses, more than the largest of {largest:g}")
    edge = math.log(RATES * 1e4)
    rates = _open(found, lost, 1 / (1 + np.exp(-np.linspace(-edge, edge, RATES))), largest, population, level)
    if rates[1] >= 1 or rates[0] <= 0:
        return rates[1]
    return _open(found, lost, np.linspace(rates[0], rates[1], 24), largest, population, level)[1]


def _open(
    hidden: Floats, missed: Floats, rates: Floats, largest: float, population: int | None, level: float
) -> tuple[float, float]:
    """Neighbours among rising `rates`: the highest that no bet ruled out, and the next; 0 and 1 beyond the ends."""
    standing = np.flatnonzero(_bet(hidden, missed, rates, largest, population) < -math.log(1 - level))
    if not len(standing):
        return 0.0, float(rates[0])
    last = int(standing[-1])
    return float(rates[last]), float(rates[last + 1]) if last + 1 < len(rates) else 1.0


def _bet(hidden: Floats, missed: Floats, rates: Floats, largest: float, population: int | None) -> Floats:
    """Logarithm of what a bet against each rate stands at; infinite where the rate is impossible."""
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
    money = np.full(len(rates), -np.inf)
    with np.errstate(divide="ignore"):
        for stake, part in STAKES:
            factors = np.log(np.maximum(1 + stake * relative, 0))
            money = np.logaddexp(money, math.log(part) + factors.sum(axis=0))
    money[impossible.any(axis=0)] = np.inf
    return money


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

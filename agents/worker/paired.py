"""The arithmetic of paired comparisons: how far apart base and tuned are on the same items, and how likely by chance.

Items that resemble each other are no independent evidence: they are drawn and swapped together, as one group. Where every
item is a group of its own, all of this is what it would be without groups.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from agents.counts import ALPHA as ALPHA
from agents.counts import Z
from agents.counts import bonett_price as bonett_price
from agents.counts import mcnemar_mid_p as mcnemar_mid_p

RESAMPLES = 10_000
DRAWN_AT_ONCE = 1_000_000
"""Items; bounds the memory of resampling."""
SAME = 1e-12
"""Equal differences must count as equal although they were added up in different orders."""

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]
"""For each item the number of its group, from 0 on, none left out."""
Values = Callable[[Numbers], Numbers]
"""Turns rows of totals into a metric."""


def swapped_mid_p(gains: Sequence[int]) -> float:
    """Return the two-sided mid-p of groups of right and wrong answers, of which each gained so many right ones.

    Without a true difference, base and tuned could have changed places in any group: all such swaps are counted. Of
    groups that gained or lost one answer at most, this is McNemar's test.
    """
    sizes = [abs(gain) for gain in gains if gain]
    if all(size == 1 for size in sizes):
        return mcnemar_mid_p(gains.count(1), gains.count(-1))
    seen, most = abs(sum(gains)), sum(sizes)
    if seen == 0:
        return 1.0
    chances = np.zeros(2 * most + 1)
    chances[most] = 1.0
    for size in sizes:
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    further = np.abs(np.arange(-most, most + 1))
    return float(min(1.0, chances[further > seen].sum() + chances[further == seen].sum() / 2))


def clustered_error(differences: Numbers, groups: Groups) -> float:
    """Return the standard error of a mean of differences whose groups are independent (Miller 2024, arXiv 2411.00640)."""
    around = np.bincount(groups, weights=differences - differences.mean())
    return math.sqrt(float(np.sum(around**2))) / len(differences)


def design_effect(differences: Numbers, groups: Groups) -> float:
    """Return how many of these items say as much as one independent item: 1 where groups do not matter.

    Differences that are all equal show no spread to tell it by; then items of a group are taken to say all the same.
    """
    alone = float(np.std(differences)) / math.sqrt(len(differences))
    if alone < SAME:
        return float(np.sum(np.bincount(groups) ** 2)) / len(differences)
    return max(1.0, (clustered_error(differences, groups) / alone) ** 2)


def t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t, by its expansion about the normal (Abramowitz and Stegun, 26.7.5).

    From 5 degrees of freedom on it is right to three digits.
    """
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / float(degrees) ** i for i, term in enumerate(terms, 1))


def spread_interval(drawn: Numbers, seen: float, groups: int) -> tuple[float, float]:
    """Return the 95 % interval of a value that was seen once, from its resamples: the wider one of two.

    The percentiles, expanded for small samples: a resample of n spreads by √((n-1)/n) too little and its tails are normal
    where Student's are needed (Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3). And Student's
    interval with the spread of the resamples. Of 20 items whose differences have two humps, the former covers 93.5 % and
    the latter 94.4; of 20 skewed ones 92.5 and 90 to 92; of both the wider one, which is 2 to 4 % longer, 93 to 95.
    """
    if groups < 2:
        return -1.0, 1.0
    wide = t_quantile(groups - 1) * math.sqrt(groups / (groups - 1))
    outside = NormalDist().cdf(-wide)
    low, high = np.quantile(drawn, [outside, 1 - outside])
    half = wide * float(np.std(drawn))
    return min(float(low), seen - half), max(float(high), seen + half)


def resampled(rows: Numbers, seed: int) -> Numbers:
    """Return the column totals of `RESAMPLES` draws of as many rows as there are, with replacement."""
    chance = np.random.default_rng(seed)
    n = len(rows)
    parts = []
    for count in _parts(n):
        drawn = chance.integers(0, n, (count, n), dtype=np.uint32) + n * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        parts.append(times.astype(np.float64) @ rows)
    return np.concatenate(parts)


def swapped(base: Numbers, tuned: Numbers, values: Values, seed: int) -> Numbers:
    """Return the differences that come about when base and tuned change places in half of the rows, by chance."""
    chance = np.random.default_rng(seed)
    n = len(base)
    at_base, at_tuned, apart = base.sum(axis=0), tuned.sum(axis=0), tuned - base
    parts = []
    for count in _parts(n):
        coins = np.unpackbits(np.frombuffer(chance.bytes(-(-count * n // 8)), np.uint8))
        moved = coins[: count * n].reshape(count, n).astype(np.float64) @ apart
        parts.append(values(at_tuned - moved) - values(at_base + moved))
    return np.concatenate(parts)


def share_as_far(drawn: Numbers, seen: float) -> float:
    """Return a p-value: the share of draws that lie at least as far from 0 as what was seen, which counts as one of them."""
    return float((1 + np.sum(np.abs(drawn) >= abs(seen) - SAME)) / (len(drawn) + 1))


def summed(rows: Numbers, groups: Groups) -> Numbers:
    """Return the totals of each group."""
    totals = np.zeros((int(groups.max()) + 1, rows.shape[1]))
    np.add.at(totals, groups, rows)
    return totals


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for being tested together, in their order."""
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = least
    return adjusted


def _parts(n: int) -> list[int]:
    """Return how many resamples of n rows are drawn at once."""
    at_once = max(1, DRAWN_AT_ONCE // n)
    return [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]

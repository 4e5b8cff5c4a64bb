"""Is tuned better than base? Intervals, p-values and one rule, all on paired answers to the same items.

Right or wrong: McNemar's mid-p and the interval of Bonett and Price. Graded scores: paired bootstrap. Several openings of
one test set: Holm. The choice of tests, their error rates and the rule are those of evaluation.md §§3-6.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from agents.jobs import Verdict

ALPHA = 0.05
POWER = 0.8
FEWEST_ITEMS = 20
"""Below this there is no verdict."""
RESAMPLES = 10_000
DRAWN_AT_ONCE = 1_000_000
"""Items; bounds the memory of the bootstrap."""
Z = NormalDist().inv_cdf(1 - ALPHA / 2)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A metric of base and tuned, and what the difference between them may be."""

    base: float
    tuned: float
    gain: float
    low: float
    high: float
    p_value: float
    standard_error: float


@dataclass(frozen=True)
class Judgement:
    """What the evidence allows to say."""

    verdict: Verdict
    reason: str
    adjusted_p_value: float
    more_items_needed: int | None


def compare_right_or_wrong(base: Numbers, tuned: Numbers) -> Estimate:
    """Compare two series of 0 and 1."""
    gained, lost = int(np.sum((tuned == 1) & (base == 0))), int(np.sum((tuned == 0) & (base == 1)))
    n = len(base)
    gain = (gained - lost) / n
    low, high = bonett_price(gained, lost, n)
    return Estimate(
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        gain=gain,
        low=low,
        high=high,
        p_value=mcnemar_mid_p(gained, lost),
        standard_error=math.sqrt(max(0.0, (gained + lost) / n - gain**2) / n),
    )


def compare_scores(base: Numbers, tuned: Numbers, seed: int) -> Estimate:
    """Compare the means of two series of scores by a paired bootstrap."""
    return compare_totals(
        base[:, None], tuned[:, None], lambda totals: totals[:, 0] / len(base), seed
    )


def compare_totals(
    base: Numbers, tuned: Numbers, values: Callable[[Numbers], Numbers], seed: int
) -> Estimate:
    """Compare a corpus metric by a paired bootstrap: computed anew for each resample, never averaged over items.

    A row of `base` and `tuned` holds what one item adds to the totals; `values` turns rows of
    totals into the metric. The same items are drawn for both systems.
    """
    columns = base.shape[1]
    rows = np.hstack([base, tuned])

    def both(totals: Numbers) -> tuple[Numbers, Numbers]:
        return values(totals[:, :columns]), values(totals[:, columns:])

    (at_base,), (at_tuned,) = both(rows.sum(axis=0, keepdims=True))
    gain = float(at_tuned - at_base)
    resampled_base, resampled_tuned = both(_resampled_totals(rows, seed))
    drawn = resampled_tuned - resampled_base
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    # Equal differences must count as equal although they were added up in different orders.
    extreme = int(np.sum(np.abs(drawn - gain) >= abs(gain) - 1e-12))
    return Estimate(
        base=float(at_base),
        tuned=float(at_tuned),
        gain=gain,
        low=float(low),
        high=float(high),
        p_value=(1 + extreme) / (RESAMPLES + 1),
        standard_error=float(np.std(drawn)),
    )


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Return the two-sided mid-p of McNemar's test; 1 when nothing differs."""
    n = gained + lost
    below, ways = 0, 1
    for i in range(min(gained, lost)):
        below += ways
        ways = ways * (n - i) // (i + 1)
    return min(1.0, (2 * below + ways) / (1 << n))


def bonett_price(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference of two paired proportions."""
    p_gained, p_lost = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    gain = p_gained - p_lost
    half = Z * math.sqrt((p_gained + p_lost - gain**2) / (n + 2))
    return max(-1.0, gain - half), min(1.0, gain + half)


def holm(p_value: float, earlier: tuple[float, ...]) -> float:
    """Return a p-value corrected for all tests on the same items, this one included."""
    ordered = sorted((*earlier, p_value))
    stepped = (p * (len(ordered) - i) for i, p in enumerate(ordered) if p <= p_value)
    return min(1.0, max(stepped))


def items_needed(estimate: Estimate, items: int, openings: int) -> int | None:
    """Return how many items would show a gain of the size seen with 80 % power; None if there was none to show."""
    if estimate.gain == 0:
        return None
    spread = estimate.standard_error**2 * items
    z = NormalDist().inv_cdf(1 - ALPHA / (2 * openings)) + NormalDist().inv_cdf(POWER)
    return max(FEWEST_ITEMS, items + 1, math.ceil(z**2 * spread / estimate.gain**2))


def judge(estimate: Estimate, items: int, earlier_p_values: tuple[float, ...]) -> Judgement:
    """Apply the rule: better needs an interval above zero and a corrected p below 0.05.

    Worse needs an interval below zero. Under 20 items, and in all other cases, nothing can be told.
    """
    openings = len(earlier_p_values) + 1
    adjusted = holm(estimate.p_value, earlier_p_values)
    low, high = (f"{100 * end:+.1f}" for end in (estimate.low, estimate.high))
    interval = f"The 95 % interval of the gain, {low} to {high} points,"
    verdict = Verdict.CANNOT_TELL
    if items < FEWEST_ITEMS:
        reason = f"{items} test items are too few for any verdict; {FEWEST_ITEMS} are needed."
    elif estimate.high < 0:
        verdict = Verdict.WORSE
        reason = f"{interval} lies below zero."
    elif estimate.low <= 0:
        reason = f"{interval} includes zero."
    elif adjusted < ALPHA:
        verdict = Verdict.BETTER
        reason = f"{interval} lies above zero, and the corrected p-value is {adjusted:.2g}."
    else:
        reason = (
            f"{interval} lies above zero, but the p-value, corrected for {openings} openings of "
            f"this test set, is {adjusted:.2g}."
        )
    more = items_needed(estimate, items, openings) if verdict is Verdict.CANNOT_TELL else None
    return Judgement(verdict, reason, adjusted, more)


def _resampled_totals(rows: Numbers, seed: int) -> Numbers:
    """Return the column totals of `RESAMPLES` draws of as many rows as there are, with replacement."""
    chance = np.random.default_rng(seed)
    n = len(rows)
    at_once = max(1, DRAWN_AT_ONCE // n)
    parts = []
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        drawn = chance.integers(0, n, (count, n)) + n * np.arange(count)[:, None]
        parts.append(np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n) @ rows)
    return np.concatenate(parts)

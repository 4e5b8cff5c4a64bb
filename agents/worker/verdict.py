"""Is tuned better than base? Estimates from paired answers to the same items, and one rule.

Right or wrong: McNemar's mid-p and the interval of Bonett and Price. Graded scores and metrics of a whole corpus: swaps by
chance for the p-value, paired bootstrap for the interval. Several openings of one test set: what may go wrong is spent
bit by bit (`level`). docs/evaluation.md gives the formulas, `python -m benchmarks.honesty` the rates of error.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from agents.jobs import Verdict
from agents.worker import paired
from agents.worker.paired import ALPHA, Groups, Numbers, Values

POWER = 0.8
FEWEST_ITEMS = 20
"""Below this there is no verdict."""
FEWEST_GROUPS = 10
"""The same for groups of items that resemble each other: with fewer the spread between them is not known."""


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
    gained: int | None = None
    """Items that only tuned got right, where answers are right or wrong."""
    lost: int | None = None
    """Those that only base got right."""
    groups: int | None = None
    """Of items that resemble each other; None: every item stands for itself."""


@dataclass(frozen=True)
class Judgement:
    """What the evidence allows to say."""

    verdict: Verdict
    reason: str
    adjusted_p_value: float
    more_items_needed: int | None


def compare(base: Numbers, tuned: Numbers, seed: int, groups: Groups | None = None) -> Estimate:
    """Compare two series of scores by what suits them: as right or wrong where they are nothing but 0 and 1."""
    if set(np.unique([base, tuned]).tolist()) <= {0.0, 1.0}:
        return compare_right_or_wrong(base, tuned, groups)
    return compare_scores(base, tuned, seed, groups)


def compare_right_or_wrong(base: Numbers, tuned: Numbers, groups: Groups | None = None) -> Estimate:
    """Compare two series of 0 and 1; `groups` says which items resemble each other."""
    gained, lost = int(np.sum((tuned == 1) & (base == 0))), int(np.sum((tuned == 0) & (base == 1)))
    n = len(base)
    differences = per_group = tuned - base
    effect, groups = 1.0, _that_matter(n, groups)
    if groups is not None:
        effect = paired.design_effect(differences, groups)
        per_group = paired.summed(differences[:, None], groups)[:, 0]
    low, high = paired.bonett_price(gained / effect, lost / effect, n / effect)
    return Estimate(
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        gain=(gained - lost) / n,
        low=low,
        high=high,
        p_value=paired.swapped_mid_p([int(gain) for gain in per_group]),
        standard_error=math.sqrt(effect * float(np.var(differences)) / n),
        gained=gained,
        lost=lost,
        groups=None if groups is None else len(per_group),
    )


def compare_scores(
    base: Numbers, tuned: Numbers, seed: int, groups: Groups | None = None
) -> Estimate:
    """Compare the means of two series of scores; `groups` says which items resemble each other."""
    one = np.ones(len(base))
    return compare_totals(
        np.column_stack([base, one]),
        np.column_stack([tuned, one]),
        lambda totals: totals[:, 0] / totals[:, 1],
        seed,
        groups,
    )


def compare_totals(
    base: Numbers, tuned: Numbers, values: Values, seed: int, groups: Groups | None = None
) -> Estimate:
    """Compare a corpus metric, computed anew for each resample and each swap, never averaged over items.

    A row of `base` and `tuned` holds what one item adds to the totals; `values` turns rows of
    totals into the metric. The same items, or whole groups of them, are drawn for both systems.
    """
    items, columns = base.shape
    groups = _that_matter(items, groups)
    if groups is not None:
        base, tuned = paired.summed(base, groups), paired.summed(tuned, groups)
    at_base, at_tuned = (
        float(values(rows.sum(axis=0, keepdims=True))[0]) for rows in (base, tuned)
    )
    gain = at_tuned - at_base
    totals = paired.resampled(np.hstack([base, tuned]), seed)
    drawn = values(totals[:, columns:]) - values(totals[:, :columns])
    low, high = paired.spread_interval(drawn, gain, len(base))
    return Estimate(
        base=at_base,
        tuned=at_tuned,
        gain=gain,
        low=low,
        high=high,
        p_value=paired.share_as_far(paired.swapped(base, tuned, values, seed), gain),
        standard_error=float(np.std(drawn)),
        groups=None if groups is None else len(base),
    )


def level(openings: int) -> float:
    """Return how small the p-value of this opening of a test set has to be.

    The first opening has 5 % to itself, as any honest test has; the upper half of it, 2.5 %, is the risk of a false
    "better". All later ones share as much again: the k-th gets 5 %/(k·(k-1)), which adds up to 5 % over any number of them.
    So at most 5 % of all projects without a gain ever see "better", whenever they stop and whichever result they take.
    """
    return ALPHA if openings == 1 else ALPHA / (openings * (openings - 1))


def items_needed(estimate: Estimate, items: int, openings: int) -> int | None:
    """Return how many items would show a gain of the size seen with 80 % power; None if there was none to show."""
    if estimate.gain == 0:
        return None
    spread = estimate.standard_error**2 * items
    z = NormalDist().inv_cdf(1 - level(openings) / 2) + NormalDist().inv_cdf(POWER)
    return max(FEWEST_ITEMS, items + 1, math.ceil(z**2 * spread / estimate.gain**2))


def judge(
    estimate: Estimate,
    items: int,
    earlier_p_values: tuple[float, ...],
    target_gain: float | None = None,
) -> Judgement:
    """Apply the rule: better needs an interval above zero and a p-value below the level of this opening.

    `earlier_p_values` are those of the earlier openings: how many there were sets the level. A gain below
    `target_gain` (0 … 1) is better, but smaller than asked. Worse needs an interval below zero. Under 20 items, and in all
    other cases, nothing can be told.
    """
    openings = len(earlier_p_values) + 1
    adjusted = min(1.0, estimate.p_value * ALPHA / level(openings))
    verdict, reason = Verdict.CANNOT_TELL, _too_few(estimate, items)
    if not reason:
        verdict, reason = _by_the_rule(estimate, adjusted, openings, target_gain)
    more = None
    if verdict is Verdict.CANNOT_TELL:
        needed = items_needed(estimate, items, openings)
        more = None if needed is None else needed - items
    return Judgement(verdict, reason, adjusted, more)


def _too_few(estimate: Estimate, items: int) -> str:
    if items < FEWEST_ITEMS:
        return f"{items} test items are too few for any verdict; {FEWEST_ITEMS} are needed."
    if estimate.groups is not None and estimate.groups < FEWEST_GROUPS:
        return (
            f"The {items} test items are {estimate.groups} groups of items that resemble each other, too few for any "
            f"verdict; {FEWEST_GROUPS} are needed."
        )
    return ""


def _by_the_rule(
    estimate: Estimate, adjusted: float, openings: int, target_gain: float | None
) -> tuple[Verdict, str]:
    low, high = (f"{100 * end:+.1f}" for end in (estimate.low, estimate.high))
    interval = f"The 95 % interval of the gain, {low} to {high} points,"
    if estimate.high < 0:
        return Verdict.WORSE, f"{interval} lies below zero."
    if estimate.low <= 0:
        return Verdict.CANNOT_TELL, f"{interval} includes zero."
    if adjusted >= ALPHA:
        how_often = "1 opening" if openings == 1 else f"{openings} openings"
        return Verdict.CANNOT_TELL, (
            f"{interval} lies above zero, but the p-value, corrected for {how_often} of this test set, is {adjusted:.2g}."
        )
    above = f"{interval} lies above zero, and the corrected p-value is {adjusted:.2g}"
    if target_gain is None or estimate.low >= target_gain:
        return Verdict.BETTER, f"{above}."
    asked = f"{100 * target_gain:g} points asked for"
    if estimate.gain < target_gain:
        return Verdict.SMALLER_THAN_ASKED, (
            f"{above}. But the gain seen, {100 * estimate.gain:+.2f} points, is smaller than the {asked}."
        )
    return Verdict.BETTER, f"{above}. It may be smaller than the {asked}."


def _that_matter(items: int, groups: Groups | None) -> Groups | None:
    """Return the groups, or None where every item is one of its own."""
    return None if groups is None or int(groups.max()) + 1 == items else groups

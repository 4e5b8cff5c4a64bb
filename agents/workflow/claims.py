"""What may be said at the end: the workflow that is left against the one that was given, on cases nobody has looked at.

The sealed cases are run once. Their differences are tested by flipping signs (Fisher's randomisation test for pairs:
if nothing had changed, each difference might as well have had the other sign), exactly where there are few, which makes
no assumption about how scores are spread. The unit is the case: repeats of one case are one observation.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from agents.workflow.acceptance import Scores

ALPHA = 0.05
DRAWS = 10_000
"""Ways to flip the signs; where there are no more than these, each is tried, up to 13 cases that differ."""
SEED = 20_260
FEWEST_CASES = 6
"""Below, no result of this test can be significant at 5 %: 2 ÷ 2^5 is 0.0625."""


class Claim(StrEnum):
    """The three things that can be said."""

    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Judged:
    """A claim with its numbers."""

    claim: Claim
    cases: int
    before: float
    """Mean score of the given workflow, 0 to 1."""
    after: float
    gain: float
    low: float
    """95 % interval of the gain, by resampling cases."""
    high: float
    p_value: float
    openings: int
    """How often sealed cases were looked at, with this time."""
    smallest_gain: float | None
    """About the smallest gain that so many cases could have shown, from how much their differences vary; None: too few cases, or none that differed."""

    @property
    def words(self) -> str:
        """Return the claim in a sentence."""
        points = f"{100 * self.gain:+.1f} points"
        often = f", opened {self.openings}×" if self.openings > 1 else ""
        numbers = f"{self.cases} sealed cases{often}, {points}, p = {self.p_value:.2g}"
        if self.claim is Claim.BETTER:
            return f"Better than the workflow you gave ({numbers})."
        if self.claim is Claim.WORSE:
            return f"Worse than the workflow you gave ({numbers})."
        return f"Cannot tell with {self.cases} cases whether it is better ({numbers})."


def judge(before: Scores, after: Scores, openings: int = 1) -> Judged:
    """Compare two workflows on sealed cases.

    Args:
        before: The workflow as it was given, score by case and repeat.
        after: The workflow that is left.
        openings: How often sealed cases have been looked at, with this time: the p-value is multiplied by it (Bonferroni), so
            that looking until one look is good claims no more.
    """
    cases = [case for case in before if before[case] and after.get(case)]
    pairs = [(fmean(before[case]), fmean(after[case])) for case in cases]
    gains = [new - old for old, new in pairs]
    gain = fmean(gains) if gains else 0.0
    p_value = min(1.0, openings * sign_flip(gains))
    low, high = interval(gains)
    claim = Claim.CANNOT_TELL
    if len(cases) >= FEWEST_CASES and p_value < ALPHA and gain:
        claim = Claim.BETTER if gain > 0 else Claim.WORSE
    return Judged(
        claim=claim,
        cases=len(cases),
        before=fmean(old for old, _new in pairs) if pairs else 0.0,
        after=fmean(new for _old, new in pairs) if pairs else 0.0,
        gain=gain,
        low=low,
        high=high,
        p_value=p_value,
        openings=openings,
        smallest_gain=smallest_gain(gains),
    )


def sign_flip(gains: list[float]) -> float:
    """Return the two-sided p-value of no difference; 1 where at most one case differs.

    Source: R. A. Fisher, The Design of Experiments (1935), §21; where not every way is tried, scipy adds one to both counts
    (Phipson and Smyth 2010), so that p is never 0.
    """
    moved = [gain for gain in gains if gain]
    if len(moved) < 2:
        return 1.0  # one difference is as large with either sign
    from scipy import stats

    found = stats.permutation_test(
        (moved,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=DRAWS,
        rng=SEED,
    )
    return float(found.pvalue)


def interval(gains: list[float]) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean; the whole range where there are too few cases."""
    if len(gains) < 2:
        return -1.0, 1.0
    from scipy import stats

    found = stats.bootstrap(
        (gains,), lambda sample, axis: sample.mean(axis=axis), method="percentile", rng=SEED
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def smallest_gain(gains: list[float]) -> float | None:
    """Return about 2.8 standard errors: what is found four times in five at 5 % (1.96 + 0.84)."""
    if len(gains) < FEWEST_CASES:
        return None
    mean = fmean(gains)
    variance: float = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
    if not variance:
        return None
    return min(1.0, 2.8 * math.sqrt(variance / len(gains)))

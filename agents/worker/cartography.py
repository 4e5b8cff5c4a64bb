"""A map of the rows from what the model thought of each of them in the course of its training.

After "Dataset Cartography" (Swayamdipta 2020, arXiv 2009.10795): a row whose answer is found likely throughout is easy, one
on which the model changes its mind is ambiguous, one whose answer it never finds likely is hard: hard rows are where wrong
answers are. The mean log-probability of a token stands in for the probability of a class. Needs three looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from agents.worker.row_log import Look

FEWEST_LOOKS = 3
LIKELY = 0.5
"""An answer with more than half of the probability is the likeliest one."""
TO_SD = 1.4826
"""A median deviation times this is the standard deviation, for values that vary normally."""
FAR = 3.5
"""Standard deviations below the median from which on an answer stands out (Iglewicz and Hoaglin 1993)."""
MOST_ODD = 20


@dataclass(frozen=True)
class Standing:
    """Where a row stands on the map."""

    confidence: float
    """Mean over the looks of the probability of a token of the answer."""
    variability: float
    """Standard deviation of the same."""
    correctness: float
    """Share of the looks in which no other answer could have been likelier."""
    log_prob: float
    """Mean over the looks of the mean log-probability of a token."""
    looks: int


@dataclass(frozen=True)
class Regions:
    """How many rows are where."""

    easy: int
    ambiguous: int
    hard: int


def standing(looks: Sequence[Look]) -> Standing:
    """Return where a row stands; `looks` is not empty."""
    means = [look.mean_prob for look in looks]
    return Standing(
        confidence=fmean(means),
        variability=pstdev(means),
        correctness=fmean(look.whole_prob > LIKELY for look in looks),
        log_prob=fmean(look.log_prob / max(1, look.tokens) for look in looks),
        looks=len(looks),
    )


def mapped(looks: Mapping[int, Sequence[Look]]) -> dict[int, Standing]:
    """Return where each row stands, by row number."""
    return {row: standing(seen) for row, seen in looks.items() if seen}


def regions(standings: Sequence[Standing]) -> Regions:
    """Count the regions: hard is never right, ambiguous is right at times, easy always."""
    hard = sum(s.correctness == 0 for s in standings)
    easy = sum(s.correctness == 1 for s in standings)
    return Regions(easy, len(standings) - easy - hard, hard)


def odd_ones(standings: Mapping[int, Standing]) -> list[int]:
    """Return rows whose answers the model found far less likely than the others' each time, the least likely first.

    They are for a person to look at: rare and right looks the same as wrong.
    """
    seen = {row: s for row, s in standings.items() if s.looks >= FEWEST_LOOKS}
    if len(seen) < MOST_ODD:
        return []
    usual = median(s.log_prob for s in seen.values())
    spread = TO_SD * median(abs(s.log_prob - usual) for s in seen.values())
    steady = median(s.variability for s in seen.values())
    found = [
        row
        for row, s in seen.items()
        if s.log_prob < usual - FAR * spread
        and s.confidence < LIKELY
        and s.variability <= max(steady, LIKELY / 2)
    ]
    return sorted(found, key=lambda row: seen[row].log_prob)[:MOST_ODD]

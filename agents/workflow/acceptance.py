"""Whether a changed workflow replaces the one that stands: measured side by side, twice, and no case lost on the way.

The rule is for each step of the loop, not for what is said about the result: a significance test as a gate would accept a
true gain of 15 points 7 times in 100 with ten cases, and the loop would do nothing. A candidate is kept only where its
mean is higher, the same again on fresh runs of the same cases, and nothing that always worked has broken. Everything else
leaves the incumbent, so going back is never an action. What may be *claimed* at the end is in `claims`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean

LEAST_COVERAGE = 0.6
"""Share of the cases that both sides must have a score for."""

Scores = Mapping[str, tuple[float, ...]]
"""By case: what share of its assertions held, 0 to 1, once per repeat. A repeat that could not be judged is left out."""


class Outcome(StrEnum):
    """What became of a candidate."""

    KEPT = "kept"
    """It is the incumbent from now on."""
    REJECTED = "rejected"
    """It was not better; counts towards giving up."""
    INDECISIVE = "indecisive"
    """Too little could be judged; says nothing about the candidate."""


class Reason(StrEnum):
    """Why."""

    BETTER_TWICE = "better in both measurements"
    SHORTER = "as good, and shorter"
    NOT_BETTER = "not better"
    NOT_BETTER_AGAIN = "better at first, and not again on a fresh measurement"
    LOST_A_CASE = "a case that always worked is lost"
    GOAL = "as good, and better in what was asked for beside it"
    AT_A_PRICE = "better, but worse in what was asked for beside it"
    ANOTHER_IS_BETTER = "better, and another one of the same round more so"
    TOO_LITTLE = "too few cases could be judged"


@dataclass(frozen=True)
class Beside:
    """What a change does to goals beside the score, in words with figures."""

    worse: tuple[str, ...] = ()
    """Has fallen by more than is tolerated."""
    better: tuple[str, ...] = ()
    """Is clearly better."""


@dataclass(frozen=True)
class Decision:
    """What became of a candidate, and what it rests on."""

    outcome: Outcome
    reason: Reason
    gain: float
    """Mean difference of the first measurement."""
    gain_again: float | None
    """Of the second; None where it did not come to that."""
    fixed: tuple[str, ...]
    """Cases that passed in no repeat before and pass in at least half now, over all measurements."""
    broke: tuple[str, ...]
    """Cases that always passed before and pass in less than half now."""
    beside: tuple[str, ...] = ()
    """Of goals beside the score: what the reason is about."""


@dataclass(frozen=True)
class Pair:
    """Incumbent and candidate on the same cases, measured in one batch, taking turns, with the same seeds."""

    incumbent: Scores
    candidate: Scores
    cases: int
    """That were to be judged."""

    @property
    def common(self) -> tuple[str, ...]:
        """Return the cases that both sides have a score for."""
        return tuple(
            case for case in self.incumbent if self.incumbent[case] and self.candidate.get(case)
        )

    @property
    def coverage(self) -> float:
        """Return the share of the cases that could be judged on both sides."""
        return len(self.common) / self.cases if self.cases else 0.0

    @property
    def gain(self) -> float:
        """Return the mean difference over cases; each case counts once, however often it was repeated."""
        common = self.common
        if not common:
            return 0.0
        return fmean(fmean(self.candidate[c]) - fmean(self.incumbent[c]) for c in common)


def first_look(pair: Pair) -> Decision | None:
    """Return the decision where one measurement is enough for it; None: measure again, afresh."""
    if pair.coverage < LEAST_COVERAGE:
        return _decision(Outcome.INDECISIVE, Reason.TOO_LITTLE, pair, None)
    if pair.gain <= 0:
        return _decision(Outcome.REJECTED, Reason.NOT_BETTER, pair, None)
    return _decision(Outcome.REJECTED, Reason.LOST_A_CASE, pair, None) if broke(pair) else None


def second_look(first: Pair, again: Pair) -> Decision:
    """Return the decision after a fresh measurement of the same cases."""
    if again.coverage < LEAST_COVERAGE:
        return _decision(Outcome.INDECISIVE, Reason.TOO_LITTLE, first, again)
    if again.gain <= 0:
        return _decision(Outcome.REJECTED, Reason.NOT_BETTER_AGAIN, first, again)
    if broke(_both(first, again)):
        return _decision(Outcome.REJECTED, Reason.LOST_A_CASE, first, again)
    return _decision(Outcome.KEPT, Reason.BETTER_TWICE, first, again)


def tie(first: Pair, again: Pair | None, *, shorter: bool, wanted: bool) -> bool:
    """Tell whether a candidate that scores the same replaces the incumbent: only one that is shorter, where that was asked for."""
    same = first.gain == 0 and (again is None or again.gain == 0)
    return same and shorter and wanted and not broke(first)


def wins_by_goal(first: Pair, again: Pair | None, besides: Sequence[Beside]) -> bool:
    """Tell whether a candidate that is no better replaces the incumbent for a goal's sake.

    It is not worse in any measurement, has lost no case, and in each of them something that was asked for is clearly better and
    nothing too much worse.
    """
    pairs = [first] if again is None else [first, again]
    whole = first if again is None else _both(first, again)
    good = all(beside.better and not beside.worse for beside in besides)
    judged = all(pair.coverage >= LEAST_COVERAGE and pair.gain >= 0 for pair in pairs)
    return bool(besides) and good and judged and not broke(whole)


def by_goal(first: Pair, again: Pair, beside: Beside) -> Decision:
    """Return the decision for a candidate that is kept for a goal's sake."""
    decided = _decision(Outcome.KEPT, Reason.GOAL, first, again)
    return replace(decided, beside=beside.better)


def at_a_price(first: Pair, again: Pair | None, beside: Beside) -> Decision:
    """Return the decision against a candidate that is better, and costs too much of another goal."""
    decided = _decision(Outcome.REJECTED, Reason.AT_A_PRICE, first, again)
    return replace(decided, beside=beside.worse)


def broke(pair: Pair) -> tuple[str, ...]:
    """Return the protected cases that are lost: always passed before, and less than half the time now."""
    return tuple(
        case
        for case in pair.common
        if min(pair.incumbent[case]) >= 1 and _passed(pair.candidate[case]) < 0.5
    )


def fixed(pair: Pair) -> tuple[str, ...]:
    """Return the cases that never passed before, and do at least half the time now."""
    return tuple(
        case
        for case in pair.common
        if max(pair.incumbent[case]) < 1 and _passed(pair.candidate[case]) >= 0.5
    )


def _passed(scores: tuple[float, ...]) -> float:
    return sum(score >= 1 for score in scores) / len(scores)


def _both(first: Pair, again: Pair) -> Pair:
    """Return two measurements as one with more repeats."""
    cases = tuple(dict.fromkeys((*first.incumbent, *again.incumbent)))

    def joined(one: Scores, other: Scores) -> dict[str, tuple[float, ...]]:
        return {case: (*one.get(case, ()), *other.get(case, ())) for case in cases}

    return Pair(
        joined(first.incumbent, again.incumbent),
        joined(first.candidate, again.candidate),
        first.cases,
    )


def _decision(outcome: Outcome, reason: Reason, first: Pair, again: Pair | None) -> Decision:
    whole = first if again is None else _both(first, again)
    return Decision(
        outcome=outcome,
        reason=reason,
        gain=first.gain,
        gain_again=None if again is None else again.gain,
        fixed=fixed(whole),
        broke=broke(whole),
    )

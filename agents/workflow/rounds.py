"""One round: the incumbent and some changed workflows on the same cases, and which of them, if any, takes its place.

First a screen, then a measurement of all that are left, side by side with the incumbent, then a fresh one for the best. Runs
of all sides take turns, case by case and repeat by repeat, with the same seeds: what the machine or the model does meanwhile
meets each side alike.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from agents.workflow.acceptance import (
    Beside,
    Decision,
    Outcome,
    Pair,
    Reason,
    Scores,
    at_a_price,
    by_goal,
    first_look,
    second_look,
    tie,
    wins_by_goal,
)

INCUMBENT = "incumbent"
CANARIES = 2
"""Cases that worked, in a screen beside those that failed."""
FRESH = 2
"""Times as many repeats in a confirmation, and in the last comparison with the workflow that was given: runs that only a
few candidates need. By simulation (`make honesty`) the result of five rounds, two proposals in five harmful, is worse than
the start in 0.1 % of loops with it and in 1.1 % without."""
CLEARLY_WORSE = 0.34
"""Mean loss in a screen, once per case, from which on a candidate is not measured further."""


class Stage(StrEnum):
    """What a measurement is for; each has seeds of its own, so that none repeats another's luck."""

    SCREEN = "screen"
    MEASURE = "measure"
    CONFIRM = "confirm"
    LAST = "last"


@dataclass(frozen=True)
class Ask:
    """Runs that are wanted: every side on every case, `repeats` times."""

    stage: Stage
    sides: tuple[str, ...]
    cases: tuple[str, ...]
    repeats: int


Measure = Callable[[Ask], Awaitable[dict[str, Scores]]]
"""Plays what is asked and returns the scores by side."""


Look = Callable[[str, Stage], Beside]
"""Says what a candidate does to the goals beside the score, in the last measurement of a stage."""


@dataclass(frozen=True)
class Candidate:
    """A changed workflow."""

    name: str
    """Hash of its text."""
    shorter: bool = False
    """Its text is shorter than the incumbent's."""


@dataclass(frozen=True)
class Round:
    """What became of all candidates of a round."""

    decisions: dict[str, Decision]
    """By candidate."""
    winner: str | None

    @property
    def improved(self) -> bool:
        """Tell whether the incumbent is replaced."""
        return self.winner is not None


@dataclass(frozen=True)
class Terms:
    """How a round is measured."""

    cases: tuple[str, ...]
    """For choosing; never the sealed ones."""
    repeats: int = 3
    shorter_wins_ties: bool = False
    """The person asked for clarity or cost."""
    beside: Look | None = None
    """Of goals beside the score, such as `measured_goals.Watch.beside`; None: there are none."""


def turns(ask: Ask) -> list[tuple[str, int, str]]:
    """Return (case, repeat, side) in the order they are to be played: sides take turns, and who begins changes."""
    order: list[tuple[str, int, str]] = []
    for number, (case, repeat) in enumerate(
        (case, repeat) for repeat in range(ask.repeats) for case in ask.cases
    ):
        first = number % len(ask.sides)
        sides = (*ask.sides[first:], *ask.sides[:first])
        order.extend((case, repeat, side) for side in sides)
    return order


async def play(
    candidates: Sequence[Candidate], known: Scores, terms: Terms, measure: Measure
) -> Round:
    """Measure candidates against the incumbent and decide about each.

    Args:
        candidates: That passed all checks that need no run.
        known: What the incumbent scored so far, to choose the cases of the screen.
        terms: Cases, repeats, and what breaks a tie.
        measure: Plays what is asked.
    """
    decisions: dict[str, Decision] = {}
    left = await _screened(candidates, known, terms, measure, decisions)
    if not left:
        return Round(decisions, None)
    names = tuple(candidate.name for candidate in left)
    ask = Ask(Stage.MEASURE, (INCUMBENT, *names), terms.cases, terms.repeats)
    scores = await measure(ask)
    pairs = {name: _pair(scores, name, terms.cases) for name in names}
    open_ones = []
    for candidate in left:
        decided = _first(candidate, pairs[candidate.name], terms)
        if decided is None:
            open_ones.append(candidate)
        else:
            decisions[candidate.name] = decided
    winner = None
    for candidate in sorted(open_ones, key=lambda c: -pairs[c.name].gain):
        pair = pairs[candidate.name]
        if winner is not None:
            decisions[candidate.name] = _behind(pair)
            continue
        decisions[candidate.name] = await _confirmed(candidate, pair, terms, measure)
        if decisions[candidate.name].outcome is Outcome.KEPT:
            winner = candidate.name
    return Round(decisions, winner)


async def outlasts(champion: str, terms: Terms, measure: Measure) -> Pair:
    """Measure what is left after all rounds once more, against the workflow that was given; `gain` below 0 gives that one back.

    Several steps up may each have been luck; together they are looked at afresh. Here the incumbent is the given workflow.
    """
    ask = Ask(Stage.LAST, (INCUMBENT, champion), terms.cases, FRESH * terms.repeats)
    return _pair(await measure(ask), champion, terms.cases)


def tie_wins(pair: Pair, candidate: Candidate, terms: Terms) -> bool:
    """Tell whether a candidate with the same score is looked at again because it is shorter."""
    return tie(pair, None, shorter=candidate.shorter, wanted=terms.shorter_wins_ties)


def _first(candidate: Candidate, pair: Pair, terms: Terms) -> Decision | None:
    """Return the decision where one measurement is enough for it; None: measure again, afresh."""
    decided = first_look(pair)
    beside = terms.beside(candidate.name, Stage.MEASURE) if terms.beside else Beside()
    if decided is None:
        return at_a_price(pair, None, beside) if beside.worse else None
    shorter = tie_wins(pair, candidate, terms) and not beside.worse
    return None if shorter or wins_by_goal(pair, None, [beside]) else decided


async def _screened(
    candidates: Sequence[Candidate],
    known: Scores,
    terms: Terms,
    measure: Measure,
    decisions: dict[str, Decision],
) -> list[Candidate]:
    """Return the candidates that are not clearly worse on what failed and a few cases that worked."""
    failing = [case for case in terms.cases if case in known and fmean(known[case] or (0.0,)) < 1]
    working = [case for case in terms.cases if case not in failing]
    cases = (*failing, *working[:CANARIES])
    if len(candidates) < 2 or not cases or len(cases) == len(terms.cases):
        return list(candidates)
    names = tuple(candidate.name for candidate in candidates)
    scores = await measure(Ask(Stage.SCREEN, (INCUMBENT, *names), cases, 1))
    left = []
    for candidate in candidates:
        pair = _pair(scores, candidate.name, cases)
        if pair.common and pair.gain <= -CLEARLY_WORSE:
            decisions[candidate.name] = Decision(
                Outcome.REJECTED, Reason.NOT_BETTER, pair.gain, None, (), ()
            )
        else:
            left.append(candidate)
    return left


async def _confirmed(candidate: Candidate, pair: Pair, terms: Terms, measure: Measure) -> Decision:
    ask = Ask(Stage.CONFIRM, (INCUMBENT, candidate.name), terms.cases, FRESH * terms.repeats)
    again = _pair(await measure(ask), candidate.name, terms.cases)
    decided = second_look(pair, again)
    besides: list[Beside] = []
    if terms.beside is not None:
        besides = [terms.beside(candidate.name, stage) for stage in (Stage.MEASURE, Stage.CONFIRM)]
    worse = next((beside for beside in reversed(besides) if beside.worse), None)
    if worse is not None:
        kept = decided.outcome is Outcome.KEPT
        return at_a_price(pair, again, worse) if kept else decided
    shorter, wanted = candidate.shorter, terms.shorter_wins_ties
    if pair.gain == 0 and tie(pair, again, shorter=shorter, wanted=wanted):
        return Decision(Outcome.KEPT, Reason.SHORTER, 0.0, 0.0, (), ())
    if decided.outcome is not Outcome.KEPT and wins_by_goal(pair, again, besides):
        return by_goal(pair, again, besides[-1])
    return decided


def _behind(pair: Pair) -> Decision:
    """Return the decision about a candidate that was better than the incumbent, and another one better still."""
    return Decision(Outcome.REJECTED, Reason.ANOTHER_IS_BETTER, pair.gain, None, (), ())


def _pair(scores: dict[str, Scores], name: str, cases: Sequence[str]) -> Pair:
    return Pair(scores[INCUMBENT], scores[name], len(cases))

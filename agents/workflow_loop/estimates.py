"""What rounds and the last comparison take, about: calls of models, and their time."""

from dataclasses import dataclass
from typing import Any

from agents.jobs import ReadWorkflowResult, WorkflowTerms
from agents.workflow.rounds import FRESH

ASKS = 1.5
"""Questions to the analyst per proposal, on average: some replies are asked for again."""
CALL_S = 3.0
"""Seconds of a call where none was made yet."""
CHANGES_KEPT = 0.5
"""Share of rounds in which a change is measured a second time, on average."""


@dataclass(frozen=True)
class Guess:
    """What rounds are expected to take."""

    calls: int
    """Of a model, in this round."""
    all_calls: int
    """In all rounds and the last comparison, if none is left out."""
    total_s: float
    """Of this round."""
    all_s: float
    call_s: float
    measured: bool
    """The seconds of a call were measured."""
    last_s: float = 0.0
    """Of the last comparison, which any round may be followed by."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "calls": self.calls,
            "all_calls": self.all_calls,
            "total_s": self.total_s,
            "all_s": self.all_s,
            "call_s": self.call_s,
            "measured": self.measured,
            "reserve_s": self.total_s + self.last_s,
        }


@dataclass(frozen=True)
class Sizes:
    """What a measurement is made of."""

    cases: int
    """That changes are chosen by."""
    sealed: int
    calls_per_run: float
    call_s: float | None
    """Seconds of a call; None: none was made yet."""


def sizes(found: ReadWorkflowResult) -> Sizes:
    """Return what measurements of a workflow that was read are made of."""
    cases = sum(case.part != "sealed" for case in found.cases)
    spent = found.spent
    call_s = spent.seconds / spent.calls if spent.calls else None
    return Sizes(cases, len(found.cases) - cases, found.calls_per_run, call_s)


def guess(terms: WorkflowTerms, measured: Sizes, *, first: bool) -> Guess:
    """Return what a round takes, and all of them."""
    cases = measured.cases
    baseline = cases * terms.repeats
    side_by_side = (1 + terms.proposals) * cases * terms.repeats
    again = CHANGES_KEPT * 2 * cases * FRESH * terms.repeats
    last = last_calls(terms, measured)
    asks = terms.proposals * ASKS
    a_round = (side_by_side + again) * measured.calls_per_run + asks
    before = baseline * measured.calls_per_run if first else 0.0
    whole = baseline * measured.calls_per_run + last + terms.rounds * a_round
    call_s = measured.call_s or CALL_S
    return Guess(
        calls=round(before + a_round),
        all_calls=round(whole),
        total_s=(before + a_round) * call_s,
        all_s=whole * call_s,
        call_s=call_s,
        measured=measured.call_s is not None,
        last_s=last * call_s,
    )


def last_calls(terms: WorkflowTerms, measured: Sizes) -> int:
    """Return how many calls the last comparison takes."""
    runs = 2 * (measured.cases + measured.sealed) * FRESH * terms.repeats
    return round(runs * measured.calls_per_run)

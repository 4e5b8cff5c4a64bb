"""When a run should stop trying: told with its reason, and the best try so far is offered.

A ❌ or a training that broke off leaves it to the rules; a reply in words goes on in spite of them, as far as tries are left.
"""

from dataclasses import dataclass

from sqlmodel import Session

from agents import budget
from agents.jobs import EvaluateResult, Verdict
from agents.planning import Estimate
from agents.services import Services
from storage.models import EvaluationReport, Plan, Run

PATIENCE = 2
"""Tries in a row without a lower dev loss."""


@dataclass(frozen=True)
class Standing:
    """What a run has come to when the next try would be planned."""

    run: Run
    plan: Plan
    """Of the try that was looked at."""
    best: EvaluationReport | None
    iterations: int
    """Tries planned so far."""
    in_words: bool
    """Somebody has said what should be different."""


def reason(session: Session, services: Services, now: Standing) -> str | None:
    """Return why no further try is planned, for the person; None where one is."""
    most = services.settings.training.max_iterations
    if now.iterations >= most:
        return f"The number of tries allowed for one run ({most}) is used up."
    if now.in_words or now.best is None or now.best.iteration is None:
        return None
    return (
        _reached(now.best)
        or _no_improvement(now.best.iteration, now.iterations)
        or _too_dear(session, services, now.run, now.plan)
    )


def _reached(best: EvaluationReport) -> str | None:
    found = EvaluateResult.model_validate(best.payload)
    asked = found.target_gain_points
    if asked is None or found.verdict is not Verdict.BETTER:
        return None
    return (
        f"The gain that you asked for is reached: try {best.iteration} gained {100 * found.primary.gain:+.1f} points, and you "
        f"asked for {asked:g}. A reply that says what else should be better goes on."
    )


def _no_improvement(best: int, iterations: int) -> str | None:
    since = iterations - best
    if since < PATIENCE:
        return None
    return (
        f"The last {since} tries did not get below the dev loss of try {best}, so I stop here. A reply that says what to "
        "change goes on."
    )


def _too_dear(session: Session, services: Services, run: Run, plan: Plan) -> str | None:
    guess = Estimate(**plan.estimate)
    # the next try goes on with the candidate that was kept
    minutes = (guess.one_training_s + guess.evaluate_s) / 60
    short = budget.lacking(session, services, run, minutes)
    return (
        None
        if short is None
        else f"{short} A reply with a smaller plan (“use 100 rows”) goes on now."
    )

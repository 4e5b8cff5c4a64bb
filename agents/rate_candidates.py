"""Offer several learning rates within one training where a rule wants another one: by how much is a guess of the rule's.

Still one change per try: nothing but the learning rate differs between them, and the dev rows say which one is right.
"""

import math
from collections.abc import Sequence

from sqlmodel import Session

from agents import budget
from agents.candidates import Candidates, number, rungs
from agents.diagnosis import Finding
from agents.planning import Estimate
from agents.recipe import COMPARABLE, Recipe, RecipeChange
from agents.services import Services
from configs.schema import Backend
from storage.models import Plan, Run

RULE = "candidates"


def added(
    session: Session,
    services: Services,
    run: Run,
    plan: Plan,
    recipe: Recipe,
    findings: Sequence[Finding],
) -> list[Finding]:
    """Return the findings with the offer behind the one that the next plan takes up, if that is about the learning rate.

    There is none where today's budgets have no room for it. `recipe` is that of the last try.
    """
    place = next((n for n, finding in enumerate(findings) if finding.change is not None), None)
    offer = None if place is None else around(findings[place], recipe)
    if place is None or offer is None or not _has_room(session, services, run, plan, offer):
        return list(findings)
    return [*findings[: place + 1], _finding(offer), *findings[place + 1 :]]


def around(finding: Finding, recipe: Recipe) -> Candidates | None:
    """Return the rate that a rule wants, one half-way back to what was tried, and one as far beyond it; None of another change.

    Half-way is meant for factors: between 1e-4 and 1e-2 lies 1e-3. What a person has asked for is no guess.
    """
    change = finding.change
    guessed = isinstance(change, RecipeChange) and change.field == "learning_rate"
    if not guessed or finding.rule == "asked" or finding.said is not None:
        return None
    if recipe.method not in COMPARABLE or recipe.backend is not Backend.TRL:
        return None
    wanted = float(change.value)  # type: ignore[arg-type, union-attr]  # a learning rate, as seen
    step = math.sqrt(wanted / recipe.learning_rate)
    rates = [float(f"{rate:.2g}") for rate in (wanted, wanted / step, wanted * step)]
    possible = list(dict.fromkeys(rate for rate in rates if 0 < rate <= 1))
    if len(possible) < 2:
        return None
    return Candidates(field="learning_rate", values=tuple(possible))


def _has_room(
    session: Session, services: Services, run: Run, plan: Plan, offer: Candidates
) -> bool:
    guess = Estimate(**plan.estimate)
    all_rungs = rungs(len(offer.values), guess.steps, services.settings.training.save_steps)
    trainings = sum(rung.steps for rung in all_rungs) / guess.steps
    seconds = trainings * guess.one_training_s + guess.evaluate_s
    return budget.lacking(session, services, run, seconds / 60) is None


def _finding(offer: Candidates) -> Finding:
    *most, last = map(number, offer.values)
    return Finding(
        RULE,
        "By how much the learning rate should be another one is a guess.",
        f"try {len(offer.values)} learning rates in one training ({', '.join(most)} and {last}), of which the dev rows choose",
        RecipeChange(field="candidates", value=offer.words),
    )

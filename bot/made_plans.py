"""What a plan says of rows that a program makes: which and why, who makes them, what leaves the house for it."""

from typing import Any

from agents.planned_generation import PlannedGeneration
from agents.planning import Estimate
from bot.made_report import WHO
from bot.text import inline, plain

MOST_STRATA = 8


def mine_and_made(guess: Estimate, found: dict[str, Any] | None) -> str:
    """Say how many rows a plan learns from, and whose they are."""
    made = 0 if found is None else PlannedGeneration.model_validate(found).rows
    if not made:
        return f"{guess.train_rows:,} of your rows"
    return f"{max(guess.train_rows - made, 0):,} of your rows and about {made:,} made ones"


def planned(found: dict[str, Any] | None, guess: Estimate) -> list[str]:
    """Say which rows are made and why, by whom, what is sent where for it, and how to have it otherwise."""
    if found is None:
        return []
    plan = PlannedGeneration.model_validate(found)
    lines = []
    if plan.again is not None:
        lines.append(
            f"**{plan.again_rows:,} made rows** that try {plan.again} has learnt are learnt again."
        )
    terms = plan.terms
    if terms is not None:
        parts = counts([[s.label or "any", s.rows] for s in terms.strata])
        why = " ".join(plain(reason, 400) for reason in plan.why)
        lines.append(f"**{terms.rows:,} rows are made** {WHO[terms.backend]}: {parts}. {why}")
        lines += _leaves(plan)
        often = "" if terms.weight == 1 else f" Each is learnt {terms.weight:g} times on average."
        twice = (
            f" (about {round(guess.without_s / 60, 1):g} minutes more)" if guess.without_s else ""
        )
        lines.append(
            "You see a sample before any of them is learnt, and can strike single ones; none of them chooses or judges anything."
            f"{often} The training is done twice{twice}, with them and without for as many steps: they are kept only where "
            "the dev rows say that it is better."
        )
    return [*lines, "Reply “no made rows” to do without, or for example “make 50 rows for …”."]


def _leaves(plan: PlannedGeneration) -> list[str]:
    """Say what leaves the house for made rows, and what they are made from beside the uploads."""
    lines = []
    if plan.llm is not None:
        lines.append(
            f"⚠ The language model **{plain(plan.llm, 80)}** is asked up to **{plan.most_calls:,} times**. Rows to learn from and "
            "your task are sent to it, never dev or test rows, and nothing before you say yes. What it costs is not in this "
            "estimate."
        )
    if plan.documents:
        lines.append(
            f"From documents: {plain(', '.join(document.name for document in plan.documents), 300)}."
        )
    if plan.search:
        terms = ", ".join(inline(term, 80) for term in plan.search)
        lines.append(f"⚠ Looked for on the web, so these words leave the house: {terms}.")
    lines += [
        f"⚠ Asked of the database {plain(name, 60)}: {inline(sql, 300)}"
        for name, sql in plan.queries
    ]
    return lines


def counts(parts: list[list[Any]]) -> str:
    """List kinds of rows with how many there are."""
    named = ", ".join(f"{plain(str(name), 60)} {rows:,}" for name, rows in parts[:MOST_STRATA])
    more = f" and {len(parts) - MOST_STRATA} more" if len(parts) > MOST_STRATA else ""
    return named + more

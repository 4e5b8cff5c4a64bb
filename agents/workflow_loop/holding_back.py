"""What rounds leave of a budget for the last comparison: without it nothing may be said of what they came to."""

from dataclasses import replace

from agents.jobs import Spent, WorkflowTerms
from agents.workflow_loop.estimates import last_calls, sizes
from agents.workflow_loop.facts import Facts

MOST_SHARE = 0.5
"""Of what is left. Where it would be more, a round uses what it needs, and the comparison what that leaves."""


def last_comparison(known: Facts, terms: WorkflowTerms) -> Spent:
    """Return about what the last comparison takes, by what calls of this run have taken so far."""
    size, standing = sizes(known.found), known.standing()
    per_run = standing.metrics.get("calls") if standing is not None else None
    if per_run is not None:  # before a run of it was measured, every state that asks a model counts
        size = replace(size, calls_per_run=per_run)
    calls = last_calls(terms, size)
    so_far = known.spent
    of_one = calls / so_far.calls if so_far.calls else 0.0
    return Spent(calls=calls, tokens=round(so_far.tokens * of_one), seconds=so_far.seconds * of_one)


def held(known: Facts, terms: WorkflowTerms) -> Spent:
    """Return what a round may not use."""
    needed = last_comparison(known, terms)
    return needed if fits(known, terms, needed) else Spent()


def fits(known: Facts, terms: WorkflowTerms, needed: Spent) -> bool:
    """Tell whether what is left has room for a round beside the last comparison."""
    left = known.left(terms)
    return all(
        most is None or amount <= MOST_SHARE * most
        for amount, most in (
            (needed.calls, left.calls),
            (needed.tokens, left.tokens),
            (needed.seconds, left.seconds),
        )
    )

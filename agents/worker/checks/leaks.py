"""Test rows that resemble rows to learn from: what is left of it after a split that keeps such rows together.

Classes: equal once spelling, escapes and disguise are taken away; almost the same words; most of the text in common.
"""

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.close import Close
from agents.worker.checks.facts import Facts, counted

TEST = "test"


def leaking(facts: Facts) -> dict[int, Close]:
    """Return the places of test rows that resemble a row of another side, each with the closest such pair."""
    found: dict[int, Close] = {}
    for pair in sorted(facts.likeness.close, key=lambda pair: -pair.likeness):
        sides = [facts.sides.get(facts.pairs[place].row) for place in (pair.first, pair.second)]
        if sides.count(TEST) == 1 and None not in sides:
            found.setdefault(pair.first if sides[0] == TEST else pair.second, pair)
    return found


def check(facts: Facts) -> DataFinding | None:
    """Report test rows that a model may have learnt by heart."""
    found = leaking(facts)
    if not found:
        return None
    equal = sum(pair.likeness == 1 for pair in found.values())
    what = counted(len(found), "test row resembles a row", "test rows resemble rows")
    pair = next(iter(found.values()))
    return facts.finding(
        FindingKind.LEAKS,
        list(found),
        f"{what} to learn from ({equal:,} of them word for word). The verdict would be better than the model.",
        example=f"{facts.quoted(pair.first)} and {facts.quoted(pair.second)}",
        repairs=(Repair.DROP_LEAKS,),
    )

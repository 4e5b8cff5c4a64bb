"""Rows that stand there twice: word for word, or almost."""

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.facts import Facts, counted
from agents.worker.checks.near_duplicates import ALIKE


def check_equal(facts: Facts) -> DataFinding | None:
    """Report rows that were folded into an earlier one."""
    places = [place for place, pair in enumerate(facts.pairs) if pair.row not in facts.sides]
    if not places or not facts.sides:
        return None
    what = counted(len(places), "row equals an earlier one", "rows equal an earlier one")
    return facts.finding(
        FindingKind.DUPLICATES,
        places,
        f"{what}; each is used once.",
        example=facts.quoted(places[0]),
    )


def near(facts: Facts) -> dict[int, int]:
    """Return the rows that say the same as an earlier one, each with that one, which is none of them itself."""
    folded = {
        place
        for place, pair in enumerate(facts.pairs)
        if facts.sides and pair.row not in facts.sides
    }
    alike = sorted(
        (pair.second, pair.first)
        for pair in facts.likeness.close
        if pair.same_answer and pair.likeness >= ALIKE and not {pair.first, pair.second} & folded
    )
    found: dict[int, int] = {}
    for second, first in alike:
        if first not in found:
            found.setdefault(second, first)
    return found


def check_near(facts: Facts) -> DataFinding | None:
    """Report rows that say the same as an earlier one in almost the same words."""
    found = near(facts)
    if not found:
        return None
    second, first = next(iter(found.items()))
    what = counted(len(found), "row says", "rows say")
    return facts.finding(
        FindingKind.NEAR_DUPLICATES,
        list(found),
        f"{what} the same as an earlier one in almost the same words. They stay on one side of the split; "
        "the model learns little from them.",
        example=f"{facts.quoted(first)} and {facts.quoted(second)}",
        repairs=(Repair.DROP_NEAR_DUPLICATES,),
    )

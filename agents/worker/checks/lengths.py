"""Rows so long that training would cut them. Counted in characters; tokens are counted when a model is measured."""

from agents.jobs import DataFinding, FindingKind, Repair
from agents.recipe import Recipe
from agents.worker.checks.facts import Facts, counted

CHARS_PER_TOKEN = 4
"""Of English text; other scripts have fewer."""
MOST_TOKENS: int = Recipe.model_fields["max_length_tokens"].default
MOST_CHARS = MOST_TOKENS * CHARS_PER_TOKEN


def places(facts: Facts) -> list[int]:
    """Return the places of such rows."""
    return [
        place
        for place, pair in enumerate(facts.pairs)
        if len(pair.prompt) + len(pair.answer) > MOST_CHARS
    ]


def check(facts: Facts) -> DataFinding | None:
    """Report rows that would be cut."""
    found = places(facts)
    if not found:
        return None
    longest = max(
        found, key=lambda place: len(facts.pairs[place].prompt) + len(facts.pairs[place].answer)
    )
    pair = facts.pairs[longest]
    what = counted(len(found), "row is", "rows are")
    return facts.finding(
        FindingKind.LONG_ROWS,
        found,
        f"{what} longer than about {MOST_TOKENS:,} tokens ({MOST_CHARS:,} characters): their end would be cut off. "
        "A longer max_length_tokens costs memory and time.",
        example=f"{pair.where}: {len(pair.prompt):,} + {len(pair.answer):,} characters",
        repairs=(Repair.DROP_LONG_ROWS,),
    )

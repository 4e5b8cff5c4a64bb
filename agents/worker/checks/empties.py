"""Rows in which nothing stands: an answer such as "n/a" or "-", a prompt without a single word."""

from collections import Counter

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.facts import Facts, counted

NOTHING = frozenset(
    [
        "",
        "na",
        "n a",
        "nan",
        "null",
        "none",
        "nil",
        "todo",
        "tbd",
        "fixme",
        "undefined",
        "empty",
        "missing",
        "no answer",
    ]
)
"""As `texts.normal` leaves them."""
MEANT = 0.02
"""Share of the rows from which on such an answer is a label among labels."""


def places(facts: Facts) -> list[int]:
    """Return the places of such rows."""
    times = Counter(facts.likeness.answers)
    meant = {
        answer
        for answer in NOTHING
        if answer and facts.labels and times[answer] >= MEANT * len(facts.pairs)
    }
    return [
        place
        for place, (prompt, answer) in enumerate(
            zip(facts.likeness.prompts, facts.likeness.answers, strict=True)
        )
        if _nothing(facts.pairs[place].prompt, prompt)
        or (
            answer in NOTHING
            and answer not in meant
            and _nothing(facts.pairs[place].answer, answer)
        )
    ]


def check(facts: Facts) -> DataFinding | None:
    """Report rows in which nothing stands."""
    found = places(facts)
    if not found:
        return None
    what = counted(len(found), "row has", "rows have")
    return facts.finding(
        FindingKind.EMPTIES,
        found,
        f"{what} nothing in its prompt or answer but a placeholder."
        if len(found) == 1
        else f"{what} nothing in their prompt or answer but a placeholder.",
        example=facts.quoted(found[0]),
        repairs=(Repair.DROP_EMPTIES,),
    )


def _nothing(text: str, normalised: str) -> bool:
    """Tell whether a text is a placeholder; sums, code and pictures (1 + 1, {}, 🙂) have no words and are something."""
    if normalised:
        return normalised in NOTHING and any(map(str.isalpha, text))
    return all(char in "-–—_./?!,:; \t\n\"'" for char in text)

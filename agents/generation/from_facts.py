"""Questions and answers from a passage of a document. The words that an answer rests on must stand in it."""

from collections.abc import Mapping

from agents.generation.form import Form
from agents.generation.material import WORD, Material, plain
from agents.generation.questions import (
    PASSAGE_CHARS,
    Make,
    Question,
    about,
    counted,
    cut,
    fitting,
    numbers,
    of_label,
    rows_form,
    shown,
    wanting,
    written,
)
from agents.generation.seeds import Record
from agents.generation.uses import Uses
from agents.jobs import Fact, Strategy

ROWS = 3
"""From one passage."""
QUOTE_CHARS = 300
QUOTE_WORDS = 3
"""Fewer prove nothing."""
MOST_USES = 2
"""Of one passage, by one strategy: more would ask the same again."""


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return at most so many questions: there are as many as passages to ask about."""
    return [
        _question(material, label, fact, uses)
        for fact in taken(material, asks, uses, Strategy.FROM_FACTS, label)
    ]


def taken(
    material: Material, asks: int, uses: Uses, strategy: Strategy, label: str | None
) -> list[Fact]:
    """Return the next passages by lot, those first that were used least; count their use."""
    order = list(material.facts)
    material.chance("facts", strategy).shuffle(order)
    found = []
    for _ in range(asks):
        left = [fact for fact in order if uses.facts[_key(strategy, label, fact)] < MOST_USES]
        if not left:
            break
        fact = min(left, key=lambda one: uses.facts[_key(strategy, label, one)])
        uses.facts[_key(strategy, label, fact)] += 1
        found.append(fact)
    return found


def quoted(quote: str, passage: str) -> bool:
    """Tell whether words stand in a passage, whatever their case and the signs between them."""
    words = plain(quote)
    return len(WORD.findall(words)) >= QUOTE_WORDS and f" {words} " in f" {plain(passage)} "


def _key(strategy: Strategy, label: str | None, fact: Fact) -> str:
    return f"{strategy}\0{'' if label is None else label}\0{fact.id}"


def _question(material: Material, label: str | None, fact: Fact, uses: Uses) -> Question:
    like = material.like(label)
    rows = fitting(material, label, ROWS)
    form, make = rows_form(material, label, rows), written(like, label)
    rests = ""
    if label is None:
        quote = ("quote", QUOTE_CHARS)
        form = Form(
            (("input", material.asked_chars), ("answer", material.answer_chars), quote), rows
        )
        make = _supported(make, fact)
        rests = " Under “quote” copy the words of the passage that the answer rests on, letter by letter."
    return Question(
        uses.place(Strategy.FROM_FACTS, label),
        Strategy.FROM_FACTS,
        f"Write {counted(rows)} that rest on the given passage, in the form of the row that you are shown. Whoever asks has not"
        f" read the passage, so the input does not speak of it, and the answer says nothing that is not in it.{rests}"
        f" {wanting(label)}",
        (
            *about(material),
            *of_label(material, label),
            ("The passage", cut(fact.text, PASSAGE_CHARS)),
            ("A row that there is", shown([like])),
        ),
        form,
        make,
        numbers([like]),
        (fact.id,),
    )


def _supported(make: Make, fact: Fact) -> Make:
    def checked(row: Mapping[str, str]) -> Record | None:
        return make(row) if quoted(row["quote"], fact.text) else None

    return checked

"""Rows that teach to answer from passages (RAFT, Zhang et al. 2024).

The prompt holds the passage that helps and others that do not, in an order by lot; the answer names the one it rests on. Who
writes the row sees the passage that helps only; the others are put in by code, and so is the source.
"""

from collections.abc import Mapping, Sequence

from agents.generation.form import Form
from agents.generation.from_facts import QUOTE_CHARS, ROWS, quoted, taken
from agents.generation.material import Material, plain
from agents.generation.questions import PASSAGE_CHARS, Make, Question, about, counted, cut, fitting
from agents.generation.seeds import Record, Seed
from agents.generation.uses import Uses
from agents.jobs import Fact, Strategy

DISTRACTORS = 3
"""Passages that do not help; fewer where there are fewer."""


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return at most so many questions: there are as many as passages to ask about."""
    return [
        _question(material, label, fact, uses)
        for fact in taken(material, asks, uses, Strategy.CITED, label)
    ]


def _question(material: Material, label: str | None, fact: Fact, uses: Uses) -> Question:
    place = uses.place(Strategy.CITED, label)
    chance = material.chance(place)
    others = [other for other in material.facts if plain(other.text) != plain(fact.text)]
    passages = [fact, *chance.sample(others, min(DISTRACTORS, len(others)))]
    chance.shuffle(passages)
    quote = ("quote", QUOTE_CHARS)
    rows = fitting(material, label, ROWS)
    return Question(
        place,
        Strategy.CITED,
        f"Write {counted(rows, 'question')} that the given passage answers, each with its answer. A question must make sense to"
        " somebody who searches for it and has not seen the passage; the answer says nothing that is not in it. Under “quote”"
        " copy the words of the passage that the answer rests on, letter by letter.",
        (*about(material), ("The passage", cut(fact.text, PASSAGE_CHARS))),
        Form((("input", material.asked_chars), ("answer", material.answer_chars), quote), rows),
        _with_passages(material.like(label), passages, fact),
        (),
        tuple(passage.id for passage in passages),
    )


def _with_passages(like: Seed, passages: Sequence[Fact], fact: Fact) -> Make:
    listed = "\n\n".join(
        f"[{number}] {cut(passage.text, PASSAGE_CHARS)}"
        for number, passage in enumerate(passages, 1)
    )
    place = passages.index(fact) + 1

    def make(row: Mapping[str, str]) -> Record | None:
        if not quoted(row["quote"], fact.text):
            return None
        asked = f"Passages:\n\n{listed}\n\nQuestion: {row['input']}"
        return like.written(asked, f"{row['answer']}\n\nSource: [{place}] {fact.source.name}")

    return make

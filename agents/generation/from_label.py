"""Inputs for an answer: the way back (instruction backtranslation, Li et al. 2023). The answer is a given one, word for word."""

from agents.generation.form import Form
from agents.generation.material import MOST_CHARS, Material, drawn
from agents.generation.questions import (
    ROWS_AT_ONCE,
    Question,
    about,
    counted,
    fitting,
    numbers,
    of_label,
    shown,
    wanting,
    written,
)
from agents.generation.seeds import Seed
from agents.generation.uses import Uses
from agents.jobs import Strategy

SEEDS = 2
"""Rows that are shown for their form, with whatever answer."""
ROWS_OF_OPEN = 2
"""Inputs for one free answer: more would be the same."""


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return so many questions for rows with an answer."""
    return [_question(material, label, uses) for _ in range(asks)]


def _question(material: Material, label: str | None, uses: Uses) -> Question:
    place = uses.place(Strategy.FROM_LABEL, label)
    chance = material.chance(place)
    like: Seed = material.like(label)
    answer, rows = label, fitting(material, label, ROWS_AT_ONCE)
    taken: list[Seed] = []
    if answer is None:
        usable = [seed for seed in material.seeds if 0 < len(seed.answer) <= MOST_CHARS]
        taken = drawn(usable, 1, chance, uses.seeds)
        like = taken[0]
        answer, rows = like.answer, ROWS_OF_OPEN
    others = [seed for seed in material.seeds if seed.answer.strip() != answer.strip()]
    seeds = drawn(others or material.seeds, SEEDS, chance, uses.seeds)
    wanted = of_label(material, label) or (("The answer of every row", answer),)
    return Question(
        place,
        Strategy.FROM_LABEL,
        f"Write {counted(rows)}: inputs to which the given answer is the right one. The rows that you are shown have other"
        f" answers; take their form and not their matter. {wanting(answer)}",
        (*about(material), *wanted, ("Rows that there are", shown(seeds))),
        Form((("input", material.asked_chars),), rows),
        written(like, answer),
        numbers([*taken, *seeds]),
    )

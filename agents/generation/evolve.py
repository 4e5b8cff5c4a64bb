"""Harder or rarer rows than a given one (Evol-Instruct, Xu et al. 2023): one way of getting harder, drawn by lot."""

from agents.generation.material import Material, drawn
from agents.generation.questions import (
    Question,
    about,
    counted,
    fitting,
    numbers,
    of_label,
    rows_form,
    shown,
    wanting,
    written,
)
from agents.generation.uses import Uses
from agents.jobs import Strategy

ROWS = 3
"""That are made from one."""
WAYS = (
    "says what is meant only indirectly, without the words that name it",
    "has a second thing in it that matters less and could mislead",
    "is much more concrete: amounts, days, places, what happened before",
    "is much shorter, as somebody in a hurry would write it",
    "is longer and told as a story, with what is asked near its end",
    "is about a case at the edge that is seldom seen",
    "is written by somebody who is upset, and not in good order",
    "uses the words of an expert",
    "asks for the same with one more condition",
)


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return so many questions for rows with an answer."""
    found = []
    rows = fitting(material, label, ROWS)
    for _ in range(asks):
        place = uses.place(Strategy.EVOLVE, label)
        chance = material.chance(place)
        seeds = drawn(material.of(label), 1, chance, uses.seeds)
        found.append(
            Question(
                place,
                Strategy.EVOLVE,
                f"Write {counted(rows)}, each made from the given row, so that the input {chance.choice(WAYS)}. It must still be"
                f" possible to answer it from what it says. {wanting(label)}",
                (*about(material), *of_label(material, label), ("The row", shown(seeds))),
                rows_form(material, label, rows),
                written(seeds[0], label),
                numbers(seeds),
            )
        )
    return found

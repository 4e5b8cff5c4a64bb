"""Further rows like some given ones (Self-Instruct, Wang et al. 2023), drawn so that they are unlike each other."""

from agents.generation.material import Material, drawn
from agents.generation.questions import (
    ROWS_AT_ONCE,
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

SEEDS = 5
"""Rows that are shown at most; of few rows about half, so that not every prompt shows the same."""
ANGLES = (
    "Some are short, some long.",
    "All are short.",
    "All are longer than the rows that you are shown.",
    "They are written in full sentences.",
    "They are written as people type on a phone.",
    "They begin in different ways.",
    "They are polite.",
    "They are impatient.",
    "They come from people who do not know the right words for it.",
    "They come from people who know the field well.",
    "They say first what has happened.",
    "They ask straight away.",
    "They name amounts, days or places.",
    "They are about what happens most often.",
    "They are about what happens seldom.",
    "No two have their most important word in common.",
)
"""Drawn by lot: the same prompt would get the same reply."""


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return so many questions for rows with an answer."""
    found = []
    rows = fitting(material, label, ROWS_AT_ONCE)
    for _ in range(asks):
        place = uses.place(Strategy.VARY, label)
        chance = material.chance(place)
        there = material.of(label)
        seeds = drawn(there, min(SEEDS, 1 + len(there) // 2), chance, uses.seeds)
        found.append(
            Question(
                place,
                Strategy.VARY,
                f"You are shown rows of the data. Write {counted(rows)} of the same kind, each about something else and"
                f" in other words. {chance.choice(ANGLES)} {wanting(label)}",
                (
                    *about(material),
                    *of_label(material, label),
                    ("Rows that there are", shown(seeds)),
                ),
                rows_form(material, label, rows),
                written(seeds[0], label),
                numbers(seeds),
            )
        )
    return found

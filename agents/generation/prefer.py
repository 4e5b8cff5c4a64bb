"""Worse answers beside right ones: pairs of preference. Which fault an answer has is drawn by lot, so that not all are alike."""

from collections.abc import Mapping

from agents.generation.form import Form
from agents.generation.material import Material, drawn, plain
from agents.generation.questions import Make, Question, about, counted, numbers, shown
from agents.generation.seeds import Record, Seed
from agents.generation.uses import Uses
from agents.jobs import Strategy

ROWS = 2
"""Worse answers to one input."""
FAULTS = (
    "is wrong in one thing that matters, and sounds sure of it",
    "leaves out what was asked for most",
    "answers another question than the one that was asked",
    "is right at first and then contradicts itself",
    "has another form than the right one: too long, and full of phrases",
    "holds a claim that nothing supports",
)


def questions(material: Material, label: str | None, asks: int, uses: Uses) -> list[Question]:
    """Return so many questions for worse answers to rows with an answer."""
    found = []
    for _ in range(asks):
        place = uses.place(Strategy.PREFER, label)
        chance = material.chance(place)
        (seed,) = drawn(material.of(label), 1, chance, uses.seeds)
        fault = (
            "is another one of the answers that there are"
            if material.labels
            else chance.choice(FAULTS)
        )
        others = "\n".join(other for other in material.labels if plain(other) != plain(seed.answer))
        found.append(
            Question(
                place,
                Strategy.PREFER,
                f"You are shown an input with its right answer. Write {counted(ROWS, 'answer')} to it, each of which {fault}."
                " A reader who does not look closely should take it for right.",
                (
                    *about(material),
                    ("The row", shown([seed])),
                    *([("Answers that there are", others)] if others else []),
                ),
                Form((("answer", material.answer_chars),), ROWS),
                _pairs(seed, material.labels),
                numbers([seed]),
            )
        )
    return found


def _pairs(seed: Seed, labels: tuple[str, ...]) -> Make:
    allowed = {plain(label): label for label in labels}

    def make(row: Mapping[str, str]) -> Record | None:
        worse = row["answer"]
        if plain(worse) == plain(seed.answer):
            return None
        if allowed and plain(worse) not in allowed:
            return None
        return seed.paired(allowed.get(plain(worse), worse))

    return make

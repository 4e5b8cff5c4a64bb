"""What somebody else would ask, about a branch of a tree of topics.

Personas (Ge et al. 2024) times topics (as in GLAN, Li et al. 2024). Both lists are made once per job and kept; which persona
meets which branch is decided by lot, so that rows are spread over the field and not where a model likes to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.generation.form import Form
from agents.generation.material import Material, drawn
from agents.generation.questions import (
    ROWS_AT_ONCE,
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
from agents.jobs import Strategy

SEEDS = 3
TREE_ROWS = 12
"""Personas, and branches, that one reply may hold."""
LABELS_SHOWN = 40
PERSONA_CHARS, TOPIC_CHARS = 160, 120


@dataclass(frozen=True)
class Tree:
    """Who could ask, and about what."""

    personas: tuple[str, ...]
    branches: tuple[str, ...]
    """Topic: branch."""


def tree_questions(material: Material) -> list[Question]:
    """Return the two questions that a tree is made from."""
    seeds = drawn(material.seeds, SEEDS * 2, material.chance("tree"), Uses().seeds)
    answers = "\n".join(cut(label, TOPIC_CHARS) for label in material.labels[:LABELS_SHOWN])
    parts = (*about(material), ("Rows that there are", shown(seeds)))
    if answers:
        parts = (*parts, ("Answers that there are", answers))
    who = Form((("persona", PERSONA_CHARS),), TREE_ROWS)
    what = Form((("topic", TOPIC_CHARS), ("branch", TOPIC_CHARS)), TREE_ROWS)
    return [
        Question(
            "tree:personas",
            Strategy.PERSONA,
            f"List {TREE_ROWS} people who would write inputs like these, as unlike each other as they can be: age, work, mood,"
            " how they write, how well they know the field. One short sentence each, without names.",
            parts,
            who,
            _nothing,
            numbers(seeds),
        ),
        Question(
            "tree:topics",
            Strategy.PERSONA,
            f"List {TREE_ROWS} branches of the topics that such inputs are about: for each its topic, and a part of that which"
            " is seldom thought of. Cover the whole field.",
            parts,
            what,
            _nothing,
            numbers(seeds),
        ),
    ]


def tree_of(personas: Sequence[Mapping[str, str]], topics: Sequence[Mapping[str, str]]) -> Tree:
    """Return the tree of the two replies."""
    return Tree(
        tuple(dict.fromkeys(row["persona"] for row in personas)),
        tuple(dict.fromkeys(f"{row['topic']}: {row['branch']}" for row in topics)),
    )


def questions(
    material: Material, label: str | None, asks: int, uses: Uses, tree: Tree
) -> list[Question]:
    """Return so many questions for rows with an answer."""
    found = []
    rows = fitting(material, label, ROWS_AT_ONCE)
    for _ in range(asks):
        place = uses.place(Strategy.PERSONA, label)
        chance = material.chance(place)
        seeds = drawn(material.of(label) or material.seeds, SEEDS, chance, uses.seeds)
        found.append(
            Question(
                place,
                Strategy.PERSONA,
                f"Write {counted(rows)} as the given person would write them, about the given branch as far as the"
                f" answer allows it, in the form of the rows that you are shown. {wanting(label)}",
                (
                    *about(material),
                    *of_label(material, label),
                    ("The person", chance.choice(tree.personas)),
                    ("The branch", chance.choice(tree.branches)),
                    ("Rows that there are", shown(seeds)),
                ),
                rows_form(material, label, rows),
                written(material.like(label), label),
                numbers(seeds),
            )
        )
    return found


def _nothing(_row: Mapping[str, str]) -> Record | None:
    """A branch of a tree is no row."""
    return None

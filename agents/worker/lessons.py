"""All that a training will see, tokenised beforehand and in the order in which it will see it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from agents.recipe import Recipe
from agents.worker.errors import RowsTooLong
from agents.worker.order import order_of
from agents.worker.rows import draw

MOST_NAMED = 20
"""Rows that a result names, of those that are left out."""


@dataclass(frozen=True)
class Lesson:
    """One row, in the columns that the trainer of its method takes."""

    columns: dict[str, Any]
    tokens: int
    """All that goes through the model for it, padding left out."""
    whole_tokens: int
    """The same if nothing had been cut."""
    answer_tokens: int
    """Of the longest answer in it, nothing cut: what is learnt or judged."""
    prompt_ids: list[int]
    """What a model is asked; for timing answers."""


@dataclass(frozen=True)
class Lessons:
    """The rows of a training."""

    rows: list[Lesson]
    dev: list[Lesson]
    order: list[int]
    """Indices of rows, batch after batch."""
    batch_size: int

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return len(self.order) // self.batch_size

    def of_step(self, step: int) -> list[int]:
        """Return the indices of the rows that a step learns from; the first step is 1."""
        return self.order[(step - 1) * self.batch_size : step * self.batch_size]

    def tokens_by_step(self) -> list[int]:
        """Return the tokens seen after 0, 1, 2 … steps, padding left out."""
        seen = (self.rows[i].tokens for i in self.order)
        return list(accumulate(seen, initial=0))[:: self.batch_size]


@dataclass(frozen=True)
class Fitting:
    """Rows of which something can be learnt, each with its lesson."""

    rows: list[Any]
    lessons: list[Lesson]
    left_out: tuple[int, ...] = ()
    """Numbers of the others, which are too long."""


def drawn(
    encode: Callable[[list[Any]], list[Lesson]], rows: list[Any], limit: int | None, seed: int
) -> Fitting:
    """Turn `limit` of the rows (None: all) into lessons, in their old order; for each that is too long, another is drawn.

    Raises: WorkerError: as `fitting`.
    """
    places = draw(list(range(len(rows))), limit, seed)
    tried, left_out = set(places), frozenset[int]()
    while True:
        more = [i for i in range(len(rows)) if i not in tried]
        try:
            found = fitting(encode, [rows[i] for i in places])
        except RowsTooLong as error:
            if not more:
                raise
            found = Fitting([], [], tuple(error.rows))
        left_out |= set(found.left_out)
        missing = len(places) - len(found.rows)
        if not missing or not more:
            return replace(found, left_out=tuple(sorted(left_out)))
        new = draw(more, missing, seed)
        tried |= set(new)
        places = sorted([i for i in places if rows[i].number not in left_out] + new)


def fitting(encode: Callable[[list[Any]], list[Lesson]], rows: list[Any]) -> Fitting:
    """Turn rows into lessons, without those of which nothing would be left when they are cut.

    Raises: WorkerError: nothing is left of any of them, or `encode` refuses them for another reason.
    """
    try:
        return Fitting(rows, encode(rows))
    except RowsTooLong as error:
        others = [row for row in rows if row.number not in error.rows]
        if not others:
            raise
        rest = fitting(encode, others)
        return Fitting(rest.rows, rest.lessons, tuple(sorted(error.rows | set(rest.left_out))))


def plan_lessons(rows: list[Lesson], dev: list[Lesson], recipe: Recipe, steps: int) -> Lessons:
    """Fix the order of the rows, and sort the dev rows by length: less padding."""
    order = order_of([row.tokens for row in rows], recipe.batch_size, steps, recipe.seed)
    return Lessons(rows, sorted(dev, key=lambda row: -row.tokens), order, recipe.batch_size)


def columns(rows: Sequence[Lesson]) -> list[dict[str, Any]]:
    """Return the rows as a table for `datasets.Dataset.from_list`."""
    return [row.columns for row in rows]

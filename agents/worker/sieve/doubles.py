"""Drafts that say what a training row or an earlier draft says."""

from collections.abc import Iterator, Sequence

from agents.jobs import Strategy
from agents.worker.checks import contained, near_duplicates
from agents.worker.checks.budget import Budget
from agents.worker.checks.near_duplicates import ALIKE
from agents.worker.sieve.drafts import Draft, Known

OF_TRAIN = "it repeats a row of yours"
OF_DRAFT = "it repeats another draft"
WORDS_SHARE = 0.8


def find(
    drafts: Sequence[Draft], train: Sequence[Known], budget: Budget, *, labels: bool
) -> dict[int, str]:
    """Return the places of drafts that repeat something, and what; of drafts that are alike the first one stays.

    A row with typing errors is like the row it was made from, and is meant to be: it must only not be that very row. With
    labels, the same prompt with another label is no repetition.
    """
    found = dict(_very_same(drafts, train))
    rows = [*train, *drafts]
    first_of: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        key = (row.words, row.said if labels else "")
        first = first_of.setdefault(key, place)
        if first != place and place >= len(train):
            _note(found, drafts, place - len(train), first - len(train))
    for first, second in sorted(_alike(rows, budget)):
        if second >= len(train):
            _note(found, drafts, second - len(train), first - len(train))
    return found


def _note(found: dict[int, str], drafts: Sequence[Draft], place: int, first: int) -> None:
    """Note that a draft repeats an earlier one, or, below 0, a training row."""
    made = drafts[place].made
    if place in found or first in found or (made and made.strategy is Strategy.PERTURB):
        return
    found[place] = OF_TRAIN if first < 0 else OF_DRAFT


def _very_same(drafts: Sequence[Draft], train: Sequence[Known]) -> Iterator[tuple[int, str]]:
    known = {row.prompt.strip() for row in train}
    seen: set[str] = set()
    for place, draft in enumerate(drafts):
        text = draft.own.strip()
        if text in known:
            yield place, OF_TRAIN
        elif f"{text}\n{draft.answer}" in seen:
            yield place, OF_DRAFT
        seen.add(f"{text}\n{draft.answer}")


def _alike(rows: Sequence[Known], budget: Budget) -> Iterator[tuple[int, int]]:
    prompts, answers = [row.words for row in rows], [row.said for row in rows]
    for pair in near_duplicates.close_pairs(prompts, answers, budget.part(WORDS_SHARE)):
        if pair.same_answer and pair.likeness >= ALIKE:
            yield pair.first, pair.second
    for pair in contained.contained_pairs(prompts, answers, budget):
        if pair.same_answer:
            yield pair.first, pair.second

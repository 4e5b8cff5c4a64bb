"""Which rows resemble which: found once, before the split, used by the split and by several checks."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from agents.worker.checks import contained, near_duplicates
from agents.worker.checks.budget import Budget
from agents.worker.checks.close import Close, groups
from agents.worker.checks.texts import Pair, normal

CPU_SHARE = 0.6
"""Of the time for all checks may be spent here, the most expensive one."""
WORDS_SHARE = 0.8
"""Of that on rows that are almost the same; the rest is for prompts that stand inside others."""


@dataclass(frozen=True)
class Likeness:
    """What rows have in common. Places are those in `pairs`."""

    pairs: Sequence[Pair]
    prompts: Sequence[str]
    answers: Sequence[str]
    """Normalised."""
    close: Sequence[Close]

    def without(self, places: Collection[int]) -> "Likeness":
        """Return what the rows at the other places have in common."""
        kept = [place for place in range(len(self.pairs)) if place not in places]
        moved = {place: number for number, place in enumerate(kept)}
        close = [
            replace(pair, first=moved[pair.first], second=moved[pair.second])
            for pair in self.close
            if pair.first in moved and pair.second in moved
        ]
        return Likeness(
            [self.pairs[place] for place in kept],
            [self.prompts[place] for place in kept],
            [self.answers[place] for place in kept],
            close,
        )

    @cached_property
    def group_of(self) -> dict[int, int]:
        """For each row number the number of its group; rows of one group belong on one side of a split."""
        found = groups(len(self.pairs), self.close)
        return {pair.row: group for pair, group in zip(self.pairs, found, strict=True)}


def find(pairs: Sequence[Pair], budget: Budget) -> Likeness:
    """Find rows that resemble each other, within a part of the budget: keys and passwords must be looked for too."""
    budget = budget.part(CPU_SHARE)
    prompts = [normal(pair.prompt) for pair in pairs]
    answers = list(_normal_answers(pairs))
    close = list(_equal(prompts, answers))
    close.extend(near_duplicates.close_pairs(prompts, answers, budget.part(WORDS_SHARE)))
    close.extend(contained.contained_pairs(prompts, answers, budget))
    return Likeness(pairs, prompts, answers, close)


def _normal_answers(pairs: Iterable[Pair]) -> Iterator[str]:
    known: dict[str, str] = {}  # labels: a few texts, many times
    for pair in pairs:
        if pair.answer not in known:
            known[pair.answer] = normal(pair.answer)
        yield known[pair.answer]


def _equal(prompts: Sequence[str], answers: Sequence[str]) -> Iterator[Close]:
    """Tie each row to the first one with the same normalised prompt."""
    first_of: dict[str, int] = {}
    for place, text in enumerate(prompts):
        first = first_of.setdefault(text, place)
        if first != place and text:
            yield Close(first, place, 1.0, answers[first] == answers[place])

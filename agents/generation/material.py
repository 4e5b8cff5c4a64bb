"""What rows are made from: training rows, goal, passages, and how far texts may go. All of it was written by others."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median_low

from agents.generation.seeds import Seed
from agents.jobs import Fact, GenerationTerms

LEAST_CHARS, MOST_CHARS = 200, 1_800
"""Bounds of a text that a model may write: what servers turn into a grammar must not repeat more often."""
ROOM = 2
"""A made text may be so many times as long as the longest seed."""
LOOKED_AT = 40
"""Candidates among which the next seed is chosen."""
WORD = re.compile(r"\w+")


def plain(text: str) -> str:
    """Return a text as it counts for being the same as another: its words in small letters."""
    return " ".join(WORD.findall(text.casefold())) or text.strip()


@dataclass(frozen=True)
class Material:
    """All of it."""

    terms: GenerationTerms
    seeds: tuple[Seed, ...]
    goal: str = ""
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    _by_label: dict[str | None, tuple[Seed, ...]] = field(default_factory=dict)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The answers of a task that has few: of its strata and rows. None where strata name none."""
        named = [stratum.label for stratum in self.terms.strata if stratum.label is not None]
        if not named:
            return ()
        return tuple(dict.fromkeys([*named, *(seed.answer for seed in self.seeds if seed.answer)]))

    @cached_property
    def asked_chars(self) -> int:
        """How long a made prompt may be."""
        return _bound(seed.asked for seed in self.seeds)

    @cached_property
    def answer_chars(self) -> int:
        """How long a made answer may be."""
        return _bound(seed.answer for seed in self.seeds)

    @cached_property
    def usual_asked_chars(self) -> int:
        """How long prompts are, in the middle."""
        return median_low([len(seed.asked) for seed in self.seeds])

    @cached_property
    def usual_chars(self) -> int:
        """How long rows are, in the middle."""
        return median_low([len(seed.asked) + len(seed.answer) for seed in self.seeds])

    def of(self, label: str | None) -> tuple[Seed, ...]:
        """Return the seeds with an answer; all of them for None."""
        if label not in self._by_label:
            self._by_label[label] = tuple(
                seed for seed in self.seeds if label is None or seed.answer.strip() == label.strip()
            )
        return self._by_label[label]

    def chance(self, *place: object) -> random.Random:
        """Return the lot of one place: the same in every attempt."""
        return random.Random("\0".join(map(str, (self.terms.seed, *place))))

    def like(self, label: str | None) -> Seed:
        """Return a seed whose shape a row of this answer has."""
        return next(iter(self.of(label) or self.seeds))


def drawn(
    seeds: Sequence[Seed], count: int, chance: random.Random, used: Counter[int]
) -> list[Seed]:
    """Draw seeds that are unlike each other, those first that were used least; count their use.

    After a first one by lot each next one is, of some candidates, the one whose words are farthest from those drawn.
    """
    left = list(seeds)
    chance.shuffle(left)
    left.sort(key=lambda seed: used[seed.number])
    found: list[Seed] = []
    while left and len(found) < count:
        best = (
            max(left[:LOOKED_AT], key=lambda seed: _rank(seed, found, used)) if found else left[0]
        )
        left.remove(best)
        found.append(best)
        used[best.number] += 1
    return found


def _rank(seed: Seed, found: Sequence[Seed], used: Counter[int]) -> tuple[int, float]:
    return -used[seed.number], min(_distance(seed.asked, other.asked) for other in found)


def _distance(one: str, other: str) -> float:
    a, b = set(WORD.findall(one.casefold())), set(WORD.findall(other.casefold()))
    return 1 - len(a & b) / (len(a | b) or 1)


def _bound(texts: Iterable[str]) -> int:
    longest = max(map(len, texts), default=0)
    return min(MOST_CHARS, max(LEAST_CHARS, ROOM * longest))

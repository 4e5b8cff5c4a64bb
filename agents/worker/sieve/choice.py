"""Which of the fit drafts are taken where there are more than are wanted, and which of them a person is shown."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.jobs import GenerationTerms, Strategy, Stratum
from agents.worker.sieve.drafts import Draft

ENOUGH = "of its kind there are enough"
TOO_MANY_MADE = "with it too much of what is learnt would be made"
OF_ONE_SOURCE = "too many rows are from the same source"
FROM_ONE_SOURCE = 0.2
"""Of the rows of a stratum, at most, may rest on one passage, document or training row: whoever wrote it would teach them.
Where there are few sources, it is twice what each would have to give."""
FEWEST_FROM_ONE = 3


@dataclass
class _Place:
    """Rows of one stratum that are still wanted."""

    stratum: Stratum
    sources: int
    """Different ones among its drafts."""
    left: int
    from_one: Counter[str]

    def takes(self, draft: Draft) -> bool:
        return self.left > 0 and self.stratum.label in {None, draft.answer}

    def most_from_one(self) -> int:
        even = 2 * self.stratum.rows / max(1, self.sources)
        return max(FEWEST_FROM_ONE, math.ceil(max(FROM_ONE_SOURCE * self.stratum.rows, even)))


def unwanted(
    drafts: Sequence[Draft], terms: GenerationTerms, train_rows: int, documents: Mapping[str, str]
) -> dict[int, str]:
    """Return the places of drafts that are too many, and why; `documents` names the document of a passage by its id.

    Strategies take turns, and within one the seed draws, so that a few of each are taken.
    """
    sources = [_sources(draft, documents) for draft in drafts]
    open_ = [_place(stratum, drafts, sources) for stratum in terms.strata]
    room = most_made(terms, train_rows)
    found: dict[int, str] = {}
    for place in _in_turns(drafts, terms.seed):
        wanted = next((one for one in open_ if one.takes(drafts[place])), None)
        if wanted is None:
            found[place] = ENOUGH
        elif any(wanted.from_one[source] >= wanted.most_from_one() for source in sources[place]):
            found[place] = OF_ONE_SOURCE
        elif not room:
            found[place] = TOO_MANY_MADE
        else:
            room -= 1
            wanted.left -= 1
            wanted.from_one.update(sources[place])
    return found


def _place(stratum: Stratum, drafts: Sequence[Draft], sources: Sequence[set[str]]) -> _Place:
    of = [
        found
        for draft, found in zip(drafts, sources, strict=True)
        if stratum.label in {None, draft.answer}
    ]
    return _Place(stratum, len(set().union(*of)), stratum.rows, Counter())


def most_made(terms: GenerationTerms, train_rows: int) -> int:
    """Return how many made rows there may be beside those of the upload, each learnt `weight` times."""
    return math.floor(terms.most_share / (1 - terms.most_share) * train_rows / terms.weight + 1e-9)


def sampled(drafts: Sequence[Draft], strata: Sequence[str], count: int, seed: int) -> list[int]:
    """Return the places of some drafts by chance, as many of each stratum as of the others as far as they go."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for place in _shuffled(len(drafts), seed):
        waiting[strata[place]].append(place)
    chosen: list[int] = []
    while len(chosen) < min(count, len(drafts)):
        chosen += [places.pop() for _, places in sorted(waiting.items()) if places]
    return sorted(chosen[:count], key=lambda place: (strata[place], drafts[place].number))


def _sources(draft: Draft, documents: Mapping[str, str]) -> set[str]:
    """Return what a draft rests on: documents of its passages, or the training row where it is a single one."""
    made = draft.made
    if made is None:
        return set()
    sources = {f"fact {fact}" for fact in made.facts}
    sources |= {f"document {documents[fact]}" for fact in made.facts if fact in documents}
    if len(made.seeds) == 1 and not made.facts:
        sources.add(f"row {made.seeds[0]}")
    return sources


def _in_turns(drafts: Sequence[Draft], seed: int) -> list[int]:
    """Return all places, strategies in turns."""
    waiting: dict[Strategy | None, list[int]] = defaultdict(list)
    for place in _shuffled(len(drafts), seed):
        made = drafts[place].made
        waiting[made.strategy if made else None].append(place)
    order: list[int] = []
    while len(order) < len(drafts):
        order += [places.pop() for places in waiting.values() if places]
    return order


def _shuffled(count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(count), count)

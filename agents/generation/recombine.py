"""Parts of rows of one answer put together anew.

Two rows that share a word are cut there: what stands before it in one meets what stands after it in the other. Two rows in
which different words stand between the same ones are a template with a slot: the fillings are exchanged. Both keep to rows of
one answer, so that the answer stays right (as in compositional augmentation, Andreas 2020).
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations, islice

from agents.generation.material import Material
from agents.generation.perturb import Made
from agents.generation.seeds import Record, Seed
from agents.generation.uses import Uses
from agents.jobs import Strategy

MOST_WORDS = 60
"""Of a row that is cut: longer ones do not fit together."""
MOST_ROWS = 200
"""Of one answer that are looked at, by lot."""
MOST_TRIES = 20_000
"""Combinations of one answer that are looked at, in one go."""
SLOT_WORDS = 3
"""That a slot may hold."""
CUT_CHARS = 3
"""Of a word at which rows are cut, at least."""
START, END = "\x02", "\x03"

Words = list[str]


def rows(
    material: Material, label: str | None, wanted: int, uses: Uses, is_new: Callable[[Record], bool]
) -> Iterator[Made]:
    """Yield so many rows, or fewer where no more new ones can be made. Each is taken before the next one is made."""
    chance = material.chance(uses.place(Strategy.RECOMBINE, label))
    groups = [group for group in _groups(material.of(label)) if len(group) > 1]
    chance.shuffle(groups)
    sources = [islice(_mixed(group, chance), MOST_TRIES) for group in groups]
    found = 0
    while sources and found < wanted:
        for source in list(sources):
            made = next((one for one in source if is_new(one.record)), None)
            if made is None:
                sources.remove(source)
            elif found < wanted:
                found += 1
                yield made


def _groups(seeds: tuple[Seed, ...]) -> list[list[Seed]]:
    """Return the seeds of each answer; plain texts have none in common."""
    groups: dict[str, list[Seed]] = defaultdict(list)
    for seed in seeds:
        if seed.answer and not seed.is_pair and len(seed.asked.split()) <= MOST_WORDS:
            groups[seed.answer.strip()].append(seed)
    return list(groups.values())


def _mixed(group: list[Seed], chance: random.Random) -> Iterator[Made]:
    """Yield what two seeds make, by lot."""
    some = chance.sample(group, min(MOST_ROWS, len(group)))
    pairs = list(combinations(some, 2))
    chance.shuffle(pairs)
    for one, other in pairs:
        a, b = one.asked.split(), other.asked.split()
        texts = [*_filled(a, b), *_filled(b, a), *_crossed(a, b), *_crossed(b, a)]
        chance.shuffle(texts)
        for words in texts:
            yield Made(one.reworded(" ".join(words)), (one.number, other.number))


def _filled(a: Words, b: Words) -> Iterator[Words]:
    """Yield the one with a filling of the other: between the same two words other words stand."""
    framed = [START, *a, END]
    slots: dict[tuple[str, str], list[Words]] = defaultdict(list)
    for frame, filling, _place in _slots(b):
        slots[frame].append(filling)
    for frame, filling, place in _slots(a):
        for other in slots[frame]:
            if _bare(other) != _bare(filling):
                whole = [*framed[:place], *other, *framed[place + len(filling) :]]
                yield whole[1:-1]


def _slots(words: Words) -> Iterator[tuple[tuple[str, str], Words, int]]:
    """Yield each stretch of a few words: what stands around it, the stretch, and where it begins."""
    framed = [START, *words, END]
    for place in range(1, len(framed) - 1):
        for length in range(1, SLOT_WORDS + 1):
            end = place + length
            if end >= len(framed) or (framed[place - 1] == START and framed[end] == END):
                break
            frame = (_key(framed[place - 1]), _key(framed[end]))
            yield frame, framed[place:end], place


def _crossed(a: Words, b: Words) -> Iterator[Words]:
    """Yield the beginning of the one and the end of the other, at a word that both have in their midst."""
    for i in range(1, len(a) - 1):
        if len(_key(a[i])) < CUT_CHARS:
            continue
        for j in range(1, len(b) - 1):
            if _key(a[i]) == _key(b[j]):
                yield [*a[:i], *b[j:]]


def _key(word: str) -> str:
    return word.casefold().strip(".,;:!?\"'()") if word not in {START, END} else word


def _bare(words: Words) -> list[str]:
    return [_key(word) for word in words]

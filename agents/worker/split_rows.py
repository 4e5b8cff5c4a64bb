"""Fold duplicates and split rows so that no prompt, nor one that resembles it, stands on two sides."""

import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter

from agents.jobs import ROWS_PER_FILE
from agents.worker.lines import Line

LEAST_TEST_ROWS = 20
ENOUGH_ROWS = 100
"""From so many rows on the test set gets at least `LEAST_TEST_ROWS`: fewer show next to nothing."""


@dataclass(frozen=True)
class Shares:
    """How much is held out."""

    dev_fraction: float
    test_fraction: float
    max_dev_rows: int
    max_test_rows: int


@dataclass(frozen=True)
class Split:
    """Three sides; no normalised prompt is on two of them. Each is in random order."""

    train: list[Line]
    dev: list[Line]
    test: list[Line]


Groups = dict[int, dict[int, Line]]
"""Rows by hash of the normalised prompt, then of prompt and completion: what is left when duplicates are folded."""


def fold(rows: Iterable[Line], seed: int) -> Groups:
    """Group rows by prompt and keep the first of each exact duplicate (up to case, width and white space).

    The hashes depend on the seed, so that their order is a shuffle.
    """
    key = seed.to_bytes(8, "big")
    groups: Groups = defaultdict(dict)
    for row in rows:
        prompt = _hash(row.asked, key, b"prompt")
        groups[prompt].setdefault(prompt ^ _hash(row.answered, key, b"answer"), row)
    return dict(groups)


def tie(groups: Groups, group_of: Mapping[int, int]) -> Groups:
    """Join prompts that resemble each other, so that they are dealt to one side; `group_of` is by row number.

    A joined group takes the smallest of the hashes, so that the order stays a shuffle.
    """
    tied: dict[int, list[int]] = defaultdict(list)
    for prompt, rows in groups.items():
        first = next(iter(rows.values()))
        tied[group_of.get(first.number, -first.number)].append(prompt)
    return {
        min(prompts): {key: row for prompt in prompts for key, row in groups[prompt].items()}
        for prompts in tied.values()
    }


@dataclass(frozen=True)
class Barred:
    """Rows that an earlier training knows, by number; a group with one of them stays off the sides that they may not be on."""

    from_dev: frozenset[int] = frozenset()
    from_test: frozenset[int] = frozenset()
    """Those barred from dev are among them."""


NONE_BARRED = Barred()


def split(groups: Groups, shares: Shares, barred: Barred = NONE_BARRED) -> Split:
    """Deal whole groups into test, dev and train; what exceeds a maximum, or is barred from both, stays in training.

    The order is that of the hashes, so it depends neither on the order of the rows nor on how many there are: rows that
    are added later leave the order of the others alone. Of several files each is held out by its share of the rows.
    """
    parts = _by_file(groups)
    sizes = [_rows(part, part) for part in parts]
    total = sum(sizes)
    tests = portions(_wanted_test(total, shares), sizes)
    devs = portions(min(max(1, round(total * shares.dev_fraction)), shares.max_dev_rows), sizes)
    sides = [
        _split_one(part, test, dev, barred)
        for part, test, dev in zip(parts, tests, devs, strict=True)
    ]
    dealt = ([prompt for side in sides for prompt in side[place]] for place in range(3))
    return Split(*(_shuffled(side, groups) for side in dealt))


def portions(wanted: int, sizes: Sequence[int]) -> list[int]:
    """Share a number out by size, in whole numbers that add up to it."""
    total = max(1, sum(sizes))
    found = [wanted * size // total for size in sizes]
    rest = sorted(range(len(sizes)), key=lambda i: (-(wanted * sizes[i] % total), i))
    for place in rest[: wanted - sum(found)]:
        found[place] += 1
    return found


def weighted(rows: Sequence[Line], weights: Sequence[float], seed: int) -> list[Line]:
    """Return the rows of each file as often as its weight says, in random order; what is left of a row is drawn.

    With weights of 1 the rows are as they were.
    """
    if all(weight == 1 for weight in weights):
        return list(rows)
    chance = random.Random(seed)
    used: list[Line] = []
    for place, weight in enumerate(weights):
        own = [row for row in rows if row.number // ROWS_PER_FILE == place]
        whole = int(weight)
        used += own * whole
        used += chance.sample(own, min(len(own), round((weight - whole) * len(own))))
    chance.shuffle(used)
    return used


def _by_file(groups: Groups) -> list[Groups]:
    """Part groups by the file that their first row stands in."""
    parts: dict[int, Groups] = defaultdict(dict)
    for prompt, rows in groups.items():
        parts[next(iter(rows.values())).number // ROWS_PER_FILE][prompt] = rows
    return [parts[place] for place in sorted(parts)]


def _split_one(
    groups: Groups, wanted_test: int, wanted_dev: int, barred: Barred
) -> tuple[list[int], list[int], list[int]]:
    """Deal the groups of one file; return the prompts of train, dev and test."""
    off_test, off_dev = _with(groups, barred.from_test), _with(groups, barred.from_dev)
    free = _rows(groups, groups.keys() - off_test)
    dev_only = _rows(groups, off_test - off_dev)
    if barred.from_test and free + dev_only < wanted_test + wanted_dev:
        # what nobody has learnt is shared out
        share = (free + dev_only) * wanted_dev // (wanted_test + wanted_dev)
        wanted_dev = min(wanted_dev, max(1, share))
        wanted_test = max(0, min(wanted_test, free - max(0, wanted_dev - dev_only)))
    test, order = _take(sorted(groups), groups, wanted_test, off_test)
    dev, order = _take(order, groups, wanted_dev, off_dev)
    return order, dev, test


def _wanted_test(total: int, shares: Shares) -> int:
    wanted = round(total * shares.test_fraction)
    if total >= ENOUGH_ROWS:
        wanted = max(wanted, LEAST_TEST_ROWS)
    return min(max(1, wanted), shares.max_test_rows)


def _rows(groups: Groups, prompts: Iterable[int]) -> int:
    return sum(len(groups[prompt]) for prompt in prompts)


def _with(groups: Groups, numbers: frozenset[int]) -> set[int]:
    """Return the prompts with a row of one of these numbers."""
    if not numbers:
        return set()
    return {
        prompt
        for prompt, rows in groups.items()
        if any(row.number in numbers for row in rows.values())
    }


def _take(
    order: list[int], groups: Groups, wanted: int, barred: set[int]
) -> tuple[list[int], list[int]]:
    """Take prompts until they have `wanted` rows; one that would go over it is left, and so are those that are barred."""
    taken: list[int] = []
    left: list[int] = []
    rows = 0
    for place, prompt in enumerate(order):
        if rows == wanted:
            return taken, left + order[place:]
        if prompt not in barred and rows + len(groups[prompt]) <= wanted:
            taken.append(prompt)
            rows += len(groups[prompt])
        else:
            left.append(prompt)
    return taken, left


def _shuffled(prompts: list[int], groups: Groups) -> list[Line]:
    """Return the rows so that a beginning of any length is a fair sample: rows of one prompt do not stand together."""
    rows = [item for prompt in prompts for item in groups[prompt].items()]
    return [row for _, row in sorted(rows, key=itemgetter(0))]


def _hash(text: str, key: bytes, role: bytes) -> int:
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return int.from_bytes(blake2b(normal.encode(), digest_size=16, key=key, person=role).digest())

"""Fold duplicates and split rows so that no prompt, nor one that resembles it, stands on two sides."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter

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


def split(groups: Groups, shares: Shares) -> Split:
    """Deal whole groups into test, dev and train; what exceeds a maximum stays in training.

    The order is that of the hashes, so it depends neither on the order of the rows nor on how many there are: rows that
    are added later leave the order of the others alone.
    """
    total = sum(map(len, groups.values()))
    wanted_test = round(total * shares.test_fraction)
    if total >= ENOUGH_ROWS:
        wanted_test = max(wanted_test, LEAST_TEST_ROWS)
    wanted_test = min(max(1, wanted_test), shares.max_test_rows)
    wanted_dev = min(max(1, round(total * shares.dev_fraction)), shares.max_dev_rows)
    test, order = _take(sorted(groups), groups, wanted_test)
    dev, order = _take(order, groups, wanted_dev)
    return Split(*(_shuffled(side, groups) for side in (order, dev, test)))


def _take(order: list[int], groups: Groups, wanted: int) -> tuple[list[int], list[int]]:
    """Take prompts until they have `wanted` rows; one that would go over it is left."""
    taken: list[int] = []
    left: list[int] = []
    rows = 0
    for place, prompt in enumerate(order):
        if rows == wanted:
            return taken, left + order[place:]
        if rows + len(groups[prompt]) <= wanted:
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

"""Answers that tuning changed: how many, and those whose score says nothing about it.

The best and the worst items are those whose score moved. Where the score stayed, a measure cannot tell whether the new answer
is the better one, or only another: a person can.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from agents.jobs import Changes
from agents.worker.evaluate_shaped import Item

SAME = 1e-9
"""Scores that lie no further apart are the same."""
_WORDS = re.compile(r"\w+")


def count(items: Sequence[Item]) -> Changes:
    """Count the items to which tuned says something else than base."""
    moved = [item.tuned_score - item.base_score for item in items if _differs(item)]
    higher, lower = sum(by > SAME for by in moved), sum(by < -SAME for by in moved)
    return Changes(differ=len(moved), higher=higher, lower=lower, same=len(moved) - higher - lower)


def unscored(items: Sequence[Item], shown: Collection[int], most: int) -> list[Item]:
    """Return items whose answer changed and whose score did not, the least alike first; `shown` numbers are left out."""
    found = [
        item
        for item in items
        if item.number not in shown
        and _differs(item)
        and abs(item.tuned_score - item.base_score) <= SAME
    ]
    return sorted(found, key=lambda item: (_alike(item.base, item.tuned), item.number))[:most]


def _differs(item: Item) -> bool:
    return _folded(item.base) != _folded(item.tuned)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _alike(one: str, other: str) -> float:
    """Return the share of words in common: 0 … 1."""
    first, second = (Counter(_WORDS.findall(_folded(text))) for text in (one, other))
    of = first.total() + second.total()
    return 2 * (first & second).total() / of if of else 0.0

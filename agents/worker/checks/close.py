"""Two rows that resemble each other, and the groups that such pairs make."""

from collections.abc import Iterable
from dataclasses import dataclass

LARGEST_SHARE = 0.05
LARGEST_GROUP = 40
"""Rows that are tied together, at most, and that share of all: rows from one template must not become one lump."""
SMALLEST_CAP = 4


@dataclass(frozen=True, slots=True)
class Close:
    """Two rows whose prompts are close; `first` comes earlier in the file."""

    first: int
    second: int
    """Places in the sequence of rows."""
    likeness: float
    """0 … 1; 1 are prompts that are equal when spelling is taken away."""
    same_answer: bool


def groups(rows: int, close: Iterable[Close]) -> list[int]:
    """Return for each row the place of the first row of its group: rows of one group belong on one side of a split.

    The most alike are joined first, up to a size; equal prompts always stay together.
    """
    cap = max(SMALLEST_CAP, min(LARGEST_GROUP, int(rows * LARGEST_SHARE)))
    parent = list(range(rows))
    size = [1] * rows

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for pair in sorted(close, key=lambda pair: (-pair.likeness, pair.first, pair.second)):
        one, other = sorted((root(pair.first), root(pair.second)))
        if one != other and (pair.likeness == 1 or size[one] + size[other] <= cap):
            parent[other] = one
            size[one] += size[other]
    return [root(place) for place in range(rows)]

"""Answers that are labels: macro-F1, and which labels are taken for which."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agents.worker.metrics.items import ItemMetric, Numbers, ratio
from agents.worker.metrics.words import plain

MOST_LABELS = 200
"""The most frequent ones count."""


class MacroF1(ItemMetric):
    """Mean of the F1 of each label, so that rare labels count as much as frequent ones.

    Labels are those that occur among the references, of a resample too: what is only ever said is wrong, and no label.
    """

    def __init__(self, cache_dir: Path, references: Sequence[str]) -> None:
        super().__init__(cache_dir)
        self.labels = labels_of(references)

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all: right or wrong per item; the totals are hits, uses and occurrences of each label."""
        places = {label: place for place, label in enumerate(self.labels)}
        uses, occurrences = (
            np.array([_one_of(places, text) for text in texts]) for texts in (said, meant)
        )
        hits = uses * occurrences
        items = np.array([float(plain(s) == plain(m)) for s, m in zip(said, meant, strict=True)])
        return items, np.hstack([hits, uses, occurrences])

    def of(self, totals: Numbers) -> Numbers:
        """Return the mean F1 of the labels that occur."""
        hits, uses, occurrences = np.split(totals, 3, axis=1)
        there = occurrences > 0
        return ratio((ratio(2 * hits, uses + occurrences) * there).sum(axis=1), there.sum(axis=1))


def labels_of(references: Sequence[str]) -> list[str]:
    """Return the labels, the most frequent first."""
    return [label for label, _ in Counter(map(plain, references)).most_common(MOST_LABELS)]


def _one_of(places: dict[str, int], text: str) -> Numbers:
    row = np.zeros(len(places))
    if (place := places.get(plain(text))) is not None:
        row[place] = 1
    return row

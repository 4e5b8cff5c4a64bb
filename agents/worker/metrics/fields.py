"""Structured answers, field by field."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agents.worker.metrics.items import ItemMetric, Numbers, ratio
from agents.worker.metrics.structure import Fields, Form, as_whole, read


class FieldF1(ItemMetric):
    """Harmonic mean of the shares of fields that answers and references have in common, name and value; micro over all fields.

    A reference without the form of the others, and an answer to it, count as one field each.
    """

    def __init__(self, cache_dir: Path, form: Form | None) -> None:
        super().__init__(cache_dir)
        self.form = form

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; the totals are fields in common, fields of the answers, fields of the references."""
        totals = np.array(
            [self._counts(s, m) for s, m in zip(said, meant, strict=True)], dtype=float
        )
        return self.of(totals), totals

    def of(self, totals: Numbers) -> Numbers:
        """Return F1 over all fields."""
        return ratio(2 * totals[:, 0], totals[:, 1] + totals[:, 2])

    def _counts(self, said: str, meant: str) -> tuple[int, int, int]:
        answer, reference = both(self.form, said, meant)
        if answer is None:
            return 0, 0, reference.values.total()
        common = (answer.values & reference.values).total()
        return common, answer.values.total(), reference.values.total()


class ValidShape(ItemMetric):
    """1 when the answer has the reference's fields, whatever stands in them, and nothing else; a program could read it."""

    def __init__(self, cache_dir: Path, form: Form | None) -> None:
        super().__init__(cache_dir)
        self.form = form

    def item(self, said: str, meant: str) -> float:
        """Score one answer; to a reference without the form only the reference itself is valid."""
        answer, reference = both(self.form, said, meant)
        if read(self.form, meant) is None:
            return float(answer == reference)
        return float(answer is not None and answer.alone and answer.names == reference.names)


def both(form: Form | None, said: str, meant: str) -> tuple[Fields | None, Fields]:
    """Return the fields of an answer, None where it has none, and of its reference."""
    if (reference := read(form, meant)) is not None:
        return read(form, said), reference
    return as_whole(said), as_whole(meant)

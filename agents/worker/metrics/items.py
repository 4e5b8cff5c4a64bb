"""What all metrics share: the form of `evaluate`, a score per item, and totals from which a set is scored.

`compute` returns {"score": float, "items": [float, …], "totals": [[float, …], …]}. A row of `totals` holds what one item
adds; `of` turns sums of rows into the metric, so that a corpus metric can be computed anew for each resample of items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """The answers of one model in one metric."""

    items: Numbers
    totals: Numbers
    """A row per item."""


class ItemMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """A metric that scores each answer against its reference; the score of a set is their mean."""

    said = "string"
    """Type of what is scored."""

    def __init__(self, cache_dir: Path) -> None:
        # `evaluate` makes an empty folder there; nothing is written
        super().__init__(keep_in_memory=True, cache_dir=str(cache_dir))

    def _info(self) -> Any:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation="",
            inputs_description="",
            features=datasets.Features(
                {
                    "predictions": datasets.Value(self.said),
                    "references": datasets.Value("string"),
                }
            ),
        )

    def _compute(self, predictions: Sequence[Any], references: Sequence[str]) -> dict[str, Any]:
        items, totals = self.scored(predictions, references)
        score = float(self.of(totals.sum(axis=0, keepdims=True))[0])
        return {"score": score, "items": items, "totals": totals}

    def scored(self, said: Sequence[Any], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return a score per item, and a row of totals per item."""
        items = np.array([self.item(s, m) for s, m in zip(said, meant, strict=True)], dtype=float)
        return items, np.stack([items, np.ones(len(items))], axis=1)

    def of(self, totals: Numbers) -> Numbers:
        """Return the metric for each row of summed totals."""
        mean: Numbers = totals[:, 0] / totals[:, 1]
        return mean

    def item(self, said: Any, meant: str) -> float:
        """Score one answer."""
        raise NotImplementedError

    @property
    def is_mean(self) -> bool:
        """Whether the score of a set is the mean of its items."""
        return type(self).of is ItemMetric.of

    def score(self, said: Sequence[Any], meant: Sequence[str]) -> Scored:
        """Score all answers of one model."""
        found = self.compute(predictions=said, references=meant)
        return Scored(np.asarray(found["items"]), np.asarray(found["totals"]))


def ratio(above: Numbers, below: Numbers) -> Numbers:
    """Return quotients, 0 where there is nothing to divide by."""
    quotients: Numbers = np.zeros(np.shape(above))
    np.divide(above, below, out=quotients, where=below > 0)
    return quotients

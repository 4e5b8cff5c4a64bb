"""A metric of a person's own: rules computed as rewards are, and plugins that the settings name."""

import math
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from agents.own_metric import PLUGIN_GROUP, Plugin, Rule
from agents.worker.errors import WorkerError
from agents.worker.metrics.items import ItemMetric, Numbers
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics
from agents.worker.rewards.scorecard import Scorecard, Scorer, scorer
from agents.worker.shaped_rows import Task


class Own(ItemMetric):
    """The weighted mean of a person's own rules, each in 0 … 1."""

    def __init__(self, cache_dir: Path, card: Scorecard) -> None:
        super().__init__(cache_dir)
        self.card = card

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; plugins see all answers at once."""
        attempts = [Attempt(Task("", m, 0), s) for s, m in zip(said, meant, strict=True)]
        items = np.array(self.card.score(attempts), dtype=float)
        return items, np.stack([items, np.ones(len(items))], axis=1)


def card(rules: Sequence[Rule], embedding: str, allowed: Sequence[str]) -> Scorecard:
    """Return what scores answers by rules; only `allowed` plugins are loaded.

    Raises: WorkerError: a plugin may not be loaded or is not installed, or a rule's model is not there.
    """
    critics = Critics(embedding=embedding)
    return Scorecard(
        tuple(
            (
                rule.weight,
                plugin(rule.name, allowed) if isinstance(rule, Plugin) else scorer(rule, critics),
            )
            for rule in rules
        )
    )


def plugin(name: str, allowed: Sequence[str]) -> Scorer:
    """Load a plugin: a function that takes answers and references and returns a number in 0 … 1 for each.

    Raises: WorkerError: the settings do not name it, or no installed package offers it.
    """
    if name not in allowed:
        raise _refused(
            f"The metric plugin “{name}” is not among evaluation.metric_plugins, the ones that may be used here."
        )
    found = entry_points(group=PLUGIN_GROUP, name=name)
    if not found:
        raise _refused(
            f"No installed package offers the metric plugin “{name}” (entry point group {PLUGIN_GROUP})."
        )
    score: Callable[[list[str], list[str]], Sequence[Any]] = next(iter(found)).load()

    def scores(attempts: Sequence[Attempt]) -> list[float]:
        values = score([a.answer for a in attempts], [a.reference for a in attempts])
        return _checked(name, values, len(attempts))

    return scores


def _checked(name: str, values: Sequence[Any], count: int) -> list[float]:
    numbers = [float(value) for value in values]
    if len(numbers) != count or not all(
        math.isfinite(value) and 0 <= value <= 1 for value in numbers
    ):
        raise _refused(
            f"The metric plugin “{name}” has to return one number between 0 and 1 for each of {count} answers, and did not."
        )
    return numbers


def _refused(why: str) -> WorkerError:
    return WorkerError(
        "metric",
        f"{why} Whoever runs this Tunewright can mend that; `resume` then evaluates again.",
        for_person=True,
    )

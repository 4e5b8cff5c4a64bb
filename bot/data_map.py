"""The map of the training rows: which of them a model found easy, and which it never came to believe."""

from typing import Any

from bot.charts import ChartSpec, sparkline
from bot.text import inline

STRIPS = 20
"""Of the sparkline: rows by confidence, from never likely to always certain."""


def sentence(drawn: dict[str, Any]) -> str:
    """Say how many rows are where, with their confidence as a sparkline."""
    counts = [0] * STRIPS
    for confidence, *_rest in drawn["points"]:
        counts[min(int(confidence * STRIPS), STRIPS - 1)] += 1
    return (
        f"Of the training rows the model found {drawn['easy']:,} easy, {drawn['hard']:,} hard, and changed its mind on "
        f"{drawn['ambiguous']:,}. How likely it found their answers, from never to always: {inline(sparkline(counts, STRIPS))}"
    )


def chart(drawn: dict[str, Any]) -> ChartSpec:
    """Describe the picture of a map, as the event of an inspection keeps it."""
    return ChartSpec("map", "What the training thought of its rows", drawn)

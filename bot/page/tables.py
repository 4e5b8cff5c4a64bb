"""The tables of a report as data: what a page shows in cells, and by which number a column is sorted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agents.jobs import (
    Breakdown,
    Contamination,
    EvaluateResult,
    Forgetting,
    SwapReport,
    row_name,
)
from agents.recipe import Metric
from bot import caveats, dependence, metric_tables

MOST_ROWS = 200
"""Of a table; what is left out is said below it."""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell."""

    text: str
    value: float | None = None
    """What its column is sorted by; None: by the text."""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first cell of a row names it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    left_out: int = 0
    """Rows that there is no room for."""

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Tell which columns hold numbers, besides the one that names rows."""
        places = range(1, len(self.columns))
        return (False, *(any(row[i].value is not None for row in self.rows) for i in places))


def metrics(result: EvaluateResult) -> Table:
    """Return all metrics, and what became of everyday abilities."""
    rows = [
        (
            _text(
                metric_tables.NAMES[c.metric]
                + metric_tables.BETTER[c.metric.better]
                + (" ★" if c.metric is result.primary.metric else "")
            ),
            Cell(metric_tables.value(c.metric, c.base), c.base),
            Cell(metric_tables.value(c.metric, c.tuned), c.tuned),
            _signed(c.metric, c.gain),
            _interval(c.metric, c.low, c.high),
            Cell(f"{c.p_value:.2g}", c.p_value),
            Cell("–" if c.gained is None else f"{c.gained:,}", c.gained),
            Cell("–" if c.lost is None else f"{c.lost:,}", c.lost),
        )
        for c in result.comparisons
    ]
    return _table(
        "All metrics",
        "metric|base|tuned|gain|95 % interval|p|only tuned right|only base right",
        rows,
        "★ decides alone. Gains of shares are in points; p-values are before any correction.",
    )


def everyday(found: Forgetting | None) -> list[Table]:
    """Return what became of everyday abilities: by measure, and by ability; nothing where they were not asked."""
    if found is None:
        return []
    measures = [
        (
            _text(metric_tables.GENERAL[s.measure].partition(": ")[2]),
            _share(s.base),
            _share(s.tuned),
            _points(s.gain),
            _span(s.low, s.high),
            _text(metric_tables.KEPT[s.outcome]),
        )
        for s in found.scores
    ]
    abilities = [
        (
            _text(a.name),
            _count(a.items),
            _share(a.base_sure),
            _share(a.tuned_sure),
            _share(a.base_choice),
            _share(a.tuned_choice),
        )
        for a in found.abilities
    ]
    note = f"Suite {found.suite}. Kept is what loses less than {found.margin_points:g} points for certain."
    return [
        _table(
            "Everyday questions",
            "measure|base|tuned|gain (points)|95 % interval|outcome",
            measures,
            note,
        ),
        _table(
            "By ability",
            "ability|questions|base sure of right answers|tuned|base prefers the right one of four|tuned",
            abilities,
        ),
    ]


def prompted(result: EvaluateResult) -> list[Table]:
    """Return how the base with a better prompt does; nothing where it was not tried."""
    rows = [
        (
            _text(f"the base {caveats.with_prompt(tried.shots)}"),
            _share(tried.score),
            _share(result.primary.tuned),
            _points(tried.gain),
            _span(tried.low, tried.high),
        )
        for tried in result.prompted
    ]
    return _some(
        "The base with a better prompt",
        "asked|score|tuned|gain of tuned (points)|95 % interval",
        rows,
        "The same rows, metric and decoding, and no verdict of its own.",
    )


def slices(result: EvaluateResult) -> list[Table]:
    """Return the parts of the test rows; nothing where they were not parted."""
    rows = [
        (
            _text(f"{part.by}: {part.name}"),
            _count(part.items),
            _share(part.base),
            _share(part.tuned),
            _points(part.gain),
            _span(part.low, part.high),
            Cell(
                "–" if part.adjusted_p_value is None else f"{part.adjusted_p_value:.2g}",
                part.adjusted_p_value,
            ),
            _text("too few rows" if part.verdict is None else part.verdict.value.replace("_", " ")),
        )
        for part in result.slices
    ]
    return _some(
        "Parts of the test rows",
        "part|rows|base|tuned|gain (points)|95 % interval|p|verdict",
        rows,
        "p-values are corrected for all parts together (Holm); under 20 rows there is no verdict.",
    )


def answers(found: Breakdown | None) -> list[Table]:
    """Return what is right in the answers: by field, by label, and what was taken for what."""
    if found is None:
        return []
    fields = [
        (
            _text(f.name),
            _count(f.items),
            _share(f.base),
            _share(f.tuned),
            _share(f.always),
            _text(f.most_frequent),
            _text("still guessed" if f.is_guessed else "–"),
        )
        for f in found.fields
    ]
    labels = [
        (
            _text(s.label),
            _count(s.items),
            _share(s.found_by_base),
            _share(s.found),
            _share(s.base),
            _share(s.tuned),
        )
        for s in found.labels
    ]
    confusions = [(_text(c.meant), _text(c.said), _count(c.times)) for c in found.confusions]
    return [
        *_some(
            "What is right" if found.form == "labels" else "Field by field",
            "field|rows|base right|tuned right|always the most frequent value|which is|",
            fields,
        ),
        *_some(
            "Label by label, the worst first",
            "label|rows|found by base|found by tuned|F1 of base|F1 of tuned",
            labels,
        ),
        *_some("What the tuned model takes for what", "meant|said|times", confusions),
    ]


def contaminated(found: Contamination | None) -> list[Table]:
    """Return the sealed rows without a score; nothing where there are none."""
    if found is None:
        return []
    rows = [
        (
            Cell(row_name(item.row), item.row),
            _text(caveats.SOURCES[item.source].format(row_name(item.like))),
            _text(caveats.WAYS[item.way]),
            _share(item.likeness),
        )
        for item in found.items
    ]
    return _some(
        "Sealed rows without a score",
        "sealed|resembles|how|in common",
        rows,
        f"Compared with {found.compared_with:,} rows.",
    )


def swapped(found: SwapReport | None) -> list[Table]:
    """Return how often answers changed with one word; nothing where none was changed."""
    if found is None:
        return []
    rows = [
        (
            _text(one.attribute.words),
            Cell(dependence.share(one.tuned), one.tuned.flipped),
            Cell(dependence.share(one.control), one.control.flipped),
            Cell(dependence.above(one), one.above),
            Cell(dependence.share(one.base), one.base.flipped),
            Cell(dependence.share(one.base_control), one.base_control.flipped),
            _text(dependence.sides(one)),
            _text(dependence.OUTCOMES[one.outcome].replace("**", "")),
        )
        for one in found.attributes
    ]
    return _some(
        "Other answers with one word changed",
        "changed|other answers|by words that change nothing|more (points)|base|base, words that change nothing|score by side (p)|",
        rows,
        "Under 20 rows of either kind there is no verdict.",
    )


def curve(name: str, points: Iterable[tuple[int, float]]) -> Table:
    """Return the numbers behind a curve."""
    rows = [(_count(step), Cell(f"{value:.4f}", value)) for step, value in points]
    return _table(f"{name} by step", f"step|{name}", rows)


def _some(caption: str, columns: str, rows: Sequence[Any], note: str = "") -> list[Table]:
    return [_table(caption, columns, rows, note)] if rows else []


def _table(caption: str, columns: str, rows: Sequence[tuple[Cell, ...]], note: str = "") -> Table:
    left_out = max(0, len(rows) - MOST_ROWS)
    return Table(caption, tuple(columns.split("|")), tuple(rows[:MOST_ROWS]), note, left_out)


def _text(text: str) -> Cell:
    return Cell(text)


def _count(number: int) -> Cell:
    return Cell(f"{number:,}", number)


def _share(number: float) -> Cell:
    return Cell(f"{100 * number:.1f} %", number)


def _points(number: float) -> Cell:
    return Cell(f"{100 * number:+.1f}", number)


def _span(low: float, high: float) -> Cell:
    return Cell(f"{100 * low:+.1f} … {100 * high:+.1f}", low)


def _signed(metric: Metric, number: float) -> Cell:
    return Cell(f"{100 * number:+.1f}" if metric.is_share else f"{number:+.2f}", number)


def _interval(metric: Metric, low: float, high: float) -> Cell:
    return Cell(f"{_signed(metric, low).text} … {_signed(metric, high).text}", low)

"""Whether rows are missing, and how many of which kind: by counting those that are there, and by what a training has shown.

Rules, each with the sentence that a person is told. Where the thresholds come from: docs/data-generation.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from agents import made_rows
from agents.diagnosis.evidence import LABEL_CHARS
from agents.diagnosis.rows import FEW_ROWS, VERY_FEW_ROWS
from agents.jobs import IntakeResult, RowsForecast, Stratum
from agents.made_wishes import MadeRowsWish
from agents.row_forecast import WORTH

GAP = 0.5
"""A label with fewer rows than this share of the median has a gap."""
MOST_PER_ROW = 5
"""Made rows for a row of the upload, at most: more of them say the same again."""
FEWEST_MORE = 20
"""Rows that "more of it" means at least."""
NAMED = 5


@dataclass(frozen=True)
class Supply:
    """Rows to learn from, counted."""

    rows: int
    by_label: Mapping[str, int] = field(default_factory=dict)
    """Empty where the answers are no labels."""

    @property
    def usual(self) -> float:
        """Median of the rows of a label."""
        return median(self.by_label.values()) if self.by_label else 0.0


@dataclass(frozen=True)
class Need:
    """Rows that are missing, and why."""

    strata: tuple[Stratum, ...]
    why: tuple[str, ...]


def count(raw: bytes, data: IntakeResult) -> Supply:
    """Count prepared rows, by label where the answers are some."""
    records = made_rows.lines_of(raw)
    if not are_labels(data):
        return Supply(len(records))
    counted = Counter(map(made_rows.answer_of, records))
    return Supply(len(records), {label: counted[label] for label in data.labels if counted[label]})


def are_labels(data: IntakeResult) -> bool:
    """Tell whether answers are a few labels; twice each is enough here, as rows are made where there are few."""
    return (
        1 < data.distinct_completions <= data.rows_usable / 2
        and data.completion_chars_p95 <= LABEL_CHARS
        and len(data.labels) > 1
    )


def need(supply: Supply, ahead: RowsForecast | None = None) -> Need | None:
    """Return the rows that are missing; None where nothing says that some are."""
    found = [one for one in (gaps(supply), few(supply), forecast(supply, ahead)) if one is not None]
    if not found:
        return None
    most: dict[str | None, int] = {}
    for one in found:
        _raise(most, one.strata)
    return Need(strata_of(most), tuple(why for one in found for why in one.why))


def gaps(supply: Supply) -> Need | None:
    """Labels with far fewer rows than the others: up to the median of all."""
    usual = supply.usual
    short = {label: rows for label, rows in supply.by_label.items() if rows < GAP * usual}
    if not short:
        return None
    ranked = sorted(short, key=lambda label: (short[label], label))
    named = ", ".join(f"“{label}” {short[label]:,}" for label in ranked[:NAMED])
    more = ", …" if len(ranked) > NAMED else ""
    wanted = {label: min(round(usual) - rows, MOST_PER_ROW * rows) for label, rows in short.items()}
    return Need(
        strata_of(wanted),
        (
            f"{len(short):,} of {len(supply.by_label):,} labels have less than half of the {usual:,.0f} rows that a label "
            f"has here (median): {named}{more}.",
        ),
    )


def few(supply: Supply) -> Need | None:
    """So few rows that chance decides: up to what makes most tasks steady, as far as so few can be varied."""
    if not 0 < supply.rows < VERY_FEW_ROWS:
        return None
    rows = min(FEW_ROWS - supply.rows, MOST_PER_ROW * supply.rows)
    return Need(
        _within_reason(spread(rows, supply), supply),
        (
            f"There are only {supply.rows:,} rows to learn from; about {FEW_ROWS} make most tasks steady.",
        ),
    )


def forecast(supply: Supply, ahead: RowsForecast | None) -> Need | None:
    """More rows of the kind that is there, where the learning curve says that they would be worth it."""
    if ahead is None or ahead.loss <= 0 or ahead.low <= 0 or ahead.gain / ahead.loss < WORTH:
        return None
    rows = min(ahead.more, MOST_PER_ROW * max(supply.rows, 1))
    return Need(
        _within_reason(spread(rows, supply), supply),
        (
            f"By the learning curve of the last try {ahead.more:,} more rows would lower the loss of new rows by about "
            f"{ahead.gain:.2g} of {ahead.loss:.3f} ({ahead.low:.2g} to {ahead.high:.2g} with 95 % confidence), if they were like yours.",
        ),
    )


def spread(rows: int, supply: Supply) -> tuple[Stratum, ...]:
    """Give rows to labels so that the smallest grow first; to no label where there are none."""
    if rows < 1:
        return ()
    if not supply.by_label:
        return (Stratum(rows=rows),)
    level = _level(rows, list(supply.by_label.values()))
    wanted = {label: max(0, int(level) - there) for label, there in supply.by_label.items()}
    left = rows - sum(wanted.values())
    for label in sorted(supply.by_label, key=lambda name: (supply.by_label[name], name)):
        if left > 0 and supply.by_label[label] + wanted[label] <= level:
            wanted[label] += 1
            left -= 1
    return strata_of(wanted)


def wanted(wish: MadeRowsWish, supply: Supply, ahead: RowsForecast | None) -> Need:
    """Return what a wish comes to in numbers; no strata where it wants some only if they are missing, and none are."""
    most = _named(wish, supply)
    why = ["You asked for it."] if most else []
    facts_alone = bool(wish.with_facts) and not most
    found = need(supply, ahead) if wish.auto or facts_alone else None
    if found is not None:
        _raise(most, found.strata)
        why += found.why
    elif facts_alone:
        _raise(most, spread(max(FEWEST_MORE, min(supply.rows, FEW_ROWS)), supply))
        why.append("You asked for rows from documents.")
    return Need(strata_of(most), tuple(why))


def _named(wish: MadeRowsWish, supply: Supply) -> dict[str | None, int]:
    """Return the rows that a wish names, by label."""
    most: dict[str | None, int] = {}
    for stratum in wish.strata:
        parts = spread(stratum.rows, supply) if stratum.label is None else (stratum,)
        for part in parts:
            most[part.label] = most.get(part.label, 0) + part.rows
    for label in wish.more_of:
        there = supply.by_label.get(label, 0)
        rows = max(round(supply.usual) - there, there, FEWEST_MORE)
        rows = min(rows, MOST_PER_ROW * max(there, FEWEST_MORE))
        _raise(most, (Stratum(label=label, rows=rows),))
    return most


def _raise(most: dict[str | None, int], strata: Iterable[Stratum]) -> None:
    """Let each label have at least the rows that are said here."""
    for stratum in strata:
        most[stratum.label] = max(most.get(stratum.label, 0), stratum.rows)


def bounded(
    strata: Sequence[Stratum], supply: Supply, most_share: float, most_rows: int
) -> tuple[tuple[Stratum, ...], str | None]:
    """Return the strata within what the settings and the number of rows allow, and what a person is told where that is less."""
    asked = sum(stratum.rows for stratum in strata)
    room = min(most_rows, int(most_share / (1 - most_share) * supply.rows))
    if asked <= room:
        return tuple(strata), None
    fewer = strata_of({s.label: int(s.rows * room / asked) for s in strata})
    kept = sum(stratum.rows for stratum in fewer)
    because = (
        f"{most_rows:,} are as many as I make in one try here"
        if room == most_rows
        else f"made rows may be {most_share:.0%} of those to learn from"
    )
    return fewer, f"{kept:,} rows are made instead of {asked:,}: {because}."


def strata_of(rows: Mapping[str | None, int] | Mapping[str, int]) -> tuple[Stratum, ...]:
    """Return strata by label, without empty ones; the largest first."""
    ranked = sorted(rows.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(Stratum(label=label, rows=number) for label, number in ranked if number > 0)


def total(strata: Iterable[Stratum]) -> int:
    """Return the rows of all strata."""
    return sum(stratum.rows for stratum in strata)


def _within_reason(strata: Sequence[Stratum], supply: Supply) -> tuple[Stratum, ...]:
    """Return strata without what would say the few rows of a label too often."""
    return strata_of(
        {
            s.label: s.rows
            if s.label is None
            else min(s.rows, MOST_PER_ROW * supply.by_label[s.label])
            for s in strata
        }
    )


def _level(rows: int, there: list[int]) -> float:
    """Return up to how many rows each label comes when so many are given to the smallest ones."""
    heights = sorted(there)
    for number in range(1, len(heights) + 1):
        level = (rows + sum(heights[:number])) / number
        if number == len(heights) or level <= heights[number]:
            return level
    raise ValueError("there is no label")

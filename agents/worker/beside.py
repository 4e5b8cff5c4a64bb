"""What columns beside the texts say of rows: which of them belong together, and when each was written.

Rows of one customer, document or conversation are alike in ways that no comparison of words sees.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TypeVar

from agents.jobs import Reading
from agents.worker.table import Table
from agents.worker.values import plain

Value = TypeVar("Value")

KIN = (
    *("group", "group_id", "family", "cluster", "cluster_id"),
    *("customer", "customer_id", "client", "client_id", "user_id", "account_id", "patient_id"),
    *("author", "author_id", "speaker", "speaker_id", "agent_id", "company", "company_id"),
    *("conversation_id", "dialogue_id", "dialog_id", "thread_id", "session_id", "ticket_id"),
    *("document_id", "doc_id", "article_id", "paper_id", "page_id", "product_id", "case_id"),
    *("source_id", "source", "url", "link"),
)
"""Columns whose rows of one value belong together, the surest first."""
DATES = (
    *("date", "datetime", "timestamp", "time", "day"),
    *("created", "created_at", "created_on", "sent_at", "received_at", "published", "published_at"),
)
FEWEST_KIN = 10
"""Different values from which on they tell rows apart; three sources of a data set do not."""
LARGEST_KIN = 0.5
"""Share of the rows that one value may have: the others are what can be held out."""
MOST_TIED = 0.1
"""Share of the rows that are tied together where rows resemble each other across values; a value alone may have more."""
MOSTLY = 0.9
EPOCH_S = (10**8, 10**10)
"""Seconds from 1973 to 2286."""


@dataclass(frozen=True)
class Beside:
    """By row number; empty where no column says so."""

    kin: Mapping[int, str] = field(default_factory=dict)
    kin_column: str = ""
    dates: Mapping[int, date] = field(default_factory=dict)
    date_column: str = ""


def beside(table: Table, reading: Reading, begin: int) -> Beside:
    """Look at the columns of a file that the reading leaves alone; `begin` is added to its row numbers."""
    used = {*reading.prompt, *reading.answer, reading.rejected, reading.label, reading.reference}
    by_key = {name.strip().casefold(): name for name in table.columns if name not in used}
    kin, kin_column = _first(KIN, by_key, table, _kin)
    dates, date_column = _first(DATES, by_key, table, _dates)
    return Beside(
        {row + begin: f"{kin_column.casefold()}\0{value}" for row, value in kin.items()},
        kin_column,
        {row + begin: value for row, value in dates.items()},
        date_column,
    )


def together(found: Iterable[Beside]) -> Beside:
    """Return what is known of the rows of all files."""
    kin: dict[int, str] = {}
    dates: dict[int, date] = {}
    names: dict[str, None] = {}
    dated: dict[str, None] = {}
    for one in found:
        kin |= one.kin
        dates |= one.dates
        names |= dict.fromkeys(filter(None, [one.kin_column]))
        dated |= dict.fromkeys(filter(None, [one.date_column]))
    return Beside(kin, "' or '".join(names), dates, "' and '".join(dated))


def tied(group_of: Mapping[int, int], kin: Mapping[int, str]) -> dict[int, int]:
    """Join the groups of rows that belong together, as long as the outcome is small enough to be held out.

    Both are by row number. What is not joined is found by the check afterwards.
    """
    sizes = Counter(group_of.values())
    by_kin: dict[str, dict[int, None]] = {}
    for row, value in sorted(kin.items()):
        if row in group_of:
            by_kin.setdefault(value, {})[group_of[row]] = None
    members = Counter(value for row, value in kin.items() if row in group_of)
    most = max([int(MOST_TIED * len(group_of)), *members.values()])
    parent: dict[int, int] = {}

    def root(group: int) -> int:
        while (above := parent.get(group, group)) != group:
            group = above
        return group

    for _value, groups in sorted(by_kin.items()):
        first, *others = groups
        for other in others:
            one, two = sorted((root(first), root(other)))
            if one != two and sizes[one] + sizes[two] <= most:
                parent[two] = one
                sizes[one] += sizes[two]
    return {row: root(group) for row, group in group_of.items()}


def _first(
    names: Iterable[str],
    by_key: Mapping[str, str],
    table: Table,
    read: Callable[[dict[int, str], int], dict[int, Value]],
) -> tuple[dict[int, Value], str]:
    """Return what the first of these columns says that says anything, by row, and its name."""
    for name in (by_key[key] for key in names if key in by_key):
        values = {record.row: plain(record.values.get(name)) for record in table.records}
        found = read({row: value for row, value in values.items() if value}, len(values))
        if found:
            return found, name
    return {}, ""


def _kin(values: dict[int, str], rows: int) -> dict[int, str]:
    """Return the values where they put rows together and leave enough apart."""
    counts = Counter(values.values())
    if len(counts) < FEWEST_KIN or len(counts) == len(values):
        return {}
    return values if max(counts.values()) <= LARGEST_KIN * rows else {}


def _dates(values: dict[int, str], rows: int) -> dict[int, date]:
    """Return the days where nearly all values are dates, and not all of one day."""
    found = {row: day for row, value in values.items() if (day := _day(value)) is not None}
    return found if len(found) >= MOSTLY * rows and len(set(found.values())) > 1 else {}


def _day(value: str) -> date | None:
    try:
        if value.isdecimal():
            seconds = int(value[:10]) if len(value) in {10, 13} else int(value)
            inside = EPOCH_S[0] <= seconds < EPOCH_S[1]
            return datetime.fromtimestamp(seconds, UTC).date() if inside else None
        return date.fromisoformat(value[:10])
    except ValueError:
        return None

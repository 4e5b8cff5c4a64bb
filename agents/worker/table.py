"""Rows of an upload as a table of text, with what was left out."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agents.jobs import ROWS_PER_FILE, RowError
from agents.worker.upload_bytes import bad_data

MAX_COLUMNS = 256
MAX_NAME_CHARS = 200
MAX_SHOWN_ERRORS = 20
MAX_BLANK_ROWS = 2_000_000
"""A spreadsheet may export a million of them; more only cost time."""
TOLD_ROWS = 20_000
"""Rows between two signs of life."""
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Number(str):
    """A number in the file's own spelling: an answer "3.10" must not become "3.1"."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stood in the file."""

    row: int
    """As in `RowError.row`."""
    values: dict[str, object]
    """By column. Text of a CSV is a string, a number of a JSON a `Number`; lists and objects keep their form."""


@dataclass
class RowErrors:
    """Rows left out: all of them counted, those nearest to the top of the file kept."""

    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """How often each reason was given, for the first few reasons."""
    _kept: list[RowError] = field(default_factory=list)

    def add(self, row: int, reason: str) -> None:
        """Count one row as left out."""
        self.count += 1
        self._kept.append(RowError(row=row, reason=reason))
        if len(self._kept) > 2 * MAX_SHOWN_ERRORS:
            self._kept = list(self.first())
        if reason in self.reasons or len(self.reasons) < MAX_SHOWN_ERRORS:
            self.reasons[reason] += 1

    def copy(self) -> "RowErrors":
        """Return the same errors, to be added to apart."""
        return RowErrors(self.count, self.reasons.copy(), list(self._kept))

    def take(self, others: "RowErrors", place: int) -> None:
        """Count the errors of a further file too, `place` being how many files stand before it."""
        self.count += others.count
        self._kept += [
            RowError(row=error.row + place * ROWS_PER_FILE, reason=error.reason)
            for error in others.first()
        ]
        self.reasons += others.reasons

    def first(self) -> tuple[RowError, ...]:
        """Return the errors of the topmost rows, in order."""
        return tuple(sorted(self._kept, key=lambda error: error.row)[:MAX_SHOWN_ERRORS])


@dataclass(frozen=True)
class Table:
    """All whole rows of a file."""

    format: str
    """For people: "CSV, delimiter ',', UTF-8"."""
    columns: tuple[str, ...]
    records: tuple[Record, ...]
    has_header: bool = False
    """The names stood in a row of the file, which may have been a row of data."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands in a record for a value that is no value, so that the rows after it can still be read."""

    reason: str


@dataclass
class RowLimit:
    """Counts rows, good and bad, and refuses the one too many before memory or time is spent on it."""

    max_rows: int
    rows: int = 0
    blank_rows: int = 0
    tell: Callable[[int, int], None] = field(default=lambda _rows, _of: None)
    """Called with the rows so far, and with how many there may be (0: unknown), every `TOLD_ROWS` rows."""
    expected_rows: int = 0

    def count(self) -> None:
        """Count a row. Raises: WorkerError: it is one too many."""
        self.rows += 1
        if self.rows % TOLD_ROWS == 0:
            self.tell(self.rows, max(self.expected_rows, self.rows))
        if self.rows > self.max_rows:
            raise bad_data(
                f"The file has more than {self.max_rows:,} rows, which is the most that is accepted here. "
                "Upload a part of it."
            )

    def count_blank(self) -> None:
        """Count a blank row, which is skipped. Raises: WorkerError: it is one too many."""
        self.blank_rows += 1
        if self.blank_rows > MAX_BLANK_ROWS:
            raise bad_data(
                f"The file has more than {MAX_BLANK_ROWS:,} blank rows. Remove them and upload it again."
            )


def cannot_be_stored(text: str) -> bool:
    """Tell whether a text holds NUL or half of a surrogate pair, which no UTF-8 file can hold."""
    return "\x00" in text or (not text.isascii() and LONE_SURROGATE.search(text) is not None)


def clipped(text: str, limit: int = 40) -> str:
    """Cut a text from a file for a message; what cannot be printed becomes a box."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in shown)


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Join names from a file for a message: 'a', 'b' and 3 more."""
    quoted = [f"'{clipped(name)}'" for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return ", ".join(quoted[:limit]) + more


def refuse_odd_names(names: Iterable[str]) -> None:
    """Refuse column names that no one can have meant as names.

    Raises: WorkerError: a name cannot be stored, or is so long that it must be data.
    """
    odd = next((name for name in names if cannot_be_stored(name)), None)
    if odd is not None:
        raise bad_data(
            f"The column name '{clipped(odd)}' holds a NUL or half a character. Give it a plain name."
        )
    long = next((name for name in names if len(name) > MAX_NAME_CHARS), None)
    if long is not None:
        raise bad_data(
            f"A column name has {len(long):,} characters ('{clipped(long)}'), so the first row is probably not a header. "
            "Put column names there, such as prompt,completion."
        )

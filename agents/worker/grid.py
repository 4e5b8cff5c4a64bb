"""Rows of values below a row of names, as CSV files and sheets have them, into records."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agents.worker.table import (
    MAX_COLUMNS,
    Record,
    RowErrors,
    RowLimit,
    clipped,
    refuse_odd_names,
)
from agents.worker.upload_bytes import bad_data

Numbered = Iterator[tuple[int, Sequence[object]]]
"""(row number, values) of every row that is not blank."""


def read_grid(
    rows: Numbered, limit: RowLimit, errors: RowErrors
) -> tuple[tuple[str, ...], tuple[Record, ...]]:
    """Return column names and records; a row with too few or too many values is a row error.

    Empty values beyond the last name count for nothing: spreadsheets leave them behind.
    Raises: WorkerError: no sane row of names, or too many rows.
    """
    header_row, header = next(rows, (0, []))
    if not header or errors.count:
        raise bad_data(
            "The first row cannot be read as column names. It should be like: prompt,completion"
        )
    columns = _column_names([str(name) for name in header])
    width = len(columns)
    records = []
    for number, values in rows:
        limit.count()
        if len(values) != width:
            values = _trimmed(values, width)
        if len(values) == width:
            records.append(Record(number, dict(zip(columns, values, strict=True))))
        else:
            found = "1 value" if len(values) == 1 else f"{len(values)} values"
            errors.add(number, f"{found} where row {header_row} names {width} columns")
    return columns, tuple(records)


def _trimmed(values: Sequence[object], width: int) -> Sequence[object]:
    end = len(values)
    while end > width and not str(values[end - 1]).strip():
        end -= 1
    return values[:end]


def _column_names(header: list[str]) -> tuple[str, ...]:
    while len(header) > 1 and not header[-1].strip():
        header.pop()
    names = [name.strip() or f"column {number}" for number, name in enumerate(header, start=1)]
    if len(names) > MAX_COLUMNS:
        raise bad_data(f"The file has {len(names):,} columns; at most {MAX_COLUMNS} are read.")
    refuse_odd_names(names)
    return _told_apart(names)


def _told_apart(names: list[str]) -> tuple[str, ...]:
    """Number the second and later columns of one name: text, text (2)."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    twice = next((name for name, times in Counter(told).items() if times > 1), None)
    if twice is not None:
        raise bad_data(
            f"Two columns are called '{clipped(twice)}'. Give every column a name of its own."
        )
    return tuple(told)

"""CSV of any common dialect into a table."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator

from agents.worker.table import (
    MAX_COLUMNS,
    Record,
    RowErrors,
    RowLimit,
    Table,
    clipped,
    refuse_odd_names,
)
from agents.worker.upload_bytes import Encoding, bad_data

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_TITLES = {"\t": "tab"}
HEAD_CHARS = 64 * 2**10
"""Beginning of the file that the delimiter is chosen by."""


def read_csv(raw: bytes, encoding: Encoding, limit: RowLimit, errors: RowErrors) -> Table:
    """Read a CSV with a header; quotes are doubled inside quoted values, as RFC 4180 has it.

    Raises: WorkerError: no two columns, no sane header, a quote that never ends, or too many rows.
    """
    # Length is checked per value later: stopping inside a quoted value would take its rest for rows.
    csv.field_size_limit(max(len(raw), 2**17))
    with io.TextIOWrapper(io.BytesIO(raw), encoding.codec, newline="") as stream:
        head = stream.read(HEAD_CHARS)
        delimiter = _delimiter(head, is_whole=not stream.read(1))
        stream.seek(0)
        columns, records = _read_rows(
            _numbered_rows(stream, delimiter, limit, errors), limit, errors
        )
    title = DELIMITER_TITLES.get(delimiter, f"'{delimiter}'")
    return Table(f"CSV, delimiter {title}, {encoding.title}", columns, records)


def _read_rows(
    rows: Iterator[tuple[int, list[str]]], limit: RowLimit, errors: RowErrors
) -> tuple[tuple[str, ...], tuple[Record, ...]]:
    header_row, header = next(rows, (0, []))
    if not header or errors.count:
        raise bad_data(
            "The first row cannot be read as column names. It should be like: prompt,completion"
        )
    columns = _column_names(header)
    records = []
    for number, values in rows:
        limit.count()
        if len(values) == len(columns):
            records.append(Record(number, dict(zip(columns, values, strict=True))))
        else:
            found = "1 value" if len(values) == 1 else f"{len(values)} values"
            errors.add(number, f"{found} where row {header_row} names {len(columns)} columns")
    return columns, tuple(records)


def _numbered_rows(
    stream: Iterable[str], delimiter: str, limit: RowLimit, errors: RowErrors
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, values) of every row that is not blank."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise bad_data(
                    f"A quote is opened in the row that begins in line {line} and never closed, so it is unclear where "
                    'that row ends. Close it with " or write a literal quote as "".'
                ) from None
            limit.count()
            errors.add(line, _quoting_reason(line, reader.line_num))
            continue
        if any(value and not value.isspace() for value in values):
            yield line, values
        else:
            limit.count_blank()


def _quoting_reason(first_line: int, last_line: int) -> str:
    where = f" (lines {first_line} to {last_line})" if last_line > first_line else ""
    return f'text follows a closing quote; inside a quoted value write " as ""{where}'


def _delimiter(head: str, is_whole: bool) -> str:
    """Choose the delimiter that cuts most rows into as many values as there are column names."""
    best: str | None = None
    best_score = (0.0, 0)
    for candidate in DELIMITERS:
        reader = csv.reader(
            io.StringIO(head, newline=""), delimiter=candidate, skipinitialspace=True
        )
        rows = [row for row in reader if any(row)]
        if not is_whole and len(rows) > 1:
            rows.pop()
        width = len(rows[0]) if rows else 0
        if width > 1:
            score = (sum(len(row) == width for row in rows) / len(rows), width)
            if score > best_score:
                best, best_score = candidate, score
    if best is None:
        name = clipped(head.strip().split("\n")[0].strip())
        raise bad_data(
            f"Only one column was found ('{name}'). A CSV needs at least two, such as prompt,completion, separated by a "
            "comma, semicolon, tab or |."
        )
    return best


def _column_names(header: list[str]) -> tuple[str, ...]:
    names = [name.strip() or f"column {number}" for number, name in enumerate(header, start=1)]
    if len(names) > MAX_COLUMNS:
        raise bad_data(f"The file has {len(names):,} columns; at most {MAX_COLUMNS} are read.")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise bad_data(
            f"Two columns are called '{clipped(twice[0])}'. Give every column a name of its own."
        )
    refuse_odd_names(names)
    return tuple(names)

"""CSV of any common dialect, and plain text, into a table."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from agents.worker.grid import read_grid
from agents.worker.role_names import EXCHANGES, PROMPTS, TEXTS
from agents.worker.table import Record, RowErrors, RowLimit, Table
from agents.worker.upload_bytes import Encoding, bad_data

DELIMITERS = (",", ";", "\t", "|")
RARE_DELIMITERS = ("^", "~", "¦", "§", "\x1f", "\x01", "#", "$", "&", "@", "*", "!")
"""Taken only where every row agrees; they are common in texts."""
DELIMITER_TITLES = {"\t": "tab", "\x1f": "unit separator", "\x01": "Ctrl-A"}
NO_DELIMITER = "\x1f"
"""For a file with one column, where quotes still quote."""
HEAD_CHARS = 64 * 2**10
"""Beginning of the file that the delimiter is chosen by."""
EXCEL_HINT = re.compile(r'"?sep=(.)"?\r?\n')
"""Excel's own first line, which names the delimiter and is no row."""
SURE = 0.5
"""Share of rows that must agree with the first one; below that it is text with a few commas in it."""
NAME_WORDS = 4
NAME_CHARS = 40
ONE_COLUMN_NAMES = TEXTS.union(
    PROMPTS, EXCHANGES, ("texts", "content", "sentences", "body", "story", "poem")
)
"""What a first line says that is the name of the only column, and no text."""


def read_csv(raw: bytes, encoding: Encoding, limit: RowLimit, errors: RowErrors) -> Table:
    """Read a CSV with a header; quotes are doubled inside quoted values, as RFC 4180 has it.

    A file without columns is plain text: a row per line, or per paragraph where empty lines part them.
    Raises: WorkerError: no sane header, a quote that never ends, or too many rows.
    """
    # Length is checked per value later: stopping inside a quoted value would take its rest for rows.
    csv.field_size_limit(max(len(raw), 2**17))
    with io.TextIOWrapper(io.BytesIO(raw), encoding.codec, newline="") as stream:
        head = stream.read(HEAD_CHARS)
        is_whole = not stream.read(1)
        stream.seek(0)
        hint = EXCEL_HINT.match(head)
        if hint:
            stream.readline()
            delimiter: str | None = hint[1]
        else:
            delimiter = _delimiter(head, is_whole)
        if delimiter is None:
            return _read_text(stream, encoding, limit)
        rows = _numbered_rows(stream, delimiter, limit, errors, first_line=2 if hint else 1)
        columns, records = read_grid(rows, limit, errors)
    if delimiter == NO_DELIMITER and len(columns) == 1:
        return Table(f"one column, {encoding.title}", columns, records)
    title = DELIMITER_TITLES.get(delimiter, f"'{delimiter}'")
    return Table(f"CSV, delimiter {title}, {encoding.title}", columns, records, has_header=True)


def _numbered_rows(
    stream: Iterable[str], delimiter: str, limit: RowLimit, errors: RowErrors, *, first_line: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, values) of every row that is not blank."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + first_line
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
            errors.add(line, _quoting_reason(line, reader.line_num + first_line - 1))
            continue
        if any(value and not value.isspace() for value in values):
            yield line, values
        else:
            limit.count_blank()


def _quoting_reason(first_line: int, last_line: int) -> str:
    where = f" (lines {first_line} to {last_line})" if last_line > first_line else ""
    return f'text follows a closing quote; inside a quoted value write " as ""{where}'


# ---- which delimiter ------------------------------------------------------------------------------------------------


def _delimiter(head: str, is_whole: bool) -> str | None:
    """Choose the delimiter that cuts most rows into as many values as there are column names; None: it is plain text."""
    best, best_score = None, (0.0, 0)
    for candidate in DELIMITERS:
        score = _agreement(head, candidate, is_whole)
        if score > best_score:
            best, best_score = candidate, score
    named = best is not None and _is_header(head, best)
    if best is not None and (named or (best_score[0] >= SURE and not _is_prose(head, best))):
        return best
    for candidate in RARE_DELIMITERS:
        share, width = _agreement(head, candidate, is_whole)
        if share == 1 and width > 1 and _is_header(head, candidate):
            return candidate
    first = head.strip().split("\n")[0].strip().strip('"').casefold()
    return NO_DELIMITER if first in ONE_COLUMN_NAMES else None


def _agreement(head: str, delimiter: str, is_whole: bool) -> tuple[float, int]:
    """Return the share of rows that are as wide as the first one, and its width; (0, 0) where that is one column."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows = [row for row in reader if any(row)]
    if not is_whole and len(rows) > 1:
        rows.pop()
    width = len(rows[0]) if rows else 0
    if width < 2:
        return (0.0, 0)
    return (sum(len(row) == width for row in rows) / len(rows), width)


def _is_prose(head: str, delimiter: str) -> bool:
    """Tell whether what could part values is punctuation: nothing but white space ever follows it."""
    return re.search(rf"{re.escape(delimiter)}\S", head) is None


def _is_header(head: str, delimiter: str) -> bool:
    """Tell whether the first row could be names: a few words each, no two alike, none a number."""
    first = next(csv.reader(io.StringIO(head.lstrip(), newline=""), delimiter=delimiter), [""])
    return all(
        len(name) <= NAME_CHARS
        and len(name.split()) <= NAME_WORDS
        and name[-1:] not in {".", "!", "?"}
        for name in map(str.strip, first)
    )


# ---- plain text -----------------------------------------------------------------------------------------------------


def _read_text(stream: Iterable[str], encoding: Encoding, limit: RowLimit) -> Table:
    lines = [line.rstrip("\r\n") for line in stream]
    parted = any(not line.strip() for line in _trimmed(lines))
    records: list[Record] = []
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append(line)
        if block and (not parted or not line.strip()):
            limit.count()
            first = number - len(block) + (1 if line.strip() else 0)
            records.append(Record(first, {"text": "\n".join(block)}))
            block = []
    per = "paragraph" if parted else "line"
    return Table(f"plain text, a row per {per}, {encoding.title}", ("text",), tuple(records))


def _trimmed(lines: list[str]) -> list[str]:
    """Leave out blank lines at both ends."""
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []

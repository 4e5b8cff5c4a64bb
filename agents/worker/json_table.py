"""JSON and JSONL into a table, one object at a time and without trust."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from agents.worker.grid import read_grid
from agents.worker.table import (
    MAX_COLUMNS,
    Number,
    Record,
    RowErrors,
    RowLimit,
    Table,
    Unusable,
    clipped,
    listed,
    refuse_odd_names,
)
from agents.worker.upload_bytes import Encoding, bad_data

WHITESPACE = re.compile(r"[ \t\r\n]*")


def read_json(raw: bytes, encoding: Encoding, limit: RowLimit, errors: RowErrors) -> Table:
    """Read a list of objects; or an object that holds exactly one such list, or a list per column; or objects in a row.

    A list of lists is a table whose first row holds the names.
    Raises: WorkerError: it is none of these, the JSON breaks off somewhere, or there are too many rows.
    """
    elements = _list_elements(raw.decode(encoding.codec))
    title = f"JSON, {encoding.title}"
    first = next(elements, None)
    if first is None:
        return Table(title, (), ())
    together = chain([first], elements)
    if isinstance(first[1], list):
        columns, records = read_grid(_lists(together, errors), limit, errors)
        return Table(f"JSON, a list of lists, {encoding.title}", columns, records)
    return _table(together, title, limit, errors)


def read_jsonl(raw: bytes, encoding: Encoding, limit: RowLimit, errors: RowErrors) -> Table:
    """Read one object per line; a line that is none is a row error.

    Raises: WorkerError: there are too many rows.
    """
    with io.TextIOWrapper(io.BytesIO(raw), encoding.codec) as lines:
        return _table(_line_elements(lines, limit), f"JSONL, {encoding.title}", limit, errors)


def _object(pairs: list[tuple[str, object]]) -> object:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return Unusable(f"the key '{clipped(twice)}' appears twice in one object")


def _not_json(constant: str) -> Unusable:
    return Unusable(f"{constant} is not a value that JSON knows")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_not_json, parse_float=Number, parse_int=Number
)


class _Cursor:
    """A place in a JSON text that only moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        match = WHITESPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def take(self, wanted: str) -> bool:
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def value(self) -> object:
        self.peek()
        try:
            found, self.at = _DECODER.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise self.broken(error.msg, error.pos) from None
        except RecursionError:
            raise self.broken("brackets are nested too deeply", self.at) from None
        return found

    def broken(self, what: str, at: int | None = None) -> Exception:
        error = json.JSONDecodeError(what, self.text, self.at if at is None else at)
        where = f"line {error.lineno:,}, column {error.colno:,}"
        return bad_data(
            f"The JSON cannot be read at {where}: {what}. Correct it, or export the rows anew."
        )

    def elements(self) -> Iterator[object]:
        """Yield the elements of the list that begins here, never holding more than one; a comma may follow the last."""
        self.take("[")
        while not self.take("]"):
            yield self.value()
            if not self.take(",") and self.peek() != "]":
                raise self.broken("expected ',' or ']' after a row")

    def end(self) -> None:
        if self.peek():
            raise self.broken("there is more text after the end")


def _list_elements(text: str) -> Iterator[tuple[int, object]]:
    cursor = _Cursor(text)
    if cursor.peek() == "[":
        yield from enumerate(cursor.elements(), start=1)
    else:
        yield from enumerate(_rows_of_object(cursor), start=1)
    cursor.end()


def _rows_of_object(cursor: _Cursor) -> Iterator[object]:
    """Yield the rows of {"version": 1, "data": [{…}, …]}, of {"prompt": […], "completion": […]}, or of {…} {…} {…}."""
    first = cursor.value()
    if cursor.peek() not in {"{", ","} or not isinstance(first, dict):
        yield from _rows_inside(first)
        return
    yield first
    while cursor.take(",") or cursor.peek():
        yield cursor.value()


def _rows_inside(value: object) -> Iterator[object]:
    if isinstance(value, Unusable):
        raise bad_data(
            f"The JSON cannot be used: {value.reason}. Correct it, or export the rows anew."
        )
    values = cast("dict[str, object]", value)
    columns = _columns_inside(values)
    if columns:
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))
        return
    lists = {
        key: inner
        for key, inner in values.items()
        if isinstance(inner, list) and any(isinstance(one, dict) for one in inner)
    }
    if len(lists) != 1:
        found = f"lists of objects under {listed(lists)}" if lists else "no list of objects"
        raise bad_data(
            f"The JSON is one object with {found}. Expected a list of objects such as "
            '[{"prompt": "…", "completion": "…"}, …], or an object that holds exactly one such list.'
        )
    yield from next(iter(lists.values()))


def _columns_inside(values: dict[str, object]) -> dict[str, list[object]]:
    """Return the columns of a table that was written column by column, as pandas does; empty where it was not."""
    columns: dict[str, list[object]] = {}
    keys: set[tuple[str, ...]] = set()
    for name, column in values.items():
        if isinstance(column, dict) and all(key.isdecimal() for key in column):
            keys.add(tuple(column))
            columns[name] = list(column.values())
        elif isinstance(column, list) and not any(isinstance(one, dict) for one in column):
            columns[name] = column
        else:
            return {}
    same = len({len(column) for column in columns.values()}) == 1 and len(keys) <= 1
    return columns if same and len(columns) > 1 else {}


def _lists(
    elements: Iterable[tuple[int, object]], errors: RowErrors
) -> Iterator[tuple[int, list[object]]]:
    for number, element in elements:
        if isinstance(element, list):
            yield number, ["" if value is None else value for value in element]
        else:
            errors.add(number, "not a list of values like the rows before it")


def _line_elements(lines: Iterable[str], limit: RowLimit) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and text not in {"[", "]"}:  # a list with an element per line
            yield number, _line_value(text.removesuffix(","))
        else:
            limit.count_blank()


def _line_value(line: str) -> object:
    try:
        value, end = _DECODER.raw_decode(line)
    except json.JSONDecodeError as error:
        return Unusable(f"not JSON at column {error.colno:,}: {error.msg}")
    except RecursionError:
        return Unusable("brackets are nested too deeply")
    return (
        value
        if end == len(line)
        else Unusable(f"more text after the object, at column {end + 1:,}")
    )


def _table(
    elements: Iterable[tuple[int, object]], title: str, limit: RowLimit, errors: RowErrors
) -> Table:
    columns: dict[str, None] = {}
    records = []
    for number, element in elements:
        limit.count()
        if isinstance(element, dict):
            columns.update(dict.fromkeys(element))
            if len(columns) > MAX_COLUMNS:
                raise bad_data(
                    f"The rows have more than {MAX_COLUMNS} different keys; every row should have the same."
                )
            records.append(Record(number, element))
        elif isinstance(element, Unusable):
            errors.add(number, element.reason)
        else:
            errors.add(number, "not an object with named values")
    refuse_odd_names(columns)
    return Table(title, tuple(columns), tuple(records))

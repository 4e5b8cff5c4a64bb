"""JSON and JSONL into a table, one object at a time and without trust."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from agents.worker.table import (
    MAX_COLUMNS,
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
    """Read a list of objects, or an object that holds exactly one such list.

    Raises: WorkerError: it is neither, the JSON breaks off somewhere, or there are too many rows.
    """
    elements = _list_elements(raw.decode(encoding.codec))
    return _table(elements, f"JSON, {encoding.title}", limit, errors)


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


# Numbers stay in the file's own spelling: an answer "3.10" must not become "3.1".
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_not_json, parse_float=str, parse_int=str
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
        """Yield the elements of the list that begins here, never holding more than one."""
        self.take("[")
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.take("]"):
                return
            if not self.take(","):
                raise self.broken("expected ',' or ']' after a row")

    def end(self) -> None:
        if self.peek():
            raise self.broken("there is more text after the end")


def _list_elements(text: str) -> Iterator[tuple[int, object]]:
    cursor = _Cursor(text)
    if cursor.peek() == "[":
        yield from enumerate(cursor.elements(), start=1)
    else:
        yield from enumerate(_only_list(cursor), start=1)
    cursor.end()


def _only_list(cursor: _Cursor) -> list[object]:
    """Return the one list of objects that an object holds, as in {"version": 1, "data": [{…}, …]}."""
    lists: dict[str, list[object]] = {}
    cursor.take("{")
    while not cursor.take("}"):
        key = cursor.value()
        if not isinstance(key, str) or not cursor.take(":"):
            raise cursor.broken("expected a key and ':'")
        if cursor.peek() == "[":
            elements = list(cursor.elements())
            if any(isinstance(element, dict) for element in elements):
                lists[key] = elements
        else:
            cursor.value()
        if not cursor.take(",") and cursor.peek() != "}":
            raise cursor.broken("expected ',' or '}'")
    if len(lists) != 1:
        found = f"lists of objects under {listed(lists)}" if lists else "no list of objects"
        raise bad_data(
            f"The JSON is one object with {found}. Expected a list of objects such as "
            '[{"prompt": "…", "completion": "…"}, …], or an object that holds exactly one such list.'
        )
    return next(iter(lists.values()))


def _line_elements(lines: Iterable[str], limit: RowLimit) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            yield number, _line_value(text)
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

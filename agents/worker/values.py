"""Single values of a record as text, as JSON and as truth values."""

import json
import math
from typing import Any

from agents.worker.table import Number, Unusable, cannot_be_stored, clipped

TRUE = frozenset(("true", "1", "yes", "good", "up", "👍", "+1", "positive", "desirable"))
FALSE = frozenset(("false", "0", "no", "bad", "down", "👎", "-1", "negative", "undesirable"))
LONGEST_NUMBER = 300
"""Characters; Python refuses to read far longer ones."""


class RowProblem(Exception):
    """A row cannot be used; the text says why."""


def as_text(name: str, value: object, needed: bool) -> str:
    """Return a stripped text.

    Raises: RowProblem: it is a list or object, holds what no file can store, or is empty although `needed`.
    """
    text = value.strip() if isinstance(value, str) else _not_a_string(name, value)
    if not text and needed:
        raise RowProblem(f"'{clipped(name)}' is empty")
    if cannot_be_stored(text):
        raise RowProblem(f"'{clipped(name)}' holds a NUL or half a character")
    return text


def plain(value: object) -> str:
    """Return a value as the text that it would be, and "" for lists, objects and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else ""


def as_truth(name: str, value: object) -> bool:
    """Return a thumb up or down. Raises: RowProblem: it is neither."""
    word = plain(value).casefold()
    if word not in TRUE | FALSE:
        raise RowProblem(f"'{clipped(name)}' is neither true nor false")
    return word in TRUE


def looks_like_truth(values: list[object]) -> bool:
    """Tell whether all values are thumbs up or down, of one kind of words."""
    words = {plain(value).casefold() for value in values}
    return bool(words) and words <= TRUE | FALSE and len(words) <= 2


def as_json(name: str, value: object) -> str:
    """Return a value as JSON, keys in their order.

    Raises: RowProblem: it holds what JSON or a file cannot.
    """
    text = json.dumps(native(name, value), ensure_ascii=False)
    if cannot_be_stored(text):
        raise RowProblem(f"'{clipped(name)}' holds a NUL or half a character")
    return text


def native(name: str, value: object) -> Any:
    """Return a value with its numbers as numbers. Raises: RowProblem: part of it cannot be used."""
    if isinstance(value, Unusable):
        raise RowProblem(value.reason)
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, dict):
        return {str(key): native(name, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [native(name, inner) for inner in value]
    return value


def parsed(value: object) -> object:
    """Return what the JSON of a text says, numbers in their spelling, or the value itself where it is none."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        found: object = json.loads(
            value, parse_int=Number, parse_float=Number, parse_constant=_none
        )
    except (ValueError, RecursionError):
        return value
    return found


def _none(constant: str) -> Unusable:
    return Unusable(f"{constant} is not a value that JSON knows")


def _number(spelled: Number) -> int | float | str:
    if len(spelled) > LONGEST_NUMBER:
        return str(spelled)
    try:
        return int(spelled)
    except ValueError:
        value = float(spelled)
        return value if math.isfinite(value) else str(spelled)


def _not_a_string(name: str, value: object) -> str:
    if isinstance(value, Unusable):
        raise RowProblem(value.reason)
    if isinstance(value, list | dict):
        raise RowProblem(
            f"'{clipped(name)}' is a {'list' if isinstance(value, list) else 'nested object'}, not text"
        )
    return plain(value)

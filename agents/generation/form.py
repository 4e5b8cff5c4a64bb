"""The one form of every reply: a list of rows of short texts, under a JSON schema in which everything is bounded."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_SAID_CHARS = 200_000
"""Of a reply that is read at all."""
_FENCED = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


class Unreadable(Exception):
    """A reply of which nothing can be used; the message tells the model why."""


@dataclass(frozen=True)
class Form:
    """How a reply is written."""

    fields: tuple[tuple[str, int], ...]
    """Name of each text, and its characters at most."""
    most_rows: int

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema."""
        texts = {
            name: {"type": "string", "minLength": 1, "maxLength": chars}
            for name, chars in self.fields
        }
        row = _object(texts)
        rows = {"type": "array", "items": row, "minItems": 1, "maxItems": self.most_rows}
        about = {"title": "rows", "description": "The rows that were asked for."}
        return about | _object({"rows": rows})

    def read(self, said: str) -> "Read":
        """Return the rows of a reply.

        Raises: Unreadable: there is none in it.
        """
        if len(said) > MAX_SAID_CHARS:
            raise Unreadable("it is far too long")
        fenced = _FENCED.search(said)
        try:
            told = json.loads(fenced[1] if fenced is not None else said)
        except (ValueError, RecursionError):
            raise Unreadable("it is no JSON") from None
        given = told.get("rows") if isinstance(told, dict) else None
        if not isinstance(given, list):
            raise Unreadable("there is no list “rows” in it")
        rows: list[dict[str, str]] = []
        wrong: list[str] = []
        for one in given[: self.most_rows]:
            try:
                rows.append(self._row(one))
            except Unreadable as error:
                wrong.append(str(error))
        if not rows:
            raise Unreadable(next(iter(wrong), "“rows” is empty"))
        return Read(tuple(rows), len(wrong))

    def _row(self, given: Any) -> dict[str, str]:
        if not isinstance(given, dict):
            raise Unreadable("a row is no object")
        found = {}
        for name, chars in self.fields:
            text = given.get(name)
            if not isinstance(text, str) or not text.strip():
                raise Unreadable(f"“{name}” is missing or empty")
            if len(text) > chars:
                raise Unreadable(f"“{name}” is longer than {chars} characters")
            if not _is_text(text):
                raise Unreadable(f"“{name}” holds what is no text")
            found[name] = text.strip()
        return found


@dataclass(frozen=True)
class Read:
    """What could be read of a reply."""

    rows: tuple[Mapping[str, str], ...]
    unusable: int
    """Rows that could not be read."""


def _is_text(text: str) -> bool:
    """Tell whether a text can be written down: no half of a surrogate pair, no NUL."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

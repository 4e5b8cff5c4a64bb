"""Replies of a type: the schema that a model is held to, in which nothing may be endless, and reading what it says."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.llm.errors import UnreadableReply

Reply = TypeVar("Reply", bound=BaseModel)
MOST_TOLD = 5
"""Mistakes in a reply that the model is shown."""
TOLD_CHARS = 200
SEVERAL = ("anyOf", "oneOf", "allOf")


@cache
def schema_of(reply: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a reply, in which no object has other names than its own: a model may add some without end.

    Raises: TypeError: a text or a list in it may be of any length, so that a model need not come to an end.
    """
    schema: dict[str, Any] = closed(reply.model_json_schema())
    if endless := sorted(unbounded(schema)):
        raise TypeError(f"{reply.__name__} has no bounds at {', '.join(endless)}")
    return schema


def closed(schema: Any) -> Any:
    """Return a schema in which objects with named fields have no others, wherever it says nothing about that."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        word: {name: closed(one) for name, one in inner.items()}
        if word in {"properties", "$defs"}
        else closed(inner)
        for word, inner in schema.items()
    }
    if schema.get("type") == "object" and "properties" in schema:
        found.setdefault("additionalProperties", False)
    return found


def unbounded(schema: Mapping[str, Any]) -> set[str]:
    """Return the places in a schema that have no bounds: texts, lists and objects with any number of names."""
    defined: Mapping[str, Any] = schema.get("$defs", {})
    found = set(_unbounded(schema, ""))
    for name, inner in defined.items():
        found |= set(_unbounded(inner, name))
    return found


def _unbounded(schema: Any, place: str) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield place or "the whole"
        return
    if any(known in schema for known in ("$ref", "enum", "const")):
        return
    if not _ends(schema):
        yield place or "the whole"
    for inner, one in _inside(schema, place):
        yield from _unbounded(one, inner)


def _ends(schema: Mapping[str, Any]) -> bool:
    """Tell whether what a schema says is not endless by itself; what is inside is looked at apart."""
    match schema.get("type"):
        case "string":
            return "maxLength" in schema
        case "array":
            return "maxItems" in schema
        case "object":
            return schema.get("additionalProperties", True) is False
        case None:
            return any(several in schema for several in SEVERAL)
    return True


def _inside(schema: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for several in SEVERAL:
        for one in schema.get(several, ()):
            yield place, one
    for name, one in schema.get("properties", {}).items():
        yield f"{place}.{name}".strip("."), one
    if schema.get("type") == "array":
        for one in schema.get("prefixItems", [schema.get("items")]):
            yield f"{place}[]", one


def read(text: str, reply: type[Reply]) -> Reply:
    """Return a reply of the type.

    Raises: UnreadableReply: it is none; what is wrong with it is said without quoting it.
    """
    try:
        return reply.model_validate_json(_bare(text))
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}"[:TOLD_CHARS]
            for one in error.errors(include_url=False, include_input=False)[:MOST_TOLD]
        ]
        raise UnreadableReply("; ".join(wrong)) from error


def told_again(schema: Mapping[str, Any], why: str) -> str:
    """Return what a model is told whose reply could not be read."""
    return (
        f"That could not be read: {why}. Reply once more, with nothing but one JSON object of this schema, complete and no "
        f"longer than it says: {json.dumps(schema, separators=(',', ':'))}"
    )


def _bare(text: str) -> str:
    """Return a reply without the fence of code that models put around JSON where nothing holds them to the schema."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", text, re.DOTALL)
    return fenced[1] if fenced else text

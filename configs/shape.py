"""The schema as something to look things up in: what stands at a place, which keys and values it takes, in words.

A place is a tuple of keys from the root, such as `("downloads", "port")`; a `Node` is what the JSON Schema of
`Settings` says about one place.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from configs.schema import Settings

Place = tuple[str, ...]
Node = dict[str, Any]
ANY_NAME = "<name>"


@cache
def published() -> Node:
    """Return the JSON Schema of a configuration file. Callers must not change it."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Tunewright configuration"
    schema["properties"] = {
        "$schema": {
            "type": "string",
            "description": "Where an editor finds this schema. Not a setting.",
        }
    } | schema["properties"]
    return schema


def node_at(place: Place) -> Node | None:
    """Return what stands at a place, or None where the schema has no such place."""
    node: Node | None = _root()
    for key in place:
        if node is None:
            return None
        node = child(node, key)
    return node


def child(node: Node, key: str) -> Node | None:
    """Return what stands under a key, or under an index of a list."""
    if key in node.get("properties", {}):
        return _resolved(node["properties"][key])
    for pattern, below in node.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return _resolved(below)
    below = node.get("items") if key.isdecimal() else None
    below = below or node.get("additionalProperties")
    return _resolved(below) if isinstance(below, dict) else None


def is_section(node: Node) -> bool:
    """Tell whether an object belongs here: a section, or a map with names chosen by the operator."""
    return node.get("type") == "object"


def is_secret(node: Node | None) -> bool:
    """Tell whether the value here must never be shown."""
    return any(kind.get("writeOnly", False) for kind in _kinds(node or {}))


def takes_text(node: Node) -> bool:
    """Tell whether any text may stand here, so that `123` and `true` are text too."""
    return any(kind.get("type") == "string" and "enum" not in kind for kind in _kinds(node))


def takes_null(node: Node) -> bool:
    """Tell whether null may stand here."""
    return any(kind.get("type") == "null" for kind in _kinds(node))


def choices(node: Node) -> list[str]:
    """Return the words of a setting that takes one of a few, else nothing."""
    return [word for kind in _kinds(node) for word in _words_of(kind)]


def settings(node: Node | None = None, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Walk over every setting in order; a key that the operator chooses is written `ANY_NAME`."""
    node = _root() if node is None else node
    for key, below in node.get("properties", {}).items():
        below = _resolved(below)
        if not is_section(below):
            yield (*place, key), below
        elif "properties" in below:
            yield from settings(below, (*place, key))
        else:
            yield (*place, key), below
            (named,) = _named(below)
            if is_section(named):
                yield from settings(named, (*place, key, ANY_NAME))


def described_keys(node: Node) -> str:
    """Say in words which keys an object may have."""
    if "properties" in node:
        return "one of the keys " + ", ".join(node["properties"])
    return "names" + _such_as(node.get("propertyNames", {}))


def described(node: Node) -> str:
    """Say in words what may stand here: types, ranges, members."""
    return " or ".join(_described(kind) for kind in _kinds(node))


def nearest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the candidate that was probably meant; case, `-` and spaces do not count."""
    by_plain = {_plain(candidate): candidate for candidate in candidates}
    matches = get_close_matches(_plain(word), by_plain, n=1, cutoff=cutoff)
    return by_plain[matches[0]] if matches else None


def nearest_key(place: Place) -> str | None:
    """Return the key that was probably meant by an unknown one, dotted where it belongs elsewhere.

    First what is spelled alike beside it, then a setting of that name in another section.
    """
    *above, key = place
    section = node_at(tuple(above)) or {}
    if "properties" not in section:
        return None
    beside = nearest(key, section["properties"])
    if beside is not None:
        return beside
    elsewhere: dict[str, str] = {}
    for other, _ in settings():
        elsewhere.setdefault(other[-1], ".".join(other))
    found = nearest(key, elsewhere, cutoff=0.75)
    return elsewhere[found] if found else None


@cache
def _root() -> Node:
    return published() | {
        "properties": {k: v for k, v in published()["properties"].items() if k != "$schema"}
    }


def _resolved(node: Node) -> Node:
    """Follow `$ref`; what stands beside it (default, description) wins."""
    if "$ref" not in node:
        return node
    target: Node = published()["$defs"][node["$ref"].rpartition("/")[2]]
    return target | {k: v for k, v in node.items() if k != "$ref"}


def _kinds(node: Node) -> list[Node]:
    return [_resolved(kind) for kind in node.get("anyOf", [node])]


def _named(node: Node) -> list[Node]:
    """Return what stands under the names of a map."""
    below = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    return [_resolved(b) for b in below if isinstance(b, dict)]


def _words_of(kind: Node) -> list[str]:
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


def _described(kind: Node) -> str:
    if words := _words_of(kind):
        return " or ".join(f'"{word}"' for word in words)
    match kind.get("type"):
        case "integer":
            return "a whole number" + _range(kind)
        case "number":
            return "a number" + _range(kind)
        case "boolean":
            return "true or false"
        case "array":
            return "a list of " + described(_resolved(kind["items"]))
        case "object":
            return _described_object(kind)
        case "string":
            return "a path" if kind.get("format") == "path" else "text" + _such_as(kind)
        case other:
            return str(other)


def _described_object(kind: Node) -> str:
    if "properties" in kind:
        return "an object with the keys " + ", ".join(kind["properties"])
    (named,) = _named(kind)
    below = "settings" if is_section(named) else described(named)
    return f"an object of names{_such_as(kind.get('propertyNames', {}))}, each with {below}"


def _such_as(kind: Node) -> str:
    examples = kind.get("examples", ())
    return " such as " + " or ".join(f'"{e}"' for e in examples) if examples else ""


def _range(kind: Node) -> str:
    if "minimum" in kind and "maximum" in kind:
        return f" from {kind['minimum']} to {kind['maximum']}"
    if "exclusiveMinimum" in kind and "exclusiveMaximum" in kind:
        return f" between {kind['exclusiveMinimum']} and {kind['exclusiveMaximum']}, both excluded"
    if "minimum" in kind:
        return f" of at least {kind['minimum']}"
    if "exclusiveMinimum" in kind:
        return f" above {kind['exclusiveMinimum']}"
    return ""


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")

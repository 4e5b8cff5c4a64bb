"""Write plain values as YAML that reads back the same: on one line, or below a key at an indentation."""

import json
import re
from collections.abc import Mapping
from typing import Any

STEP = 2
"""Spaces that something below is further in."""
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
NOT_PLAIN = frozenset({"true", "false", "null", "nan", "inf", "yes", "no", "on", "off", "y", "n"})
"""Words that mean something else to a reader of YAML, of this or an older version."""
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def key(name: str) -> str:
    """Return a key as it is written: plain where that is safe, else in quotes."""
    return name if _is_word(name) else quoted(name)


def quoted(text: str) -> str:
    """Return a text in double quotes, on one line."""
    escaped = json.dumps(text, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)


def inline(value: Any) -> str:
    """Return any value on one line; what has parts in the style of JSON."""
    if isinstance(value, str):
        return value if _is_word(value) else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(name)}: {inline(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def after_key(value: Any, column: int) -> list[str]:
    """Return the lines of a value that stands behind a key.

    Args:
        value: A plain value.
        column: Where the key stands; what is below it stands further in.

    Returns: The first is what stands in the line of the key, behind the colon, and may be empty.
    """
    if isinstance(value, str) and _reads_well(value):
        end = "" if value.endswith("\n") else "-"
        lines = value.removesuffix("\n").split("\n")
        pad = " " * (column + STEP)
        return [f"|{end}", *(pad + line if line else "" for line in lines)]
    if isinstance(value, Mapping) and value:
        return ["", *entries(value, column + STEP)]
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return ["", *(line for one in value for line in item(one, column + STEP))]
    return [inline(value)]


def entries(value: Mapping[str, Any], column: int) -> list[str]:
    """Return keys and values as whole lines."""
    found = []
    for name, one in value.items():
        first, *below = after_key(one, column)
        head = f"{' ' * column}{key(name)}:"
        found += [f"{head} {first}" if first else head, *below]
    return found


def item(value: Any, column: int) -> list[str]:
    """Return an item of a list as whole lines, the dash at a column."""
    if isinstance(value, Mapping) and value:
        first, *below = entries(value, column + STEP)
        return [f"{' ' * column}- {first.lstrip(' ')}", *below]
    return [f"{' ' * column}- {inline(value)}"]


def _is_word(text: str) -> bool:
    return PLAIN_KEY.fullmatch(text) is not None and text.lower() not in NOT_PLAIN


def _reads_well(text: str) -> bool:
    """Tell whether a text can be, and had better be, written line by line.

    One that ends with blank lines would take those that follow it in the file.
    """
    several = "\n" in text.rstrip("\n") and not text.endswith("\n\n")
    return several and not text[0].isspace() and UNPRINTABLE.search(text) is None

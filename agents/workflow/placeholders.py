"""Names in double braces: which a text uses, and the text with values in their place."""

import re
from collections.abc import Callable, Iterator, Mapping

PLACEHOLDER = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")
"""As the original has it: no blanks inside the braces."""
SPACED = re.compile(r"\{\{(?:\s+([A-Za-z0-9_]+)\s*|([A-Za-z0-9_]+)\s+)\}\}")


def used(text: str) -> tuple[str, ...]:
    """Return the names that a text uses, each once, in the order of the text."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def spaced(text: str) -> Iterator[str]:
    """Yield names that have blanks inside their braces, which are left as they are written."""
    for first, second in SPACED.findall(text):
        yield first or second


def filled(text: str, values: Mapping[str, str], quote: Callable[[str], str] | None = None) -> str:
    """Return a text with values for names, in one pass; a name without a value stays as it is written.

    Args:
        text: Where names stand.
        values: By name; the empty text is a value.
        quote: What is done to each value before it is put in.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            return found[0]
        return quote(values[name]) if quote else values[name]

    return PLACEHOLDER.sub(value_of, text)

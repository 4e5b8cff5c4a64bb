"""What is wrong with a configuration: every problem at once, in words, without secrets."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from configs import shape

MAX_SHOWN_CHARS = 80
MIN_SECRET_CHARS = 6
"""Shorter ones are hidden where they stand, but not wherever the same letters occur."""

_SECRET_LOOKS = re.compile(
    r"[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"  # Discord bot token
    r"|(?<=/webhooks/)[^\s\"]+"
    r"|\b(?:hf_|sk-|ghp_)[\w-]{8,}"
    r"|(?<=://)[^/\s@\"]+(?=@)"  # user and password of an address
)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at one place, from one source."""

    pointer: str
    """JSON pointer (RFC 6901) such as `/downloads/port`; empty for a file as a whole."""
    found: str
    """What stands there; a secret is `***`."""
    allowed: str
    """What may stand there: types, ranges, members in words."""
    nearest: str | None
    """The key or word that was probably meant."""
    origin: str
    """A file, or `env NAME`."""

    def __str__(self) -> str:
        """Return a few lines for a person."""
        lines = [
            f"{self.pointer or 'the whole file'}  (from {self.origin})",
            f"  found:    {self.found}",
            f"  allowed:  {self.allowed}",
        ]
        if self.nearest is not None:
            lines.append(f'  did you mean "{self.nearest}"?')
        return "\n".join(lines)


class ConfigError(Exception):
    """A configuration that cannot be used. `str()` is a text for the person who wrote it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return all problems, one paragraph each."""
        count = len(self.problems)
        head = f"The configuration has {count} problem{'s' if count > 1 else ''}:"
        return "\n\n".join([head, *map(str, self.problems)])


def pointer_to(place: shape.Place) -> str:
    """Write a place as a JSON pointer."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in place)


def shown(value: object, node: shape.Node | None, secrets: Iterable[str] = ()) -> str:
    """Write a value for a person.

    Only a plain value at a known place that is no secret is shown; of everything else, its kind: a token may well stand
    one level too high or under a misspelled key.
    """
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if shape.is_secret(node) and value is not None:
        return "***"
    if isinstance(value, str) and (node is None or shape.is_section(node)):
        return "text"
    if isinstance(value, str):
        value = conceal(value, secrets)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def conceal(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace known secrets, and what looks like one, by `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_SECRET_CHARS:
            text = text.replace(secret, "***")
    return _SECRET_LOOKS.sub("***", text)

"""Places in a text that must not be shown, and how they are covered."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """Something in a text that belongs to somebody."""

    start: int
    end: int
    kind: str
    """In capitals, as it stands in the text once it is covered: "EMAIL"."""


def covered(text: str, marks: Iterable[Mark]) -> str:
    """Return a text with [KIND] in place of each mark; of marks that overlap the widest counts."""
    parts: list[str] = []
    done = 0
    for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if mark.start >= done:
            parts += [text[done : mark.start], f"[{mark.kind}]"]
        done = max(done, mark.end)
    return "".join([*parts, text[done:]])

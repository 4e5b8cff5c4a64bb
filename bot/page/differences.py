"""Which words of an answer are not those of another text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORD = re.compile(r"\w+|[^\w\s]")
MOST_WORDS = 600
"""Of a text; longer ones are compared as a whole, as the time grows with the square of the words."""


@dataclass(frozen=True)
class Stretch:
    """Some text of an answer."""

    text: str
    differs: bool


def stretches(answer: str, other: str) -> list[Stretch]:
    """Return an answer in parts: words that stand in the other text in this order, and words that do not."""
    ours, theirs = list(_WORD.finditer(answer)), _WORD.findall(other)
    if max(len(ours), len(theirs)) > MOST_WORDS:
        return [Stretch(answer, answer != other)]
    return list(_parts(answer, ours, theirs))


def _parts(answer: str, ours: list[re.Match[str]], theirs: list[str]) -> Iterator[Stretch]:
    matcher = SequenceMatcher(None, [word[0] for word in ours], theirs, autojunk=False)
    at = 0
    for tag, i, j, _k, _m in matcher.get_opcodes():
        if tag != "equal" and i < j:
            if at < ours[i].start():
                yield Stretch(answer[at : ours[i].start()], False)
            at = ours[j - 1].end()
            yield Stretch(answer[ours[i].start() : at], True)
    if at < len(answer):
        yield Stretch(answer[at:], False)

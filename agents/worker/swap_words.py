"""The words and names that are swapped, as data of our own: English only."""

import json
import re
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agents.jobs import Attribute

FILE = Path(__file__).with_name("swap_words.json")
ENGLISH = "English"
"""Region of names that are common where English is spoken; many are elsewhere too."""
Pairs = tuple[tuple[str, str], ...]
Words = frozenset[str]


class Genders(BaseModel):
    """First names of one region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    male: tuple[str, ...]
    female: tuple[str, ...]


class SwapWords(BaseModel):
    """What is known of words. All are in lower case, and a word stands in one pair of a list at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: dict[str, Genders]
    """By region. A name is in one of them, with one gender."""
    also_words: Words
    """First names that are words, places or months too: Mark, Grace, May. Where one may stand, a row is left alone."""
    gendered: Pairs
    """Male and female. His, her, him and hers are told apart by what follows (`swaps`)."""
    gendered_alone: Words
    """Words of one gender that have no counterpart, or about what only one has: such a row is left alone."""
    fixed: tuple[str, ...]
    """Phrases whose words are not what they seem."""
    openers: Words
    """Words before a first name that are no part of it, in capitals too: Dear, Hello."""
    possessed: Words
    """Things of which there is one: after "her" they are hers."""
    after_noun: Words
    """Words after such a thing that end it: "her account is", but not "her account details"."""
    after_object: Words
    """Words after "her" that make it an object: "told her that"."""
    ordinary: Words
    """Words that begin a sentence in capitals without being names."""
    spelling: Pairs
    """British and American."""
    contracted: Pairs
    """In full and contracted."""
    subjects: Words
    """Words after a contraction that make it a question: "don't you" is not "do not you"."""
    neutral: Pairs
    """Words that say the same."""
    asked_for: dict[Attribute, Words]
    """Words of a task or label that say that the attribute is what is asked for."""

    @cached_property
    def of_name(self) -> dict[str, tuple[str, str]]:
        """Region and gender of each name."""
        return {
            name: (region, gender)
            for region, both in self.names.items()
            for gender in ("male", "female")
            for name in getattr(both, gender)
        }

    def others(self, name: str, *, region: str, gender: str) -> tuple[str, ...]:
        """Return the names of a region and gender but this one."""
        names: tuple[str, ...] = getattr(self.names[region], gender)
        return tuple(other for other in names if other != name)


@cache
def read() -> SwapWords:
    """Return the shipped words."""
    return SwapWords.model_validate(json.loads(FILE.read_bytes()))


@cache
def both_ways(pairs: Pairs) -> dict[str, str]:
    """Return pairs as a dictionary that leads from each side to the other."""
    return dict(pairs) | {second: first for first, second in pairs}


def places(words: Iterable[str], text: str) -> list[re.Match[str]]:
    """Return where words stand in a text, in any case; of two that begin at one place the longer one."""
    tokens = _tokens(text)
    present = sorted((w for w in words if _first(w) in tokens), key=lambda w: (-len(w), w))
    if not present:
        return []
    known = set(present)
    # other letters count as the same in any case (a long s and s): those are no such words
    return [m for m in _pattern(tuple(present)).finditer(text) if m.group().lower() in known]


@lru_cache(maxsize=64)
def _tokens(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


@cache
def _first(word: str) -> str:
    """Return the beginning of a word or phrase, up to a blank, a hyphen or an apostrophe."""
    return re.split(r"\W", word, maxsplit=1)[0]


@lru_cache(maxsize=256)
def _pattern(longest_first: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)

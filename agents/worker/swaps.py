"""Twins of texts: one attribute changed, everything else as it was, the right answer the same.

A text of which that is not sure gets no twin: an ambiguous "her", a name that is also a word, a first name beside another
word in capitals (a known person, a place), a word that stands in an address too. Whatever is changed, changing the twin
again must give the text back.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agents.jobs import Attribute
from agents.worker.swap_words import ENGLISH, Pairs, SwapWords, both_ways, places

APART = frozenset("-@/\\_#&'’")
"""Before or after a word: it is part of something else. (An apostrophe and an s may follow.)"""
NEAR_CHARS = 60
ENDS = frozenset('.,;:!?)"”')
IN_CONTEXT = ("his", "her", "him", "hers")
PRONOUN_READINGS: tuple[dict[str, str], ...] = tuple(
    {"him": "her", "hers": "his", "her": her, "his": his}
    for her in ("him", "his")
    for his in ("her", "hers")
)
"""What they may become in an answer, of which only one needs to be the same."""
MALE_PRONOUNS = frozenset({"his", "him"})
OTHER_GENDER = {"male": "female", "female": "male"}


class Neutral(StrEnum):
    """A swap that changes nothing, to compare with."""

    NAMES = "neutral_names"
    """One first name for another of the same gender and region."""
    WORDS = "neutral_words"
    """A word for one that says the same."""


Kind = Attribute | Neutral
CONTROL = {
    Attribute.GENDER_NAMES: Neutral.NAMES,
    Attribute.ORIGIN: Neutral.NAMES,
    Attribute.GENDER_WORDS: Neutral.WORDS,
    Attribute.SPELLING: Neutral.WORDS,
    Attribute.TONE: Neutral.WORDS,
}
"""Which neutral swap is most like it."""


@dataclass(frozen=True)
class Swap:
    """Which words become which, in one text; both ways, in lower case."""

    words: Mapping[str, str]
    known: SwapWords
    in_context: bool = False
    """His, her, him and hers too."""
    firsts: frozenset[str] = frozenset()
    """Words of the first side."""
    names: frozenset[str] = frozenset()
    """First names among the words."""

    def of(self, text: str) -> "Changed | None":
        """Return a text with the words changed; None where one of them is not for sure such a word."""
        keys = (*self.words, *(IN_CONTEXT if self.in_context else ()))
        done, at, swapped = "", 0, []
        for match in places(keys, text):
            old = match.group()
            new = None if _is_part(text, match) else self._other(old, text[match.end() :])
            if new is None or _needs_another_article(_tail(text, match), old, new):
                return None
            swapped.append((old, new))
            done, at = done + text[at : match.start()] + new, match.end()
        return Changed(done + text[at:], tuple(swapped)) if swapped else None

    def readings(self, text: str) -> tuple[str, ...]:
        """Return an answer as it stands, with the names put back, and with all of the swap taken back.

        An answer may copy a name and have words of its own beside it; "her" and "his" in it can be two things.
        """
        ways = PRONOUN_READINGS if self.in_context else ({},)
        names = {name: self.words[name] for name in self.names}
        backs = [_put_back({**self.words, **way}, text) for way in ways]
        return tuple(dict.fromkeys([text, _put_back(names, text), *backs]))

    def side(self, changed: "Changed") -> int | None:
        """Return 0 where all words changed were of the first side, 1 where all are of the second, else None."""
        firsts = {old.lower() in self.firsts for old, _new in changed.swapped}
        return None if len(firsts) > 1 else 0 if True in firsts else 1

    def _other(self, old: str, rest: str) -> str | None:
        word = old.lower()
        if self.in_context and word in IN_CONTEXT:
            new = _by_context(word, rest, self.known)
        else:
            new = self.words[word]
        if word.endswith("n't") and _next_word(rest) in self.known.subjects:
            return None
        return None if new is None else _cased(new, old)


@dataclass(frozen=True)
class Changed:
    """A text after a swap."""

    text: str
    swapped: tuple[tuple[str, str], ...]
    """What stood there and what stands there now, in order."""


@dataclass(frozen=True)
class Twin:
    """A text with one attribute changed."""

    kind: Kind
    text: str
    swap: Swap = field(repr=False)
    side: int | None
    """Of the text that it is a twin of: 0 or 1 of `Attribute.sides`, None where it is of neither as a whole."""
    swapped: tuple[tuple[str, str], ...]


def twins(text: str, known: SwapWords) -> dict[Kind, Twin]:
    """Return the twins of a text, by what is changed."""
    swaps: dict[Kind, Swap | None] = {
        Neutral.NAMES: _names(text, known, _same),
        Neutral.WORDS: _paired(known.neutral, known),
        Attribute.GENDER_NAMES: _gender_of_names(text, known),
        Attribute.ORIGIN: _names(text, known, _elsewhere),
        Attribute.GENDER_WORDS: _gender_of_words(text, known),
        Attribute.SPELLING: _paired(known.spelling, known),
        Attribute.TONE: _paired(known.contracted, known),
    }
    found: dict[Kind, Twin] = {}
    for kind, swap in swaps.items():
        changed = swap.of(text) if swap else None
        if swap is None or changed is None:
            continue
        back = swap.of(changed.text)
        if back is not None and back.text == text:
            found[kind] = Twin(kind, changed.text, swap, swap.side(changed), changed.swapped)
    return found


def _paired(pairs: Pairs, known: SwapWords) -> Swap:
    return Swap(both_ways(pairs), known, firsts=frozenset(first for first, _ in pairs))


def _gender_of_words(text: str, known: SwapWords) -> Swap | None:
    if not _gender_is_clear(text, known) or _names_in(text, known):
        return None
    words = _paired(known.gendered, known)
    return replace(words, in_context=True, firsts=words.firsts | MALE_PRONOUNS)


def _gender_of_names(text: str, known: SwapWords) -> Swap | None:
    names = _names(text, known, _other_gender)
    if names is None or not _gender_is_clear(text, known):
        return None
    words = _paired(known.gendered, known)
    men = {name for name in names.words if known.of_name[name][1] == "male"}
    firsts = words.firsts | MALE_PRONOUNS | men
    both = {**words.words, **names.words}
    return replace(names, words=both, in_context=True, firsts=firsts)


def _gender_is_clear(text: str, known: SwapWords) -> bool:
    lower = text.lower()
    return not (
        places(known.gendered_alone, text)
        or any(phrase in lower for phrase in known.fixed)
        or _may_name_somebody(text, known)
    )


Choice = Callable[[str, SwapWords], tuple[str, ...]]
"""Names that one may be swapped for."""


def _same(name: str, known: SwapWords) -> tuple[str, ...]:
    region, gender = known.of_name[name]
    return known.others(name, region=region, gender=gender)


def _other_gender(name: str, known: SwapWords) -> tuple[str, ...]:
    region, gender = known.of_name[name]
    return known.others(name, region=region, gender=OTHER_GENDER[gender])


def _elsewhere(name: str, known: SwapWords) -> tuple[str, ...]:
    region, gender = known.of_name[name]
    if region != ENGLISH:
        return known.others(name, region=ENGLISH, gender=gender)
    others = [other for other in known.names if other != ENGLISH]
    return known.others(name, region=_drawn(name, others), gender=gender)


def _names(text: str, known: SwapWords, choose: Choice) -> Swap | None:
    """Return a swap of all first names in a text; None where there is none, or one is not for sure a first name."""
    names = _names_in(text, known)
    if not names or _may_name_somebody(text, known):
        return None
    words: dict[str, str] = {}
    for name in names:
        free = [n for n in choose(name, known) if n not in words and n not in names]
        if not free:
            return None
        new = _drawn(name, free)
        words |= {name: new, new: name}
    firsts = frozenset(name for name in words if known.of_name[name][0] == ENGLISH)
    return Swap(words, known, firsts=firsts, names=frozenset(words))


def _drawn(name: str, among: list[str]) -> str:
    """Return one of several, always the same one for a name."""
    return among[zlib.crc32(name.encode()) % len(among)]


def _names_in(text: str, known: SwapWords) -> list[str]:
    """Return the first names that a text has, each once; in small letters they may be anything."""
    names = [
        match.group().lower() for match in places(known.of_name, text) if match.group()[0].isupper()
    ]
    return list(dict.fromkeys(names))


def _may_name_somebody(text: str, known: SwapWords) -> bool:
    """Tell whether a text may have a name that we cannot swap: one that is also a word, or that has more than a first name."""
    for match in places(known.also_words, text):
        is_capital = match.group()[0].isupper()
        if is_capital and _next_word(text[match.end() :]) not in known.ordinary:
            return True
    for match in places(known.of_name, text):
        before = re.search(r"(\w+)[ \t]+$", _tail(text, match))
        after = re.match(r"[ \t]+(\w+)", text[match.end() :])
        if before and _is_name_part(before.group(1), known):
            return True
        if after and after.group(1) != "I" and after.group(1)[0].isupper():
            return True
    return False


def _tail(text: str, match: re.Match[str]) -> str:
    """Return what stands shortly before a word."""
    return text[max(0, match.start() - NEAR_CHARS) : match.start()]


def _is_name_part(word: str, known: SwapWords) -> bool:
    is_opener = word.lower() in known.ordinary | known.openers
    return word[0].isupper() and not is_opener


def _is_part(text: str, match: re.Match[str]) -> bool:
    """Tell whether a word is part of something longer: an address, a compound, a path."""
    before, after = text[: match.start()][-1:], text[match.end() :][:2]
    if before in APART:
        return True
    if after[:1] in {"'", "’"}:
        return not text[match.end() + 1 :][:1].isalpha()
    return after[:1] in APART or (after[:1] == "." and after[1:].isalnum())


def _put_back(words: Mapping[str, str], text: str) -> str:
    done, at = "", 0
    for match in places(words, text):
        old = match.group()
        done += text[at : match.start()] + (_cased(words[old.lower()], old) or old)
        at = match.end()
    return done + text[at:]


def _needs_another_article(before: str, old: str, new: str) -> bool:
    article = re.search(r"\ban?\s+$", before, re.IGNORECASE)
    return article is not None and _is_vowel(old) != _is_vowel(new)


def _is_vowel(word: str) -> bool:
    return word[:1].lower() in "aeiou"


def _by_context(word: str, rest: str, known: SwapWords) -> str | None:
    """Return the other gender's word by what follows; None where it can be two things."""
    is_last = not rest.strip() or rest.lstrip()[0] in ENDS
    follows = _next_word(rest)
    if word == "him":
        return "her"
    if word == "hers":
        return "his"
    if follows == "own" or _is_possessed(rest, known):
        return "his" if word == "her" else "her"
    if word == "her":
        return "him" if is_last or follows in known.after_object else None
    return "hers" if is_last else None


def _is_possessed(rest: str, known: SwapWords) -> bool:
    """Tell whether a thing follows that there is one of, and nothing that would make it a part of another word."""
    found = re.match(r"\s+(\w+)(.*)", rest, re.DOTALL)
    if found is None or found.group(1).lower() not in known.possessed:
        return False
    after = found.group(2)
    if not after.strip() or after.lstrip()[0] in ENDS:
        return True
    return _next_word(after) in known.after_noun


def _next_word(rest: str) -> str:
    """Return the word that follows after white space, in lower case; nothing where none does, or more than a word."""
    found = re.match(r"\s+(\w+)(?![\w-])", rest)
    return found.group(1).lower() if found else ""


def _cased(word: str, like: str) -> str | None:
    """Return a word in small letters, capitals, or with a first capital, as another one is; None where that is none of them."""
    if like.islower():
        return word
    if like.isupper():
        return word.upper()
    if like[:1].isupper() and like[1:].islower():
        return word[:1].upper() + word[1:]
    return None

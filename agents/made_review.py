"""What people have said about rows that were made, in order: which batch is on the table, what is struck, what is remembered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agents.services import UserError
from storage.models import Approval, Decision

MOST_BATCHES = 2
"""Batches of one try, unless somebody asks for another one in so many words."""
MOST_NAMED = 12
_NUMBER = r"#?\d{1,6}(?!\d)"
_RANGE = rf"{_NUMBER}(?:\s*(?:-|–|to)\s*{_NUMBER})?"
_LIST = rf"({_RANGE}(?:\s*(?:,|;|and|&|\s)\s*(?:and\s+)?{_RANGE})*)"
_ROWS = r"(?:(?:the\s+)?(?:made\s+)?(?:rows?|numbers?|no\.?)\s*)?"
_END = r"(?!\s*(?:%|percent|rows?\b|more\b|examples?\b|times\b|words?\b))"
_STRIKE = re.compile(
    rf"\b(?:strike(?:\s+out)?|drop|remove|delete|discard|omit|skip|reject|without|leave\s+out|throw\s+out|cross\s+out)\s+"
    rf"(?:also\s+)?{_ROWS}{_LIST}{_END}|\b(?:made\s+)?rows?\s+{_LIST}\s+(?:is|are)\s+(?:wrong|bad|nonsense|false)\b",
    re.IGNORECASE,
)
_KEEP = re.compile(rf"\b(?:keep|take\s+back)\s+{_ROWS}{_LIST}{_END}", re.IGNORECASE)
_ONLY_NUMBERS = re.compile(rf"\s*{_ROWS}{_LIST}\s*[.!]?\s*", re.IGNORECASE)
_AGAIN = re.compile(
    r"\b(?:(?:make|do|try|generate)\s+(?:them|it|that|the\s+rows)\s+(?:again|anew|once\s+more)|(?:another|a\s+new|a\s+further)\s+"
    r"(?:batch|try)|once\s+more|try\s+again|new\s+ones)\b",
    re.IGNORECASE,
)
_FILLERS = re.compile(
    r"^(?:[\s,;.!:]|\b(?:and|please|also|but)\b)+|(?:[\s,;.!:]|\b(?:and|please|also|but)\b)+$",
    re.IGNORECASE,
)


class Struck(BaseModel):
    """A row that somebody has struck."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    """As in "made row 12"."""
    by: str
    """Name of the person."""
    at: datetime | None


@dataclass(frozen=True)
class Said:
    """What one reply says."""

    strike: tuple[int, ...] = ()
    keep: tuple[int, ...] = ()
    words: str = ""
    """What is left: how rows should be."""
    again: bool = False
    """Another batch is asked for in so many words."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """All rows that are named."""
        return (*self.strike, *self.keep)


@dataclass(frozen=True)
class Review:
    """How a batch stands with people."""

    batch: int = 1
    """The one that is on the table, counted within a try."""
    notes: tuple[str, ...] = ()
    """Words that it was made by."""
    struck: tuple[Struck, ...] = ()
    later: tuple[str, ...] = ()
    """Words that the next batch will be made by."""

    @property
    def words(self) -> tuple[str, ...]:
        """All that people have said about how rows should be."""
        return (*self.notes, *self.later)


def read(words: str) -> Said:
    """Read a reply about made rows."""
    if match := _ONLY_NUMBERS.fullmatch(words):
        return Said(strike=_numbers(match[1]))
    again = _AGAIN.search(words) is not None
    strike = [n for m in _STRIKE.finditer(words) for n in _numbers(m[1] or m[2])]
    rest = _STRIKE.sub(" ", words)
    keep = [n for match in _KEEP.finditer(rest) for n in _numbers(match[1])]
    rest = " ".join(_FILLERS.sub("", _AGAIN.sub(" ", _KEEP.sub(" ", rest))).split())
    return Said(tuple(dict.fromkeys(strike)), tuple(dict.fromkeys(keep)), rest, again)


def review(before: Sequence[Approval], mine: Sequence[Approval]) -> Review:
    """Return how a batch stands by the answers so far: those of earlier tries, and those of this one, oldest first."""
    earlier = [read(asked.comment or "").words for asked in before if _in_words(asked)]
    now = Review(notes=tuple(words for words in earlier if words))
    for asked in mine:
        if _in_words(asked):
            now = _after(now, read(asked.comment or ""), asked)
    return now


def check(said: Said, numbers: Sequence[int], *, by_rules: bool) -> None:
    """Refuse a reply that cannot be followed. `numbers` are those of the batch. Raises: UserError."""
    unknown = [number for number in said.numbers if number not in numbers]
    if unknown:
        named = ", ".join(map(str, unknown[:5]))
        shown = ", ".join(map(str, numbers[:MOST_NAMED]))
        more = ", …" if len(numbers) > MOST_NAMED else ""
        raise UserError(f"There is no made row {named} in this batch. There is: {shown}{more}.")
    if not said.numbers and (by_rules or not (said.words or said.again)):
        raise UserError(
            "These rows are made by rules, which understand no words about style. Strike single ones by number (“strike 2, 5”), "
            "take the rest with ✅, or go on without any with ❌."
        )


def _after(now: Review, said: Said, asked: Approval) -> Review:
    if said.again or (said.words and not said.numbers and now.batch < MOST_BATCHES):
        words = (said.words,) if said.words else ()
        return Review(batch=now.batch + 1, notes=(*now.words, *words))
    gone = {struck.number for struck in now.struck}
    added = tuple(
        Struck(number=number, by=asked.decided_by_name or "somebody", at=asked.decided_at)
        for number in said.strike
        if number not in gone
    )
    return Review(
        batch=now.batch,
        notes=now.notes,
        struck=tuple(struck for struck in (*now.struck, *added) if struck.number not in said.keep),
        later=(*now.later, said.words) if said.words else now.later,
    )


def _in_words(asked: Approval) -> bool:
    return asked.decision is Decision.REVISE


def _numbers(said: str) -> tuple[int, ...]:
    """Read "2, 5 and 7-9"."""
    found: list[int] = []
    for first, last in re.findall(
        rf"({_NUMBER})(?:\s*(?:-|–|to)\s*({_NUMBER}))?", said, re.IGNORECASE
    ):
        start = int(first.strip("#"))
        end = int(last.strip("#")) if last else start
        found += range(start, min(end, start + 1000) + 1)
    return tuple(found)

"""What is wanted of rows that a program makes: as the debugger proposes it, and as a person says it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.jobs import Stratum
from agents.services import UserError

KIND = "made_rows"
MOST_ROWS = 100_000
OFF, AUTO = "off", "auto"
"""What the option of a start may be, beside a number."""


class MadeRowsWish(BaseModel):
    """Rows that are to be made. A change of a plan, like those of its recipe and of its rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["made_rows"] = "made_rows"
    off: bool = False
    """None are, and none that an earlier try has learnt."""
    auto: bool = False
    """As many as are missing, by what is known of the rows."""
    strata: tuple[Stratum, ...] = ()
    more_of: tuple[str, ...] = ()
    """Labels of which there are to be more, by no number."""
    with_facts: bool | None = None
    """Documents are used, or not; None: nothing was said."""

    def __bool__(self) -> bool:
        """Tell whether rows are wanted."""
        return bool(self.auto or self.strata or self.more_of or self.with_facts)

    def after(self, earlier: "MadeRowsWish") -> "MadeRowsWish":
        """Return both wishes together, where this one is the later; a label is wanted as often as was said last."""
        if self.off or not earlier:
            return self
        mine = {stratum.label for stratum in self.strata}
        facts = earlier.with_facts if self.with_facts is None else self.with_facts
        if None in mine:  # so many in all
            return self.model_copy(update={"with_facts": facts})
        kept = tuple(stratum for stratum in earlier.strata if stratum.label not in mine)
        return MadeRowsWish(
            auto=self.auto or earlier.auto,
            strata=(*kept, *self.strata),
            more_of=tuple(dict.fromkeys((*earlier.more_of, *self.more_of))),
            with_facts=facts,
        )


NOTHING = MadeRowsWish()


@dataclass(frozen=True)
class Said:
    """What a reply says about made rows."""

    wish: MadeRowsWish
    rest: str
    """The words without it."""
    notes: tuple[str, ...] = ()


def is_wish(change: dict[str, Any] | None) -> bool:
    """Tell whether a suggestion's change is about made rows."""
    return change is not None and change.get("kind") == KIND


def of_option(text: str | None) -> MadeRowsWish | None:
    """Read the option of a start: "off", "auto" or a number. Raises: UserError."""
    said = (text or "").strip().casefold()
    if not said:
        return None
    if said in {OFF, AUTO}:
        return MadeRowsWish(off=said == OFF, auto=said == AUTO)
    try:
        return MadeRowsWish(strata=(Stratum(rows=int(said.replace(",", ""))),))
    except (ValueError, ValidationError):
        raise UserError(
            f"“{text}” says nothing about rows that I should make. There is: off, auto (as many as are missing), or their "
            f"number, 1 to {MOST_ROWS:,}."
        ) from None


_COUNT = r"(\d{1,3}(?:,\d{3})+|\d{1,6})"
_ROWS = r"(?:(?:training|synthetic|made|generated|artificial|new)\s+)*(?:rows?|examples?|samples?)"
_MAKE = r"(?:make|generate|create|invent|synthesi[sz]e|write)(?:\s+me)?"
_QUOTES = "\"'`“”‘’"
_OFF = re.compile(
    r"\b(?:no|without|drop|stop|don'?t\s+(?:make|generate|use)|do\s+not\s+(?:make|generate|use))\s+"
    r"(?:(?:any|the|more|all)\s+)*(?:generated|made|made-up|synthetic|artificial|invented)(?:\s+(?:rows|data|examples))?\b",
    re.IGNORECASE,
)
_MADE_N = re.compile(
    rf"\b{_MAKE}\s+(?:about\s+|up\s+to\s+)?{_COUNT}\s+(?:more\s+|new\s+|further\s+|additional\s+|other\s+)?{_ROWS}\b"
    rf"|\badd\s+{_COUNT}\s+(?:more\s+)?(?:made|generated|synthetic|artificial)\s+(?:rows?|examples?|samples?)\b",
    re.IGNORECASE,
)
_ALSO_N = re.compile(rf"\s*(?:,|and|,\s*and)\s+{_COUNT}(?:\s+more)?(?:\s+{_ROWS})?", re.IGNORECASE)
_MADE = re.compile(
    rf"\b{_MAKE}\s+(?:(?:some|more|new|further|additional)\s+)*(?:{_ROWS}|data)\b", re.IGNORECASE
)
_MORE_OF = re.compile(r"\b(?:more|further|additional)\s+(?:rows|examples|samples)\b", re.IGNORECASE)
_FACTS = re.compile(
    r"\b(?:(?P<use>use|with|from|by)|(?P<leave>without|don'?t\s+use|do\s+not\s+use|ignore))\s+(?:also\s+)?"
    r"(?:the|my|these|those|our)?\s*(?:documents?|pdfs?|manuals?|knowledge)\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    rf"\s+(?:for|of|with|about|labell?ed)\s+(?:the\s+)?(?:labels?\s+)?[{_QUOTES}]?", re.IGNORECASE
)
_FILLERS = re.compile(
    r"^(?:[\s,;.!]|\b(?:and|please|also|but)\b)+|(?:[\s,;.!]|\b(?:and|please|also|but)\b)+$",
    re.IGNORECASE,
)


def read(words: str, labels: Sequence[str]) -> Said | None:
    """Return what words say about made rows; None where they say nothing. `labels` are those of the rows."""
    if match := _OFF.search(words):
        return Said(MadeRowsWish(off=True), _without(words, [match.span()]))
    found = _numbers(words, labels) or _more(words, labels)
    if facts := _FACTS.search(words):
        wish = MadeRowsWish(with_facts=facts["leave"] is None)
        found.append(_Part(facts.span(), wish))
    if not found:
        return None
    wish = NOTHING
    for part in found:
        wish = part.wish.after(wish)
    return Said(
        wish, _without(words, [part.span for part in found]), tuple(p.note for p in found if p.note)
    )


@dataclass(frozen=True)
class _Part:
    """A part of a sentence, and what it says."""

    span: tuple[int, int]
    wish: MadeRowsWish = NOTHING
    note: str = ""


def _numbers(words: str, labels: Sequence[str]) -> list[_Part]:
    """Return where numbers of rows are named, each with what it comes to."""
    found = []
    for start, end, rows, label, unknown in _counted(words, labels):
        if unknown:
            known = ", ".join(f"“{name}”" for name in labels[:8])
            note = f"There is no label “{unknown}” among your rows, so none are made for it. There is: {known}."
            found.append(_Part((start, end), note=note))
        elif not 1 <= rows <= MOST_ROWS:
            note = f"I can make 1 to {MOST_ROWS:,} rows, not {rows:,}."
            found.append(_Part((start, end), note=note))
        else:
            wish = MadeRowsWish(strata=(Stratum(label=label, rows=rows),))
            found.append(_Part((start, end), wish))
    return found


def _more(words: str, labels: Sequence[str]) -> list[_Part]:
    """Return where rows are wanted without a number: of a label, or as many as are missing."""
    match = _MADE.search(words) or _MORE_OF.search(words)
    if match is None:
        return []
    label, end, _unknown = _label_at(words, match.end(), labels)
    if label is not None:
        return [_Part((match.start(), end), MadeRowsWish(more_of=(label,)))]
    return [_Part(match.span(), MadeRowsWish(auto=True))] if _MADE.match(match[0]) else []


def _counted(words: str, labels: Sequence[str]) -> Iterator[tuple[int, int, int, str | None, str]]:
    """Yield where numbers of rows are named, how many, and for which label; or the name of none, where it is given as one."""
    for match in _MADE_N.finditer(words):
        start, count, at = match.start(), match[1] or match[2], match.end()
        while True:
            label, end, unknown = _label_at(words, at, labels)
            yield start, end, int(count.replace(",", "")), label, unknown
            following = _ALSO_N.match(words, end)
            if following is None or _label_at(words, following.end(), labels)[0] is None:
                break
            start, count, at = following.start(), following[1], following.end()


def _label_at(words: str, at: int, labels: Sequence[str]) -> tuple[str | None, int, str]:
    """Return the label that is named at a place, where its name ends, and what stands there that is no label."""
    introduced = _FOR.match(words, at)
    if introduced is None or not labels:
        return None, at, ""
    rest = _flat(words[introduced.end() :])
    for label in sorted(labels, key=len, reverse=True):
        flat = _flat(label)
        if flat and re.match(rf"{re.escape(flat)}(?!\w)", rest):
            end = introduced.end() + len(flat)
            return label, end + len(words[end:]) - len(words[end:].lstrip(_QUOTES)), ""
    name = re.match(rf"[^\s,;.!{_QUOTES}]+", words[introduced.end() :])
    unknown = name[0] if name else ""
    return None, introduced.end() + len(unknown), unknown


def _flat(text: str) -> str:
    """Return a text of the same length in which case and word breaks do not matter."""
    return re.sub(r"[_\-\s]", " ", text).lower()


def _without(words: str, spans: Iterable[tuple[int, int]]) -> str:
    rest = words
    for start, end in sorted(spans, reverse=True):
        rest = f"{rest[:start]} {rest[end:]}"
    return " ".join(_FILLERS.sub("", rest).split())

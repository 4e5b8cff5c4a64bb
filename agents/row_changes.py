"""Changes to the rows that a training learns from: what they are, what a person says about them, how they are carried out.

The rows of intake stay as they are; a change makes another file of them, and what it leaves out or replaces is kept in a
third. Dev and test rows are never touched.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from agents.jobs import ROWS_PER_FILE, Doubt, row_name
from storage.files import StoredFile

FEWEST_LEFT = 20
"""A change that leaves fewer rows is not made."""
KIND = "rows"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RowsChange(_Frozen):
    """Which training rows are left out or get another answer, counted from the rows as intake left them."""

    kind: str = KIND
    dropped: tuple[int, ...] = ()
    """Row numbers, as people count."""
    relabelled: tuple[tuple[int, str], ...] = ()
    """Row numbers with their new answers."""

    def __bool__(self) -> bool:
        """Tell whether anything is changed."""
        return bool(self.dropped or self.relabelled)

    @property
    def rows(self) -> tuple[int, ...]:
        """All rows that are changed."""
        return (*self.dropped, *(row for row, _ in self.relabelled))

    def dropping(self, rows: Sequence[int]) -> "RowsChange":
        """Return the change with further rows left out."""
        gone = tuple(dict.fromkeys((*self.dropped, *rows)))
        others = tuple((row, answer) for row, answer in self.relabelled if row not in gone)
        return RowsChange(dropped=gone, relabelled=others)

    def relabelling(self, doubts: Sequence[Doubt]) -> "RowsChange":
        """Return the change with the likelier answer for further rows; one without such an answer stays as it is."""
        new = {doubt.row: doubt.label for doubt in doubts if doubt.label is not None}
        kept = [(row, answer) for row, answer in self.relabelled if row not in new]
        return RowsChange(
            dropped=tuple(row for row in self.dropped if row not in new),
            relabelled=(*kept, *((row, answer) for row, answer in new.items())),
        )

    def keeping(self, rows: Sequence[int]) -> "RowsChange":
        """Return the change without what it does to these rows."""
        return RowsChange(
            dropped=tuple(row for row in self.dropped if row not in rows),
            relabelled=tuple((row, answer) for row, answer in self.relabelled if row not in rows),
        )


class KeptFile(_Frozen):
    """A file in the store."""

    sha256: str
    size_bytes: int
    rows: int

    @classmethod
    def of(cls, stored: StoredFile, rows: int) -> "KeptFile":
        """Describe a stored file."""
        return cls(sha256=stored.sha256, size_bytes=stored.size_bytes, rows=rows)


class PlannedRows(_Frozen):
    """A change of a plan, and the files that it makes."""

    change: RowsChange
    before: int
    """Rows as intake left them."""
    train: KeptFile
    """The rows to learn from."""
    put_aside: KeptFile
    """Rows that are left out or replaced, as they were."""


@dataclass(frozen=True)
class Wish:
    """What a reply says about rows."""

    change: RowsChange
    """All that is to be changed now."""
    rest: str
    """The words without what was understood."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carried:
    """Rows after a change, as bytes of JSONL."""

    train: bytes
    put_aside: bytes
    before: int
    after: int
    aside: int
    missing: tuple[int, ...]
    """Rows that the change names and the file does not have."""


_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_LIST = rf"({_NUMBER}(?:\s*(?:,|;|and|&)\s*(?:rows?\s+)?{_NUMBER})*)"
_END = r"(?=\s*(?:$|[.,;:!?]|and\b|please\b|but\b|instead\b|then\b))"
"""Words that are about rows end a part of a sentence: "only 5 answers are right" is about something else."""
_AS_THEY_WERE = re.compile(
    r"\b(?:keep|use)\s+(?:them|these|those|all\s+of\s+them|(?:all|all\s+the|the|every)\s+(?:training\s+)?rows?|all)"
    rf"(?:\s+again)?{_END}|"
    r"\b(?:don'?t|don’t|do\s+not)\s+(?:drop|remove|relabel|leave\s+out)(?:\s+(?:them|any|these|rows|any\s+rows|the\s+rows))?"
    rf"{_END}|\brevert(?:\s+(?:that|it|the\s+rows))?{_END}"
)
_KEEP = re.compile(rf"\bkeep\s+rows?\s+{_LIST}")
_DROP = re.compile(
    rf"\b(?:(?:also\s+)?(?:drop|remove|discard|omit|leave\s+out))\s+(?:also\s+)?rows?\s+{_LIST}"
)
_ONLY = re.compile(
    r"\b(?<!use )(?:(?:only|just)\s+(?:(drop|remove|relabel)\s+)?|(drop|remove|relabel)\s+(?:only\s+|just\s+)?)"
    r"(?:the\s+)?(?:first\s+|worst\s+|top\s+|most\s+doubtful\s+)*(\d+)"
    rf"(?:\s+(?:of\s+(?:them|these)|worst|most\s+doubtful|rows|ones))*{_END}"
)
_RELABEL = re.compile(
    r"\brelabel(?:\s+(?:them|these|those|all(?:\s+of\s+them)?|the\s+rows|instead))*\b(?!\s+rows?\s+\d)|"
    r"\b(?:correct|fix)\s+(?:the|their|these)\s+labels\b"
)
_DROP_ALL = re.compile(
    r"\b(?:drop|remove|discard|omit|delete|leave\s+out)\s+(?:them(?:\s+all)?|(?:all\s+of\s+)?(?:these|those)(?:\s+rows)?|"
    r"(?:all\s+)?(?:the\s+)?(?:bad|wrong|doubtful|flagged|mislabell?ed)\s+(?:rows|labels|ones)|(?:all\s+)?the\s+rows)"
    r"(?!\s+(?:\d|with\b))|\bleave\s+(?:them|these|those)\s+out\b"
)


def is_of_rows(change: dict[str, Any] | None) -> bool:
    """Tell whether a suggestion's change is one of rows."""
    return change is not None and change.get("kind") == KIND


def change_of(planned: dict[str, Any] | None) -> RowsChange:
    """Return what the rows of a plan say is changed."""
    return PlannedRows.model_validate(planned).change if planned else RowsChange()


def wished(words: str, offer: Sequence[Doubt], carried: RowsChange, now: RowsChange) -> Wish | None:
    """Return what a reply says about rows; None where it says nothing, or where none are on the table.

    `offer` are the doubtful rows, the most doubtful first; `carried` is what the try before changed, `now` what the plan
    changes as it stands.
    """
    if not (offer or carried or now):
        return None
    rest, change, notes = f" {words.casefold()} ", now, list[str]()
    understood = False
    if _AS_THEY_WERE.search(rest):
        rest, change, understood = _AS_THEY_WERE.sub(" ", rest), RowsChange(), True
    amended = _of_the_offer(rest, offer, carried, change)
    if amended is not None:
        rest, change = amended
        understood = True
    for pattern, is_kept in ((_KEEP, True), (_DROP, False)):
        for match in pattern.finditer(rest):
            rows, unknown = _meant(match[1], change.rows if is_kept else (), offer)
            change = change.keeping(rows) if is_kept else change.dropping(rows)
            if is_kept and unknown:
                notes.append(f"{_named(unknown)} would be used anyway.")
            understood = True
        rest = pattern.sub(" ", rest)
    if not understood:
        return None
    tidy = re.sub(r"^(?:\s|[,;.]|\band\b|\bplease\b)+|(?:\s|[,;.]|\band\b|\bplease\b)+$", "", rest)
    return Wish(change, " ".join(tidy.split()), tuple(notes))


def _of_the_offer(
    rest: str, offer: Sequence[Doubt], carried: RowsChange, change: RowsChange
) -> tuple[str, RowsChange] | None:
    """Return what is left of the words, and the change, where they say what is to be done about the doubtful rows."""
    match = _ONLY.search(rest)
    if match and int(match[3]) <= len(offer):
        first, verb = offer[: int(match[3])], match[1] or match[2]
        rest = rest.replace(match[0], " ")
        as_now = bool(set(change.relabelled) - set(carried.relabelled))
        if verb == "relabel" or _RELABEL.search(rest) or (verb is None and as_now):
            return _RELABEL.sub(" ", rest), carried.relabelling(first)
        return rest, carried.dropping([doubt.row for doubt in first])
    if _RELABEL.search(rest):
        return _RELABEL.sub(" ", rest), change.relabelling(offer)
    if _DROP_ALL.search(rest):
        return _DROP_ALL.sub(" ", rest), change.dropping([doubt.row for doubt in offer])
    return None


def carried_out(raw: bytes, change: RowsChange) -> Carried:
    """Return prepared rows after a change; a row that stands there several times is changed everywhere."""
    gone, answers = set(change.dropped), dict(change.relabelled)
    kept, aside, found = list[bytes](), list[bytes](), set[int]()
    lines = [line for line in raw.split(b"\n") if line.strip()]
    for line in lines:
        record: dict[str, Any] = json.loads(line)
        number = record["row"]
        if number in gone or number in answers:
            found.add(number)
            aside.append(line)
        if number in answers:
            said = record["completion"]
            new = said | {"content": answers[number]} if isinstance(said, dict) else answers[number]
            line = json.dumps(record | {"completion": new}, ensure_ascii=False).encode()
        if number not in gone:
            kept.append(line)
    return Carried(
        train=_joined(kept),
        put_aside=_joined(aside),
        before=len(lines),
        after=len(kept),
        aside=len(aside),
        missing=tuple(row for row in change.rows if row not in found),
    )


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _meant(said: str, known: Sequence[int], offer: Sequence[Doubt]) -> tuple[list[int], list[int]]:
    """Return the rows that a list of numbers means, and numbers that mean none of the known ones.

    A number alone means that row of any file among the known or doubtful rows, else that of the first file.
    """
    rows, unknown = list[int](), list[int]()
    for number in _numbers(said):
        among = known or [doubt.row for doubt in offer]
        meant = [row for row in among if number in {row, row % ROWS_PER_FILE}]
        if not meant:
            unknown.append(number)
        rows += meant or [number]
    return rows, unknown


def _numbers(said: str) -> list[int]:
    """Read "12, 14 and 1,200": a comma within a number is one before three digits."""
    return [int(n.replace(",", "")) for n in re.findall(_NUMBER, said)]


def _named(rows: Sequence[int]) -> str:
    return ", ".join(row_name(row) for row in rows[:5]).capitalize()

"""Answers with several fields: which form they have, and what stands in each field.

Three forms are known: JSON, lines of `name: value`, and records whose parts stand between separators. Imports nothing
heavy: intake looks at every upload with it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agents.worker.metrics.words import plain

MOST_CHARS = 100_000
"""Of an answer that are looked at."""
MOST_LOOKED_AT = 2000
"""Answers that tell the form of all."""
SAME_FORM = 0.8
"""Share of answers of one form from which on it is the form of all."""
SHARED_NAME = 0.5
"""Share of answers in which two names of lines must stand."""
RARE_NAME = 0.05
"""Share of answers below which a name is not listed."""
RECORD_CHARS = 80
"""Length that 95 % of records do not exceed."""
SEPARATORS = re.compile(r"[^|;{}\[\]=<>/\t_]+")
STRONG = "|;\t"
"""Where one of these separates, the others are taken for parts of a value."""
LINE = re.compile(r"\s*(?:[-*•]\s+)?(?P<name>[^\s:=][^:=\n]{0,39}?)\s*[:=](?P<value>.*)")
OPENINGS_TRIED = 5
"""Places at which JSON may begin in an answer with words before it."""
WHOLE = "answer"
"""Name of the one field of an answer that has no form."""


class Kind(StrEnum):
    """What structured answers look like."""

    JSON = "json"
    """One JSON object, or a list of them. Fields are its leaves: `order.id`; all items of a list share a name."""
    LINES = "lines"
    """Each line is `name: value` or `name = value`."""
    RECORDS = "records"
    """Short, with the same separators in each. Fields are `part 1`, `part 2`, …"""


@dataclass(frozen=True)
class Form:
    """The form that the answers of a data set have."""

    kind: Kind
    names: tuple[str, ...]
    """Of the fields, as they first appear."""
    separators: str = ""
    """Of records."""
    parts: int = 0
    """Of a record."""


@dataclass(frozen=True)
class Fields:
    """What was read out of one answer."""

    values: Counter[tuple[str, str]]
    """(name, value), levelled as exact match does."""
    alone: bool
    """Nothing but these fields stands there."""

    @property
    def names(self) -> set[str]:
        """The names of the fields."""
        return {name for name, _ in self.values}

    def of(self, name: str) -> tuple[str, ...]:
        """Return what stands in a field, in a fixed order where that is several values."""
        return tuple(sorted(value for found, value in self.values.elements() if found == name))


def form_of(answers: Sequence[str]) -> Form | None:
    """Return the form in which nearly all answers have several fields; None where they have none."""
    step = max(1, len(answers) // MOST_LOOKED_AT)
    sample = answers[::step]
    if not sample:
        return None
    forms = (
        Form(Kind.JSON, ()),
        Form(Kind.LINES, ()),
        _record_form(sample),
    )
    return next((found for form in forms if form and (found := _fitting(form, sample))), None)


def read(form: Form | None, answer: str) -> Fields | None:
    """Return the fields of an answer; None where it has none of that form.

    Words around JSON, and lines that are none, are passed over; `Fields.alone` tells. Without a form an answer is one field.
    """
    if form is None:
        return as_whole(answer)
    text = answer[:MOST_CHARS].strip()
    readers = {Kind.JSON: _read_json, Kind.LINES: _read_lines}
    found = readers[form.kind](text) if form.kind in readers else _read_record(form, text)
    return found if found is not None and found.values else None


def as_whole(answer: str) -> Fields:
    """Return an answer as one field."""
    return Fields(Counter([(WHOLE, plain(answer))]), alone=True)


def percentile_95(values: Sequence[int]) -> int:
    """Return the smallest value that 95 % of a non-empty sequence do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def _fitting(form: Form, sample: Sequence[str]) -> Form | None:
    """Return the form with its names where nearly all answers have it, and mostly several fields."""
    found = [fields for answer in sample if (fields := read(form, answer)) and fields.alone]
    if len(found) < SAME_FORM * len(sample):
        return None
    times = Counter(
        name for fields in found for name in dict.fromkeys(name for name, _ in fields.values)
    )
    if form.kind is Kind.LINES and len(_frequent(times, SHARED_NAME * len(found))) < 2:
        return None
    if 2 * sum(len(fields.names) > 1 for fields in found) <= len(found):
        return None
    listed = _frequent(times, RARE_NAME * len(found))
    return Form(form.kind, tuple(listed), form.separators, form.parts)


def _frequent(times: Counter[str], fewest: float) -> list[str]:
    return [name for name, count in times.items() if count >= fewest]


def _record_form(sample: Sequence[str]) -> Form | None:
    if percentile_95([len(answer) for answer in sample]) > RECORD_CHARS:
        return None
    shapes = Counter(SEPARATORS.sub("", answer) for answer in sample)
    shape, times = shapes.most_common(1)[0]
    strong = "".join(char for char in STRONG if char in shape)
    if not shape or (not strong and times < SAME_FORM * len(sample)):
        return None
    separators = strong or "".join(dict.fromkeys(shape))
    return Form(Kind.RECORDS, (), separators, 1 + sum(char in separators for char in shape))


def _read_json(text: str) -> Fields | None:
    try:
        return Fields(Counter(_leaves(_structure(json.loads(text)), "")), alone=True)
    except (ValueError, RecursionError):
        pass
    for match in list(re.finditer(r"[{\[]", text))[:OPENINGS_TRIED]:
        try:
            found, _end = json.JSONDecoder().raw_decode(text, match.start())
            return Fields(Counter(_leaves(found, "")), alone=False)
        except (ValueError, RecursionError):
            continue
    return None


def _structure(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise ValueError("a JSON value without fields")
    return value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path or WHOLE, level(value)


def level(value: Any) -> str:
    """Return a JSON value as text in which equal values are equal: 1.0 is 1, and words are levelled."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _read_lines(text: str) -> Fields | None:
    lines = [line for line in text.splitlines() if line.strip()]
    matches = [match for line in lines if (match := LINE.fullmatch(line))]
    found = Counter((plain(match["name"]), plain(match["value"])) for match in matches)
    return Fields(found, alone=len(matches) == len(lines))


def _read_record(form: Form, text: str) -> Fields | None:
    parts = re.split(f"[{re.escape(form.separators)}]", text)
    if len(parts) == 1:
        return None
    found = Counter(
        (f"part {place}", plain(part)) for place, part in enumerate(parts, start=1) if part.strip()
    )
    return Fields(found, alone=len(parts) == form.parts)

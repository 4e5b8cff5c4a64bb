"""The report for programs: all numbers, and what the report says in sentences. docs/report.md has the shape."""

import json
import math
from typing import Any

from agents.made_rows import MadeRows
from bot import caveats, reports
from bot.page import spoken
from bot.reported import Reported

FORMAT = "tunewright-report"
VERSION = 1
"""One more where a field goes or means something else; new fields may come without."""
ON_THIS_MACHINE = {"known_answers", "answers"}
"""Files of an evaluation, by where they lie."""


def as_json(told: Reported) -> bytes:
    """Return the file: ASCII, so that no character in it can hide or turn the writing around."""
    result = told.result
    training = told.training.model_dump(mode="json") if told.training else None
    lines = reports.conclusions(result, training, most=reports.MOST_FIELDS)
    evidence = [*caveats.not_scored(result.contamination), *reports.evidence(result)]
    written = {
        "format": FORMAT,
        "version": VERSION,
        "run": told.run,
        "try": told.iteration,
        "task": told.task,
        "model": told.model,
        "method": told.method,
        "measured_at": told.measured_at.isoformat().replace("+00:00", "Z"),
        "partial": told.partial,
        "sentence": spoken.words(lines[0]),
        "remarks": [spoken.words(line) for line in (*lines[1:], *evidence)],
        "evaluation": result.model_dump(mode="json", exclude=ON_THIS_MACHINE),
        "made_rows": None if told.made is None else _without_people(told.made),
        "training": training and {k: v for k, v in training.items() if k != "adapter_dir"},
    }
    return (json.dumps(_finite(written), indent=1, allow_nan=False) + "\n").encode("ascii")


def _without_people(made: MadeRows) -> dict[str, Any]:
    """Return what is known of made rows; the file names no person."""
    known = made.model_dump(mode="json")
    return known | {"struck": [one.number for one in made.struck]}


def _finite(value: Any) -> Any:
    """Return the same with null for numbers that JSON does not know."""
    match value:
        case dict():
            return {name: _finite(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value

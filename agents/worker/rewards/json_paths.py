"""Reward for the right value at one place of a JSON answer."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from agents.rewards import JsonPath
from agents.worker.metrics.structure import level
from agents.worker.rewards.attempt import Attempt

MOST_CHARS = 100_000
STEP = re.compile(r"\[(\d+)\]|([\w-]+)")
NOTHING = object()
"""There is no such place."""


def json_path(wanted: JsonPath) -> Callable[[Attempt], float]:
    """Return a reward for answers whose value at the path is that of the reference. Where it has none, neither may they."""

    def score(attempt: Attempt) -> float:
        said, meant = (at(wanted.path, text) for text in (attempt.answer, attempt.reference))
        if said is NOTHING or meant is NOTHING:
            return float(said is meant)
        near = _is_number(said) and _is_number(meant) and _near(wanted, said, meant)
        return float(near or level(said) == level(meant))

    return score


def at(path: str, text: str) -> Any:
    """Return what stands at a path of a JSON text; `NOTHING` where there is no such place, or no JSON."""
    try:
        value = json.loads(text[:MOST_CHARS])
    except (ValueError, RecursionError):
        return NOTHING
    for place, name in STEP.findall(path):
        if place and isinstance(value, list) and int(place) < len(value):
            value = value[int(place)]
        elif name and isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return NOTHING
    return value


def _near(wanted: JsonPath, said: float, meant: float) -> bool:
    try:
        margin = max(wanted.absolute, wanted.relative * abs(float(meant)))
        return math.isclose(float(said), float(meant), rel_tol=0, abs_tol=margin)
    except OverflowError:  # whole numbers that no float can hold
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

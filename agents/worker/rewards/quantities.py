"""Rewards for numbers: the right one, within a tolerance, in the right unit."""

import math
from collections.abc import Callable

import regex

from agents.rewards import RightNumber
from agents.worker.rewards.attempt import Attempt

QUANTITY = regex.compile(
    r"(?<![\w.,])(?P<number>[-+−]?(?:\d{1,3}(?:[, '’\u202f]\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"(?:\s?(?P<unit>[\p{L}µ°%/][\p{L}\d²³µ°%/^·]*|[€$£]))?"
)
MOST_CHARS = 20_000


def right_number(wanted: RightNumber) -> Callable[[Attempt], float]:
    """Return a reward for answers whose last number is the reference's last number."""

    def score(attempt: Attempt) -> float:
        meant, said = quantity(attempt.reference), quantity(attempt.answer)
        if meant is None or said is None:
            return 0.0
        margin = max(wanted.absolute, wanted.relative * abs(meant[0]))
        unit = meant[1] if wanted.unit is None else wanted.unit
        near = math.isclose(said[0], meant[0], rel_tol=0, abs_tol=margin)
        return float(near and _same_unit(said[1], unit))

    return score


def quantity(text: str) -> tuple[float, str] | None:
    """Return the last number of a text and the word or sign right after it; None without a number.

    A decimal point is a point; commas, spaces and apostrophes group thousands.
    """
    found = [m for m in QUANTITY.finditer(text[-MOST_CHARS:]) if any(map(str.isdigit, m["number"]))]
    if not found:
        return None
    digits = regex.sub(r"[, '’\u202f]", "", found[-1]["number"]).replace("−", "-")
    return float(digits), (found[-1]["unit"] or "").rstrip(".")


def _same_unit(said: str, meant: str) -> bool:
    # Without a unit to check, any word may follow the number.
    return not meant or said == meant or (len(meant) > 2 and said.casefold() == meant.casefold())

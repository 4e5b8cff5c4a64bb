"""Rewards by regular expression, each match under a time limit: an expression from a chat must never hang a run."""

from collections.abc import Callable

import regex

from agents.rewards import Pattern
from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt

MATCH_TIMEOUT_S = 0.1
MOST_CHARS = 20_000
"""Of an answer that are looked at."""


def pattern(wanted: Pattern) -> Callable[[Attempt], float]:
    """Return a reward for answers in which the expression is found. Raises: WorkerError: it is none."""
    found = finder(wanted.pattern, whole=wanted.whole)
    return lambda attempt: float(found(attempt.answer.strip()))


def finder(expression: str, *, whole: bool = False) -> Callable[[str], bool]:
    """Return a test whether an expression is found in a text; one that takes too long is not found.

    Raises: WorkerError: it is no regular expression.
    """
    try:
        compiled = regex.compile(expression)
    except regex.error as error:
        raise WorkerError(
            "bad_data",
            f"“{expression[:100]}” is not a regular expression: {error}. Put it right and start again.",
            for_person=True,
        ) from error

    def find(text: str) -> bool:
        match = compiled.fullmatch if whole else compiled.search
        try:
            return match(text[:MOST_CHARS], timeout=MATCH_TIMEOUT_S) is not None
        except TimeoutError:
            return False

    return find

"""Rewards for JSON that fits a schema. Nothing is fetched, and patterns run under a time limit."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError, validators
from referencing import Registry

from agents.rewards import FitsSchema
from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.patterns import finder

ANY_JSON = 0.2
"""For JSON that does not fit: on the way there."""
MOST_CHARS = 100_000


def fits_schema(wanted: FitsSchema) -> Callable[[Attempt], float]:
    """Return a reward for answers that fit the schema. Raises: WorkerError: it is no schema."""
    try:
        Draft202012Validator.check_schema(wanted.fits)
    except SchemaError as error:
        raise WorkerError(
            "bad_data",
            f"The JSON schema of the reward is not one: {error.message[:200]}. Put it right and start again.",
            for_person=True,
        ) from error
    validator = _Bounded(wanted.fits, registry=Registry())

    def score(attempt: Attempt) -> float:
        try:
            read = json.loads(attempt.answer[:MOST_CHARS])
        except (ValueError, RecursionError):
            return 0.0
        return 1.0 if validator.is_valid(read) else ANY_JSON

    return score


def _pattern(
    _validator: Any, expression: str, value: object, _schema: object
) -> Iterator[ValidationError]:
    if isinstance(value, str) and not finder(expression)(value):
        yield ValidationError(f"{value[:50]!r} does not match")


_Bounded = validators.extend(Draft202012Validator, {"pattern": _pattern})

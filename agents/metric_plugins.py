"""Plugins that score answers: a run may name those that the settings name, and no others."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from agents.own_metric import OwnMetric, Rule, not_allowed
from agents.recipe import RecipeChange
from agents.services import UserError
from configs.schema import EvaluationSettings

RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(OwnMetric)


def check(changes: Sequence[RecipeChange], evaluation: EvaluationSettings) -> None:
    """Refuse a wish for a plugin that is not named. Raises: UserError: with who can name it."""
    if refused := _refused(changes, evaluation):
        raise UserError(refused)


def possible(
    changes: Sequence[RecipeChange], evaluation: EvaluationSettings
) -> tuple[list[RecipeChange], list[str]]:
    """Return the changes of a reply that can be made, and what to say about the others."""
    if refused := _refused(changes, evaluation):
        return [change for change in changes if change.field != "metric"], [refused]
    return list(changes), []


def _refused(changes: Sequence[RecipeChange], evaluation: EvaluationSettings) -> str | None:
    named = [name for change in changes for name in _plugins(change, evaluation.metric_plugins)]
    if not named:
        return None
    known = ", ".join(evaluation.metric_plugins) or "none"
    return (
        f"There is no metric plugin “{named[0]}” here; there is: {known}. Whoever runs this Tunewright can install one and name "
        "it in the setting `evaluation.metric_plugins`."
    )


def _plugins(change: RecipeChange, allowed: Sequence[str]) -> list[str]:
    if change.field != "metric" or not change.value:
        return []
    try:
        return not_allowed(RULES.validate_python(change.value), allowed)
    except ValidationError:  # told with the other values that cannot be
        return []

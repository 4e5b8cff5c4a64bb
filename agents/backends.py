"""Which program trains a plan: what a person or the settings name, and what is said where that cannot be."""

from collections.abc import Sequence

from pydantic import ValidationError

from agents import autotrain
from agents.hyperparameters import Origin
from agents.recipe import Recipe, RecipeChange
from agents.services import UserError
from configs.schema import Backend, TrainingSettings

BY_SETTING = "training.backend, the setting of this Tunewright"
NOT_FURTHER = "AutoTrain cannot go on from an earlier adapter; backend=trl does"
ABSENT = "AutoTrain is not installed here, so the backend stays trl; `tunewright doctor` on the host says how to install it."


def check(changes: Sequence[RecipeChange], training: TrainingSettings) -> None:
    """Refuse a wish for AutoTrain where it is not installed. Raises: UserError: with what it is and how to get it."""
    if _wants_autotrain(changes):
        _find(training)


def possible(
    changes: Sequence[RecipeChange], training: TrainingSettings
) -> tuple[list[RecipeChange], list[str]]:
    """Return the changes of a reply that can be made, and what to say about the others."""
    if _wants_autotrain(changes):
        try:
            autotrain.find(training.autotrain.venv)
        except autotrain.NotInstalled:
            return [change for change in changes if change.field != "backend"], [ABSENT]
    return list(changes), []


def settled(
    recipe: Recipe,
    origins: list[Origin],
    training: TrainingSettings,
    *,
    first: bool,
    goes_on: bool,
) -> tuple[Recipe, list[Origin], list[str]]:
    """Return recipe and origins with the program that trains, and what a person should know of it.

    The setting counts for the first plan of a run that names none; what it cannot do is left to TRL, with the reason.
    `goes_on` tells that the training starts from an earlier adapter.
    Raises: UserError: AutoTrain is to train and is not installed.
    """
    named = any(field == "backend" for field, _value, _why in origins)
    if first and not named and training.backend is Backend.AUTOTRAIN:
        change = RecipeChange(field="backend", value=training.backend.value)
        try:
            recipe, why = recipe.amended([change]), BY_SETTING
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Value error, ")
        origins = [("backend", recipe.backend.value, why), *origins]
    if recipe.backend is Backend.AUTOTRAIN and goes_on:
        recipe = recipe.model_copy(update={"backend": Backend.TRL})
        others = [origin for origin in origins if origin[0] != "backend"]
        return recipe, [("backend", recipe.backend.value, NOT_FURTHER), *others], []
    if recipe.backend is not Backend.AUTOTRAIN:
        return recipe, origins, []
    _find(training)
    return recipe, origins, autotrain.differences(recipe)


def _find(training: TrainingSettings) -> None:
    try:
        autotrain.find(training.autotrain.venv)
    except autotrain.NotInstalled as error:
        raise UserError(str(error)) from error


def _wants_autotrain(changes: Sequence[RecipeChange]) -> bool:
    return any(c.field == "backend" and c.value == Backend.AUTOTRAIN for c in changes)

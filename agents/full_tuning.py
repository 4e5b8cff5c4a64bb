"""When all layers of a model may be trained instead of a LoRA adapter, and what a person should know who does that."""

from collections.abc import Collection, Sequence

from agents import memory
from agents.hyperparameters import gigabytes
from agents.jobs import MeasureResult
from agents.recipe import Method, Recipe, RecipeChange, Tuning
from agents.services import UserError

MOST_PARAMETERS = 1_000_000_000
"""The file that is handed over is about as large as the model, four bytes a weight: beyond this nobody can attach it, few
want to download it, and a checkpoint takes 12 GB."""
BYTES_PER_WEIGHT = 4
CHECKPOINT_BYTES_PER_WEIGHT = 12
"""The weight and Adam's two moments."""
MOST_CHECKPOINTS = 3
OF_LORA = ("lora_r", "lora_alpha")
INSTEAD = "Use LoRA (tuning=lora), which comes within about 0.4 % of it, or a smaller model."


def refusal(recipe: Recipe, measured: MeasureResult) -> str | None:
    """Return why a recipe that trains all layers cannot be carried out here, and what to do; None where it can."""
    if recipe.tuning is not Tuning.FULL:
        return None
    if measured.parameters > MOST_PARAMETERS:
        return (
            f"Full fine-tuning is for models of up to {MOST_PARAMETERS / 1e9:.0f} B weights; {recipe.model} has "
            f"{measured.parameters / 1e9:.1f} B, and the file you get would be as large as the model. {INSTEAD}"
        )
    least = recipe.model_copy(update={"micro_batch_size": 1})
    needed = memory.expected_bytes(measured, least)
    limit = measured.memory_bytes
    if needed is not None and limit and needed > memory.ROOM * limit:
        return (
            f"Full fine-tuning of {recipe.model} needs about {gigabytes(needed)} of memory even with one row at a time; "
            f"here are {gigabytes(limit)}, of which it may count on {memory.ROOM:.0%}. {INSTEAD}"
        )
    return None


def check(recipe: Recipe, measured: MeasureResult) -> None:
    """Refuse a recipe that trains all layers where that cannot be. Raises: UserError."""
    why = refusal(recipe, measured)
    if why is not None:
        raise UserError(why)


def possible(
    before: Recipe, changes: Sequence[RecipeChange], measured: MeasureResult
) -> tuple[Recipe, list[RecipeChange], list[str]]:
    """Return the recipe to change, the changes that can be made, and a note where LoRA has to do."""
    why = refusal(before.amended(list(changes)), measured)
    if why is None:
        return before, list(changes), []
    lora = before.model_copy(update={"tuning": Tuning.LORA})
    return lora, [change for change in changes if change.field != "tuning"], [why]


def differences(recipe: Recipe, measured: MeasureResult, asked: Collection[str] = ()) -> list[str]:
    """Say what a person who approves a plan should know of a training of all layers; nothing where it is LoRA.

    `asked` are the fields that somebody has just set.
    """
    if recipe.tuning is not Tuning.FULL:
        return []
    weights = measured.parameters
    if measured.architecture is not None:
        weights = memory.trained_weights(measured.architecture, recipe)
    size, saved = (
        BYTES_PER_WEIGHT * weights,
        MOST_CHECKPOINTS * CHECKPOINT_BYTES_PER_WEIGHT * weights,
    )
    said = [
        f"Full fine-tuning: all layers are trained, except the tables of the vocabulary. The file you get has about "
        f"{gigabytes(size)}; checkpoints take up to {gigabytes(saved)} of disk on the way.",
        "The time was measured with LoRA and is reckoned up; memory is by formula only.",
    ]
    said += [
        f"{name} is without effect: there are no low-rank weights."
        for name in OF_LORA
        if name in asked
    ]
    if recipe.method is Method.RLOO and any(reward.kind == "learned" for reward in recipe.rewards):
        said.append("The reward model before it is trained with LoRA.")
    return said

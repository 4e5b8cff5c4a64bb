"""Trainings that broke off. Each gets its own rule and no other."""

from agents.diagnosis.evidence import Evidence
from agents.diagnosis.findings import Finding
from agents.jobs import OUT_OF_MEMORY
from agents.planning import scaled
from agents.recipe import RecipeChange, half_at_once


def non_finite(evidence: Evidence) -> Finding | None:
    """Loss, gradient norm or dev loss was NaN or infinite."""
    if evidence.error_code != "non_finite_loss":
        return None
    trained = evidence.trained
    if trained is not None and trained.steps_done == 0 and not trained.dev_losses:
        return Finding(
            "non_finite_loss",
            "The loss was NaN or infinite before the first step: it is the base model, not the training.",
            "choose another base model, or download this one again: its weights may be damaged",
            telling=1.0,
        )
    change = scaled(evidence.recipe, "learning_rate", 0.1)
    return Finding(
        "non_finite_loss",
        f"The loss became NaN or infinite at a learning rate of {evidence.recipe.learning_rate:g}.",
        f"take a tenth of the learning rate: {change.value:g}",
        change,
        telling=1.0,
    )


def out_of_memory(evidence: Evidence) -> Finding | None:
    """Memory ran out, and halving the rows at once within the training was not enough or not possible."""
    if evidence.error_code != OUT_OF_MEMORY:
        return None
    recipe, at_once = evidence.recipe, evidence.at_once
    fewer = half_at_once(recipe, at_once)
    if fewer is None:
        change = scaled(recipe, "max_length_tokens", 0.5)
        rows = "One row" if at_once == 1 else f"{at_once} rows"
        return Finding(
            "out_of_memory",
            f"{rows} at a time with up to {recipe.max_length_tokens} tokens did not fit into memory, "
            "and fewer cannot be.",
            f"cut rows at {change.value} tokens",
            change,
            telling=1.0,
        )
    return Finding(
        "out_of_memory",
        f"{at_once} rows at a time did not fit into memory.",
        f"train on {fewer} rows at a time, which learns the same",
        RecipeChange(field="micro_batch_size", value=fewer),
        telling=1.0,
    )

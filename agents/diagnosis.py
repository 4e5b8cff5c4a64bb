"""The debugger's rules: what the numbers of a training say, and which single change answers it.

Thresholds and their sources: docs/debugging.md.
"""

from dataclasses import dataclass

from agents.jobs import OUT_OF_MEMORY, EvaluateResult, TrainResult, Verdict
from agents.planning import scaled
from agents.recipe import Recipe, RecipeChange, half_at_once

FEW_ROWS = 200
OVERFIT_RATIO = 1.02
"""Last dev loss over best dev loss."""
STILL_FALLING = 0.01
"""Relative fall of dev loss at the last evaluation that says the training was cut short."""
MOST_EPOCHS = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing that was seen, and what to do about it."""

    rule: str
    finding: str
    """With its numbers."""
    advice: str
    change: RecipeChange | None = None
    """None: only a person can do it."""


def diagnose(
    recipe: Recipe,
    trained: TrainResult | None,
    evaluated: EvaluateResult | None,
    error_code: str | None,
    train_rows: int,
    at_once: int = 1,
) -> list[Finding]:
    """Return findings, most telling first; at most one of them changes the recipe.

    `at_once` are the rows that went through the model together at last; it matters when memory ran out.
    """
    if error_code == "non_finite_loss":
        return [_non_finite(recipe)]
    if error_code == OUT_OF_MEMORY:
        return [_out_of_memory(recipe, at_once)]
    findings: list[Finding] = []
    if trained is not None:
        curve = [loss for _step, loss in trained.dev_losses]
        for rule in (_nothing_learnt, _overfit, _underfit):
            finding = rule(recipe, trained, curve)
            if finding is not None:
                findings.append(finding)
                break
    if train_rows < FEW_ROWS:
        findings.append(_too_few_rows(train_rows))
    if (
        evaluated is not None
        and evaluated.verdict is Verdict.CANNOT_TELL
        and evaluated.more_items_needed
    ):
        findings.append(_too_few_test_rows(evaluated))
    return findings


def _non_finite(recipe: Recipe) -> Finding:
    change = scaled(recipe, "learning_rate", 0.1)
    return Finding(
        "non_finite_loss",
        f"The loss became NaN or infinite at a learning rate of {recipe.learning_rate:g}.",
        f"take a tenth of the learning rate: {change.value:g}",
        change,
    )


def _out_of_memory(recipe: Recipe, at_once: int) -> Finding:
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
        )
    return Finding(
        "out_of_memory",
        f"{at_once} rows at a time did not fit into memory.",
        f"train on {fewer} rows at a time, which learns the same",
        RecipeChange(field="micro_batch_size", value=fewer),
    )


def _nothing_learnt(recipe: Recipe, _trained: TrainResult, curve: list[float]) -> Finding | None:
    if len(curve) < 2 or min(curve[1:]) < curve[0] * (1 - STILL_FALLING):
        return None
    change = scaled(recipe, "learning_rate", 3 if recipe.learning_rate < 5e-4 else 0.3)
    return Finding(
        "nothing_learnt",
        f"Nothing was learnt: the dev loss was {curve[0]:.3f} before the training, the best after it {min(curve[1:]):.3f}.",
        f"try a learning rate of {change.value:g}",
        change,
    )


def _overfit(recipe: Recipe, trained: TrainResult, curve: list[float]) -> Finding | None:
    if len(curve) < 3 or curve[-1] <= min(curve) * OVERFIT_RATIO or trained.best_step == 0:
        return None
    share = trained.best_step / max(trained.steps_planned, 1)
    epochs = max(round(recipe.epochs * share, 1), 0.5)
    return Finding(
        "overfit",
        f"Overfitting: the dev loss was best at step {trained.best_step} ({min(curve):.3f}) and rose to {curve[-1]:.3f} "
        "by the end.",
        f"train for {epochs:g} epochs instead of {recipe.epochs:g}",
        RecipeChange(field="epochs", value=epochs),
    )


def _underfit(recipe: Recipe, trained: TrainResult, curve: list[float]) -> Finding | None:
    if len(curve) < 3 or curve[-1] > curve[-2] * (1 - STILL_FALLING):
        return None
    finding = f"Underfitting: the dev loss was still falling at the end ({curve[-2]:.3f} → {curve[-1]:.3f} at the last look)."
    if recipe.max_steps is not None and trained.steps_done >= recipe.max_steps:
        change = scaled(recipe, "max_steps", 2)
        return Finding(
            "underfit",
            finding,
            f"train for {change.value} steps instead of {recipe.max_steps}",
            change,
        )
    if recipe.epochs >= MOST_EPOCHS:
        return None
    epochs = min(recipe.epochs * 2, MOST_EPOCHS)
    return Finding(
        "underfit",
        finding,
        f"train for {epochs:g} epochs instead of {recipe.epochs:g}",
        RecipeChange(field="epochs", value=float(epochs)),
    )


def _too_few_rows(train_rows: int) -> Finding:
    return Finding(
        "too_few_rows",
        f"Only {train_rows} rows to learn from.",
        f"start a new run with more rows: {FEW_ROWS} or more make most tasks steady",
    )


def _too_few_test_rows(evaluated: EvaluateResult) -> Finding:
    return Finding(
        "too_few_test_rows",
        f"{evaluated.items} test rows are too few to be sure of a gain of "
        f"{100 * evaluated.primary.gain:+.1f} points.",
        f"about {evaluated.more_items_needed} more test rows would show a gain of this size",
    )

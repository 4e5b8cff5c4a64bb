"""From facts to a plan: hyper-parameters by rule, each with its origin, and an estimate from measured steps."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from agents.jobs import IntakeResult, MeasureResult
from agents.recipe import Recipe, RecipeChange
from configs.schema import CheckpointMode

Z_FOR_80_PERCENT_POWER = 7.85
"""(z₀.₉₇₅ + z₀.₈)²: two-sided 5 %, 80 % power."""
DISCORDANT_SHARE = 0.2
"""Share of items on which base and tuned are expected to differ; no data has been seen when this is used."""
FEWEST_ITEMS = 20
"""Below this many test items no verdict is given."""
SMALL_MODEL_PARAMETERS = 500_000_000

Origin = tuple[str, str, str]


@dataclass(frozen=True)
class Estimate:
    """What a plan is expected to take, from steps measured on this machine."""

    steps: int
    train_rows: int
    test_rows: int
    step_s: float
    train_s: float
    evaluate_s: float
    smallest_gain: float | None
    """Smallest true gain (0 … 1) that the test set shows 4 times out of 5; None below 20 items."""

    @property
    def total_s(self) -> float:
        """Training and evaluation together."""
        return self.train_s + self.evaluate_s

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def smallest_gain(items: int, discordant_share: float = DISCORDANT_SHARE) -> float | None:
    """Return the smallest true gain that a paired test on `items` shows with 80 % power, or None below 20 items.

    Solves n = 7.85·(p_d - δ²)/δ² for δ (docs/evaluation.md, "smallest gain").
    """
    if items < FEWEST_ITEMS:
        return None
    return math.sqrt(Z_FOR_80_PERCENT_POWER * discordant_share / (items + Z_FOR_80_PERCENT_POWER))


def first_recipe(
    model: str, data: IntakeResult, measured: MeasureResult, mode: CheckpointMode
) -> tuple[Recipe, list[Origin]]:
    """Return the recipe that the rules suggest and where each value comes from."""
    rows = data.train_rows
    epochs, epochs_why = _epochs(rows)
    batch_size = 8 if rows < 2000 else 16
    learning_rate, rate_why = _learning_rate(measured.parameters)
    length = min(measured.context_tokens, _round_up(measured.tokens_max + 8, 64), 1024)
    answer = min(_round_up(int(measured.completion_tokens_max * 1.25) + 4, 8), 256)
    recipe = Recipe(
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_length_tokens=max(length, 16),
        max_new_tokens=answer,
        primary_metric=data.suggested_metric,
        checkpoint_mode=mode,
    )
    origins = [
        ("epochs", f"{epochs:g}", epochs_why),
        ("learning_rate", f"{learning_rate:g}", rate_why),
        (
            "batch_size",
            str(batch_size),
            "8 below 2,000 rows, else 16: small sets want many small steps",
        ),
        (
            "lora_r",
            str(recipe.lora_r),
            "rank 16 on all linear layers: within 0.4 % of much larger ranks in a 35-model sweep",
        ),
        (
            "max_length_tokens",
            str(recipe.max_length_tokens),
            f"the longest row has {measured.tokens_max} tokens",
        ),
        ("primary_metric", recipe.primary_metric.value, data.metric_reason),
    ]
    return recipe, origins


def estimate(
    recipe: Recipe, data: IntakeResult, measured: MeasureResult, measured_batch: int
) -> Estimate:
    """Return what a recipe is expected to take on this machine."""
    rows = min(data.train_rows, recipe.max_train_rows or data.train_rows)
    tests = min(data.test_rows, recipe.max_test_rows or data.test_rows)
    steps = math.ceil(rows * recipe.epochs / recipe.batch_size)
    if recipe.max_steps is not None:
        steps = min(steps, recipe.max_steps)
    step_s = measured.step_s * recipe.batch_size / measured_batch
    dev_passes = 6  # base, end and a few between: the trainer spreads them over the run
    dev_s = (
        dev_passes * data.dev_rows * (measured.step_s / measured_batch) / 3
    )  # forward only: a third of a step
    # a base that was never taught the task rambles to the end; the tuned one answers as the rows do
    answer_tokens = recipe.max_new_tokens + measured.completion_tokens_p95
    answers_s = tests * answer_tokens * measured.decode_token_s
    if not recipe.is_judged_by_answers:
        # base and tuned only read the rows: forward, a third of a step
        answers_s = 2 * tests * (measured.step_s / measured_batch) / 3
    return Estimate(
        steps=steps,
        train_rows=rows,
        test_rows=tests,
        step_s=step_s,
        train_s=measured.load_s + steps * step_s + dev_s,
        evaluate_s=measured.load_s + answers_s,
        smallest_gain=smallest_gain(tests),
    )


def difference(before: Recipe, after: Recipe) -> list[tuple[str, str, str]]:
    """Return (field, before, after) of all that differs."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [(name, _say(old[name]), _say(new[name])) for name in new if old[name] != new[name]]


def scaled(recipe: Recipe, field: str, factor: float) -> RecipeChange:
    """Return a change that multiplies a number of the recipe, rounded to two significant digits."""
    value = getattr(recipe, field) * factor
    if isinstance(getattr(recipe, field), int):
        return RecipeChange.model_validate({"field": field, "value": max(1, round(value))})
    return RecipeChange.model_validate({"field": field, "value": float(f"{value:.2g}")})


def _epochs(rows: int) -> tuple[float, str]:
    # rule of thumb by size; early stopping on dev loss keeps the best step anyway
    for limit, epochs in ((200, 6.0), (1000, 4.0), (10_000, 2.0)):
        if rows < limit:
            return (
                epochs,
                f"rule of thumb for {rows:,} rows; the step with the best dev loss is kept",
            )
    return 1.0, f"{rows:,} rows are enough to see each once"


def _learning_rate(parameters: int) -> tuple[float, str]:
    if parameters < SMALL_MODEL_PARAMETERS:
        return 5e-4, "LoRA rule 3e-4, raised for a model under 500 M parameters in a short run"
    return 3e-4, "LoRA rule: nearly unbeatable in a 35-model sweep (mean regret 0.2 %)"


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def _say(value: object) -> str:
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

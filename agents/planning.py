"""What a plan is expected to take, from measured steps; what two plans differ in."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from agents import memory
from agents.candidates import Candidates, rungs
from agents.hyperparameters import rows_to_learn
from agents.jobs import Baseline, IntakeResult, MeasureResult
from agents.recipe import Method, Metric, Recipe, RecipeChange, Tuning, is_lean
from configs.schema import EvaluationSettings, TrainingSettings

Z_FOR_80_PERCENT_POWER = 7.85
"""(z₀.₉₇₅ + z₀.₈)²: two-sided 5 %, 80 % power."""
SUITE_TOKENS = 7200
"""What a model reads for the general suite, with SmolLM2's tokenizer."""
DISCORDANT_SHARE = 0.2
"""Share of items on which base and tuned are expected to differ; no data has been seen when this is used."""
SWAPPED_PROMPTS = 0.5
"""Prompts asked for a dev row, on average, to see whether answers depend on what must not matter: 0.41 in BANKING77, 0.46 in
Alpaca, 0.54 in E2E; most rows name nobody, and are not asked again."""
FULL_STEP_FACTOR = {"cpu": 1.0, "cuda": 1.3}
"""Time of a step that trains all layers, of one of TRL's that trains LoRA. Measured on a CPU, where the small matrices of
LoRA cost what they save; counted for a GPU: a third pass beside forward, forward again and backward."""
FULL_STEP_FACTOR_OF_LEAN = 2.0
"""The same of a lean step, which full fine-tuning does not have: 1.7 and 2.1 in processor time, SmolLM2-135M."""
SAVE_STEPS: int = TrainingSettings.model_fields["save_steps"].default
FEWEST_ITEMS = 20
"""Below this many test items no verdict is given."""


@dataclass(frozen=True)
class Estimate:
    """What a plan is expected to take, from steps measured on this machine."""

    steps: int
    """Of one training."""
    train_rows: int
    test_rows: int
    step_s: float
    train_s: float
    evaluate_s: float
    smallest_gain: float | None
    """Smallest true gain (0 … 1) that the test set shows 4 times out of 5; None below 20 items."""
    memory_bytes: int | None = None
    """Expected peak of the training, by formula; None for an architecture that the formula does not know."""
    measured_memory_bytes: int | None = None
    """Peak of one step on the longest rows with the usual settings; None where it was not tried."""
    memory_limit_bytes: int = 0
    """What a job may hold on this machine; 0: unknown."""
    cost: float | None = None
    """At the configured price per hour; None without one."""
    currency: str = ""
    judge: str | None = None
    """Language model that is asked about answers; None: no reward asks one."""
    questions: int = 0
    """How often, at most."""
    all_steps: int | None = None
    """Steps of all candidates together; None where there are none."""
    make_s: float = 0.0
    """To make rows, and to look at them."""
    without_s: float = 0.0
    """The same training once more without the made rows, to compare."""

    @property
    def fits(self) -> bool:
        """Whether the training is expected to fit into memory; true where nothing is known."""
        if self.memory_bytes is None or not self.memory_limit_bytes:
            return True
        return self.memory_bytes <= memory.ROOM * self.memory_limit_bytes

    @property
    def one_training_s(self) -> float:
        """The training of one candidate alone, where there are several."""
        if self.all_steps is None:
            return self.train_s
        return self.train_s * self.steps / self.all_steps

    @property
    def total_s(self) -> float:
        """All that a try takes."""
        return self.make_s + self.train_s + self.without_s + self.evaluate_s

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


def is_enough(baseline: Baseline, target: float) -> bool:
    """Tell whether a base may have reached the target already: its 95 % interval does, for a score that has a known top."""
    has_top = baseline.metric in {Metric.EXACT_MATCH, Metric.FIELD_F1, Metric.TOKEN_F1}
    return has_top and baseline.items >= FEWEST_ITEMS and baseline.high >= target


def estimate(
    recipe: Recipe,
    data: IntakeResult,
    measured: MeasureResult,
    measured_batch: int,
    asked: EvaluationSettings | None = None,
    save_steps: int = SAVE_STEPS,
) -> Estimate:
    """Return what a recipe is expected to take on this machine; `asked` says what else base and tuned are asked.

    `save_steps` lie between two checkpoints, at most: candidates are compared where one is saved.
    """
    rows = rows_to_learn(data, measured, recipe.max_train_rows)
    tests = min(data.test_rows, recipe.max_test_rows or data.test_rows)
    steps = math.ceil(rows * recipe.epochs / recipe.batch_size)
    if recipe.max_steps is not None:
        steps = min(steps, recipe.max_steps)
    step_s = measured.step_s * recipe.batch_size / measured_batch * _step_factor(recipe, measured)
    row_s = measured.step_s / measured_batch / 3  # forward only: a third of a step
    dev_passes = 6  # base, end and a few between: the trainer spreads them over the run
    dev_s = dev_passes * data.dev_rows * row_s
    # a base that was never taught the task rambles to the end; the tuned one answers as the rows do
    parts, all_steps = _race(recipe, steps, save_steps)
    answer_tokens = recipe.max_new_tokens + measured.completion_tokens_p95
    answers_s = tests * answer_tokens * measured.decode_token_s
    if not recipe.is_judged_by_answers:
        # base and tuned only read the rows
        answers_s = 2 * tests * row_s
    return Estimate(
        memory_bytes=memory.expected_bytes(measured, recipe),
        # tried with LoRA
        measured_memory_bytes=None if recipe.tuning is Tuning.FULL else measured.longest_peak_bytes,
        memory_limit_bytes=measured.memory_bytes,
        steps=steps,
        train_rows=rows,
        test_rows=tests,
        step_s=step_s,
        train_s=parts * measured.load_s + all_steps * step_s + dev_s * all_steps / steps,
        evaluate_s=measured.load_s
        + answers_s
        + _beside(recipe, measured, row_s, tests, asked)
        + _twins_s(recipe, measured, data.dev_rows, asked),
        smallest_gain=smallest_gain(tests),
        all_steps=None if recipe.candidates is None else all_steps,
    )


def _race(recipe: Recipe, steps: int, save_steps: int) -> tuple[int, int]:
    """Return how often a training is taken up, and how many steps it takes, over all candidates."""
    if recipe.candidates is None:
        return 1, steps
    all_rungs = rungs(len(recipe.candidates.values), steps, save_steps)
    return sum(rung.candidates for rung in all_rungs), sum(rung.steps for rung in all_rungs)


def _beside(
    recipe: Recipe,
    measured: MeasureResult,
    row_s: float,
    tests: int,
    asked: EvaluationSettings | None,
) -> float:
    """Return the seconds of what is asked beside the test rows, the first time; later tries know what the base says."""
    if asked is None:
        return 0.0
    seconds = 0.0
    if asked.general_suite and recipe.method is not Method.REWARD:
        seconds += 2 * SUITE_TOKENS / measured.tokens_mean * row_s
    if asked.prompted_base and measured.baseline is not None:
        seconds += 2 * tests * recipe.max_new_tokens * measured.decode_token_s
    return seconds


def _twins_s(
    recipe: Recipe, measured: MeasureResult, dev_rows: int, asked: EvaluationSettings | None
) -> float:
    """Return the seconds, at most, for dev rows that are asked again with one attribute changed."""
    if asked is None or not asked.swapped_prompts or recipe.method is not Method.SFT:
        return 0.0
    tokens = recipe.max_new_tokens + measured.completion_tokens_p95  # base, then tuned
    return min(asked.swap_budget_s, dev_rows * SWAPPED_PROMPTS * tokens * measured.decode_token_s)


def _step_factor(recipe: Recipe, measured: MeasureResult) -> float:
    """Return how much longer a step takes than the one that was measured, with LoRA."""
    if recipe.tuning is not Tuning.FULL:
        return 1.0
    lean = is_lean(recipe.model_copy(update={"tuning": Tuning.LORA}), measured.device)
    return FULL_STEP_FACTOR_OF_LEAN if lean else FULL_STEP_FACTOR[measured.device]


def difference(before: Recipe, after: Recipe) -> list[tuple[str, str, str]]:
    """Return (field, before, after) of all that differs."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [
        (name, _say(name, old[name]), _say(name, new[name]))
        for name in new
        if old[name] != new[name]
    ]


def scaled(recipe: Recipe, field: str, factor: float) -> RecipeChange:
    """Return a change that multiplies a number of the recipe, rounded to two significant digits."""
    value = getattr(recipe, field) * factor
    if isinstance(getattr(recipe, field), int):
        return RecipeChange.model_validate({"field": field, "value": max(1, round(value))})
    return RecipeChange.model_validate({"field": field, "value": float(f"{value:.2g}")})


def _say(name: str, value: object) -> str:
    if name == "candidates":
        return "none" if value is None else Candidates.model_validate(value).words
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

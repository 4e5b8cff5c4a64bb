"""Hyper-parameters by rule, each with its origin. Sources and tables: docs/planning.md.

A rule sees the values that were settled before it, so a person's own value for one shapes the others: fewer rows give
more epochs, fewer steps a higher learning rate.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import memory
from agents.jobs import IntakeResult, MeasureResult
from agents.recipe import Metric, Quantisation, Recipe, TargetModules, Tuning, usual_rows_at_once
from configs.schema import Backend, CheckpointMode

SMALL_MODEL_PARAMETERS = 500_000_000
LARGE_SCALE_PARAMETERS = (900_000_000, 3_500_000_000)
"""Models for which the sweep found 3e-4 too low at high ranks."""
LEARNING_RATE = 3e-4
RAISED_LEARNING_RATE = 5e-4
FULL_RATE_FACTOR = 0.1
"""Of a learning rate for LoRA, in full fine-tuning: Tinker's rule multiplies by 10 for LoRA and by 1 for full."""
FEWEST_STEPS = 100
"""Steps that a run should have; below, a run is short."""
FEWEST_STEPS_OF_A_SMALL_MODEL = 150
"""A 135 M model learnt the form of its answers by step 40 and their meaning only at steps 100 to 125."""
ALPHA = 32
BATCH_SIZES = (16, 8, 4, 2)
MANY_ROWS = 2000
RANKS = ((2_000_000, 16), (10_000_000, 32))
"""(training tokens, rank below so many); beyond the last one `HIGHEST_RANK`."""
HIGHEST_RANK = 64
LONGEST_ROW_TOKENS = {"cpu": 1024, "cuda": 4096}
LONGEST_ANSWER_TOKENS = 256

PATIENCE = 3
"""Prechelt ("Early stopping – but when?", 1998) found that waiting longer costs much time for a little less error."""

Origin = tuple[str, str, str]
"""(field, value, reason)"""


@dataclass(frozen=True)
class Facts:
    """What the rules look at."""

    data: IntakeResult
    measured: MeasureResult
    settled: Mapping[str, Any]
    """Values that stand already: a person's own, and those of earlier rules."""

    @property
    def rows(self) -> int:
        """Rows that are trained on."""
        return rows_to_learn(self.data, self.measured, self.settled.get("max_train_rows"))

    @property
    def small(self) -> bool:
        """Whether the model is one that learns in more, smaller steps."""
        return self.measured.parameters < SMALL_MODEL_PARAMETERS

    @property
    def full(self) -> bool:
        """Whether the weights themselves are trained."""
        return self.settled.get("tuning") == Tuning.FULL

    def needed_bytes(self, changes: Mapping[str, Any]) -> int | None:
        """Return the memory that a training with what is settled and these changes needs; None where that is not known."""
        if self.measured.architecture is None or not self.measured.memory_bytes:
            return None
        recipe = Recipe.model_validate({**self.settled, **changes})
        return memory.expected_bytes(self.measured, recipe)

    def steps(self, batch_size: int) -> int:
        """Return the optimizer steps of a run with this batch size."""
        steps: int = math.ceil(self.rows * self.settled["epochs"] / batch_size)
        most: int | None = self.settled.get("max_steps")
        return steps if most is None else min(steps, most)


def rows_to_learn(data: IntakeResult, measured: MeasureResult, most: int | None) -> int:
    """Return how many rows are trained on: at most `most`, and none that are too long to learn anything from."""
    usable = max(1, data.train_rows - measured.rows_left_out_count)
    return min(usable, most or usable)


def derive(
    model: str,
    data: IntakeResult,
    measured: MeasureResult,
    mode: CheckpointMode,
    held: Mapping[str, Any] | None = None,
) -> tuple[Recipe, list[Origin]]:
    """Return the recipe that the rules suggest around the values in `held`, and where each of the rules' values is from.

    Raises: pydantic.ValidationError: a held value lies outside its bounds.
    """
    held = {} if held is None else held
    # validated first: the rules compute with what people said
    settled = Recipe.model_validate({"model": model, "checkpoint_mode": mode, **held}).model_dump()
    settled = {name: settled[name] for name in held} | {"model": model}
    origins: list[Origin] = []
    for field, rule in RULES.items():
        if field not in held:
            settled[field], why = rule(Facts(data, measured, settled))
            if why:  # a rule without a reason leaves the default alone
                origins.append((field, _shown(settled[field]), why))
    return Recipe.model_validate({"checkpoint_mode": mode, **settled}), origins


def _epochs(facts: Facts) -> tuple[float, str]:
    rows = facts.rows
    table = ((100, 8.0), (200, 6.0), (1000, 4.0), (10_000, 3.0 if facts.small else 2.0))
    for limit, epochs in table:
        if rows < limit:
            return (
                epochs,
                f"rule of thumb for {rows:,} rows; the step with the best dev loss is kept",
            )
    return 1.0, f"{rows:,} rows are enough to see each once"


def _patience(_facts: Facts) -> tuple[int, str]:
    return PATIENCE, (
        f"training ends when the dev loss was more than 2 % above its best {PATIENCE} times in a row (Prechelt's rule)"
    )


def _batch_size(facts: Facts) -> tuple[int, str]:
    most = BATCH_SIZES[0] if facts.rows >= MANY_ROWS else BATCH_SIZES[1]
    fewest = FEWEST_STEPS_OF_A_SMALL_MODEL if facts.small else FEWEST_STEPS
    if facts.settled.get("max_steps"):
        return most, f"the number of steps is set; {most} rows each"
    for size in (size for size in BATCH_SIZES if size <= most):
        steps = facts.steps(size)
        if steps >= fewest:
            return (
                size,
                f"{steps:,} steps: a model of this size needs at least {fewest} to learn meaning, not only form",
            )
    size = BATCH_SIZES[-1]
    return size, f"as many steps ({facts.steps(size)}) as so few rows give"


def _tuning(_facts: Facts) -> tuple[str, str]:
    return Tuning.LORA.value, (
        "rank 16 is within about 0.4 % of the largest ranks; full fine-tuning hands over a file of the model's size"
    )


def _lora_r(facts: Facts) -> tuple[int, str]:
    if facts.full:
        return RANKS[0][1], ""
    tokens = facts.rows * facts.measured.tokens_mean
    rank = next((rank for limit, rank in RANKS if tokens < limit), HIGHEST_RANK)
    loss = {16: "0.4 %", 32: "0.2 %", 64: "0.06 %"}[rank]
    part = facts.settled.get("target_modules", TargetModules.ALL_LINEAR)
    if part != TargetModules.ALL_LINEAR:
        why = f"for {_millions(tokens)} tokens; on the {part} layers alone it learns less than on all, even at equal size"
        return rank, why
    return rank, (
        f"for {_millions(tokens)} tokens, on all linear layers: within about {loss} of the largest ranks in a 35-model sweep"
    )


def _lora_alpha(facts: Facts) -> tuple[int, str]:
    if facts.full:
        return ALPHA, ""
    if facts.settled.get("use_rslora"):
        alpha = max(1, round(ALPHA / math.sqrt(facts.settled["lora_r"])))
        return alpha, f"rank-stabilised LoRA divides by √r: this keeps the scale of alpha {ALPHA}"
    return ALPHA, "fixed: with alpha tied to the rank the learning rate would have to follow"


def _learning_rate(facts: Facts) -> tuple[float, str]:
    rate, why = _lora_rate(facts)
    if facts.full:
        return float(
            f"{rate * FULL_RATE_FACTOR:.2g}"
        ), f"{why}; a tenth for full fine-tuning (Tinker)"
    return rate, why


def _lora_rate(facts: Facts) -> tuple[float, str]:
    low, high = LARGE_SCALE_PARAMETERS
    steps = facts.steps(facts.settled["batch_size"])
    if facts.small:
        why = "LoRA rule 3e-4, raised for a model under 500 M parameters"
    elif steps < FEWEST_STEPS:
        why = f"LoRA rule 3e-4, raised for a short run ({steps} steps)"
    elif low <= facts.measured.parameters <= high and facts.settled["lora_r"] >= HIGHEST_RANK:
        why = "LoRA rule 3e-4, raised for a model of 1 to 3 B parameters at a high rank"
    else:
        return LEARNING_RATE, "LoRA rule: nearly unbeatable in a 35-model sweep (mean regret 0.2 %)"
    return RAISED_LEARNING_RATE, why


def _max_length_tokens(facts: Facts) -> tuple[int, str]:
    measured = facts.measured
    most = LONGEST_ROW_TOKENS.get(measured.device, LONGEST_ROW_TOKENS["cpu"])
    wanted = _round_up(measured.tokens_max + 8, 64)
    length = max(16, min(measured.context_tokens, wanted, most))
    return length, f"the longest row has {measured.tokens_max:,} tokens"


def _max_new_tokens(facts: Facts) -> tuple[int, str]:
    longest = facts.measured.completion_tokens_max
    return room_for_answers(longest), f"the longest answer has {longest:,} tokens"


def room_for_answers(longest_tokens: int) -> int:
    """Return how many tokens an answer may have where the longest one that is known has so many."""
    return min(_round_up(int(longest_tokens * 1.25) + 4, 8), LONGEST_ANSWER_TOKENS)


def _primary_metric(facts: Facts) -> tuple[str, str]:
    if facts.settled.get("metric"):
        return Metric.OWN.value, "you said how answers are scored"
    return facts.data.suggested_metric.value, facts.data.metric_reason


def _quantisation(facts: Facts) -> tuple[str, str]:
    measured = facts.measured
    needed = None if facts.full else facts.needed_bytes({"micro_batch_size": 1})
    if (
        needed is not None
        and measured.device != "cpu"
        and facts.settled.get("backend") is not Backend.AUTOTRAIN
        and needed > memory.ROOM * measured.memory_bytes
    ):
        why = f"16-bit weights would need {gigabytes(needed)} of the GPU's {gigabytes(measured.memory_bytes)}"
        return Quantisation.FOUR_BIT.value, why
    return Quantisation.NONE.value, ""


def _micro_batch_size(facts: Facts) -> tuple[int | None, str]:
    room = memory.ROOM * facts.measured.memory_bytes
    usual = facts.needed_bytes({})
    if usual is None or usual <= room:
        return None, ""
    most = usual_rows_at_once(Recipe.model_validate(facts.settled), facts.measured.device)
    sizes = [size for size in (4, 2, 1) if size < most]
    for size in sizes:
        needed = facts.needed_bytes({"micro_batch_size": size})
        if needed is not None and needed <= room:
            return size, f"{gigabytes(needed)} instead of {gigabytes(usual)}, so that it fits"
    return 1, f"as little memory as possible; {gigabytes(facts.measured.memory_bytes)} are there"


RULES: dict[str, Callable[[Facts], tuple[Any, str]]] = {
    "epochs": _epochs,
    "patience": _patience,
    "batch_size": _batch_size,
    "tuning": _tuning,
    "lora_r": _lora_r,
    "lora_alpha": _lora_alpha,
    "learning_rate": _learning_rate,
    "max_length_tokens": _max_length_tokens,
    "max_new_tokens": _max_new_tokens,
    "primary_metric": _primary_metric,
    "quantisation": _quantisation,
    "micro_batch_size": _micro_batch_size,
}
"""In this order: a rule may ask for what stands above it."""


def gigabytes(size_bytes: float) -> str:
    """Return a size in words."""
    return f"{size_bytes / 1e9:.1f} GB"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:.1f} M" if tokens >= 1e6 else f"{tokens:,.0f}"


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step

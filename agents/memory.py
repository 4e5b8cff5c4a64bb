"""How much memory a training needs, by formula; docs/planning.md has it in words, with what was measured against it."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from agents.jobs import MeasureResult
from agents.recipe import (
    PARTS_AT_A_TIME,
    Quantisation,
    Recipe,
    TargetModules,
    Tuning,
    is_lean,
    rows_at_once,
    texts_of_row,
)
from configs.registry import Architecture

LEAN_HEAP_FACTOR = 1.25
"""What the C heap holds for each byte that the backward pass of lean steps needs: temporaries leave holes between what is kept.

Measured 0.9 to 1.6 with one heap for all threads, as the launcher has it (docs/planning.md). A GPU's allocator rounds less.
"""
HEAP_FACTOR = 1.7
"""The same in TRL's steps, which pass over memory more often: measured 1.6 to 1.9."""
FULL_HEAP_FACTOR = 1.2
"""The same in full fine-tuning, where gradients come as what they need goes: measured 0.7 to 1.2."""
GPU_FACTOR = 1.1
GPU_CONTEXT_BYTES = 1_400_000_000
STEP_BYTES = 110_000_000
"""What is imported after the process was measured, and set up at the first step."""
ADAM_BYTES = 16
"""Per trained weight: itself, its gradient and two moments, in fp32."""
LOGITS = 3, 1024
"""Copies in fp32 (logits, their softmax and its gradient), and positions of answers that are scored at once at most."""
LEAN_LOGITS = 2, 512
"""The same in lean steps, of two parts together: the gradient takes the place of the softmax."""
DROPPED = 1.25
"""Dropout keeps for each input what is left of it, and in a byte whether it is."""
CGROUP = Path("/sys/fs/cgroup")
ROOM = 0.9
"""Share of the memory that a training may count on."""


def machine_memory_bytes() -> int:
    """Return the memory of this machine or, if less, of the control group that we run in."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = CGROUP.joinpath("memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def free_machine_bytes() -> int:
    """Return the memory that this machine or, if less, the control group that we run in still has room for."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = CGROUP.joinpath("memory.max").read_text().strip()
        used = int(CGROUP.joinpath("memory.current").read_text())
        lines = CGROUP.joinpath("memory.stat").read_text().splitlines()
    except OSError:
        return free
    files = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    # files that were read are forgotten as soon as the room is needed
    return min(free, max(0, int(limit) - used + files)) if limit.isdigit() else free


def answer_bytes(widths: Architecture, tokens: int, value_bytes: int) -> int:
    """Return what a row of so many tokens, its answer included, holds while it is answered.

    Keys and values of each layer, and twice the scores of a token, once of them in fp32.
    """
    held = 2 * widths.layers * widths.key_value_width * tokens
    return held * value_bytes + (4 + value_bytes) * widths.vocabulary


def reading_bytes(widths: Architecture, tokens: int, value_bytes: int) -> int:
    """Return what it takes to read so many tokens of prompts: what one layer has in hand, attention by row included."""
    attention = 4 * widths.query_width + 6 * widths.key_value_width
    return tokens * value_bytes * (6 * widths.hidden + attention + 3 * widths.mlp_width)


@dataclass(frozen=True)
class Step:
    """An optimizer step on the longest rows of a training."""

    widths: Architecture
    recipe: Recipe
    row_tokens: int
    """The answer included."""
    answer_tokens: int
    device: str = "cpu"
    mean_tokens: float | None = None
    """Of the longest rows, where they differ: lean steps do not pad. None: as many as the longest one has."""
    shared_tokens: int = 0
    """First ones that all of these rows begin with, as far as they go through the model once."""

    @property
    def texts_at_once(self) -> int:
        """Texts that go through the model together."""
        return rows_at_once(self.recipe, self.device) * texts_of_row(self.recipe.method)

    @property
    def lean(self) -> bool:
        """Whether it is a lean step."""
        return is_lean(self.recipe, self.device)

    @property
    def fixed_bytes(self) -> int:
        """What weights, gradients, Adam and the logits of answers take."""
        weights = _weight_bytes(self.widths, self.recipe, self.device != "cpu")
        copies, most = LEAN_LOGITS if self.lean else LOGITS
        positions = min(self.answer_tokens * self.texts_at_once, most)
        logits = copies * 4 * self.widths.vocabulary * positions
        return weights + ADAM_BYTES * trained_weights(self.widths, self.recipe) + logits

    @property
    def kept_bytes(self) -> int:
        """What all layers keep for the backward pass, in fp32."""
        places = self.row_tokens * self.texts_at_once
        # in a lean step a part of the rows goes through the layers at a time, the shared tokens once for each part
        tokens = places
        if self.lean:
            tokens = round((self.mean_tokens or self.row_tokens) * self.texts_at_once)
            tokens -= self.shared_tokens * max(0, self.texts_at_once - PARTS_AT_A_TIME)
        by_place = 2 * (self.widths.query_width + self.widths.key_value_width)
        by_token = kept_values(self.widths, self.recipe, lean=self.lean) - by_place
        return 4 * self.widths.layers * (by_place * places + by_token * tokens)

    def gpu_bytes(self, *, keeps_activations: bool) -> int:
        """Return what it takes on a GPU."""
        kept = self.kept_bytes
        if not keeps_activations:  # all layers but one keep only their input
            tokens = self.row_tokens * self.texts_at_once
            kept = kept // self.widths.layers + 4 * self.widths.hidden * tokens * self.widths.layers
        if self.recipe.tuning is not Tuning.FULL:  # in half precision
            kept //= 2
        return GPU_CONTEXT_BYTES + int(GPU_FACTOR * kept) + self.fixed_bytes


def expected_bytes(measured: MeasureResult, recipe: Recipe) -> int | None:
    """Return the expected peak of a training on rows that were measured; None for an architecture that is not known."""
    if measured.architecture is None:
        return None
    mean = measured.longest_mean_tokens
    step = Step(
        measured.architecture,
        recipe,
        row_tokens=min(measured.tokens_max, recipe.max_length_tokens),
        answer_tokens=min(measured.completion_tokens_max, recipe.max_length_tokens),
        device=measured.device,
        mean_tokens=None if mean is None else min(mean, recipe.max_length_tokens),
        shared_tokens=measured.shared_tokens,
    )
    return training_bytes(step, measured.process_bytes, measured.memory_bytes)


def training_bytes(step: Step, process_bytes: int, limit_bytes: int = 0) -> int:
    """Return the expected peak of a training.

    `process_bytes` is what the process holds before it loads the model; on a GPU it does not count. There, activations
    are kept where `limit_bytes` (of the GPU; 0: unknown) have room for them.
    """
    if step.device != "cpu":
        return step.gpu_bytes(keeps_activations=keeps_activations(step, limit_bytes))
    factor = HEAP_FACTOR
    if step.recipe.tuning is Tuning.FULL:
        factor = FULL_HEAP_FACTOR
    elif step.lean:
        factor = LEAN_HEAP_FACTOR
    return process_bytes + STEP_BYTES + int(factor * step.kept_bytes) + step.fixed_bytes


def keeps_activations(step: Step, limit_bytes: int) -> bool:
    """Tell whether a training keeps all that its backward pass needs: on a GPU where it has room; else layers run twice.

    Running them twice (activation checkpointing) costs about a third more time.
    """
    if step.device == "cpu":
        return True
    return step.gpu_bytes(keeps_activations=True) <= ROOM * limit_bytes


def kept_values(widths: Architecture, recipe: Recipe, *, lean: bool) -> int:
    """Return how many numbers one layer keeps for the backward pass, per token.

    Both norms' inputs and outputs, query and attention, keys and values, four of the MLP, seven LoRA bottlenecks.
    In a lean step one less of the MLP, and attention twice: by row and side by side.
    A part that has no adapter keeps none of the inputs of its layers; norms that are trained keep their result twice.
    """
    full = recipe.tuning is Tuning.FULL
    attention = recipe.target_modules is not TargetModules.MLP
    mlp = recipe.target_modules is not TargetModules.ATTENTION
    bottlenecks = 0 if full else (4 * attention + 3 * mlp) * recipe.lora_r
    dropped = 0
    if recipe.lora_dropout and not full:
        dropped = attention * (3 * widths.hidden + widths.query_width)
        dropped += mlp * (2 * widths.hidden + widths.mlp_width)
    return round(DROPPED * dropped) + (
        (2 + attention + mlp + 2 * full) * widths.hidden
        + (3 if lean and attention else 2) * widths.query_width
        + 2 * widths.key_value_width
        + ((2 if lean else 3) + mlp) * widths.mlp_width
        + bottlenecks
    )


def trained_weights(widths: Architecture, recipe: Recipe) -> int:
    """Return the number of weights that are trained; norms and biases, less than a thousandth, are left out."""
    if recipe.tuning is Tuning.FULL:
        return widths.layers * (widths.attention_weights + widths.mlp_weights)
    attention = 2 * (2 * widths.hidden + widths.query_width + widths.key_value_width)
    mlp = 3 * (widths.hidden + widths.mlp_width)
    parts = {
        TargetModules.ALL_LINEAR: attention + mlp,
        TargetModules.ATTENTION: attention,
        TargetModules.MLP: mlp,
    }
    return recipe.lora_r * parts[recipe.target_modules] * widths.layers


def _weight_bytes(widths: Architecture, recipe: Recipe, gpu: bool) -> int:
    if not gpu or recipe.tuning is Tuning.FULL:  # beneath the copies that are trained, in fp32 too
        return 4 * widths.weights
    if recipe.quantisation is Quantisation.NONE:
        return 2 * widths.weights
    quantised = widths.layers * (widths.attention_weights + widths.mlp_weights)
    # half a byte and its scales; embeddings and norms stay in half precision
    return int(quantised * 2 / 3.2) + 2 * (
        widths.embedding_weights + 2 * widths.hidden * widths.layers
    )

"""How much memory a training needs, by formula; docs/planning.md has it in words, with what was measured against it."""

from pathlib import Path

import psutil

from agents.jobs import MeasureResult
from agents.recipe import (
    Quantisation,
    Recipe,
    TargetModules,
    Tuning,
    is_lean,
    rows_at_once,
    texts_of_row,
)
from configs.registry import Architecture

HEAP_FACTOR = 2.1
"""What the C heap holds for each byte that the backward pass needs: temporaries leave holes between what is kept.

Measured 1.8 to 2.4 with glibc's default settings. A GPU's allocator rounds less.
"""
FULL_HEAP_FACTOR = 1.2
"""The same in full fine-tuning, where gradients come as what they need goes: measured 0.7 to 1.2."""
GPU_FACTOR = 1.1
GPU_CONTEXT_BYTES = 1_400_000_000
STEP_BYTES = 110_000_000
"""What is imported after the process was measured, and set up at the first step."""
ADAM_BYTES = 16
"""Per trained weight: itself, its gradient and two moments, in fp32."""
LOGIT_COPIES = 3
"""Logits, their softmax and its gradient, in fp32."""
LOGIT_POSITIONS = 1024
"""The head scores answers only, and no more positions than this at once."""
ROOM = 0.9
"""Share of the memory that a training may count on."""


def machine_memory_bytes() -> int:
    """Return the memory of this machine or, if less, of the control group that we run in."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def expected_bytes(measured: MeasureResult, recipe: Recipe) -> int | None:
    """Return the expected peak of a training on rows that were measured; None for an architecture that is not known."""
    if measured.architecture is None:
        return None
    return training_bytes(
        measured.architecture,
        recipe,
        row_tokens=min(measured.tokens_max, recipe.max_length_tokens),
        answer_tokens=min(measured.completion_tokens_max, recipe.max_length_tokens),
        device=measured.device,
        process_bytes=measured.process_bytes,
    )


def training_bytes(
    widths: Architecture,
    recipe: Recipe,
    *,
    row_tokens: int,
    answer_tokens: int,
    device: str,
    process_bytes: int,
) -> int:
    """Return the expected peak of a training whose longest rows have `row_tokens` tokens, the answer included.

    `process_bytes` is what the process holds before it loads the model; on a GPU it does not count.
    """
    gpu = device != "cpu"
    at_once = rows_at_once(recipe, device) * texts_of_row(recipe.method)
    tokens = row_tokens * at_once
    held = _weight_bytes(widths, recipe, gpu) + ADAM_BYTES * trained_weights(widths, recipe)
    per_layer = 4 * kept_values(widths, recipe, lean=is_lean(recipe, device)) * tokens
    if gpu:  # in half precision, but for full fine-tuning; all layers but one keep only their input
        kept = per_layer + 4 * widths.hidden * tokens * widths.layers
        kept = kept if recipe.tuning is Tuning.FULL else kept // 2
        start, factor = GPU_CONTEXT_BYTES, GPU_FACTOR
    else:
        kept = per_layer * widths.layers
        start = process_bytes + STEP_BYTES
        factor = FULL_HEAP_FACTOR if recipe.tuning is Tuning.FULL else HEAP_FACTOR
    positions = min(answer_tokens * at_once, LOGIT_POSITIONS)
    logits = LOGIT_COPIES * 4 * widths.vocabulary * positions
    return start + held + int(factor * kept) + logits


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
    return (
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

"""How much memory a training needs, by formula; docs/planning.md has it in words, with what was measured against it."""

from pathlib import Path

import psutil

from agents.jobs import MeasureResult
from agents.recipe import Quantisation, Recipe, is_lean, rows_at_once, texts_of_row
from configs.registry import Architecture

HEAP_FACTOR = 2.1
"""What the C heap holds for each byte that the backward pass needs: temporaries leave holes between what is kept.

Measured 1.8 to 2.4 with glibc's default settings. A GPU's allocator rounds less.
"""
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
    held = _weight_bytes(widths, recipe, gpu) + ADAM_BYTES * adapter_weights(widths, recipe.lora_r)
    lean = is_lean(recipe, device)
    per_layer = 4 * kept_values(widths, recipe.lora_r, lean) * tokens
    if gpu:  # in half precision; all layers but one keep only their input
        kept = (per_layer + 4 * widths.hidden * tokens * widths.layers) // 2
        start, factor = GPU_CONTEXT_BYTES, GPU_FACTOR
    else:
        kept = per_layer * widths.layers
        start, factor = process_bytes + STEP_BYTES, HEAP_FACTOR
    positions = min(answer_tokens * at_once, LOGIT_POSITIONS)
    logits = LOGIT_COPIES * 4 * widths.vocabulary * positions
    return start + held + int(factor * kept) + logits


def kept_values(widths: Architecture, rank: int, lean: bool = False) -> int:
    """Return how many numbers one layer keeps for the backward pass, per token.

    Both norms' inputs and outputs, query and attention, keys and values, four of the MLP, seven LoRA bottlenecks.
    In a lean step one less of the MLP, and attention twice: by row and side by side.
    """
    return (
        4 * widths.hidden
        + (3 if lean else 2) * widths.query_width
        + 2 * widths.key_value_width
        + (3 if lean else 4) * widths.mlp_width
        + 7 * rank
    )


def adapter_weights(widths: Architecture, rank: int) -> int:
    """Return the number of trained weights of LoRA on all linear layers."""
    attention = 2 * (2 * widths.hidden + widths.query_width + widths.key_value_width)
    mlp = 3 * (widths.hidden + widths.mlp_width)
    return rank * (attention + mlp) * widths.layers


def _weight_bytes(widths: Architecture, recipe: Recipe, gpu: bool) -> int:
    if not gpu:
        return 4 * widths.weights
    if recipe.quantisation is Quantisation.NONE:
        return 2 * widths.weights
    quantised = widths.layers * (widths.attention_weights + widths.mlp_weights)
    # half a byte and its scales; embeddings and norms stay in half precision
    return int(quantised * 2 / 3.2) + 2 * (
        widths.embedding_weights + 2 * widths.hidden * widths.layers
    )

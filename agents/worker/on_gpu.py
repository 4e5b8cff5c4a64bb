"""What a training does otherwise on a GPU. Written after the documentation of TRL and transformers; never run on one."""

import torch

from agents import memory
from agents.recipe import Recipe
from agents.worker.base_model import FLASH, LoadedBase
from agents.worker.lessons import Lessons
from configs.registry import architecture_of


def keeps_activations(base: LoadedBase, recipe: Recipe, lessons: Lessons) -> bool:
    """Tell whether all that the backward pass needs is kept; else layers run twice, which costs a third more time.

    On a CPU it is; on a GPU where the formula says that it fits, and never for an architecture that the formula does not know.
    """
    if base.device == "cpu":
        return True
    widths = architecture_of(base.model.config.to_dict())
    rows = [*lessons.rows, *lessons.dev]
    if widths is None:
        return False
    longest = max(row.tokens for row in rows), max(row.answer_tokens for row in rows)
    step = memory.Step(widths, recipe, *longest, device=base.device)
    return memory.keeps_activations(step, memory_bytes(base.device))


def flashes(base: LoadedBase) -> bool:
    """Tell whether rows can stand side by side without padding: only flash attention keeps them apart."""
    return bool(base.model.config._attn_implementation == FLASH)


def memory_bytes(device: str) -> int:
    """Return what a job may hold: the GPU's memory, or the machine's."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    return memory.machine_memory_bytes()


def free_bytes(device: str) -> int:
    """Return what a job may still take: of the GPU's memory, or of the machine's."""
    if device == "cuda":
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + unused
    return memory.free_machine_bytes()

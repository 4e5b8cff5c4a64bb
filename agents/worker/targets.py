"""Which modules of a base model an adapter changes, by the names that the model gives them."""

import re
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from agents.recipe import TargetModules
from agents.worker import scorer
from agents.worker.errors import WorkerError

PARTS = {
    TargetModules.ATTENTION: re.compile(r"(?:^|\.)\w*(?:attn|attention)\w*\."),
    TargetModules.MLP: re.compile(r"(?:^|\.)\w*(?:mlp|ffn|feed_forward)\w*\."),
}
"""What transformers calls the blocks that linear layers are in: `self_attn.`, `attention.`, `mlp.`, `feed_forward.`."""


def linear_layers(model: Any, wanted: TargetModules) -> str | list[str]:
    """Return the linear layers that LoRA adapts, as PEFT takes them: names, or PEFT's own word for all of them.

    Raises: WorkerError: a layer of this model is in neither part or in both, or one part has no layers.
    """
    if wanted is TargetModules.ALL_LINEAR:
        return wanted.value
    parts: dict[TargetModules, list[str]] = {part: [] for part in PARTS}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and not _is_head(name, module, model):
            within = [part for part, block in PARTS.items() if block.search(name)]
            if len(within) != 1:
                raise _inseparable(
                    wanted, f"{name} is in neither" if not within else f"{name} is in both"
                )
            parts[within[0]].append(name)
    if empty := [part.value for part, names in parts.items() if not names]:
        raise _inseparable(wanted, f"no linear layer is in the part {empty[0]}")
    return parts[wanted]


def trained_whole(model: Any) -> list[str]:
    """Return what full fine-tuning trains: every module with weights of its own but embeddings and the head.

    Embeddings and head are left as they are: they are most of the weights of a small model, often one table for both,
    and a few hundred rows show few of their tokens.
    Raises: WorkerError: such modules lie within each other, which PEFT cannot copy one by one.
    """
    names = [
        name
        for name, module in model.named_modules()
        if any(True for _ in module.parameters(recurse=False))
        and not isinstance(module, nn.Embedding)
        and module is not model.get_output_embeddings()
    ]
    for name in names:
        if any(other.startswith(f"{name}.") for other in names):
            raise WorkerError(
                "model_missing",
                f"Full fine-tuning is not possible with this model: {name} has weights within weights. Use tuning=lora, "
                "or another model.",
                for_person=True,
            )
    return names


def _is_head(name: str, module: nn.Module, model: Any) -> bool:
    return module is model.get_output_embeddings() or name == scorer.HEAD


def _inseparable(wanted: TargetModules, why: str) -> WorkerError:
    return WorkerError(
        "model_missing",
        f"The parts of this model cannot be told apart, so target_modules={wanted.value} is not possible with it: {why}. "
        f"Use target_modules={TargetModules.ALL_LINEAR.value}, or another model.",
        for_person=True,
    )

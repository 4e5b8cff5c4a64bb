"""Where a model looked while it wrote an answer. Looking is not using: this says where, never why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agents.jobs import Attention
from agents.worker.why.case import Case


@dataclass(frozen=True)
class Looks:
    """The share of each token of the prompt in the attention that fell on the prompt."""

    middle: list[float]
    last: list[float]
    where: Attention


def looks(case: Case) -> Looks | None:
    """Return the mean over heads and answer tokens in a middle and the last layer; None where the architecture tells nothing."""
    model = case.model.get_base_model()
    layers = [m for m in model.modules() if type(m).__name__.endswith("Attention")]
    if not layers:
        return None
    chosen = {"middle": (len(layers) - 1) // 2, "last": len(layers) - 1}
    heard: dict[str, Tensor] = {}

    def listen(name: str) -> Any:
        def keep(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, tuple) and len(output) > 1 and torch.is_tensor(output[1]):
                heard[name] = output[1].detach()

        return keep

    hooks = [layers[place].register_forward_hook(listen(name)) for name, place in chosen.items()]
    ids = torch.tensor([[*case.prompt, *case.answer[:-1]]], device=model.device)
    try:
        with _eager(model), torch.no_grad():
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
    finally:
        for hook in hooks:
            hook.remove()
    if set(heard) != set(chosen):
        return None
    shares = {name: _share(weights, len(case.prompt)) for name, weights in heard.items()}
    where = Attention(middle=chosen["middle"] + 1, last=chosen["last"] + 1)
    return Looks(shares["middle"], shares["last"], where)


def _share(weights: Tensor, prompt_tokens: int) -> list[float]:
    """Return the share of each prompt token, of [1, heads, tokens, tokens]."""
    seen = weights[0, :, prompt_tokens - 1 :, :prompt_tokens].float().mean(dim=(0, 1))
    shares: list[float] = (seen / seen.sum()).tolist()
    return shares


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Have attention weights computed, which faster ways never hold."""
    usual = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(usual)

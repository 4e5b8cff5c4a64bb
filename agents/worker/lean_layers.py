"""Layers of a Llama-like model that train on a CPU in fewer passes over memory, with gradients written by hand.

What they compute is what PEFT and transformers compute, to the rounding of fp32. The base is frozen: no gradient is
formed for it. Weights stay where they are, so an adapter is saved, merged and switched off as ever.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn.functional import silu

NORMS = frozenset({"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"})
"""Classes of transformers with one formula: x / √(mean(x²) + variance_epsilon) · weight."""
GATED = frozenset({"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP"})
"""Classes of transformers with one formula: down_proj(act_fn(gate_proj(x)) · up_proj(x))."""


def slim(model: nn.Module) -> int:
    """Let the layers of a model with a LoRA adapter compute the lean way, and return how many do.

    A LoRA layer does when it is plain: no dropout, no DoRA, an unquantised base in fp32. Others stay as they are.
    """
    slimmed = 0
    for module in model.modules():
        lean = _lean(module)
        if lean is not None:
            module.forward = lean
            slimmed += 1
    return slimmed


def _lean(module: nn.Module) -> Callable[..., Tensor] | None:
    kind = type(module).__name__
    if isinstance(module, LoraLinear) and _is_plain(module):
        return partial(_adapted, module, module.forward)
    if kind in NORMS and _is_frozen_fp32(module):
        return partial(_normed, module)
    if kind in GATED and type(module.act_fn).__name__ == "SiLUActivation":
        return partial(_gated, module)
    return None


def _is_plain(layer: Any) -> bool:
    names = list(layer.lora_A)
    return (
        len(names) == 1
        and type(layer.base_layer) is nn.Linear
        and _is_frozen_fp32(layer.base_layer)
        and type(layer.lora_dropout[names[0]]) is nn.Identity
        and not layer.lora_variant
        and not layer.fan_in_fan_out
        and layer.lora_A[names[0]].weight.dtype is torch.float32
        and layer.lora_B[names[0]].bias is None
    )


def _is_frozen_fp32(layer: nn.Module) -> bool:
    return all(p.dtype is torch.float32 and not p.requires_grad for p in layer.parameters())


def _adapted(layer: Any, by_peft: Callable[..., Tensor], x: Tensor, **kwargs: Any) -> Tensor:
    if kwargs or layer.disable_adapters or layer.merged or not torch.is_grad_enabled():
        return by_peft(x, **kwargs)
    (name,) = layer.lora_A
    base = layer.base_layer
    down, up = layer.lora_A[name].weight, layer.lora_B[name].weight
    out: Tensor = _adapt(x, base.weight, down, up, layer.scaling[name])
    return out if base.bias is None else out + base.bias


def _normed(layer: Any, x: Tensor) -> Tensor:
    out: Tensor = _norm(x, layer.weight, layer.variance_epsilon)
    return out


def _gated(layer: Any, x: Tensor) -> Tensor:
    out: Tensor = layer.down_proj(_gate(layer.gate_proj(x), layer.up_proj(x)))
    return out


# In what follows g is the gradient of the result. Tensors that nobody else holds are written over.


class _Adapted(torch.autograd.Function):
    """x Wᵀ + s (x Aᵀ) Bᵀ, the adapter's part added in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, a: Tensor, b: Tensor, s: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        out = flat @ w.t()
        low = flat @ a.t()
        out.addmm_(low, b.t(), alpha=s)
        ctx.save_for_backward(flat, w, a, b, low)
        ctx.scaling, ctx.shape = s, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        flat, w, a, b, low = ctx.saved_tensors
        g = g.reshape(-1, g.shape[-1])
        g_low = (g @ b).mul_(ctx.scaling)
        g_x = None
        if ctx.needs_input_grad[0]:
            g_x = (g @ w).addmm_(g_low, a).view(ctx.shape)
        g_b = (g.t() @ low).mul_(ctx.scaling)
        return g_x, None, g_low.t() @ flat, g_b, None


class _Normed(torch.autograd.Function):
    """x / √(mean(x²) + ε) · weight; keeps x and one number per token."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
        inverse = mean_square.add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        out: Tensor = (x * inverse).mul_(weight)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        g = g * weight
        along = torch.linalg.vecdot(g, x).unsqueeze(-1)
        along.mul_(inverse.pow(3)).div_(-x.shape[-1])
        g_x: Tensor = g.mul_(inverse).addcmul_(x, along)
        return g_x, None, None


class _Gated(torch.autograd.Function):
    """silu(gate) · up; keeps the two and nothing in between."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        g_up = silu(gate).mul_(g)
        g_gate: Tensor = torch.ops.aten.silu_backward(g * up, gate)
        return g_gate, g_up


# torch types no `apply`
_adapt: Callable[..., Tensor] = _Adapted.apply
_norm: Callable[..., Tensor] = _Normed.apply
_gate: Callable[..., Tensor] = _Gated.apply

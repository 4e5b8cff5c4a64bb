"""Tokens go through the layers of a Llama-like model without gradients, in few passes over memory.

What is computed is what transformers computes, to rounding. Linear layers are asked as they are, so an adapter may hang on
them. Only for models that `shared_beginning.suits`: their four types have the same layers under the same names.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import silu

from agents.worker.lean_layers import GATED, NORMS


class Look(Protocol):
    """What tokens on their way through the layers may see."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return rows × tokens × heads × width for queries of rows × heads × tokens × width, and keys and values like them."""
        ...


def through(model: Any, input_ids: Tensor, position_ids: Tensor, look: Look) -> Tensor:
    """Return what comes out of the last layer of a language model for each token. Call it in inference mode."""
    backbone = getattr(model, model.base_model_prefix)
    x = backbone.embed_tokens(input_ids)
    cos, sin = (part[:, None] for part in backbone.rotary_emb(x, position_ids=position_ids))
    for layer in backbone.layers:
        x = x + _attended(layer.self_attn, _normed(layer.input_layernorm, x), cos, sin, look)
        x += _gated(layer.mlp, _normed(layer.post_attention_layernorm, x))
    return _normed(backbone.norm, x)


def _attended(attention: Any, x: Tensor, cos: Tensor, sin: Tensor, look: Look) -> Tensor:
    heads = (*x.shape[:-1], -1, attention.head_dim)
    query, key = attention.q_proj(x).view(heads), attention.k_proj(x).view(heads)
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    value = attention.v_proj(x).view(heads).transpose(1, 2)
    query, key = (_turned(part.transpose(1, 2), cos, sin) for part in (query, key))
    seen = look.attend(attention.layer_idx, query, key, value, attention.scaling)
    out: Tensor = attention.o_proj(seen.reshape(*x.shape[:-1], -1))
    return out


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x · cos + (−right half, left half) · sin."""
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return out


def _normed(norm: Any, x: Tensor) -> Tensor:
    out: Tensor
    if type(norm).__name__ not in NORMS or x.dtype is not torch.float32:
        out = norm(x)
        return out
    inverse = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
    out = (x * inverse.add_(norm.variance_epsilon).rsqrt_()).mul_(norm.weight)
    return out


def _gated(mlp: Any, x: Tensor) -> Tensor:
    out: Tensor
    if type(mlp).__name__ not in GATED or type(mlp.act_fn).__name__ != "SiLUActivation":
        out = mlp(x)
        return out
    out = mlp.down_proj(silu(mlp.gate_proj(x), inplace=True).mul_(mlp.up_proj(x)))
    return out

"""Rows side by side without padding, with the tokens that all of them begin with only once.

Chat templates give all rows of a data set the same first tokens. In a causal model what stands at a position depends on
what stands before it alone, so these tokens need to go through the linear layers once, not once per row. Attention sees
whole rows. Loss and gradient are those of padded rows, to rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from agents.worker.rows import IGNORED

ATTENTION = "tunewright_rows"
"""Name under which transformers finds `attend`."""
ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose layers look at nothing but what stands before a token, and whose scores are the head's as they are."""


@dataclass(frozen=True)
class Layout:
    """Where the tokens of rows lie when they stand side by side, shared ones first."""

    rows: int
    shared: int
    """Tokens that stand there once for all rows."""
    spread: Tensor
    """For each place of the padded rows, one after the other: which token stands there; any at the end of a short row."""
    collect: Tensor
    """For each token: its place in the padded rows, of a shared one that in the first row."""
    own: Tensor
    """For each place of the padded rows: 1 where `collect` takes a token from, else 0."""

    def on(self, device: Any) -> "Layout":
        """Return the same on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("spread", "collect", "own")}
        return replace(self, **moved)


@dataclass(frozen=True)
class SideBySide:
    """Rows as one sequence."""

    input_ids: Tensor
    position_ids: Tensor
    """Of each token in its row."""
    targets: Tensor
    """The token that follows where that one is learnt, else `IGNORED`."""
    layout: Layout
    answer_tokens: tuple[int, ...]
    """Of each row: how many of its tokens are targets; they stand in the order of the rows."""

    def on(self, device: Any) -> "SideBySide":
        """Return the same on another device."""
        ids, positions, targets = (
            part.to(device) for part in (self.input_ids, self.position_ids, self.targets)
        )
        return replace(
            self,
            input_ids=ids,
            position_ids=positions,
            targets=targets,
            layout=self.layout.on(device),
        )


def plain(model: Any) -> Any:
    """Return the language model itself, with the layers of an adapter in it where it has one."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def suits(model: Any) -> bool:
    """Tell whether each layer of a model sees all that stands before a token and nothing else, so that rows can be laid out."""
    config = plain(model).config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return (
        config.model_type in ARCHITECTURES
        and kinds == {"full_attention"}
        and getattr(config, "sliding_window", None) is None
    )


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """Let a language model use our attention for a while."""
    before = model.config._attn_implementation
    model.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def through(model: Any, input_ids: Tensor, position_ids: Tensor, **seen: Any) -> Tensor:
    """Return what comes out of the last layer of a language model for each token; `seen` is told to our attention."""
    backbone = getattr(model, model.base_model_prefix)
    out: Tensor = backbone(
        input_ids=input_ids,
        position_ids=position_ids,
        # transformers takes a mask of four dimensions as finished; whole rows need none
        attention_mask=torch.empty(1, 1, 1, 1, device=input_ids.device),
        use_cache=False,
        **seen,
    ).last_hidden_state
    return out


def side_by_side(rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> SideBySide:
    """Lay rows of token ids side by side; `labels` are `IGNORED` where nothing is learnt."""
    shared = _shared(rows, labels)
    width = max(len(row) for row in rows)
    ids, positions, targets = list(rows[0][:shared]), list(range(shared)), [IGNORED] * shared
    spread, collect = [], list(range(shared))
    for number, (row, learnt) in enumerate(zip(rows, labels, strict=True)):
        own, start = len(row) - shared, len(ids)
        ids += row[shared:]
        positions += range(shared, len(row))
        targets += [*learnt[shared + 1 :], IGNORED]
        spread += [*range(shared), *range(start, start + own), *[0] * (width - len(row))]
        collect += range(number * width + shared, number * width + len(row))
    places = torch.tensor(collect)
    taken = torch.zeros(len(rows) * width, 1, 1).index_fill_(0, places, 1.0)
    return SideBySide(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        targets=torch.tensor(targets),
        layout=Layout(len(rows), shared, torch.tensor(spread), places, taken),
        answer_tokens=tuple(sum(label != IGNORED for label in row[1:]) for row in labels),
    )


def _shared(rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens all rows share, such that none of them has to tell a token that is learnt."""
    first_learnt = min(
        next((i for i, label in enumerate(row) if label != IGNORED), len(row)) for row in labels
    )
    most = min(first_learnt, *(len(row) for row in rows)) - 1
    first = rows[0]
    return next((i for i in range(most) if any(row[i] != first[i] for row in rows)), max(0, most))


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return what causal attention makes of rows that stand side by side; of others, what `sdpa` does."""
    if layout is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    seen = scaled_dot_product_attention(
        padded(query, layout),
        padded(key, layout),
        padded(value, layout),
        is_causal=True,
        scale=kwargs.get("scaling"),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return collected(seen, layout), None


def collected(seen: Tensor, layout: Layout) -> Tensor:
    """Turn rows × heads × places × width, as attention leaves it, into 1 × tokens × heads × width."""
    places = seen.transpose(1, 2).reshape(-1, seen.shape[1], seen.shape[-1])
    return _collect(places, layout)[None]


def padded(part: Tensor, layout: Layout) -> Tensor:
    """Turn 1 × heads × tokens × width into rows × heads × places × width."""
    spread = _spread(part[0].transpose(0, 1), layout)
    return spread.view(layout.rows, -1, *spread.shape[1:]).transpose(1, 2)


class _Spread(torch.autograd.Function):
    """Tokens to places. Its gradient sums the places of a shared token; index_select's own takes one by one, slowly."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return tokens.index_select(0, layout.spread)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        layout: Layout = ctx.layout
        out = g.index_select(0, layout.collect)
        if layout.shared:
            by_row = g.view(layout.rows, -1, *g.shape[1:])
            torch.sum(by_row[:, : layout.shared], 0, out=out[: layout.shared])
        return out, None


class _Collect(torch.autograd.Function):
    """Places to tokens. The gradient of a place from which no token was taken is 0."""

    @staticmethod
    def forward(ctx: Any, places: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return places.index_select(0, layout.collect)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        layout: Layout = ctx.layout
        return g.index_select(0, layout.spread).mul_(layout.own), None


# torch types no `apply`
_spread: Callable[..., Tensor] = _Spread.apply
_collect: Callable[..., Tensor] = _Collect.apply

AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)

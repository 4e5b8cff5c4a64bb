"""The loss on answers: a language model's head on the positions that are learnt and on no other.

The head is frozen, so the gradient of what goes into it is found at once with the loss, and no score is kept.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

POSITIONS_AT_ONCE = 256
"""Scores of so many positions are held together."""


def answer_loss(
    hidden: Tensor, head: Tensor, targets: Tensor, told: list[Tensor] | None = None
) -> Tensor:
    """Return the sum of the negative log-likelihoods of `targets`, token ids, at as many positions of `hidden`.

    `head` has one row per token of the vocabulary; it gets no gradient. `told` is given the log-likelihoods of the targets,
    in parts, in their order.
    """
    apply: Callable[..., Tensor] = _AnswerLoss.apply  # torch types it not
    return apply(hidden, head, targets, told)


class _AnswerLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor, told: list[Tensor] | None
    ) -> Tensor:
        total = hidden.new_zeros(())
        g_hidden = torch.empty_like(hidden)
        for start in range(0, len(targets), POSITIONS_AT_ONCE):
            part = slice(start, start + POSITIONS_AT_ONCE)
            wanted = targets[part, None]
            likely = (hidden[part] @ head.t()).log_softmax(-1)
            gained = likely.gather(1, wanted)
            total -= gained.sum()
            if told is not None:
                told.append(gained.squeeze(1))
            chance = likely.exp_()
            chance.scatter_add_(1, wanted, chance.new_full(wanted.shape, -1.0))
            torch.mm(chance, head, out=g_hidden[part])
        ctx.save_for_backward(g_hidden)
        return total

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (g_hidden,) = ctx.saved_tensors
        return g_hidden * g, None, None, None

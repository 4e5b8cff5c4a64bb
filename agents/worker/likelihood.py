"""How likely a model finds an answer: its mean log-probability per token, so that long answers are not worse for it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from agents.worker.shaped_rows import Said

BATCH_ITEMS = 16
BATCH_TOKENS = 4096
"""Padding included; bounds the memory of a batch."""


def mean_log_probs(
    model: Any, pad_id: int, texts: Sequence[Said], beat: Callable[[], None]
) -> list[float]:
    """Return the mean log-probability per token of each answer after its prompt. `beat` is called after every batch."""
    model.eval()
    found = [0.0] * len(texts)
    for batch in batches([len(t.prompt) + len(t.answer) for t in texts]):
        for i, value in zip(batch, _batch(model, pad_id, [texts[i] for i in batch]), strict=True):
            found[i] = value
        beat()
    return found


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Return indices in batches of about equal length, longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    cut: list[list[int]] = []
    for i in order:
        full = cut and (
            len(cut[-1]) == BATCH_ITEMS or (len(cut[-1]) + 1) * lengths[cut[-1][0]] > BATCH_TOKENS
        )
        if not cut or full:
            cut.append([])
        cut[-1].append(i)
    return cut


def _batch(model: Any, pad_id: int, texts: Sequence[Said]) -> list[float]:
    # Padded on the left: all answers end at the same place, and only their places get logits.
    width = max(len(t.prompt) + len(t.answer) for t in texts)
    longest = max(len(t.answer) for t in texts)
    padding = [width - len(t.prompt) - len(t.answer) for t in texts]
    ids = torch.tensor(
        [[pad_id] * pad + t.prompt + t.answer for t, pad in zip(texts, padding, strict=True)],
        device=model.device,
    )
    mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding], device=model.device)
    with torch.inference_mode():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
    targets = ids[:, -longest:]
    gained = torch.log_softmax(logits.float(), dim=-1).gather(2, targets.unsqueeze(2)).squeeze(2)
    return [
        float(row[longest - len(t.answer) :].mean()) for row, t in zip(gained, texts, strict=True)
    ]

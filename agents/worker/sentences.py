"""Sentence embeddings, computed on this machine: which texts mean about the same."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

BATCH = 32
MOST_TOKENS = 256
Embed = Callable[[Sequence[str]], torch.Tensor]


def load(source: str) -> tuple[Any, Any] | None:
    """Return tokenizer and model, of `package:NAME` or `folder:PATH`; None where they are not on this machine."""
    folder = _folder(source)
    if folder is None:
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return tokenizer, model.eval()


def embedder(source: str, beat: Callable[[], None] = lambda: None) -> Embed | None:
    """Return what turns texts into unit vectors, the mean of the last hidden states over the words; None without a model.

    `source` is `package:NAME` or `folder:PATH`. `beat` is called after every batch.
    """
    found = load(source)
    if found is None:
        return None
    tokenizer, model = found

    def embed(texts: Sequence[str]) -> torch.Tensor:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))  # less padding
        parts = []
        for start in range(0, len(order), BATCH):
            tokens = tokenizer(
                [texts[i] for i in order[start : start + BATCH]],
                padding=True,
                truncation=True,
                max_length=MOST_TOKENS,
                return_tensors="pt",
            )
            with torch.no_grad():
                hidden = model(**tokens).last_hidden_state
            parts.append(mean_over(hidden, tokens["attention_mask"]))
            beat()
        vectors = torch.empty(len(texts), parts[0].shape[1])
        vectors[torch.tensor(order)] = torch.cat(parts)
        return torch.nn.functional.normalize(vectors, dim=1)

    return embed


def mean_over(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the hidden states of each text, padding left out."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def _folder(source: str) -> Path | None:
    kind, _, where = source.partition(":")
    if kind == "folder":
        candidates = [Path(where).expanduser()]
    else:
        # Looked up, never imported: the package may import things that are not installed here.
        spec = importlib.util.find_spec(where)
        candidates = [Path(spec.origin).parent / "model"] if spec and spec.origin else []
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)

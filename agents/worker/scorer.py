"""A model that scores answers instead of giving them: the base model with one number at its end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GenerationConfig

from agents.worker.base_model import SAFE, BaseFolder, LoadedBase, machine
from agents.worker.errors import WorkerError
from agents.worker.tuned_model import merged

HEAD = "score"
"""Name of the layer that gives the number, in all architectures that transformers can score with."""
BATCH = 8


def load_blank(folder: BaseFolder) -> LoadedBase:
    """Load a base model with a head that scores everything 0.

    A random head, which is the usual one, begins with opinions that are wrong as often as right: SmolLM2's dev loss began at 0.81
    on real pairs instead of ln 2 = 0.69, and did not come down to that in 20 steps.

    Raises: WorkerError: this architecture cannot score.
    """
    device, dtype = machine()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.path, **SAFE)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            folder.path,
            num_labels=1,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **SAFE,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise _unusable(folder) from error
    if any(not name.startswith(f"{HEAD}.") for name in loading["missing_keys"]):
        raise _unusable(folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    # Which tokens end an answer is written there, for models that answer; this one reads such answers.
    model.generation_config = _generation(folder.path)
    torch.nn.init.zeros_(getattr(model, HEAD).weight)
    # PEFT copies this into adapter_config.json
    model.name_or_path = folder.public_name
    return LoadedBase(folder, model.to(device), tokenizer, device)


def load(folder: BaseFolder, adapter: Path) -> LoadedBase:
    """Load a trained scorer: base, adapter and head.

    Raises: WorkerError: the adapter is gone, or does not fit.
    """
    blank = load_blank(folder)
    model = merged(blank.model, adapter, "The reward model").eval()
    return LoadedBase(folder, model, blank.tokenizer, blank.device)


def score(
    judge: LoadedBase, texts: Sequence[list[int]], beat: Callable[[], None] = lambda: None
) -> list[float]:
    """Return the scores of tokenised texts; `beat` is called after every batch."""
    scores = [0.0] * len(texts)
    by_length = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    pad = judge.tokenizer.pad_token_id
    for start in range(0, len(texts), BATCH):
        batch = by_length[start : start + BATCH]
        width = len(texts[batch[0]])
        ids = [texts[i] + [pad] * (width - len(texts[i])) for i in batch]
        mask = [[1] * len(texts[i]) + [0] * (width - len(texts[i])) for i in batch]
        device = judge.model.device
        with torch.no_grad():
            logits: Any = judge.model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
            ).logits
        for i, value in zip(batch, logits[:, 0].float().tolist(), strict=True):
            scores[i] = value
        beat()
    return scores


def _generation(path: Path) -> GenerationConfig:
    if (path / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(path, local_files_only=True)
    return GenerationConfig()


def _unusable(folder: BaseFolder) -> WorkerError:
    return WorkerError(
        "model_missing",
        f"The model '{folder.name}' cannot be made into a reward model. Choose another model, or the method dpo.",
        for_person=True,
    )

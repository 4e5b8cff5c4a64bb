"""What AutoTrain leaves behind, turned into the adapter that everything after a training expects."""

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from agents.recipe import Recipe
from agents.worker.checkpoints import ADAPTER_FILES
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError

WEIGHTS, CONFIG = ADAPTER_FILES


def is_there(project: Path) -> bool:
    """Tell whether AutoTrain has written an adapter."""
    return all((project / name).is_file() for name in ADAPTER_FILES)


def take(project: Path, recipe: Recipe, public_name: str, target: Path) -> str:
    """Write the adapter into a folder of its own and return the sha256 of its weights.

    PEFT's older version also writes the base's embeddings where AutoTrain has resized them, and where the base lay on
    this machine; neither belongs to an adapter.

    Raises: WorkerError: it is not the adapter that was asked for.
    """
    try:
        weights = load_file(project / WEIGHTS)
        config = LoraConfig.from_pretrained(str(project))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise unusable(f"cannot be read ({type(error).__name__})") from error
    own = {name: tensor for name, tensor in weights.items() if ".lora_" in name}
    if not own or (config.r, config.lora_alpha) != (recipe.lora_r, recipe.lora_alpha):
        raise unusable("has another shape than the plan says")
    if config.modules_to_save:
        raise unusable("has trained more than low-rank weights")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in own.values()):
        raise unusable("holds numbers that are not finite")
    config.base_model_name_or_path = public_name
    target.mkdir()
    config.save_pretrained(str(target))
    save_file(own, target / WEIGHTS, metadata={"format": "pt"})
    return sha256_of(target / WEIGHTS)


def unusable(what: str) -> WorkerError:
    """Return the error for an adapter that is not what was asked for."""
    return WorkerError(
        "autotrain",
        f"AutoTrain has ended, but its adapter {what}. Use backend=trl, or reply with another plan.",
        for_person=True,
    )

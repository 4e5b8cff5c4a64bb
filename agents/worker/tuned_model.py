"""A base model with a trained adapter on it."""

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from agents.jobs import EarlierAdapter
from agents.worker.base_model import BaseFolder, LoadedBase
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError

WEIGHTS = "adapter_model.safetensors"
ADAPTER = "default"
"""What PEFT calls an adapter that nobody names."""


def check_unchanged(adapter: Path, sha256: str | None) -> None:
    """Make sure that an adapter is the one that a training left.

    Raises: WorkerError: it is gone, or another one.
    """
    if not (adapter / WEIGHTS).is_file():
        raise _unusable("The adapter is gone")
    if sha256 is not None and sha256_of(adapter / WEIGHTS) != sha256:
        raise _unusable("The adapter on the disk is not the one that was trained")


def with_adapter(model: Any, adapter: Path, what: str = "The adapter") -> Any:
    """Put an adapter on a model, which is changed by it; `what` names it for people.

    Raises: WorkerError: the adapter is gone, damaged, or of another model.
    """
    if not (adapter / WEIGHTS).is_file():
        raise _unusable(f"{what} is gone")
    try:
        return PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _unusable(f"{what} does not fit the base model or is damaged") from error
    except RuntimeError as error:
        if "size mismatch" not in str(error):  # memory that ran out is told by another name
            raise
        raise _unusable(f"{what} does not fit the base model or is damaged") from error


def further(base: LoadedBase, config: LoraConfig, parent: EarlierAdapter, folder: Path) -> Any:
    """Return the model of a base with an earlier adapter on it that can be trained on.

    Raises: WorkerError: the adapter is gone or another one, or it was not trained on this base or in this shape.
    """
    weights = earlier(parent, base.folder, folder) / WEIGHTS
    model = get_peft_model(base.model, config)
    try:
        fill(model, weights)
    except Misfit as error:
        raise _not_further(parent, str(error)) from error
    return model


class Misfit(Exception):
    """The weights in a file are not those of an adapter; the message says what it does, or has."""


def fill(model: PeftModel, weights: Path) -> None:
    """Give the adapter on a model the weights of a file. Raises: Misfit: they are damaged, or those of another one."""
    try:
        found = set_peft_model_state_dict(model, load_file(weights))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise Misfit("is damaged or has another shape") from error
    except RuntimeError as error:
        if "state_dict" not in str(error):  # memory that ran out is told by another name
            raise
        raise Misfit("is damaged or has another shape") from error
    if found.unexpected_keys or any(f".{ADAPTER}" in name for name in found.missing_keys):
        raise Misfit("has another shape than the plan says")


def earlier(parent: EarlierAdapter, base: BaseFolder, folder: Path) -> Path:
    """Return where an earlier adapter lies, once it is known to be the one that is meant and to fit the base.

    Raises: WorkerError: it is not.
    """
    where = folder / parent.adapter_dir
    if not (where / WEIGHTS).is_file():
        raise _not_further(parent, "is gone")
    if sha256_of(where / WEIGHTS) != parent.adapter_sha256:
        raise _not_further(parent, "has changed since this run was started")
    if base.sha256 != parent.base_sha256:
        raise _not_further(
            parent, f"was trained on other weights than '{base.name}' has today, and fits no others"
        )
    return where


def _not_further(parent: EarlierAdapter, why: str) -> WorkerError:
    return WorkerError(
        "model_missing",
        f"The adapter of run {parent.run} {why}. Start a run that goes on from another one, or from none.",
        for_person=True,
    )


def merged(model: Any, adapter: Path, what: str = "The adapter") -> Any:
    """Return a model with an adapter merged into it: it answers half again as fast. The model itself is changed.

    Raises: WorkerError: the adapter is gone, damaged, or of another model.
    """
    return with_adapter(model, adapter, what).merge_and_unload()


def _unusable(what: str) -> WorkerError:
    return WorkerError("model_missing", f"{what}. Start the training again.", for_person=True)

"""A base model with a trained adapter on it."""

from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors import SafetensorError

from agents.worker.errors import WorkerError


def with_adapter(model: Any, adapter: Path, what: str = "The adapter") -> Any:
    """Put an adapter on a model, which is changed by it; `what` names it for people.

    Raises: WorkerError: the adapter is gone, damaged, or of another model.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise _unusable(f"{what} is gone")
    try:
        return PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _unusable(f"{what} does not fit the base model or is damaged") from error
    except RuntimeError as error:
        if "size mismatch" not in str(error):  # memory that ran out is told by another name
            raise
        raise _unusable(f"{what} does not fit the base model or is damaged") from error


def merged(model: Any, adapter: Path, what: str = "The adapter") -> Any:
    """Return a model with an adapter merged into it: it answers half again as fast. The model itself is changed.

    Raises: WorkerError: the adapter is gone, damaged, or of another model.
    """
    return with_adapter(model, adapter, what).merge_and_unload()


def _unusable(what: str) -> WorkerError:
    return WorkerError("model_missing", f"{what}. Start the training again.", for_person=True)

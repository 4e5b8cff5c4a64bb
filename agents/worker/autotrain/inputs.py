"""The folder that AutoTrain works in: its configuration, its rows, and the base model as its older transformers reads it."""

import json
from pathlib import Path
from typing import Any

from agents.autotrain import Program
from agents.jobs import write_atomically
from agents.recipe import Method, Recipe
from agents.worker.autotrain.portion import Portion
from agents.worker.base_model import BaseFolder
from agents.worker.errors import WorkerError

CONFIG, PROJECT, DATA, BASE = "config.yml", "adapter", "data", "base"
"""Relative to that folder; AutoTrain wants its project to have a name without slashes."""
COLUMNS = {
    "text_column": "text",
    "prompt_text_column": "prompt",
    "rejected_text_column": "rejected",
}


def write(
    work: Path, portion: Portion, recipe: Recipe, base: BaseFolder, tokenizer: Any, program: Program
) -> None:
    """Write everything; what an earlier attempt left is replaced.

    Raises: WorkerError: AutoTrain cannot read a model of this kind.
    """
    (work / DATA).mkdir(parents=True, exist_ok=True)
    _base(work / BASE, base, tokenizer, program)
    rows = "".join(json.dumps(record) + "\n" for record in portion.records)
    write_atomically(work / DATA / "train.jsonl", rows.encode())
    # JSON is YAML. A number such as 1e-05 is a text to YAML 1.1; AutoTrain reads it as a number all the same.
    text = json.dumps(configuration(recipe, portion, work), indent=1)
    write_atomically(work / CONFIG, text.encode())


def configuration(recipe: Recipe, portion: Portion, work: Path) -> dict[str, Any]:
    """Return what `autotrain --config` is told. Nothing is pushed anywhere, and no token is named."""
    columns = COLUMNS if recipe.method is not Method.SFT else {"text_column": "text"}
    return {
        "task": f"llm-{recipe.method.value}",
        "base_model": str(work / BASE),
        "project_name": PROJECT,
        "log": "none",
        "backend": "local-cli",
        "data": {
            "path": str(work / DATA),
            "train_split": "train",
            "valid_split": None,
            "chat_template": None,
            "column_mapping": columns,
        },
        "params": {
            "block_size": portion.block_tokens,
            "model_max_length": portion.block_tokens,
            "max_prompt_length": portion.block_tokens,
            "max_completion_length": portion.block_tokens,
            "epochs": 1,
            "batch_size": portion.at_once,
            "gradient_accumulation": portion.accumulation,
            "lr": recipe.learning_rate,
            "scheduler": "constant_with_warmup",
            "warmup_ratio": recipe.warmup_fraction,
            "weight_decay": recipe.weight_decay,
            "max_grad_norm": 1.0,
            "optimizer": "adamw_torch",
            "mixed_precision": _precision(),
            "disable_gradient_checkpointing": _device() == "cpu",
            "padding": "right",
            "logging_steps": 1,
            "peft": True,
            "quantization": None,
            "target_modules": "all-linear",
            "lora_r": recipe.lora_r,
            "lora_alpha": recipe.lora_alpha,
            "lora_dropout": recipe.lora_dropout,
            "merge_adapter": False,
            "dpo_beta": recipe.beta,
            "seed": recipe.seed,
        },
    }


def older_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a model's config.json in the words of transformers 4, in which 5 has renamed what it writes.

    Raises: ValueError: it has rotary embeddings of several kinds, which transformers 4.48 cannot be told.
    """
    older = {key: value for key, value in config.items() if key not in {"dtype", "rope_parameters"}}
    if "dtype" in config:
        older["torch_dtype"] = config["dtype"]
    rope = dict(config.get("rope_parameters") or {})
    if any(isinstance(value, dict) for value in rope.values()):
        raise ValueError("several kinds of rotary embeddings")
    for name in ("rope_theta", "partial_rotary_factor"):
        if name in rope:
            older[name] = rope.pop(name)
    if rope.get("rope_type", "default") != "default":
        older["rope_scaling"] = rope
    return older


def _base(target: Path, base: BaseFolder, tokenizer: Any, program: Program) -> None:
    target.mkdir(exist_ok=True)
    config = json.loads((base.path / "config.json").read_bytes())
    model_type = str(config.get("model_type"))
    try:
        older = older_config(config)
    except ValueError as error:
        raise _unreadable(base, program, str(error)) from error
    if not program.knows(model_type):
        raise _unreadable(base, program, f"models of the type {model_type}")
    (target / "config.json").write_text(json.dumps(older, indent=1))
    for file in [*base.path.glob("*.safetensors"), *base.path.glob("*.safetensors.index.json")]:
        link = target / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    named = ("bos_token", "eos_token", "pad_token", "unk_token")
    told = {name: getattr(tokenizer, name) for name in named if getattr(tokenizer, name)}
    # The class that adds nothing to what tokenizer.json says.
    told |= {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    (target / "tokenizer_config.json").write_text(json.dumps(told, indent=1))


def _unreadable(base: BaseFolder, program: Program, what: str) -> WorkerError:
    version = program.versions.get("transformers", "its own")
    return WorkerError(
        "model_missing",
        f"AutoTrain cannot train '{base.name}': its transformers ({version}) does not know {what}. "
        "Use backend=trl, or another model.",
        for_person=True,
    )


def _device() -> str:
    from agents.worker import base_model

    return base_model.machine()[0]


def _precision() -> str | None:
    import torch

    from agents.worker import base_model

    return "bf16" if base_model.machine()[1] is torch.bfloat16 else None

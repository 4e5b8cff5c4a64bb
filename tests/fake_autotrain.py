"""A stand-in for AutoTrain 0.8.36, as a program: `autotrain --config config.yml`, started as the real one is.

It asks of a configuration what the real parser asks, reads rows and base as that does, prints what that prints, ends with 0
even when it has failed, and leaves an adapter in the same files: of random numbers. `build` makes the virtual environment
around it; a word in its file `fault` says what goes wrong. Held by tests/worker/test_autotrain.py, as is the real one.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

VERSIONS = {
    "autotrain_advanced": "0.8.36",
    "transformers": "4.48.0",
    "trl": "0.13.0",
    "peft": "0.14.0",
}
TASKS = ("llm-sft", "llm-dpo", "llm-orpo")
TOKEN = "hf_" + "qZmVxTnKpLwRsYhGdJbQcWfXzNkMvBtR42"
STEP_S = 0.02


def build(venv: Path, fault: str = "") -> Path:
    """Make a virtual environment with nothing in it but this program, and return its folder."""
    site = venv / "lib/python3.11/site-packages"
    (site / "transformers/models/llama").mkdir(parents=True)
    for name, version in VERSIONS.items():
        (site / f"{name}-{version}.dist-info").mkdir()
    program = venv / "bin/autotrain"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__)} {venv} "$@"\n')
    program.chmod(0o755)
    (venv / "fault").write_text(fault)
    return venv


def main(venv: Path, arguments: list[str]) -> int:
    Path("environ.json").write_text(json.dumps(dict(os.environ)))
    Path("pid").write_text(str(os.getpid()))
    flag, path = arguments
    assert flag == "--config"
    config = json.loads(Path(path).read_text())
    say("autotrain.cli.autotrain:main:58", f"Using AutoTrain configuration: {path}")
    params = parsed(config)
    project = Path(config["project_name"])
    project.mkdir(exist_ok=True)
    (project / "training_params.json").write_text(json.dumps(params))
    fault = (venv / "fault").read_text()
    if fault == "fails":
        say(
            "autotrain.trainers.common:wrapper:215",
            "train has failed due to an exception:",
            "ERROR",
        )
        say("autotrain.trainers.common:wrapper:216", "the rows are too short", "ERROR")
        return 0
    if fault == "memory":
        say(
            "autotrain.trainers.common:wrapper:216",
            "DefaultCPUAllocator: can't allocate memory",
            "ERROR",
        )
        return 0
    if fault == "token":
        say("autotrain.parser:run:224", f"token {TOKEN}")
    if fault == "silent":
        time.sleep(60)
    train(config, params, fault)
    save(config, params, fault)
    return 0


def parsed(config: dict[str, Any]) -> dict[str, Any]:
    """Read a configuration; what the real parser misses is missed here, by the same KeyError."""
    if config["task"] not in TASKS or config["backend"] != "local-cli":
        raise ValueError("task or backend")
    if not config["project_name"].replace("-", "").isalnum():
        raise ValueError("project_name must be alphanumeric but can contain hyphens")
    data = config["data"]
    told = {name: data[name] for name in ("path", "train_split", "valid_split", "chat_template")}
    assert config["log"] == "none"
    assert "hub" not in config
    return told | data["column_mapping"] | config["params"]


def train(config: dict[str, Any], params: dict[str, Any], fault: str) -> None:
    lines = (Path(params["path"]) / f"{params['train_split']}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    at_once = params["batch_size"] * params["gradient_accumulation"]
    count = len(rows)
    if config["task"] == "llm-sft":
        letters = Tokenizer.from_file(str(Path(config["base_model"]) / "tokenizer.json"))
        tokens = sum(len(letters.encode(row[params["text_column"]]).ids) + 1 for row in rows)
        count = tokens // params["block_size"]
    else:
        assert all(
            row[params[column]]
            for row in rows
            for column in ("prompt_text_column", "text_column", "rejected_text_column")
        )
    steps = max(1, count // at_once)
    say("autotrain.trainers.common:on_train_begin:386", "Starting to train...")
    if fault == "hangs":
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path("pid").write_text(f"{os.getpid()} {helper.pid}")
    for step in range(1, steps + 1):
        time.sleep(STEP_S)
        numbers: dict[str, Any] = {
            "loss": round(4 / step, 4),
            "grad_norm": float("nan") if fault == "nan" and step == 2 else 1.5,
            "learning_rate": params["lr"],
            "epoch": step / steps,
        }
        sys.stdout.write(f"\r{100 * step // steps}%|#| {step}/{steps} [00:00<00:00]")
        say("autotrain.trainers.common:on_log:367", str(numbers))
        if fault == "hangs" and step == 2:
            time.sleep(60)
    ended = {"train_runtime": steps * STEP_S, "train_loss": 1.0, "epoch": 1.0}
    say("autotrain.trainers.common:on_log:367", str(ended))


def save(config: dict[str, Any], params: dict[str, Any], fault: str) -> None:
    """Write what PEFT 0.14 writes, the resized embeddings of the base included."""
    base = json.loads((Path(config["base_model"]) / "config.json").read_text())
    hidden, middle = base["hidden_size"] + (fault == "base"), base["intermediate_size"]
    queries = base["num_attention_heads"] * base["head_dim"]
    keys = base["num_key_value_heads"] * base["head_dim"]
    modules = {
        "self_attn.q_proj": (hidden, queries),
        "self_attn.k_proj": (hidden, keys),
        "self_attn.v_proj": (hidden, keys),
        "self_attn.o_proj": (queries, hidden),
        "mlp.gate_proj": (hidden, middle),
        "mlp.up_proj": (hidden, middle),
        "mlp.down_proj": (middle, hidden),
    }
    chance = np.random.default_rng(0)
    rank = params["lora_r"] + (fault == "shape")
    weights = {"base_model.model.model.embed_tokens.weight": np.zeros((4, hidden), np.float32)}
    for layer in range(base["num_hidden_layers"]):
        for module, (into, out) in modules.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            weights[f"{name}.lora_A.weight"] = chance.normal(size=(rank, into)).astype(np.float32)
            weights[f"{name}.lora_B.weight"] = np.zeros((out, rank), np.float32)
    project = Path(config["project_name"])
    save_file(weights, project / "adapter_model.safetensors", metadata={"format": "pt"})
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": config["base_model"],
        "eva_config": None,
        "lora_bias": False,
        "r": rank,
        "lora_alpha": params["lora_alpha"],
        "lora_dropout": params["lora_dropout"],
        "target_modules": sorted(name.partition(".")[2] for name in modules),
    }
    (project / "adapter_config.json").write_text(json.dumps(told))


def say(where: str, what: str, level: str = "INFO") -> None:
    sys.stdout.write(f"{level: <8} | 2026-11-22 12:00:00 | {where} - {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

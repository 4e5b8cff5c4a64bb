"""Training speed and memory: our worker ÷ LLaMA-Factory on the same rows, and both loss curves.

    python -m venv /tmp/lf && /tmp/lf/bin/pip install llamafactory==0.9.5
    python -m benchmarks.against_llamafactory --python /tmp/lf/bin/python

LLaMA-Factory stays in an environment of its own, as it needs other versions of nearly everything. It gets settings that
suit a CPU (fp32, no gradient checkpointing), the same batches in the same order, the prompt that the model's chat
template writes, and the environment of this shell. Its seconds are those of its training loop; the worker's are those of
its optimizer steps. They take turns, each in a process of its own.

`--rows-from` is a CSV whose first column is the prompt and whose last is the answer.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import sides
from benchmarks.sides import Run, Task

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
"""What the template of the embedded model says before a prompt; LLaMA-Factory's own has one more full stop."""


def main() -> None:
    """Compare on each data set, print a table, both curves and the same as JSON."""
    arguments = _arguments()
    told = {}
    for name, task, folder in sides.tasks(arguments):
        pairs = []
        for number in range(arguments.pairs):
            theirs = _llamafactory(task, folder / f"factory-{number}", arguments.python)
            ours = sides.train_with_worker(task, folder / f"job-{number}")
            pairs.append((theirs, ours))
            print(f"{name}, pair {number + 1}: {theirs} | {ours}", file=sys.stderr)
        told[name] = sides.compare(f"{name}, {len(pairs)} pairs", pairs)
    print(json.dumps(told))


def _llamafactory(task: Task, folder: Path, python: str) -> Run:
    folder.mkdir()
    rows = sides.rows_in_order(task)
    (folder / "rows.json").write_text(
        json.dumps(
            [
                {"instruction": r["prompt"], "output": r["completion"], "system": SYSTEM}
                for r in rows
            ]
        )
    )
    columns = {"prompt": "instruction", "response": "output", "system": "system"}
    described = {"rows": {"file_name": "rows.json", "columns": columns}}
    (folder / "dataset_info.json").write_text(json.dumps(described))
    # its command line reads YAML, of which JSON is a part
    (folder / "settings.yaml").write_text(json.dumps(_settings(task, folder)))
    threads = {"OMP_NUM_THREADS": str(task.spec.threads)} if task.spec.threads else {}
    usage = sides.run_python(
        ["-m", "llamafactory.cli", "train", str(folder / "settings.yaml")],
        threads | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        python,
    )
    lines = (folder / "out" / "trainer_log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines if '"loss"' in line]
    train_s = json.loads((folder / "out" / "train_results.json").read_text())["train_runtime"]
    tokens = sum(row["tokens"] for row in rows)
    return Run(tokens / train_s, usage.ru_maxrss * 1024, sides.cpu_s(usage), tuple(losses))


def _settings(task: Task, folder: Path) -> dict[str, Any]:
    recipe = task.spec.recipe
    return {
        "model_name_or_path": str(task.model),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": recipe.lora_r,
        "lora_alpha": recipe.lora_alpha,
        "lora_dropout": recipe.lora_dropout,
        "lora_target": "all",
        "dataset_dir": str(folder),
        "dataset": "rows",
        "template": "chatml",
        "cutoff_len": recipe.max_length_tokens,
        "disable_shuffling": True,
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": 1,
        "max_steps": recipe.max_steps,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": task.warmup_steps,
        "optim": "adamw_torch",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": recipe.seed,
        "use_cpu": True,
        "bf16": False,
        "fp16": False,
        "disable_gradient_checkpointing": True,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training speed: our worker against LLaMA-Factory")
    parser.add_argument("--python", required=True, help="the interpreter that has llamafactory")
    sides.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()

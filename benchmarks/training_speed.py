"""Training speed and memory: our worker ÷ a plain TRL script with the same settings, and both loss curves.

    python -m benchmarks.training_speed                        BANKING77 and E2E, 2 pairs of 20 steps each
    python -m benchmarks.training_speed --pairs 5 --steps 40
    python -m benchmarks.training_speed --shuffled             the script mixes the rows itself, as TRL does unless told

Both sides train the same adapter on the same rows with the embedded model: fp32, no gradient checkpointing, the same
batch size, one pass. The script gets the rows batch after batch as the worker will see them, so that the curves must
agree; the worker's batches hold rows of about equal length, which spares the script some padding too. They take turns
(A B A B), each in a process of its own, and medians are compared, because other work on the machine comes and goes. The
plain side gets the environment of this shell, the worker that of the launcher.

`--rows-from` is a CSV whose first column is the prompt and whose last is the answer.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from agents.recipe import Recipe
from benchmarks import sides
from benchmarks.sides import Run, Task
from configs.registry import architecture_of


def main() -> None:
    """Compare on each data set, print a table, both curves and the same as JSON."""
    arguments = _arguments()
    if arguments.plain:
        _train_plainly(json.loads(arguments.plain))
        return
    told = {}
    for name, task, folder in sides.tasks(arguments):
        told[name] = _compare(name, task, folder, arguments)
    print(json.dumps(told))


def _compare(name: str, task: Task, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    pairs, rates = [], []
    for number in range(arguments.pairs):
        plain = _plain(task, folder / f"plain-{number}.json", arguments.shuffled)
        before = sides.gemm_flops_per_s(arguments.threads)
        ours = sides.train_with_worker(task, folder / f"job-{number}")
        rates.append((before + sides.gemm_flops_per_s(arguments.threads)) / 2)
        pairs.append((plain, ours))
        print(f"{name}, pair {number + 1}: {plain} | {ours}", file=sys.stderr)
    told = sides.compare(f"{name}, {len(pairs)} pairs", pairs)
    work = _flops_per_token(task)
    shares = [
        tuple(work * run.tokens_per_s / rate for run in pair)
        for pair, rate in zip(pairs, rates, strict=True)
    ]
    script, worker = (median(pair[side] for pair in shares) for side in (0, 1))
    print(f"{'share of the GEMM rate':<34}{script:>12.2f}{worker:>12.2f}{worker / script:>9.2f}")
    print(f"{'GEMM rate, GFLOP/s':<34}{'':>12}{median(rates) / 1e9:>12.1f}\n")
    return told | {"share": {"theirs": script, "worker": worker}, "gemm_flops_per_s": rates}


def _flops_per_token(task: Task) -> float:
    """Return what a token of a row costs when nothing is shared, kept or padded, attention left out.

    Forward and activation gradient of the frozen layers, all three of the adapter, two of the head per answer token.
    """
    from agents.memory import trained_weights

    widths = architecture_of(json.loads((task.model / "config.json").read_text()))
    if widths is None:
        raise SystemExit("the model's architecture is not known")
    rows = sides.rows_in_order(task)
    answers = sum(row["answer_tokens"] for row in rows) / sum(row["tokens"] for row in rows)
    frozen = widths.layers * (widths.attention_weights + widths.mlp_weights)
    head = widths.hidden * widths.vocabulary
    flops: float = 4 * frozen + 6 * trained_weights(widths, task.spec.recipe) + 4 * head * answers
    return flops


def _plain(task: Task, answer: Path, shuffled: bool) -> Run:
    order = {
        "model": str(task.model),
        "rows": sides.rows_in_order(task),
        "dev": task.spec.dev.path,
        "recipe": task.spec.recipe.model_dump(mode="json"),
        "warmup_steps": task.warmup_steps,
        "answer": str(answer),
        "threads": task.spec.threads,
        "shuffled": shuffled,
    }
    path = answer.with_suffix(".order")
    path.write_text(json.dumps(order))
    usage = sides.run_python(
        ["-m", "benchmarks.training_speed", "--plain", json.dumps(str(path))], {}
    )
    told = json.loads(answer.read_bytes())
    return Run(
        told["tokens"] / told["train_s"],
        usage.ru_maxrss * 1024,
        sides.cpu_s(usage),
        tuple(told["losses"]),
        told["dev_loss"],
    )


def _train_plainly(where: str) -> None:
    """Train as the documentation of TRL shows, but for bf16 and checkpointing, which only slow a CPU down."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    order = json.loads(Path(where).read_text())
    recipe = Recipe.model_validate(order["recipe"])
    if order["threads"]:
        torch.set_num_threads(order["threads"])
    dev = [json.loads(line) for line in Path(order["dev"]).read_text().splitlines()]
    began_s: list[float] = []
    took_s: list[float] = []

    class Stopwatch(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
            began_s.append(time.monotonic())

        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            took_s.append(time.monotonic() - began_s[-1])

    def table(rows: list[dict[str, str]]) -> Dataset:
        return Dataset.from_list(
            [
                {
                    "prompt": [{"role": "user", "content": row["prompt"]}],
                    "completion": [{"role": "assistant", "content": row["completion"]}],
                }
                for row in rows
            ]
        )

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(Path(order["answer"]).with_suffix("")),
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=sides.DEV_ROWS,
            max_steps=recipe.max_steps,
            learning_rate=recipe.learning_rate,
            max_length=recipe.max_length_tokens,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=order["warmup_steps"],
            train_sampling_strategy="random" if order["shuffled"] else "sequential",
            bf16=False,
            activation_checkpointing=False,
            use_cpu=True,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
            seed=recipe.seed,
        ),
        train_dataset=table(order["rows"]),
        eval_dataset=table(dev),
        processing_class=AutoTokenizer.from_pretrained(order["model"]),
        peft_config=LoraConfig(
            r=recipe.lora_r,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[Stopwatch()],
    )
    trainer.train()
    logged = [line for line in trainer.state.log_history if "loss" in line]
    answer = {
        "tokens": logged[-1]["num_tokens"],
        "train_s": sum(took_s),
        "losses": [line["loss"] for line in logged],
        "dev_loss": trainer.evaluate()["eval_loss"],
    }
    Path(order["answer"]).write_text(json.dumps(answer))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Training speed: our worker against a plain TRL script"
    )
    sides.add_options(parser)
    parser.add_argument("--shuffled", action="store_true", help="the script mixes the rows itself")
    parser.add_argument("--plain", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

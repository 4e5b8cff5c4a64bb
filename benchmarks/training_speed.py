"""Training speed and memory: our worker ÷ a plain TRL script with the same settings.

    python -m benchmarks.training_speed                        2 pairs of 12 steps, about ten minutes on two cores
    python -m benchmarks.training_speed --pairs 5 --steps 40

Both sides train the same adapter on the same rows with the embedded model: fp32, no gradient checkpointing, the same
batch size, one pass. They take turns (A B A B), each in a process of its own, and medians are compared, because other
work on the machine comes and goes. The plain side gets the environment of this shell, the worker that of the launcher.

`--rows-from` is a CSV whose first column is the prompt and whose last is the answer.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agents.jobs import (
    FileRef,
    JobSpec,
    ModelRef,
    TrainResult,
    TrainSpec,
    read_result,
    write_spec,
)
from agents.launchers.local import ALLOCATOR
from agents.recipe import Recipe
from configs.schema import EMBEDDED_MODEL, ModelSettings

ROOT = Path(__file__).parents[1]
SHARED_ROWS = ROOT.parent / "shared" / "data" / "banking77_train.csv"
DEV_ROWS = 8


@dataclass(frozen=True)
class Run:
    """What one side took."""

    tokens_per_s: float
    """Tokens of the rows, padding left out, per second of optimizer steps."""
    peak_memory_bytes: int
    cpu_s: float
    """Of the whole process, imports included."""


def main() -> None:
    """Compare, print a table and the same as JSON."""
    arguments = _arguments()
    if arguments.plain:
        _train_plainly(json.loads(arguments.plain))
        return
    recipe = Recipe(
        model=EMBEDDED_MODEL, epochs=1, batch_size=arguments.batch, max_steps=arguments.steps
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train, dev = _write_rows(arguments.rows_from, arguments.steps * arguments.batch, folder)
        spec = TrainSpec(
            model=ModelRef(
                name=EMBEDDED_MODEL,
                source=ModelSettings().catalogue[EMBEDDED_MODEL],
                cache_dir=str(arguments.cache.resolve()),
            ),
            train=train,
            dev=dev,
            recipe=recipe,
            save_steps=arguments.steps,
            checkpoint_fraction=0.5,
            hold_at_checkpoint=False,
            checkpoints_dir="checkpoints",
            threads=arguments.threads,
        )
        model = _model_folder(spec.model, folder)
        pairs = []
        for number in range(arguments.pairs):
            plain = _plain(spec, model, folder / f"plain-{number}.json")
            ours = _worker(spec, folder / f"job-{number}")
            pairs.append((plain, ours))
            print(f"pair {number + 1}: {plain} | {ours}", file=sys.stderr)
    _report(pairs)


def _plain(spec: TrainSpec, model: Path, answer: Path) -> Run:
    order = {
        "model": str(model),
        "rows": spec.train.path,
        "recipe": spec.recipe.model_dump(mode="json"),
        "answer": str(answer),
        "threads": spec.threads,
    }
    usage = _run(["-m", "benchmarks.training_speed", "--plain", json.dumps(order)], {})
    told = json.loads(answer.read_bytes())
    return Run(told["tokens"] / told["train_s"], usage.ru_maxrss * 1024, _cpu_s(usage))


def _worker(spec: TrainSpec, job: Path) -> Run:
    write_spec(job, JobSpec(job_id=job.name, spec=spec))
    usage = _run(["-m", "agents.worker", str(job)], ALLOCATOR)
    result = read_result(job)
    if result is None or not isinstance(result.payload, TrainResult):
        raise SystemExit(f"the worker failed: {result}")
    trained = result.payload
    return Run(trained.tokens_per_s, usage.ru_maxrss * 1024, _cpu_s(usage))


def _train_plainly(order: dict[str, Any]) -> None:
    """Train as the documentation of TRL shows, but for bf16 and checkpointing, which only slow a CPU down."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    recipe = Recipe.model_validate(order["recipe"])
    if order["threads"]:
        torch.set_num_threads(order["threads"])
    rows = [json.loads(line) for line in Path(order["rows"]).read_text().splitlines()]
    began_s: list[float] = []
    took_s: list[float] = []

    class Stopwatch(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
            began_s.append(time.monotonic())

        def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
            took_s.append(time.monotonic() - began_s[-1])

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(Path(order["answer"]).with_suffix("")),
            per_device_train_batch_size=recipe.batch_size,
            max_steps=recipe.max_steps,
            learning_rate=recipe.learning_rate,
            max_length=recipe.max_length_tokens,
            lr_scheduler_type="constant",
            bf16=False,
            activation_checkpointing=False,
            use_cpu=True,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,
            seed=recipe.seed,
        ),
        train_dataset=Dataset.from_list(
            [
                {
                    "prompt": [{"role": "user", "content": row["prompt"]}],
                    "completion": [{"role": "assistant", "content": row["completion"]}],
                }
                for row in rows
            ]
        ),
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
    last = [line for line in trainer.state.log_history if "loss" in line][-1]
    answer = {"tokens": last["num_tokens"], "train_s": sum(took_s)}
    Path(order["answer"]).write_text(json.dumps(answer))


def _write_rows(source: Path | None, count: int, folder: Path) -> tuple[FileRef, FileRef]:
    path = source or (
        SHARED_ROWS if SHARED_ROWS.exists() else min((ROOT / "examples").glob("*.csv"))
    )
    with path.open(newline="", encoding="utf-8") as stream:
        _, *rows = csv.reader(stream)
    random.Random(0).shuffle(rows)
    if len(rows) < DEV_ROWS + 1:
        raise SystemExit(f"{path} has too few rows")
    learnt = [rows[DEV_ROWS:][i % (len(rows) - DEV_ROWS)] for i in range(count)]
    return _write(folder / "train.jsonl", learnt), _write(folder / "dev.jsonl", rows[:DEV_ROWS])


def _write(path: Path, rows: list[list[str]]) -> FileRef:
    lines = (
        json.dumps({"prompt": row[0], "completion": row[-1], "row": number})
        for number, row in enumerate(rows, start=2)
    )
    raw = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(raw)
    return FileRef(path=str(path), sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))


def _model_folder(ref: ModelRef, scratch: Path) -> Path:
    """Convert the model if need be, so that no run pays for it."""
    code = (
        "import sys, pathlib; from agents.jobs import ModelRef; from agents.worker.base_model import resolve;"
        "from agents.worker.progress import Reporter;"
        "print(resolve(ModelRef.model_validate_json(sys.argv[1]), Reporter(pathlib.Path(sys.argv[2]))).path)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, ref.model_dump_json(), str(scratch)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(ran.stdout.splitlines()[-1])


def _run(arguments: list[str], environment: dict[str, str]) -> Any:
    """Run Python to its end and return its resource usage."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise SystemExit(log.read().decode()[-4000:])
    return usage


def _cpu_s(usage: Any) -> float:
    return float(usage.ru_utime + usage.ru_stime)


def _report(pairs: list[tuple[Run, Run]]) -> None:
    measures: dict[str, tuple[Callable[[Run], float], float]] = {
        "tokens/s": (lambda run: run.tokens_per_s, 1.0),
        "peak memory, MiB": (lambda run: run.peak_memory_bytes, 2.0**20),
        "CPU seconds": (lambda run: run.cpu_s, 1.0),
    }
    table = {}
    print(
        f"{'median of ' + str(len(pairs)) + ' pairs':<20}{'plain TRL':>12}{'worker':>12}{'ratio':>9}"
    )
    for name, (value, unit) in measures.items():
        plain, ours = (median(value(pair[side]) / unit for pair in pairs) for side in (0, 1))
        ratio = median(value(b) / value(a) for a, b in pairs)
        table[name] = {"plain": plain, "worker": ours, "ratio": ratio}
        print(f"{name:<20}{plain:>12.2f}{ours:>12.2f}{ratio:>9.2f}")
    print(json.dumps(table))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Training speed: our worker against a plain TRL script"
    )
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8, help="rows per step")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rows-from", type=Path, default=None, help="a CSV; see above")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "data" / "models", help="converted models"
    )
    parser.add_argument("--plain", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

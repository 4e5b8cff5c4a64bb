"""What the benchmarks of training and evaluation share: rows, the worker's side, processes with their resources, tables."""

import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
    read_progress,
    read_result,
    write_spec,
)
from agents.launchers.local import ALLOCATOR
from agents.recipe import Recipe
from configs.schema import EMBEDDED_MODEL, ModelSettings

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
DEV_ROWS = 16
GEMM_WIDTH = 1024
GEMMS = 40


@dataclass(frozen=True)
class Run:
    """What one side took."""

    tokens_per_s: float
    """Tokens of the rows, padding left out, per second of optimizer steps."""
    peak_memory_bytes: int
    cpu_s: float
    """Of the whole process, imports included."""
    losses: tuple[float, ...]
    """Of each step, as logged."""
    dev_loss: float | None = None
    """After the last step."""


@dataclass(frozen=True)
class Task:
    """What both sides train, from files that lie in a folder of the benchmark."""

    spec: TrainSpec
    model: Path
    """Folder of the base model."""
    test: FileRef
    """Rows to evaluate on."""

    @property
    def warmup_steps(self) -> int:
        """Steps in which the learning rate rises."""
        return int(self.spec.recipe.warmup_fraction * (self.spec.recipe.max_steps or 0))


def _data_sets(named: Path | None) -> dict[str, Path]:
    """Return the tables to train on: the one named, else BANKING77 and E2E, else an example of ours."""
    found = {"BANKING77": SHARED / "banking77_train.csv", "E2E": SHARED / "e2e_dev.csv"}
    there = {name: path for name, path in found.items() if path.exists()}
    if named is not None:
        return {named.stem: named}
    example = min((ROOT / "examples").glob("*.csv"))
    return there or {example.stem: example}


def tasks(arguments: argparse.Namespace) -> Iterator[tuple[str, Task, Path]]:
    """Yield what is to be trained on each data set, with its name and a folder that is gone afterwards."""
    for name, table in _data_sets(arguments.rows_from).items():
        with tempfile.TemporaryDirectory() as folder:
            yield name, _make_task(table, Path(folder), arguments), Path(folder)


def _make_task(table: Path, folder: Path, how: argparse.Namespace) -> Task:
    """Draw rows from a table, always the same, and describe their training as the options have it.

    The first column is the prompt, the last one the answer.
    """
    recipe = Recipe(model=EMBEDDED_MODEL, epochs=1, batch_size=how.batch, max_steps=how.steps)
    train, dev, test = _write_rows(table, how.steps * how.batch, folder)
    ref = ModelRef(
        name=EMBEDDED_MODEL,
        source=ModelSettings().catalogue[EMBEDDED_MODEL],
        cache_dir=str(how.cache.resolve()),
    )
    spec = TrainSpec(
        model=ref,
        train=train,
        dev=dev,
        recipe=recipe,
        save_steps=how.steps,
        checkpoint_fraction=0.5,
        hold_at_checkpoint=False,
        checkpoints_dir="checkpoints",
        threads=how.threads,
    )
    return Task(spec, _model_folder(ref, folder), test)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what all of these benchmarks can be told."""
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="rows per step")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rows-from", type=Path, default=None, help="a CSV; see above")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "data" / "models", help="converted models"
    )


def rows_in_order(task: Task) -> list[dict[str, Any]]:
    """Return the rows batch after batch as the worker will see them, with their numbers of tokens."""
    from transformers import AutoTokenizer

    from agents.worker import rows
    from agents.worker.order import order_of

    read = [json.loads(line) for line in Path(task.spec.train.path).read_text().splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    ends = [tokenizer.eos_token_id]
    encoded = [
        rows.encode(tokenizer, rows.Row(row["prompt"], row["completion"], 0), ends) for row in read
    ]
    counted = [
        row | {"tokens": len(e.input_ids), "answer_tokens": len(e.input_ids) - e.prompt_tokens}
        for row, e in zip(read, encoded, strict=True)
    ]
    recipe = task.spec.recipe
    lengths = [row["tokens"] for row in counted]
    order = order_of(lengths, recipe.batch_size, recipe.max_steps or 0, recipe.seed)
    return [counted[i] for i in order]


def train_with_worker(task: Task, job: Path) -> Run:
    """Train in a worker, in the environment that the launcher gives it."""
    write_spec(job, JobSpec(job_id=job.name, spec=task.spec))
    usage = run_python(["-m", "agents.worker", str(job)], ALLOCATOR)
    result = read_result(job)
    if result is None or not isinstance(result.payload, TrainResult):
        raise SystemExit(f"the worker failed: {result}")
    losses = [line.loss for line in read_progress(job) if line.loss is not None]
    return Run(
        result.payload.tokens_per_s,
        usage.ru_maxrss * 1024,
        cpu_s(usage),
        tuple(losses),
        result.payload.dev_losses[-1][1],
    )


def gemm_flops_per_s(threads: int | None) -> float:
    """Return the median rate of multiplying two fp32 matrices on this machine, now, in a process of its own."""
    code = (
        "import sys, time, statistics, torch; n, times, threads = map(int, sys.argv[1:]);"
        "threads and torch.set_num_threads(threads); a, b = torch.randn(n, n), torch.randn(n, n); took = []\n"
        "for _ in range(times):\n    began = time.monotonic(); a @ b; took.append(time.monotonic() - began)\n"
        "print(2 * n**3 / statistics.median(took))"
    )
    words = [sys.executable, "-c", code, str(GEMM_WIDTH), str(GEMMS), str(threads or 0)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def run_python(
    arguments: list[str], environment: dict[str, str], python: str = sys.executable
) -> Any:
    """Run Python to its end and return its resource usage."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [python, *arguments], cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise SystemExit(log.read().decode()[-4000:])
    return usage


def cpu_s(usage: Any) -> float:
    """Return the CPU seconds of a process that has ended."""
    return float(usage.ru_utime + usage.ru_stime)


def compare(title: str, pairs: list[tuple[Run, Run]]) -> dict[str, Any]:
    """Print medians and ratios of both sides, and both curves; return the same."""
    measures = {
        "tokens/s": [tuple(run.tokens_per_s for run in pair) for pair in pairs],
        "peak memory, MiB": [
            tuple(run.peak_memory_bytes / 2**20 for run in pair) for pair in pairs
        ],
        "CPU seconds": [tuple(run.cpu_s for run in pair) for pair in pairs],
    }
    told: dict[str, Any] = {}
    print(f"{title:<34}{'theirs':>12}{'worker':>12}{'ratio':>9}")
    for name, values in measures.items():
        middle = [median(pair[side] for pair in values) for side in (0, 1)]
        ratio = median(b / a for a, b in values)
        told[name] = {"theirs": middle[0], "worker": middle[1], "ratio": ratio}
        print(f"{name:<34}{middle[0]:>12.2f}{middle[1]:>12.2f}{ratio:>9.2f}")
    theirs, ours = pairs[0]
    for number, (a, b) in enumerate(zip(theirs.losses, ours.losses, strict=True), start=1):
        print(f"  loss of step {number:<19}{a:>12.4f}{b:>12.4f}{b / a:>9.4f}")
    if theirs.dev_loss is not None and ours.dev_loss is not None:
        ratio = ours.dev_loss / theirs.dev_loss
        print(
            f"  {'dev loss at the end':<32}{theirs.dev_loss:>12.4f}{ours.dev_loss:>12.4f}{ratio:>9.4f}"
        )
    told["losses"] = {"theirs": theirs.losses, "worker": ours.losses}
    told["dev_loss"] = {"theirs": theirs.dev_loss, "worker": ours.dev_loss}
    return told


def _write_rows(table: Path, count: int, folder: Path) -> tuple[FileRef, FileRef, FileRef]:
    with table.open(newline="", encoding="utf-8") as stream:
        _, *rows = csv.reader(stream)
    random.Random(0).shuffle(rows)
    if len(rows) < DEV_ROWS + 1:
        raise SystemExit(f"{table} has too few rows")
    learnt = [rows[DEV_ROWS:][i % (len(rows) - DEV_ROWS)] for i in range(count)]
    # from the other end, so that those of a large table are not learnt
    splits = {"train": learnt, "dev": rows[:DEV_ROWS], "test": rows[: DEV_ROWS - 1 : -1]}
    train, dev, test = (_write(folder / f"{name}.jsonl", some) for name, some in splits.items())
    return train, dev, test


def _write(path: Path, rows: list[list[str]]) -> FileRef:
    path.parent.mkdir(parents=True, exist_ok=True)
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
        "from agents.jobs.reporting import Reporter;"
        "print(resolve(ModelRef.model_validate_json(sys.argv[1]), Reporter(pathlib.Path(sys.argv[2]))).path)"
    )
    words = [sys.executable, "-c", code, ref.model_dump_json(), str(scratch)]
    ran = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return Path(ran.stdout.splitlines()[-1])

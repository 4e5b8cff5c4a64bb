"""Speed and memory of an evaluation: our worker ÷ the usual script, and whether both say the same.

    python -m benchmarks.evaluation_speed                        BANKING77 and E2E, 2 pairs of 64 test rows each
    python -m benchmarks.evaluation_speed --pairs 3 --items 128
    python -m benchmarks.evaluation_speed --adapter DIR          another adapter of the embedded model, not a fresh one

Base and tuned model answer the same test rows, greedily, in fp32, with room for answers as a plan would give it. The
script does what tutorials show: rows in the order of the file, eight at a time, padded on the left, `generate`, the
adapter attached. The worker's side is the code of an evaluation job. Loading a model is not counted, putting an adapter
on it or into it is. Both take turns (A B A B), each in a process of its own with the environment of a shell or of the
launcher. The adapter is trained on other rows of the same table first, for so many `--steps`: one that has learnt little
says more than it should, which is slower on both sides.

Texts must be equal. Where two are not, an own process asks the model with the adapter attached by how much it prefers
the script's token where they part: rounding may decide between tokens that are equally likely, and nothing else.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from agents.hyperparameters import room_for_answers
from agents.jobs import EvaluateSpec
from agents.launchers.local import ALLOCATOR
from benchmarks import sides
from benchmarks.sides import Task

SCRIPT_BATCH = 8
BOTH = ("base", "tuned")


@dataclass(frozen=True)
class Side:
    """What one side took and said."""

    seconds: dict[str, float]
    """By model; of the clock."""
    cpu_seconds: dict[str, float]
    """By model; of the process."""
    ids: dict[str, list[list[int]]]
    """Tokens of answers by model, without what ends them."""
    texts: dict[str, list[str]]
    prompts: list[list[int]]
    peak_memory_bytes: int


def main() -> None:
    """Compare on each data set, print a table and the same as JSON."""
    arguments = _arguments()
    if arguments.child:
        how, order = arguments.child
        CHILDREN[how](json.loads(Path(order).read_text()))
        return
    told = {}
    for name, task, folder in sides.tasks(arguments):
        told[name] = _compare(name, _order(task, folder, arguments), folder, arguments)
    print(json.dumps(told))


def _order(task: Task, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what both sides are to do; train the adapter first."""
    from transformers import AutoTokenizer

    adapter = arguments.adapter
    if adapter is None:
        sides.train_with_worker(task, folder / "training")
        adapter = folder / "training" / "artifacts" / "adapter"
    lines = Path(task.test.path).read_text().splitlines()
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    answers = [json.loads(line)["completion"] for line in lines]
    longest = max(len(ids) for ids in tokenizer(answers)["input_ids"])
    recipe = task.spec.recipe.model_copy(
        update={"max_new_tokens": room_for_answers(longest), "max_test_rows": arguments.items}
    )
    spec = EvaluateSpec(
        model=task.spec.model,
        adapter_dir=str(adapter.resolve()),
        test=task.test,
        recipe=recipe,
        threads=arguments.threads,
    )
    prompts = [json.loads(line)["prompt"] for line in lines[: arguments.items]]
    return {"model": str(task.model), "prompts": prompts, "spec": spec.model_dump(mode="json")}


def _compare(
    name: str, order: dict[str, Any], folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    pairs = []
    for number in range(arguments.pairs):
        pair = tuple(_run(how, order, folder / f"{how}-{number}") for how in ("plain", "worker"))
        pairs.append(pair)
        print(f"{name}, pair {number + 1}: {[side.seconds for side in pair]}", file=sys.stderr)
    told = _table(name, order, pairs)
    theirs, ours = pairs[0]
    if theirs.prompts != ours.prompts:
        raise SystemExit("the two sides were asked different things")
    told["parted_nats"] = _parted(order, theirs, ours, folder)
    count = sum(len(theirs.texts[who]) for who in BOTH)
    same = sum(
        a == b for who in BOTH for a, b in zip(theirs.texts[who], ours.texts[who], strict=True)
    )
    told["same_texts"] = [same, count]
    print(f"{'same text':<44}{same:>12} of {count}")
    for gap in told["parted_nats"]:
        print(f"  the model prefers the script's token by {gap:.6f} nats where two part")
    for who in BOTH:
        print(f"  first answer of the {who} model: {ours.texts[who][0][:100]!r}")
    print()
    return told


def _table(name: str, order: dict[str, Any], pairs: list[tuple[Side, ...]]) -> dict[str, Any]:
    items = len(order["prompts"])
    measures: dict[str, Callable[[Side], float]] = {
        "answers/s": lambda side: 2 * items / sum(side.seconds.values()),
        "answers/s of the base model": lambda side: items / side.seconds["base"],
        "answers/s of the tuned model": lambda side: items / side.seconds["tuned"],
        "answers per CPU second": lambda side: 2 * items / sum(side.cpu_seconds.values()),
        "peak memory, MiB": lambda side: side.peak_memory_bytes / 2**20,
    }
    title = f"{name}, {items} rows, {len(pairs)} pairs"
    print(f"{title:<44}{'script':>12}{'worker':>12}{'ratio':>9}")
    told: dict[str, Any] = {}
    for what, of in measures.items():
        values = [tuple(of(side) for side in pair) for pair in pairs]
        script, worker = (median(pair[side] for pair in values) for side in (0, 1))
        ratio = median(b / a for a, b in values)
        told[what] = {"script": script, "worker": worker, "ratio": ratio}
        print(f"{what:<44}{script:>12.2f}{worker:>12.2f}{ratio:>9.2f}")
    ours = pairs[0][1]
    told["answer_tokens"] = {who: fmean(len(ids) for ids in ours.ids[who]) for who in BOTH}
    room = order["spec"]["recipe"]["max_new_tokens"]
    means = told["answer_tokens"]
    print(f"  tokens per answer: base {means['base']:.1f}, tuned {means['tuned']:.1f}, room {room}")
    return told


def _run(how: str, order: dict[str, Any], folder: Path) -> Side:
    folder.mkdir()
    path, answer = folder / "order.json", folder / "answer.json"
    path.write_text(json.dumps(order | {"answer": str(answer), "folder": str(folder)}))
    usage = sides.run_python(
        ["-m", "benchmarks.evaluation_speed", "--child", how, str(path)],
        ALLOCATOR if how == "worker" else {},
    )
    return Side(**json.loads(answer.read_text()), peak_memory_bytes=usage.ru_maxrss * 1024)


def _parted(order: dict[str, Any], theirs: Side, ours: Side, folder: Path) -> list[float]:
    """Return by how many nats the model prefers the script's token, for each pair of answers that differ."""
    parted = [
        {"who": who, "asked": asked, "theirs": a, "ours": b}
        for who in BOTH
        for asked, a, b in zip(theirs.prompts, theirs.ids[who], ours.ids[who], strict=True)
        if a != b
    ]
    if not parted:
        return []
    path, answer = folder / "parted.json", folder / "gaps.json"
    path.write_text(json.dumps(order | {"parted": parted, "answer": str(answer)}))
    sides.run_python(["-m", "benchmarks.evaluation_speed", "--child", "gaps", str(path)], {})
    gaps: list[float] = json.loads(answer.read_text())
    return gaps


class _Stopwatch:
    """Seconds that each model takes, of the clock and of the processor."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float, float]] = []

    def mark(self, what: str) -> None:
        self.marks.append((what, time.monotonic(), time.process_time()))

    def told(self) -> dict[str, dict[str, float]]:
        """Return the time from each mark to the next one."""
        found: dict[str, dict[str, float]] = {"seconds": {}, "cpu_seconds": {}}
        for (what, began_s, cpu_s), (_, ended_s, cpu_end_s) in zip(
            self.marks, self.marks[1:], strict=False
        ):
            found["seconds"][what] = ended_s - began_s
            found["cpu_seconds"][what] = cpu_end_s - cpu_s
        return found


def _plain(order: dict[str, Any]) -> None:
    """Answer as tutorials show."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = EvaluateSpec.model_validate(order["spec"])
    if spec.threads:
        torch.set_num_threads(spec.threads)
    tokenizer = AutoTokenizer.from_pretrained(order["model"], padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32).eval()
    special = set(tokenizer.all_special_ids)
    prompts: list[list[int]] = []
    ids: dict[str, list[list[int]]] = {who: [] for who in BOTH}
    texts: dict[str, list[str]] = {who: [] for who in BOTH}

    def answer(who: str) -> None:
        for start in range(0, len(order["prompts"]), SCRIPT_BATCH):
            asked = [
                [{"role": "user", "content": prompt}]
                for prompt in order["prompts"][start : start + SCRIPT_BATCH]
            ]
            inputs = tokenizer.apply_chat_template(
                asked,
                add_generation_prompt=True,
                padding=True,
                return_dict=True,
                return_tensors="pt",
            )
            said = model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=spec.recipe.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )[:, inputs["input_ids"].shape[1] :]
            texts[who] += [
                text.strip() for text in tokenizer.batch_decode(said, skip_special_tokens=True)
            ]
            ids[who] += [[i for i in row if i not in special] for row in said.tolist()]
            if who == BOTH[0]:
                rows = zip(
                    inputs["input_ids"].tolist(), inputs["attention_mask"].tolist(), strict=True
                )
                prompts.extend([i for i, on in zip(*row, strict=True) if on] for row in rows)

    watch = _Stopwatch()
    watch.mark("base")
    answer("base")
    watch.mark("tuned")
    model = PeftModel.from_pretrained(model, spec.adapter_dir)
    answer("tuned")
    watch.mark("end")
    told = {"ids": ids, "texts": texts, "prompts": prompts, **watch.told()}
    Path(order["answer"]).write_text(json.dumps(told))


def _worker(order: dict[str, Any]) -> None:
    """Answer as an evaluation job does."""
    import os

    import torch

    from agents.jobs.reporting import Reporter
    from agents.worker import base_model
    from agents.worker.evaluate_model import sit
    from agents.worker.evaluate_shaped import Evaluation
    from agents.worker.known_answers import KnownAnswers
    from agents.worker.rows import asked_ids, read_rows

    watch = _Stopwatch()

    class Timed(Reporter):
        def stage(self, name: str, steps: int = 0, step: int = 0) -> None:
            watch.mark(next((who for who in BOTH if who in name), name))
            super().stage(name, steps, step)

    spec, folder = EvaluateSpec.model_validate(order["spec"]), Path(order["folder"])
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    rows = read_rows(spec.test, folder)[: spec.recipe.max_test_rows]
    reporter = Timed(folder)
    where = base_model.resolve(spec.model, reporter)
    sitting = sit(where, rows, Evaluation(folder, spec, reporter, KnownAnswers()))
    watch.mark("end")
    tokenizer, _ = base_model.outline(where)
    special = set(tokenizer.all_special_ids)
    said = {"base": sitting.base, "tuned": sitting.tuned}
    told = {
        "ids": {who: [[i for i in a.ids if i not in special] for a in said[who]] for who in BOTH},
        "texts": {who: [a.text for a in said[who]] for who in BOTH},
        "prompts": [asked_ids(tokenizer, row) for row in rows],
        **watch.told(),
    }
    Path(order["answer"]).write_text(json.dumps(told))


def _gaps(order: dict[str, Any]) -> None:
    """Say how much a model prefers the script's token where two answers part."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from agents.worker.parity import Transformer, gap_nats

    spec = EvaluateSpec.model_validate(order["spec"])
    tokenizer = AutoTokenizer.from_pretrained(order["model"])
    model = AutoModelForCausalLM.from_pretrained(order["model"], dtype=torch.float32).eval()
    tuned = PeftModel.from_pretrained(model, spec.adapter_dir).eval()
    gaps = []
    for case in order["parted"]:
        texts = [case[name] for name in ("asked", "theirs", "ours")]
        if case["who"] == "tuned":
            speaker = Transformer(tuned, tokenizer, (tokenizer.eos_token_id,))
            gaps.append(gap_nats(speaker, *texts))
        else:
            with tuned.disable_adapter():
                speaker = Transformer(tuned, tokenizer, (tokenizer.eos_token_id,))
                gaps.append(gap_nats(speaker, *texts))
    Path(order["answer"]).write_text(json.dumps(gaps))


CHILDREN = {"plain": _plain, "worker": _worker, "gaps": _gaps}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Speed of an evaluation: our worker against a script"
    )
    sides.add_options(parser)
    parser.add_argument("--items", type=int, default=64, help="test rows")
    parser.add_argument("--adapter", type=Path, default=None, help="folder of an adapter")
    parser.add_argument("--child", nargs=2, default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

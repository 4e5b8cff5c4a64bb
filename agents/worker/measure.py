"""The facts behind an estimate: token counts of the rows, and the speed of this machine with this model."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import psutil

from agents.jobs import Baseline, JobOutcome, JobResult, MeasureResult, MeasureSpec, RowFacts
from agents.jobs.reporting import Reporter
from agents.worker.errors import WorkerError
from configs.registry import architecture_of

if TYPE_CHECKING:
    from agents.recipe import Recipe
    from agents.worker.base_model import LoadedBase
    from agents.worker.course import Teaching
    from agents.worker.lessons import Lesson
    from agents.worker.rows import Row

TIMED_STEPS = 2
"""After one that warms up."""
ENOUGH_S = 60.0
"""No further step is timed when those so far took this long; one that takes so long needs no warming up."""
TIMED_TOKENS = 8
GUARD = 0.8
"""Share of the memory that a step on the longest rows may be expected to take; it is not tried beyond."""


def run(folder: Path, spec: MeasureSpec) -> JobResult:
    """Measure; half a minute on two cores, and a minute more when the model has to be converted first.

    Raises: WorkerError: data or model cannot be used for this training. Stopped: the bot asked for it.
    """
    reporter = Reporter(folder)
    reporter.stage("loading the training software")
    began_s = time.monotonic()
    import torch

    from agents.worker import base_model, callbacks, on_gpu
    from agents.worker.course import load, teaching
    from agents.worker.lessons import MOST_NAMED, drawn

    method = teaching(spec.recipe.method)

    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    import_s = time.monotonic() - began_s
    process_bytes = psutil.Process().memory_info().rss
    reporter.stage("loading the model")
    where = base_model.resolve(spec.model, reporter)
    began_s = time.monotonic()
    base = load(where, spec.recipe, reporter)
    load_s = import_s + time.monotonic() - began_s

    reporter.stage("counting tokens")
    train = method.read(spec.train, folder)
    if not train:
        raise WorkerError(
            "too_few_rows", "There are no rows to learn from. Upload more rows.", for_person=True
        )
    found = drawn(
        lambda part: method.encode(base, part, spec.recipe),
        train,
        spec.recipe.max_train_rows,
        spec.recipe.seed,
    )
    learnt = found.lessons
    lengths = [row.whole_tokens for row in learnt]
    answers = [row.answer_tokens for row in learnt]
    answer_p95 = _p95(answers)
    limit = min(spec.recipe.max_length_tokens, base.context_tokens)

    typical = _typical(learnt, spec.recipe.batch_size)
    step_s = _step_s(base, typical, spec.recipe, reporter, method)
    longest = sorted(learnt, key=lambda row: -row.tokens)[: spec.recipe.batch_size]
    growth = longest[0].tokens / max(row.tokens for row in typical)
    longest_peak_bytes = _longest_peak_bytes(base, longest, growth, spec.recipe, reporter, method)
    decode_token_s = 0.0
    if spec.recipe.is_judged_by_answers:
        decode_token_s = _decode_token_s(
            base, learnt, min(answer_p95, spec.recipe.max_new_tokens), reporter
        )
    peak_bytes = callbacks.peak_memory_bytes()
    baseline = _baseline(base, found.rows, spec, folder, reporter)
    payload = MeasureResult(
        parameters=base.parameters,
        context_tokens=base.context_tokens,
        tokens_mean=fmean(lengths),
        tokens_p95=_p95(lengths),
        tokens_max=max(lengths),
        completion_tokens_p95=answer_p95,
        completion_tokens_max=max(answers),
        rows_over_context=sum(length > limit for length in lengths),
        rows_left_out=found.left_out[:MOST_NAMED],
        rows_left_out_count=len(found.left_out),
        limit_tokens=limit,
        step_s=step_s,
        decode_token_s=decode_token_s,
        load_s=load_s,
        peak_memory_bytes=peak_bytes,
        device=base.device,
        architecture=architecture_of(base.model.config.to_dict()),
        process_bytes=process_bytes,
        memory_bytes=on_gpu.memory_bytes(base.device),
        longest_row_tokens=longest[0].tokens,
        longest_mean_tokens=fmean(row.tokens for row in longest),
        shared_tokens=_shared_tokens(base, longest, spec.recipe),
        longest_peak_bytes=longest_peak_bytes,
        baseline=baseline,
        row_facts=_row_facts(found.rows, spec.recipe),
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _step_s(
    base: "LoadedBase",
    batch: "list[Lesson]",
    recipe: "Recipe",
    reporter: Reporter,
    method: "Teaching",
) -> float:
    """Return the seconds of an optimizer step on this batch, timed in the trainer itself."""
    steps = 1 + TIMED_STEPS
    reporter.stage("timing training steps", steps + 1)
    first, *others = _train(base, batch, recipe, reporter, method, steps)
    return fmean(others or [first])


def _train(
    base: "LoadedBase",
    batch: "list[Lesson]",
    recipe: "Recipe",
    reporter: Reporter,
    method: "Teaching",
    steps: int,
) -> list[float]:
    """Train on a batch again and again, forget what was learnt, and return the seconds of each step."""
    from agents.worker.adapter_training import Setting
    from agents.worker.callbacks import Stopwatch
    from agents.worker.lessons import Lessons

    stopwatch = Stopwatch(reporter, ENOUGH_S)
    order = [i % len(batch) for i in range(steps * recipe.batch_size)]
    lessons = Lessons(batch, [], order, recipe.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = method.make_trainer(base, lessons, recipe, Setting(Path(scratch), [stopwatch]))
        trainer.train()
        trainer.model.unload()
    return stopwatch.steps_s


def _longest_peak_bytes(
    base: "LoadedBase",
    longest: "list[Lesson]",
    growth: float,
    recipe: "Recipe",
    reporter: Reporter,
    method: "Teaching",
) -> int | None:
    """Return the peak memory of a step on the longest rows, or None where trying it might end the process.

    What the steps on typical rows have added to the process grows with the tokens of a batch, which is by `growth`.
    """
    from agents.worker import on_gpu
    from agents.worker.callbacks import peak_memory_bytes
    from agents.worker.held import give_back

    limit = on_gpu.memory_bytes(base.device)
    if limit and peak_memory_bytes() * max(1.0, growth) > GUARD * limit:
        return None
    give_back()
    _train(base, longest, recipe, reporter, method, 1)
    return peak_memory_bytes()


def _shared_tokens(base: "LoadedBase", longest: "list[Lesson]", recipe: "Recipe") -> int:
    """Return how many first tokens of the longest rows a step goes through once."""
    from agents.recipe import rows_at_once
    from agents.worker import lean_steps

    if not lean_steps.suits(base, recipe):
        return 0
    columns = [row.columns for row in longest]
    ids, labels = ([row[name] for row in columns] for name in ("input_ids", "labels"))
    return lean_steps.shared_tokens(ids, labels, rows_at_once(recipe, base.device))


def _decode_token_s(
    base: "LoadedBase", learnt: "list[Lesson]", answer_tokens: int, reporter: Reporter
) -> float:
    """Return the seconds per token and item when answers of `answer_tokens` tokens come in the evaluator's batches.

    Reading the prompts costs time too: it is shared out over the tokens of the answers.
    """
    from agents.worker.answers import BATCH_ITEMS, Exam, answer, rows_that_fit

    reporter.stage("timing answers")
    chosen = _typical(learnt, BATCH_ITEMS)
    exam = Exam([row.prompt_ids for row in chosen], [], TIMED_TOKENS)
    most = rows_that_fit(base.model, exam, max(len(prompt) for prompt in exam.prompts))
    exam = exam.only(range(min(most, len(chosen))))
    beats_s: list[float] = []

    def beat() -> None:
        beats_s.append(time.monotonic())
        reporter.beat()

    began_s = time.monotonic()
    for _ in answer(base.model, base.tokenizer, exam, beat):
        pass
    tokens_s = beats_s[-TIMED_TOKENS:]  # before them parts of the prompts were read
    first_s = tokens_s[0] - began_s
    later_s = (tokens_s[-1] - tokens_s[0]) / (TIMED_TOKENS - 1)
    return (first_s + later_s * (answer_tokens - 1)) / answer_tokens / len(exam.prompts)


def _baseline(
    base: "LoadedBase",
    train: "list[Row]",
    spec: MeasureSpec,
    folder: Path,
    reporter: Reporter,
) -> Baseline | None:
    """Try the base on dev rows with a good prompt, so that nobody trains what a prompt can do."""
    from agents.recipe import Method
    from agents.worker import prompted, rows

    if spec.recipe.method is not Method.SFT:
        return None
    if spec.dev is None or not spec.baseline_rows or not spec.baseline_s:
        return None
    asked = rows.pairs(rows.read_rows(spec.dev, folder)[: spec.baseline_rows])
    if not asked:
        return None
    reporter.stage("trying the model with a good prompt")
    test = prompted.Test(
        prompting=prompted.prompting_for(base, rows.pairs(train), asked, spec.task, spec.labels),
        rows=asked,
        metric=spec.recipe.primary_metric,
        max_new_tokens=spec.recipe.max_new_tokens,
        deadline_s=time.monotonic() + spec.baseline_s,
    )
    return prompted.measure(base, test, reporter)


def _row_facts(train: "list[Row]", recipe: "Recipe") -> RowFacts | None:
    from agents.recipe import Method
    from agents.worker import row_facts, rows

    return row_facts.of_pairs(rows.pairs(train)) if recipe.method is Method.SFT else None


def _typical(rows: "Sequence[Lesson]", count: int) -> "list[Lesson]":
    """Return the rows that are nearest to the mean length, at most `count`."""
    mean = fmean(row.tokens for row in rows)
    return sorted(rows, key=lambda row: abs(row.tokens - mean))[:count]


def _p95(counts: Sequence[int]) -> int:
    return sorted(counts)[min(len(counts) - 1, int(0.95 * len(counts)))]

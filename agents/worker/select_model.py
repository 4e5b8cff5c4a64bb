"""Which base model to tune: bits per byte of the reference answers on dev, by successive halving, then a few-shot test.

Bits per byte can be compared across tokenizers; the loss per token cannot. Each round keeps the better half and whoever
is within one standard error of the best, and scores more rows. In the end the smallest of those wins.
"""

import gc
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

import torch

from agents.jobs import (
    Baseline,
    Candidate,
    JobOutcome,
    JobResult,
    ModelRef,
    Progress,
    SelectResult,
    SelectSpec,
)
from agents.jobs.reporting import Reporter
from agents.worker import base_model, prompted
from agents.worker.base_model import LoadedBase
from agents.worker.errors import WorkerError
from agents.worker.likelihood import mean_log_probs
from agents.worker.rows import Pair, pairs, prompt_ids, read_rows
from agents.worker.shaped_rows import Said

ROUNDS = (0.25, 0.5, 1.0)
"""Shares of the dev rows."""
CONTEXT_ROWS = 200
"""Training rows whose lengths stand for all."""
FEW_SHOT_ROWS = 24
FEW_SHOT_SHARE = 0.3
"""Of the time budget: kept for the few-shot test of those that are left."""


@dataclass
class _Runner:
    ref: ModelRef
    parameters: int = 0
    bits: list[float] = field(default_factory=list)
    """Of the reference answer of each dev row scored so far."""
    prompted: Baseline | None = None
    out: str | None = None
    """Why it is out of the race."""


def run(folder: Path, spec: SelectSpec) -> JobResult:
    """Choose one of the candidates.

    Raises: WorkerError: none of them can be used. Stopped: the bot asked for it.
    """
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    began_s = time.monotonic()
    reporter = Reporter(folder)
    reporter.stage("comparing models", len(ROUNDS))
    train = pairs(read_rows(spec.train, folder))
    dev = pairs(read_rows(spec.dev, folder)[: spec.max_rows])
    if not dev or not train:
        raise WorkerError(
            "too_few_rows", "There are no rows to compare models on.", for_person=True
        )
    runners = [_Runner(ref) for ref in spec.candidates]
    halving_ends_s = began_s + (1 - FEW_SHOT_SHARE) * spec.budget_s
    for number, share in enumerate(ROUNDS, start=1):
        rows = dev[: max(2, math.ceil(share * len(dev)))]
        for runner in _alive(runners):
            _score(runner, rows, train, reporter)
        if not _alive(runners):
            raise WorkerError("model_missing", runners[0].out or "No model.", for_person=True)
        if number < len(ROUNDS):
            _halve(runners, dev)
        reporter.line(Progress(stage=reporter.stage_name, step=number))
        if time.monotonic() > halving_ends_s or len(_alive(runners)) == 1:
            break
    rows_done = min(len(runner.bits) for runner in _alive(runners))
    finalists = _alive(runners)
    if len(finalists) > 1:
        _few_shot(finalists, train, dev, spec, began_s + spec.budget_s, reporter)
    chosen, why = _choose(finalists, dev[:rows_done])
    payload = SelectResult(
        chosen=chosen.ref.name,
        why=why,
        candidates=tuple(_candidate(runner, dev) for runner in runners),
        select_s=time.monotonic() - began_s,
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _alive(runners: list[_Runner]) -> list[_Runner]:
    return [runner for runner in runners if runner.out is None]


def _score(
    runner: _Runner, rows: Sequence[Pair], train: Sequence[Pair], reporter: Reporter
) -> None:
    """Add the bits of the rows that were not scored yet; a model that cannot be used is out."""
    try:
        base = base_model.load(base_model.resolve(runner.ref, reporter))
    except WorkerError as error:
        runner.out = error.message
        return
    runner.parameters = base.parameters
    if not runner.bits:
        longest = _p99(
            [
                len(prompt_ids(base.tokenizer, row.prompt)) + len(_answer_ids(base, row))
                for row in train[:CONTEXT_ROWS]
            ]
        )
        if longest > base.context_tokens:
            runner.out = (
                f"its context of {base.context_tokens:,} tokens is shorter than rows of {longest:,}"
            )
    if runner.out is None:
        runner.bits += answer_bits(base, rows[len(runner.bits) :], reporter.beat)
    _forget(base)


def answer_bits(base: LoadedBase, rows: Sequence[Pair], beat: Callable[[], None]) -> list[float]:
    """Return how many bits a model needs for the reference answer of each row, the prompt given."""
    texts = [_said(base, row) for row in rows]
    likely = mean_log_probs(base.model, base.tokenizer.pad_token_id, texts, beat)
    return [
        -mean * len(text.answer) / math.log(2) for mean, text in zip(likely, texts, strict=True)
    ]


def _said(base: LoadedBase, row: Pair) -> Said:
    prompt, answer = prompt_ids(base.tokenizer, row.prompt), _answer_ids(base, row)
    room = max(1, base.context_tokens - len(answer))
    return Said(prompt[-room:], answer, len(prompt) + len(answer))


def _halve(runners: list[_Runner], dev: list[Pair]) -> None:
    alive = _alive(runners)
    ordered = sorted(alive, key=lambda runner: _bits_per_byte(runner.bits, dev))
    best = ordered[0]
    for runner in ordered[math.ceil(len(ordered) / 2) :]:
        worse, error = difference(runner.bits, best.bits, dev)
        if worse > error:
            runner.out = (
                f"{worse:.2f} bits per byte behind {best.ref.name} on {len(runner.bits)} rows"
            )


def difference(bits: list[float], best: list[float], dev: Sequence[Pair]) -> tuple[float, float]:
    """Return by how many bits per byte a model is behind another on the same rows, and the standard error of that."""
    n = min(len(bits), len(best))
    size_bytes = fmean(_size(row) for row in dev[:n])
    gaps = [(bits[i] - best[i]) / size_bytes for i in range(n)]
    return fmean(gaps), stdev(gaps) / math.sqrt(n) if n > 1 else math.inf


def _few_shot(
    runners: list[_Runner],
    train: Sequence[Pair],
    dev: Sequence[Pair],
    spec: SelectSpec,
    deadline_s: float,
    reporter: Reporter,
) -> None:
    """Test those that are left with examples in the prompt, each for an equal part of the time."""
    reporter.stage("trying prompts with examples", len(runners))
    for number, runner in enumerate(runners, start=1):
        now_s = time.monotonic()
        share_s = (deadline_s - now_s) / (len(runners) - number + 1)
        base = base_model.load(base_model.resolve(runner.ref, reporter))
        asked = dev[:FEW_SHOT_ROWS]
        test = prompted.Test(
            prompting=prompted.prompting_for(base, train, asked, spec.task, spec.labels),
            rows=asked,
            metric=spec.metric,
            max_new_tokens=spec.max_new_tokens,
            deadline_s=now_s + share_s,
        )
        runner.prompted = prompted.measure(base, test, reporter)
        reporter.line(Progress(stage=reporter.stage_name, step=number))
        _forget(base)


def _choose(finalists: list[_Runner], rows: list[Pair]) -> tuple[_Runner, str]:
    """Return the smallest model that is within one standard error of the best, by bits and by the few-shot score."""
    best = min(finalists, key=lambda runner: _bits_per_byte(runner.bits, rows))
    near = [runner for runner in finalists if _is_near(runner, best, rows)]
    chosen = min(near, key=lambda runner: (runner.parameters, runner is not best))
    if len(finalists) == 1:
        return chosen, "the only one that was not clearly behind"
    if chosen is best:
        return (
            chosen,
            f"fewest bits per byte on {len(rows)} dev rows, and no smaller model comes near",
        )
    return (
        chosen,
        f"the smallest within one standard error of the best ({best.ref.name}) on {len(rows)} dev rows",
    )


def _is_near(runner: _Runner, best: _Runner, rows: list[Pair]) -> bool:
    if runner is best:
        return True
    worse, error = difference(runner.bits, best.bits, rows)
    if worse > error:
        return False
    if runner.prompted is None or best.prompted is None:
        return True
    # an interval's upper half is 1.96 standard errors
    room = (best.prompted.high - best.prompted.low) / (2 * prompted.Z_95)
    return runner.prompted.score >= best.prompted.score - room


def _candidate(runner: _Runner, dev: list[Pair]) -> Candidate:
    return Candidate(
        name=runner.ref.name,
        parameters=runner.parameters,
        bits_per_byte=_bits_per_byte(runner.bits, dev) if runner.bits else None,
        rows=len(runner.bits),
        prompted=runner.prompted,
        out=runner.out,
    )


def _bits_per_byte(bits: list[float], dev: Sequence[Pair]) -> float:
    return sum(bits) / sum(_size(row) for row in dev[: len(bits)])


def _size(row: Pair) -> int:
    return max(1, len(row.completion.encode()))


def _answer_ids(base: LoadedBase, row: Pair) -> list[int]:
    ids: list[int] = base.tokenizer(row.completion or " ", add_special_tokens=False)["input_ids"]
    return ids


def _p99(counts: list[int]) -> int:
    return sorted(counts)[min(len(counts) - 1, int(0.99 * len(counts)))]


def _forget(base: LoadedBase) -> None:
    """Free a model's memory before the next one is loaded."""
    base.model.to("meta")
    gc.collect()

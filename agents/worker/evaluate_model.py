"""Base and tuned model answer the same sealed items, as does an earlier adapter; all are scored, the differences judged."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents.jobs import (
    AgainstParent,
    Comparison,
    Contamination,
    EvaluateResult,
    EvaluateSpec,
    JobOutcome,
    JobResult,
    LearntRows,
    ScoredItem,
    SwapReport,
)
from agents.jobs.reporting import Reporter
from agents.recipe import Method, Metric
from agents.worker import (
    answer_sheet,
    base_model,
    better_prompts,
    changed,
    contaminated,
    other_tries,
    scoring,
    slices,
    verdict,
)
from agents.worker.answers import Answer, Exam
from agents.worker.base_model import BaseFolder
from agents.worker.better_prompts import Prompted
from agents.worker.checks.masks import safe
from agents.worker.evaluate_shaped import Evaluation, Item, Judged, judge
from agents.worker.general import General
from agents.worker.known_answers import Asked, KnownAnswers, model_key
from agents.worker.likelihood import bits
from agents.worker.rows import Row, asked_ids, pairs, read_rows, reference, stop_ids
from agents.worker.shaped_rows import Said
from agents.worker.tuned_model import check_unchanged, earlier, merged
from agents.worker.twins import Twins

SHOWN_ITEMS = 5
SHOWN_CHARS = 600
LEARNT_ROWS = 5000
"""Rows that were trained on that tell what answers look like, at most."""


@dataclass(frozen=True)
class Sitting:
    """All models' answers to the items, in their order."""

    rows: list[Row]
    base: list[Answer]
    tuned: list[Answer]
    parent: list[Answer] | None
    """Of the adapter that the training started from, where there is one."""
    references: list[str]
    given_tokens: int
    """Generated in this evaluation: what was known from an earlier one is not counted."""
    given_s: float
    base_s: float | None = None
    """Seconds that base took to answer; None where it did not have to."""
    tuned_s: float | None = None
    base_bits: list[float] | None = None
    """That base needs to tell each reference."""
    tuned_bits: list[float] | None = None
    prompted: tuple[Prompted, ...] = ()
    """Of the base with a better prompt."""
    template_sha256: str | None = None
    """Of the chat template that all were asked in."""

    def texts(self, answers: list[Answer]) -> list[str]:
        """Return what was said."""
        return [said.text for said in answers]

    def tokens_per_s(self) -> float:
        """Return the speed of all models together."""
        return self.given_tokens / self.given_s


def run(folder: Path, spec: EvaluateSpec) -> JobResult:
    """Evaluate an adapter against its base model.

    Raises: WorkerError: data, model or adapter cannot be used. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    reporter = Reporter(folder)
    check_unchanged(folder / spec.adapter_dir, spec.adapter_sha256)
    reporter.stage("reading the test rows")
    known = KnownAnswers.read(spec.known_answers, folder)
    general = None if spec.general_margin_points is None else General.read()
    found = _contamination(folder, spec)
    barred = frozenset(item.row for item in found.items) if found else frozenset()
    twins = Twins.read(spec, folder)
    how = Evaluation(folder, spec, reporter, known, barred=barred, general=general, twins=twins)
    judged = _compare_with_references(how) if spec.recipe.method is Method.SFT else judge(how)
    payload = _result(judged, spec, time.monotonic() - began_s).model_copy(
        update={
            "contamination": found,
            "forgetting": general and general.compared(spec.general_margin_points or 0),
            "swaps": twins and _swaps(twins, spec),
            "known_answers": known.write(folder),
            "answers": answer_sheet.write(judged.items, folder),
            "against_try": other_tries.compare(judged, spec, folder),
            "answers_given": known.given,
            "answers_reused": known.reused,
            "answers_per_s": known.given / known.given_s,
        }
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _contamination(folder: Path, spec: EvaluateSpec) -> Contamination | None:
    if not (spec.learnt or spec.learnt_before):
        return None
    test = LearntRows(file=spec.test, task=spec.task)
    return contaminated.find(test, spec.learnt, spec.learnt_before, folder)


def _swaps(twins: Twins, spec: EvaluateSpec) -> SwapReport:
    if not twins.couples:
        return twins.report()
    with tempfile.TemporaryDirectory() as cache_dir:
        module, whole = scoring.of_swaps(twins.references, spec, Path(cache_dir))
        return twins.compared(
            lambda said, meant: module.score(said, meant).items, whole=whole, seed=spec.recipe.seed
        )


def _compare_with_references(how: Evaluation) -> Judged:
    folder, spec, reporter = how.folder, how.spec, how.reporter
    rows = how.sealed(read_rows(spec.test, folder))
    reporter.stage("loading the model")
    where = base_model.resolve(spec.model, reporter)
    sitting = sit(where, rows, how)
    reporter.stage("scoring the answers")
    return scoring.judge(sitting, _learnt(folder, spec), spec, reporter.beat)


def _learnt(folder: Path, spec: EvaluateSpec) -> list[str]:
    """Return answers that were trained on; they stand in random order, so the first are as good as any."""
    if spec.train is None:
        return []
    learnt = [row for row in read_rows(spec.train, folder)[:LEARNT_ROWS] if not row.plain]
    return [pair.completion for pair in pairs(learnt)]


def sit(where: BaseFolder, rows: list[Row], how: Evaluation) -> Sitting:
    """Let base, tuned and, where there is one, an earlier adapter answer the rows.

    Raises: WorkerError: model or adapter cannot be used. Stopped: the bot asked for it.
    """
    spec, reporter = how.spec, how.reporter
    parent_dir = None if spec.parent is None else earlier(spec.parent, where, how.folder)
    base = base_model.load(where)
    template_sha256 = base.template_sha256
    tokenizer, ends = base.tokenizer, stop_ids(base.tokenizer, base.model)
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    # A prompt that the model has no room for loses its beginning, for all models alike.
    prompts = [asked_ids(tokenizer, row)[-room:] for row in rows]
    references = [reference(tokenizer, row) for row in rows]
    told = told_references(tokenizer, references, prompts, ends, base.context_tokens)
    exam = Exam(prompts, ends, spec.recipe.max_new_tokens).telling(told)
    answers = (2 if parent_dir is None else 3) * len(rows)
    reporter.stage("answering with the base model", answers)
    asked = how.base(base)
    by_base, base_s = asked.timed_answers(tokenizer, exam, 0)
    base_bits = bits(asked.likelihoods(ends[0], told, counted=False), told)
    by_prompts = better_prompts.answers(base, asked, rows, how)
    how.ask_general(base, asked)
    how.ask_twins(base, asked)
    # The base must have answered before: its weights are changed.
    reporter.stage("answering with the tuned model", answers)
    asked = how.tuned(base)
    by_tuned, tuned_s = asked.timed_answers(tokenizer, exam, len(rows))
    tuned_bits = bits(asked.likelihoods(ends[0], told, counted=False), told)
    how.ask_general(base, asked)
    how.ask_twins(base, asked)
    by_parent = None
    if parent_dir is not None:
        reporter.stage("answering with the earlier adapter", answers)
        key = model_key(base, parent_dir)
        del base, asked  # room for the next one
        other = Asked(
            lambda: merged(base_model.load(where).model, parent_dir), how.known, key, reporter
        )
        by_parent = other.answers(tokenizer, exam, 2 * len(rows))
    known = how.known
    return Sitting(
        rows,
        by_base,
        by_tuned,
        by_parent,
        references,
        known.given_tokens,
        known.given_s,
        base_s=base_s,
        tuned_s=tuned_s,
        base_bits=base_bits,
        tuned_bits=tuned_bits,
        prompted=by_prompts,
        template_sha256=template_sha256,
    )


def told_references(
    tokenizer: Any,
    references: Sequence[str],
    prompts: Sequence[list[int]],
    ends: Sequence[int],
    context_tokens: int,
) -> list[Said]:
    """Return the references as if a model told them: where there is no room, the prompt loses its beginning."""
    told = []
    for text, prompt in zip(references, prompts, strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][: context_tokens - 1]
        ids = ids or list(ends[:1])
        told.append(Said(prompt[-(context_tokens - len(ids)) :], ids, len(prompt) + len(ids)))
    return told


def _result(judged: Judged, spec: EvaluateSpec, took_s: float) -> EvaluateResult:
    items, estimate = judged.items, judged.estimates[judged.primary]
    asked = spec.recipe.target_gain_points
    judgement = verdict.judge(
        estimate, len(items), spec.earlier_p_values, None if asked is None else asked / 100
    )
    # Those first that tuning made worse.
    ranked = sorted(items, key=lambda i: (i.tuned_score - i.base_score, i.tuned_score))
    worst = ranked[:SHOWN_ITEMS]
    best = [i for i in reversed(ranked[-SHOWN_ITEMS:]) if i.tuned_score > i.base_score]
    shown = {item.number for item in (*worst, *best)}
    return EvaluateResult(
        verdict=judgement.verdict,
        verdict_reason=judgement.reason,
        items=len(items),
        primary=_comparison(judged.primary, estimate),
        comparisons=tuple(_comparison(*pair) for pair in judged.estimates.items()),
        adjusted_p_value=judgement.adjusted_p_value,
        openings=len(spec.earlier_p_values) + 1,
        more_items_needed=judgement.more_items_needed,
        target_gain_points=asked,
        groups=estimate.groups,
        slices=slices.compare(items, judged.groups, spec.recipe.seed),
        worst=tuple(map(_shown, worst)),
        best=tuple(map(_shown, best)),
        changed=tuple(map(_shown, changed.unscored(items, shown, SHOWN_ITEMS))),
        changes=changed.count(items),
        against_parent=_against_parent(judged, spec),
        prompted=judged.prompted,
        judge=spec.judge,
        breakdown=judged.breakdown,
        template_sha256=judged.template_sha256,
        evaluate_s=took_s,
        tokens_per_s=judged.tokens_per_s,
    )


def _against_parent(judged: Judged, spec: EvaluateSpec) -> AgainstParent | None:
    estimate = judged.against_parent
    if estimate is None or spec.parent is None:
        return None
    judgement = verdict.judge(estimate, len(judged.items), spec.earlier_parent_p_values)
    return AgainstParent(
        run=spec.parent.run,
        verdict=judgement.verdict,
        metric=judged.primary,
        parent=estimate.base,
        tuned=estimate.tuned,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        adjusted_p_value=judgement.adjusted_p_value,
    )


def _comparison(metric: Metric, estimate: verdict.Estimate) -> Comparison:
    return Comparison(
        metric=metric,
        base=estimate.base,
        tuned=estimate.tuned,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        gained=estimate.gained,
        lost=estimate.lost,
    )


def _shown(item: Item) -> ScoredItem:
    return ScoredItem(
        row=item.number,
        prompt=safe(item.prompt)[:SHOWN_CHARS],
        reference=safe(item.reference)[:SHOWN_CHARS],
        base=safe(item.base)[:SHOWN_CHARS],
        tuned=safe(item.tuned)[:SHOWN_CHARS],
        base_score=item.base_score,
        tuned_score=item.tuned_score,
        parent=None if item.parent is None else safe(item.parent)[:SHOWN_CHARS],
        parent_score=item.parent_score,
    )

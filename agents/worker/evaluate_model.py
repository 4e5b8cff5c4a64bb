"""Base and tuned model answer the same sealed items, as does an earlier adapter; all are scored, the differences judged."""

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agents.jobs import (
    AgainstParent,
    Comparison,
    EvaluateResult,
    EvaluateSpec,
    JobOutcome,
    JobResult,
    ScoredItem,
)
from agents.recipe import TEXT_METRICS, Method, Metric
from agents.worker import base_model, metrics, verdict
from agents.worker.answers import Answer, Exam
from agents.worker.base_model import BaseFolder
from agents.worker.checks.masks import safe
from agents.worker.evaluate_shaped import (
    Item,
    Judged,
    all_answers,
    judge,
    too_few_rows,
)
from agents.worker.progress import Reporter
from agents.worker.rows import Row, asked_ids, prompt_text, read_rows, reference, stop_ids
from agents.worker.tuned_model import check_unchanged, earlier, merged

SHOWN_ITEMS = 5
SHOWN_CHARS = 600


@dataclass(frozen=True)
class Sitting:
    """All models' answers to the items, in their order."""

    rows: list[Row]
    base: list[Answer]
    tuned: list[Answer]
    parent: list[Answer] | None
    """Of the adapter that the training started from, where there is one."""
    references: list[str]
    generate_s: float

    def texts(self, answers: list[Answer]) -> list[str]:
        """Return what was said."""
        return [said.text for said in answers]

    def tokens_per_s(self) -> float:
        """Return the speed of all models together."""
        said = (*self.base, *self.tuned, *(self.parent or ()))
        tokens: int = sum(answer.tokens for answer in said)
        return tokens / self.generate_s


def run(folder: Path, spec: EvaluateSpec) -> JobResult:
    """Evaluate an adapter against its base model.

    Raises: WorkerError: data, model or adapter cannot be used. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    reporter = Reporter(folder)
    check_unchanged(folder / spec.adapter_dir, spec.adapter_sha256)
    reporter.stage("reading the test rows")
    if spec.recipe.method is Method.SFT:
        judged = _compare_with_references(folder, spec, reporter)
    else:
        judged = judge(folder, spec, reporter)
    payload = _result(judged, spec, time.monotonic() - began_s)
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _compare_with_references(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> Judged:
    rows = read_rows(spec.test, folder)[: spec.recipe.max_test_rows]
    if not rows:
        raise too_few_rows()
    reporter.stage("loading the model")
    sitting = _sit(base_model.resolve(spec.model, reporter), folder, rows, spec, reporter)
    reporter.stage("scoring the answers")
    return _judge(sitting, spec)


def _sit(
    where: BaseFolder, folder: Path, rows: list[Row], spec: EvaluateSpec, reporter: Reporter
) -> Sitting:
    parent_dir = None if spec.parent is None else earlier(spec.parent, where, folder)
    base = base_model.load(where)
    tokenizer, ends = base.tokenizer, stop_ids(base.tokenizer, base.model)
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    # A prompt that the model has no room for loses its beginning, for all models alike.
    prompts = [asked_ids(tokenizer, row)[-room:] for row in rows]
    exam = Exam(prompts, ends, spec.recipe.max_new_tokens)
    answers = (2 if parent_dir is None else 3) * len(rows)
    began_s = time.monotonic()
    reporter.stage("answering with the base model", answers)
    by_base = all_answers(base.model, tokenizer, exam, reporter, 0)
    # The base must have answered before: its weights are changed.
    tuned = merged(base.model, folder / spec.adapter_dir)
    reporter.stage("answering with the tuned model", answers)
    by_tuned = all_answers(tuned, tokenizer, exam, reporter, len(rows))
    by_parent = None
    if parent_dir is not None:
        del base, tuned  # room for the next one
        other = merged(base_model.load(where).model, parent_dir)
        reporter.stage("answering with the earlier adapter", answers)
        by_parent = all_answers(other, tokenizer, exam, reporter, 2 * len(rows))
    references = [reference(tokenizer, row) for row in rows]
    return Sitting(rows, by_base, by_tuned, by_parent, references, time.monotonic() - began_s)


def _judge(sitting: Sitting, spec: EvaluateSpec) -> Judged:
    references = sitting.references
    said = [sitting.texts(sitting.base), sitting.texts(sitting.tuned)]
    estimates: dict[Metric, verdict.Estimate] = {}
    scores: dict[Metric, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    with tempfile.TemporaryDirectory() as cache_dir:
        for metric in TEXT_METRICS:
            base, tuned = (
                metrics.score_items(metric, texts, references, Path(cache_dir)) for texts in said
            )
            scores[metric] = base, tuned
            if metric is Metric.BLEU:
                base_counts, tuned_counts = (
                    metrics.bleu_counts(texts, references) for texts in said
                )
                estimates[metric] = verdict.compare_totals(
                    base_counts, tuned_counts, metrics.corpus_bleu, spec.recipe.seed
                )
            else:
                estimates[metric] = _estimate(metric, base, tuned, spec)
        primary = spec.recipe.primary_metric
        items = _items(sitting, *scores[primary])
        if sitting.parent is None:
            return Judged(primary, items, estimates, sitting.tokens_per_s())
        texts = sitting.texts(sitting.parent)
        before = metrics.score_items(primary, texts, references, Path(cache_dir))
    items = [
        replace(item, parent=text, parent_score=float(score))
        for item, text, score in zip(items, texts, before, strict=True)
    ]
    against_parent = _estimate(primary, before, scores[primary][1], spec)
    return Judged(primary, items, estimates, sitting.tokens_per_s(), against_parent)


def _estimate(
    metric: Metric, before: NDArray[np.float64], tuned: NDArray[np.float64], spec: EvaluateSpec
) -> verdict.Estimate:
    if metric is Metric.EXACT_MATCH:
        return verdict.compare_right_or_wrong(before, tuned)
    return verdict.compare_scores(before, tuned, spec.recipe.seed)


def _items(sitting: Sitting, base: NDArray[np.float64], tuned: NDArray[np.float64]) -> list[Item]:
    return [
        Item(
            number=row.number,
            prompt=prompt_text(row),
            reference=sitting.references[i],
            base=sitting.base[i].text,
            tuned=sitting.tuned[i].text,
            base_score=float(base[i]),
            tuned_score=float(tuned[i]),
        )
        for i, row in enumerate(sitting.rows)
    ]


def _result(judged: Judged, spec: EvaluateSpec, took_s: float) -> EvaluateResult:
    items, estimate = judged.items, judged.estimates[judged.primary]
    judgement = verdict.judge(estimate, len(items), spec.earlier_p_values)
    # Those first that tuning made worse.
    ranked = sorted(items, key=lambda i: (i.tuned_score - i.base_score, i.tuned_score))
    shown = [_shown(item) for item in ranked]
    return EvaluateResult(
        verdict=judgement.verdict,
        verdict_reason=judgement.reason,
        items=len(items),
        primary=_comparison(judged.primary, estimate),
        comparisons=tuple(_comparison(*pair) for pair in judged.estimates.items()),
        adjusted_p_value=judgement.adjusted_p_value,
        openings=len(spec.earlier_p_values) + 1,
        more_items_needed=judgement.more_items_needed,
        worst=tuple(shown[:SHOWN_ITEMS]),
        best=tuple(i for i in reversed(shown[-SHOWN_ITEMS:]) if i.tuned_score > i.base_score),
        against_parent=_against_parent(judged, spec),
        judge=spec.judge,
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

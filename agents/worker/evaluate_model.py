"""Base and tuned model answer the same sealed items; both are scored, and the difference is judged."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors import SafetensorError

from agents.jobs import (
    Comparison,
    EvaluateResult,
    EvaluateSpec,
    JobOutcome,
    JobResult,
    Progress,
    ScoredItem,
)
from agents.recipe import TEXT_METRICS, Metric
from agents.worker import base_model, metrics, verdict
from agents.worker.answers import Answer, Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.checks.masks import safe
from agents.worker.errors import WorkerError
from agents.worker.progress import Reporter
from agents.worker.rows import Row, asked_ids, prompt_text, read_rows, reference, stop_ids

SHOWN_ITEMS = 5
SHOWN_CHARS = 600


@dataclass(frozen=True)
class Sitting:
    """Both models' answers to the items, in their order."""

    rows: list[Row]
    base: list[Answer]
    tuned: list[Answer]
    references: list[str]
    generate_s: float

    def texts(self, answers: list[Answer]) -> list[str]:
        """Return what was said."""
        return [said.text for said in answers]

    def tokens_per_s(self) -> float:
        """Return the speed of both models together."""
        return sum(said.tokens for said in (*self.base, *self.tuned)) / self.generate_s


def run(folder: Path, spec: EvaluateSpec) -> JobResult:
    """Evaluate an adapter against its base model.

    Raises: WorkerError: data, model or adapter cannot be used. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    reporter = Reporter(folder)
    reporter.stage("reading the test rows")
    rows = read_rows(spec.test, folder)[: spec.recipe.max_test_rows]
    if not rows:
        raise WorkerError(
            "too_few_rows", "There are no test rows. Upload more rows.", for_person=True
        )
    reporter.stage("loading the model")
    base = base_model.load(base_model.resolve(spec.model, reporter))
    sitting = _sit(base, folder / spec.adapter_dir, rows, spec, reporter)
    reporter.stage("scoring the answers")
    payload = _judge(sitting, spec, began_s)
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _sit(
    base: LoadedBase, adapter: Path, rows: list[Row], spec: EvaluateSpec, reporter: Reporter
) -> Sitting:
    ends = stop_ids(base.tokenizer, base.model)
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    # A prompt that the model has no room for loses its beginning, for both models alike.
    prompts = [asked_ids(base.tokenizer, row)[-room:] for row in rows]
    exam = Exam(prompts, ends, spec.recipe.max_new_tokens)
    began_s = time.monotonic()
    reporter.stage("answering with the base model", 2 * len(rows))
    by_base = _answers(base.model, base.tokenizer, exam, reporter, 0)
    # Merged weights answer half again as fast, but the base must have answered before.
    tuned = _merged(base.model, adapter)
    reporter.stage("answering with the tuned model", 2 * len(rows))
    by_tuned = _answers(tuned, base.tokenizer, exam, reporter, len(rows))
    references = [reference(base.tokenizer, row) for row in rows]
    return Sitting(rows, by_base, by_tuned, references, time.monotonic() - began_s)


def _answers(
    model: Any, tokenizer: Any, exam: Exam, reporter: Reporter, before: int
) -> list[Answer]:
    said: dict[int, Answer] = {}
    for batch in answer(model, tokenizer, exam, reporter.beat):
        said |= batch
        left = reporter.steps - before - len(said)
        reporter.line(
            Progress(
                stage=reporter.stage_name,
                step=before + len(said),
                eta_s=reporter.elapsed_s() / len(said) * left,
            )
        )
    return [said[i] for i in range(len(exam.prompts))]


def _merged(model: Any, adapter: Path) -> Any:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise WorkerError(
            "model_missing",
            "The adapter to evaluate is gone. Start the training again.",
            for_person=True,
        )
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WorkerError(
            "model_missing",
            "The adapter does not fit the base model or is damaged. Start the training again.",
            for_person=True,
        ) from error


def _judge(sitting: Sitting, spec: EvaluateSpec, began_s: float) -> EvaluateResult:
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
            if metric is Metric.EXACT_MATCH:
                estimates[metric] = verdict.compare_right_or_wrong(base, tuned)
            elif metric is Metric.BLEU:
                base_counts, tuned_counts = (
                    metrics.bleu_counts(texts, references) for texts in said
                )
                estimates[metric] = verdict.compare_totals(
                    base_counts, tuned_counts, metrics.corpus_bleu, spec.recipe.seed
                )
            else:
                estimates[metric] = verdict.compare_scores(base, tuned, spec.recipe.seed)
    primary = spec.recipe.primary_metric
    judgement = verdict.judge(estimates[primary], len(references), spec.earlier_p_values)
    items = _ranked(sitting, *scores[primary])
    return EvaluateResult(
        verdict=judgement.verdict,
        verdict_reason=judgement.reason,
        items=len(references),
        primary=_comparison(primary, estimates[primary]),
        comparisons=tuple(_comparison(metric, estimate) for metric, estimate in estimates.items()),
        adjusted_p_value=judgement.adjusted_p_value,
        openings=len(spec.earlier_p_values) + 1,
        more_items_needed=judgement.more_items_needed,
        worst=tuple(items[:SHOWN_ITEMS]),
        best=tuple(reversed(items[-SHOWN_ITEMS:])),
        evaluate_s=time.monotonic() - began_s,
        tokens_per_s=sitting.tokens_per_s(),
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


def _ranked(
    sitting: Sitting, base: NDArray[np.float64], tuned: NDArray[np.float64]
) -> list[ScoredItem]:
    """Return all items, those first that tuning made worse."""
    order: Sequence[int] = sorted(range(len(base)), key=lambda i: (tuned[i] - base[i], tuned[i]))
    return [
        ScoredItem(
            row=sitting.rows[i].number,
            prompt=safe(prompt_text(sitting.rows[i]))[:SHOWN_CHARS],
            reference=safe(sitting.references[i])[:SHOWN_CHARS],
            base=safe(sitting.base[i].text)[:SHOWN_CHARS],
            tuned=safe(sitting.tuned[i].text)[:SHOWN_CHARS],
            base_score=float(base[i]),
            tuned_score=float(tuned[i]),
        )
        for i in order
    ]

"""Base against tuned where answers are not compared with references: pairs, thumbs, rewards.

Each item gets a number in 0 … 1 from base and tuned, on the same sealed rows; the tests and the rule are those of `verdict`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.jobs import EvaluateSpec, Progress
from agents.recipe import OF_METHOD, Method, Metric
from agents.worker import base_model, scorer, shaped_rows, tuned_model, verdict
from agents.worker.answers import Answer, Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.errors import WorkerError
from agents.worker.likelihood import mean_log_probs
from agents.worker.progress import Reporter
from agents.worker.rewards import critics, scorecard
from agents.worker.rewards.attempt import Attempt
from agents.worker.rows import stop_ids
from agents.worker.shaped_rows import Pair, Said, Task, Vote
from agents.worker.tuned_model import merged

UNDECIDED = 0.5
"""Score of a base model that has no opinion: it is right half of the time."""


@dataclass(frozen=True)
class Item:
    """A sealed row, what base and tuned made of it, and what that is worth."""

    number: int
    prompt: str
    reference: str
    base: str
    tuned: str
    base_score: float
    tuned_score: float
    parent: str | None = None
    """What the adapter made of it that the training started from, where there is one."""
    parent_score: float | None = None


@dataclass(frozen=True)
class Judged:
    """All items, scored by the primary metric, and all comparisons."""

    primary: Metric
    items: list[Item]
    estimates: dict[Metric, verdict.Estimate]
    tokens_per_s: float
    against_parent: verdict.Estimate | None = None
    """Tuned against the adapter that the training started from, by the primary metric."""


def judge(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> Judged:
    """Evaluate an adapter of any method but supervised fine-tuning.

    Raises: WorkerError: data, model or adapter cannot be used. Stopped: the bot asked for it.
    """
    began_s = time.monotonic()
    method = spec.recipe.method
    judges = {
        Metric.PAIR_ACCURACY: _scored_pairs if method is Method.REWARD else _pairs,
        Metric.VOTE_ACCURACY: _votes,
        Metric.REWARD: _answers,
    }
    metric = OF_METHOD[method]
    items, tokens = judges[metric](folder, spec, reporter)
    against_parent = None
    if spec.parent is not None:
        where = tuned_model.earlier(spec.parent, base_model.resolve(spec.model, reporter), folder)
        other = spec.model_copy(update={"adapter_dir": str(where.absolute()), "parent": None})
        found, more = judges[metric](folder, other, reporter)
        items = [
            replace(item, parent=earlier.tuned, parent_score=earlier.tuned_score)
            for item, earlier in zip(items, found, strict=True)
        ]
        tokens += more
        against_parent = _estimate(metric, items, "parent_score", spec)
    return Judged(
        metric,
        items,
        {metric: _estimate(metric, items, "base_score", spec)},
        tokens / (time.monotonic() - began_s),
        against_parent,
    )


def _estimate(
    metric: Metric, items: Sequence[Item], other: str, spec: EvaluateSpec
) -> verdict.Estimate:
    """Compare tuned with base or with the earlier adapter, whose scores are the field `other`."""
    before, tuned = (
        np.array([getattr(item, name) for item in items]) for name in (other, "tuned_score")
    )
    if metric is Metric.VOTE_ACCURACY:
        weights = _balance([item.reference for item in items])
        return verdict.compare_scores(before * weights, tuned * weights, spec.recipe.seed)
    return _compare(metric, before, tuned, spec)


def all_answers(
    model: Any, tokenizer: Any, exam: Exam, reporter: Reporter, before: int
) -> list[Answer]:
    """Return a model's answers in the order of the prompts, told as steps after the `before` ones."""
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


def too_few_rows() -> WorkerError:
    """Return the error of a test set without rows."""
    return WorkerError("too_few_rows", "There are no test rows. Upload more rows.", for_person=True)


def _pairs(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> tuple[list[Item], int]:
    rows = _some(shaped_rows.read_pairs(spec.test, folder), spec)
    base = _load(spec, reporter)
    texts = _sides(base, rows)
    by_base, by_tuned = _both_likelihoods(base, folder / spec.adapter_dir, texts, reporter)
    half = len(rows)
    items = [
        _pair_item(row, *(found[i] - found[half + i] for found in (by_base, by_tuned)))
        for i, row in enumerate(rows)
    ]
    return items, 2 * _tokens(texts)


def _scored_pairs(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> tuple[list[Item], int]:
    rows = _some(shaped_rows.read_pairs(spec.test, folder), spec)
    reporter.stage("loading the model")
    judge_model = scorer.load(base_model.resolve(spec.model, reporter), folder / spec.adapter_dir)
    texts = _sides(judge_model, rows)
    reporter.stage("scoring answers with the reward model", len(texts))
    found = scorer.score(judge_model, [[*t.prompt, *t.answer] for t in texts], reporter.beat)
    margins = [found[i] - found[len(rows) + i] for i in range(len(rows))]
    items = [_pair_item(row, 0.0, margin) for row, margin in zip(rows, margins, strict=True)]
    return items, _tokens(texts)


def _votes(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> tuple[list[Item], int]:
    rows = _some(shaped_rows.read_votes(spec.test, folder), spec)
    base = _load(spec, reporter)
    ends = stop_ids(base.tokenizer, base.model)
    texts = [_short(base, shaped_rows.said(base.tokenizer, r, r.completion, ends)) for r in rows]
    by_base, by_tuned = _both_likelihoods(base, folder / spec.adapter_dir, texts, reporter)
    items = [
        _vote_item(row, tuned - before)
        for row, before, tuned in zip(rows, by_base, by_tuned, strict=True)
    ]
    return items, 2 * _tokens(texts)


def _answers(folder: Path, spec: EvaluateSpec, reporter: Reporter) -> tuple[list[Item], int]:
    tasks = _some(shaped_rows.read_tasks(spec.test, folder), spec)
    scorecard.check_references(spec.recipe.rewards, tasks)
    base = _load(spec, reporter)
    asked = critics.of(spec, folder, reporter.beat)
    card = scorecard.make(spec.recipe.rewards, asked, base.folder)
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    # A prompt that the model has no room for loses its beginning, for both models alike.
    prompts = [shaped_rows.prompt_ids(base.tokenizer, task)[-room:] for task in tasks]
    exam = Exam(prompts, stop_ids(base.tokenizer, base.model), spec.recipe.max_new_tokens)
    reporter.stage("answering with the base model", 2 * len(tasks))
    by_base = all_answers(base.model, base.tokenizer, exam, reporter, 0)
    tuned = merged(base.model, folder / spec.adapter_dir)
    reporter.stage("answering with the tuned model", 2 * len(tasks))
    by_tuned = all_answers(tuned, base.tokenizer, exam, reporter, len(tasks))
    reporter.stage("rewarding the answers")
    scores = [
        card.score([Attempt(t, said.text) for t, said in zip(tasks, found, strict=True)])
        for found in (by_base, by_tuned)
    ]
    items = [
        _answer_item(task, by_base[i].text, by_tuned[i].text, (scores[0][i], scores[1][i]))
        for i, task in enumerate(tasks)
    ]
    return items, sum(said.tokens for said in (*by_base, *by_tuned))


def _load(spec: EvaluateSpec, reporter: Reporter) -> LoadedBase:
    reporter.stage("loading the model")
    return base_model.load(base_model.resolve(spec.model, reporter))


def _some(rows: list[Any], spec: EvaluateSpec) -> list[Any]:
    if not rows:
        raise too_few_rows()
    return rows[: spec.recipe.max_test_rows]


def _sides(base: LoadedBase, rows: Sequence[Pair]) -> list[Said]:
    """Return all preferred answers with their prompts, then all others."""
    ends = stop_ids(base.tokenizer, base.model)
    both = [(row, row.chosen) for row in rows] + [(row, row.rejected) for row in rows]
    return [_short(base, shaped_rows.said(base.tokenizer, row, text, ends)) for row, text in both]


def _short(base: LoadedBase, text: Said) -> Said:
    """Return a text that the model has room for: the prompt loses its beginning, then the answer its end."""
    limit = base.context_tokens
    prompt = text.prompt[-max(limit // 2, limit - len(text.answer)) :]
    return Said(prompt, text.answer[: limit - len(prompt)], text.whole_tokens)


def _both_likelihoods(
    base: LoadedBase, adapter: Path, texts: Sequence[Said], reporter: Reporter
) -> tuple[list[float], list[float]]:
    pad = base.tokenizer.pad_token_id
    reporter.stage("asking the base model how likely it finds each answer")
    by_base = mean_log_probs(base.model, pad, texts, reporter.beat)
    tuned = merged(base.model, adapter)
    reporter.stage("asking the tuned model how likely it finds each answer")
    return by_base, mean_log_probs(tuned, pad, texts, reporter.beat)


def _pair_item(row: Pair, base_margin: float, tuned_margin: float) -> Item:
    chosen, rejected = shaped_rows.answered(row.chosen), shaped_rows.answered(row.rejected)

    def preferred(margin: float) -> str:
        return chosen if margin > 0 else rejected if margin < 0 else "(no preference)"

    return Item(
        number=row.number,
        prompt=shaped_rows.asked(row.prompt),
        reference=chosen,
        base=preferred(base_margin),
        tuned=preferred(tuned_margin),
        base_score=_side(base_margin),
        tuned_score=_side(tuned_margin),
    )


def _vote_item(row: Vote, moved: float) -> Item:
    return Item(
        number=row.number,
        prompt=shaped_rows.asked(row.prompt),
        reference=("👍 " if row.label else "👎 ") + shaped_rows.answered(row.completion),
        base="(no opinion)",
        tuned="likelier than before" if moved > 0 else "less likely than before",
        base_score=UNDECIDED,
        tuned_score=_side(moved if row.label else -moved),
    )


def _answer_item(task: Task, base: str, tuned: str, scores: tuple[float, float]) -> Item:
    prompt = shaped_rows.asked(task.prompt)
    return Item(task.number, prompt, task.reference or "", base, tuned, *scores)


def _side(margin: float) -> float:
    return 1.0 if margin > 0 else UNDECIDED if margin == 0 else 0.0


def _compare(
    metric: Metric, base: NDArray[np.float64], tuned: NDArray[np.float64], spec: EvaluateSpec
) -> verdict.Estimate:
    right_or_wrong = set(np.unique([base, tuned]).tolist()) <= {0.0, 1.0}
    if metric is Metric.PAIR_ACCURACY and right_or_wrong:
        return verdict.compare_right_or_wrong(base, tuned)
    return verdict.compare_scores(base, tuned, spec.recipe.seed)


def _balance(references: Sequence[str]) -> NDArray[np.float64]:
    """Return weights by which thumbs up count as much in all as thumbs down, however many of each there are."""
    up = np.array([text.startswith("👍") for text in references])
    share = np.where(up, up.mean(), 1 - up.mean())
    return np.ones(len(up)) if up.all() or not up.any() else UNDECIDED / share


def _tokens(texts: Sequence[Said]) -> int:
    return sum(len(t.prompt) + len(t.answer) for t in texts)

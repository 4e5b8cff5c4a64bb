"""Scores of answers, against the libraries' own and against what a person would say."""

# ruff: noqa: PLC0415  # importing `evaluate` takes seconds, which only these tests should pay

from pathlib import Path

import pytest

from agents.recipe import TEXT_METRICS, Metric

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SAID = ["The cat sat on the mat.", "a dog", "", "Grüße aus Köln"]
MEANT = ["the  cat sat on a mat", "a dog", "something", "grüsse aus köln"]


def scores(metric: Metric, said: list[str], meant: list[str], folder: Path) -> list[float]:
    from agents.worker.metrics import score_items

    return [float(score) for score in score_items(metric, said, meant, folder)]


def test_exact_match_levels_case_space_and_unicode_form(tmp_path: Path) -> None:
    said = ["Card_Arrival \n", "ﬁne", "a  b", "STRASSE", "no"]
    meant = ["card_arrival", "fine", "a b", "straße", "not"]

    assert scores(Metric.EXACT_MATCH, said, meant, tmp_path) == [1, 1, 1, 1, 0]


def test_token_f1_counts_words_once_each(tmp_path: Path) -> None:
    said = ["the the cat", "", "", "кошка спит"]
    meant = ["the cat sat", "", "cat", "Кошка спит!"]

    assert scores(Metric.TOKEN_F1, said, meant, tmp_path) == pytest.approx([2 / 3, 1, 0, 1])


def test_chrf_and_bleu_are_sacrebleus(tmp_path: Path) -> None:
    import sacrebleu

    chrf = scores(Metric.CHRF, SAID, MEANT, tmp_path)
    bleu = scores(Metric.BLEU, SAID, MEANT, tmp_path)

    pairs = list(zip(SAID, MEANT, strict=True))
    assert chrf == pytest.approx([sacrebleu.sentence_chrf(s, [m]).score / 100 for s, m in pairs])
    assert bleu == pytest.approx([sacrebleu.sentence_bleu(s, [m]).score / 100 for s, m in pairs])


def test_corpus_bleu_from_counts_is_sacrebleus(tmp_path: Path) -> None:
    import sacrebleu

    from agents.worker.metrics import METRICS, bleu_counts, corpus_bleu

    expected = sacrebleu.corpus_bleu(SAID, [MEANT]).score / 100
    module = METRICS[Metric.BLEU](keep_in_memory=True, cache_dir=str(tmp_path))

    totals = bleu_counts(SAID, MEANT).sum(axis=0, keepdims=True)
    assert corpus_bleu(totals) == pytest.approx([expected])
    assert module.compute(predictions=SAID, references=MEANT)["score"] == pytest.approx(expected)


def test_rouge_l_reads_every_script(tmp_path: Path) -> None:
    said = ["the cat sat", "собака лает"]
    meant = ["the black cat", "собака громко лает"]

    assert scores(Metric.ROUGE_L, said, meant, tmp_path) == pytest.approx([2 / 3, 0.8])


@pytest.mark.parametrize("metric", list(TEXT_METRICS))
def test_every_metric_is_between_0_and_1_and_1_for_the_reference(
    metric: Metric, tmp_path: Path
) -> None:
    said = [*SAID, "a b c d e f"]
    meant = [*MEANT, "a b c d e f"]

    got = scores(metric, said, meant, tmp_path)

    assert all(0 <= score <= 1 for score in got)
    assert got[1] == got[-1] == pytest.approx(1)
    assert got[2] == 0

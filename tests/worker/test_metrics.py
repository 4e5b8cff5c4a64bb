"""Scores of answers, against the libraries' own and against what a person would say or count."""

# ruff: noqa: PLC0415  # importing `evaluate` takes seconds, which only these tests should pay

from pathlib import Path

import pytest

from agents.recipe import CAN_DECIDE, Metric

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SAID = ["The cat sat on the mat.", "a dog", "", "Grüße aus Köln"]
MEANT = ["the  cat sat on a mat", "a dog", "something", "grüsse aus köln"]


def scores(metric: Metric, said: list[str], meant: list[str], folder: Path) -> list[float]:
    from agents.worker.metrics.table import score_items

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


def module_of(metric: Metric, folder: Path, meant: list[str]):
    from agents.worker.metrics.table import make
    from agents.worker.suggest_metric import structure_of

    return make(metric, meant, structure_of(meant), folder)


def corpus(metric: Metric, said: list[str] | list[float], meant: list[str], folder: Path) -> float:
    return module_of(metric, folder, meant).compute(predictions=said, references=meant)["score"]


def test_corpus_bleu_and_ter_are_sacrebleus(tmp_path: Path) -> None:
    import sacrebleu

    bleu = sacrebleu.corpus_bleu(SAID, [MEANT]).score / 100
    ter = sacrebleu.corpus_ter(SAID, [MEANT]).score / 100

    assert corpus(Metric.BLEU, SAID, MEANT, tmp_path) == pytest.approx(bleu)
    assert corpus(Metric.TER, SAID, MEANT, tmp_path) == pytest.approx(ter)


@pytest.mark.parametrize(
    ("said", "meant", "expected"),
    [
        ("a b c", "a b c", 0),
        ("a b x", "a b c", 1 / 3),  # one word put right
        ("b c a", "a b c", 1 / 3),  # one move of a phrase
        ("", "a b", 1),
        ("a b", "", 1),
        ("", "", 0),
        ("a b c d", "a", 3),
    ],
)
def test_ter_counts_edits_per_word(said, meant, expected, tmp_path: Path) -> None:
    found = module_of(Metric.TER, tmp_path, [meant]).score([said], [meant])

    assert found.items.tolist() == pytest.approx([expected])
    assert corpus(Metric.TER, [said], [meant], tmp_path) == pytest.approx(expected)


def test_length_and_bits_are_summed_before_they_are_divided(tmp_path: Path) -> None:
    meant = ["abcd", "é", ""]

    assert corpus(Metric.LENGTH_RATIO, ["ab", "a", ""], meant, tmp_path) == (2 + 1 + 1) / 6
    assert corpus(Metric.BITS_PER_BYTE, [8.0, 1.0, 1.0], meant, tmp_path) == 10 / (4 + 2 + 1)


@pytest.mark.parametrize(
    ("said", "meant", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", "42", 1),
        ("I’m sorry, I cannot do this", "42", 1),
        ("As an AI language model, I have no opinion.", "42", 1),
        ("Tut mir leid, aber ich kann das nicht.", "42", 1),
        ("Je ne peux pas vous aider.", "42", 1),
        ("Lo siento, no puedo responder.", "42", 1),
        ("Je suis désolé, mais je ne peux pas vous le dire.", "42", 1),
        ("Je suis désolé pour le retard.", "42", 0),
        ("I'm sorry, but I can't help with that.", "I cannot help with that.", 0),
        ("I am sorry to hear that. Your refund is on its way.", "42", 0),
        ("You can't return it after 30 days.", "42", 0),
        ("", "42", 0),
    ],
)
def test_a_refusal_counts_where_the_reference_is_none(said, meant, refuses, tmp_path: Path) -> None:
    assert corpus(Metric.REFUSALS, [said], [meant], tmp_path) == refuses


JSON = [
    '{"kind": "refund", "days": 3, "tags": ["a", "b"]}',
    '{"kind": "late", "days": 1, "tags": []}',
]


@pytest.mark.parametrize(
    ("said", "f1", "is_valid"),
    [
        ('{"tags": ["b", "A"], "days": 3.0, "kind": " Refund"}', 1, 1),  # 4 of 4
        ('{"kind": "refund", "days": 4, "tags": ["a"]}', 4 / 7, 1),  # 2 of 3 said and of 4 meant
        ('Here it is: {"kind": "refund", "days": 3, "tags": ["a", "b"]}', 1, 0),
        ('{"kind": "refund"}', 2 / 5, 0),
        ('{"kind": "refund", "days": 3, "tags": ["a", "b"], "more": 1}', 8 / 9, 0),
        ("refund, 3 days", 0, 0),
        ('{"kind": ', 0, 0),
        ("", 0, 0),
        ("[" * 100_000, 0, 0),
    ],
)
def test_fields_of_json_count_one_by_one(said, f1, is_valid, tmp_path: Path) -> None:
    right = JSON[1]

    shape = module_of(Metric.VALID_SHAPE, tmp_path, JSON).score([said, right], JSON)
    fields = module_of(Metric.FIELD_F1, tmp_path, JSON).score([said, right], JSON)

    assert fields.items.tolist() == pytest.approx([f1, 1])
    assert shape.items.tolist() == [is_valid, 1]


def test_field_f1_of_a_set_is_that_of_all_fields_together(tmp_path: Path) -> None:
    said = ["DLV-2;P2;QA-1;by DUARTE, Rosa", "nothing of that kind"]
    meant = ["DLV-2;P1;QA-1;by Duarte, Rosa", "DLV-1;P1;QA-2;by Roe, Jo"]

    # 3 fields right; 4 said, and 4 + 4 meant: the second answer has none
    assert corpus(Metric.FIELD_F1, said, meant, tmp_path) == pytest.approx(2 * 3 / (4 + 8))
    assert scores(Metric.FIELD_F1, said, meant, tmp_path) == pytest.approx([3 / 4, 0])
    assert scores(Metric.VALID_SHAPE, said, meant, tmp_path) == [1, 0]


def test_a_reference_without_the_form_of_the_others_is_compared_as_a_whole(tmp_path: Path) -> None:
    meant = [*JSON * 5, "none"]

    assert scores(Metric.FIELD_F1, [*JSON * 5, "None"], meant, tmp_path) == [1] * 11
    assert scores(Metric.FIELD_F1, [*JSON * 5, JSON[0]], meant, tmp_path)[-1] == 0
    assert scores(Metric.VALID_SHAPE, [*JSON * 5, JSON[0]], meant, tmp_path)[-1] == 0


def test_field_f1_of_answers_without_fields_is_exact_match(tmp_path: Path) -> None:
    assert scores(Metric.FIELD_F1, SAID, MEANT, tmp_path) == scores(
        Metric.EXACT_MATCH, SAID, MEANT, tmp_path
    )


def test_macro_f1_is_the_mean_over_the_labels_that_occur(tmp_path: Path) -> None:
    meant = ["a", "a", "a", "B", "B", "c"]
    said = ["A", "a", "b", "b", "a", "no such label"]

    # a: 2 hits, 3 said, 3 meant; b: 1, 2, 2; c: 0, 0, 1 – as f1_score(average="macro", labels=["a", "b", "c"]) has it
    expected = (2 * 2 / 6 + 2 * 1 / 4 + 0) / 3
    assert corpus(Metric.MACRO_F1, said, meant, tmp_path) == pytest.approx(expected)
    assert scores(Metric.MACRO_F1, said, meant, tmp_path) == [1, 1, 0, 1, 0, 0]
    assert corpus(Metric.MACRO_F1, ["a"], ["a"], tmp_path) == 1
    assert corpus(Metric.MACRO_F1, [""], ["a"], tmp_path) == 0


def test_macro_f1_of_a_resample_leaves_out_labels_that_it_does_not_hold(tmp_path: Path) -> None:
    meant = ["a", "b", "b"]
    module = module_of(Metric.MACRO_F1, tmp_path, meant)
    totals = module.score(["a", "a", "b"], meant).totals

    only_a, only_b = totals[[0, 0, 0]].sum(axis=0), totals[[1, 2, 2]].sum(axis=0)

    # of "b": 2 hits, 2 said, 3 meant; "a" is said once and meant never
    assert module.of(only_a[None])[0] == 1
    assert module.of(only_b[None])[0] == pytest.approx(2 * 2 / 5)


def test_rouge_l_reads_every_script(tmp_path: Path) -> None:
    said = ["the cat sat", "собака лает"]
    meant = ["the black cat", "собака громко лает"]

    assert scores(Metric.ROUGE_L, said, meant, tmp_path) == pytest.approx([2 / 3, 0.8])


@pytest.mark.parametrize("metric", [m for m in CAN_DECIDE if m is not Metric.OWN] + [Metric.BLEU])
def test_what_can_decide_is_between_0_and_1_and_1_for_the_reference(
    metric: Metric, tmp_path: Path
) -> None:
    said = [*SAID, "a b c d e f"]
    meant = [*MEANT, "a b c d e f"]

    got = scores(metric, said, meant, tmp_path)

    assert metric.better == "higher"
    assert metric.is_share
    assert all(0 <= score <= 1 for score in got)
    assert got[1] == got[-1] == pytest.approx(1)
    assert got[2] == 0

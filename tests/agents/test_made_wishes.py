import pytest

from agents.jobs import Stratum
from agents.made_wishes import NOTHING, MadeRowsWish, of_option, read
from agents.services import UserError

LABELS = ("refund", "charge_back", "card arrival", "card")


def strata(words):
    found = read(words, LABELS)
    assert found is not None, words
    return [(s.label, s.rows) for s in found.wish.strata], found.rest


@pytest.mark.parametrize(
    ("words", "wanted", "rest"),
    [
        ("make 100 more rows for refund", [("refund", 100)], ""),
        ("generate 120 rows for label 'refund'", [("refund", 120)], ""),
        ("Please make 1,200 rows", [(None, 1200)], ""),
        ("create 5 examples of “card arrival”, lr 1e-4", [("card arrival", 5)], "lr 1e-4"),
        (
            "make 50 rows for refund and 30 for charge back, 3 epochs",
            [("refund", 50), ("charge_back", 30)],
            "3 epochs",
        ),
        ("add 40 synthetic rows", [(None, 40)], ""),
        ("make 7 rows for card", [("card", 7)], ""),
    ],
)
def test_numbers_of_rows_are_read_with_their_labels(words, wanted, rest):
    assert strata(words) == (wanted, rest)


@pytest.mark.parametrize(
    "words",
    [
        "use 200 rows",
        "3 epochs, 100 test rows",
        "drop rows 3 and 4",
        "row 17 is wrong",
        "I want more rows",
        "add 2",
        "take 1 and 3",
        "answers are too long",
    ],
)
def test_words_about_other_things_are_left_to_others(words):
    assert read(words, LABELS) is None


def test_more_of_a_label_and_documents_are_wishes_without_a_number():
    more = read("more examples of Charge-back, please", LABELS)
    documents = read("make more rows and use the documents", LABELS)

    assert more is not None
    assert more.wish.more_of == ("charge_back",)
    assert documents is not None
    assert documents.wish == MadeRowsWish(auto=True, with_facts=True)
    without = read("without the documents", LABELS)
    assert without is not None
    assert without.wish.with_facts is False


@pytest.mark.parametrize(
    "words", ["no made rows", "without any synthetic data", "don't use the generated rows"]
)
def test_made_rows_can_be_refused(words):
    found = read(words, LABELS)

    assert found is not None
    assert found.wish.off
    assert not found.wish


def test_a_label_that_is_none_is_told_and_makes_nothing():
    found = read("make 30 rows for foo, 2 epochs", LABELS)

    assert found is not None
    assert not found.wish
    assert "There is no label “foo”" in found.notes[0]
    assert found.rest == "2 epochs"


def test_later_words_count_for_their_labels_and_a_number_without_one_for_all():
    first = MadeRowsWish(auto=True, strata=(Stratum(label="refund", rows=10),))
    second = MadeRowsWish(strata=(Stratum(label="card", rows=5),))

    both = second.after(first)
    again = MadeRowsWish(strata=(Stratum(label="refund", rows=3),)).after(both)
    in_all = MadeRowsWish(strata=(Stratum(rows=40),)).after(again)

    assert [(s.label, s.rows) for s in both.strata] == [("refund", 10), ("card", 5)]
    assert [(s.label, s.rows) for s in again.strata] == [("card", 5), ("refund", 3)]
    assert in_all == MadeRowsWish(strata=(Stratum(rows=40),))
    assert second.after(NOTHING) == second


def test_the_option_of_a_start():
    assert of_option(None) is None
    assert of_option(" Auto ") == MadeRowsWish(auto=True)
    assert of_option("off") == MadeRowsWish(off=True)
    assert of_option("120") == MadeRowsWish(strata=(Stratum(rows=120),))
    for wrong in ("lots", "0", "-3", "10000000"):
        with pytest.raises(UserError, match="off, auto"):
            of_option(wrong)

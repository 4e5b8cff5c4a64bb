from datetime import UTC, datetime

import pytest

from agents import made_review
from agents.made_review import MOST_BATCHES, Review, read, review
from agents.services import UserError
from storage.models import Approval, Decision

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def said(words, iteration=1, decision=Decision.REVISE):
    return Approval(
        run_id=1,
        gate="data",
        iteration=iteration,
        revision=0,
        shown_sha256="",
        decision=decision,
        decided_by="log:anna",
        decided_by_name="Anna",
        comment=words,
        created_at=AT,
        decided_at=AT,
    )


@pytest.mark.parametrize(
    ("words", "numbers", "rest"),
    [
        ("strike 2, 5 and 7", (2, 5, 7), ""),
        ("drop 3", (3,), ""),
        ("2,5", (2, 5), ""),
        ("rows 2 and 5", (2, 5), ""),
        ("please remove rows 3-5, too formal", (3, 4, 5), "too formal"),
        ("row 4 is wrong", (4,), ""),
        ("without #2", (2,), ""),
        ("too formal", (), "too formal"),
        ("drop 20 % of them", (), "drop 20 % of them"),
        ("use 200 rows", (), "use 200 rows"),
    ],
)
def test_numbers_are_struck_and_other_words_are_left(words, numbers, rest):
    found = read(words)

    assert (found.strike, found.words) == (numbers, rest)


def test_struck_rows_add_up_name_who_struck_them_and_can_be_taken_back():
    found = review([], [said("strike 2, 5"), said("drop 7"), said("keep 5")])

    assert [(s.number, s.by, s.at) for s in found.struck] == [(2, "Anna", AT), (7, "Anna", AT)]
    assert found.batch == 1


def test_words_make_another_batch_once_and_are_remembered_after_that():
    once = review([], [said("strike 2"), said("less formal")])
    twice = review([], [said("less formal"), said("more typos")])
    asked = review([], [said("less formal"), said("more typos"), said("make them again")])

    assert once == Review(batch=2, notes=("less formal",))
    assert twice == Review(batch=MOST_BATCHES, notes=("less formal",), later=("more typos",))
    assert asked == Review(batch=3, notes=("less formal", "more typos"))


def test_words_beside_numbers_wait_for_the_next_batch():
    found = review([], [said("strike 2, less formal")])

    assert found.batch == 1
    assert found.later == ("less formal",)


def test_what_was_said_in_earlier_tries_is_remembered_and_answers_that_are_no_words_are_none():
    earlier = [said("less formal"), said("strike 3"), said(None, decision=Decision.APPROVE)]

    assert review(earlier, []) == Review(notes=("less formal",))
    assert review([], [said(None, decision=Decision.REJECT)]) == Review()


def test_a_reply_that_cannot_be_followed_is_refused():
    made_review.check(read("strike 2"), [1, 2, 3], by_rules=True)
    made_review.check(read("less formal"), [1, 2, 3], by_rules=False)
    with pytest.raises(UserError, match=r"no made row 9 in this batch. There is: 1, 2, 3\."):
        made_review.check(read("strike 2 and 9"), [1, 2, 3], by_rules=True)
    with pytest.raises(UserError, match="made by rules"):
        made_review.check(read("less formal"), [1, 2, 3], by_rules=True)

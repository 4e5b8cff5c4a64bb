"""Answers that tuning changed, whatever their scores say."""

from agents.jobs import Changes
from agents.worker.changed import count, unscored
from agents.worker.evaluate_shaped import Item


def item(
    number: int, base: str, tuned: str, base_score: float = 0.0, tuned_score: float = 0.0
) -> Item:
    return Item(number, f"question {number}", "right", base, tuned, base_score, tuned_score)


ITEMS = [
    item(1, "wrong", "right", 0, 1),
    item(2, "right", "wrong", 1, 0),
    item(3, "the old answer", "the new answer"),
    item(4, "something", "nothing alike"),
    item(5, "the  SAME", "The same "),
    item(6, "", "words"),
]


def test_changes_are_counted_by_what_became_of_their_scores() -> None:
    assert count(ITEMS) == Changes(differ=5, higher=1, lower=1, same=3)


def test_answers_that_changed_for_the_same_score_come_the_least_alike_first() -> None:
    assert [i.number for i in unscored(ITEMS, shown={6}, most=5)] == [4, 3]
    assert [i.number for i in unscored(ITEMS, shown=(), most=2)] == [4, 6]
    assert unscored(ITEMS[:2], shown=(), most=5) == []

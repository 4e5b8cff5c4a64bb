"""What is said about doubtful rows, and when a change is offered."""

from agents.row_changes import RowsChange
from agents.row_doubts import EXAMPLES, finding
from tests.facts import a_doubt, an_inspection

NOTHING = RowsChange()


def trial(low: float, high: float):
    return an_inspection().trial.model_copy(update={"low": low, "high": high})


def test_rows_whose_absence_was_seen_to_help_are_offered_to_be_left_out():
    found = finding(an_inspection(12), NOTHING, offer=True)

    assert (found.rule, found.change) == ("wrong_labels", RowsChange(dropped=tuple(range(12))))
    assert "12 of 250 training rows likely have a wrong label" in found.finding
    assert "the training found theirs unlikely too" in found.finding
    assert "+10.0 points of 10 dev rows" in found.finding
    assert "row 0, 1, 2, 3, 4, …" in found.advice
    assert "5% fewer" in found.advice
    assert len(found.examples) == EXAMPLES


def test_what_an_earlier_try_left_out_stays_out():
    found = finding(an_inspection(12), RowsChange(dropped=(99,)), offer=True)

    assert found.change.dropped == (99, *range(12))


def test_beside_a_wish_rows_are_only_named():
    found = finding(an_inspection(12), NOTHING, offer=False)

    assert (found.rule, found.change) == ("wrong_labels", None)
    assert "reply “drop them”" in found.advice


def test_doubts_that_no_trial_bears_out_change_nothing():
    by_chance = finding(an_inspection(12, trial=trial(-0.01, 0.2)), NOTHING, offer=True)
    untried = finding(an_inspection(12, trial=None), NOTHING, offer=True)
    too_many = finding(an_inspection(126), NOTHING, offer=True)

    for found in (by_chance, untried, too_many):
        assert (found.rule, found.change) == ("doubtful_labels", None)
    assert finding(an_inspection(4), NOTHING, offer=True) is None
    assert finding(an_inspection(0), NOTHING, offer=True) is None


def test_free_answers_that_stand_out_are_only_to_be_looked_at():
    doubts = (a_doubt(7, likelier=None, label=None, p_given=None, p_likelier=None),)

    found = finding(an_inspection(labels=0, doubts=doubts, trial=None), NOTHING, offer=True)

    assert (found.rule, found.change) == ("odd_rows", None)
    assert "1 training row stands out" in found.finding
    assert "row 7" in found.advice

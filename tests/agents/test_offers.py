"""One change at a time, the others to be had by a reply: what is taken, and what is taken back."""

from datetime import UTC, datetime

import pytest

from agents import offers
from agents.recipe import Recipe, RecipeChange
from agents.row_changes import RowsChange
from storage.models import Suggestion

TRIED = Recipe(model="m", epochs=4.0, learning_rate=1e-3)


def suggestion(change, *, taken=False, place=0):
    return Suggestion(
        run_id=1,
        iteration=1,
        position=place,
        rule="r",
        change=None if change is None else change.model_dump(mode="json"),
        finding="f",
        advice="a",
        taken=taken,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


RATE = RecipeChange(field="learning_rate", value=1e-4)
EPOCHS = RecipeChange(field="epochs", value=2.0)
OTHER_RATE = RecipeChange(field="learning_rate", value=3e-4)
ROWS = RowsChange(dropped=(7, 8))


def offered():
    return [
        suggestion(RATE, taken=True),
        suggestion(None),
        suggestion(EPOCHS),
        suggestion(ROWS),
        suggestion(OTHER_RATE),
    ]


@pytest.mark.parametrize(
    ("words", "numbers", "rest"),
    [
        ("take 2", {2}, ""),
        ("take 1 and 3", {1, 3}, ""),
        ("please take 2, 3 and seed 4", {2, 3}, "seed 4"),
        ("also take 3", {1, 3}, ""),
        ("take 3 too", {1, 3}, ""),
        ("add 2", {1, 2}, ""),
        ("take number 3 instead", {3}, ""),
        ("take all", {1, 2, 3, 4}, ""),
        ("take none", set(), ""),
        ("take 1 and 2 epochs", {1}, "2 epochs"),
    ],
)
def test_a_reply_says_which_changes_the_plan_has(words, numbers, rest):
    taking = offers.wished(words, offered())

    assert (set(taking.numbers), taking.rest) == (numbers, rest)


@pytest.mark.parametrize("words", ["3 epochs", "use 200 rows", "take your time", "it takes long"])
def test_other_words_take_nothing(words):
    assert offers.wished(words, offered()) is None


def test_a_number_that_is_not_there_is_said():
    taking = offers.wished("take 9", offered())

    assert taking.numbers == {1}
    assert "There is no change 9: there are 1, 2, 3, 4." in taking.notes[0]


def test_what_is_not_taken_any_more_goes_back_to_the_try_before():
    plan = TRIED.amended([RATE])

    new, back, notes = offers.recipe_changes(offered(), frozenset({2}), plan, TRIED)

    assert new == [EPOCHS]
    assert back == [RecipeChange(field="learning_rate", value=1e-3)]
    assert notes == []


def test_what_a_person_has_set_meanwhile_is_not_taken_back():
    plan = TRIED.amended([RecipeChange(field="learning_rate", value=5e-5)])

    _new, back, _notes = offers.recipe_changes(offered(), frozenset({2}), plan, TRIED)

    assert back == []


def test_of_two_changes_of_one_field_the_first_counts():
    plan = TRIED.amended([RATE])

    new, back, notes = offers.recipe_changes(offered(), frozenset({1, 4}), plan, TRIED)

    assert (new, back) == ([], [])
    assert notes == ["Change 4 sets learning_rate too, so it is left out."]


def test_rows_are_taken_and_taken_back_without_touching_what_was_there_before():
    carried = RowsChange(dropped=(1,))
    many = [suggestion(RowsChange(dropped=(1, 7)), taken=True), suggestion(ROWS)]

    both = offers.rows(many, frozenset({1, 2}), RowsChange(dropped=(1, 7)), carried)
    other = offers.rows(many, frozenset({2}), RowsChange(dropped=(1, 7)), carried)

    assert both == RowsChange(dropped=(1, 7, 8))
    assert other == RowsChange(dropped=(1, 7, 8))  # 7 is in both
    assert offers.rows(many, frozenset(), RowsChange(dropped=(1, 7)), carried) == carried


SEVERAL = RecipeChange(field="candidates", value="learning_rate 0.0001, 0.0003")


def test_several_values_of_a_setting_and_one_of_it_are_two_changes_of_the_same():
    beside = [suggestion(RATE), suggestion(SEVERAL)]
    raced = TRIED.amended([SEVERAL])

    both = offers.recipe_changes(beside, frozenset({1, 2}), TRIED, TRIED)
    one = offers.recipe_changes(
        [suggestion(RATE), suggestion(SEVERAL, taken=True)], frozenset({1}), raced, TRIED
    )
    none = offers.recipe_changes([suggestion(SEVERAL, taken=True)], frozenset(), raced, TRIED)

    assert both == ([RATE], [], ["Change 2 sets learning_rate too, so it is left out."])
    assert one == ([RATE], [], [])
    assert none == ([], [RecipeChange(field="learning_rate", value=1e-3)], [])
    assert raced.amended(none[1]) == TRIED
    assert not offers.is_taken(suggestion(RATE), raced)
    assert offers.is_taken(suggestion(SEVERAL), raced)

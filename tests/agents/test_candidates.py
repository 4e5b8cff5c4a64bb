"""Several candidates in a recipe: what they may be, what follows from them, when they are halved, and what that takes."""

import itertools
import math

import pytest
from pydantic import ValidationError

from agents import rate_candidates
from agents.candidates import Candidates, looks, rungs
from agents.diagnosis import Finding
from agents.planning import Estimate, difference, estimate
from agents.recipe import Method, Metric, Recipe, RecipeChange, is_done, with_candidates
from configs.schema import Backend
from tests.facts import a_measurement, an_intake

RATES = RecipeChange(field="candidates", value="learning_rate 1e-4, 3e-4, 1e-3")
PLAIN = Recipe(model="m")


def raced(**values) -> Recipe:
    return Recipe.model_validate(PLAIN.model_dump() | values).amended([RATES])


def test_the_first_candidate_is_the_plans_own_value_and_each_can_stand_alone():
    recipe = raced()

    assert recipe.candidates == Candidates(field="learning_rate", values=(1e-4, 3e-4, 1e-3))
    assert recipe.learning_rate == 1e-4
    assert recipe.alone() == PLAIN.model_copy(update={"learning_rate": 1e-4})
    assert recipe.alone(1e-3) == PLAIN.model_copy(update={"learning_rate": 1e-3})
    assert PLAIN.alone() is PLAIN
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate({"model": "of an older version"}).candidates is None


def test_one_value_for_their_setting_ends_them_and_another_setting_does_not():
    rate = RecipeChange(field="learning_rate", value=5e-4)
    epochs = RecipeChange(field="epochs", value=2.0)
    none = RecipeChange(field="candidates", value="none")

    assert raced().amended([rate]) == PLAIN.model_copy(update={"learning_rate": 5e-4})
    assert raced().amended([epochs]).candidates is not None
    assert raced().amended([none]) == PLAIN.model_copy(update={"learning_rate": 1e-4})
    assert {c.field: c.value for c in with_candidates([RATES], PLAIN)} == {
        "candidates": RATES.value,
        "learning_rate": 1e-4,
    }


def test_a_change_is_done_where_the_recipe_has_it_and_nothing_beside_it():
    rate = RecipeChange(field="learning_rate", value=1e-4)

    assert is_done(RATES, raced())
    assert not is_done(RATES, PLAIN)
    assert not is_done(rate, raced())
    assert is_done(rate, raced().alone())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("learning_rate 1e-4", "at least 2"),
        ("seed 1,2,3,4,5,6,7,8,9", "at most 8"),
        ("learning_rate 1e-4, 1e-4", "the same value stands there twice"),
        ("learning_rate 1e-4, high", "“high” is no number"),
        ("learning_rate 1e-4, 3", "learning_rate 3: input should be less than or equal to 1"),
        ("seed 1, 2.5", "seed 2.5: input should be a valid integer"),
        ("epochs 2, 3", "Input should be 'learning_rate', 'warmup_fraction'"),
        ("lora_dropout 0, 0.1", "Input should be 'learning_rate'"),
    ],
)
def test_what_cannot_be_candidates_is_refused_with_the_reason(value, reason):
    with pytest.raises(ValidationError) as refused:
        PLAIN.amended([RecipeChange(field="candidates", value=value)])

    assert reason in str(refused.value)


def test_candidates_need_a_dev_loss_that_can_be_compared_and_our_own_training():
    fixed = {
        Method.DPO: Metric.PAIR_ACCURACY,
        Method.KTO: Metric.VOTE_ACCURACY,
        Method.ORPO: Metric.PAIR_ACCURACY,
        Method.CPO: Metric.PAIR_ACCURACY,
    }
    for method, metric in fixed.items():
        assert raced(method=method, primary_metric=metric).candidates is not None
    refused = {
        Method.REWARD: Metric.PAIR_ACCURACY,
        Method.GRPO: Metric.REWARD,
        Method.RLOO: Metric.REWARD,
    }
    for method, metric in refused.items():
        with pytest.raises(ValidationError, match=f"{method.value} takes one value at a time"):
            raced(method=method, primary_metric=metric)
    with pytest.raises(ValidationError, match="AutoTrain is not used for several candidates"):
        raced(backend=Backend.AUTOTRAIN)


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 12, 40, 100, 333, 5000])
@pytest.mark.parametrize("save_steps", [1, 20, 1000])
def test_rungs_end_where_a_training_looks_and_leave_one(count, steps, save_steps):
    found = rungs(count, steps, save_steps)

    _save_every, look_every = looks(steps, save_steps)
    assert (found[0].since, found[0].candidates) == (0, count)
    assert (found[-1].until, found[-1].stay) == (steps, 1)
    assert all(rung.until % look_every == 0 or rung.until == steps for rung in found)
    for rung, following in itertools.pairwise(found):
        assert (following.since, following.candidates) == (rung.until, rung.stay)
        assert rung.stay < rung.candidates
        assert rung.until > rung.since
    assert sum(rung.steps for rung in found) <= count * steps


@pytest.mark.parametrize(
    ("count", "trainings"), [(2, 1.5), (3, 1.75), (4, 2.0), (5, 2.0), (8, 2.5)]
)
def test_many_candidates_take_few_trainings(count, trainings):
    found = rungs(count, 8000, 1)

    assert sum(rung.steps for rung in found) == trainings * 8000


def test_the_estimate_counts_the_steps_of_all_candidates_and_a_load_for_each_part():
    data, measured = an_intake(train_rows=800), a_measurement(step_s=2.0, load_s=10.0)
    alone = estimate(PLAIN, data, measured, 8, save_steps=20)

    several = estimate(raced(), data, measured, 8, save_steps=20)

    assert several.steps == alone.steps == 300
    assert alone.all_steps is None
    assert several.all_steps == sum(rung.steps for rung in rungs(3, 300, 20)) > 1.5 * 300
    share = several.all_steps / 300
    parts = 3 + 2 + 1
    assert math.isclose(several.train_s, parts * 10 + share * (alone.train_s - 10))
    assert several.evaluate_s == alone.evaluate_s
    assert several.memory_bytes == alone.memory_bytes
    assert math.isclose(several.one_training_s, several.train_s / share)
    old = {name: value for name, value in alone.as_json().items() if name != "all_steps"}
    assert Estimate(**old) == alone


def test_what_two_plans_differ_in_names_candidates_in_words():
    assert difference(PLAIN, raced()) == [
        ("learning_rate", "0.0003", "0.0001"),
        ("candidates", "none", "learning_rate 0.0001, 0.0003, 0.001"),
    ]
    assert ("candidates", "learning_rate 0.0001, 0.0003, 0.001", "none") in difference(
        raced(), PLAIN
    )


def finding(change, **facts):
    return Finding(**{"rule": "r", "finding": "f", "advice": "a", "change": change} | facts)


def test_a_guessed_rate_is_offered_with_one_half_way_back_and_one_beyond():
    tenth = RecipeChange(field="learning_rate", value=3e-5)

    assert rate_candidates.around(finding(tenth), PLAIN) == Candidates(
        field="learning_rate", values=(3e-5, 9.5e-5, 9.5e-6)
    )


@pytest.mark.parametrize(
    ("found", "recipe"),
    [
        (finding(RecipeChange(field="epochs", value=2.0)), PLAIN),
        (finding(None), PLAIN),
        (finding(RecipeChange(field="learning_rate", value=1e-4), rule="asked"), PLAIN),
        (finding(RecipeChange(field="learning_rate", value=1e-4), said={"kind": "x"}), PLAIN),
        (
            finding(RecipeChange(field="learning_rate", value=1e-4)),
            PLAIN.model_copy(update={"method": Method.GRPO}),
        ),
        (
            finding(RecipeChange(field="learning_rate", value=1e-4)),
            PLAIN.model_copy(update={"backend": Backend.AUTOTRAIN}),
        ),
    ],
)
def test_nothing_else_is_a_guess_of_a_rate(found, recipe):
    assert rate_candidates.around(found, recipe) is None

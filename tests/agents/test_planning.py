import math

import pytest

from agents.jobs import Baseline
from agents.planning import difference, estimate, smallest_gain
from agents.recipe import Metric, Recipe, RecipeChange
from configs.schema import EvaluationSettings
from tests.facts import a_measurement, an_intake


@pytest.mark.parametrize(
    ("items", "points"), [(50, 16.5), (100, 12.1), (200, 8.7), (500, 5.6), (1000, 4.0)]
)
def test_the_smallest_gain_agrees_with_the_published_table(items, points):
    assert 100 * smallest_gain(items) == pytest.approx(points, abs=0.15)


def test_below_twenty_items_no_gain_can_be_shown():
    assert smallest_gain(19) is None
    assert smallest_gain(20) is not None


def test_the_estimate_follows_rows_steps_and_batch():
    data, measured = an_intake(train_rows=800, test_rows=100), a_measurement(step_s=2.0)
    recipe = Recipe(model="m", epochs=2, batch_size=8)

    whole = estimate(recipe, data, measured, 8)
    fewer = estimate(
        recipe.amended([RecipeChange(field="max_train_rows", value=200)]), data, measured, 8
    )
    capped = estimate(
        recipe.amended([RecipeChange(field="max_steps", value=10)]), data, measured, 8
    )
    wider = estimate(
        recipe.amended([RecipeChange(field="batch_size", value=16)]), data, measured, 8
    )

    long = a_measurement(step_s=2.0, rows_left_out_count=80)

    assert whole.steps == 200
    assert estimate(recipe, data, long, 8).steps == 180
    assert fewer.steps == 50
    assert capped.steps == 10
    assert wider.step_s == 2 * whole.step_s
    assert whole.train_s > 200 * 2.0
    assert math.isclose(whole.smallest_gain, smallest_gain(100))


def test_the_base_is_expected_to_ramble_to_the_end_of_what_it_may_say():
    measured = a_measurement(load_s=1.0, completion_tokens_p95=4, decode_token_s=0.5)
    recipe = Recipe(model="m", max_new_tokens=20)

    expected = estimate(recipe, an_intake(test_rows=10), measured, 8)

    assert expected.evaluate_s == 1.0 + 10 * (20 + 4) * 0.5


def test_what_else_base_and_tuned_are_asked_is_counted():
    facts = {"load_s": 1.0, "decode_token_s": 0.5, "step_s": 24.0, "tokens_mean": 36.0}
    recipe, data = Recipe(model="m", max_new_tokens=20), an_intake(test_rows=10)
    tried = Baseline(metric=Metric.EXACT_MATCH, score=0.2, low=0.1, high=0.4, items=20, shots=4)
    plain = a_measurement(**facts)
    prompted = a_measurement(**facts, baseline=tried)
    alone = estimate(recipe, data, plain, 8).evaluate_s

    suite, both = [
        estimate(recipe, data, measured, 8, EvaluationSettings(swapped_prompts=False)).evaluate_s
        - alone
        for measured in (plain, prompted)
    ]
    neither = EvaluationSettings(general_suite=False, prompted_base=False, swapped_prompts=False)

    assert suite == 2 * 7200 / 36  # a row takes a second to read
    assert both == suite + 2 * 10 * 20 * 0.5
    assert estimate(recipe, data, prompted, 8, neither).evaluate_s == alone


def test_time_for_dev_rows_with_an_attribute_changed_is_counted_up_to_what_they_may_take():
    facts = {"load_s": 1.0, "decode_token_s": 0.01, "completion_tokens_p95": 4}
    recipe, measured = Recipe(model="m", max_new_tokens=20), a_measurement(**facts)
    asked = EvaluationSettings(general_suite=False, prompted_base=False)

    def twins_s(dev_rows: int) -> float:
        data = an_intake(test_rows=10, dev_rows=dev_rows)
        with_them = estimate(recipe, data, measured, 8, asked).evaluate_s
        return with_them - estimate(recipe, data, measured, 8).evaluate_s

    assert twins_s(10) == pytest.approx(10 * 0.5 * 24 * 0.01)
    assert twins_s(10_000) == asked.swap_budget_s


def test_a_difference_names_only_what_differs():
    before = Recipe(model="m")
    after = before.amended(
        [RecipeChange(field="epochs", value=5), RecipeChange(field="max_train_rows", value=200)]
    )

    assert difference(before, after) == [("epochs", "3", "5"), ("max_train_rows", "all", "200")]

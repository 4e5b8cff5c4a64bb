"""A metric of a person's own, from the wish to the recipe."""

import pytest
from pydantic import ValidationError

from agents import metric_plugins, planning
from agents.hyperparameters import derive
from agents.recipe import CAN_DECIDE, TEXT_METRICS, Method, Metric, Recipe, RecipeChange, Tuning
from agents.services import UserError
from configs.schema import CheckpointMode, EvaluationSettings
from tests.facts import a_measurement, an_intake

RULE = '{"kind": "json_path", "path": "order.id"}'
WISH = RecipeChange(field="metric", value=RULE)
PLUGIN = RecipeChange(field="metric", value='{"kind": "plugin", "name": "house"}')


def test_a_metric_of_ones_own_decides_unless_another_one_is_named():
    start = Recipe(model="m")
    chrf = RecipeChange(field="primary_metric", value="chrf")

    assert start.amended([WISH]).primary_metric is Metric.OWN
    assert start.amended([WISH, chrf]).primary_metric is Metric.CHRF
    assert [rule.kind for rule in start.amended([WISH, chrf]).metric] == ["json_path"]
    assert Recipe.model_validate_json(start.amended([WISH]).model_dump_json()).metric[0].path


def test_the_rules_of_a_plan_leave_the_decision_to_it():
    found, origins = derive(
        "m", an_intake(), a_measurement(), CheckpointMode.ASK, {"metric": WISH.value}
    )

    assert found.primary_metric is Metric.OWN
    assert ("primary_metric", "own", "you said how answers are scored") in origins


def test_a_plan_with_a_metric_of_ones_own_is_estimated_like_any_other():
    plain = Recipe(model="m", tuning=Tuning.FULL)

    took = [
        planning.estimate(recipe, an_intake(), a_measurement(), 8).train_s
        for recipe in (plain, plain.amended([WISH]))
    ]

    assert took[0] == took[1] > 0


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"primary_metric": "own"}, "own needs a `metric`"),
        ({"primary_metric": "ter"}, "shown beside what decides"),
        ({"metric": "chrf"}, "written as JSON"),
        ({"metric": RULE, "method": Method.DPO, "primary_metric": "pair_accuracy"}, "not by a `me"),
    ],
)
def test_what_cannot_decide_is_refused_in_a_sentence(values, why):
    with pytest.raises(ValidationError, match=why):
        Recipe.model_validate({"model": "m"} | values)


def test_what_decides_is_a_share_of_which_more_is_better():
    assert set(CAN_DECIDE) < set(TEXT_METRICS)
    assert all(m.better == "higher" and m.is_share for m in CAN_DECIDE)
    assert {m for m in Metric if m.better != "higher"} == {
        Metric.TER,
        Metric.BITS_PER_BYTE,
        Metric.REFUSALS,
        Metric.LENGTH_RATIO,
    }


def test_a_plugin_is_possible_only_where_the_settings_name_it():
    named, nothing = EvaluationSettings(metric_plugins=("house",)), EvaluationSettings()

    metric_plugins.check([PLUGIN, WISH], named)
    metric_plugins.check([WISH], nothing)
    with pytest.raises(UserError, match="no metric plugin “house” here; there is: none"):
        metric_plugins.check([PLUGIN], nothing)
    assert metric_plugins.possible([PLUGIN], named) == ([PLUGIN], [])
    kept, (said,) = metric_plugins.possible(
        [PLUGIN, RecipeChange(field="epochs", value=2)], nothing
    )
    assert [change.field for change in kept] == ["epochs"]
    assert "evaluation.metric_plugins" in said

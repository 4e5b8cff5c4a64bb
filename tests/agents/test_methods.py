"""Which method is chosen for which data, what it starts from, and what is refused."""

import pytest

from agents import hyperparameters, methods
from agents.jobs import RowShape
from agents.recipe import OF_METHOD, Method, Metric, Recipe, RecipeChange, Tuning
from agents.services import UserError
from configs.schema import CheckpointMode
from tests.facts import a_measurement, an_intake


def planned(shape, named="auto", wishes=(), parameters=1_000_000_000, **facts):
    data, measured = an_intake(shape=shape, **facts), a_measurement(parameters=parameters)
    start = methods.first(data, "m", named, list(wishes))
    usual, origins = hyperparameters.derive("m", data, measured, CheckpointMode.ASK)
    recipe, told = methods.adapted(usual, origins, data, measured, start, named)
    return methods.wished(recipe, list(wishes)), told


@pytest.mark.parametrize(
    ("shape", "named", "method"),
    [
        (RowShape.PROMPT_COMPLETION, "auto", Method.SFT),
        (RowShape.PREFERENCE, "auto", Method.DPO),
        (RowShape.PREFERENCE, "orpo", Method.ORPO),
        (RowShape.PREFERENCE, "rlhf", Method.RLOO),
        (RowShape.UNPAIRED, "auto", Method.KTO),
        (RowShape.PROMPT_ONLY, "auto", Method.GRPO),
        (RowShape.PROMPT_COMPLETION, "rloo", Method.RLOO),
    ],
)
def test_the_data_decides_unless_a_person_does(shape, named, method):
    recipe, told = planned(shape, named)

    assert recipe.method is method
    assert recipe.primary_metric is OF_METHOD.get(method, Metric.EXACT_MATCH)
    assert next(value for name, value, _why in told if name == "method") in {named, method.value}
    assert len({name for name, _value, _why in told}) == len(told)
    assert all(why for _name, _value, why in told)


@pytest.mark.parametrize(
    ("shape", "named", "words"),
    [
        (RowShape.PREFERENCE, "sft", "used with dpo or orpo"),
        (RowShape.PROMPT_COMPLETION, "dpo", "used with sft or grpo"),
        (RowShape.UNPAIRED, "dpo", "used with kto"),
        (RowShape.STEPWISE, "auto", "no method here"),
    ],
)
def test_a_method_that_does_not_fit_the_data_is_refused_with_those_that_do(shape, named, words):
    with pytest.raises(UserError, match=words):
        methods.first(an_intake(shape=shape), "m", named, [])


def test_every_method_starts_from_numbers_with_origins():
    large = planned(RowShape.PREFERENCE)[0]
    small = planned(RowShape.PREFERENCE, parameters=135_000_000)[0]
    reward = planned(RowShape.PREFERENCE, "reward", parameters=135_000_000)[0]

    assert (large.learning_rate, large.beta, large.epochs) == (1e-5, 0.1, 2.0)
    assert small.learning_rate == 5e-5
    assert reward.learning_rate == 1e-4
    assert set(methods.STARTS) == set(Method) - {Method.SFT}


@pytest.mark.parametrize(
    ("parameters", "steps", "rate"),
    [
        (1_000_000_000, 600, 1e-5),
        (1_000_000_000, 500, 1e-5),
        (1_000_000_000, 125, 4e-5),
        (1_000_000_000, 17, 1e-4),
        (135_000_000, 500, 5e-5),
        (135_000_000, 125, 2e-4),
        (135_000_000, 17, 3e-4),
    ],
)
@pytest.mark.parametrize("method", [Method.GRPO, Method.RLOO])
def test_a_short_run_that_learns_from_rewards_starts_at_a_higher_rate(
    method, parameters, steps, rate
):
    recipe = planned(RowShape.PROMPT_ONLY, method.value)[0]
    data, measured = an_intake(train_rows=4000), a_measurement(parameters=parameters)
    recipe = recipe.model_copy(update={"epochs": 1.0, "max_steps": steps})

    found, why = methods.own_rate(recipe, data, measured)
    tenth, said = methods.own_rate(
        recipe.model_copy(update={"tuning": Tuning.FULL}), data, measured
    )

    assert found == rate
    assert (f"higher for {steps}" in why) == (steps < 500)
    assert ("LoRA rule's" in why) == (rate == 3e-4)
    assert tenth == pytest.approx(rate / 10)
    assert said.endswith("a tenth for full fine-tuning")


def test_the_steps_of_a_run_do_not_change_where_pairs_start():
    recipe = planned(RowShape.PREFERENCE)[0].model_copy(update={"max_steps": 5})

    found, _why = methods.own_rate(recipe, an_intake(), a_measurement(parameters=10**9))

    assert found == 1e-5


@pytest.mark.parametrize(
    ("facts", "kinds"),
    [
        ({"labels": ("1", "2.5", "1,000")}, ["number"]),
        ({"labels": ("paid", "open")}, ["exact_match", "overlap"]),
        ({"labels": (), "suggested_metric": Metric.CHRF}, ["overlap"]),
        ({"labels": (), "suggested_metric": Metric.FIELD_F1}, ["exact_match", "overlap"]),
    ],
)
def test_rewards_follow_from_the_references(facts, kinds):
    recipe, _told = planned(RowShape.PROMPT_ONLY, **facts)

    assert [reward.kind for reward in recipe.rewards] == kinds


def test_prompts_alone_need_a_reward_that_was_asked_for():
    wish = RecipeChange(field="rewards", value='{"kind": "regex", "pattern": "^A"}')

    with pytest.raises(UserError, match="what to reward"):
        planned(RowShape.PROMPT_ONLY, completion_chars_p95=0)
    recipe, told = planned(RowShape.PROMPT_ONLY, wishes=[wish], completion_chars_p95=0)

    assert [reward.kind for reward in recipe.rewards] == ["regex"]
    assert ("rewards", "regex", "as you asked") in told


def test_a_metric_of_another_method_is_refused_in_a_sentence():
    wish = RecipeChange(field="primary_metric", value="chrf")

    with pytest.raises(UserError, match="dpo is judged by pair_accuracy"):
        planned(RowShape.PREFERENCE, wishes=[wish])


def test_a_reward_model_is_left_out_of_what_is_measured_and_trained_on_the_same_base():
    recipe, _told = planned(RowShape.PREFERENCE, "rlhf")

    first = methods.reward_model_recipe(recipe)

    assert methods.needs_reward_model(recipe)
    assert not methods.needs_reward_model(methods.measurable(recipe))
    assert (first.method, first.model) == (Method.REWARD, "m")
    assert not methods.needs_reward_model(Recipe(model="m"))


def test_a_reward_model_reads_whole_pairs_unless_a_limit_was_asked_for():
    recipe = planned(RowShape.PREFERENCE, "rlhf")[0].model_copy(update={"max_length_tokens": 136})

    usual = methods.reward_model_recipe(recipe)
    limited = methods.reward_model_recipe(recipe, {"max_length_tokens"})

    assert (usual.max_length_tokens, limited.max_length_tokens) == (1024, 136)


def test_a_judge_is_left_out_of_what_is_measured_before_anybody_has_said_yes():
    judge = '{"kind": "judge", "criterion": "is polite"}'
    alone = planned(RowShape.PROMPT_ONLY, wishes=[RecipeChange(field="rewards", value=judge)])[0]
    both = f'[{judge}, {{"kind": "regex", "pattern": "a"}}]'
    mixed = planned(RowShape.PROMPT_ONLY, wishes=[RecipeChange(field="rewards", value=both)])[0]

    assert [reward.kind for reward in alone.rewards] == ["judge"]
    assert [reward.kind for reward in methods.measurable(alone).rewards] == ["length"]
    assert [reward.kind for reward in methods.measurable(mixed).rewards] == ["regex"]

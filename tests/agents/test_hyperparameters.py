"""The rules that fill a recipe: what they look at, and how a person's own values shape them."""

import math

import pytest
from pydantic import ValidationError

from agents.hyperparameters import (
    FEWEST_STEPS,
    FEWEST_STEPS_OF_A_SMALL_MODEL,
    RULES,
    derive,
)
from agents.recipe import Metric
from configs.schema import CheckpointMode
from tests.facts import a_measurement, an_intake

SMOLLM2, LARGE = 134_515_008, 7_000_000_000


def recipe(rows, parameters=LARGE, held=None, **measured):
    found, _origins = derive(
        "m",
        an_intake(train_rows=rows),
        a_measurement(parameters=parameters, **measured),
        CheckpointMode.ASK,
        held,
    )
    return found


def steps(found, rows):
    return math.ceil(rows * found.epochs / found.batch_size)


def test_every_value_of_a_rule_names_its_origin():
    found, origins = derive(
        "m", an_intake(train_rows=600), a_measurement(), CheckpointMode.HOLD, None
    )

    assert [o[0] for o in origins] == [
        f for f in RULES if f not in {"quantisation", "micro_batch_size"}
    ]  # the two that speak up only where memory is short
    assert all(len(why) > 10 for _field, _value, why in origins)
    assert found.primary_metric is Metric.EXACT_MATCH
    assert found.checkpoint_mode is CheckpointMode.HOLD
    assert found.max_length_tokens % 64 == 0


@pytest.mark.parametrize("rows", [40, 80, 150, 420, 700, 1500, 5000, 30_000])
@pytest.mark.parametrize(
    ("parameters", "fewest"),
    [(SMOLLM2, FEWEST_STEPS_OF_A_SMALL_MODEL), (LARGE, FEWEST_STEPS)],
)
def test_a_run_has_the_steps_in_which_meaning_is_learnt(rows, parameters, fewest):
    found = recipe(rows, parameters)

    assert steps(found, rows) >= min(fewest, rows * 8 // 2)
    assert found.batch_size <= 32


def test_the_task_of_the_measurements_gets_well_past_the_step_of_its_breakthrough():
    found = recipe(600, SMOLLM2)  # 125 steps of 8 rows were needed

    assert steps(found, 600) * found.batch_size >= 1.5 * 125 * 8
    assert found.learning_rate == 5e-4
    assert (found.lora_r, found.lora_alpha) == (16, 32)


def test_small_sets_get_more_epochs_and_large_ones_larger_batches():
    small, large = recipe(150), recipe(20_000)

    assert small.epochs > large.epochs
    assert small.batch_size < large.batch_size


@pytest.mark.parametrize(
    ("rows", "parameters", "held", "rate"),
    [
        (5000, LARGE, {}, 3e-4),
        (5000, SMOLLM2, {}, 5e-4),
        (5000, LARGE, {"max_steps": 30}, 5e-4),
        (5000, 1_235_814_400, {"lora_r": 64}, 5e-4),
        (5000, 1_235_814_400, {"lora_r": 16}, 3e-4),
        (5000, LARGE, {"lora_r": 64}, 3e-4),
    ],
)
def test_the_learning_rate_is_raised_only_where_the_sweep_says_so(rows, parameters, held, rate):
    assert recipe(rows, parameters, held).learning_rate == rate


def test_the_rank_follows_the_tokens_and_alpha_does_not_follow_the_rank():
    ranks = [recipe(10_000, tokens_mean=mean).lora_r for mean in (100, 500, 2000)]

    assert ranks == [16, 32, 64]
    assert recipe(10_000, tokens_mean=2000).lora_alpha == 32


def test_rank_stabilised_lora_keeps_the_scale():
    found = recipe(1000, held={"use_rslora": True})

    assert found.lora_alpha / math.sqrt(found.lora_r) == 32 / 16


def test_what_a_person_holds_stays_and_shapes_the_rest():
    free = recipe(900)
    fewer = recipe(900, held={"max_train_rows": 90})
    short = recipe(900, held={"max_train_rows": 90, "epochs": 3})

    assert (free.epochs, fewer.epochs, short.epochs) == (4, 8, 3)
    assert free.batch_size > fewer.batch_size > short.batch_size


def test_a_held_value_out_of_bounds_is_refused():
    with pytest.raises(ValidationError):
        recipe(900, held={"epochs": 0})


@pytest.mark.parametrize(("parameters", "rate"), [(SMOLLM2, 5e-5), (900_000_000, 3e-5)])
def test_full_fine_tuning_starts_at_a_tenth_of_lora_s_rate_and_says_nothing_of_ranks(
    parameters, rate
):
    found, origins = derive(
        "m",
        an_intake(train_rows=5000),
        a_measurement(parameters=parameters),
        CheckpointMode.ASK,
        {"tuning": "full"},
    )

    why = {field: reason for field, _value, reason in origins}
    assert found.learning_rate == rate
    assert why["learning_rate"].endswith("a tenth for full fine-tuning (Tinker)")
    assert not {"lora_r", "lora_alpha", "tuning"} & set(why)


def test_a_plan_says_why_it_is_lora_and_on_which_layers():
    usual, attention = (
        {o[0]: o[2] for o in derive("m", an_intake(), a_measurement(), CheckpointMode.ASK, held)[1]}
        for held in ({}, {"target_modules": "attention"})
    )

    assert "within about 0.4 %" in usual["tuning"]
    assert "on all linear layers" in usual["lora_r"]
    assert "on the attention layers alone it learns less" in attention["lora_r"]

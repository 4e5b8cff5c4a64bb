import pytest
from pydantic import ValidationError

from agents.recipe import (
    Method,
    Metric,
    Recipe,
    RecipeChange,
    half_at_once,
    is_lean,
    rows_at_once,
)
from tests.worker.tiny_model import method_recipe


def test_a_metric_for_the_record_is_never_primary():
    with pytest.raises(ValidationError, match="for the record only"):
        Recipe(model="m").amended([RecipeChange(field="primary_metric", value=Metric.BLEU.value)])


@pytest.mark.parametrize(
    ("method", "batch_size", "halves"),
    [
        (Method.SFT, 8, [4, 2, 1]),
        (Method.SFT, 6, [3, 1]),
        (Method.SFT, 1, [1]),
        (Method.DPO, 8, [2, 1]),
        (Method.KTO, 8, [4, 2]),
        (Method.KTO, 6, [3, 2]),
        (Method.KTO, 9, [3]),
        (Method.GRPO, 4, [8, 4, 2, 1]),
    ],
)
def test_rows_at_once_are_halved_as_far_as_the_batch_can_be_shared_out(method, batch_size, halves):
    recipe = method_recipe(method, batch_size=batch_size)
    answers = batch_size * (recipe.num_generations if method is Method.GRPO else 1)

    at_once = rows_at_once(recipe, "cpu")
    found = [at_once]
    while (fewer := half_at_once(recipe, at_once)) is not None:
        found.append(at_once := fewer)

    assert found == halves
    assert all(answers % size == 0 for size in found)


def test_a_thumb_alone_has_nothing_to_be_compared_with():
    assert rows_at_once(method_recipe(Method.KTO, batch_size=1), "cpu") == 1
    assert rows_at_once(method_recipe(Method.KTO, batch_size=4, micro_batch_size=1), "cpu") == 2


@pytest.mark.parametrize(
    ("idle", "said"),
    [
        ({"quantisation": "4bit"}, "4-bit weights"),
        ({"target_modules": "attention"}, "a part of the layers"),
        ({"lora_dropout": 0.1}, "lora_dropout"),
        ({"use_dora": True}, "use_dora"),
        ({"use_rslora": True}, "use_rslora"),
    ],
)
def test_full_fine_tuning_takes_nothing_that_is_lora_s(idle, said):
    assert Recipe(model="m", **idle).tuning == "lora"

    with pytest.raises(ValidationError, match=f"full fine-tuning has no use for {said}"):
        Recipe(model="m", tuning="full", **idle)


@pytest.mark.parametrize("wanted", [{"tuning": "full"}, {"target_modules": "mlp"}])
def test_autotrain_trains_lora_on_all_linear_layers(wanted):
    assert Recipe(model="m", backend="autotrain").backend == "autotrain"

    with pytest.raises(ValidationError, match="AutoTrain is not used for"):
        Recipe(model="m", backend="autotrain", **wanted)


def test_steps_are_lean_on_any_part_of_the_layers_but_not_on_whole_layers():
    lean = [
        is_lean(Recipe(model="m", **recipe), "cpu")
        for recipe in ({}, {"target_modules": "attention"}, {"tuning": "full"})
    ]

    assert lean == [True, True, False]

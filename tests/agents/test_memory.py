"""The memory formula: what makes a training larger, and what the plan does when it would not fit."""

from agents import hyperparameters, memory, planning
from agents.recipe import Quantisation, Recipe
from configs.registry import registry
from configs.schema import CheckpointMode
from tests.facts import a_measurement, an_intake

SMOLLM2 = registry()["smollm2-135m-instruct"].architecture
QWEN = registry()["qwen2.5-7b-instruct"].architecture
GB = 10**9


def needed(widths=SMOLLM2, device="cpu", row_tokens=256, **recipe):
    return memory.training_bytes(
        widths,
        Recipe(model="m", **recipe),
        row_tokens=row_tokens,
        answer_tokens=row_tokens // 8,
        device=device,
        process_bytes=GB // 2,
    )


def plan(widths, **facts):
    measured = a_measurement(
        parameters=widths.weights, architecture=widths, process_bytes=GB // 2, **facts
    )
    data = an_intake(train_rows=2500)
    recipe, origins = hyperparameters.derive("m", data, measured, CheckpointMode.ASK)
    return recipe, {o[0]: o[2] for o in origins}, planning.estimate(recipe, data, measured, 8)


def test_adapter_weights_are_those_of_peft():
    assert memory.adapter_weights(SMOLLM2, 16) == 4_884_480  # counted by PEFT on the real model


def test_longer_rows_more_rows_and_higher_ranks_need_more():
    usual = needed()

    assert needed(row_tokens=512) > 1.5 * usual
    assert needed(micro_batch_size=1) < needed(micro_batch_size=2) < usual
    assert needed(lora_r=64) > usual
    assert needed(batch_size=64) == usual


def test_four_bits_need_a_third_of_sixteen():
    half = needed(QWEN, "cuda", micro_batch_size=1)

    assert 15 * GB < half < 20 * GB
    assert needed(QWEN, "cuda", micro_batch_size=1, quantisation=Quantisation.FOUR_BIT) < half / 2


def test_a_plan_that_fits_leaves_the_defaults_alone():
    recipe, why, guess = plan(SMOLLM2, memory_bytes=24 * GB)

    assert (recipe.micro_batch_size, recipe.quantisation) == (None, Quantisation.NONE)
    assert "micro_batch_size" not in why
    assert guess.fits


def test_a_plan_takes_fewer_rows_at_once_before_it_gives_up():
    recipe, why, guess = plan(SMOLLM2, tokens_max=512, memory_bytes=5 * GB)
    hopeless, _why, too_much = plan(SMOLLM2, tokens_max=512, memory_bytes=GB)

    assert recipe.micro_batch_size == 2
    assert "so that it fits" in why["micro_batch_size"]
    assert guess.fits
    assert hopeless.micro_batch_size == 1
    assert not too_much.fits


def test_a_gpu_that_is_too_small_gets_four_bit_weights():
    recipe, why, guess = plan(QWEN, device="cuda", memory_bytes=12 * GB)

    assert recipe.quantisation is Quantisation.FOUR_BIT
    assert "16-bit weights would need" in why["quantisation"]
    assert guess.fits


def test_an_unknown_architecture_is_planned_without_a_figure():
    data = an_intake()
    measured = a_measurement(memory_bytes=GB)
    recipe, _origins = hyperparameters.derive("m", data, measured, CheckpointMode.ASK)

    guess = planning.estimate(recipe, data, measured, 8)

    assert (guess.memory_bytes, guess.fits) == (None, True)

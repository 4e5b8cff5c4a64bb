"""The memory formula: what makes a training larger, and what the plan does when it would not fit."""

import pytest

from agents import hyperparameters, memory, planning
from agents.recipe import Quantisation, Recipe
from configs.registry import Architecture, registry
from configs.schema import CheckpointMode
from tests.facts import a_measurement, an_intake

SMOLLM2 = registry()["smollm2-135m-instruct"].architecture
QWEN = registry()["qwen2.5-7b-instruct"].architecture
GB = 10**9


def needed(widths=SMOLLM2, device="cpu", row_tokens=256, limit_bytes=0, **recipe):
    return memory.training_bytes(
        a_step(widths, device, row_tokens, **recipe), process_bytes=GB // 2, limit_bytes=limit_bytes
    )


def a_step(widths, device, row_tokens=256, mean_tokens=None, shared_tokens=0, **recipe):
    made = Recipe(model="m", **recipe)
    rows = row_tokens, row_tokens // 8, device, mean_tokens, shared_tokens
    return memory.Step(widths, made, *rows)


def plan(widths, **facts):
    measured = a_measurement(
        parameters=widths.weights, architecture=widths, process_bytes=GB // 2, **facts
    )
    data = an_intake(train_rows=2500)
    recipe, origins = hyperparameters.derive("m", data, measured, CheckpointMode.ASK)
    return recipe, {o[0]: o[2] for o in origins}, planning.estimate(recipe, data, measured, 8)


def test_adapter_weights_are_those_of_peft():
    assert (
        memory.trained_weights(SMOLLM2, Recipe(model="m")) == 4_884_480
    )  # counted by PEFT on the real model


def test_parts_of_the_layers_have_their_share_of_the_weights_and_full_fine_tuning_all():
    attention, mlp, full = (
        memory.trained_weights(SMOLLM2, Recipe(model="m", **recipe))
        for recipe in (
            {"target_modules": "attention"},
            {"target_modules": "mlp"},
            {"tuning": "full"},
        )
    )

    assert (attention, mlp) == (1_843_200, 3_041_280)  # counted by PEFT on the real model
    assert full == pytest.approx(106_203_456, rel=1e-3)  # the same, norms included


def test_what_is_kept_for_the_backward_pass_depends_on_what_is_trained():
    # counted with hooks on the tensors that autograd saves, at these widths
    widths = Architecture(
        hidden=96,
        layers=4,
        query_width=192,
        key_value_width=64,
        mlp_width=160,
        vocabulary=100,
        tied_embeddings=True,
    )
    kept = {
        (what, lean): memory.kept_values(widths, Recipe(model="m", lora_r=8, **recipe), lean=lean)
        for what, recipe in {
            "all": {},
            "attention": {"target_modules": "attention"},
            "mlp": {"target_modules": "mlp"},
            "full": {"tuning": "full"},
            "dropout": {"lora_dropout": 0.1},
        }.items()
        for lean in (False, True)
        if not (lean and what in {"full", "dropout"})
    }

    assert kept == {
        ("all", False): 1592,
        ("all", True): 1624,
        ("attention", False): 1312,
        ("attention", True): 1344,
        ("mlp", False): 1464,
        ("mlp", True): 1304,
        ("full", False): 1728,
        ("dropout", False): 1592 + 1.25 * (5 * 96 + 192 + 160),
    }


def test_full_fine_tuning_needs_the_base_its_copy_and_adam():
    lora, full = (
        needed(row_tokens=16, micro_batch_size=1, tuning=tuning) for tuning in ("lora", "full")
    )

    assert full - lora == pytest.approx(16 * (106_168_320 - 4_884_480), rel=0.02)
    assert needed(QWEN, "cuda", micro_batch_size=1, tuning="full") > 20 * 6_500_000_000


def test_longer_rows_more_rows_and_higher_ranks_need_more():
    usual = needed()

    assert needed(row_tokens=512) > 1.5 * usual
    assert needed(micro_batch_size=1) < needed(micro_batch_size=2) < usual
    assert needed(lora_r=64) > usual
    assert needed(batch_size=64) == usual


def test_rows_that_begin_alike_need_less_in_lean_steps_alone():
    assert needed(shared_tokens=100) < 0.85 * needed()
    assert needed(shared_tokens=100, lora_dropout=0.1) == needed(lora_dropout=0.1)
    assert needed(shared_tokens=100, micro_batch_size=1) == needed(micro_batch_size=1)


def test_shorter_rows_in_the_longest_batch_are_padded_by_trl_and_not_in_lean_steps():
    assert needed(mean_tokens=128) < 0.75 * needed()
    assert needed(mean_tokens=128, lora_dropout=0.1) == needed(lora_dropout=0.1)


def test_a_gpu_keeps_what_it_has_room_for():
    step = a_step(QWEN, "cuda", micro_batch_size=8)
    keeping, twice = (step.gpu_bytes(keeps_activations=keeps) for keeps in (True, False))

    assert 1.5 * twice < keeping
    assert not memory.keeps_activations(step, int(keeping / 0.9) - GB)
    assert memory.keeps_activations(step, int(keeping / 0.9) + GB)
    assert not memory.keeps_activations(step, 0)
    assert needed(QWEN, "cuda", micro_batch_size=8, limit_bytes=keeping) == twice
    assert needed(QWEN, "cuda", micro_batch_size=8, limit_bytes=2 * keeping) == keeping
    assert memory.keeps_activations(a_step(QWEN, "cpu"), 0)


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
    recipe, why, guess = plan(SMOLLM2, tokens_max=512, memory_bytes=4 * GB)
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

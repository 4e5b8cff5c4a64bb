"""When all layers may be trained, and what becomes of a plan where they may not."""

import pytest

from agents import full_tuning, planning
from agents.recipe import Recipe, RecipeChange, Tuning
from agents.services import UserError
from configs.registry import registry
from tests.facts import a_measurement, an_intake

SMOLLM2 = registry()["smollm2-135m-instruct"].architecture
GB = 10**9
FULL = Recipe(model="m", tuning="full")
WANT_FULL = RecipeChange(field="tuning", value="full")


def measured(parameters=134_515_008, memory_gb=24, **facts):
    return a_measurement(
        parameters=parameters,
        architecture=SMOLLM2,
        process_bytes=GB // 2,
        memory_bytes=memory_gb * GB,
        **facts,
    )


def test_a_small_model_with_room_may_be_trained_whole():
    full_tuning.check(FULL, measured())

    assert full_tuning.refusal(FULL, measured()) is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"parameters": 1_500_000_000}, "up to 1 B weights; m has 1.5 B"),
        ({"memory_gb": 2}, "of memory even with one row at a time; here are 2.0 GB"),
    ],
)
def test_a_model_that_is_too_large_is_refused_with_what_to_do(facts, said):
    with pytest.raises(UserError, match=said) as caught:
        full_tuning.check(FULL, measured(**facts))

    assert "Use LoRA (tuning=lora)" in str(caught.value)
    full_tuning.check(Recipe(model="m"), measured(**facts))


def test_a_reply_that_cannot_be_followed_leaves_lora_and_the_other_changes():
    more = RecipeChange(field="epochs", value=2.0)

    begun, changes, notes = full_tuning.possible(
        Recipe(model="m"), [WANT_FULL, more], measured(memory_gb=2)
    )

    assert (begun.tuning, changes) == (Tuning.LORA, [more])
    assert "Full fine-tuning of m needs about" in notes[0]


def test_a_model_that_is_too_large_turns_a_full_plan_into_lora():
    begun, changes, notes = full_tuning.possible(
        FULL, [RecipeChange(field="model", value="big")], measured(parameters=7 * GB)
    )

    assert (begun.tuning, [c.field for c in changes]) == (Tuning.LORA, ["model"])
    assert "big has 7.0 B" in notes[0]


@pytest.mark.parametrize(
    ("device", "factor"),
    [("cpu", planning.FULL_STEP_FACTOR_OF_LEAN), ("cuda", planning.FULL_STEP_FACTOR["cuda"])],
)
def test_a_plan_reckons_the_time_up_and_claims_no_measured_memory(device, factor):
    facts = measured(device=device, longest_peak_bytes=GB)

    lora, full = (
        planning.estimate(recipe, an_intake(), facts, 8) for recipe in (Recipe(model="m"), FULL)
    )

    assert full.step_s == pytest.approx(factor * lora.step_s)
    assert (lora.measured_memory_bytes, full.measured_memory_bytes) == (GB, None)
    assert full.memory_bytes > 20 * 100_000_000


def test_a_person_is_told_how_large_the_file_will_be():
    said = " ".join(full_tuning.differences(FULL, measured()))

    assert "has about 0.4 GB; checkpoints take up to 3.8 GB" in said
    assert "tables of the vocabulary" in said
    assert full_tuning.differences(Recipe(model="m"), measured()) == []


def test_a_rank_beside_full_fine_tuning_is_said_to_be_without_effect():
    said = full_tuning.differences(FULL, measured(), {"lora_r", "epochs"})

    assert said[-1].startswith("lora_r is without effect")
    assert not any("without effect" in line for line in full_tuning.differences(FULL, measured()))

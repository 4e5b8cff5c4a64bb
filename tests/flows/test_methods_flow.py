"""Runs by other methods than supervised fine-tuning, from the command to the link."""

import re

from agents.jobs import RowShape
from agents.recipe import RecipeChange
from storage import jobs
from storage.models import Decision, Phase
from tests.house import EVERY_GATE, open_house


async def test_pairs_of_answers_are_learnt_by_dpo_without_anybody_naming_it(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start()

        card = house.surface.question()["body"]
        assert "`method = dpo`" in card
        told = re.search(r"\((\d+) steps\)", card.replace("\\", ""))
        assert f"{told[1]}" in re.search(r"`batch_size = \d+` (.*)", card)[1]

        await house.answer(Decision.APPROVE)
        spec = (await house.app.services.db.read(jobs.latest, 1, "train")).spec
        assert (spec["recipe"]["method"], spec["recipe"]["beta"]) == ("dpo", 0.1)


async def test_a_method_that_cannot_learn_from_the_rows_ends_the_run_with_those_that_can(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start(method="sft")

        assert (await house.run()).phase is Phase.FAILED
        assert any("dpo or orpo" in message["body"] for message in house.surface.messages())


async def test_rlhf_trains_a_reward_model_first_and_asks_it_in_training_and_measuring(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start(method="rlhf", policy=EVERY_GATE)

        assert (await house.run()).phase is Phase.DELIVERED
        assert house.launcher.started == [
            "run1-i1-intake-a1",
            "run1-i1-measure-a1",
            "run1-i1-train-reward-a1",
            "run1-i1-train-a1",
            "run1-i1-evaluate-a1",
        ]
        read = house.app.services.db.read
        first, second, last = [
            (await read(jobs.latest, 1, kind)).spec
            for kind in ("train_reward", "train", "evaluate")
        ]
        folder = house.app.services.job_folder("run1-i1-train-reward-a1") / "artifacts/adapter"
        assert (first["recipe"]["method"], second["recipe"]["method"]) == ("reward", "rloo")
        assert first["recipe"]["max_length_tokens"] == 1024
        assert first["checkpoints_dir"] != second["checkpoints_dir"]
        assert second["reward_dir"] == last["reward_dir"] == str(folder)
        assert second["reward_scale"] == last["reward_scale"] == {"centre": 0.5, "margin": 2.0}
        assert any("reward model" in title for title in house.titles())


async def test_the_rate_of_a_run_that_learns_from_rewards_follows_its_steps_until_somebody_sets_it(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start(method="rlhf")
        body = house.surface.question()["body"].replace("\\", "")
        assert "`learning_rate = 0.0002`" in body
        assert "higher for 125" in body

        await house.reply("at most 20 steps")
        body = house.surface.question()["body"].replace("\\", "")
        assert "`learning_rate` 0.0002 → **0.0003**" in body
        assert "higher for 20" in body

        await house.reply("lr 1e-5")
        await house.reply("at most 40 steps")
        assert "`learning_rate` 1e-05 →" not in house.surface.question()["body"].replace("\\", "")


async def test_a_wish_for_fewer_steps_is_seen_by_the_rate_of_the_first_plan(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start(method="rlhf", wishes=[RecipeChange(field="max_steps", value=20)])

        body = house.surface.question()["body"].replace("\\", "")
        assert "`learning_rate = 0.0003`" in body
        assert "higher for 20" in body

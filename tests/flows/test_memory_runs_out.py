import pytest

from agents.jobs import RowShape
from configs.schema import CheckpointMode, TrainingSettings
from storage import jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import open_house


async def trainings(house, kind="train"):
    found = await house.app.services.db.read(jobs.of_run, 1)
    return [job for job in found if job.kind == kind and job.iteration == 1]


def at_once(tried):
    return [job.spec["rows_at_once"] for job in sorted(tried, key=lambda job: job.attempt)]


def told(house):
    return [m["body"] for m in house.surface.messages() if m["title"] == "Memory ran out"]


@pytest.mark.parametrize("plot", ["out_of_memory", "oom"])
async def test_a_training_whose_memory_runs_out_goes_on_with_half_the_rows_at_once(tmp_path, plot):
    async with open_house(tmp_path, script={"run1-i1-train-a1": plot}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        tried = await trainings(house)
        assert (await house.run()).phase is Phase.REVIEWING
        assert at_once(tried) == [None, 2]
        assert tried[0].error_code == "out_of_memory"
        assert tried[0].spec["checkpoints_dir"] == tried[1].spec["checkpoints_dir"]
        assert tried[0].spec["recipe"] == tried[1].spec["recipe"]
        (words,) = told(house)
        assert "with 4 rows going through the model at once" in words
        assert "its last checkpoint with 2 at once" in words
        assert house.surface.question()["title"] == "Verdict: BETTER"


async def test_with_one_row_at_once_the_debugger_is_asked_and_shortens_rows(tmp_path):
    script = {f"run1-i1-train-a{n}": "out_of_memory" for n in range(1, 9)}
    async with open_house(tmp_path, script=script) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house)) == [None, 2, 1]
        assert len(told(house)) == 2
        question = house.surface.question()
        assert question["title"] == "Plan for try 2"
        assert "One row at a time" in question["body"]
        assert "max_length_tokens" in question["body"].replace("\\_", "_")

        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING


async def test_after_three_halvings_a_person_is_asked_again(tmp_path):
    script = {f"run1-i1-train-a{n}": "out_of_memory" for n in range(1, 9)}
    async with open_house(tmp_path, script=script) as house:
        await house.start()
        await house.reply("micro batch 64, batch 64")
        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house)) == [None, 32, 16, 8]
        question = house.surface.question()
        assert question["title"] == "Plan for try 2"
        assert "`micro_batch_size` 64 → **4**" in question["body"].replace("\\_", "_")


async def test_what_is_tried_after_a_pause_or_a_death_keeps_the_smaller_number(tmp_path):
    script = {"run1-i1-train-a1": "out_of_memory", "run1-i1-train-a2": "die"}
    async with open_house(tmp_path, script=script) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house)) == [None, 2, 2]
        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_worker_that_merely_died_keeps_its_rows_at_once(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "die"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house)) == [None, None]
        assert told(house) == []


async def test_memory_that_runs_out_before_the_question_at_half_time_leaves_the_question(tmp_path):
    hold = TrainingSettings(checkpoint_mode=CheckpointMode.HOLD)
    async with open_house(
        tmp_path, script={"run1-i1-train-a1": "out_of_memory"}, training=hold
    ) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert house.surface.question()["title"] == "50 % done, continue?"

        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house)) == [None, 2, 2]
        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_reward_model_goes_on_with_half_the_pairs_at_once(tmp_path):
    launcher = StubLauncher({"run1-i1-train-reward-a1": "oom"}, shape=RowShape.PREFERENCE)
    async with open_house(tmp_path, stand_in=launcher) as house:
        await house.start(method="rlhf")
        await house.answer(Decision.APPROVE)

        assert at_once(await trainings(house, "train_reward")) == [None, 1]
        assert len(told(house)) == 1
        assert (await house.run()).phase is Phase.REVIEWING

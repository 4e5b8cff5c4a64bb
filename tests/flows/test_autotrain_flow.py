"""Runs whose backend is AutoTrain, through the real graph: named by a wish, a reply or a setting, there or not there."""

import pytest

from agents.jobs import JobOutcome, RowShape
from agents.recipe import RecipeChange
from agents.services import UserError
from bot.reproduce import reproduce
from configs.schema import AutoTrainSettings, Backend, CheckpointMode, TrainingSettings
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests import fake_autotrain
from tests.fakes import StubLauncher
from tests.house import ANNA, EVERY_GATE, open_house, settings_for

WISH = [RecipeChange(field="backend", value="autotrain")]


@pytest.fixture
def there(tmp_path):
    """Settings of a machine with AutoTrain on it, where nobody has to use it."""
    venv = fake_autotrain.build(tmp_path / "venv")
    return TrainingSettings(
        autotrain=AutoTrainSettings(venv=venv, silence_s=99.0), checkpoint_mode=CheckpointMode.HOLD
    )


async def trained(house):
    return await house.app.services.db.read(jobs.latest, 1, "train")


async def test_a_wish_is_told_in_the_plan_and_handed_to_the_worker(tmp_path, there):
    async with open_house(tmp_path, training=there) as house:
        await house.start(wishes=WISH)
        body = house.surface.question()["body"]

        await house.answer(Decision.APPROVE)

        spec = (await trained(house)).spec
        assert "`backend = autotrain` as you asked" in body
        for told in (
            "nobody is asked at half",
            "starts over",
            "learns the prompts too",
            "last step",
        ):
            assert told in body
        assert spec["recipe"]["backend"] == "autotrain"
        assert (spec["autotrain_venv"], spec["autotrain_silence_s"]) == (
            str(tmp_path / "venv"),
            99.0,
        )
        assert not spec["hold_at_checkpoint"]  # nothing could be resumed
        assert (await house.run()).phase is Phase.REVIEWING


async def test_nobody_is_asked_at_half_time(tmp_path, there):
    script = {"run1-i1-train-a1": "half"}
    async with open_house(tmp_path, training=there, script=script) as house:
        await house.start(wishes=WISH)
        await house.answer(Decision.APPROVE)

        assert house.surface.question() is None
        assert not (await trained(house)).checkpoint_reached


async def test_a_paused_training_starts_over_and_says_so(tmp_path, there):
    script = {"run1-i1-train-a1": "half"}
    async with open_house(tmp_path, training=there, script=script) as house:
        await house.start(wishes=WISH)
        await house.answer(Decision.APPROVE)
        await house.app.commands.pause(1, ANNA)
        await house.settle()
        assert (await trained(house)).outcome == JobOutcome.PAUSED
        assert any("it will start over" in title for title in house.titles())

        await house.app.commands.resume(1, ANNA)
        await house.settle()

        assert (await trained(house)).attempt == 2
        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_reply_changes_to_it_and_back_and_other_replies_leave_it(tmp_path, there):
    async with open_house(tmp_path, training=there) as house:
        await house.start()
        await house.reply("use autotrain")
        assert "`backend` trl → **autotrain**" in house.surface.question()["body"]

        await house.reply("2 epochs")
        plan = await house.app.services.db.read(datasets.latest_plan, 1, 1)
        assert (plan.recipe["backend"], plan.recipe["epochs"]) == ("autotrain", 2)

        await house.reply("without autotrain")
        body = house.surface.question()["body"]
        assert "`backend` autotrain → **trl**" in body
        assert "half-time" not in body


async def test_a_reply_that_asks_for_what_is_absent_is_told_so_and_costs_nothing(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()

        await house.reply("use autotrain, 2 epochs")

        body = house.surface.question()["body"]
        assert "AutoTrain is not installed here" in body
        assert "tunewright doctor" in body
        assert "`epochs`" in body
        assert (await house.run()).phase is Phase.APPROVING


async def test_a_reply_to_a_report_that_asks_for_what_is_absent_costs_nothing_either(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        while "Verdict" not in house.surface.question()["title"]:
            await house.answer(Decision.APPROVE)

        await house.reply("use autotrain, 2 epochs")

        run = await house.run()
        plan = await house.app.services.db.read(datasets.latest_plan, 1, 2)
        assert (run.phase, run.failure) == (Phase.APPROVING, None)
        assert (plan.recipe["backend"], plan.recipe["epochs"]) == ("trl", 2.0)
        said = "\n".join(message["body"] for message in house.surface.messages())
        assert "AutoTrain is not installed here" in said


async def test_a_wish_for_what_is_absent_is_refused_with_the_way_to_get_it(tmp_path):
    async with open_house(tmp_path) as house:
        with pytest.raises(UserError, match=r"(?s)pip install autotrain-advanced==.*backend=trl"):
            await house.start(wishes=WISH)


async def test_a_setting_without_the_program_fails_a_run_with_the_way_to_get_it(tmp_path):
    training = TrainingSettings(backend=Backend.AUTOTRAIN)
    async with open_house(tmp_path, training=training) as house:
        await house.start(policy=EVERY_GATE)

        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "training.autotrain.venv" in run.failure


async def test_a_setting_holds_for_every_run_that_names_none(tmp_path, there):
    training = there.model_copy(update={"backend": Backend.AUTOTRAIN})
    async with open_house(tmp_path, training=training) as house:
        await house.start()
        body = house.surface.question()["body"].replace("\\", "")
        assert "`backend = autotrain` training.backend, the setting" in body

        await house.reply("2 epochs")
        plan = await house.app.services.db.read(datasets.latest_plan, 1, 1)
        assert plan.recipe["backend"] == "autotrain"

        await house.reply("backend trl")

        plan = await house.app.services.db.read(datasets.latest_plan, 1, 1)
        assert plan.recipe["backend"] == "trl"


async def test_what_it_is_not_used_for_is_left_to_trl_with_the_reason(tmp_path, there):
    training = there.model_copy(update={"backend": Backend.AUTOTRAIN})
    launcher = StubLauncher(shape=RowShape.UNPAIRED)
    async with open_house(tmp_path, training=training, stand_in=launcher) as house:
        await house.start()

        body = house.surface.question()["body"]
        assert "`backend = trl` AutoTrain is not used for the method kto" in body


async def test_a_wish_that_does_not_fit_the_method_ends_the_run_with_the_reason(tmp_path, there):
    launcher = StubLauncher(shape=RowShape.UNPAIRED)
    async with open_house(tmp_path, training=there, stand_in=launcher) as house:
        await house.start(wishes=WISH)

        assert "AutoTrain is not used for the method kto" in (await house.run()).failure


async def test_its_trainings_cannot_be_repeated(tmp_path, there):
    async with open_house(tmp_path, training=there) as house:
        await house.start(wishes=WISH)
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)

    with pytest.raises(UserError, match="without a seed"):
        await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())

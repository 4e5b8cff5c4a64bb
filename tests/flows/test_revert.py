"""Going back to the plan of an earlier try: asked about as always, in words that say where it comes from."""

import pytest

from agents.services import UserError
from bot.notebook import history, tries
from configs.schema import DiscordSettings, GuildSettings
from storage import approvals, datasets, jobs
from storage.models import Decision, Phase
from tests.house import ANNA, BEN, open_house


async def plan_of(house, iteration):
    return await house.app.services.db.read(datasets.latest_plan, 1, iteration)


async def second_try_reported(house):
    """Play a run until it asks about the report of its second try."""
    await house.start()
    await house.answer(Decision.APPROVE)
    await house.reply("3 epochs, lr 1e-4")
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.REVIEWING


async def revert(house, to, person=ANNA):
    text = await house.app.commands.revert(1, person, to)
    await house.settle()
    return text


async def test_from_a_report_the_next_try_has_the_plan_of_the_first_and_is_asked_about(tmp_path):
    async with open_house(tmp_path) as house:
        await second_try_reported(house)

        text = await revert(house, 1)

        assert "as the plan for try 3" in text
        run = await house.run()
        assert (run.phase, run.iteration, run.revert) == (Phase.APPROVING, 3, None)
        first, third = await plan_of(house, 1), await plan_of(house, 3)
        assert third.recipe == first.recipe
        assert ["epochs", "4", "as in try 1, reverted by Anna"] in third.why
        assert ["epochs", "3", "4"] in third.changes
        question = house.surface.question()
        assert question["title"] == "Plan for try 3"
        assert "plan of try 1 again" in question["body"]
        assert "as in try 1, reverted by Anna" in question["body"]
        answered = await house.app.services.db.read(approvals.latest, 1, "report", 2)
        assert (answered.decision, answered.decided_by, answered.comment) == (
            Decision.REVISE,
            ANNA.id,
            "Back to the plan of try 1.",
        )
        assert [j for j in house.launcher.started if "i3-train" in j] == []

        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        spec = (await house.app.services.db.read(jobs.latest, 1, "train", 3)).spec
        assert spec["recipe"]["epochs"] == first.recipe["epochs"]


async def test_from_a_plan_that_was_not_carried_out_it_is_another_version_of_that_plan(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        assert house.surface.question()["title"] == "Plan for try 2"

        await revert(house, 1)

        assert house.surface.question()["title"] == "Plan for try 2, version 2"
        again = await plan_of(house, 2)
        assert (again.revision, again.recipe["epochs"]) == (1, 4)
        first = await house.app.services.db.read(approvals.find, 1, "plan", 2, 0)
        assert first.decision is Decision.REVISE


async def test_a_refused_plan_can_be_answered_by_going_back(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.REJECT)
        assert house.surface.question()["title"] == "What should be different?"

        await revert(house, 1)

        assert house.surface.question()["title"] == "Plan for try 2, version 2"


async def test_what_it_went_back_to_stays_when_a_reply_changes_something_else(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.reply("7 epochs")
        await house.answer(Decision.APPROVE)
        await house.reply("2 epochs, context 64")
        await house.answer(Decision.APPROVE)
        await revert(house, 1)
        first = await plan_of(house, 1)

        await house.reply("lora_r 8")

        latest = await plan_of(house, 3)
        assert latest.revision == 1
        assert (latest.recipe["lora_r"], latest.recipe["epochs"]) == (8, 7)
        assert latest.recipe["max_length_tokens"] == first.recipe["max_length_tokens"]


async def test_a_delivered_and_a_failed_run_go_on(tmp_path):
    async with open_house(tmp_path, script={"run1-i3-train-a1": "crash"}) as house:
        await second_try_reported(house)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED

        await revert(house, 1)
        assert house.surface.question()["title"] == "Plan for try 3"
        assert (await house.run()).ended_at is None
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.FAILED

        await revert(house, 2)
        run = await house.run()
        assert (run.phase, run.iteration, run.failure) == (Phase.APPROVING, 4, None)
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        told = await house.app.services.db.read(tries.read, 1)

    lines = history.lines(told)
    assert [line.verdict for line in lines] == [
        "BETTER",
        "BETTER",
        "no result: training failed (crash)",
        "BETTER",
    ]
    assert "(as in try 2, reverted by Anna)" in lines[3].changed
    assert [line.marks for line in lines if "handed over" in line.marks] != []


@pytest.mark.parametrize(
    ("to", "says"),
    [(3, "has no try 3"), (2, "is that of try 2 already"), (0, "has no try 0")],
)
async def test_a_try_that_is_not_there_or_is_the_latest_is_refused(tmp_path, to, says):
    async with open_house(tmp_path) as house:
        await second_try_reported(house)

        with pytest.raises(UserError, match=says):
            await revert(house, to)

        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_busy_and_a_cancelled_run_are_refused(tmp_path):
    async with open_house(tmp_path, script={"run1-i2-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.BUILDING

        with pytest.raises(UserError, match=r"is busy \(building\)"):
            await revert(house, 1)
        await house.app.commands.cancel(1, ANNA)
        await house.settle()
        with pytest.raises(UserError, match="was cancelled"):
            await revert(house, 1)


async def test_only_who_may_answer_goes_back_and_an_approver_is_named(tmp_path):
    cleo = type(BEN)("log:cleo", "Cleo", frozenset({"77"}))
    guilds = {"1": GuildSettings(approver_role_id="77")}
    async with open_house(tmp_path, discord=DiscordSettings(guilds=guilds)) as house:
        await house.start(guild="1")
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)

        with pytest.raises(UserError, match="can do that"):
            await revert(house, 1, BEN)
        await revert(house, 1, cleo)

        assert "reverted by Cleo" in house.surface.question()["body"]


async def test_a_model_that_is_not_offered_any_more_is_refused_before_anything_changes(tmp_path):
    async with open_house(tmp_path) as house:
        await second_try_reported(house)

        def rename(session):
            plan = datasets.latest_plan(session, 1, 1)
            plan.recipe = {**plan.recipe, "model": "gone"}
            session.add(plan)

        await house.app.services.db.write(rename)
        with pytest.raises(UserError, match="gone"):
            await revert(house, 1)

        assert (await house.run()).phase is Phase.REVIEWING
        assert house.surface.question()["title"].startswith("Verdict")

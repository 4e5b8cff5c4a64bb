"""A try that was measured can be had at any time: by command, by a reply, while something else is under way."""

import pytest

from agents.services import UserError
from bot import delivering
from bot.answering import Effect
from bot.delivering import Wanted
from storage import approvals, datasets, jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import ANNA, BEN, open_house


async def two_tries(house) -> None:
    """Play a run until it asks about the report of its second try, which is no better than the first."""
    await house.start()
    await house.answer(Decision.APPROVE)
    await house.reply("3 epochs, lr 1e-4")
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.REVIEWING


async def deliver(house, number=None, person=ANNA) -> str:
    text = await house.app.commands.deliver(1, person, number)
    await house.settle()
    return text


async def handed_over(house) -> list[int]:
    found = [
        await house.app.services.db.read(datasets.artifact, 1, "adapter", i) for i in (1, 2, 3)
    ]
    return [artifact.iteration for artifact in found if artifact]


async def test_without_a_number_the_best_try_is_handed_over(tmp_path):
    async with open_house(tmp_path) as house:
        await two_tries(house)

        text = await deliver(house)

        assert "hands over try 1, the best so far" in text
        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 1)
        assert await handed_over(house) == [1]
        asked = await house.app.services.db.read(approvals.latest, 1, "report", 2)
        assert (asked.decision, asked.decided_by, asked.comment) == (
            Decision.REVISE,
            ANNA.id,
            "Hand over try 1.",
        )
        assert house.titles()[-2:] == ["Handing over try 1", "Your adapter is ready"]


@pytest.mark.parametrize("words", ["deliver try 2", "Please hand over try 2."])
async def test_a_reply_to_a_report_takes_a_try(tmp_path, words):
    async with open_house(tmp_path) as house:
        await two_tries(house)

        reaction = await house.reply(words)

        assert reaction.effect is Effect.DECIDED
        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 2)


async def test_a_reply_to_a_plan_takes_a_try_and_the_plan_is_not_carried_out(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.reply("deliver the best")

        assert (await house.run()).phase is Phase.DELIVERED
        assert await handed_over(house) == [1]
        assert [j for j in house.launcher.started if "i2-train" in j] == []


async def test_a_try_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    async with open_house(tmp_path) as house:
        await two_tries(house)

        reaction = await house.reply("deliver try 7")

        assert reaction.effect is Effect.UNCLEAR
        assert "There is: 1, 2." in reaction.text
        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_run_without_a_measured_try_has_nothing_to_hand_over(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()

        with pytest.raises(UserError, match="no try yet that was trained and measured"):
            await deliver(house)
        assert (await house.run()).phase is Phase.APPROVING


async def test_a_training_of_another_try_is_stopped_by_it(tmp_path):
    launcher = StubLauncher(script={"run1-i2-train-a1": "half"})
    async with open_house(tmp_path, stand_in=launcher) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.BUILDING

        text = await deliver(house, 1)

        assert "stops within half a minute" in text
        assert (await house.run()).phase is Phase.DELIVERED
        assert (await house.app.services.db.read(jobs.latest, 1, "train", 2)).outcome == "cancelled"
        assert await house.app.services.db.read(approvals.all_open) == []


async def test_after_a_delivery_another_try_can_be_had_and_the_link_is_to_it(tmp_path):
    async with open_house(tmp_path) as house:
        await two_tries(house)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).iteration == 2

        await deliver(house, 1)

        assert await handed_over(house) == [1, 2]
        newest = await house.app.services.db.read(datasets.artifact, 1, "adapter")
        assert newest.iteration == 1
        with pytest.raises(UserError, match="handed over already"):
            await deliver(house, 1)


async def test_who_may_not_answer_may_not_take_a_try_and_a_cancelled_run_has_none(tmp_path):
    async with open_house(tmp_path) as house:
        await two_tries(house)

        with pytest.raises(UserError, match="can do that"):
            await deliver(house, person=BEN)
        assert (await house.reply("deliver try 1", BEN)).effect is Effect.NOT_ALLOWED
        await house.app.commands.cancel(1, ANNA)
        with pytest.raises(UserError, match="for good"):
            await deliver(house)


def test_only_words_that_say_nothing_else_are_such_a_wish():
    assert delivering.wished("deliver try 12") == Wanted(12)
    assert delivering.wished("Deliver the best so far") == Wanted(None)
    for words in ("deliver", "try 3 epochs", "deliver try 1, and 3 epochs", "best"):
        assert delivering.wished(words) is None

"""When a run stops trying: each rule is told with its reason, offers the best so far, and lets words go on."""

import pytest
from sqlmodel import select

from agents.jobs import Verdict
from configs.schema import BudgetSettings, TrainingSettings
from storage import approvals
from storage.models import Decision, Phase, Reservation
from tests.fakes import StubLauncher
from tests.house import open_house

LONG_CURVE = ((0, 3.0), (3, 1.0), (6, 1.3), (10, 1.6))
OVERFIT = {f"run1-i{n}-train-a1": {"dev_losses": LONG_CURVE, "best_step": 3} for n in range(1, 7)}


def trying(**facts) -> StubLauncher:
    """A worker whose trainings always leave something to change."""
    return StubLauncher(trained=OVERFIT, **facts)


async def refused(house, times: int) -> None:
    """Carry out a plan and refuse its report, several times."""
    for _ in range(times):
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING
        await house.answer(Decision.REJECT)


def told(house, number: int) -> str:
    return next(
        m["body"].replace("\\", "")
        for m in house.surface.messages()
        if m["title"] == f"What try {number} tells"
    )


async def test_two_tries_in_a_row_without_a_lower_dev_loss_end_the_trying(tmp_path):
    async with open_house(tmp_path, stand_in=trying()) as house:
        await house.start()
        await refused(house, 2)
        assert house.surface.question()["title"] == "Plan for try 3"
        await refused(house, 1)

        run = await house.run()
        assert (run.phase, run.iteration, run.best_iteration) == (Phase.REVIEWING, 1, 1)
        assert "The last 2 tries did not get below the dev loss of try 1" in told(house, 3)
        assert "best try so far" in house.surface.question()["body"]

        await house.reply("lr 1e-5")
        assert house.surface.question()["title"] == "Plan for try 4"


async def test_a_lower_dev_loss_counts_anew(tmp_path):
    better = OVERFIT | {
        "run1-i2-train-a1": {
            "dev_losses": tuple((step, loss / 2) for step, loss in LONG_CURVE),
            "best_step": 3,
        }
    }
    async with open_house(tmp_path, stand_in=StubLauncher(trained=better)) as house:
        await house.start()
        await refused(house, 3)

        assert (await house.run()).best_iteration == 2
        assert house.surface.question()["title"] == "Plan for try 4"


async def test_a_gain_that_was_asked_for_is_enough_until_somebody_says_what_else(tmp_path):
    async with open_house(tmp_path, stand_in=trying(target_gain_points=5.0)) as house:
        await house.start()
        await refused(house, 1)

        assert "The gain that you asked for is reached: try 1 gained +40.0 points" in told(house, 1)
        assert (await house.run()).phase is Phase.REVIEWING

        await house.answer(Decision.REJECT)
        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "`resume` shows the best result again" in run.failure


@pytest.mark.parametrize("verdict", [Verdict.SMALLER_THAN_ASKED, Verdict.CANNOT_TELL])
async def test_less_than_was_asked_for_is_not_enough(tmp_path, verdict):
    stand_in = trying(target_gain_points=50.0, verdict=verdict)
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await house.start()
        await refused(house, 1)

        assert house.surface.question()["title"] == "Plan for try 2"


async def test_a_try_that_no_budget_has_room_for_is_not_planned_unless_somebody_asks(tmp_path):
    budget = BudgetSettings(user_minutes_per_day=8.0)
    async with open_house(tmp_path, stand_in=trying(), budgets=budget) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.app.services.db.write(used, minutes=7.9)
        await house.answer(Decision.REJECT)

        assert "of the 8.0 that one person may use on a day 0.1 are left" in told(house, 1)
        assert "renews at" in told(house, 1)
        assert (await house.run()).phase is Phase.REVIEWING

        await house.reply("use 20 rows")
        assert house.surface.question()["title"] == "Plan for try 2"


def used(session, minutes: float) -> None:
    """Let the person have used so much of today's budget."""
    (row,) = session.exec(select(Reservation)).all()
    row.used_minutes, row.settled_at = minutes, row.created_at
    session.add(row)


async def test_the_number_of_tries_holds_for_words_too(tmp_path):
    limits = TrainingSettings(max_iterations=2)
    async with open_house(tmp_path, stand_in=trying(), training=limits) as house:
        await house.start()
        await refused(house, 1)
        await house.answer(Decision.APPROVE)
        await house.reply("lr 1e-5")

        assert "The number of tries allowed for one run (2) is used up" in told(house, 2)
        assert (await house.run()).iteration == 1
        again = await house.app.services.db.read(approvals.latest, 1, "report", 1)
        assert again.decision is Decision.OPEN

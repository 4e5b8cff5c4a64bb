"""Plans through the real graph: what a reply changes, what is shown, what is refused."""

from bot.commands import Effect
from bot.schedule import sweep
from configs.schema import BudgetSettings
from storage import jobs
from storage.models import Decision, Phase, Reservation
from tests.house import EVERY_GATE, open_house


async def test_values_that_rest_on_the_number_of_rows_follow_it_and_asked_ones_stay(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.reply("learning rate 1e-4")
        await house.reply("use 60 rows")

        body = house.surface.question()["body"].replace("\\_", "_")
        assert "`max_train_rows` all → **60**" in body
        assert "`epochs` 4 → **8**" in body
        assert "`batch_size`" in body
        assert "`learning_rate` 0.0" not in body  # no change shown: it was asked for

        await house.answer(Decision.APPROVE)
        recipe = (await house.app.services.db.read(jobs.latest, 1, "train_sft")).spec["recipe"]
        assert (recipe["learning_rate"], recipe["epochs"]) == (1e-4, 8)


async def test_a_plan_beyond_the_budget_is_refused_and_its_question_stays(tmp_path):
    budget = BudgetSettings(user_minutes_per_day=0.5, price_per_hour=6.0)
    async with open_house(tmp_path, budgets=budget) as house:
        await house.start()
        refused = await house.answer(Decision.APPROVE)

        assert refused.effect is Effect.UNCLEAR
        assert "of the 0.5 that one person may use on a day 0.5 are left" in refused.text
        assert "renews at" in refused.text
        assert "at the configured price" in house.surface.question()["body"]
        assert (await house.run()).phase is Phase.APPROVING

        await house.reply("1 epochs, use 10 rows, 20 test rows")
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING


async def test_a_standing_permission_cannot_overrun_a_budget_either(tmp_path):
    budget = BudgetSettings(minutes_per_day=0.0)
    async with open_house(tmp_path, budgets=budget) as house:
        await house.start(policy=EVERY_GATE)

        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "renews at" in run.failure


async def test_what_a_run_has_used_is_settled_by_the_sweep(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await sweep(house.app.services)

        reservation = await house.app.services.db.read(lambda s: s.get(Reservation, 1))
        assert reservation.settled_at is not None
        assert reservation.used_minutes == 0.0  # the clock of the test stands still

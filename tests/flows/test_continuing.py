"""A run goes on from the adapter of an earlier one: asked for at the start or by a reply, and told wherever it matters."""

import json
import zipfile
from typing import Any

import pytest

from agents.jobs import JobKind, RowShape
from agents.recipe import Method, RecipeChange
from agents.services import UserError
from bot.answering import Effect
from bot.reproduce import reproduce
from configs.schema import ModelSettings
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import BEN, House, open_house, settings_for

TWO_MODELS = ModelSettings(
    catalogue={"small": "folder:/models/small", "large": "folder:/models/large"}, default="small"
)


async def spec_of(house: House, run_id: int, kind: JobKind) -> dict[str, Any]:
    job = await house.app.services.db.read(jobs.latest, run_id, kind)
    assert job is not None
    return job.spec


async def approve_all(house: House, run_id: int) -> None:
    while (await house.run(run_id)).phase is not Phase.DELIVERED:
        await house.answer(Decision.APPROVE)


async def test_a_run_goes_on_from_a_delivered_one_up_to_the_link(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=[RecipeChange(field="lora_r", value=8)])
        await approve_all(house, 1)
        first = await house.app.services.db.read(jobs.latest, 1, JobKind.TRAIN)

        await house.start(key="log:2", continue_from=1)

        plan = house.surface.question()["body"]
        assert "adapter of **run #1**" in plan
        assert "`lora_r = 8` the adapter of run 1" in plan
        learnt = (await spec_of(house, 2, JobKind.INTAKE))["learnt"]
        sets = [await house.app.services.db.read(datasets.find, 1, r) for r in ("train", "dev")]
        assert [known["file"]["sha256"] for known in learnt] == [found.sha256 for found in sets]
        assert [known["chose"] for known in learnt] == [False, True]

        await approve_all(house, 2)

        parent = {
            "run": 1,
            "adapter_dir": str(house.app.services.job_folder(first.id) / "artifacts/adapter"),
            "adapter_sha256": first.payload["adapter_sha256"],
            "base_sha256": first.payload["base_sha256"],
        }
        train = await spec_of(house, 2, JobKind.TRAIN)
        assert train["parent"] == parent
        assert (await spec_of(house, 2, JobKind.EVALUATE))["parent"] == parent
        assert train["recipe"]["lora_r"] == 8
        packed = await house.app.services.db.read(datasets.artifact, 2, "adapter")
        with zipfile.ZipFile(house.app.services.files.path(packed.sha256)) as archive:
            folder = packed.name.removesuffix(".zip")
            lock = json.loads(archive.read(f"{folder}/run.lock.json"))
            card = archive.read(f"{folder}/README.md").decode()
        known = {"run": 1, "iteration": 1, "adapter_sha256": first.payload["adapter_sha256"]}
        assert lock["continued_from"] == known
        assert "trained further from the adapter of run 1" in card

    again = await reproduce(settings_for(tmp_path), 2, print, launcher=StubLauncher())
    assert again.same
    reproduced = tmp_path / "data/reproductions/1/run2-i1-train-a1/spec.json"
    assert json.loads(reproduced.read_text())["spec"]["parent"] == parent


async def test_what_the_grandparent_has_learnt_is_not_held_out_either(tmp_path):
    async with open_house(tmp_path) as house:
        for run_id, wish in ((1, {}), (2, {"continue_from": 1})):
            await house.start(key=f"log:{run_id}", **wish)
            await approve_all(house, run_id)

        await house.start(key="log:3", continue_from=2)

        learnt = (await spec_of(house, 3, JobKind.INTAKE))["learnt"]
        assert len(learnt) == 4


async def test_words_of_the_wish_name_the_run_and_leave_its_task_and_model(tmp_path):
    async with open_house(tmp_path, models=TWO_MODELS) as house:
        await house.start(goal="Sort tickets", model="large")
        await approve_all(house, 1)

        await house.start(key="log:2", goal="Continue from run #1.")
        await house.start(key="log:3", goal="Sort mails, continue from run 1")

        second, third = await house.run(2), await house.run(3)
        assert (second.goal, second.model, second.parent["run"]) == ("Sort tickets", "large", 1)
        assert (third.goal, third.parent["run"]) == ("Sort mails", 1)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"continue_from": 7}, "no run #7 here"),
        ({"continue_from": 1, "person": BEN}, "no run #1 here"),
        ({"continue_from": 2}, "has no adapter yet"),
        ({"continue_from": 1, "model": "large"}, "fits no other model"),
        (
            {"continue_from": 1, "wishes": [RecipeChange(field="lora_r", value=4)]},
            "lora_r stays at 16",
        ),
    ],
)
async def test_what_cannot_go_on_is_refused_at_once(tmp_path, wish, said):
    async with open_house(tmp_path, models=TWO_MODELS) as house:
        await house.start(model="small")
        await approve_all(house, 1)
        await house.start(key="log:2")

        with pytest.raises(UserError, match=said):
            await house.start(key="log:3", **wish)


async def test_whoever_sits_at_the_machine_sees_every_run(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

        await house.start(key="log:2", person=BEN, continue_from=1, sees_all=True)

        assert (await house.run(2)).parent["run"] == 1


async def test_a_reply_to_the_plan_lets_the_run_go_on_from_another(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=[RecipeChange(field="lora_r", value=8)])
        await approve_all(house, 1)
        await house.start(key="log:2", wishes=[RecipeChange(field="lora_r", value=32)])

        await house.reply("continue from run 1, and 2 epochs")

        question = house.surface.question()
        assert question["title"] == "The plan, version 2"
        assert "`lora_r` 32 → **8**" in question["body"]
        assert "→ **2**" in question["body"]
        assert "adapter of **run #1**" in question["body"]
        assert "run2-i1-intake-a2" in house.launcher.started
        assert len((await spec_of(house, 2, JobKind.INTAKE))["learnt"]) == 2

        await house.reply("rank 64")

        assert "lora\\_r stays at 8" in house.surface.question()["body"]
        await approve_all(house, 2)
        assert (await spec_of(house, 2, JobKind.TRAIN))["recipe"]["lora_r"] == 8
        assert house.titles().count("Your data") == 3


async def test_a_reply_alone_is_understood_without_a_word_of_doubt(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()
        await house.start(key="log:2")

        await house.reply("Please continue from run #1.")

        assert "could not read a change" not in house.surface.question()["body"]


async def test_a_reply_that_cannot_be_carried_out_leaves_the_question_open(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()
        await house.start(key="log:2", person=BEN)

        stranger = await house.reply("continue from run 1", person=BEN)
        itself = await house.reply("continue from run 2", person=BEN)

        assert (stranger.effect, itself.effect) == (Effect.UNCLEAR, Effect.UNCLEAR)
        assert "no run #1 here" in stranger.text
        assert "is this one" in itself.text
        assert (await house.run(2)).parent is None
        assert house.surface.question()["title"] == "The plan"


async def test_once_rows_were_tested_on_it_is_too_late_to_go_on_from_another(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()
        await house.start(key="log:2")
        await house.answer(Decision.APPROVE)

        at_the_report = await house.reply("continue from run 1")
        await house.reply("3 epochs")
        at_the_next_plan = await house.reply("continue from run 1")

        for reaction in (at_the_report, at_the_next_plan):
            assert reaction.effect is Effect.UNCLEAR
            assert "Start a new run" in reaction.text
        assert (await house.run(2)).parent is None


async def test_a_further_try_starts_from_the_same_adapter_and_keeps_its_shape(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()
        await house.start(key="log:2", continue_from=1)
        await house.answer(Decision.APPROVE)

        await house.reply("2 epochs, rank 64")
        await house.answer(Decision.APPROVE)

        first, second = [
            (await house.app.services.db.read(jobs.latest, 2, JobKind.TRAIN, i)).spec
            for i in (1, 2)
        ]
        assert second["parent"] == first["parent"]
        assert (second["recipe"]["lora_r"], second["recipe"]["epochs"]) == (16, 2)
        assert any("stays at 16" in m["body"] for m in house.surface.messages())


async def test_an_adapter_that_gives_answers_is_none_for_scores(tmp_path):
    launcher = StubLauncher(shape=RowShape.PREFERENCE)
    async with open_house(tmp_path, stand_in=launcher) as house:
        await house.deliver()

        await house.start(key="log:2", continue_from=1, method=Method.REWARD.value)

        run = await house.run(2)
        assert run.phase is Phase.FAILED
        assert "scores answers: it cannot go on" in run.failure

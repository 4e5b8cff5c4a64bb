"""Full fine-tuning and adapters on a part of the layers, from the wish to the link: planned, refused, exported, gone on from."""

import json
import zipfile

import pytest

from agents.jobs import ExportFormat, RowShape
from agents.recipe import RecipeChange
from agents.services import UserError
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.house import ANNA, EVERY_GATE, open_house

FULL = RecipeChange(field="tuning", value="full")


async def test_a_wish_for_full_fine_tuning_becomes_a_plan_a_training_and_a_card_that_say_so(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await house.start(wishes=[FULL])

        body = house.surface.question()["body"].replace("\\", "")
        assert "`tuning = full` as you asked" in body
        assert "The file you get has about" in body
        assert "a tenth for full fine-tuning" in body
        assert "lora_r" not in body

        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)
        spec = (await house.app.services.db.read(jobs.latest, 1, "train")).spec
        assert (spec["recipe"]["tuning"], spec["recipe"]["learning_rate"]) == ("full", 5e-5)
        packed = await house.app.services.db.read(datasets.artifact, 1, "adapter")
        with zipfile.ZipFile(house.app.services.files.path(packed.sha256)) as archive:
            folder = packed.name.removesuffix(".zip")
            card = archive.read(f"{folder}/README.md").decode()
            lock = json.loads(archive.read(f"{folder}/run.lock.json"))
        assert "full fine-tuning of all linear layers and norms" in card
        assert "LoRA" not in card
        assert '"full-fine-tuning"' in card
        assert lock["recipe"]["tuning"] == "full"


async def test_a_reply_turns_a_plan_into_full_fine_tuning_and_back(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.reply("full fine-tuning please")
        full = house.surface.question()["body"].replace("\\", "")
        await house.reply("LoRA instead of full fine-tuning, only attention layers")
        back = house.surface.question()["body"].replace("\\", "")

        assert "`tuning` lora → **full**" in full
        assert "`learning_rate` 0.0005 → **5e-05**" in full
        assert "`tuning` full → **lora**" in back
        assert "`target_modules` all-linear → **attention**" in back
        assert "`learning_rate` 5e-05 → **0.0005**" in back
        assert "on the attention layers alone it learns less" in back


async def test_the_rate_of_another_method_follows_unless_somebody_has_set_it(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.shape = RowShape.PREFERENCE
        await house.start()
        await house.reply("full fine-tuning")
        assert "`learning_rate` 5e-05 → **5e-06**" in house.surface.question()["body"].replace(
            "\\", ""
        )
        await house.reply("lr 1e-6")
        await house.reply("use LoRA")

        body = house.surface.question()["body"].replace("\\", "")
        assert "`tuning` full → **lora**" in body
        assert "learning_rate` 1e-06 →" not in body


async def test_a_model_that_is_too_large_is_refused_in_a_wish_and_noted_in_a_reply(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.measured = {"parameters": 3_000_000_000}
        await house.start(wishes=[FULL], policy=EVERY_GATE)
        run = await house.run(1)
        assert run.phase is Phase.FAILED
        assert "3.0 B" in run.failure
        assert "Use LoRA" in run.failure

        await house.start("log:2")
        await house.reply("full fine-tuning, 2 epochs")

        body = house.surface.question()["body"].replace("\\", "")
        assert "is for models of up to 1 B weights" in body
        assert "→ **2**" in body
        assert "→ **full**" not in body


async def test_a_gguf_adapter_of_whole_layers_is_refused_with_what_to_take(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=[FULL], policy=EVERY_GATE)

        with pytest.raises(UserError, match=r"trained all layers.*“gguf” writes the whole model"):
            await house.app.commands.export(1, ANNA, ExportFormat.GGUF_ADAPTER)
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()

        assert house.titles()[-1] == "Your GGUF is ready"
        spec = (await house.app.services.db.read(jobs.latest, 1, "export")).spec
        assert spec["tuning"] == "full"


async def test_a_run_that_goes_on_keeps_what_the_earlier_one_has_trained(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(wishes=[FULL], policy=EVERY_GATE)
        attention = RecipeChange(field="target_modules", value="attention")
        dropout = RecipeChange(field="lora_dropout", value=0.1)

        with pytest.raises(UserError, match="target_modules stays at all-linear"):
            await house.start("log:2", continue_from=1, wishes=[attention])
        with pytest.raises(UserError, match="full fine-tuning has no use for lora_dropout"):
            await house.start("log:2", continue_from=1, wishes=[dropout])
        await house.start("log:2", continue_from=1)
        await house.reply("use LoRA")

        body = house.surface.question()["body"].replace("\\", "")
        assert "`tuning = full` the adapter of run 1" in body
        assert "tuning stays at full" in body
        assert "lora_r" not in body

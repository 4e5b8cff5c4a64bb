import pytest

from agents.jobs import ExportFormat
from agents.services import UserError
from storage import datasets
from storage.models import Decision, Phase
from tests.house import ANNA, BEN, open_house


async def test_a_delivered_adapter_is_written_in_other_formats(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

        for wanted in (ExportFormat.GGUF, ExportFormat.MERGED):
            await house.app.commands.export(1, ANNA, wanted)
            await house.settle()

        assert (await house.run()).phase is Phase.DELIVERED
        assert house.titles()[-2:] == ["Your GGUF is ready", "Your merged model is ready"]
        body = house.surface.messages()[-1]["body"]
        assert "7 answers have the same tokens" in body
        link = await house.app.commands.download(1, ANNA, None, ExportFormat.GGUF)
        kept = await house.app.services.db.read(datasets.artifact, 1, "gguf")
        assert (link.name, kept.name in link.url) == (kept.name, True)
        assert house.app.services.files.verify(kept.sha256)


async def test_two_formats_asked_for_at_once_come_one_after_the_other(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF_ADAPTER)
        await house.settle()

        assert house.titles()[-2:] == ["Your GGUF is ready", "Your adapter as GGUF is ready"]


async def test_an_export_that_fails_says_why_and_leaves_the_adapter(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-export-a1": "cannot_convert"}) as house:
        await house.deliver()

        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()

        assert (await house.run()).phase is Phase.DELIVERED
        assert house.titles()[-1] == "No GGUF"
        assert await house.app.commands.download(1, ANNA, None)
        with pytest.raises(UserError, match="not been written as gguf"):
            await house.app.commands.download(1, ANNA, None, "gguf")


async def test_an_export_that_answers_otherwise_is_not_handed_over(tmp_path):
    async with open_house(tmp_path) as house:
        house.launcher.parity_cause = "Its chat template makes another prompt."
        await house.deliver()

        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()

        assert house.titles()[-1] == "No GGUF"
        assert "chat template" in house.surface.messages()[-1]["body"]
        assert await house.app.services.db.read(datasets.artifact, 1, "gguf") is None


async def test_a_cancelled_export_leaves_a_delivered_run(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-export-a1": "hang"}) as house:
        await house.deliver()
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()
        assert (await house.run()).phase is Phase.EXPORTING

        await house.app.commands.cancel(1, ANNA)
        await house.settle()

        assert (await house.run()).phase is Phase.DELIVERED


async def test_what_cannot_be_exported_is_refused_with_what_to_do(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        with pytest.raises(UserError, match="no adapter to write"):
            await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)
        with pytest.raises(UserError, match="Only Anna"):
            await house.app.commands.export(1, BEN, ExportFormat.GGUF)
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()

        with pytest.raises(UserError, match="already"):
            await house.app.commands.export(1, ANNA, ExportFormat.GGUF)

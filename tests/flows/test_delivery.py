"""What is handed over in the end."""

from agents.jobs import ExportFormat, JobKind
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.house import ANNA, open_house


async def test_an_adapter_that_changed_on_the_disk_is_not_handed_over(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        folder = house.app.services.job_folder("run1-i1-train-a1")
        (weights,) = folder.rglob("adapter_model.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        await house.answer(Decision.APPROVE)

        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "not the one that was trained and measured" in run.failure
        assert await house.app.services.db.read(datasets.artifact, 1, "adapter") is None


async def test_measurement_and_export_are_told_which_weights_are_meant(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()

        trained, evaluated, exported = [
            await house.app.services.db.read(jobs.latest, 1, kind, 1)
            for kind in (JobKind.TRAIN, JobKind.EVALUATE, JobKind.EXPORT)
        ]
        meant = trained.payload["adapter_sha256"]
        assert [job.spec["adapter_sha256"] for job in (evaluated, exported)] == [meant, meant]

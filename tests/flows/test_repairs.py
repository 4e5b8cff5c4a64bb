"""Rows are repaired on the way to a plan: a reply sends the run back to its data, and the card is shown anew."""

from pathlib import Path
from typing import Any

from agents import jobs as folder_of
from agents.jobs import DataFinding, FindingKind, IntakeSpec, JobKind, JobSpec, Repair
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import open_house
from tests.stub_work import sha256_of

KEYS = DataFinding(
    kind=FindingKind.SECRETS,
    count=2,
    share=0.02,
    rows=(3, 9),
    sentence="2 rows hold keys.",
    repairs=(Repair.MASK_SECRETS, Repair.DROP_SECRETS),
)


class LauncherThatFinds(StubLauncher):
    """Its intake finds keys until they are to be masked; other rows are then other bytes."""

    def _succeed(self, folder: Path, spec: JobSpec) -> None:
        super()._succeed(folder, spec)
        result = folder_of.read_result(folder)
        if result is None or not isinstance(spec.spec, IntakeSpec):
            return
        facts: dict[str, Any] = {"findings": (KEYS,)}
        if Repair.MASK_SECRETS in spec.spec.repairs:
            facts = {"findings": (), "repaired": ("Masked: keys (2).",)}
            train = folder / result.payload.train.path
            train.write_text(train.read_text() + "\n" + train.read_text().splitlines()[0])
            same = {"sha256": sha256_of(train), "size_bytes": train.stat().st_size}
            facts |= {"train": result.payload.train.model_copy(update=same)}
        payload = result.payload.model_copy(update=facts)
        folder_of.write_result(folder, result.model_copy(update={"payload": payload}))


async def test_a_reply_repairs_the_rows_and_leads_to_a_new_card_and_a_new_plan(tmp_path):
    async with open_house(tmp_path, stand_in=LauncherThatFinds({})) as house:
        await house.start()
        card = next(m for m in house.surface.messages() if m["title"] == "Your data")
        before = await house.app.services.db.read(datasets.find, 1, "train")
        assert "mask keys" in card["body"]

        await house.reply("mask keys, and 2 epochs please")

        run = await house.run()
        after = await house.app.services.db.read(datasets.find, 1, "train")
        assert (run.phase, run.repairs) == (Phase.APPROVING, ["mask_secrets"])
        assert after.sha256 != before.sha256
        repaired = next(m for m in house.surface.messages() if m["title"] == "Your data, repaired")
        assert "Masked" in repaired["body"]
        question = house.surface.question()
        assert question["title"] == "The plan, version 2"
        assert "Masked" in question["body"]
        assert "`epochs` 4 → **2**" in question["body"]
        assert house.launcher.started.count("run1-i1-measure-a2") == 1

        await house.answer(Decision.APPROVE)
        spec = (await house.app.services.db.read(jobs.latest, 1, JobKind.TRAIN)).spec
        assert spec["train"]["sha256"] == after.sha256


async def test_what_was_not_found_is_not_repaired_and_that_is_said(tmp_path):
    async with open_house(tmp_path, stand_in=LauncherThatFinds({})) as house:
        await house.start()

        await house.reply("drop near duplicates")

        assert (await house.run()).repairs == []
        assert "found nothing of that kind" in house.surface.question()["body"]
        assert house.launcher.started.count("run1-i1-intake-a2") == 0


async def test_rows_that_a_model_was_tested_on_stay_as_they_are(tmp_path):
    async with open_house(tmp_path, stand_in=LauncherThatFinds({})) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        assert (await house.run()).iteration == 2

        await house.reply("mask keys")

        assert (await house.run()).repairs == []
        assert "Start a new run" in house.surface.question()["body"]

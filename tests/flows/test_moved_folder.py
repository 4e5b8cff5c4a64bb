"""A data folder that is taken to another host while a run is paused."""

import json

from storage import jobs
from storage.models import Decision, Phase
from tests.house import ANNA, open_house


async def test_a_paused_run_goes_on_where_its_folder_was_moved_to(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    async with open_house(here, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.app.commands.pause(1, ANNA)
        await house.settle()
    here.rename(there)

    async with open_house(there) as house:
        await house.app.commands.resume(1, ANNA)
        await house.settle()

        job = await house.app.services.db.read(jobs.latest, 1, "train")
        assert (await house.run()).phase is Phase.REVIEWING
        assert job.attempt == 2
        assert str(here) not in json.dumps(job.spec)
        assert str(there) in job.spec["checkpoints_dir"]

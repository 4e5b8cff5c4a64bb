"""A bot that has a delivered run published and ends: `python -m tests.flows.publish_once FOLDER ENDPOINT`.

It does what is missing, so that it can be killed at any moment and started again.
"""

import asyncio
import sys
from pathlib import Path

from bot.publish_wishes import Publish
from configs.schema import HubSettings
from storage import publications, runs
from storage.models import Decision, Phase
from tests.house import ANNA, House, open_house

REPO = "anna/codes"


async def main(folder: Path, endpoint: str) -> None:
    """Deliver, publish, approve: whatever has not been done by now."""
    hub = HubSettings(token="hf_anna", endpoint=endpoint)
    async with open_house(folder, hub=hub) as house:
        if not await house.app.services.db.read(runs.recent):
            await house.deliver()
        if not await house.app.services.db.read(publications.of_run, 1):
            await house.app.commands.publish(1, ANNA, Publish(REPO))
        await house.app.catch_up()
        await house.settle()
        await _answer(house)


async def _answer(house: House) -> None:
    if house.surface.question() is not None:
        await house.answer(Decision.APPROVE)
    if (await house.run()).phase is not Phase.DELIVERED:
        raise RuntimeError("the run does not come to rest")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

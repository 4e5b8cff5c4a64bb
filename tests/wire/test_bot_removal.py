"""A server that removes the bot ends its runs; a server that is out for a while does not."""

import asyncio
from pathlib import Path

import pytest

from storage import runs
from storage.models import Phase
from tests.wire.in_process import InProcess, bot_in_process
from tests.wire.server import WireServer
from tests.wire.thread import CSV, DELIVERED, PLAN, TASK, VERDICT, Thread, thread_of_run

APART_S = 1.0
"""Several looks of the clock."""


async def asked(server: WireServer) -> Thread:
    await (await server.person("ada").slash("finetune start", dataset=CSV, task=TASK)).ack()
    thread = await thread_of_run(server)
    await thread.question(PLAN)
    return thread


async def phase(bot: InProcess) -> Phase:
    return (await bot.app.services.db.read(runs.get, 1)).phase


async def cancelled(bot: InProcess) -> None:
    async with asyncio.timeout(10):
        while await phase(bot) is not Phase.CANCELLED:  # noqa: ASYNC110  # a row has no event to wait for
            await asyncio.sleep(0.05)


async def test_being_removed_ends_the_runs_of_that_server(wire: WireServer, tmp_path: Path) -> None:
    async with bot_in_process(wire, tmp_path) as bot:
        await asked(wire)

        wire.kick_bot()

        await cancelled(bot)


@pytest.mark.parametrize("removed", [True, False])
async def test_a_removal_is_noticed_after_a_downtime(
    wire: WireServer, tmp_path: Path, removed: bool
) -> None:
    async with bot_in_process(wire, tmp_path):
        await asked(wire)
    if removed:
        wire.kick_bot()
    async with bot_in_process(wire, tmp_path) as bot:
        if removed:
            await cancelled(bot)
        else:
            await asyncio.sleep(APART_S)
            assert await phase(bot) is Phase.APPROVING


async def test_an_outage_is_waited_out(wire: WireServer, tmp_path: Path) -> None:
    async with bot_in_process(wire, tmp_path) as bot:
        thread = await asked(wire)
        wire.outage()
        await asyncio.sleep(APART_S)
        assert await phase(bot) is Phase.APPROVING

        wire.outage(over=True)
        await thread.approve_all(wire.person("ada"), PLAN, VERDICT)
        await thread.card(DELIVERED)

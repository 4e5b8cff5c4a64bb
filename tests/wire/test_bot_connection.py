"""The bot process and its connection: what is refused for good, what is waited out, and how it ends."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.wire.bot_process import BotProcess
from tests.wire.server import WireServer
from tests.wire.thread import CSV, PLAN, TASK, thread_of_run

EXIT_CONFIG = 78
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def bot(wire: WireServer, tmp_path: Path) -> AsyncIterator[BotProcess]:
    made = BotProcess(wire, tmp_path)
    try:
        yield made
    finally:
        await made.kill()


@asynccontextmanager
async def command_line(
    server: WireServer, data_dir: Path, **env: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tunewright run`, as a supervisor starts it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "run"),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "TUNEWRIGHT_DATA_DIR": str(data_dir),
            "TUNEWRIGHT__DOWNLOADS__PORT": "0",
            **server.env(),
            **env,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_wrong_token_ends_with_what_to_do(wire: WireServer, tmp_path: Path) -> None:
    async with command_line(wire, tmp_path, DISCORD_TOKEN="a.wrong.one") as process:
        _out, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == EXIT_CONFIG
    assert b"Reset Token" in errors
    assert b"Traceback" not in errors
    assert len(wire.log) == 1


async def test_the_command_line_connects_and_ends_when_asked(
    wire: WireServer, tmp_path: Path
) -> None:
    async with command_line(wire, tmp_path) as process:
        await wire.until(lambda: wire.gateway.connected and wire.world.commands[None], 30)
        process.send_signal(signal.SIGTERM)
        _out, errors = await asyncio.wait_for(process.communicate(), 15)

    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert wire.gateway.close_codes == [1000]


@pytest.mark.parametrize("code", [4004, 4013])
async def test_a_refusal_by_the_gateway_ends_with_what_to_do(bot: BotProcess, code: int) -> None:
    await bot.start()
    bot.server.gateway.close(code)

    assert await bot.ended() == EXIT_CONFIG
    assert ("Reset Token" if code == 4004 else "newer release") in bot.log()
    assert len(bot.server.gateway.identifies) == 1


async def test_without_the_content_intent_it_says_so_once_and_works(tmp_path: Path) -> None:
    async with WireServer(message_content=False) as wire, BotProcess(wire, tmp_path) as bot:
        ada = wire.person("ada")
        await ada.say(TASK, files=[CSV], mention_bot=True)
        thread = await thread_of_run(wire)
        plan = await thread.question(PLAN)

        silent = await ada.reply(plan, "3 epochs", ping=False)
        told = await wire.until(
            lambda: [m for m in wire.messages(thread.place) if "cannot read replies" in m.content]
        )
        await ada.reply(plan, "2 epochs")
        await thread.question(f"{PLAN}, version 2")

        assert told[0].reference == (thread.place.id, silent.id)
        assert bot.log().count("MESSAGE CONTENT intent") == 1
        assert len(wire.gateway.identifies) == 2
        assert wire.violations == []


async def test_a_gateway_that_is_down_is_waited_for(bot: BotProcess) -> None:
    gateway = bot.server.gateway
    gateway.accepts_connections = False
    await bot.start(wait=False)
    await bot.server.until(lambda: "connecting again" in bot.log(), 20, poll_s=0.1)

    gateway.accepts_connections = True
    await bot.connected()

    assert len(gateway.identifies) == 1


async def test_an_api_that_is_down_is_waited_for(bot: BotProcess) -> None:
    fault = bot.server.faults.fail("GET", "/users/@me", status=503, times=2)
    await bot.start()

    assert fault.hits == 2
    assert len(bot.server.gateway.identifies) == 1


async def test_what_was_asked_before_the_connection_was_there_is_shown_after_it(
    bot: BotProcess,
) -> None:
    await bot.start()
    ada = bot.server.person("ada")
    await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
    await bot.kill()
    bot.server.gateway.accepts_connections = False
    await bot.start(wait=False)
    await asyncio.sleep(1.0)  # the run goes on without Discord

    bot.server.gateway.accepts_connections = True
    await bot.connected()

    await (await thread_of_run(bot.server)).question(PLAN)


@pytest.mark.parametrize("state", ["connected", "gateway gone", "starting"])
async def test_it_ends_when_asked_whatever_it_is_doing(bot: BotProcess, state: str) -> None:
    gateway = bot.server.gateway
    await bot.start(wait=state != "starting")
    if state == "gateway gone":
        gateway.accepts_connections = False
        gateway.reset()
        await bot.server.until(lambda: not gateway.connections)
        await asyncio.sleep(0.3)
    if state == "starting":
        await bot.server.until(lambda: bot.server.log, poll_s=0.01)

    begun_s = time.monotonic()
    assert await bot.stop() == 0
    assert time.monotonic() - begun_s < 30
    assert "Traceback" not in bot.log().split("stopped;")[-1]

"""The wire server as a program of its own, driven over `/control` while a client is connected."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.wire.dpy import Bot, default_intents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def addresses() -> AsyncIterator[dict[str, str]]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.wire.server", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    yield json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
    program.terminate()
    await program.wait()


async def test_a_bot_is_driven_by_hand(
    addresses: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot(default_intents())

    @bot.tree.command(description="Say how large a file is")
    async def measure(interaction: discord.Interaction, file: discord.Attachment) -> None:
        await interaction.response.send_message(f"{len(await file.read())} bytes")

    async def control(session: aiohttp.ClientSession, **body: Any) -> Any:
        async with session.post(addresses["control"], json=body) as answer:
            return await answer.json()

    monkeypatch.setattr(Route, "BASE", addresses["DISCORD_API_BASE"])
    monkeypatch.setattr(
        DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(addresses["DISCORD_GATEWAY_URL"])
    )
    (tmp_path / "a.csv").write_bytes(b"12345")
    async with aiohttp.ClientSession() as session, bot:
        life = asyncio.create_task(bot.start(addresses["DISCORD_TOKEN"]))
        await bot.hear("ready")
        await bot.tree.sync()
        files = {"file": str(tmp_path / "a.csv")}
        asked = await control(session, **{"as": "ada"}, do="slash", command="measure", files=files)
        await control(session, **{"as": "ada"}, do="react", emoji="✅")
        refused = await control(session, **{"as": "ada"}, do="slash", command="stop")
        transcript = await (await session.get(addresses["control"] + "/transcript")).text()
        await bot.close()
        await life

    assert asked["ack"] == 4
    assert "no command 'stop'" in refused["error"]
    assert "    5 bytes\n    ✅ ada\n" in transcript

"""The whole bot inside the test's process, against a wire server: for looking into it, and for holding it up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.app import App, open_app, run_app
from bot.discord.client import run_discord
from configs.schema import (
    DiscordSettings,
    DownloadSettings,
    GuildSettings,
    IntakeSettings,
    ScheduleSettings,
    Settings,
)
from tests.fakes import StubLauncher
from tests.wire.dpy import pointed_at
from tests.wire.server import WireServer


@dataclass
class InProcess:
    app: App
    server: WireServer
    life: "asyncio.Task[None]"


@asynccontextmanager
async def bot_in_process(
    server: WireServer,
    data_dir: Path,
    *,
    guild: dict[str, Any] | None = None,
    max_upload_bytes: int = 10**6,
    launcher: StubLauncher | None = None,
) -> AsyncIterator[InProcess]:
    """The bot, connected and with its commands registered."""
    settings = Settings(
        data_dir=data_dir,
        discord=DiscordSettings(
            token=SecretStr(server.token),
            api_base=server.api_base,
            gateway_url=server.gateway_url,
            edit_interval_s=0,
            guilds={str(server.guild.id): GuildSettings(**guild)} if guild else {},
        ),
        downloads=DownloadSettings(port=0),
        schedule=ScheduleSettings(poll_interval_s=0.1, sweep_interval_s=0.5),
        intake=IntakeSettings(max_upload_bytes=max_upload_bytes),
    )
    with pointed_at(server):  # restores what run_discord sets
        async with open_app(settings, launcher=launcher or StubLauncher()) as app, run_app(app):
            life = asyncio.create_task(run_discord(app))
            try:
                await server.until(
                    lambda: (server.world.commands[None] and app.surfaces) or life.done()
                )
                yield InProcess(app, server, life)
            finally:
                life.cancel()
                await asyncio.gather(life, return_exceptions=True)

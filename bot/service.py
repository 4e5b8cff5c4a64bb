"""The bot as a service: everything open, Discord connected, until a signal ends it."""

import asyncio
import logging
import signal

from agents.launchers import Launcher
from bot.app import open_app, run_app
from bot.discord.client import run_discord
from configs.schema import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, *, launcher: Launcher | None = None) -> None:
    """Run until SIGINT or SIGTERM. Workers go on; the next start finds them.

    Raises: bot.surface.CannotConnect, storage.database.AlreadyOpen.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with open_app(settings, launcher=launcher) as app, run_app(app):
        chat = asyncio.create_task(run_discord(app), name="discord")
        stop = asyncio.create_task(ended.wait(), name="signal")
        done, pending = await asyncio.wait({chat, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        log.info("stopped; running jobs go on and are found again by the next start")

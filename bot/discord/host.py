"""What a client of ours has beside discord.py's: the app, and work that nobody waits for."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

import discord

from bot.app import App
from bot.discord.ballots import Ballots
from bot.discord.gates import Gates

log = logging.getLogger(__name__)

REMEMBERED = 2000


class Host(discord.Client):
    """A connection to Discord that acts for an app."""

    def __init__(self, app: App, intents: discord.Intents, **options: Any) -> None:
        super().__init__(intents=intents, **options)
        self.app = app
        self.gates = Gates(self, app)
        self.ballots = Ballots(self, app, self.gates)
        self._working: set[asyncio.Task[None]] = set()
        self._seen: deque[int] = deque(maxlen=REMEMBERED)

    def soon(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something that nobody waits for; what goes wrong in it is logged."""
        task = asyncio.create_task(self._log_trouble(work, name), name=name)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def is_new(self, event_id: int) -> bool:
        """Tell whether an event with this id is seen for the first time, lately: Discord may send one twice."""
        if event_id in self._seen:
            return False
        self._seen.append(event_id)
        return True

    async def close(self) -> None:
        """Leave Discord and drop what is under way: it is found again by the next catch-up."""
        tasks = [task for task in self._working if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    async def _log_trouble(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:
            log.exception("%s failed; it is tried again at the next catch-up", name)

"""The real discord.py, pointed at a wire server, inside the test's event loop."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.wire.server import WireServer


class Bot(discord.Client):
    """A client that writes down every event it is told about."""

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.1)
        self.tree = app_commands.CommandTree(self)
        self.heard: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._told = asyncio.Condition()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause: discord.py would wait 5 s before every IDENTIFY but the first."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        super().dispatch(event, *args, **kwargs)
        self.heard.append((event, args))
        asyncio.ensure_future(self._tell())  # noqa: RUF006  # short, and nobody needs its result

    async def _tell(self) -> None:
        async with self._told:
            self._told.notify_all()

    def all_heard(self, event: str) -> list[Any]:
        """The first argument of every such event so far."""
        return [args[0] if args else None for name, args in self.heard if name == event]

    async def hear(self, event: str, count: int = 1, timeout_s: float = 5.0) -> Any:
        """Wait until an event was heard `count` times; returns its last first argument."""
        async with asyncio.timeout(timeout_s), self._told:
            await self._told.wait_for(lambda: len(self.all_heard(event)) >= count)
        return self.all_heard(event)[count - 1]


@contextlib.contextmanager
def pointed_at(server: WireServer) -> Iterator[None]:
    """discord.py's class attributes, set for this server and restored."""
    old = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = server.api_base, yarl.URL(server.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = old


@contextlib.asynccontextmanager
async def running(server: WireServer, bot: Bot) -> AsyncIterator[Bot]:
    """The bot, logged in and ready; closed at the end."""
    with pointed_at(server):
        async with bot:
            life = asyncio.create_task(bot.start(server.token))
            await bot.hear("ready")
            yield bot
            await bot.close()
            await life


def default_intents(*, content: bool = True) -> discord.Intents:
    """The intents the product asks for."""
    intents = discord.Intents(guilds=True, guild_messages=True, guild_reactions=True)
    intents.dm_messages = True
    intents.message_content = content
    return intents

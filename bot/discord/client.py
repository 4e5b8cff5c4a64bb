"""The connection to Discord: made, kept, made again, and given up only where a person has to mend something."""

import asyncio
import hashlib
import json
import logging
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.app import App
from bot.discord import ballots, gate_buttons, render, tree
from bot.discord.catch_up import CatchUp
from bot.discord.events import Listening
from bot.discord.host import Host
from bot.discord.messages import Messages
from bot.discord.sending import insist
from bot.discord.surface import DiscordSurface
from bot.surface import CannotConnect, Question
from storage import approvals

log = logging.getLogger(__name__)

LONGEST_RATE_LIMIT_S = 30.0
"""A request that would have to wait longer fails instead and is made again later; nothing hangs behind it."""
GUILDS_WITHIN_S = 0.5
"""How long to wait for another server's data at the start: what comes later is not missed."""
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0
"""Between two connections. Each costs one of 1000 a day, after which Discord resets the token."""
STABLE_AFTER_S = 600.0
GOODBYE_S = 1.0

REFUSED = {
    4004: "Discord does not accept the bot token. Press Reset Token on the Bot page of the developer portal "
    "and set DISCORD_TOKEN (or discord.token) to the new one.",
    4010: "Discord refuses the connection as a wrong shard. This is a fault of this release; install a newer one.",
    4011: "The bot is in more servers than one connection may serve (about 2500). Remove it from some.",
    4012: "Discord does not speak this version of its protocol any more. Install a newer release.",
    4013: "Discord does not know the intents that this release asks for. Install a newer release.",
}
NO_INTENT = (
    "Discord refuses the MESSAGE CONTENT intent, so replies are read only where they mention me. To change that, "
    "switch it on on the Bot page of the developer portal; to be rid of this line, set discord.message_content to false."
)


class TunewrightClient(Host):
    """One connection: hears events, registers commands, and shows runs while it is ready."""

    def __init__(self, app: App, *, message_content: bool) -> None:
        intents = discord.Intents(guilds=True, guild_messages=True, guild_reactions=True)
        intents.message_content = message_content
        super().__init__(
            app,
            intents,
            allowed_mentions=render.QUIET,
            max_messages=None,
            max_ratelimit_timeout=LONGEST_RATE_LIMIT_S,
            guild_ready_timeout=GUILDS_WITHIN_S,
        )
        self.tree = tree.Tree(self)
        self.messages = Messages(self)
        self.catch_up = CatchUp(self, self.messages)
        self.listening = Listening(self, self.messages, self.catch_up)
        self.surface = DiscordSurface(self, app.settings.discord.edit_interval_s, self._found)
        _outlive_malformed_events(self)

    async def setup_hook(self) -> None:
        """Get ready to hear commands and buttons, old ones too."""
        tree.add_commands(self.tree, self)
        self.add_dynamic_items(gate_buttons.GateButton, ballots.BallotButton)
        self.soon(self.catch_up.keep_noting(), "noting what was heard")

    async def on_ready(self) -> None:
        """Start showing runs and read what was missed: at the first session and at each one after a lost one."""
        if not self._is_shown():
            self.app.add_surface(self.surface)
        self.soon(self.listening.to_removals_missed(), "looking for servers that are gone")
        self.soon(self.catch_up.read(), "catching up")
        self.soon(self._register_commands(), "registering commands")

    async def on_disconnect(self) -> None:
        """Remember that something may be missing from here on."""
        self.catch_up.interrupted()

    async def on_resumed(self) -> None:
        """Remember that nothing is missing."""
        self.catch_up.resumed()

    async def on_message(self, message: discord.Message) -> None:
        """Hear what people write."""
        await self.listening.to_message(message)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Hear ✅ and ❌, numbers, and votes."""
        await self.listening.to_reaction(payload)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        """Hear that a number is taken away."""
        await self.listening.to_reaction_taken_away(payload)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Notice that a card is gone."""
        await self.listening.to_deleted(payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Notice that cards are gone."""
        for message_id in payload.message_ids:
            await self.listening.to_deleted(message_id)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Notice that a server has removed us."""
        await self.listening.to_removal(guild.id)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Notice that a run's thread is gone."""
        await self.listening.to_deleted_thread(payload.thread_id)

    async def close(self) -> None:
        """Leave Discord; runs are not shown there until the next connection."""
        if self._is_shown():
            self.app.drop_surface(self.surface.name)
        await super().close()

    def _is_shown(self) -> bool:
        shown: object = self.app.surfaces.get(self.surface.name)
        return shown is self.surface

    def _found(self, message: discord.Message, question: Question) -> None:
        self.soon(self._count_reactions(message, question), "counting reactions")

    async def _count_reactions(self, message: discord.Message, question: Question) -> None:
        approval = await self.app.services.db.read(approvals.get, question.approval_id)
        if approval is not None:
            await self.catch_up.read_below(message, approval)

    async def _register_commands(self) -> None:
        """Tell Discord our commands, where they are not those that it was told last."""
        shown = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
        path = self.app.services.data_dir / "discord-commands"
        known = f"{self.application_id} {digest}"
        if await asyncio.to_thread(_read, path) != known:
            await insist(self.tree.sync)
            await asyncio.to_thread(path.write_text, known)
            log.info("commands registered")


async def run_discord(app: App) -> None:
    """Be on Discord until cancelled. Trouble on the way there or during it is waited out, ever longer.

    Raises: CannotConnect: token or intents are refused; only a person can change that.
    """
    # we have no voice, and need none
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    settings = app.settings.discord
    token = settings.token.get_secret_value() if settings.token else ""
    _point_at(settings.api_base, settings.gateway_url)
    message_content, wait_s = settings.message_content, FIRST_WAIT_S
    while True:
        begun_s = time.monotonic()
        try:
            await _connect(app, token, message_content=message_content)
        except discord.PrivilegedIntentsRequired as error:
            if not message_content:
                raise CannotConnect(NO_INTENT) from error
            log.warning(NO_INTENT)
            message_content = False
            continue
        if time.monotonic() - begun_s > STABLE_AFTER_S:
            wait_s = FIRST_WAIT_S
        log.warning("Discord: connecting again in %.0f s", wait_s)
        await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _connect(app: App, token: str, *, message_content: bool) -> None:
    """Be connected until that ends by itself.

    Raises: CannotConnect. discord.PrivilegedIntentsRequired: of all refusals the one we can do something about.
    """
    client = TunewrightClient(app, message_content=message_content)
    life = asyncio.create_task(client.start(token), name="connection to Discord")
    try:
        await asyncio.wait({life})
    finally:
        # twice: on Python 3.11 a cancellation can get lost in discord.py's wait_for, but not once the client is closed
        life.cancel()
        await asyncio.wait({life}, timeout=GOODBYE_S)
        await client.close()
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
    try:
        life.result()
    except discord.PrivilegedIntentsRequired:
        raise
    except discord.LoginFailure as error:
        raise CannotConnect(REFUSED[4004]) from error
    except discord.ConnectionClosed as error:
        if error.code in REFUSED:
            raise CannotConnect(REFUSED[error.code]) from error
        log.warning("Discord closed the connection: %s", error)
    except Exception:
        log.exception("the connection to Discord has ended")


def _point_at(api_base: str, gateway_url: str) -> None:
    """Set where Discord is: elsewhere than at its own address only in tests, on loopback."""
    Route.BASE = api_base
    url_type = type(DiscordWebSocket.DEFAULT_GATEWAY)
    DiscordWebSocket.DEFAULT_GATEWAY = url_type(gateway_url)


def _outlive_malformed_events(client: discord.Client) -> None:
    """Let an event that discord.py cannot read cost that event, not the connection.

    discord.py has no hook for this; its table of parsers is the one place that every event passes.
    """
    parsers = client._connection.parsers
    for name, parse in parsers.items():
        if name not in ("READY", "RESUMED"):
            parsers[name] = partial(_parsed, name, parse)


def _parsed(name: str, parse: Any, data: Any) -> None:
    try:
        parse(data)
    except Exception:
        log.exception("an event %s from Discord could not be read; it is left out", name)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""

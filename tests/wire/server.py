"""The wire server: Discord's REST and gateway on loopback, for tests of the real bot process.

In a test:

    async with WireServer() as server:
        ada = server.person("ada")
        ...start the bot with server.env()...
        await server.until(lambda: server.gateway.connected)
        asked = await ada.slash("finetune start", dataset=("a.csv", b"..."), task="Classify it")
        thread = await server.until(lambda: server.newest_thread())

By hand: `python -m tests.wire.server --port 8765` prints its addresses as JSON; `POST /control` acts for
people (control.py).
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from tests.wire import (
    control,
    intents,
    render,
    rights,
    routes_app,
    routes_channels,
    routes_interactions,
    routes_messages,
    threads,
)
from tests.wire.calls import Request
from tests.wire.gateway import Gateway
from tests.wire.loopback import serve
from tests.wire.model import (
    FORUM,
    TEXT,
    Channel,
    Event,
    Guild,
    Member,
    Message,
    Ping,
    Role,
    User,
    World,
)
from tests.wire.people import Person
from tests.wire.rest import API, MAX_BODY_BYTES, Rest
from tests.wire.transcript import transcript
from tests.wire.waiting import until

T = TypeVar("T")

ROUTES = [
    *routes_messages.ROUTES,
    *routes_channels.ROUTES,
    *routes_interactions.ROUTES,
    *routes_app.ROUTES,
]


class WireServer:
    """One Discord with one guild, one channel "general", and one bot.

    Args:
        message_content: the app's owner has switched on the message content intent.
        bot_permissions: what the bot's role grants, besides what everybody may do.
        seed: of the random faults.
        port: 0 picks a free one.
    """

    def __init__(
        self,
        *,
        message_content: bool = True,
        bot_permissions: int = rights.INVITED,
        seed: int = 0,
        port: int = 0,
    ) -> None:
        self.world = World()
        self.token = "wire.token.of-the-bot"
        self.rest = Rest(self.world, self.token, seed)
        self.gateway = Gateway(self.world, self.token, seed)
        self.faults = self.rest.faults
        self.port = port
        self._runner: web.AppRunner | None = None
        self._people: dict[str, Person] = {}
        if message_content:
            self.world.privileged_intents = intents.MESSAGE_CONTENT
        self._settle(bot_permissions)

    def _settle(self, bot_permissions: int) -> None:
        world = self.world
        owner, bot = (
            User(world.snowflake(), "owner"),
            User(world.snowflake(), "tunewright", bot=True),
        )
        world.users |= {owner.id: owner, bot.id: bot}
        world.bot_id = world.application_id = bot.id
        guild_id = world.snowflake()
        self.guild = Guild(guild_id, "Workshop", owner.id)
        world.guilds[guild_id] = self.guild
        self.guild.roles[guild_id] = Role(guild_id, "@everyone", rights.EVERYONE, 0)
        badge = self.role("tunewright", permissions=bot_permissions, managed=True)
        self.guild.members[owner.id] = Member(owner.id, [], world.now())
        self.guild.members[bot.id] = Member(bot.id, [badge.id], world.now())
        self.general = self.channel("general")
        self._people["owner"] = Person(world, owner, self.general)

    # --- life

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        control.mount(app, self)
        self.rest.mount(app, ROUTES)
        self._runner, self.port = await serve(app, self.port)
        self.world.base_url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gateway.close(1001)
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_base(self) -> str:
        return self.world.base_url + API

    @property
    def gateway_url(self) -> str:
        return routes_app.gateway_url(self.world)

    def env(self) -> dict[str, str]:
        """The environment that points the bot process at this server."""
        return {
            "DISCORD_TOKEN": self.token,
            "DISCORD_API_BASE": self.api_base,
            "DISCORD_GATEWAY_URL": self.gateway_url,
        }

    # --- the scene

    def person(self, name: str) -> Person:
        """A member of the guild by name; joins on first mention."""
        if name not in self._people:
            user = User(self.world.snowflake(), name)
            self.world.users[user.id] = user
            self.guild.members[user.id] = Member(user.id, [], self.world.now())
            self._people[name] = Person(self.world, user, self.general)
        return self._people[name]

    def channel(self, name: str) -> Channel:
        """A text channel by name; made on first mention."""
        return self._channel(name, TEXT)

    def forum(self, name: str) -> Channel:
        """A forum by name; made on first mention."""
        return self._channel(name, FORUM)

    def _channel(self, name: str, kind: int) -> Channel:
        for place in self.world.channels.values():
            if place.name == name and place.type == kind:
                return place
        place = Channel(self.world.snowflake(), kind, name, self.guild.id)
        place.position = len(self.world.channels)
        self.world.channels[place.id] = place
        body = render.channel(self.world, place)
        intents.emit(self.world, place, "CHANNEL_CREATE", body, intents.GUILDS)
        return place

    def role(self, name: str, *, permissions: int = 0, managed: bool = False) -> Role:
        """A role by name; made on first mention."""
        for held in self.guild.roles.values():
            if held.name == name:
                return held
        made = Role(
            self.world.snowflake(), name, permissions, len(self.guild.roles), managed=managed
        )
        self.guild.roles[made.id] = made
        body = {"guild_id": str(self.guild.id), "role": render.role(made)}
        self.world.emit(Event("GUILD_ROLE_CREATE", body, intents.GUILDS))
        return made

    def deny(self, place: Channel, *names: str, person: Person | None = None) -> None:
        """Take rights away from the bot (or a person) in a channel: `deny(general, "send_messages")`."""
        self._overwrite(place, 0, rights.bits(*names), person)

    def allow(self, place: Channel, *names: str, person: Person | None = None) -> None:
        """Give rights in a channel, also such as were denied before."""
        self._overwrite(place, rights.bits(*names), 0, person)

    def _overwrite(self, place: Channel, allow: int, deny: int, person: Person | None) -> None:
        key = person.id if person else self.world.bot_id
        old_allow, old_deny = place.overwrites.get(key, (0, 0))
        place.overwrites[key] = ((old_allow | allow) & ~deny, (old_deny | deny) & ~allow)
        body = render.channel(self.world, place)
        self.world.emit(Event("CHANNEL_UPDATE", body, intents.GUILDS))

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        """Archive a thread, as its timer or a moderator does."""
        threads.update(self.world, thread, {"archived": True, "locked": locked})

    def delete_channel(self, place: Channel) -> None:
        threads.delete_channel(self.world, place)

    def boost(self, tier: int) -> None:
        """People boost the guild to a tier, 0 … 3, which raises its limits."""
        self.guild.premium_tier = tier
        self.world.emit(Event("GUILD_UPDATE", render.guild(self.world, self.guild), intents.GUILDS))

    def outage(self, *, over: bool = False) -> None:
        """The guild becomes unavailable (not left!), or comes back."""
        self.guild.available = over
        if over:
            body = render.guild_create(self.world, self.guild, all_members=False)
            self.world.emit(Event("GUILD_CREATE", body, intents.GUILDS))
        else:
            body = {"id": str(self.guild.id), "unavailable": True}
            self.world.emit(Event("GUILD_DELETE", body, intents.GUILDS))

    def kick_bot(self) -> None:
        """Remove the bot from the guild."""
        del self.guild.members[self.world.bot_id]
        self.world.emit(Event("GUILD_DELETE", {"id": str(self.guild.id)}, intents.GUILDS))

    def advance(self, seconds: float) -> None:
        """Move the server's clock, on which links, tokens and nonces age."""
        self.world.advance(seconds)

    # --- questions

    def messages(self, place: Channel) -> list[Message]:
        """What stands in a channel or thread, oldest first, without ephemeral and deleted messages."""
        return self.world.history(place.id)

    def newest(self, place: Channel) -> Message | None:
        """The bot's newest message in a channel or thread."""
        own = [m for m in self.messages(place) if m.author_id == self.world.bot_id]
        return own[-1] if own else None

    def thread_of(self, message: Message) -> Channel | None:
        """The thread that was started from a message."""
        return self.world.channels.get(message.id)

    def threads(self) -> list[Channel]:
        """All threads of the guild, oldest first."""
        return sorted(self.world.threads(self.guild.id), key=lambda place: place.id)

    def newest_thread(self) -> Channel | None:
        return self.threads()[-1] if self.threads() else None

    async def until(
        self,
        predicate: Callable[[], T | None],
        timeout_s: float = 10.0,
        what: str = "",
        poll_s: float | None = None,
    ) -> T:
        """Wait for a change of this world that makes `predicate` true; see waiting.until.

        Raises: AssertionError: after `timeout_s`, with the last requests of the bot.
        """
        try:
            return await until(self.world, predicate, timeout_s, what, poll_s)
        except AssertionError as error:
            recent = "\n".join(f"  {entry}" for entry in self.rest.log[-12:])
            raise AssertionError(f"{error}; last requests:\n{recent}") from None

    def transcript(self, place: Channel) -> str:
        return transcript(self.world, place)

    @property
    def log(self) -> list[Request]:
        """Every REST request, oldest first."""
        return self.rest.log

    def requests(self, method: str, path: str) -> list[Request]:
        """The requests with this method whose whole path matches a regex."""
        return [e for e in self.rest.log if e.method == method and re.fullmatch(path, e.path)]

    @property
    def invalid_requests(self) -> int:
        """How many answers were 401, 403 or 429: 10,000 in ten minutes get an address banned."""
        return sum(entry.status in (401, 403, 429) for entry in self.rest.log)

    @property
    def violations(self) -> list[str]:
        """What the bot sent that Discord or its API description does not allow."""
        return self.world.violations

    @property
    def pings(self) -> list[Ping]:
        """Every message that notified somebody."""
        return self.world.pings

    def pings_of(self, person: Person) -> list[Ping]:
        """The bot's messages that notified a person by name (roles and everyone aside)."""
        own = [ping for ping in self.world.pings if ping.author_id == self.world.bot_id]
        return [ping for ping in own if person.id in ping.user_ids]


async def _stand(port: int) -> None:
    async with WireServer(port=port) as server:
        addresses = {
            **server.env(),
            "control": f"{server.world.base_url}/control",
            "guild_id": str(server.guild.id),
            "channel_id": str(server.general.id),
        }
        sys.stdout.write(json.dumps(addresses) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A Discord-speaking server on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    try:
        asyncio.run(_stand(parser.parse_args().port))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

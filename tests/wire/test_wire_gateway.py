"""The gateway under the real discord.py: sessions, resumption, lost sessions, refusals, compression."""

import asyncio
import json
import zlib
from typing import Any

import aiohttp
import discord
import pytest

from tests.wire import gateway
from tests.wire.dpy import Bot, default_intents, pointed_at, running
from tests.wire.server import WireServer


async def test_the_bot_logs_in_over_a_zstd_stream(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        assert bot.guilds[0].me.id == wire.world.bot_id
        assert bot.guilds[0].me.guild_permissions.send_messages
        assert {connection.compress for connection in wire.gateway.connections} == {"zstd-stream"}
        assert wire.gateway.identifies[0]["intents"] == default_intents().value


async def test_a_wrong_token_and_a_forbidden_intent_end_the_client() -> None:
    async with WireServer(message_content=False) as wire:
        with pointed_at(wire):
            async with Bot(default_intents()) as bot:
                with pytest.raises(discord.LoginFailure):
                    await bot.start("wrong")
            async with Bot(default_intents()) as bot:
                with pytest.raises(discord.PrivilegedIntentsRequired):
                    await bot.start(wire.token)
        async with running(wire, Bot(default_intents(content=False))):
            assert wire.gateway.connected
        assert wire.world.identifies_left == 998


@pytest.mark.parametrize(
    "interruption", ["op 7", "op 9 true", "4000", "1000 by the server", "reset"]
)
async def test_what_happens_during_an_interruption_is_replayed(
    wire: WireServer, interruption: str
) -> None:
    interrupt = {
        "op 7": wire.gateway.reconnect,
        "op 9 true": lambda: wire.gateway.invalidate(resumable=True),
        "4000": lambda: wire.gateway.close(4000),
        "1000 by the server": lambda: wire.gateway.close(1000),
        "reset": wire.gateway.reset,
    }
    async with running(wire, Bot(default_intents())) as bot:
        await wire.person("ada").say("one")
        await bot.hear("message")
        interrupt[interruption]()
        await wire.person("ada").say("two")
        await wire.until(lambda: not wire.gateway.connected)
        await wire.person("ada").say("three")
        await bot.hear("resumed")
        await wire.person("ada").say("four")
        await bot.hear("message", 4)

        assert [m.content for m in bot.all_heard("message")] == ["one", "two", "three", "four"]
        assert len(wire.gateway.identifies) == 1


@pytest.mark.parametrize("loss", ["op 9 false", "resume refused", "4009"])
async def test_what_happens_while_a_session_is_lost_is_never_told(
    wire: WireServer, loss: str
) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        if loss == "op 9 false":
            wire.gateway.invalidate(resumable=False)
        elif loss == "4009":
            wire.gateway.close(4009)
        else:
            wire.gateway.lose_sessions()
            wire.gateway.reset()
        missed = await wire.person("ada").say("lost")
        await bot.hear("ready", 2)
        await wire.person("ada").say("told")
        await bot.hear("message")

        assert [m.content for m in bot.all_heard("message")] == ["told"]
        channel = bot.guilds[0].text_channels[0]
        assert (await channel.fetch_message(missed.id)).content == "lost"
        assert len(wire.gateway.identifies) == 2


async def test_events_come_twice_or_out_of_order_when_told_to(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        wire.gateway.duplicates = True
        await wire.person("ada").say("0")
        await bot.hear("message", 2)
        wire.gateway.duplicates, wire.gateway.shuffle = False, 5
        for number in range(1, 13):
            await wire.person("ada").say(str(number))
        await bot.hear("message", 14)

        heard = [int(message.content) for message in bot.all_heard("message")]
        assert heard[:2] == [0, 0]
        assert sorted(heard[2:]) == list(range(1, 13))
        assert heard[2:] != list(range(1, 13))
        assert all(abs(place - number) <= 5 for place, number in enumerate(heard[2:], 1))


async def test_an_outage_is_not_a_farewell(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        wire.outage()
        await bot.hear("guild_unavailable")
        wire.outage(over=True)
        await bot.hear("guild_available", 2)
        wire.kick_bot()
        await bot.hear("guild_remove")
        with pytest.raises(discord.Forbidden):
            await bot.get_partial_messageable(wire.general.id).send("hello")


async def test_heartbeats_are_answered_and_asked_for(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        (connection,) = wire.gateway.connections
        before = len(connection.received)
        wire.gateway.ask_heartbeat()
        await wire.until(lambda: len(connection.received) > before)

        assert bot.latency < 1


async def test_members_are_sent_in_chunks(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        ada = wire.person("ada")
        found = await bot.guilds[0].query_members("ad")

        assert [member.id for member in found] == [ada.id]


@pytest.mark.parametrize("compress", ["zlib-stream", "none"])
async def test_other_frames_are_spoken_too(wire: WireServer, compress: str) -> None:
    unpack = zlib.decompressobj()

    def read(message: aiohttp.WSMessage) -> Any:
        data = message.data
        return json.loads(unpack.decompress(data) if isinstance(data, bytes) else data)

    url = f"{wire.gateway_url}?v=10&encoding=json&compress={compress}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        hello = read(await socket.receive())
        await socket.send_json({"op": gateway.IDENTIFY, "d": {"token": wire.token, "intents": 1}})
        ready, created = read(await socket.receive()), read(await socket.receive())
        await wire.person("ada").say("not asked for")
        await socket.send_json({"op": gateway.HEARTBEAT, "d": 2})
        ack = read(await socket.receive())
        await socket.close(code=1000)
        await wire.until(lambda: not wire.gateway.connections)

    # Closing with 1000 ends the session: there is nothing to resume.
    assert (wire.gateway.close_codes, wire.gateway.sessions) == ([1000], {})
    assert hello["op"] == gateway.HELLO
    assert [ready["t"], created["t"]] == ["READY", "GUILD_CREATE"]
    assert ack == {"op": gateway.ACK}


async def test_too_many_commands_close_the_connection() -> None:
    async with (
        WireServer() as wire,
        aiohttp.ClientSession() as session,
        session.ws_connect(wire.gateway_url) as socket,
    ):
        for _ in range(gateway.SENDS_PER_MINUTE + 1):
            await socket.send_json({"op": gateway.HEARTBEAT, "d": None})
        async with asyncio.timeout(5):
            while not socket.closed:
                await socket.receive()

        assert socket.close_code == 4008
        assert wire.violations == ["gateway: more than 120 commands in a minute"]

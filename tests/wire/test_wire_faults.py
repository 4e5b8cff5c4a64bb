"""The fault script under the real discord.py: what it retries, what it raises, and what happens twice."""

import asyncio
import time

import aiohttp
import discord
import pytest

from tests.wire.dpy import Bot, default_intents, running
from tests.wire.server import WireServer

MESSAGES = r"/channels/\d+/messages"


def general(bot: Bot) -> discord.TextChannel:
    return bot.guilds[0].text_channels[0]


async def test_a_route_limit_delays_that_request(wire: WireServer) -> None:
    fault = wire.faults.rate_limit("POST", MESSAGES, retry_after_s=0.2)
    async with running(wire, Bot(default_intents())) as bot:
        started_s = time.monotonic()
        await general(bot).send("hello")

        assert time.monotonic() - started_s >= 0.2
        assert [entry.status for entry in wire.requests("POST", MESSAGES)] == [429, 200]
        assert (fault.seen, fault.hits) == (2, 1)


async def test_a_global_limit_delays_everything(wire: WireServer) -> None:
    wire.faults.rate_limit("POST", MESSAGES, retry_after_s=0.3, scope="global")
    async with running(wire, Bot(default_intents())) as bot:
        sending = asyncio.create_task(general(bot).send("hello"))
        await wire.until(lambda: wire.requests("POST", MESSAGES))
        await asyncio.sleep(0)
        started_s = time.monotonic()
        await asyncio.sleep(0.05)
        await general(bot).typing()

        assert time.monotonic() - started_s >= 0.2
        await sending


async def test_a_429_without_via_looks_like_a_ban(wire: WireServer) -> None:
    wire.faults.rate_limit("POST", MESSAGES, retry_after_s=0.1, via=False)
    async with running(wire, Bot(default_intents())) as bot:
        with pytest.raises(discord.HTTPException) as banned:
            await general(bot).send("hello")

        assert banned.value.status == 429
        assert wire.invalid_requests == 1


@pytest.mark.parametrize(("status", "when"), [(500, "before"), (502, "after")])
async def test_a_500_is_retried_and_the_nonce_keeps_it_single(
    wire: WireServer, status: int, when: str
) -> None:
    wire.faults.fail("POST", MESSAGES, status=status, when="after" if when == "after" else "before")
    async with running(wire, Bot(default_intents())) as bot:
        await general(bot).send("hello")

        assert [entry.status for entry in wire.requests("POST", MESSAGES)] == [status, 200]
        assert [message.content for message in wire.messages(wire.general)] == ["hello"]


async def test_a_503_and_a_dropped_answer_are_not_retried(wire: WireServer) -> None:
    wire.faults.fail("POST", MESSAGES, status=503)
    async with running(wire, Bot(default_intents())) as bot:
        with pytest.raises(discord.DiscordServerError):
            await general(bot).send("one")
        assert wire.messages(wire.general) == []

        wire.faults.drop("POST", MESSAGES, when="before")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await general(bot).send("two", nonce="two")
        wire.faults.drop("POST", MESSAGES, when="after")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await general(bot).send("two", nonce="two")
        wire.faults.cut("POST", MESSAGES)
        with pytest.raises(aiohttp.ClientPayloadError):
            await general(bot).send("two", nonce="two")
        await general(bot).send("two", nonce="two")

        assert [message.content for message in wire.messages(wire.general)] == ["two"]
        assert [entry.status for entry in wire.requests("POST", MESSAGES)] == [503, 0, 0, 0, 200]


async def test_follow_ups_have_no_nonce_and_come_twice(wire: WireServer) -> None:
    bot = Bot(default_intents())

    @bot.tree.command(description="Report")
    async def report(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("first")
        await interaction.followup.send("more")

    async with running(wire, bot):
        await bot.tree.sync()
        wire.faults.fail("POST", r"/webhooks/.*", when="after")
        asked = await wire.person("ada").slash("report")
        await wire.until(lambda: len(asked.followups) == 2)

        assert [message.content for message in wire.messages(wire.general)] == [
            "first",
            "more",
            "more",
        ]


async def test_faults_can_be_late_rare_and_healed(wire: WireServer) -> None:
    second = wire.faults.fail("POST", MESSAGES, status=503, nth=2)
    async with running(wire, Bot(default_intents())) as bot:
        await general(bot).send("one")
        with pytest.raises(discord.DiscordServerError):
            await general(bot).send("two")
        rare = wire.faults.fail("POST", MESSAGES, status=503, probability=0.5)
        outcomes = await asyncio.gather(
            *(general(bot).send(str(number)) for number in range(20)), return_exceptions=True
        )
        wire.faults.clear()
        wire.faults.delay("POST", MESSAGES, seconds=0.1)
        started_s = time.monotonic()
        await general(bot).send("three")

        assert second.hits == 1
        assert 3 < rare.hits < 17
        assert (
            sum(isinstance(outcome, discord.DiscordServerError) for outcome in outcomes)
            == rare.hits
        )
        assert time.monotonic() - started_s >= 0.1
        assert wire.requests("POST", MESSAGES)[-1].faults == ("delay",)


async def test_real_limits_are_told_by_headers_and_obeyed(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        sent = await general(bot).send("vote")
        wire.rest.rate_limits.enabled = True
        for emoji in "🙂🙃😀":
            await sent.add_reaction(emoji)
        wire.advance(3601)
        statuses = []
        async with aiohttp.ClientSession(headers={"Authorization": f"Bot {wire.token}"}) as session:
            url = f"{wire.api_base}/channels/{sent.channel.id}/messages/{sent.id}"
            for number in range(4):
                answer = await session.patch(url, json={"content": str(number)})
                statuses.append((answer.status, (await answer.json()).get("code")))

        assert statuses == [(200, None), (200, None), (200, None), (429, 30046)]
        assert wire.invalid_requests == 1

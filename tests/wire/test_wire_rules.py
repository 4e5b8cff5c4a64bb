"""What Discord refuses or remembers, under the real discord.py: nonces, rights, limits, links, pings."""

import io

import aiohttp
import discord
import pytest

from tests.wire import intents
from tests.wire.dpy import Bot, default_intents, running
from tests.wire.schema import Description
from tests.wire.server import ROUTES, WireServer


def general(bot: Bot) -> discord.TextChannel:
    return bot.guilds[0].text_channels[0]


def code_of(failure: pytest.ExceptionInfo[discord.HTTPException]) -> tuple[int, int]:
    return failure.value.status, failure.value.code


async def test_one_nonce_makes_one_message_for_minutes(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        first = await general(bot).send("plan", nonce="e1:plan")
        second = await general(bot).send("plan", nonce="e1:plan")
        assert first.id == second.id
        assert len(judged_wire.messages(judged_wire.general)) == 1

        judged_wire.advance(600)
        third = await general(bot).send("plan", nonce="e1:plan")
        assert third.id != first.id
        await third.delete()
        with pytest.raises(discord.NotFound):
            await general(bot).send("plan", nonce="e1:plan")


async def test_missing_rights_are_told_apart(judged_wire: WireServer) -> None:
    hidden = judged_wire.channel("hidden")
    async with running(judged_wire, Bot(default_intents())) as bot:
        judged_wire.deny(judged_wire.general, "send_messages", "embed_links")
        judged_wire.deny(hidden, "view_channel")
        with pytest.raises(discord.Forbidden) as mute:
            await general(bot).send("hello")
        with pytest.raises(discord.Forbidden) as blind:
            await bot.get_partial_messageable(hidden.id).send("hello")
        judged_wire.allow(judged_wire.general, "send_messages")
        with pytest.raises(discord.Forbidden) as plain:
            await general(bot).send(embed=discord.Embed(title="card"))
        await judged_wire.person("ada").say("unseen", hidden)
        await general(bot).send("hello")
        await bot.hear("message")

        assert (code_of(mute), code_of(blind), code_of(plain)) == (
            (403, 50013),
            (403, 50001),
            (403, 50013),
        )
        assert [message.content for message in bot.all_heard("message")] == ["hello"]
        assert judged_wire.invalid_requests == 3


async def test_limits_answer_with_their_codes(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        sent = await general(bot).send("vote")
        for number in range(20):
            await sent.add_reaction(chr(0x1F600 + number))
        heavy = [discord.Embed(description="x" * 4000), discord.Embed(description="x" * 2001)]
        big = discord.File(io.BytesIO(b"\0" * (10 * 1024 * 1024 + 1)), "big.bin")
        failures = []
        for attempt in (
            general(bot).send("x" * 2001),
            general(bot).send(embeds=heavy),
            general(bot).send(file=big),
            general(bot).send(""),
            sent.add_reaction("✅"),
            general(bot).fetch_message(1),
            bot.guilds[0].fetch_member(1),
            sent.add_reaction("no emoji"),
        ):
            with pytest.raises(discord.HTTPException) as failure:
                await attempt
            failures.append(code_of(failure))

        assert failures == [
            (400, 50035),
            (400, 50035),
            (413, 40005),
            (400, 50006),
            (400, 30010),
            (404, 10008),
            (404, 10013),
            (400, 10014),
        ]


async def test_links_expire_and_a_fresh_look_gives_fresh_ones(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        said = await judged_wire.person("ada").say("file", files=[("a.csv", b"0123456789")])
        old = (await bot.hear("message")).attachments[0]
        judged_wire.advance(25 * 3600)
        with pytest.raises(discord.NotFound):
            await old.read()
        fresh = (await general(bot).fetch_message(said.id)).attachments[0]
        assert await fresh.read() == b"0123456789"
        answer = await bot.http.request(
            discord.http.Route("POST", "/attachments/refresh-urls"),
            json={"attachment_urls": [old.url]},
        )
        refreshed = answer["refreshed_urls"][0]["refreshed"]
        assert await bot.http.get_from_cdn(refreshed) == b"0123456789"

        judged_wire.faults.truncate("GET", "/attachments/.*", keep_bytes=4)
        assert await fresh.read() == b"0123"
        judged_wire.faults.cut("GET", "/attachments/.*")
        with pytest.raises(aiohttp.ClientError):
            await fresh.read()


async def test_pings_are_what_the_text_and_allowed_mentions_leave_over(
    judged_wire: WireServer,
) -> None:
    ada, ben = judged_wire.person("ada"), judged_wire.person("ben")
    nobody, only_ada = (
        discord.AllowedMentions.none(),
        discord.AllowedMentions(users=[discord.Object(ada.id)]),
    )
    async with running(judged_wire, Bot(default_intents())) as bot:
        both = f"{ada.mention} {ben.mention} @everyone"
        await general(bot).send(both)
        await general(bot).send(both, allowed_mentions=nobody)
        await general(bot).send(both, allowed_mentions=only_ada, silent=True)
        asked = await ada.say("hello")
        heard = await bot.hear("message", 4)
        await heard.reply("hi")
        await heard.reply("hi", mention_author=False)

    own = [ping for ping in judged_wire.pings if ping.author_id == judged_wire.world.bot_id]
    assert [(ping.user_ids, ping.everyone, ping.silent) for ping in own] == [
        ((ada.id, ben.id), False, False),
        ((ada.id,), False, True),
        ((ada.id,), False, False),
    ]
    assert len(judged_wire.pings_of(ben)) == 1
    assert judged_wire.messages(judged_wire.general)[-1].reference == (asked.channel_id, asked.id)


async def test_unknown_routes_and_strangers_are_refused() -> None:
    async with WireServer() as wire, aiohttp.ClientSession() as session:
        unknown = await session.get(f"{wire.api_base}/no/such/route")
        stranger = await session.get(f"{wire.api_base}/users/@me")

        assert (unknown.status, stranger.status) == (404, 401)
        assert stranger.headers["Content-Type"] == "application/json"
        assert wire.violations == ["unknown route: GET /no/such/route"]
        assert wire.invalid_requests == 1


@pytest.mark.skipif(not Description().present, reason="Discord's API description is not here")
async def test_a_body_outside_discords_schema_is_written_down() -> None:
    async with WireServer() as wire, aiohttp.ClientSession() as session:
        url = f"{wire.api_base}/channels/{wire.general.id}/messages"
        for body in ({"content": "x", "embeds": [{"title": 7}]}, {"content": "x", "flags": "many"}):
            await session.post(url, headers={"Authorization": f"Bot {wire.token}"}, json=body)

        path = f"POST /channels/{wire.general.id}/messages"
        assert wire.violations == [
            f"{path}: $.embeds[0].title: 7 is not of type 'string', 'null'",
            f"{path}: $.flags: 'many' is not of type 'integer', 'null'",
        ]


@pytest.mark.skipif(not Description().present, reason="Discord's API description is not here")
def test_every_route_is_spelled_as_discord_spells_it() -> None:
    description = Description()
    unknown = [
        (r.method, r.template) for r in ROUTES if not description.knows(r.method, r.template)
    ]

    assert len(ROUTES) > 50
    assert unknown == [("POST", "/attachments/refresh-urls")]


async def test_the_guild_its_people_and_the_app_can_be_read(judged_wire: WireServer) -> None:
    ada = judged_wire.person("ada")
    judged_wire.world.privileged_intents |= intents.GUILD_MEMBERS
    wanted = default_intents()
    wanted.members = True
    async with running(judged_wire, Bot(wanted)) as bot:
        guild = bot.guilds[0]
        names = ["owner", "tunewright", "ada"]

        assert [member.name for member in guild.members] == names
        fetched = [member.name async for member in guild.fetch_members(limit=None)]
        assert sorted(fetched) == sorted(names)
        assert (await bot.fetch_guild(guild.id)).approximate_member_count == 3
        assert [role.name for role in await guild.fetch_roles()] == ["@everyone", "tunewright"]
        assert [channel.name for channel in await guild.fetch_channels()] == ["general"]
        assert (await guild.fetch_member(ada.id)).name == "ada"
        assert (await bot.http.get_bot_gateway())[0] == 1
        app = await bot.http.request(discord.http.Route("GET", "/applications/@me"))
        assert app["flags"] == 1 << 15 | 1 << 19


async def test_a_moderating_bot_clears_up(judged_wire: WireServer) -> None:
    ada, ben = judged_wire.person("ada"), judged_wire.person("ben")
    judged_wire.allow(judged_wire.general, "manage_messages", "manage_channels", "manage_threads")
    async with running(judged_wire, Bot(default_intents())) as bot:
        guild = bot.guilds[0]
        said = [await ben.say(str(number)) for number in range(3)]
        await general(bot).delete_messages([discord.Object(message.id) for message in said])
        gate = await general(bot).send("gate")
        (held,) = judged_wire.messages(judged_wire.general)
        await ada.react(held, "✅", burst=True)
        await gate.add_reaction("❌")
        await gate.remove_reaction("✅", discord.Object(ada.id))
        await gate.remove_reaction("❌", guild.me)
        assert held.reactions == {}
        await ada.react(held, "✅")
        await gate.clear_reaction("✅")
        await gate.clear_reactions()
        await bot.hear("raw_reaction_clear_emoji")
        await bot.hear("raw_reaction_clear")

        place = await ada.start_thread(held, "questions")
        thread = await guild.fetch_channel(place.id)
        assert isinstance(thread, discord.Thread)
        await thread.join()
        await thread.add_user(discord.Object(ben.id))
        members = {member.id for member in await thread.fetch_members()}
        assert members == {ada.id, ben.id, guild.me.id}
        assert (await thread.fetch_member(ben.id)).thread_id == thread.id
        await thread.remove_user(discord.Object(ben.id))
        await thread.leave()
        await thread.delete()
        await general(bot).edit(topic="runs")
        assert judged_wire.general.topic == "runs"


async def test_a_command_can_be_taken_back(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        bot.tree.command(name="hello", description="Greet")(hello)
        (command,) = await bot.tree.sync()
        assert [entry.id for entry in await bot.tree.fetch_commands()] == [command.id]
        await command.delete()

        assert await bot.tree.fetch_commands() == []


async def hello(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("hello")


async def test_roles_and_farewells_are_seen(judged_wire: WireServer) -> None:
    ada, trainers = judged_wire.person("ada"), judged_wire.role("trainers")
    async with running(judged_wire, Bot(default_intents())) as bot:
        await ada.give_role(trainers)
        sent = await general(bot).send("gate")
        await ada.react(judged_wire.messages(judged_wire.general)[0], "✅")
        event = await bot.hear("raw_reaction_add")
        assert [role.name for role in event.member.roles] == ["@everyone", "trainers"]

        await ada.take_role(trainers)
        assert len((await bot.guilds[0].fetch_member(ada.id)).roles) == 1
        await ada.leave()
        with pytest.raises(discord.NotFound) as left:
            await bot.guilds[0].fetch_member(ada.id)
        assert code_of(left) == (404, 10007)
        reaction = (await general(bot).fetch_message(sent.id)).reactions[0]
        assert [user.id async for user in reaction.users()] == [ada.id]

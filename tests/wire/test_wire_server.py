"""The wire server under the real discord.py: messages, files, reactions, threads, history, limits."""

import asyncio
import io
import struct

import discord
import pytest

from tests.wire.asking import Impossible
from tests.wire.dpy import Bot, default_intents, running
from tests.wire.server import WireServer

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\0" * 9


def general(bot: Bot) -> discord.TextChannel:
    channel = bot.guilds[0].text_channels[0]
    assert isinstance(channel, discord.TextChannel)
    return channel


def code_of(failure: pytest.ExceptionInfo[discord.HTTPException]) -> tuple[int, int]:
    return failure.value.status, failure.value.code


async def test_a_mention_with_a_file_reaches_the_bot(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        ada = judged_wire.person("ada")
        said = await ada.say("train this", files=[("a.csv", b"q,a\n1,2\n")], mention_bot=True)
        heard = await bot.hear("message")

        assert heard.id == said.id
        assert heard.author.name == "ada"
        assert bot.user in heard.mentions
        assert heard.attachments[0].content_type == "text/csv; charset=utf-8"
        assert await heard.attachments[0].read() == b"q,a\n1,2\n"


async def test_without_the_content_intent_only_what_addresses_the_bot_is_readable() -> None:
    async with (
        WireServer(message_content=False) as wire,
        running(wire, Bot(default_intents(content=False))) as bot,
    ):
        ada = wire.person("ada")
        own = await general(bot).send("a question")
        question = wire.messages(wire.general)[-1]
        await ada.say("aside", files=[("a.csv", b"1")])
        await ada.say("train", mention_bot=True, files=[("a.csv", b"1")])
        await ada.reply(question, "with a ping")
        await ada.reply(question, "without a ping", ping=False)
        await ada.dm("in private")
        await bot.hear("message", 6)

        heard = [
            (message.content, len(message.attachments)) for message in bot.all_heard("message")
        ]
        assert heard == [
            ("a question", 0),
            ("", 0),
            (f"<@{wire.world.bot_id}> train", 1),
            ("with a ping", 0),
            ("", 0),
            ("in private", 0),
        ]
        asides = [m.content async for m in own.channel.history(limit=None, oldest_first=True)]
        assert asides == [content for content, _ in heard[:5]]


async def test_files_embeds_and_buttons_come_back_and_survive_an_edit(
    judged_wire: WireServer,
) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        embed = discord.Embed(title="Loss", description="falls", colour=0x123456)
        embed.set_image(url="attachment://loss.png").set_footer(text="run 1")
        embed.add_field(name="n", value="600")
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Start", custom_id="run:1:ok"))
        files = [
            discord.File(io.BytesIO(PNG), "loss.png", description="falls from 3 to 1"),
            discord.File(io.BytesIO(b"report"), "report.md"),
        ]
        sent = await general(bot).send("charts", embed=embed, files=files, view=view)

        shown = sent.embeds[0].image.url
        assert shown is not None
        assert shown.startswith(judged_wire.world.base_url)
        assert [file.filename for file in sent.attachments] == ["report.md"]
        assert await sent.attachments[0].read() == b"report"

        more = discord.File(io.BytesIO(b"log"), "log.txt")
        edited = await sent.edit(
            content="done", attachments=[*sent.attachments, more], embed=None, view=None
        )

        assert [file.filename for file in edited.attachments] == ["report.md", "log.txt"]
        assert (edited.embeds, edited.components, edited.content) == ([], [], "done")
        held = judged_wire.messages(judged_wire.general)[0]
        assert held.revisions[0].content == "charts"
        assert [file.description for file in held.attachments] == [None, None]
        assert (await bot.hear("raw_message_edit")).message_id == sent.id


async def test_reactions_of_both_kinds_are_told_and_listed(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        ada, ben = judged_wire.person("ada"), judged_wire.person("ben")
        sent = await general(bot).send("start?")
        await sent.add_reaction("✅")
        gate = judged_wire.messages(judged_wire.general)[0]
        await ada.react(gate, "✅")
        await ada.react(gate, "✅")
        await ben.react(gate, "✅", burst=True)
        await ada.unreact(gate, "✅")
        gone = await bot.hear("raw_reaction_remove")

        added = bot.all_heard("raw_reaction_add")
        assert [(event.user_id, event.burst) for event in added] == [
            (judged_wire.world.bot_id, False),
            (ada.id, False),
            (ben.id, True),
        ]
        assert added[1].member.name == "ada"
        assert (gone.user_id, gone.member) == (ada.id, None)
        reaction = (await general(bot).fetch_message(sent.id)).reactions[0]
        assert (reaction.normal_count, reaction.burst_count, reaction.me) == (1, 1, True)
        kinds = discord.ReactionType
        assert [user.id async for user in reaction.users(type=kinds.normal)] == [
            judged_wire.world.bot_id
        ]
        assert [user.id async for user in reaction.users(type=kinds.burst)] == [ben.id]


async def test_long_lists_of_reactions_and_messages_are_paged(wire: WireServer) -> None:
    async with running(wire, Bot(default_intents())) as bot:
        sent = await general(bot).send("who?")
        gate = wire.messages(wire.general)[0]
        people = [wire.person(f"p{number}") for number in range(130)]
        for person in people:
            await person.react(gate, "👍")
            await person.say("me")

        reaction = (await general(bot).fetch_message(sent.id)).reactions[0]
        assert sorted([user.id async for user in reaction.users()]) == [p.id for p in people]
        after = [m.author.id async for m in general(bot).history(limit=None, after=sent)]
        assert after == [person.id for person in people]
        newest = [m.author.id async for m in general(bot).history(limit=3)]
        assert newest == [person.id for person in people[:-4:-1]]
        third = wire.messages(wire.general)[3]
        around = [
            m.id async for m in general(bot).history(limit=3, around=discord.Object(third.id))
        ]
        assert sorted(around) == [m.id for m in wire.messages(wire.general)[2:5]]


async def test_a_thread_lives_is_archived_and_reopens(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        starter = await general(bot).send("run 1")
        thread = await starter.create_thread(name="#1 banking", auto_archive_duration=10080)
        status = await thread.send("training")
        place = judged_wire.thread_of(judged_wire.messages(judged_wire.general)[0])
        assert place is not None
        assert place.id == starter.id
        with pytest.raises(discord.HTTPException) as again:
            await starter.create_thread(name="twice")
        assert code_of(again) == (400, 160004)

        judged_wire.archive(place)
        with pytest.raises(discord.HTTPException) as edited:
            await status.edit(content="more")
        with pytest.raises(discord.HTTPException) as reacted:
            await status.add_reaction("✅")
        assert code_of(edited) == code_of(reacted) == (400, 50083)
        with pytest.raises(Impossible):
            await judged_wire.person("ada").react(judged_wire.messages(place)[1], "✅")

        await thread.send("still here")
        await status.edit(content="more")
        await thread.edit(name="#1 done", archived=True)
        assert (await thread.guild.active_threads()) == []
        assert [t.id async for t in general(bot).archived_threads()] == [thread.id]
        fetched = await bot.fetch_channel(thread.id)
        assert isinstance(fetched, discord.Thread)
        assert (fetched.name, fetched.archived, fetched.auto_archive_duration) == (
            "#1 done",
            True,
            10080,
        )


async def test_a_locked_or_deleted_thread_refuses_messages(judged_wire: WireServer) -> None:
    async with running(judged_wire, Bot(default_intents())) as bot:
        thread = await general(bot).create_thread(
            name="alone", type=discord.ChannelType.public_thread
        )
        place = judged_wire.newest_thread()
        assert place is not None
        judged_wire.archive(place, locked=True)
        with pytest.raises(discord.HTTPException) as locked:
            await thread.send("hello")
        judged_wire.delete_channel(place)
        with pytest.raises(discord.NotFound) as deleted:
            await thread.send("hello")

        assert (code_of(locked), code_of(deleted)) == ((400, 50083), (404, 10003))
        assert (await bot.hear("raw_thread_delete")).thread_id == place.id


async def test_a_forum_post_is_a_thread_with_its_message(judged_wire: WireServer) -> None:
    forum = judged_wire.forum("runs")
    async with running(judged_wire, Bot(default_intents())) as bot:
        channel = bot.get_channel(forum.id)
        assert isinstance(channel, discord.ForumChannel)
        made = await channel.create_thread(name="run 7", content="queued")

        assert (made.thread.name, made.message.content) == ("run 7", "queued")
        assert made.message.id == made.thread.id


async def test_pins_typing_and_direct_messages(judged_wire: WireServer) -> None:
    ada = judged_wire.person("ada")
    async with running(judged_wire, Bot(default_intents())) as bot:
        sent = await general(bot).send("report")
        with pytest.raises(discord.Forbidden):
            await sent.pin()
        judged_wire.allow(judged_wire.general, "pin_messages")
        await sent.pin()
        assert [m.id async for m in general(bot).pins()] == [sent.id]
        await sent.unpin()
        async with general(bot).typing():
            await asyncio.sleep(0)
        assert (judged_wire.general.id, judged_wire.world.bot_id) in judged_wire.world.typing

        user = await bot.fetch_user(ada.id)
        await user.send("in private")
        ada.user.accepts_dms = False
        with pytest.raises(discord.Forbidden) as closed:
            await user.send("again")
        assert code_of(closed) == (403, 50007)


async def test_a_transcript_reads_like_the_channel(wire: WireServer) -> None:
    ada = wire.person("ada")
    async with running(wire, Bot(default_intents())) as bot:
        await ada.say("train this", files=[("a.csv", b"12")], mention_bot=True)
        embed = discord.Embed(title="Plan", description="LoRA").add_field(name="rows", value="600")
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Start", emoji="✅", custom_id="ok"))
        heard = await bot.hear("message")
        plan = await heard.reply("Shall I?", embed=embed, view=view)
        await plan.add_reaction("✅")
        await plan.edit(content="Approved")

    lines = [line.split("] ")[-1] for line in wire.transcript(wire.general).splitlines()]
    assert lines == [
        "# general",
        "ada:",
        "    @tunewright train this",
        "    + a.csv (2 bytes)",
        "tunewright (bot): (replying to ada; edited 1x)",
        "    Approved",
        "    | **Plan**",
        "    | LoRA",
        "    | rows: 600",
        "    [✅ Start]",
        "    ✅ tunewright",
    ]

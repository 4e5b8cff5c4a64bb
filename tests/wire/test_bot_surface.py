"""The Discord surface, with the real discord.py, while Discord has a bad day: nothing twice, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import discord
import pytest

from agents.services import UserError
from bot.charts import Chart
from bot.discord.attachments import NotFetched
from bot.discord.surface import DiscordSurface
from bot.surface import Card, File, MessageGone, Parcel, PlaceGone, Question
from tests.wire.dpy import Bot, default_intents, running
from tests.wire.faults import Faults
from tests.wire.model import SILENT, Channel, Message
from tests.wire.server import WireServer

MESSAGES = r"/channels/\d+/messages"
MARKER = "run #1 · message 1"
CARD = Card(title="Your data", body="100 rows", footer=MARKER)
PARCEL = Parcel(key="tunewright-1-0", marker=MARKER, maybe_sent=False)


@dataclass
class Scene:
    server: WireServer
    bot: Bot
    surface: DiscordSurface
    found: list[tuple[int, int]]

    @property
    def home(self) -> str:
        return f"discord:{self.server.general.id}"

    def cards(self, place: Channel | None = None) -> list[Message]:
        shown = self.server.messages(place or self.server.general)
        return [m for m in shown if m.author_id == self.server.world.bot_id and m.type == 0]

    def asking(self) -> Card:
        ada = self.server.person("ada")
        question = Question(5, "ab" * 32, "go on", "stop")
        return replace(CARD, question=question, notify=(f"discord:{ada.id}",), loud=True)

    async def thread(self) -> tuple[Channel, str]:
        """A thread with one card in it."""
        message_id = await self.surface.post(self.home, CARD, PARCEL)
        place = await self.surface.open_thread(self.home, message_id, "#1")
        inside = await self.surface.post(place, CARD, replace(PARCEL, key="tunewright-2-0"))
        return self.server.world.channels[int(place.removeprefix("discord:"))], inside


@pytest.fixture
async def scene(wire: WireServer) -> AsyncIterator[Scene]:
    found: list[tuple[int, int]] = []

    def note(message: discord.Message, question: Question) -> None:
        found.append((message.id, question.approval_id))

    async with running(wire, Bot(default_intents())) as bot:
        yield Scene(wire, bot, DiscordSurface(bot, 0.0, note), found)


TROUBLES: dict[str, Callable[[Faults], Any]] = {
    "500 after the work": lambda f: f.fail("POST", MESSAGES, status=500, when="after"),
    "503 before the work": lambda f: f.fail("POST", MESSAGES, status=503, times=2),
    "503 after the work": lambda f: f.fail("POST", MESSAGES, status=503, when="after", times=2),
    "520 after the work": lambda f: f.fail("POST", MESSAGES, status=520, when="after"),
    "dropped before the work": lambda f: f.drop("POST", MESSAGES),
    "dropped after the work": lambda f: f.drop("POST", MESSAGES, when="after", times=2),
    "cut in the answer": lambda f: f.cut("POST", MESSAGES),
    "429 of the route": lambda f: f.rate_limit("POST", MESSAGES, retry_after_s=0.1),
    "429 for all": lambda f: f.rate_limit("POST", MESSAGES, retry_after_s=0.1, scope="global"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_message_arrives_once(scene: Scene, trouble: str) -> None:
    fault = TROUBLES[trouble](scene.server.faults)

    message_id = await scene.surface.post(scene.home, CARD, PARCEL)

    assert fault.hits >= 1
    assert [str(m.id) for m in scene.cards()] == [message_id]


async def test_files_are_whole_after_a_second_try(scene: Scene) -> None:
    scene.server.faults.fail("POST", MESSAGES, status=503)
    parcel = replace(
        PARCEL,
        charts=(Chart("loss.png", b"\x89PNG" + b"1" * 99, "falls"),),
        files=(File("r.md", b"# R"),),
    )

    await scene.surface.post(scene.home, CARD, parcel)

    files = scene.cards()[0].attachments
    assert [(f.filename, f.size, f.description) for f in files] == [
        ("loss.png", 103, "falls"),
        ("r.md", 3, None),
    ]


async def test_a_message_of_an_earlier_life_is_found_and_brought_up_to_date(scene: Scene) -> None:
    first = await scene.surface.post(scene.home, CARD, PARCEL)
    other = replace(CARD, footer="run #1 · message 11", title="another")
    await scene.surface.post(scene.home, other, replace(PARCEL, key="tunewright-11-0"))
    for number in range(120):
        await scene.server.person("ada").say(f"chatter {number}")
    scene.server.advance(3600)  # Discord has forgotten the nonce

    again = await scene.surface.post(
        scene.home, replace(CARD, title="Your data, read"), replace(PARCEL, maybe_sent=True)
    )

    assert again == first
    titles = [m.embeds[0]["title"] for m in scene.cards()]
    assert titles == ["Your data, read", "another"]


async def test_a_found_question_is_reported_because_it_may_have_been_answered(
    scene: Scene,
) -> None:
    first = await scene.surface.post(scene.home, scene.asking(), PARCEL)
    assert scene.found == []

    await scene.surface.post(scene.home, scene.asking(), replace(PARCEL, maybe_sent=True))

    assert scene.found == [(int(first), 5)]


async def test_a_nonce_whose_message_was_deleted_does_not_block_the_card(scene: Scene) -> None:
    first = await scene.surface.post(scene.home, CARD, PARCEL)
    scene.cards()[0].deleted = True

    anew = await scene.surface.post(scene.home, CARD, replace(PARCEL, maybe_sent=True))

    assert anew != first
    assert [str(m.id) for m in scene.cards()] == [anew]


async def test_only_who_is_asked_is_notified_and_news_are_silent(scene: Scene) -> None:
    ada, ben = scene.server.person("ada"), scene.server.person("ben")
    body = f"{ben.mention} @everyone"

    await scene.surface.post(scene.home, replace(CARD, body=body), PARCEL)
    asking = replace(scene.asking(), title=f"The plan {ben.mention}", body=body)
    await scene.surface.post(scene.home, asking, replace(PARCEL, key="tunewright-2-0"))

    news, question = scene.cards()
    assert news.flags & SILENT
    assert not question.flags & SILENT
    assert [p.message_id for p in scene.server.pings_of(ada)] == [question.id]
    assert scene.server.pings_of(ben) == []
    assert not any(p.everyone or p.role_ids for p in scene.server.pings)


async def test_a_question_has_reactions_and_buttons_until_it_is_answered(scene: Scene) -> None:
    message_id = await scene.surface.post(scene.home, scene.asking(), PARCEL)
    card = scene.cards()[0]
    assert list(card.reactions) == ["✅", "❌"]
    assert len(card.components) == 1

    await scene.surface.edit(scene.home, message_id, CARD)

    assert card.components == []
    assert list(card.reactions) == ["✅", "❌"]


async def test_an_edit_keeps_the_picture(scene: Scene) -> None:
    parcel = replace(PARCEL, charts=(Chart("loss.png", b"\x89PNG", "falls"),))
    message_id = await scene.surface.post(scene.home, scene.asking(), parcel)

    await scene.surface.edit(scene.home, message_id, CARD)

    assert [f.filename for f in scene.cards()[0].attachments] == ["loss.png"]


async def test_a_boosted_server_takes_larger_files(scene: Scene) -> None:
    place = f"discord:{scene.server.general.id}"
    assert scene.surface.attachment_limit_bytes(place) == 10 * 2**20
    assert scene.surface.attachment_limit_bytes("discord:1") == 10 * 2**20

    scene.server.boost(2)
    await scene.server.until(
        lambda: scene.surface.attachment_limit_bytes(place) == 50 * 2**20, what="the new limit"
    )


async def test_a_file_that_is_refused_costs_only_the_file(scene: Scene, tmp_path: Path) -> None:
    large = tmp_path / "adapter.tar.gz"
    large.write_bytes(b"1" * (10 * 2**20 + 1))
    parcel = replace(PARCEL, files=(File("adapter.tar.gz", large),))

    message_id = await scene.surface.post(scene.home, scene.asking(), parcel)

    card = scene.cards()[0]
    assert (str(card.id), card.attachments) == (message_id, [])
    assert card.embeds[0]["title"] == CARD.title


async def test_without_the_right_to_embed_the_same_is_said_in_text(scene: Scene) -> None:
    scene.server.deny(scene.server.general, "embed_links", "attach_files")
    parcel = replace(PARCEL, files=(File("report.md", b"# R"),))

    message_id = await scene.surface.post(scene.home, scene.asking(), parcel)
    await scene.surface.edit(scene.home, message_id, replace(scene.asking(), body="200 rows"))
    again = await scene.surface.post(scene.home, scene.asking(), replace(parcel, maybe_sent=True))

    card = scene.cards()[0]
    assert again == message_id
    assert card.embeds == []
    assert card.content.startswith(scene.server.person("ada").mention)
    assert "Your data" in card.content
    assert card.content.endswith(MARKER)
    assert len(card.components) == 1


async def test_without_the_right_to_react_buttons_remain(scene: Scene) -> None:
    scene.server.deny(scene.server.general, "add_reactions")

    await scene.surface.post(scene.home, scene.asking(), PARCEL)

    assert scene.cards()[0].reactions == {}
    assert len(scene.cards()[0].components) == 1


async def test_without_the_right_to_write_the_place_is_gone(scene: Scene) -> None:
    scene.server.deny(scene.server.general, "send_messages")

    with pytest.raises(PlaceGone):
        await scene.surface.post(scene.home, CARD, PARCEL)


@pytest.mark.parametrize("right", ["create_public_threads", None])
async def test_where_no_thread_can_be_opened_the_channel_takes_its_part(
    scene: Scene, right: str | None
) -> None:
    if right:
        scene.server.deny(scene.server.general, right)
    else:
        scene.server.guild.active_threads_max = 0
    message_id = await scene.surface.post(scene.home, CARD, PARCEL)

    assert await scene.surface.open_thread(scene.home, message_id, "#1") == scene.home


async def test_a_thread_cannot_have_a_thread_and_is_its_own_place(scene: Scene) -> None:
    thread, inside = await scene.thread()
    place = f"discord:{thread.id}"

    assert await scene.surface.open_thread(place, inside, "#2") == place


async def test_an_archived_thread_is_opened_for_an_edit(scene: Scene) -> None:
    thread, inside = await scene.thread()
    scene.server.archive(thread)

    await scene.surface.edit(f"discord:{thread.id}", inside, replace(CARD, title="news"))

    assert thread.thread is not None
    assert not thread.thread.archived
    assert scene.cards(thread)[-1].embeds[0]["title"] == "news"


async def test_a_question_goes_into_an_archived_thread_with_its_reactions(scene: Scene) -> None:
    thread, _inside = await scene.thread()
    scene.server.archive(thread)

    asking = replace(scene.asking(), footer="run #1 · message 3")
    await scene.surface.post(f"discord:{thread.id}", asking, replace(PARCEL, key="tunewright-3-0"))

    assert list(scene.cards(thread)[-1].reactions) == ["✅", "❌"]


async def test_a_locked_thread_is_gone_for_us(scene: Scene) -> None:
    thread, inside = await scene.thread()
    scene.server.archive(thread, locked=True)

    with pytest.raises(PlaceGone):
        await scene.surface.post(
            f"discord:{thread.id}", CARD, replace(PARCEL, key="tunewright-3-0")
        )
    with pytest.raises(PlaceGone):
        await scene.surface.edit(f"discord:{thread.id}", inside, CARD)


async def test_a_message_deleted_while_it_gets_its_reactions_is_gone(scene: Scene) -> None:
    scene.server.faults.delay("PUT", r".*/reactions/.*", seconds=0.2)

    async def delete() -> None:
        await scene.server.until(scene.cards)
        scene.cards()[0].deleted = True

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(delete())
        with pytest.raises(MessageGone):
            await scene.surface.post(scene.home, scene.asking(), PARCEL)


async def upload(scene: Scene, content: bytes = b"text,label\n" * 100) -> dict[str, Any]:
    said = await scene.server.person("ada").say("train", files=[("data.csv", content)])
    channel = scene.bot.get_partial_messageable(said.channel_id)
    attached = (await channel.fetch_message(said.id)).attachments[0]
    return {
        "id": said.id,
        "user_id": said.author_id,
        "channel_id": said.channel_id,
        "message_id": said.id,
        "attachment_id": attached.id,
        "size_bytes": attached.size,
        "url": attached.url,
    }


async def fetched(scene: Scene, request: dict[str, Any]) -> bytes:
    return b"".join([chunk async for chunk in scene.surface.fetch(request)])


@pytest.mark.parametrize("with_command", [False, True])
async def test_an_expired_link_is_renewed(scene: Scene, with_command: bool) -> None:
    request = await upload(scene)
    if with_command:
        request["message_id"] = None
    scene.server.advance(8 * 24 * 3600)

    assert await fetched(scene, request) == b"text,label\n" * 100


@pytest.mark.parametrize("fault", ["truncate", "cut", "drop", "fail"])
async def test_half_a_file_is_no_file(scene: Scene, fault: str) -> None:
    request = await upload(scene)
    # aiohttp itself asks a second time after a reset
    how = {"truncate": {"keep_bytes": 50}, "drop": {"times": 2}}.get(fault, {})
    getattr(scene.server.faults, fault)("GET", r"/attachments/.*", **how)

    with pytest.raises(NotFetched):
        await fetched(scene, request)
    assert await fetched(scene, request) == b"text,label\n" * 100


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://cdn.discordapp.com/attachments/1/2/a.csv",
        "file:///etc/passwd",
    ],
)
async def test_only_discords_file_server_is_asked(scene: Scene, url: str) -> None:
    request = await upload(scene)

    with pytest.raises(UserError, match="not on Discord"):
        await fetched(scene, request | {"url": url})


async def test_after_the_token_has_expired_only_the_person_is_told_in_the_channel(
    scene: Scene,
) -> None:
    request = await upload(scene)
    request |= {"token": "expired", "application_id": scene.server.world.application_id}
    ada, ben = scene.server.person("ada"), scene.server.person("ben")

    for _ in range(2):
        await scene.surface.answer(request, f"Run #1 has started. {ben.mention}", "key:1")
        scene.server.advance(3600)

    answers = [m for m in scene.server.messages(scene.server.general) if m.author_id != ada.id]
    assert [m.content for m in answers] == [f"Run #1 has started. {ben.mention}"]
    assert len(scene.server.pings_of(ada)) == 1
    assert scene.server.pings_of(ben) == []

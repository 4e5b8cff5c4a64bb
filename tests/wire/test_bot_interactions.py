"""Commands and buttons while time is short or Discord answers badly: always an answer, never two."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.answering import Reaction
from bot.discord import interactions
from bot.discord.gates import Gates
from storage import inbox, runs
from tests.wire.in_process import InProcess, bot_in_process
from tests.wire.model import Event
from tests.wire.people import Asked
from tests.wire.server import WireServer
from tests.wire.thread import CSV, PLAN, TASK, thread_of_run

CALLBACK = r"/interactions/.*/callback"
MESSAGE, DEFERRED, DEFERRED_UPDATE = 4, 5, 6
STARTED = "Run #1 has started. Its thread tells how it goes."


@pytest.fixture
async def bot(wire: WireServer, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with bot_in_process(wire, tmp_path) as made:
        yield made


def private_answers(server: WireServer) -> list[str]:
    return [
        m.content for held in server.world.messages.values() for m in held.values() if m.ephemeral
    ]


def heard_of_the_start(server: WireServer) -> list[str]:
    public = [m.content for m in server.messages(server.general)]
    return [text for text in private_answers(server) + public if STARTED in text]


async def start(server: WireServer) -> Asked:
    return await server.person("ada").slash("finetune start", dataset=CSV, task=TASK)


@asynccontextmanager
async def held_up(bot: InProcess) -> AsyncIterator[None]:
    """Keep the database busy within the block, as a slow disk would."""
    begun, over = threading.Event(), threading.Event()

    def hold(_session: object) -> None:
        begun.set()
        over.wait(30)

    busy = asyncio.create_task(bot.app.services.db.read(hold))
    await asyncio.to_thread(begun.wait, 30)
    try:
        yield
    finally:
        over.set()
        await busy


async def test_a_command_is_acknowledged_first_when_its_answer_takes_long(
    bot: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactions, "PATIENCE_S", 0.1)

    async with held_up(bot):
        asked = await bot.server.person("ada").slash("finetune list")
        ack = await asked.ack()
    answer = await asked.answer()

    assert ack.type == DEFERRED
    assert answer.ephemeral
    assert "/finetune start" in answer.content


async def test_a_button_is_acknowledged_first_when_counting_takes_long(
    bot: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(bot.server)
    thread = await thread_of_run(bot.server)
    question = await thread.question(PLAN)
    monkeypatch.setattr(interactions, "PATIENCE_S", 0.1)

    async with held_up(bot):
        asked = await bot.server.person("ben").press(question, "carry it out")
        ack = await asked.ack()
    told = await bot.server.until(lambda: asked.followups)

    assert ack.type == DEFERRED_UPDATE
    assert [(m.content, m.ephemeral) for m in told] == [("Only Ada can answer this.", True)]
    assert question.content.startswith(bot.server.person("ada").mention)


@pytest.mark.parametrize("trouble", ["drop", "cut", "500 after", "503 after", "500 before", "429"])
async def test_an_acknowledgement_survives_a_bad_moment(
    bot: InProcess, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    faults = bot.server.faults
    if trouble == "drop":
        faults.drop("POST", CALLBACK, when="after")
    elif trouble == "cut":
        faults.cut("POST", CALLBACK)
    elif trouble == "429":
        faults.rate_limit("POST", CALLBACK, retry_after_s=0.2)
    else:
        status, when = trouble.split()
        faults.fail("POST", CALLBACK, status=int(status), when=when)

    asked = await start(bot.server)
    ack = await asked.ack()
    thread = await thread_of_run(bot.server)
    await thread.question(PLAN)
    # an acknowledgement that Discord holds up for a second may be overtaken by the result, which then goes to the channel
    heard = await bot.server.until(lambda: heard_of_the_start(bot.server))

    assert ack.type == MESSAGE
    assert len(private_answers(bot.server)) == 1
    assert len(heard) == 1
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
    assert len(bot.server.threads()) == 1


async def test_too_late_for_discord_the_person_is_told_in_the_channel(bot: InProcess) -> None:
    bot.server.world.ack_within_s = 0.0
    ada = bot.server.person("ada")

    asked = await start(bot.server)
    await thread_of_run(bot.server)
    expected = [
        f"{ada.mention} Got it: reading tickets\\.csv, 1.2 KB …",
        f"{ada.mention} {STARTED}",
    ]
    told = await bot.server.until(
        lambda: [m for m in bot.server.messages(bot.server.general) if m.content][1:]
    )

    assert asked.interaction.ack_type is None
    shown = [m.content for m in bot.server.messages(bot.server.general) if m.content]
    assert sorted(shown) == sorted(expected)
    assert told
    assert {p.user_ids for p in bot.server.pings_of(ada)} == {(ada.id,)}


async def test_the_result_comes_by_message_after_the_token_has_expired(bot: InProcess) -> None:
    download = bot.server.faults.delay("GET", r"/ephemeral-attachments/.*", seconds=0.5)
    ada = bot.server.person("ada")
    asked = await start(bot.server)
    await asked.ack()
    await bot.server.until(lambda: download.seen, poll_s=0.05)
    bot.server.world.token_lifetime_s = 0.0

    await thread_of_run(bot.server)
    told = await bot.server.until(
        lambda: [m for m in bot.server.messages(bot.server.general) if STARTED in m.content]
    )

    assert [m.content for m in told] == [f"{ada.mention} {STARTED}"]
    assert bot.server.pings_of(ada)[0].message_id == told[0].id


async def test_events_that_come_twice_have_one_effect(wire: WireServer, tmp_path: Path) -> None:
    wire.gateway.duplicates = True
    async with bot_in_process(wire, tmp_path) as bot:
        ada = wire.person("ada")
        await start(wire)
        thread = await thread_of_run(wire)
        question = await thread.question(PLAN)
        await ada.reply(question, "2 epochs")
        await ada.press(await thread.question(f"{PLAN}, version 2"), "carry it out")
        await thread.question("Verdict")
        asked = await ada.slash("finetune pause", run=1)
        answer = await asked.answer()

        assert "pauses" in answer.content
        assert len(wire.requests("POST", CALLBACK)) == len(wire.world.interactions)
        assert len(wire.threads()) == 1
        said = [m.content for m in wire.messages(thread.place) if m.content and not m.embeds]
        assert said == ["2 epochs"]
        assert len(await bot.app.services.db.read(runs.recent)) == 1


async def test_who_may_start_is_a_role(wire: WireServer, tmp_path: Path) -> None:
    ada, ben, role = wire.person("ada"), wire.person("ben"), wire.role("trainers")
    await ada.give_role(role)
    async with bot_in_process(wire, tmp_path, guild={"starter_role_id": str(role.id)}) as bot:
        refused = await ben.slash("finetune start", dataset=CSV, task=TASK)
        assert "role" in (await refused.answer()).content
        assert await bot.app.services.db.read(inbox.waiting) == []

        await start(wire)
        await (await thread_of_run(wire)).question(PLAN)


async def test_who_may_answer_beside_the_owner_is_a_role(wire: WireServer, tmp_path: Path) -> None:
    ben, role = wire.person("ben"), wire.role("reviewers")
    async with bot_in_process(wire, tmp_path, guild={"approver_role_id": str(role.id)}):
        await start(wire)
        thread = await thread_of_run(wire)
        question = await thread.question(PLAN)
        await ben.react(question, "✅")
        told = await wire.until(
            lambda: [m for m in wire.messages(thread.place) if "can answer" in m.content]
        )
        assert f"<@&{role.id}>" in told[0].content
        assert not any(ping.role_ids for ping in wire.pings)

        await ben.give_role(role)
        await ben.unreact(question, "✅")
        await ben.react(question, "✅")
        await thread.answered(question, "Approved by Ben")
        await thread.question("Verdict")


async def test_a_file_that_is_too_large_is_refused_before_it_is_fetched(
    wire: WireServer, tmp_path: Path
) -> None:
    async with bot_in_process(wire, tmp_path, max_upload_bytes=1024):
        asked = await start(wire)

        assert "larger than" in (await asked.answer()).content
        assert wire.requests("GET", "/ephemeral-attachments/.*") == []


async def test_where_the_bot_may_not_write_it_names_the_permission(bot: InProcess) -> None:
    bot.server.deny(bot.server.general, "send_messages")

    asked = await start(bot.server)

    assert "“Send Messages” is missing" in (await asked.answer()).content


async def test_an_answer_that_could_not_be_counted_is_counted_a_moment_later(
    bot: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = bot.server.person("ada")
    await start(bot.server)
    thread = await thread_of_run(bot.server)
    plan = await thread.question(PLAN)
    count, troubles = Gates.decide, [ConnectionResetError("the worst moment")]

    async def decide(self: Gates, *answer: Any) -> Reaction:
        if troubles:
            raise troubles.pop()
        return await count(self, *answer)

    monkeypatch.setattr(Gates, "decide", decide)
    await ada.react(plan, "✅")

    await thread.answered(plan, "Approved by Ada")
    assert troubles == []


async def test_a_malformed_event_costs_only_itself(bot: InProcess) -> None:
    for name in ("MESSAGE_CREATE", "MESSAGE_REACTION_ADD", "INTERACTION_CREATE", "NEWS_FROM_2030"):
        bot.server.world.emit(Event(name, {"channel_id": "x", "surprise": [1]}))

    await start(bot.server)
    await (await thread_of_run(bot.server)).question(PLAN)

    assert len(bot.server.gateway.identifies) == 1
    assert not bot.life.done()

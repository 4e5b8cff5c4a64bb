"""The bot is killed, or loses its session, while people go on: nothing they did is lost, nothing happens twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.wire.bot_process import BotProcess
from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.thread import CSV, PLAN, TASK, VERDICT, Thread, thread_of_run

CHANGE = "What should be different"


@pytest.fixture
async def bot(wire: WireServer, tmp_path: Path) -> AsyncIterator[BotProcess]:
    async with BotProcess(wire, tmp_path) as process:
        yield process


async def at_the_plan(bot: BotProcess) -> tuple[Thread, Message]:
    ada = bot.server.person("ada")
    await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
    thread = await thread_of_run(bot.server)
    plan = await thread.question(PLAN)
    await bot.recorded(plan)
    return thread, plan


def no_message_twice(thread: Thread) -> bool:
    footers = [m.embeds[0]["footer"]["text"] for m in thread.cards()]
    return len(footers) == len(set(footers))


@pytest.mark.parametrize("burst", [False, True], ids=["normal", "super"])
async def test_a_yes_given_while_the_bot_was_down_counts(bot: BotProcess, burst: bool) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ben.react(plan, "❌")
    await ada.react(plan, "✅", burst=burst)
    await bot.start()

    await thread.answered(plan, "Approved by Ada")
    await thread.question(VERDICT)
    assert no_message_twice(thread)
    told = [m.content for m in bot.server.messages(thread.place) if "can answer this" in m.content]
    assert len(told) == 1


async def test_against_a_no_nothing_is_spent(bot: BotProcess) -> None:
    ada = bot.server.person("ada")
    thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ada.react(plan, "✅")
    await ada.react(plan, "❌")
    await bot.start()

    await thread.question(CHANGE)
    await thread.answered(plan, "Refused by Ada")


async def test_words_count_before_signs(bot: BotProcess) -> None:
    ada = bot.server.person("ada")
    thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ada.react(plan, "❌")
    await ada.reply(plan, "2 epochs")
    await bot.start()

    await thread.question(f"{PLAN}, version 2")
    await thread.answered(plan, "Changes asked for by Ada", "2 epochs")


async def test_a_yes_taken_back_while_the_bot_was_down_does_not_count(bot: BotProcess) -> None:
    ada = bot.server.person("ada")
    _thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ada.react(plan, "✅")
    await ada.unreact(plan, "✅")
    await bot.start()
    asked = await ada.slash("finetune status")

    assert "waits for an answer about the plan" in (await asked.answer()).content
    assert plan.components


async def test_who_left_meanwhile_has_no_say(bot: BotProcess) -> None:
    ada = bot.server.person("ada")
    _thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ada.react(plan, "✅")
    await ada.leave()
    await bot.start()
    await bot.server.until(
        lambda: bot.server.requests("GET", rf"/guilds/\d+/members/{ada.id}"), timeout_s=15
    )
    asked = await bot.server.person("ben").slash("finetune status", run=1)

    assert "waits for an answer" in (await asked.answer()).content


async def test_a_wish_made_by_mention_while_the_bot_was_down_is_carried_out_once(
    bot: BotProcess,
) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    talk = bot.server.channel("talk")
    await ada.say("hello")  # the bot has been here
    await at_the_plan(bot)
    await bot.kill()

    await ben.say("for later", talk, files=[CSV])
    await ben.say("Sort my mail", talk, files=[CSV], mention_bot=True)
    await bot.start()
    second = await thread_of_run(bot.server, 2)
    await second.question(PLAN)
    await bot.kill()
    await bot.start()
    await ben.react(await second.question(PLAN), "✅")
    await second.question(VERDICT)

    assert len(bot.server.threads()) == 2
    answers = [m for m in bot.server.messages(talk) if "has started" in m.content]
    assert len(answers) == 1


async def test_a_wish_survives_a_kill_right_after_its_acknowledgement(bot: BotProcess) -> None:
    slow = bot.server.faults.delay("GET", r"/ephemeral-attachments/.*", seconds=30)
    ada = bot.server.person("ada")
    asked = await ada.slash("finetune start", dataset=CSV, task=TASK)
    await asked.ack()
    await bot.server.until(lambda: slow.seen, poll_s=0.05)
    await bot.kill()
    bot.server.faults.clear()

    await bot.start()
    thread = await thread_of_run(bot.server)
    await thread.question(PLAN)

    await bot.server.until(lambda: asked.original and "has started" in asked.original.content)
    assert len(bot.server.threads()) == 1


async def test_killed_at_every_card_no_card_comes_twice(bot: BotProcess) -> None:
    """Kill right after each message of the way to the plan, before the answer to sending it is recorded."""
    server, ada = bot.server, bot.server.person("ada")
    await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
    for count in (1, 2, 3, 4, 5):
        await server.until(lambda count=count: cards_anywhere(server) >= count, timeout_s=20)  # type: ignore[misc]  # a lambda's default
        await bot.kill()
        await bot.start()
    thread = await thread_of_run(server)
    await ada.react(await thread.question(PLAN), "✅")
    await thread.question(VERDICT)

    assert no_message_twice(thread)
    assert len([m for m in server.messages(server.general) if m.embeds]) == 1
    assert len(server.threads()) == 1


def cards_anywhere(server: WireServer) -> int:
    places = [server.general, *server.threads()]
    return sum(len(Thread(server, place).cards()) for place in places)


async def test_a_yes_given_before_the_question_was_on_record_counts_after_a_crash(
    bot: BotProcess,
) -> None:
    server, ada = bot.server, bot.server.person("ada")
    # the answer to sending the question never arrives: it stands there, but the bot does not know its number
    await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
    thread = await thread_of_run(server)
    await server.until(lambda: thread.find("Your data"), 15)
    server.faults.delay(
        "POST", rf"/channels/{thread.place.id}/messages", seconds=60, when="after", times=None
    )
    await server.until(lambda: thread.find(PLAN) or thread.find("Measuring"), 15)
    await bot.kill()
    server.faults.clear()
    await bot.start()
    server.faults.delay("PUT", r".*/reactions/.*", seconds=60, times=None)
    plan = await thread.card(PLAN)
    await ada.react(plan, "✅", burst=True)
    await bot.kill()
    server.faults.clear()
    server.advance(3600)

    await bot.start()

    await thread.answered(plan, "Approved by Ada")
    await thread.question(VERDICT)
    assert no_message_twice(thread)


async def test_a_question_deleted_while_the_bot_was_down_is_asked_anew(bot: BotProcess) -> None:
    ada, owner = bot.server.person("ada"), bot.server.person("owner")
    thread, plan = await at_the_plan(bot)
    await bot.kill()

    await owner.delete(plan)
    await bot.start()

    anew = await thread.question(PLAN)
    assert anew.id != plan.id
    await ada.react(anew, "✅")
    await thread.question(VERDICT)


async def test_a_thread_deleted_while_the_bot_was_down_goes_on_in_the_channel(
    bot: BotProcess,
) -> None:
    ada = bot.server.person("ada")
    thread, _plan = await at_the_plan(bot)
    await bot.kill()

    bot.server.delete_channel(thread.place)
    await bot.start()

    home = Thread(bot.server, bot.server.general)
    await ada.react(await home.question(PLAN), "✅")
    await home.question(VERDICT)


async def test_a_session_that_is_resumed_misses_nothing(bot: BotProcess) -> None:
    gateway, ada = bot.server.gateway, bot.server.person("ada")
    thread, plan = await at_the_plan(bot)

    gateway.reconnect()
    await bot.server.until(lambda: not gateway.connected or gateway.close_codes)
    await ada.react(plan, "✅")

    await thread.answered(plan, "Approved by Ada")
    await thread.question(VERDICT)
    assert len(gateway.identifies) == 1


@pytest.mark.parametrize("way", ["op 9", "reset and forgotten", "closed with 4009"])
async def test_what_a_lost_session_missed_is_caught_up(bot: BotProcess, way: str) -> None:
    gateway, ada = bot.server.gateway, bot.server.person("ada")
    thread, plan = await at_the_plan(bot)

    gateway.accepts_connections = False
    gateway.lose_sessions()
    if way == "op 9":
        gateway.invalidate(resumable=False)
    elif way == "closed with 4009":
        gateway.close(4009)
    else:
        gateway.reset()
    await bot.server.until(lambda: not gateway.connections)
    await ada.react(plan, "✅")
    await ada.say("Sort my mail", files=[CSV], mention_bot=True)
    gateway.accepts_connections = True

    await thread.answered(plan, "Approved by Ada")
    await (await thread_of_run(bot.server, 2)).question(PLAN)
    assert len(gateway.identifies) == 2
    assert bot.alive


async def test_catching_up_survives_bad_answers(bot: BotProcess) -> None:
    ada, faults = bot.server.person("ada"), bot.server.faults
    thread, plan = await at_the_plan(bot)
    await bot.kill()

    await ada.react(plan, "✅")
    for path in (
        rf"/channels/\d+/messages/{plan.id}",
        r".*/reactions/.*",
        r"/channels/\d+/messages",
    ):
        faults.fail("GET", path, status=503, times=6)
    await bot.start()

    await thread.answered(plan, "Approved by Ada")


async def test_a_week_of_downtime_with_many_runs(bot: BotProcess) -> None:
    server = bot.server
    people = [server.person(f"p{number}") for number in range(6)]
    plans = []
    for number, person in enumerate(people, 1):
        await (await person.slash("finetune start", dataset=CSV, task=f"Task {number}")).ack()
    for number in range(1, len(people) + 1):
        thread = await thread_of_run(server, number)
        plans.append((thread, await thread.question(PLAN)))
    await bot.kill()

    server.advance(6 * 24 * 3600)
    for person, (thread, plan) in zip(people, plans, strict=True):
        server.archive(thread.place)
        await person.say("anyone here?", thread.place)
        await person.react(plan, "✅")
    for number in range(150):
        await people[0].say(f"chatter {number}")
    await bot.start()

    await asyncio.gather(*(thread.answered(plan, "Approved by P") for thread, plan in plans))
    assert server.invalid_requests == 0
    assert all(no_message_twice(thread) for thread, _plan in plans)

"""A workflow is improved in a chat, over the wire: the bot's process and its jobs are real, the models follow a script."""

from pathlib import Path

import aiohttp
import pytest

from bot.discord.people import person_id_of
from bot.surface import NUMBERS, Person
from tests import kept_question, loop_case
from tests.wire.bot_process import RealBot
from tests.wire.in_process import bot_in_process
from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.test_bot_runs import link_in
from tests.wire.thread import PLAN, Thread, thread_of_run

SLOW_S = 180.0
KEEP, READY = "Keep this change", "Your workflow is ready"
ONE, TWO = list(NUMBERS)[:2]
FIRST_EDIT_ALONE = loop_case.WORKFLOW.replace("What is this about? {{message}}", loop_case.ONE_WORD)
"""The file as it was given, with the first edit and nothing else."""

pytestmark = pytest.mark.timeout(600)


def real_bot(wire: WireServer, folder: Path) -> RealBot:
    files = loop_case.write(folder / "files")
    return RealBot(
        wire,
        folder,
        workflows__back_end="script",
        workflows__script=files / "script.json",
        workflows__default_model="analyst",
        workflows__repeats=2,
        schedule__poll_interval_s=0.2,
    )


async def at_the_change(wire: WireServer) -> tuple[Thread, Message]:
    """Give a workflow and its tests, approve the plan, and wait for the change that was better."""
    ada = wire.person("ada")
    asked = await ada.slash(
        "finetune workflow",
        file=("sorter.yaml", loop_case.WORKFLOW.encode()),
        tests=("sorter.test.yaml", loop_case.suite_text(16).encode()),
        rounds=2,
    )
    ack = await asked.ack()
    assert ack.message is not None
    assert ack.message.ephemeral
    thread = await thread_of_run(wire)
    await ada.react(await thread.question(PLAN, SLOW_S), "✅")
    await thread.question(KEEP, SLOW_S)

    def with_numbers() -> Message | None:
        found = thread.find(KEEP)
        return found if found and {ONE, TWO} <= set(found.reactions) else None

    kept = await wire.until(with_numbers, SLOW_S, "a number per edit")
    assert kept is not None
    return thread, kept


def body(message: Message) -> str:
    return str(message.embeds[0]["description"])


async def shows(wire: WireServer, message: Message, *words: str) -> None:
    await wire.until(
        lambda: all(word in body(message) for word in words), SLOW_S, f"a card with {words}"
    )


async def fetched(delivered: Message) -> str:
    async with aiohttp.ClientSession() as session, session.get(link_in(delivered)) as response:
        assert response.status == 200
        return (await response.read()).decode()


async def test_of_the_edits_of_a_round_exactly_the_taken_one_is_in_the_file_behind_the_link(
    wire: WireServer, tmp_path: Path
) -> None:
    async with real_bot(wire, tmp_path):
        ada = wire.person("ada")
        thread, change = await at_the_change(wire)
        assert "```diff" in body(change)
        assert f'+    prompt: "{loop_case.ONE_WORD}"' in body(change)
        assert f'+    prompt: "{loop_case.SHORT_THANKS}"' in body(change)
        await shows(wire, change, "☑ taken · **1**", "☑ taken · **2**")

        await ada.react(change, ONE)
        await shows(wire, change, "☐ dropped · **1**")
        await ada.react(change, TWO)
        await ada.unreact(change, ONE)
        await shows(wire, change, "☑ taken · **1**", "☐ dropped · **2**")
        await ada.react(change, "✅")

        delivered = await thread.card(READY, SLOW_S)
        assert await fetched(delivered) == FIRST_EDIT_ALONE
        chart, attached = delivered.attachments
        assert (chart.filename, chart.data[:4]) == ("rounds.png", b"\x89PNG")
        assert "By round 1: 0 %, end: 100 %" in (chart.description or "")
        assert attached.data.decode() == FIRST_EDIT_ALONE
        assert "Better than the workflow you gave" in body(delivered)

        await ada.react(change, ONE)
        told = await wire.until(
            lambda: [m for m in wire.messages(thread.place) if "answered already" in m.content],
            SLOW_S,
            "a word about the old question",
        )
        assert len(told) == 1
        link = await (await ada.slash("finetune download", run=1, what="tests")).answer()
        assert "test" in link.content


async def test_what_was_dropped_before_a_kill_stays_dropped_for_the_yes_after_it(
    wire: WireServer, tmp_path: Path
) -> None:
    async with real_bot(wire, tmp_path) as bot:
        ada = wire.person("ada")
        thread, change = await at_the_change(wire)
        await ada.react(change, TWO)
        await shows(wire, change, "☐ dropped · **2**")
        await bot.recorded(change)
        await bot.kill()

        await ada.react(change, "✅")
        await bot.start()

        delivered = await thread.card(READY, SLOW_S)
        assert await fetched(delivered) == FIRST_EDIT_ALONE
        footers = [m.embeds[0]["footer"]["text"] for m in thread.cards()]
        assert len(footers) == len(set(footers))


async def test_an_edit_stays_dropped_as_long_as_one_who_may_answer_has_its_number_there(
    wire: WireServer, tmp_path: Path
) -> None:
    role = wire.role("reviewers")
    ada, ben, cem = (wire.person(name) for name in ("ada", "ben", "cem"))
    await ben.give_role(role)
    async with bot_in_process(wire, tmp_path, guild={"approver_role_id": str(role.id)}) as bot:
        await kept_question.ask(
            bot.app,
            person=Person(person_id_of(ada.id), "Ada"),
            guild=str(wire.guild.id),
            home=f"discord:{wire.general.id}",
        )
        thread = await thread_of_run(wire)
        change = await thread.question(KEEP)

        for person in (ada, ben, cem):
            await person.react(change, TWO)
        await shows(wire, change, "☐ dropped · **2**")
        await ada.unreact(change, TWO)
        await wire.until(lambda: wire.requests("GET", rf"/guilds/\d+/members/{ben.id}"), SLOW_S)
        await ben.react(change, ONE)
        await shows(wire, change, "☐ dropped · **1**")
        assert await kept_question.taken(bot.app) == [False, False, True]

        await ben.unreact(change, TWO)
        await shows(wire, change, "☑ taken · **2**")


async def test_what_is_no_workflow_or_too_large_is_refused_before_it_is_kept(
    wire: WireServer, tmp_path: Path
) -> None:
    async with bot_in_process(wire, tmp_path):
        ada = wire.person("ada")
        for file, tests, why in (
            (("notes.txt", b"x"), None, "is no workflow"),
            (("a.yaml", b"x" * 300_000), None, "larger than"),
            (("a.yaml", b"x"), ("tests.json", b"x"), "is no workflow"),
        ):
            given = {"file": file} | ({"tests": tests} if tests else {})
            asked = await ada.slash("finetune workflow", **given)
            assert why in (await asked.answer()).content
        assert wire.threads() == []


async def test_a_workflow_that_cannot_be_run_is_told_so_with_its_line(
    wire: WireServer, tmp_path: Path
) -> None:
    async with real_bot(wire, tmp_path):
        ada = wire.person("ada")
        broken = loop_case.WORKFLOW.replace("next: thank", "next: nowhere")
        await ada.slash("finetune workflow", file=("sorter.yml", broken.encode()), ask="auto")

        failed = await (await thread_of_run(wire)).card("This run has failed", SLOW_S)

        assert "nowhere" in body(failed)


async def test_a_yes_right_after_a_number_was_taken_back_is_for_what_was_left_then(
    wire: WireServer, tmp_path: Path
) -> None:
    ada = wire.person("ada")
    async with bot_in_process(wire, tmp_path) as bot:
        await kept_question.ask(
            bot.app,
            person=Person(person_id_of(ada.id), "Ada"),
            guild=str(wire.guild.id),
            home=f"discord:{wire.general.id}",
        )
        change = await (await thread_of_run(wire)).question(KEEP)
        await ada.react(change, ONE)
        await shows(wire, change, "☐ dropped · **1**")

        wire.faults.delay("GET", rf"/channels/\d+/messages/{change.id}", seconds=1.5)
        await ada.unreact(change, ONE)
        await ada.react(change, "✅")
        await shows(wire, change, "Approved by Ada")

        assert await kept_question.taken(bot.app) == [True, True, True]

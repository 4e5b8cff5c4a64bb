"""A run from the wish to the link, in every way that people have; the first two with the bot as a process of its own."""

import asyncio
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from storage import datasets
from tests.wire.bot_process import BotProcess
from tests.wire.in_process import InProcess, bot_in_process
from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.thread import CSV, DELIVERED, PLAN, TASK, VERDICT, Thread, thread_of_run, title_of


@pytest.fixture
async def process(wire: WireServer, tmp_path: Path) -> AsyncIterator[BotProcess]:
    async with BotProcess(wire, tmp_path) as made:
        yield made


@pytest.fixture
async def bot(wire: WireServer, tmp_path: Path) -> AsyncIterator[InProcess]:
    async with bot_in_process(wire, tmp_path) as made:
        yield made


async def started(server: WireServer) -> Thread:
    await (await server.person("ada").slash("finetune start", dataset=CSV, task=TASK)).ack()
    return await thread_of_run(server)


async def downloaded(link: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(link) as response:
        assert response.status == 200
        return await response.read()


def link_in(message: Message) -> str:
    words = str(message.embeds[0]["description"]).split()
    return next(word for word in words if word.startswith("http://127.0.0.1:"))


async def test_from_a_command_to_an_adapter_behind_a_link(process: BotProcess) -> None:
    server, ada = process.server, process.server.person("ada")
    asked = await ada.slash("finetune start", dataset=CSV, task=TASK)
    ack = await asked.ack()
    assert ack.message is not None
    assert ack.message.ephemeral

    thread = await thread_of_run(server)
    await thread.approve_all(ada, PLAN, VERDICT)
    delivered = await thread.card(DELIVERED)

    archive = await downloaded(link_in(delivered))
    names = _names(archive)
    assert any(name.endswith("adapter_model.safetensors") for name in names)
    assert any(file.data == archive for file in delivered.attachments)
    opening = server.messages(server.general)[0]
    assert title_of(opening) == "Run #1: done: the adapter is ready"
    assert (await asked.answer()).content.startswith("Run #1 has started")
    pinged = [
        title_of(m) for m in thread.cards() if m.id in {p.message_id for p in server.pings_of(ada)}
    ]
    assert len(pinged) == 2
    verdict = thread.find(VERDICT)
    assert verdict is not None
    chart = next(file for file in verdict.attachments if file.filename == "loss.png")
    assert "falls" in (chart.description or "")
    written = {file.filename: file.data for file in verdict.attachments}
    assert list(written) == [
        "comparison.png",
        "loss.png",
        "report.md",
        "report.html",
        "report.json",
    ]
    assert b"Content-Security-Policy" in written["report.html"]
    assert json.loads(written["report.json"])["task"] == TASK


def _names(archive: bytes) -> list[str]:
    if zipfile.is_zipfile(io.BytesIO(archive)):
        return zipfile.ZipFile(io.BytesIO(archive)).namelist()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


async def test_a_new_link_is_given_on_demand(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    await thread.approve_all(ada, PLAN, VERDICT)
    await thread.card(DELIVERED)

    answer = await (await ada.slash("finetune download", run=1)).answer()

    assert answer.ephemeral
    link = answer.content.rsplit("<", 1)[1].removesuffix(">")
    assert len(await downloaded(link)) > 100


async def test_after_a_refusal_the_map_of_the_rows_comes_as_a_picture_with_words(
    bot: InProcess,
) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    await thread.approve_all(ada, PLAN)
    await ada.react(await thread.question(VERDICT), "❌")

    told = await thread.card("What try 1 tells")

    (picture,) = told.attachments
    assert (picture.filename, picture.data[:4]) == ("map.png", b"\x89PNG")
    assert "200 easy (80%), 30 ambiguous (12%), 20 hard (8%)" in (picture.description or "")


async def test_by_mention_and_upload(process: BotProcess) -> None:
    ada = process.server.person("ada")
    said = await ada.say(TASK, files=[("notes.png", b"1"), CSV], mention_bot=True)

    thread = await thread_of_run(process.server)
    await thread.approve_all(ada, PLAN, VERDICT)
    await thread.card(DELIVERED)

    answer = next(
        m for m in process.server.messages(process.server.general) if "has started" in m.content
    )
    assert answer.reference == (said.channel_id, said.id)
    assert "👀" in said.reactions
    opening = next(m for m in process.server.messages(process.server.general) if m.embeds)
    fields = {field["name"]: field["value"] for field in opening.embeds[0]["fields"]}
    assert fields["data"].startswith("tickets")


async def test_by_the_menu_of_somebody_elses_message(bot: InProcess) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    upload = await ben.say("here are my tickets", files=[CSV])

    shown = await ada.context_menu("Fine-tune on this file", upload)
    asked = await ada.submit_modal(shown, task=TASK)
    thread = await thread_of_run(bot.server)
    await ada.react(await thread.question(PLAN), "✅")
    await thread.question(VERDICT)

    assert (await asked.answer()).content.startswith("Run #1 has started")


async def test_a_reply_changes_the_plan_and_the_next_one_is_asked(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    plan = await thread.question(PLAN)

    await ada.reply(plan, "3 epochs, lr 1e-4, use 200 rows")
    second = await thread.question(f"{PLAN}, version 2")
    await thread.answered(plan, "Changes asked for by Ada", "3 epochs")

    body = second.embeds[0]["description"]
    assert all(name in body for name in ("`epochs`", "`learning_rate`", "`max_train_rows`"))
    await ada.react(second, "✅")
    await thread.question(VERDICT)


async def test_a_no_asks_what_should_be_different_and_a_reply_goes_on(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    plan = await thread.question(PLAN)

    await ada.react(plan, "❌")
    change = await thread.question("What should be different")
    await thread.answered(plan, "Refused by Ada")
    await ada.reply(change, "2 epochs")
    await ada.react(await thread.question(f"{PLAN}, version 2"), "✅")

    await thread.question(VERDICT)


async def test_words_about_the_result_lead_to_another_try(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    await thread.approve_all(ada, PLAN)

    await ada.reply(await thread.question(VERDICT), "lr 1e-4")

    await thread.question("Plan for try 2")


async def test_buttons_do_what_reactions_do(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)

    asked = await ada.press(await thread.question(PLAN), "carry it out")
    await asked.ack()
    await ada.press(await thread.question(VERDICT), "hand it over")
    await thread.card(DELIVERED)

    assert asked.followups == []


async def test_a_super_reaction_counts(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    thread = await started(bot.server)
    plan = await thread.question(PLAN)

    await ada.react(plan, "✅", burst=True)

    await thread.answered(plan, "Approved by Ada")


async def test_a_stranger_is_told_once(bot: InProcess) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    thread = await started(bot.server)
    plan = await thread.question(PLAN)

    for burst in (False, True):
        await ben.react(plan, "✅", burst=burst)
    await ben.reply(plan, "do it!")
    await ada.react(plan, "✅")
    await thread.question(VERDICT)

    told = [m for m in bot.server.messages(thread.place) if "can answer this" in m.content]
    assert len(told) == 1
    assert len(bot.server.pings_of(ben)) == 1


async def test_many_answers_at_once_make_one_decision(wire: WireServer, tmp_path: Path) -> None:
    role = wire.role("reviewers")
    people = [wire.person(name) for name in ("ada", "ben", "cem", "dan", "eve")]
    for person in people:
        await person.give_role(role)
    async with bot_in_process(wire, tmp_path, guild={"approver_role_id": str(role.id)}):
        thread = await started(wire)
        plan = await thread.question(PLAN)

        await asyncio.gather(
            *(p.react(plan, "✅❌"[n % 2], burst=n > 2) for n, p in enumerate(people)),
            people[0].press(plan, "don't"),
            people[1].press(plan, "carry it out"),
        )
        await thread.answered(plan)
        body = plan.embeds[0]["description"]
        await thread.question(VERDICT if "Approved" in body else "What should be different")

        assert body.count(" UTC**") == 1
        told = [m.content for m in wire.messages(thread.place) if "answered already" in m.content]
        assert len(told) == len(set(told))
        assert 2 <= len(told) <= len(people)


async def test_two_runs_do_not_mix(bot: InProcess) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    first = await started(bot.server)
    await ben.slash("finetune start", dataset=CSV, task="Another task")
    second = await thread_of_run(bot.server, 2)
    await first.question(PLAN)

    await ben.react(await second.question(PLAN), "✅")
    await second.question(VERDICT)

    assert (await first.question(PLAN)).components
    await ada.react(await first.question(PLAN), "✅")
    await first.question(VERDICT)


async def test_a_run_goes_on_from_one_of_the_same_server(bot: InProcess) -> None:
    ada, ben = bot.server.person("ada"), bot.server.person("ben")
    first = await started(bot.server)
    await first.approve_all(ada, PLAN, VERDICT)
    await first.card(DELIVERED)

    refused = await ben.slash("finetune start", dataset=CSV, task="More", continue_from=9)
    await ben.slash("finetune start", dataset=CSV, task="More", continue_from=1)

    second = await thread_of_run(bot.server, 2)
    plan = await second.question(PLAN)
    assert "no run #9 here" in (await refused.answer()).content
    assert "adapter of **run #1**" in str(plan.embeds[0]["description"])


async def test_all_data_files_of_a_message_are_merged(bot: InProcess) -> None:
    more = ("more.jsonl", b'{"text": "x", "label": "y"}\n')
    words = f"{TASK}, weight more.jsonl 0.5"
    await bot.server.person("ada").say(
        words, files=[("notes.png", b"1"), CSV, more], mention_bot=True
    )

    await (await thread_of_run(bot.server)).question(PLAN)

    kept = await bot.app.services.db.read(datasets.uploads, 1)
    assert [(u.name, u.details) for u in kept] == [
        (CSV[0], {}),
        ("more.jsonl", {"weight": 0.5}),
    ]


async def test_further_files_come_with_the_command(bot: InProcess) -> None:
    ada = bot.server.person("ada")
    more = ("more.jsonl", b'{"text": "x", "label": "y"}\n')

    await ada.slash("finetune start", dataset=CSV, task=TASK, file2=more)
    await (await thread_of_run(bot.server)).question(PLAN)

    kept = await bot.app.services.db.read(datasets.uploads, 1)
    assert bot.app.services.files.path(kept[1].sha256).read_bytes() == more[1]

"""Rows that are made, over the wire with the bot as a process: a sample, two rows struck by a reply, and what is told of them in the end."""

import io
import json
import zipfile
from pathlib import Path

from tests.wire.bot_process import BotProcess
from tests.wire.server import WireServer
from tests.wire.test_bot_runs import downloaded, link_in
from tests.wire.thread import DELIVERED, PLAN, TASK, VERDICT, thread_of_run, title_of

FEW = ("few.csv", b"text,label\n" + b"".join(b"ticket %d,a\n" % n for n in range(40)))
MADE = "The made rows"
SLOW_S = 60.0


async def test_forty_rows_become_more_two_are_struck_and_report_and_model_card_tell_of_the_rest(
    wire: WireServer, tmp_path: Path
) -> None:
    ada, ben = wire.person("ada"), wire.person("ben")
    async with BotProcess(wire, tmp_path) as bot:
        asked = await ada.slash("finetune start", dataset=FEW, task=TASK, generate="20")
        await asked.ack()
        thread = await thread_of_run(wire)
        plan = await thread.question(PLAN, SLOW_S)
        assert "**20 rows are made** by rules from your rows" in thread.body(PLAN)
        await ada.react(plan, "✅")

        first = await thread.question(MADE, SLOW_S)
        batch = {file.filename: file.data for file in first.attachments}["made-rows.jsonl"]
        rows = [json.loads(line) for line in batch.splitlines()]
        assert len(rows) == 20
        assert f"**2.** {rows[1]['prompt']}" in thread.body(MADE)
        await bot.kill()
        await bot.start()
        await ben.reply(first, "strike 1")
        await ada.reply(first, "strike 99")
        await ada.reply(first, "strike 2 and 5, please")
        again = await thread.question(f"{MADE}, version 2", SLOW_S)
        told = [m.content for m in wire.messages(thread.place) if "no made row 99" in m.content]
        assert len(told) == 1
        body = thread.body(title_of(again))
        assert "Struck: 2 (Ada), 5 (Ada)" in body
        assert "**2.**" not in body
        await ada.react(again, "✅")

        verdict = await thread.question(VERDICT, SLOW_S)
        assert "made rows the dev loss was lower by 0.120 per token" in thread.body(VERDICT)
        files = {file.filename: file.data for file in verdict.attachments}
        report = files["report.md"].decode()
        assert "## Rows that were made" in report
        assert "18 by rules from your rows" in report
        assert "struck 2 of them" in report
        told_rows = json.loads(files["report.json"])["made_rows"]
        assert told_rows["rows"] == 18
        assert told_rows["struck"] == [2, 5]
        assert b"Rows that were made" in files["report.html"]
        await ada.react(verdict, "✅")
        delivered = await thread.card(DELIVERED, SLOW_S)

        archive = zipfile.ZipFile(io.BytesIO(await downloaded(link_in(delivered))))
    card = next(name for name in archive.namelist() if name.endswith("README.md"))
    written = archive.read(card).decode()
    assert '"synthetic-data"' in written
    assert "18 (7%) were made by a program: 18 by rules from other rows" in written
    assert len([title for title in thread.titles() if title.startswith(MADE)]) == 2


async def test_an_option_that_says_nothing_is_refused_before_anything_is_fetched(
    wire: WireServer, tmp_path: Path
) -> None:
    async with BotProcess(wire, tmp_path):
        ada = wire.person("ada")
        asked = await ada.slash("finetune start", dataset=FEW, task=TASK, generate="lots")

        answer = await asked.answer()

        assert answer.ephemeral
        assert "“lots” says nothing about rows that I should make" in answer.content
        assert wire.threads() == []

"""A fifth of the labels is wrong: the real bot finds them, leaves them out on a ✅, and the next try is better. An hour.

The transcript and the figures are left in the tests' temporary folder.
"""

import csv
import io
import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.wire.bot_process import RealBot
from tests.wire.server import WireServer
from tests.wire.test_whole_path import AN_HOUR_S, DATA, keep_transcript
from tests.wire.thread import DELIVERED, PLAN, VERDICT, thread_of_run

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.timeout(4 * AN_HOUR_S),
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here"),
]

ROWS = 2000
WRONG_SHARE = 0.2
SEED = 11


async def test_wrong_labels_are_found_left_out_on_a_yes_and_the_next_try_is_better(
    wire: WireServer, tmp_path: Path
) -> None:
    upload, planted = noisy_banking77()
    more_tests = {"intake__test_fraction": 0.3, "intake__max_test_rows": 600}
    async with RealBot(wire, tmp_path, **more_tests) as bot:
        ada = wire.person("ada")
        task = "Classify the customer's banking question"
        asked = await ada.slash("finetune start", dataset=("questions.csv", upload), task=task)
        await asked.ack()
        thread = await thread_of_run(wire)
        try:
            plan = await thread.question(PLAN, AN_HOUR_S)
            await ada.reply(plan, "3 epochs")
            await ada.react(await thread.question(f"{PLAN}, version 2", AN_HOUR_S), "✅")
            await ada.react(await thread.question("50 % done", AN_HOUR_S), "✅")
            await ada.react(await thread.question(VERDICT, AN_HOUR_S), "❌")
            second = await thread.question("Plan for try 2", AN_HOUR_S)
            await ada.react(second, "✅")
            await ada.react(await thread.question("50 % done", AN_HOUR_S), "✅")
            verdict = await thread.question(rf"{VERDICT}.*\(try 2\)", AN_HOUR_S)
            await ada.react(verdict, "✅")
            await thread.card(DELIVERED, AN_HOUR_S)
        finally:
            keep_transcript(wire, thread, tmp_path)
    told = figures(bot.data_dir, planted)
    (tmp_path / "figures.json").write_text(json.dumps(told, indent=1))
    print(json.dumps(told))  # noqa: T201  # the figures of docs/debugging.md
    # 17 rows of a label, 13 of them right; with more rows more is found (tests/worker/test_wrong_labels.py)
    assert told["precision"] >= 0.65
    assert told["recall"] >= 0.65
    assert told["second_against_first"]["verdict"] == "better"


def noisy_banking77() -> tuple[bytes, set[int]]:
    """Return a CSV of questions, a fifth of which has another label, and the numbers of these rows as the bot counts them."""
    with (DATA / "banking77_train.csv").open(encoding="utf-8", newline="") as stream:
        every = list(csv.DictReader(stream))
    drawn = random.Random(SEED)
    rows = drawn.sample(every, ROWS)
    labels = sorted({row["category"] for row in every})
    wrong = set(drawn.sample(range(ROWS), round(WRONG_SHARE * ROWS)))
    for place in wrong:
        others = [label for label in labels if label != rows[place]["category"]]
        rows[place] = rows[place] | {"category": drawn.choice(others)}
    text = io.StringIO()
    table = csv.DictWriter(text, ["text", "category"])
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode(), lines_of(text.getvalue(), wrong)


def lines_of(text: str, places: set[int]) -> set[int]:
    """Return the lines at which rows begin; a question may go over several."""
    reader = csv.reader(io.StringIO(text))
    next(reader)
    began, lines = reader.line_num + 1, set()
    for place, _row in enumerate(reader):
        if place in places:
            lines.add(began)
        began = reader.line_num + 1
    return lines


def figures(data_dir: Path, planted: set[int]) -> dict[str, Any]:
    """Compare the rows that the second try leaves out with those that were planted among the rows to learn from."""
    with closing(sqlite3.connect(f"file:{data_dir / 'tunewright.sqlite'}?mode=ro", uri=True)) as db:
        sha256_of = dict(db.execute("SELECT role, sha256 FROM dataset WHERE run_id = 1"))
        (report,) = db.execute(
            "SELECT payload FROM evaluationreport WHERE run_id = 1 AND iteration = 2"
        ).fetchone()
        (first,) = db.execute(
            "SELECT payload FROM evaluationreport WHERE run_id = 1 AND iteration = 1"
        ).fetchone()

    def rows(role: str) -> set[int]:
        found = next((data_dir / "files").rglob(sha256_of[role] + "*"))
        return {json.loads(line)["row"] for line in found.read_text().splitlines()}

    learnt, left_out = rows("train"), rows("aside.2")
    wrong = planted & learnt
    evaluated, before = json.loads(report), json.loads(first)
    return {
        "training_rows": len(learnt),
        "planted": len(wrong),
        "left_out": len(left_out),
        "precision": len(left_out & wrong) / len(left_out),
        "recall": len(left_out & wrong) / len(wrong),
        "first": _short(before["primary"], ("base", "tuned", "low", "high")),
        "second": _short(evaluated["primary"], ("base", "tuned", "low", "high")),
        "second_against_first": evaluated["against_try"],
    }


def _short(comparison: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: comparison[name] for name in names}

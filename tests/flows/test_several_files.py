"""Several files on the way to one adapter: kept with the wish, weighed by words, told on the card and in the lock file."""

import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from agents import weights
from agents.jobs import (
    ROWS_PER_FILE,
    DataFinding,
    FileShare,
    FindingKind,
    JobKind,
    RowError,
)
from agents.services import UserError
from bot.desk import Wish
from bot.uploads import Upload
from storage import datasets, jobs, runs
from storage.models import Decision, Phase
from tests.bot.test_cards import data_card
from tests.bot.test_desk import WISH
from tests.house import House, open_house

TWO: Wish = replace(
    WISH,
    more=[{"file_name": "more.jsonl", "size_bytes": 9, "request": {"file": "more"}}],
)


async def intake(house: House, run_id: int = 1) -> dict[str, Any]:
    job = await house.app.services.db.read(jobs.latest, run_id, JobKind.INTAKE)
    assert job is not None
    return job.spec


def second(house: House) -> Upload:
    return Upload(house.app.services.files.put(b'{"prompt": 1}\n'), "more.jsonl")


async def test_all_files_of_a_wish_are_fetched_and_read_together(tmp_path):
    async with open_house(tmp_path) as house:
        house.surface.files |= {"tickets": b"a,b\n1,2\n", "more": b"{}\n"}

        await house.app.desk.take(TWO)
        await house.app.desk.work_off()
        await house.settle()

        kept = await house.app.services.db.read(datasets.uploads, 1)
        assert [(u.role, u.name) for u in kept] == [
            ("upload", "tickets.csv"),
            ("upload2", "more.jsonl"),
        ]
        spec = await intake(house)
        assert [other["file"]["sha256"] for other in spec["more"]] == [kept[1].sha256]
        opening = await house.app.services.db.read(runs.get, 1)
        assert opening.phase is Phase.APPROVING


async def test_a_further_file_that_is_gone_refuses_the_whole_wish(tmp_path):
    async with open_house(tmp_path) as house:
        house.surface.files["tickets"] = b"a,b\n1,2\n"

        await house.app.desk.take(TWO)
        await house.app.desk.work_off()

        assert await house.app.services.db.read(runs.recent) == []
        assert "file is gone" in house.surface.answers()[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [([{"size_bytes": 10**10}], "larger than"), ([{"size_bytes": 1}] * 5, "up to 5 files")],
)
async def test_too_much_is_refused_before_anything_is_fetched(tmp_path, more, said):
    async with open_house(tmp_path) as house:
        with pytest.raises(UserError, match=said):
            await house.app.desk.take(replace(WISH, more=more))


async def test_weights_are_read_out_of_the_words_and_left_out_of_the_task(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(goal="Sort tickets, weight more.jsonl 0.5", more=(second(house),))

        spec = await intake(house)
        assert (await house.run()).goal == "Sort tickets"
        assert (spec["weight"], spec["more"][0]["weight"]) == (1.0, 0.5)


async def test_with_one_file_such_words_belong_to_the_task(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(goal="Tell the weight of parcels 3 days ahead")

        assert (await house.run()).goal == "Tell the weight of parcels 3 days ahead"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((("other.csv", 0.5),), "no one file “other.csv”"),
        ((("more", 0.0),), "weight of 0 is not possible"),
        ((("more", 50.0),), "weight of 50 is not possible"),
    ],
)
async def test_weights_that_cannot_be_are_refused(tmp_path, asked, said):
    async with open_house(tmp_path) as house:
        with pytest.raises(UserError, match=said):
            await house.start(more=(second(house),), weights=asked)

        assert await house.app.services.db.read(runs.recent) == []


async def test_a_reply_weighs_the_files_anew_and_leads_to_a_new_plan(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(more=(second(house),))

        await house.reply("weight more 0.5, 2 epochs")

        question = house.surface.question()
        assert (await intake(house))["more"][0]["weight"] == 0.5
        assert "run1-i1-intake-a2" in house.launcher.started
        assert question["title"] == "The plan, version 2"
        assert "more\\.jsonl × 0\\.5" in question["body"]
        assert "→ **2**" in question["body"]

        await house.reply("weight nothing.csv 2")

        assert "no one file" in house.surface.question()["body"]
        assert "run1-i1-intake-a3" not in house.launcher.started

        await house.reply("weight more 1")

        assert (await intake(house))["more"][0]["weight"] == 1.0


async def test_once_rows_were_tested_on_weights_stay_and_that_is_said(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(more=(second(house),))
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")

        await house.reply("weight more 0.5")

        assert (await intake(house))["more"][0]["weight"] == 1.0
        assert "Start a new run to weigh" in house.surface.question()["body"]


async def test_the_lock_file_names_every_file_and_how_much_of_it_was_used(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(more=(second(house),), weights=(("more.jsonl", 2.0),))
        while (await house.run()).phase is not Phase.DELIVERED:
            await house.answer(Decision.APPROVE)

        packed = await house.app.services.db.read(datasets.artifact, 1, "adapter")
        with zipfile.ZipFile(house.app.services.files.path(packed.sha256)) as archive:
            name = packed.name.removesuffix(".zip")
            lock = json.loads(archive.read(f"{name}/run.lock.json"))
        assert set(lock["data_sha256"]) == {"upload", "upload2", "train", "dev", "test"}
        assert lock["weights"] == {"upload": 1.0, "upload2": 2.0}


def test_the_data_card_tells_of_each_file_and_names_rows_by_their_file() -> None:
    def share(name: str, weight: float) -> FileShare:
        return FileShare(
            name=name,
            format="CSV",
            weight=weight,
            rows_read=101,
            rows_usable=100,
            train_rows=35,
            dev_rows=10,
            test_rows=20,
        )

    body = data_card(
        files=(share("a.csv", 1), share("b.csv", 0.5)),
        row_errors=(RowError(row=ROWS_PER_FILE + 42, reason="'x' is empty"),),
        row_error_count=1,
        findings=(
            DataFinding(
                kind=FindingKind.CONFLICTS,
                count=2,
                share=0.01,
                rows=(7, ROWS_PER_FILE + 9),
                sentence="Two rows disagree.",
            ),
        ),
    )

    assert "b\\.csv\\: 100 usable rows of 101; 35 to learn from" in body
    assert "each used 0\\.5 times" in body
    assert "row 42 of b\\.csv\\: 'x' is empty" in body
    assert "row 7 of a\\.csv, row 9 of b\\.csv" in body


def test_weights_are_read_from_many_ways_to_say_them() -> None:
    for words in (
        "weight b.csv 0.5",
        "weight of b.csv: 0.5",
        "Weight b.csv=0.5",
        "weight `b.csv` to 0.5",
    ):
        assert weights.named(words) == [("b.csv", 0.5)], words
    assert weights.named("weigh it") == []
    assert weights.without_names("Sort, weight a.csv 2, weight b 0.5. Thanks") == "Sort . Thanks"

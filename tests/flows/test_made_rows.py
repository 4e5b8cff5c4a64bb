"""Rows that a program makes, from the plan to the model card, with the real graph and rows."""

import json
import zipfile
from pathlib import Path

from agents.jobs import MADE_ROWS, JobKind, Source
from agents.llm import ScriptedLLM
from agents.made_rows import MadeRows
from agents.made_wishes import MadeRowsWish, of_option
from bot.answering import Effect
from bot.uploads import Upload
from configs.schema import GenerationSettings
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import ANNA, BEN, EVERY_GATE, open_house
from tests.stub_made_rows import MadePlay

NOBODY = ScriptedLLM([])
LABELS = ("refund", "refund", "refund", "chargeback")
"""Three times as many of the first."""


def a_worker(**facts):
    return StubLauncher(answers=LABELS, train_rows=40, **facts)


async def rows_of(house, role):
    found = await house.app.services.db.read(datasets.find, 1, role)
    assert found is not None, role
    return [json.loads(line) for line in read(house, found.sha256).splitlines()]


def read(house, sha256):
    return house.app.services.files.path(sha256).read_text()


async def spec_of(house, kind, iteration=1):
    return (await house.app.services.db.read(jobs.latest, 1, kind, iteration)).spec


async def test_rows_are_made_shown_struck_taken_learnt_compared_and_told(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("60"))
        plan = house.surface.question()
        assert "60 rows are made" in plan["body"]
        assert "40 of your rows and about 60 made ones" in plan["body"]

        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.ENRICHING
        asked = house.surface.question()
        assert asked["title"] == "The made rows"
        assert asked["files"] == [] or asked["files"] == ["made-rows.jsonl"]
        assert "**2.** made 2 of seed 1" in asked["body"]
        await house.reply("strike 2 and 5")
        again = house.surface.question()
        assert again["title"] == "The made rows, version 2"
        assert "Struck: 2 (Anna), 5 (Anna)" in again["body"]
        assert "**2.**" not in again["body"]
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        learnt = await rows_of(house, "train.1")
        made = await rows_of(house, "made.1")
        numbers = [row["row"] - MADE_ROWS for row in made]
        assert len(learnt) == 98
        assert len(made) == 58
        assert {2, 5}.isdisjoint(numbers)
        assert all("made" in row for row in made)
        assert not any("made" in row for row in learnt)
        for sealed in ("dev", "test"):
            assert all(row["row"] < MADE_ROWS for row in await rows_of(house, sealed))
        spec = await spec_of(house, JobKind.TRAIN)
        assert (
            spec["without"]["sha256"] == (await spec_of(house, JobKind.GENERATE))["train"]["sha256"]
        )
        report = house.surface.question()["body"]
        assert "With 80 made rows the dev loss was lower by 0.120 per token" in report
        assert "**kept**" in report

        await house.answer(Decision.APPROVE)
        card, lock = await delivered(house)
        assert '"synthetic-data"' in card
        assert "Of the 98 rows that it learnt from, 58 (59%) were made by a program" in card
        assert lock["made_rows"]["struck"] == [2, 5]
        assert lock["rows"]["made"] == 58
        facts = MadeRows.model_validate(
            (await house.app.services.db.read(datasets.find, 1, "made.1")).details
        )
        assert [(one.number, one.by) for one in facts.struck] == [(2, "Anna"), (5, "Anna")]


async def delivered(house):
    artifact = await house.app.services.db.read(datasets.artifact, 1, "adapter")
    with zipfile.ZipFile(house.app.services.files.path(artifact.sha256)) as archive:
        files = {
            Path(name).name: archive.read(name).decode()
            for name in archive.namelist()
            if not name.endswith(".safetensors")
        }
    return files["README.md"], json.loads(files["run.lock.json"])


async def test_rows_that_did_not_help_are_left_out_and_the_next_try_does_not_learn_them(tmp_path):
    worker = a_worker(made=MadePlay(helped=False))
    async with open_house(tmp_path, stand_in=worker) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)

        body = house.surface.question()["body"]
        assert "With 80 made rows the dev loss was higher by 0.030 per token" in body
        assert "**left out**" in body
        assert len(await rows_of(house, "unused.1")) == 20
        assert len(await rows_of(house, "train.1")) == 40
        assert await house.app.services.db.read(datasets.find, 1, "made.1") is None

        await house.reply("lr 1e-4")
        assert "40 of your rows" in house.surface.question()["body"]
        assert "made" not in house.surface.question()["body"].split("From the last try")[0]
        await house.answer(Decision.APPROVE)
        assert len(await rows_of(house, "train")) == 40
        assert (await spec_of(house, JobKind.TRAIN, 2))["without"] is None
        await house.answer(Decision.APPROVE)
        card, lock = await delivered(house)
        assert "synthetic-data" not in card
        assert "made_rows" not in lock


async def test_rows_that_helped_are_learnt_again_by_the_next_try_without_being_made_anew(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)

        await house.reply("lr 1e-4")
        assert (
            "**20 made rows** that try 1 has learnt are learnt again."
            in house.surface.question()["body"]
        )
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        assert len(await rows_of(house, "train.2")) == 60
        assert await rows_of(house, "made.2") == await rows_of(house, "made.1")
        assert (await spec_of(house, JobKind.TRAIN, 2))["without"] is None
        generated = await house.app.services.db.read(jobs.latest, 1, JobKind.GENERATE)
        assert generated.iteration == 1


async def test_more_rows_in_a_later_try_have_further_numbers_and_are_compared_with_the_earlier_ones(
    tmp_path,
):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)

        await house.reply("make 10 more rows for chargeback")
        await house.answer(Decision.APPROVE)
        asked = house.surface.question()
        assert asked["title"] == "The made rows of try 2"
        last = max(row["row"] for row in await rows_of(house, "made.1")) - MADE_ROWS
        assert f"**{last + 1}.**" in asked["body"]
        await house.reply(f"strike {last + 1}")
        house.launcher.made = MadePlay(helped=False)
        await house.answer(Decision.APPROVE)

        # the new ones did not help; those of the first try are learnt all the same
        assert (await house.run()).phase is Phase.REVIEWING
        assert len(await rows_of(house, "unused.2")) == 29
        assert await rows_of(house, "made.2") == await rows_of(house, "made.1")
        assert len(await rows_of(house, "train.2")) == 60


async def test_a_no_goes_on_without_made_rows(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)

        assert (await house.run()).phase is Phase.REVIEWING
        assert await house.app.services.db.read(datasets.find, 1, "made.1") is None
        assert (await spec_of(house, JobKind.TRAIN))["without"] is None
        notice = next(m for m in house.surface.messages() if m["title"] == "Without made rows")
        assert "Anna said no" in notice["body"]


async def test_nothing_fit_is_said_and_the_run_goes_on(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker(made=MadePlay(fit=0))) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        notice = next(m for m in house.surface.messages() if m["title"] == "No rows were made")
        assert "None of 30 drafts was fit to learn from " in notice["body"]


async def test_a_program_that_fails_costs_the_rows_and_not_the_run(tmp_path):
    worker = a_worker(script={"run1-i1-generate-a1": "crash"})
    async with open_house(tmp_path, stand_in=worker) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        notice = next(m for m in house.surface.messages() if m["title"] == "No rows were made")
        assert "the program that does it failed" in notice["body"]


async def test_answers_that_cannot_be_followed_are_told_and_change_nothing(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        before = house.surface.question()

        unknown = await house.reply("strike 99")
        style = await house.reply("less formal, please")
        other = await house.reply("strike 1", BEN)

        assert unknown.effect is style.effect is Effect.UNCLEAR
        assert "There is no made row 99 in this batch" in unknown.text
        assert "made by rules" in style.text
        assert other.effect is Effect.NOT_ALLOWED
        assert house.surface.question() == before


async def test_words_about_style_make_one_further_batch_and_are_remembered_after_that(tmp_path):
    settings = {"generation": GenerationSettings(backend="llm")}
    async with open_house(tmp_path, stand_in=a_worker(), llm=NOBODY, **settings) as house:
        await house.start(made_rows=of_option("20"))
        assert "is asked up to **500 times**" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)

        await house.reply("less formal")
        second = house.surface.question()
        await house.reply("more typos")
        third = house.surface.question()
        await house.reply("make them again")
        fourth = house.surface.question()

        assert "This is batch 2" in second["body"]
        assert "seed 1001 \\(less formal\\)" in second["body"]
        assert "Remembered for the next batch: “more typos”" in third["body"]
        assert "This is batch 2" in third["body"]
        assert "This is batch 3" in fourth["body"]
        assert "\\(more typos\\)" in fourth["body"]
        assert [job.attempt for job in await all_jobs(house, JobKind.GENERATE)] == [1, 2, 3]


async def all_jobs(house, kind):
    return [j for j in await house.app.services.db.read(jobs.of_run, 1) if j.kind == kind]


async def test_a_standing_permission_takes_rows_that_are_made_from_the_uploads(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"), policy=EVERY_GATE)

        assert (await house.run()).phase is Phase.DELIVERED
        assert len(await rows_of(house, "made.1")) == 20


async def test_rows_from_pages_need_a_person_each_time_and_their_addresses_are_no_links(tmp_path):
    page = Source(kind="page", name="Refunds", where="https://example.org/refunds")
    worker = a_worker(made=MadePlay(sources=(page,)))
    settings = {"generation": GenerationSettings(backend="llm")}
    async with open_house(tmp_path, stand_in=worker, llm=NOBODY, **settings) as house:
        wish = MadeRowsWish(with_facts=True)
        manual = Upload(house.app.services.files.put(b"# Refunds"), "manual.md")
        await house.start(made_rows=wish, policy=EVERY_GATE, more=(manual,))

        assert (await house.run()).phase is Phase.ENRICHING
        asked = house.surface.question()
        assert "page Refunds, https\\[\\:\\]//example\\.org/refunds" in asked["body"]
        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.DELIVERED
        card, _lock = await delivered(house)
        assert "`Refunds, https[:]//example.org/refunds`" in card


async def test_going_back_to_a_try_takes_its_made_rows_up_again(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        await house.reply("no made rows, lr 1e-4")
        assert "No made rows are used" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)
        assert (await spec_of(house, JobKind.TRAIN, 2))["without"] is None
        assert await house.app.services.db.read(datasets.find, 1, "made.2") is None

        await house.app.commands.revert(1, ANNA, 1)
        await house.settle()

        body = house.surface.question()["body"]
        assert "**20 made rows** that try 1 has learnt are learnt again." in body
        await house.answer(Decision.APPROVE)
        assert await rows_of(house, "made.3") == await rows_of(house, "made.1")

"""When rows are made at all: asked for in words or by an option, or proposed where evidence says that some are missing."""

from agents.jobs import JobKind, MapPoint, Region, RowShape
from agents.made_wishes import of_option
from configs.schema import GenerationSettings
from storage import jobs
from storage.models import Decision, Phase
from tests.fakes import StubLauncher
from tests.house import open_house

UNEVEN = ("refund",) * 9 + ("chargeback",) + ("arrival",) * 8
"""One label has far fewer rows than the others."""
PROPOSE = {"generation": GenerationSettings(propose=True)}


def a_worker(**facts):
    return StubLauncher(answers=UNEVEN, train_rows=180, **facts)


def made_of(body):
    return [line for line in body.splitlines() if "rows are made" in line]


async def test_nothing_is_made_unless_somebody_wants_it(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start()

        assert made_of(house.surface.question()["body"]) == []
        await house.answer(Decision.APPROVE)
        assert await all_jobs(house, JobKind.GENERATE) == []


async def test_a_plan_proposes_rows_for_a_label_that_hardly_occurs_where_that_is_allowed(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker(), **PROPOSE) as house:
        await house.start()

        (line,) = made_of(house.surface.question()["body"])
        assert "**50 rows are made** by rules from your rows: chargeback 50." in line
        assert "1 of 3 labels have less than half of the 80 rows" in line


async def test_an_option_can_forbid_what_the_settings_would_propose(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker(), **PROPOSE) as house:
        await house.start(made_rows=of_option("off"))

        assert made_of(house.surface.question()["body"]) == []


async def test_auto_says_so_where_no_rows_are_missing(tmp_path):
    worker = StubLauncher(answers=("a", "b"), train_rows=200)
    async with open_house(tmp_path, stand_in=worker) as house:
        await house.start(made_rows=of_option("auto"))

        body = house.surface.question()["body"]
        assert made_of(body) == []
        assert "found no sign of it" in body


async def test_replies_add_rows_count_them_anew_and_take_them_back_for_good(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker(), **PROPOSE) as house:
        await house.start()
        await house.reply("make 30 more rows for arrival, 2 epochs")
        second = house.surface.question()["body"]
        await house.reply("make 12 rows")
        third = house.surface.question()["body"]
        await house.reply("no made rows")
        fourth = house.surface.question()["body"]

        assert "**80 rows are made**" in made_of(second)[0]
        assert "chargeback 50, arrival 30" in made_of(second)[0]
        assert "`epochs`" in second
        assert "**12 rows are made**" in made_of(third)[0]
        assert made_of(fourth) == []
        assert "No made rows are used" in fourth
        assert (await house.run()).made_rows["off"]


async def test_what_no_rows_can_be_made_for_is_said(tmp_path):
    worker = a_worker(shape=RowShape.PREFERENCE)
    async with open_house(tmp_path, stand_in=worker) as house:
        await house.start(made_rows=of_option("20"))

        assert "so none are made here" in house.surface.question()["body"]


async def test_candidates_and_made_rows_are_two_tries(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker()) as house:
        await house.start(made_rows=of_option("20"))
        assert made_of(house.surface.question()["body"])

        await house.reply("learning rates 1e-4 and 1e-3")

        second = house.surface.question()["body"]
        await house.reply("no candidates")
        third = house.surface.question()["body"]

        assert "one change at a time tells what helped" in second
        assert "made ones" not in second
        assert "**20 rows are made**" in made_of(third)[0]


async def test_the_debugger_asks_for_rows_of_labels_that_the_training_found_hard(tmp_path):
    hard = {n for n in range(180) if UNEVEN[n % 18] == "chargeback"}
    points = tuple(
        MapPoint(
            row=row,
            confidence=0.1 if row in hard else 0.9,
            variability=0.1,
            region=Region.HARD if row in hard else Region.EASY,
        )
        for row in range(180)
    )
    worker = a_worker(inspected={"points": points})
    async with open_house(tmp_path, stand_in=worker, **PROPOSE) as house:
        await house.start(made_rows=of_option("12"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)
        assert (await house.run()).phase is Phase.REVIEWING
        await house.answer(Decision.REJECT)

        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "The training found these labels hard to learn\\: “chargeback” 100 %" in told["body"]
        assert "make 70 rows \\(70 for “chargeback”\\)" in told["body"]


async def test_a_person_s_complaint_about_labels_offers_rows_for_them(tmp_path):
    async with open_house(tmp_path, stand_in=a_worker(), **PROPOSE) as house:
        await house.start(made_rows=of_option("12"))
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)
        await house.reply("it confuses refund and chargeback")

        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "90 for “refund”" in told["body"]
        assert made_of(house.surface.question()["body"])


async def all_jobs(house, kind):
    return [j for j in await house.app.services.db.read(jobs.of_run, 1) if j.kind == kind]

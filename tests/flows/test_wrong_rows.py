"""Rows with a wrong label, from the training that doubts them to the next try without them: every step in rows and files."""

import json
from typing import Any

import pytest

from agents.jobs import JobKind
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.facts import a_doubt, an_inspection
from tests.fakes import StubLauncher
from tests.house import House, open_house

WRONG = 12
"""Training rows 0 … 11, of 250."""


def doubting(**facts) -> StubLauncher:
    return StubLauncher({}, inspected={"doubts": WRONG, **facts})


async def to_the_second_plan(house: House, words: str | None = None) -> None:
    await house.start()
    await house.answer(Decision.APPROVE)
    await (house.reply(words) if words else house.answer(Decision.REJECT))


async def rows_of(house: House, role: str) -> list[int]:
    dataset = await house.app.services.db.read(datasets.find, 1, role)
    raw = house.app.services.files.path(dataset.sha256).read_bytes()
    assert dataset.rows == len(raw.splitlines())
    return [json.loads(line)["row"] for line in raw.splitlines()]


async def spec_of(house: House, kind: JobKind, iteration: int) -> dict[str, Any]:
    return (await house.app.services.db.read(jobs.latest, 1, kind, iteration)).spec


async def test_rows_that_are_likely_wrong_are_left_out_by_a_yes_to_the_next_plan(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house)

        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "12 of 250 training rows likely have a wrong label" in told["body"]
        assert "row 0: “train 0” is `a`; likelier `b` (93 % against 2 %)" in told["body"]
        assert "found 200 easy, 20 hard, and changed its mind on 30" in told["body"]
        question = house.surface.question()
        assert question["title"] == "Plan for try 2"
        assert "`rows to learn from` 250 → **238**" in question["body"]
        assert "**12** are left out (row 0, 1, 2" in question["body"]
        assert "with 238 of your rows" in question["body"]
        suggestions = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert [s.rule for s in suggestions if s.taken] == ["wrong_labels"]
        assert await house.app.services.db.read(datasets.find, 1, "train.2") is None

        await house.answer(Decision.APPROVE)

        assert (await house.run()).phase is Phase.REVIEWING
        first, second = [(await spec_of(house, JobKind.TRAIN, i)) for i in (1, 2)]
        own = await house.app.services.db.read(datasets.find, 1, "train.2")
        assert second["train"]["sha256"] == own.sha256 != first["train"]["sha256"]
        assert second["dev"] == first["dev"]
        tests = [(await spec_of(house, JobKind.EVALUATE, i))["test"] for i in (1, 2)]
        assert tests[0] == tests[1]
        assert await rows_of(house, "train.2") == list(range(WRONG, 250))
        assert await rows_of(house, "aside.2") == list(range(WRONG))
        assert await rows_of(house, "train") == list(range(250))
        taken = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert [s.rule for s in taken if s.taken] == ["wrong_labels"]


async def test_a_person_keeps_rows_takes_fewer_relabels_and_takes_it_all_back(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house)

        await house.reply("keep row 3")
        assert "238 → **239**" in house.surface.question()["body"]
        await house.reply("only 4, and 2 epochs")
        body = house.surface.question()["body"]
        assert "239 → **246**" in body
        assert "`epochs`" in body
        await house.reply("relabel them")
        assert "`rows with another label` 0 → **12**" in house.surface.question()["body"]
        await house.reply("keep all rows")
        body = house.surface.question()["body"]
        assert "`rows with another label` 12 → **0**" in body
        assert "left out" not in body

        await house.answer(Decision.APPROVE)
        specs = [(await spec_of(house, JobKind.TRAIN, i))["train"] for i in (1, 2)]
        assert specs[0] == specs[1]
        assert await house.app.services.db.read(datasets.find, 1, "train.2") is None
        suggestions = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert not any(s.taken for s in suggestions if s.rule == "wrong_labels")


async def test_relabelled_rows_are_learnt_with_the_likelier_label(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house)
        await house.reply("relabel only 2")
        await house.answer(Decision.APPROVE)

        dataset = await house.app.services.db.read(datasets.find, 1, "train.2")
        lines = house.app.services.files.path(dataset.sha256).read_bytes().splitlines()
        answers = [json.loads(line)["completion"] for line in lines]
        assert answers == ["b", "b", *["a"] * 248]
        assert await rows_of(house, "aside.2") == [0, 1]


async def test_a_reply_to_the_report_drops_them_and_a_third_try_can_have_them_back(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house, "drop the wrong rows, and 3 epochs")
        body = house.surface.question()["body"]
        assert "250 → **238**" in body
        assert "`epochs` 4 → **3**" in body

        await house.answer(Decision.APPROVE)
        await house.reply("use all rows again")
        assert house.surface.question()["title"] == "Plan for try 3"
        assert "238 → **250**" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)

        specs = [(await spec_of(house, JobKind.TRAIN, i))["train"]["sha256"] for i in (1, 2, 3)]
        assert specs[0] == specs[2] != specs[1]


async def test_beside_a_wish_rows_are_only_named_until_somebody_says_drop_them(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house, "3 epochs")
        assert "rows to learn from" not in house.surface.question()["body"]

        await house.reply("drop them")
        assert "250 → **238**" in house.surface.question()["body"]


async def test_where_rows_change_no_rule_changes_the_recipe(tmp_path):
    async with open_house(tmp_path, stand_in=doubting()) as house:
        await to_the_second_plan(house)

        suggestions = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert len([s for s in suggestions if s.taken]) == 1


@pytest.mark.parametrize(
    ("low", "rules"),
    [(0.02, ["wrong_labels", "overfit"]), (-0.02, ["overfit", "doubtful_labels"])],
)
async def test_doubts_come_before_what_the_curves_say_only_where_leaving_them_out_was_seen_to_help(
    tmp_path, low, rules
):
    trial = an_inspection().trial.model_copy(update={"low": low})
    curve = {"dev_losses": ((0, 3.0), (3, 1.0), (6, 1.3), (10, 1.6)), "best_step": 3}
    stand_in = StubLauncher(
        {}, inspected={"doubts": WRONG, "trial": trial}, trained={"run1-i1-train-a1": curve}
    )
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await to_the_second_plan(house)

        suggestions = await house.app.services.db.read(datasets.suggestions, 1, 1)
        assert [s.rule for s in suggestions if s.rule != "candidates"][:2] == rules
        assert [s.rule for s in suggestions if s.taken] == rules[:1]


async def test_text_of_rows_is_shown_as_text(tmp_path):
    evil = a_doubt(0, prompt="@everyone **click** https://evil.example", given="`x` @here")
    stand_in = StubLauncher({}, inspected={"doubts": (evil,) * 6, "labels": 0})
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await to_the_second_plan(house, "3 epochs")

        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert r"\@everyone" in told["body"]
        assert "https://evil" not in told["body"]
        assert "**click**" not in told["body"]


async def test_a_look_that_fails_is_said_and_stops_nothing(tmp_path):
    script = {"run1-i1-inspect-a1": "crash"}
    async with open_house(tmp_path, script=script) as house:
        await to_the_second_plan(house, "3 epochs")

        assert house.surface.question()["title"] == "Plan for try 2"
        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "could not look at the rows" in told["body"]

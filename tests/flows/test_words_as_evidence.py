"""What a person says about the answers, from the reply to a report to the next plan: counted, weighed, one change at a time."""

import json
from typing import Any

from agents.llm import ScriptedLLM
from storage import datasets, jobs
from storage.models import Decision, Phase
from tests.facts import an_answer
from tests.fakes import StubLauncher
from tests.house import open_house

CONFUSED = tuple(
    an_answer(n, "refund" if n < 12 else "chargeback", "chargeback" if n >= 7 else "refund")
    for n in range(40)
)
LONG = tuple(an_answer(n, "x" * (20 + n), "y" * (40 + 2 * n)) for n in range(40))


def overfit(**facts) -> dict[str, Any]:
    """What a training finds that learnt too long and with too high a rate: two changes."""
    curve = ((0, 3.0), (3, 1.0), (6, 1.3), (10, 1.6))
    return {"run1-i1-train-a1": {"dev_losses": curve, "best_step": 3, **facts}}


async def to_the_report(house) -> None:
    await house.start()
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.REVIEWING


async def suggested(house):
    return await house.app.services.db.read(datasets.suggestions, 1, 1)


async def recipe_of(house, iteration):
    return (await house.app.services.db.read(datasets.latest_plan, 1, iteration)).recipe


def body(house) -> str:
    return house.surface.question()["body"].replace("\\", "")


async def test_a_complaint_about_length_is_measured_and_changes_the_next_plan(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(said=LONG)) as house:
        await to_the_report(house)
        await house.reply("answers are too long")

        said = body(house)
        assert house.surface.question()["title"] == "Plan for try 2"
        assert (
            "You said that answers are too long. On 40 sealed rows answers are 2× as long" in said
        )
        assert "`epochs` 4 → **6**" in said
        kept = (await suggested(house))[0]
        assert (kept.rule, kept.taken) == ("said", True)
        assert kept.evidence["remark"] == {"kind": "length", "too": "long"}
        assert (kept.evidence["items"], kept.evidence["is_shown"]) == (40, True)
        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "You said that answers are too long" in told["body"]
        assert "could not read a change" not in told["body"]


async def test_a_complaint_that_the_numbers_do_not_show_is_said_so_and_others_come_first(tmp_path):
    same = tuple(an_answer(n, "x" * (20 + n), "y" * (20 + n)) for n in range(40))
    stand_in = StubLauncher(said=same, trained=overfit())
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await to_the_report(house)
        await house.reply("answers are too long")

        assert "the measurements do not show that they are longer" in body(house)
        kept = await suggested(house)
        assert [s.rule for s in kept if s.taken] == ["overfit"]
        assert kept[-1].rule == "said"


async def test_a_confusion_is_counted_beside_a_wish_which_is_what_changes(tmp_path):
    stand_in = StubLauncher(said=CONFUSED, trained=overfit())
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await to_the_report(house)
        await house.reply("it confuses refund and chargeback, and 3 epochs")

        said = body(house)
        assert "Of 12 sealed rows labelled “refund”, 5 were answered “chargeback”" in said
        assert "`epochs` 4 → **3**" in said
        assert [s.rule for s in await suggested(house) if s.taken] == ["asked"]


async def test_a_row_that_is_wrong_is_left_out_and_one_that_only_judges_is_named(tmp_path):
    sealed = (an_answer(777, "a", "b"),)
    async with open_house(tmp_path, stand_in=StubLauncher(said=sealed)) as house:
        await to_the_report(house)
        await house.reply("rows 17 and 777 are wrong")

        said = body(house)
        assert "row 777 is sealed and only judge" in said
        assert "`rows to learn from` 250 → **249**" in said
        await house.answer(Decision.APPROVE)

        own = await house.app.services.db.read(datasets.find, 1, "train.2")
        raw = house.app.services.files.path(own.sha256).read_bytes().splitlines()
        assert 17 not in [json.loads(line)["row"] for line in raw]
        assert len(raw) == 249


async def test_one_change_is_taken_and_a_reply_takes_others_or_none(tmp_path):
    stand_in = StubLauncher(said=LONG, trained=overfit())
    async with open_house(tmp_path, stand_in=stand_in) as house:
        await to_the_report(house)
        first = await recipe_of(house, 1)
        await house.reply("row 17 is wrong, and answers are too long")

        said = body(house)
        assert "1. ✔ leave out row 17" in said
        assert "2. train for 6 epochs" in said
        assert "3. take half of the learning rate" in said
        assert "“take 2”, “take 1 and 3”" in said
        assert (await recipe_of(house, 2))["epochs"] == first["epochs"]

        await house.reply("take 1 and 2")
        said = body(house)
        assert "`epochs` 4 → **6**" in said
        assert "249 of your rows" in said
        await house.reply("take 3")
        said = body(house)
        assert "`epochs` 6 → **4**" in said
        assert "`learning_rate`" in said
        assert "`rows to learn from` 249 → **250**" in said
        assert [s.taken for s in await suggested(house) if s.change] == [False, False, True]
        await house.reply("take none, and lr 1e-4")
        recipe = await recipe_of(house, 2)
        assert (recipe["epochs"], recipe["learning_rate"]) == (first["epochs"], 1e-4)
        assert not any(s.taken for s in await suggested(house))

        await house.answer(Decision.APPROVE)
        spec = (await house.app.services.db.read(jobs.latest, 1, "train", 2)).spec
        assert spec["recipe"]["epochs"] == first["epochs"]
        assert await house.app.services.db.read(datasets.find, 1, "train.2") is None


async def test_a_language_model_reads_what_rules_do_not_and_code_counts_it(tmp_path):
    llm = ScriptedLLM([{"remarks": [{"kind": "length", "too": "long"}]}])
    async with open_house(tmp_path, stand_in=StubLauncher(said=LONG), llm=llm) as house:
        await to_the_report(house)
        await house.reply("nobody has the patience to read this")

        assert "On 40 sealed rows answers are 2× as long" in body(house)
        assert len(llm.asked) == 1
        assert "xxxx" not in "".join(sum(llm.asked, ()))


async def test_words_that_nobody_understands_are_told_as_before(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(trained=overfit())) as house:
        await to_the_report(house)
        await house.reply("hm, well")

        told = next(m for m in house.surface.messages() if m["title"] == "What try 1 tells")
        assert "could not read a change" in told["body"]


async def test_without_kept_answers_it_is_said_that_nothing_can_be_counted(tmp_path):
    async with open_house(tmp_path, stand_in=StubLauncher(trained=overfit())) as house:
        await to_the_report(house)
        await house.reply("answers are too long")

        assert "left no answers in which I could count that" in body(house)
        assert [s.rule for s in await suggested(house) if s.taken] == ["overfit"]

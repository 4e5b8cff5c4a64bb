"""Why did the tuned model answer this? Asked beside a run's own work, whatever the run is at, and done once."""

from typing import Any

import pytest

from agents import work
from agents.jobs import Attribution, JobKind, requested_stop
from agents.recipe import Method
from agents.services import UserError
from bot.discord import run_lines
from bot.surface import Person
from bot.why_wishes import row_of
from storage import datasets, jobs
from storage.models import Decision, Job, JobState, Phase
from tests.explanations import an_attribution
from tests.facts import an_answer
from tests.fakes import StubLauncher
from tests.house import ANNA, BEN, House, open_house

SAID = (
    an_answer(3, "a", "a"),
    an_answer(8, "a", "b"),
    an_answer(12, "b", "a"),
)
WHY = "Why the tuned model answered row 8 so"


def house_of(folder, **facts: Any):
    return open_house(folder, stand_in=StubLauncher(facts.pop("script", {}), said=SAID, **facts))


async def ask(house: House, item: str = "8", person: Person = ANNA) -> str:
    told = await house.app.commands.why(1, person, None, item)
    await house.settle()
    return told


async def at_the_report(house: House) -> None:
    await house.start()
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.REVIEWING


def cards(house: House, title: str) -> list[dict[str, Any]]:
    return [m for m in house.surface.messages() if m["title"].startswith(title)]


async def explanations(house: House) -> list[Job]:
    found = await house.app.services.db.read(jobs.of_run, 1)
    return [job for job in found if job.kind == JobKind.EXPLAIN]


async def test_an_answer_is_explained_while_the_report_waits_and_the_run_stays_where_it_is(
    tmp_path,
):
    async with house_of(tmp_path) as house:
        await at_the_report(house)
        before = await house.run()

        assert "I look into why the tuned model answered row 8 of run #1" in await ask(house)

        assert (await house.run()) == before
        (card,) = cards(house, WHY)
        assert "It answered `b`; right is `a`." in card["body"]
        assert "towards it: `refund?` +5.50" in card["body"]
        assert "the parts miss that by 1.2 % (64 steps)" in card["body"]
        assert "must not be trusted" not in card["body"]
        assert "**Where it looked, not why**" in card["body"]
        assert "100 of 250 training rows were looked at, 64 of them" in card["body"]
        assert "row 7: “My refund is late” is `b` (+0.91)" in card["body"]
        assert "layer 30 (30.0 %)" in card["body"]
        assert [m["title"] for m in cards(house, "Looking into")] == [
            "Looking into an answer: row 8: done"
        ]
        (job,) = await explanations(house)
        spec = job.spec
        assert (spec["row"], spec["said"], spec["is_right"]) == (8, "b", False)
        train, test = [
            await house.app.services.db.read(datasets.find, 1, role) for role in ("train", "test")
        ]
        assert (spec["train"]["sha256"], spec["test"]["sha256"]) == (train.sha256, test.sha256)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_asked_twice_it_is_done_once_and_shown_again(tmp_path):
    async with house_of(tmp_path) as house:
        await house.deliver()

        await ask(house)
        again = await ask(house, "row 8")

        assert "was explained before" in again
        assert len(await explanations(house)) == 1
        posted = [m for m in house.surface.lines() if m["do"] == "post" and m["title"] == WHY]
        assert len(posted) == 2
        assert posted[0]["body"] == posted[1]["body"]


async def test_several_rows_have_a_message_each_and_wait_for_the_slot(tmp_path):
    async with house_of(tmp_path) as house:
        await house.deliver()

        for item in ("8", "12"):
            await house.app.commands.why(1, ANNA, None, item)
        asked = await house.app.commands.why(1, ANNA, None, "12")
        await house.settle()

        assert "already" in asked
        assert [job.id for job in await explanations(house)] == [
            "run1-i1-explain-a1",
            "run1-i1-explain-a2",
        ]
        assert len(cards(house, "Why the tuned model answered row")) == 2
        assert len(cards(house, "Looking into an answer: row")) == 2


async def test_no_more_than_five_are_looked_into_at_once(tmp_path):
    many = tuple(an_answer(row, "a", "b") for row in range(9))
    async with open_house(tmp_path, stand_in=StubLauncher({}, said=many)) as house:
        await house.deliver()
        for row in range(5):
            await house.app.commands.why(1, ANNA, None, str(row))

        with pytest.raises(UserError, match="5 answers of run #1 are being looked into"):
            await house.app.commands.why(1, ANNA, None, "5")

        await house.settle()
        assert "I look into" in await ask(house, "5")


async def test_a_row_that_was_not_asked_names_some_that_were_the_wrong_ones_first(tmp_path):
    async with house_of(tmp_path) as house:
        await at_the_report(house)

        with pytest.raises(UserError, match=r"Row 99 is none of the 3 test rows.*: 8, 12, 3"):
            await ask(house, "99")
        with pytest.raises(UserError, match="by its number"):
            await ask(house, "the last one")
        with pytest.raises(UserError, match="no run #1 here"):
            await ask(house, "8", BEN)
        assert await explanations(house) == []


@pytest.mark.parametrize(
    ("item", "row"),
    [
        ("17", 17),
        ("row 17", 17),
        ("#1,017", 1017),
        ("row 5 of file 2", 10**9 + 5),
        ("1000000005", 10**9 + 5),
    ],
)
def test_rows_are_named_as_the_report_names_them(item, row):
    assert row_of(item) == row


async def test_before_there_is_a_report_and_after_a_cancel_nothing_is_explained(tmp_path):
    async with house_of(tmp_path) as house:
        await house.start()
        with pytest.raises(UserError, match="has no answers yet"):
            await ask(house)
        await house.answer(Decision.APPROVE)
        await house.app.commands.cancel(1, ANNA)

        with pytest.raises(UserError, match="was cancelled"):
            await ask(house)


async def test_a_training_by_another_method_is_not_explained(tmp_path):
    async with house_of(tmp_path) as house:
        await at_the_report(house)

        def as_dpo(session):
            plan = datasets.latest_plan(session, 1)
            plan.recipe = plan.recipe | {"method": Method.DPO, "primary_metric": "pair_accuracy"}
            session.add(plan)

        await house.app.services.db.write(as_dpo)
        with pytest.raises(UserError, match="Only answers of a supervised training with LoRA"):
            await ask(house)


async def test_a_paused_and_a_failed_run_are_explained_too(tmp_path):
    async with house_of(tmp_path) as house:
        await at_the_report(house)
        await house.app.commands.pause(1, ANNA)
        await ask(house)
        assert len(cards(house, WHY)) == 1
        await house.app.commands.resume(1, ANNA)

        await house.answer(Decision.REJECT)
        await house.answer(Decision.REJECT)
        run = await house.run()
        while run.phase is not Phase.FAILED:
            await house.answer(Decision.REJECT)
            run = await house.run()
        await ask(house, "12")

        assert len(cards(house, "Why the tuned model answered row 12 so")) == 1
        assert (await house.run()).phase is Phase.FAILED


async def test_neither_the_end_of_a_run_nor_a_pause_stops_what_is_under_way(tmp_path):
    script = {"run1-i1-explain-a1": "hang"}
    async with house_of(tmp_path, script=script) as house:
        await at_the_report(house)
        await ask(house)
        await house.app.commands.pause(1, ANNA)
        await house.settle()
        await house.app.commands.resume(1, ANNA)
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        await house.settle()

        folder = house.app.services.job_folder("run1-i1-explain-a1")
        assert requested_stop(folder) is None
        (working,) = cards(house, "Looking into")
        assert working["title"] == "Looking into an answer: row 8"
        house.launcher.finish("run1-i1-explain-a1", folder)
        await house.settle()
        assert cards(house, "Looking into")[0]["title"] == "Looking into an answer: row 8: done"
        assert len(cards(house, WHY)) == 1


async def test_a_cancelled_run_takes_its_explanations_with_it(tmp_path):
    script = {"run1-i1-explain-a1": "hang"}
    async with house_of(tmp_path, script=script) as house:
        await at_the_report(house)
        await ask(house)
        (job,) = await explanations(house)
        assert job.state is JobState.RUNNING
        await house.app.commands.why(1, ANNA, None, "12")

        await house.app.commands.cancel(1, ANNA)
        await house.app.dispatcher.end_all(1)
        await house.settle()

        found = await explanations(house)
        assert [(j.state, j.outcome) for j in found] == 2 * [(JobState.CLOSED, "cancelled")]
        assert cards(house, "Why") == []


async def test_a_worker_that_dies_is_started_again_and_in_the_end_people_are_told(tmp_path):
    script = {f"run1-i1-explain-a{n}": "die" for n in (1, 2, 3, 4)}
    async with house_of(tmp_path, script=script) as house:
        await house.deliver()

        await ask(house)

        assert [j.outcome for j in await explanations(house)] == 3 * ["abandoned"]
        (card,) = cards(house, "Row 8 could not be explained")
        assert "log is in jobs/run1-i1-explain-a3/log.txt" in card["body"]
        assert (await house.run()).phase is Phase.DELIVERED
        house.launcher.script.clear()
        assert "I look into" in await ask(house)
        assert len(cards(house, WHY)) == 1


async def test_a_fault_of_the_input_is_told_word_for_word_and_resume_does_not_repeat_it(tmp_path):
    script = {"run1-i1-explain-a1": "bad_data"}
    async with house_of(tmp_path, script=script) as house:
        await at_the_report(house)
        house.clock.move(minutes=1)
        await ask(house)

        (card,) = cards(house, "Row 8 could not be explained")
        assert card["body"].startswith("scripted bad\\_data")
        await house.app.services.db.write(work.reopen_failed, house.app.services, await house.run())
        await house.settle()

        assert len(await explanations(house)) == 1


async def test_an_explanation_is_no_reason_not_to_go_back(tmp_path):
    script = {"run1-i1-explain-a1": "hang"}
    async with house_of(tmp_path, script=script) as house:
        await at_the_report(house)
        await house.reply("3 epochs")
        await ask(house)
        (job,) = await explanations(house)
        assert (job.iteration, job.state) == (1, JobState.RUNNING)

        await house.app.commands.revert(1, ANNA, 1)
        await house.settle()

        assert house.surface.question()["title"] == "Plan for try 2, version 2"
        (job,) = await explanations(house)
        assert job.state is JobState.RUNNING


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"error": 0.31, "is_complete": False}, "its parts miss the whole by 31 %"),
        ({"comprehensiveness": 0.4}, "no more than as many by chance"),
    ],
)
async def test_a_map_that_fails_a_check_says_so_first(tmp_path, facts, why):
    checked: Attribution = an_attribution(**facts)
    async with house_of(tmp_path, explained={"attribution": checked}) as house:
        await house.deliver()

        await ask(house)

        (card,) = cards(house, WHY)
        assert "⚠ **This map must not be trusted**" in card["body"]
        assert why in card["body"]


async def test_texts_of_rows_and_answers_are_shown_as_text(tmp_path):
    evil = "@everyone [click](https://evil.example) ```x``` **bold**"
    facts = {"answer": evil, "prompt": evil, "reference": evil}
    async with house_of(tmp_path, explained=facts) as house:
        await house.deliver()

        await ask(house)

        (card,) = cards(house, WHY)
        outside = [part for n, part in enumerate(card["body"].split("`")) if n % 2 == 0]
        assert "evil" in card["body"]
        assert not any("evil" in part or "everyone" in part for part in outside)


async def test_the_help_in_chat_names_it(tmp_path):
    async with house_of(tmp_path) as house:
        assert "`/finetune why`" in run_lines.help_text(house.app)


async def test_of_several_candidates_the_one_that_was_kept_is_explained(tmp_path):
    async with house_of(tmp_path) as house:
        await house.start()
        await house.reply("try learning rates 1e-4 and 3e-4")
        await house.answer(Decision.APPROVE)

        await ask(house)

        (job,) = await explanations(house)
        assert job.spec["recipe"]["candidates"] is None
        assert job.spec["recipe"]["learning_rate"] == 3e-4

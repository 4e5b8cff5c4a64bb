"""A run that improves a workflow goes on where it stopped: jobs with their journal, questions anew."""

import json
from pathlib import Path

import pytest

from agents import work
from agents.jobs import JobOutcome, Left
from agents.workflow.purse import open_purse
from agents.workflow_loop import facts
from bot.schedule import sweep
from configs.schema import GateKind, WorkflowSettings
from storage import events, jobs, runs
from storage.models import Decision, Phase
from tests import loop_case
from tests.house import ANNA, open_house
from tests.stub_workflows import BETTER, StubWorkflows, answer, open_question, play, start, text_of
from tests.workflow_house import open_workflow_house


@pytest.fixture(autouse=True)
def every_message_can_be_shown(caplog):
    yield
    assert "message not shown" not in caplog.text


async def resume(house):
    text = await house.app.commands.resume(1, ANNA)
    await house.settle()
    return text


async def job_of(house, kind, iteration=None):
    return await house.app.services.db.read(jobs.latest, 1, f"workflow_{kind}", iteration)


@pytest.mark.parametrize(
    ("kind", "phase"),
    [
        ("read", Phase.PREPARING),
        ("propose", Phase.BUILDING),
        ("measure", Phase.EVALUATING),
        ("claim", Phase.DELIVERING),
    ],
)
async def test_a_failed_job_is_tried_again_with_its_journal_and_the_models_of_today(
    tmp_path, kind, phase
):
    launcher = StubWorkflows({f"run1-i1-workflow-{kind}-a1": "models"})
    async with open_house(tmp_path, stand_in=launcher) as house:
        await start(house, rounds=1)
        while (run := await house.run()).phase is not Phase.FAILED:
            await answer(house, Decision.APPROVE)
        assert run.failed_phase is phase

    settings = WorkflowSettings(base_url="http://127.0.0.1:9999")
    async with open_house(tmp_path, stand_in=launcher, workflows=settings) as house:
        assert await resume(house) == "Run #1 goes on."
        again = await job_of(house, kind)
        first = await house.app.services.db.read(jobs.get, again.id.replace("-a2", "-a1"))

        assert (again.attempt, again.outcome) == (2, JobOutcome.SUCCEEDED)
        assert again.spec["journal_dir"] == first.spec["journal_dir"]
        told = [job.spec["models"]["settings"]["workflows"]["base_url"] for job in (first, again)]
        assert told == [None, "http://127.0.0.1:9999"]
        await play(house, until=9)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_what_was_paid_for_before_the_analyst_was_away_is_not_paid_again(tmp_path):
    away = loop_case.script()
    away["rules"][0] = {"model": "analyst", "error": "the analyst is away"}
    async with open_workflow_house(tmp_path, told=away) as house:
        await house.start(approve="auto", rounds=1, proposals=1)
        await house.answer(GateKind.PLAN)
        run = await house.run()
        assert (run.phase, run.failed_phase) == (Phase.FAILED, Phase.BUILDING)
        assert "the analyst is away" in run.failure
        failed = await job_of(house.house, "propose")
        paid = spent_in(failed)
        assert paid.calls > 20

        (house.folder / "script.json").write_text(json.dumps(loop_case.script()))
        await resume(house.house)

        assert await house.phase() is Phase.DELIVERED
        again = await job_of(house.house, "propose")
        assert again.attempt == 2
        assert again.payload["spent"]["calls"] == paid.calls + 1
        assert loop_case.ONE_WORD in await house.final()


def spent_in(job):
    purse = open_purse(Path(job.spec["journal_dir"]) / "spent.jsonl", Left())
    purse.close()
    return purse.spent


async def test_a_plan_that_nobody_answered_is_asked_about_again(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        house.clock.move(days=8)
        await sweep(house.app.services)
        await house.settle()
        assert (await house.run()).phase is Phase.FAILED

        await resume(house)

        asked = await open_question(house)
        assert (asked.gate, asked.revision) == ("plan", 1)
        await play(house, until=9)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_a_change_is_asked_about_again_where_the_run_failed_meanwhile(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house, rounds=1)
        await play(house, until=1)
        first = await open_question(house)

        def fail(session):
            work.fail(session, house.app.services, runs.get(session, 1), "the disk is full")

        await house.app.services.db.write(fail)
        await resume(house)

        asked = await open_question(house)
        assert (asked.gate, asked.revision) == ("keep", 1)
        told = await house.app.services.db.read(events.of_run, 1)
        shown = [event.payload for event in told if event.kind == "keep"]
        assert [payload.pop("approval_id") for payload in shown] == [first.id, asked.id]
        assert shown[0] == shown[1]
        await answer(house, Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 1


async def test_a_change_that_nobody_answers_is_left_after_a_reminder(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        await play(house, until=1)
        house.clock.move(days=2)
        await sweep(house.app.services)
        told = await house.app.services.db.read(events.of_run, 1)
        assert "A question about whether a change stays" in told[-1].payload["text"]

        house.clock.move(days=6)
        await sweep(house.app.services)
        await house.settle()

        assert (await house.run()).phase is Phase.DELIVERED
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 0


async def test_a_barred_edit_is_reminded_of_too(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows(barred={1})) as house:
        await start(house)
        await answer(house, Decision.APPROVE)
        assert (await open_question(house)).gate == "edit"
        house.clock.move(days=2)
        await sweep(house.app.services)
        told = await house.app.services.db.read(events.of_run, 1)
        assert "A question about whether a change may be run" in told[-1].payload["text"]


async def test_a_paused_run_goes_on_with_its_journal(tmp_path):
    launcher = StubWorkflows({"run1-i1-workflow-measure-a1": "half"})
    async with open_house(tmp_path, stand_in=launcher) as house:
        await start(house)
        await answer(house, Decision.APPROVE)
        await house.app.commands.pause(1, ANNA)
        for _look in ("that it should stop", "that it has"):
            await house.app.dispatcher.look()
        first = await job_of(house, "measure")
        assert first.outcome == JobOutcome.PAUSED

        await resume(house)

        again = await job_of(house, "measure")
        assert (again.attempt, again.outcome) == (2, JobOutcome.SUCCEEDED)
        assert again.spec["journal_dir"] == first.spec["journal_dir"]
        assert (await house.run()).phase is Phase.REVIEWING

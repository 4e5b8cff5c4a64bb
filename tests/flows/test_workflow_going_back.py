"""The workflow of an earlier round stands again, or is handed over, whatever the run is at; nothing that was is lost."""

from pathlib import Path

import pytest
from sqlmodel import delete

from agents.jobs import JobOutcome
from agents.services import UserError
from agents.workflow.workplace import PURSE
from agents.workflow_loop import facts
from configs.schema import BudgetSettings, GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Decision, Job, JobState, Phase, Plan, Reservation
from tests import loop_case
from tests.house import ANNA, BEN, open_house
from tests.stub_workflows import (
    BETTER,
    GIVEN,
    StubWorkflows,
    answer,
    open_question,
    play,
    start,
    text_of,
)
from tests.workflow_house import open_workflow_house


@pytest.fixture(autouse=True)
def every_message_can_be_shown(caplog):
    yield
    assert "message not shown" not in caplog.text


async def known(house):
    return await house.app.services.db.read(facts.read, house.app.services, 1)


async def snapshots(house) -> list[int]:
    """Return how often each round's workflow was made better, the first round first."""
    return [
        (await text_of(house, facts.SNAPSHOT, one.number)).count(BETTER)
        for one in (await known(house)).rounds
        if one.snapshot is not None
    ]


async def revert(house, to, person=ANNA):
    text = await house.app.commands.revert(1, person, to)
    await house.settle()
    return text


async def deliver(house, number=None, person=ANNA):
    text = await house.app.commands.deliver(1, person, number)
    await house.settle()
    return text


async def under_review(house, iteration=2, **wish):
    await start(house, **wish)
    await play(house, until=iteration)
    assert (await house.run()).phase is Phase.REVIEWING


def spend(session, now, minutes):
    """Let other runs of Anna have used so much of today's budget."""
    row = Reservation(
        run_id=1,
        iteration=99,
        revision=0,
        owner=ANNA.id,
        day=now.date().isoformat(),
        minutes=minutes,
        price_per_hour=0.0,
        used_minutes=minutes,
        created_at=now,
        settled_at=now,
    )
    session.add(row)


async def notices(house) -> list[str]:
    told = await house.app.services.db.read(events.of_run, 1)
    return [event.payload["text"] for event in told if event.kind == "notice"]


async def test_from_a_question_the_next_round_begins_with_the_workflow_of_an_earlier_one(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await under_review(house, 3, rounds=5)

        text = await revert(house, 1)

        assert "Round 4 begins with it" in text
        run = await house.run()
        assert (run.phase, run.iteration, run.revert) == (Phase.REVIEWING, 4, None)
        told = await known(house)
        assert await snapshots(house) == [1, 2, 2, 1]
        assert told.now.restored == (1, "Anna")
        left = await house.app.services.db.read(approvals.latest, 1, "keep", 3)
        assert (left.decision, left.decided_by, left.comment) == (Decision.REJECT, ANNA.id, None)
        assert (
            "Anna lets the workflow as it was after round 1 stand again."
            in (await notices(house))[0]
        )

        await answer(house, Decision.APPROVE)
        assert await snapshots(house) == [1, 2, 2, 2]
        assert "# round 4" in await text_of(house, facts.SNAPSHOT, 4)
        assert "# round 2" not in await text_of(house, facts.SNAPSHOT, 4)


async def test_what_stood_is_not_measured_again_after_going_back(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await under_review(house, 3, rounds=5)
        for to, passing in ((1, 1), (0, 0)):
            await revert(house, to)
            run = await house.run()
            job = await house.app.services.db.read(
                jobs.latest, 1, "workflow_propose", run.iteration
            )
            assert job.spec["standing"]["metrics"]["pass_rate"] == pytest.approx(passing / 3)
            assert (await house.run()).phase is Phase.REVIEWING


async def test_after_a_delivery_0_is_the_workflow_as_it_was_given_and_one_more_round_follows(
    tmp_path,
):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house, rounds=2)
        await play(house, until=9)
        assert (await house.run()).phase is Phase.DELIVERED

        await revert(house, 0)
        run = await house.run()
        assert (run.phase, run.iteration, run.ended_at) == (Phase.REVIEWING, 3, None)
        assert await text_of(house, facts.SNAPSHOT, 3) == GIVEN

        await answer(house, Decision.REJECT)
        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 3)
        assert await text_of(house, facts.WORKFLOW) == GIVEN
        assert (await text_of(house, facts.WORKFLOW, 2)).count(BETTER) == 2


async def test_a_failed_run_goes_back(tmp_path):
    script = {"run1-i2-workflow-measure-a1": "crash"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:
        await start(house)
        await play(house, until=1)
        await answer(house, Decision.APPROVE)
        assert (await house.run()).phase is Phase.FAILED

        await revert(house, 0)

        run = await house.run()
        assert (run.phase, run.iteration, run.failure) == (Phase.REVIEWING, 3, None)
        assert await snapshots(house) == [1, 1, 0]


@pytest.mark.parametrize(
    ("to", "says"), [(7, "There is: 0, 1;"), (2, "no round 2"), (1, "is what")]
)
async def test_a_round_that_is_not_there_or_stands_already_is_refused(tmp_path, to, says):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await under_review(house)

        with pytest.raises(UserError, match=says):
            await revert(house, to)

        assert (await house.run()).phase is Phase.REVIEWING
        assert await open_question(house) is not None


async def test_a_busy_run_does_not_go_back_and_a_stranger_neither(tmp_path):
    script = {"run1-i2-workflow-propose-a1": "hang"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:
        await start(house)
        await play(house, until=1)
        with pytest.raises(UserError, match="can do that"):
            await revert(house, 0, BEN)
        await answer(house, Decision.APPROVE)

        with pytest.raises(UserError, match=r"is busy \(building\)"):
            await revert(house, 0)


async def test_a_budget_without_room_for_the_round_hands_over_what_was_gone_back_to(tmp_path):
    budgets = BudgetSettings(user_minutes_per_day=11)
    async with open_house(tmp_path, stand_in=StubWorkflows(), budgets=budgets) as house:
        await under_review(house)
        await house.app.services.db.write(spend, house.clock.now(), 10.0)

        await revert(house, 0)

        run = await house.run()
        assert (run.phase, run.iteration, run.revert) == (Phase.DELIVERED, 3, None)
        assert await text_of(house, facts.WORKFLOW) == GIVEN


async def test_at_a_question_what_stands_is_handed_over_without_the_change(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await under_review(house)

        text = await deliver(house)

        assert "as it stands, after a last comparison" in text
        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 2)
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 1
        report = await house.app.services.db.read(datasets.report_of, 1, 2)
        assert report.verdict == "better"
        left = await house.app.services.db.read(approvals.latest, 1, "keep", 2)
        assert (left.decision, left.decided_by) == (Decision.REJECT, ANNA.id)
        assert await house.app.services.db.read(approvals.all_open) == []


async def test_the_workflow_after_an_earlier_round_is_handed_over_before_and_after_a_delivery(
    tmp_path,
):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await under_review(house, 3)
        await deliver(house, 1)
        assert (await house.run()).phase is Phase.DELIVERED
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 1

        await deliver(house, 2)
        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 5)
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 2
        assert (await text_of(house, "ledger")).count('"what": "restored"') == 2
        told = await house.app.services.db.read(events.of_run, 1)
        assert [event.key for event in told if event.kind == "delivered"] == [
            "run1:i4:delivered",
            "run1:i5:delivered",
        ]
        for number in (None, 2):
            with pytest.raises(UserError, match="handed over by run #1 already"):
                await deliver(house, number)


async def test_jobs_of_a_round_are_stopped_or_never_started_when_what_stands_is_taken(tmp_path):
    script = {"run1-i2-workflow-propose-a1": "half"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:
        await start(house)
        await play(house, until=1)
        await answer(house, Decision.APPROVE)
        assert (await house.run()).phase is Phase.BUILDING

        text = await deliver(house)

        assert "stops within half a minute" in text
        assert (await house.run()).phase is Phase.DELIVERED
        job = await house.app.services.db.read(jobs.latest, 1, "workflow_propose", 2)
        assert job.outcome == JobOutcome.CANCELLED


class Paying(StubWorkflows):
    """Notes what a job has used when it obeys a stop, and leaves no result that says so."""

    def _obey(self, folder, spec, mode):
        purse = Path(spec.spec.journal_dir) / PURSE
        purse.parent.mkdir(parents=True)
        purse.write_text('{"calls": 7, "tokens": 70, "seconds": 3.0}\n')
        super()._obey(folder, spec, mode)


async def test_what_a_job_that_was_broken_off_has_used_is_off_the_budget_of_the_last_comparison(
    tmp_path,
):
    launcher = Paying({"run1-i2-workflow-propose-a1": "half"})
    async with open_house(tmp_path, stand_in=launcher) as house:
        await start(house, max_calls=500)
        await play(house, until=1)
        await answer(house, Decision.APPROVE)
        before = (await known(house)).spent.calls

        await deliver(house)

        told = await known(house)
        claim = await house.app.services.db.read(jobs.latest, 1, "workflow_claim")
        assert claim.spec["left"]["calls"] == 500 - before - 7
        assert told.spent.calls == before + 7 + launcher.calls


async def test_a_job_that_waits_in_line_never_starts_when_what_stands_is_taken(tmp_path):
    launcher = StubWorkflows({"run1-i1-workflow-propose-a1": "hang"})
    async with open_house(tmp_path, stand_in=launcher) as house:
        await start(house)
        await start(house)
        await answer(house, Decision.APPROVE)
        second = await open_question(house, 2)
        await house.app.commands.decide(second.id, None, ANNA, Decision.APPROVE)
        await house.settle()
        waiting = await house.app.services.db.read(jobs.latest, 2, "workflow_propose")
        assert waiting.state is JobState.QUEUED

        await house.app.commands.deliver(2, ANNA)
        await house.settle()

        closed = await house.app.services.db.read(jobs.latest, 2, "workflow_propose")
        assert (closed.state, closed.outcome) == (JobState.CLOSED, "cancelled")
        assert closed.id not in launcher.started


async def test_before_the_first_round_there_is_nothing_to_hand_over(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        with pytest.raises(UserError, match="has not begun a round yet"):
            await deliver(house)
        await play(house, until=1)
        with pytest.raises(UserError, match="as you gave it"):
            await deliver(house, 0)
        await house.app.commands.cancel(1, ANNA)
        for verb in (deliver, revert):
            with pytest.raises(UserError, match="for good"):
                await verb(house, 0)


async def test_a_round_that_ran_out_of_ideas_leaves_what_stood_to_be_taken(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows(idle={2, 3, 4})) as house:
        await start(house, rounds=5)
        await play(house, until=9)
        assert (await house.run()).iteration == 4
        assert await snapshots(house) == [1, 1, 1, 1]

        for number in (None, 1, 3):
            with pytest.raises(UserError, match="handed over by run #1 already"):
                await deliver(house, number)
        await revert(house, 0)
        assert (await house.run()).phase is Phase.REVIEWING


async def test_after_a_failure_what_stands_is_handed_over(tmp_path):
    script = {"run1-i2-workflow-propose-a1": "crash"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:
        await start(house)
        await play(house, until=1)
        await answer(house, Decision.APPROVE)
        assert (await house.run()).phase is Phase.FAILED

        await deliver(house)

        run = await house.run()
        assert (run.phase, run.iteration, run.failure) == (Phase.DELIVERED, 2, None)
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 1


async def test_a_failure_before_a_round_has_a_plan_leaves_what_stands_to_be_taken(tmp_path):
    script = {"run1-i2-workflow-propose-a1": "crash"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:
        await start(house)
        await play(house, until=1)
        await answer(house, Decision.APPROVE)

        def unplan(session):
            for table in (Plan, Job):
                session.exec(delete(table).where(table.run_id == 1, table.iteration == 2))
            runs.get(session, 1).failed_phase = Phase.PLANNING

        await house.app.services.db.write(unplan)
        await deliver(house)

        assert (await house.run()).phase is Phase.DELIVERED
        assert (await text_of(house, facts.WORKFLOW)).count(BETTER) == 1
        assert [one.restored for one in (await known(house)).rounds] == [None, (1, "Anna")]


async def test_with_real_jobs_a_round_begins_with_what_was_given_and_it_is_handed_over(tmp_path):
    async with open_workflow_house(tmp_path, cases=8) as house:
        await house.start(rounds=1, repeats=1, approve="auto")
        await house.answer(GateKind.PLAN)
        assert await house.phase() is Phase.DELIVERED
        assert loop_case.ONE_WORD in await house.final()

        await revert(house.house, 0)

        run = await house.run()
        assert (run.phase, run.iteration) == (Phase.DELIVERED, 2)
        assert await house.final() == loop_case.WORKFLOW
        told = await house.known()
        assert told.now.proposed.proposals == ()  # the analyst has nothing else to say
        assert told.now.standing == told.rounds[0].standing
        await deliver(house.house, 1)
        assert loop_case.ONE_WORD in await house.final()

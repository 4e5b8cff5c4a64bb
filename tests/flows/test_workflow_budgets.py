"""Rounds of a run that improves a workflow leave room for the last comparison."""

from agents.jobs import JobKind
from agents.workflow_loop import facts
from agents.workflow_loop.estimates import last_calls, sizes
from configs.schema import GateKind
from storage import events, jobs
from storage.models import JobState
from tests import loop_case
from tests.workflow_house import open_workflow_house

GOOD = loop_case.mending()[:1]


async def test_rounds_leave_room_for_the_last_comparison(tmp_path):
    async with open_workflow_house(tmp_path, cases=16) as house:
        await house.start(approve="auto", repeats=1, rounds=9, max_calls=400)
        await house.answer(GateKind.PLAN)
        known = await house.known()
        needed = last_calls(known.rounds[0].terms, sizes(known.found))
        assert needed == 2 * 16 * 2 * 2  # sides, cases, repeats afresh, calls of a run
        first = await job_spec(house, JobKind.WORKFLOW_PROPOSE, 1)
        assert first["left"]["calls"] == 400 - needed
        claim = await house.house.app.services.db.read(facts.claim_of, 1)
        assert not claim.out_of_budget
        assert claim.spent.calls == needed
        assert known.spent.calls <= 400


async def test_many_states_that_no_run_enters_do_not_end_the_rounds(tmp_path):
    script = loop_case.script(GOOD)
    script["rules"][-1]["reply"] = "no"
    async with open_workflow_house(tmp_path, cases=8, told=script) as house:
        state = "\n  idle_{}:\n    type: prompt\n    prompt: Wait\n    next: end\n"
        more = "".join(state.format(number) for number in range(60))
        (house.folder / "sorter.yaml").write_text(loop_case.WORKFLOW + more)
        await house.start(approve="auto", repeats=1, rounds=2, max_calls=2000)
        await house.answer(GateKind.PLAN)
        known = await house.known()
        assert known.found.calls_per_run == 62
        assert len(known.rounds) == 2
        second = await job_spec(house, JobKind.WORKFLOW_PROPOSE, 2)
        needed = 2 * 8 * 2 * 2
        assert 2000 - needed - 300 < second["left"]["calls"] <= 2000 - needed


async def test_no_round_begins_with_what_is_for_the_last_comparison(tmp_path):
    script = loop_case.script(GOOD)
    script["rules"][-1]["reply"] = "no"  # so that a case fails to the end, and there is more to do
    async with open_workflow_house(tmp_path, cases=16, told=script) as house:
        await house.start(approve="auto", repeats=1, rounds=9, max_calls=330)
        await house.answer(GateKind.PLAN)
        known = await house.known()
        assert loop_case.ONE_WORD in await house.final()
        assert len(known.rounds) == 1
        told = await house.house.app.services.db.read(events.of_run, 1)
        assert any("for the last comparison" in str(event.payload) for event in told)
        claim = await house.house.app.services.db.read(facts.claim_of, 1)
        assert not claim.out_of_budget


async def job_spec(house, kind, iteration):
    """Return the spec of a job."""
    job = await house.house.app.services.db.read(jobs.latest, 1, kind, iteration)
    assert job.state is JobState.CLOSED
    return job.spec

"""Runs that improve a workflow through the real graph, rows and jobs: what is kept, what a person decides, when it ends."""

import json

import pytest

from agents.jobs import JobKind, Left, ProposeSpec, WorkflowWish
from agents.workflow.load import load
from agents.workflow_loop import facts, ledger
from agents.workflow_loop.planning import amended, terms_of
from agents.workflow_loop.reviewing import chosen_in
from configs.schema import GateKind, Settings
from storage import datasets, events, jobs
from storage.models import Decision, JobState, Phase
from tests import loop_case
from tests.house import ANNA
from tests.workflow_house import open_workflow_house

GOOD = loop_case.mending()[:1]
USELESS = [{"op": "set_prompt", "state": "sort", "prompt": "Hm. What is it about? {{message}}"}]
HARMFUL = [{"op": "set_save_as", "state": "thank", "variable": "lost"}]


async def test_a_workflow_is_read_improved_and_handed_over(tmp_path):
    async with open_workflow_house(tmp_path, cases=16) as house:
        await house.start()
        assert await house.phase() is Phase.APPROVING

        await house.answer(GateKind.PLAN)
        assert await house.phase() is Phase.REVIEWING
        asked = await house.asked(GateKind.KEEP)
        shown = await shown_by(house, asked)
        assert loop_case.ONE_WORD in shown["diff"]
        assert shown["measured"]["gain"] == 0.5
        assert len(shown["edits"]) == 2

        await house.answer(GateKind.KEEP)
        run = await house.run()
        assert run.phase is Phase.DELIVERED
        assert run.model == "small"
        text = await house.final()
        assert loop_case.ONE_WORD in text
        assert "# the heart of it" in text
        claim = await house.house.app.services.db.read(facts.claim_of, 1)
        assert claim.claim == "better"
        assert claim.words.startswith("Better than the workflow you gave")


async def test_who_looks_at_sealed_cases_again_is_told_so(tmp_path):
    async with open_workflow_house(tmp_path, cases=16) as house:
        for number in (1, 2):
            await house.start(approve="auto", repeats=1)
            asked = await house.asked(GateKind.PLAN, number)
            await house.house.app.commands.decide(asked.id, None, ANNA, Decision.APPROVE)
            await house.house.settle()
        claims = [await house.house.app.services.db.read(facts.claim_of, run) for run in (1, 2)]
        assert [claim.openings for claim in claims] == [1, 2]
        assert "opened 2×" in claims[1].words
        assert claims[1].p_value == 2 * claims[0].p_value
        assert [claim.claim for claim in claims] == ["better", "cannot tell"]


async def test_nobody_is_asked_where_the_plan_says_so(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(approve="auto")
        await house.answer(GateKind.PLAN)

        assert await house.phase() is Phase.DELIVERED
        kept = (await house.known()).rounds[0].kept
        assert kept.decided_by.startswith("policy:")


async def test_a_useless_change_leaves_what_was_given(tmp_path):
    told = loop_case.script(USELESS)
    async with open_workflow_house(tmp_path, told=told) as house:
        await house.start(approve="auto")
        await house.answer(GateKind.PLAN)

        assert await house.phase() is Phase.DELIVERED
        assert await house.final() == loop_case.WORKFLOW
        known = await house.known()
        assert [one.snapshot.sha256 for one in known.rounds] == [known.given.text.sha256] * 3
        claim = await house.house.app.services.db.read(facts.claim_of, 1)
        assert (claim.claim, claim.spent.calls) == ("cannot tell", 0)


async def test_three_rounds_that_bring_nothing_are_the_last(tmp_path):
    told = loop_case.script(USELESS)
    async with open_workflow_house(tmp_path, told=told) as house:
        await house.start(approve="auto", rounds=9)
        await house.answer(GateKind.PLAN)
        assert len((await house.known()).rounds) == 3


async def test_a_harmful_change_is_never_kept(tmp_path):
    async with open_workflow_house(tmp_path, told=loop_case.script(HARMFUL)) as house:
        await house.start(approve="auto")
        await house.answer(GateKind.PLAN)
        assert await house.final() == loop_case.WORKFLOW
        told = [
            one for r in (await house.known()).rounds for _s, m in r.measured for one in m.measured
        ]
        assert told
        assert not any(one.outcome == "kept" for one in told)


async def test_refused_with_words_it_is_not_kept_and_the_words_are_remembered(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start()
        await house.answer(GateKind.PLAN)
        await house.answer(GateKind.KEEP, words="the thanks should stay long")

        known = await house.known()
        assert known.rounds[0].snapshot.sha256 == known.given.text.sha256
        assert known.remarks() == ("the thanks should stay long",)
        spec = await job_spec(house, JobKind.WORKFLOW_PROPOSE, 2)
        assert ProposeSpec.model_validate(spec).remarks == ("the thanks should stay long",)
        assert spec["tried"][0]["outcome"].startswith("a person did not want it")


async def test_of_two_edits_one_is_taken_measured_anew_and_kept(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start()
        await house.answer(GateKind.PLAN)
        assert [one.taken for one in await house.edits()] == [True, True]
        await house.take(0)
        await house.answer(GateKind.KEEP)

        assert await house.phase() is Phase.DELIVERED
        text = await house.final()
        assert loop_case.ONE_WORD in text
        assert loop_case.SHORT_THANKS not in text
        assert house.launcher.done.count("run1-i1-workflow-measure-a2") == 1


async def test_edits_that_are_not_better_alone_are_told_so_and_the_whole_is_asked_about_again(
    tmp_path,
):
    async with open_workflow_house(tmp_path) as house:
        await house.start()
        await house.answer(GateKind.PLAN)
        await house.answer(GateKind.KEEP, words="only 2")

        assert await house.phase() is Phase.REVIEWING
        asked = await house.asked(GateKind.KEEP)
        assert asked.revision == 1
        assert "not better" in (await shown_by(house, asked))["note"]
        await house.take(0, 1)
        await house.answer(GateKind.KEEP)
        assert loop_case.SHORT_THANKS in await house.final()


async def test_all_edits_dropped_is_a_no(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(rounds=1)
        await house.answer(GateKind.PLAN)
        await house.take()
        await house.answer(GateKind.KEEP)
        assert await house.final() == loop_case.WORKFLOW


async def test_an_edit_that_a_model_may_not_decide_is_shown_before_it_is_run(tmp_path):
    sly = [{"op": "set_model", "model": "dear"}, *GOOD]
    async with open_workflow_house(tmp_path, told=loop_case.script(sly)) as house:
        await house.start(rounds=1)
        await house.answer(GateKind.PLAN)
        assert await house.phase() is Phase.BUILDING
        asked = await house.asked(GateKind.EDIT)
        barred = (await shown_by(house, asked))["barred"]
        assert [(one["where"], one["before"], one["after"]) for one in barred] == [
            ("default_model", "small", "dear")
        ]
        assert not any("measure" in name for name in house.launcher.done)

        await house.answer(GateKind.EDIT)
        assert await house.phase() is Phase.REVIEWING
        await house.answer(GateKind.KEEP)
        assert "default_model: dear" in await house.final()


async def test_an_edit_that_a_person_refuses_is_never_run(tmp_path):
    sly = [{"op": "set_model", "model": "dear"}, *GOOD]
    async with open_workflow_house(tmp_path, told=loop_case.script(sly)) as house:
        await house.start(rounds=1)
        await house.answer(GateKind.PLAN)
        await house.answer(GateKind.EDIT, Decision.REJECT)
        assert not any("measure" in name for name in house.launcher.done)
        assert await house.final() == loop_case.WORKFLOW


async def test_where_nobody_is_asked_such_an_edit_is_not_run(tmp_path):
    sly = [{"op": "set_model", "model": "dear"}, *GOOD]
    async with open_workflow_house(tmp_path, told=loop_case.script(sly)) as house:
        await house.start(rounds=1, approve="auto")
        await house.answer(GateKind.PLAN)
        assert not any("measure" in name for name in house.launcher.done)
        assert await house.final() == loop_case.WORKFLOW


async def test_a_round_in_which_nothing_could_be_run_says_why(tmp_path):
    told = loop_case.script([{"op": "set_prompt", "state": "nowhere", "prompt": "x"}])
    async with open_workflow_house(tmp_path, told=told) as house:
        await house.start(rounds=1, approve="auto", repeats=1)
        await house.answer(GateKind.PLAN)

        assert not any("measure" in name for name in house.launcher.done)
        card = next(m for m in house.house.surface.messages() if m["title"] == "Round 1")
        assert "came to nothing" in card["body"]
        assert "nowhere" in card["body"]
        assert "Nothing is changed." in card["body"]


async def test_no_standing_permission_answers_for_an_edit(tmp_path):
    with pytest.raises(ValueError, match="edit"):
        Settings.model_validate({"approvals": {"policy": ["edit"]}})


async def test_each_proposal_is_asked_about_where_that_is_wanted(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(rounds=1, approve="each")
        await house.answer(GateKind.PLAN)
        assert await house.phase() is Phase.BUILDING
        await house.answer(GateKind.EDIT)
        assert await house.phase() is Phase.REVIEWING


async def test_words_to_the_plan_change_its_terms(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start()
        await house.answer(GateKind.PLAN, words="2 rounds, 3 repeats and at most 400 calls")
        plan = (await house.known()).rounds[0].plan
        assert plan.revision == 1
        assert (plan.recipe["rounds"], plan.recipe["repeats"], plan.recipe["max_calls"]) == (
            2,
            3,
            400,
        )
        assert ["rounds", "3", "2"] in plan.changes
        assert await house.phase() is Phase.APPROVING


def test_words_that_name_no_number_are_what_is_wanted():
    terms = terms_of(Settings(), WorkflowWish(), model="small")
    assert amended(terms, "make it faster").goal == "make it faster"
    assert amended(terms, "900 rounds").rounds == 50
    assert amended(terms, "999999 calls").max_calls == terms.max_calls


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("without 2", (0, 2)),
        ("only 1 and 3", (0, 2)),
        ("drop 1, 2", (2,)),
        ("just 2.", (1,)),
        ("without 4", None),
        ("it should be kinder", None),
        ("only 2 words please", None),
    ],
)
def test_words_that_choose_among_edits(words, taken):
    assert chosen_in(words, 3) == taken


async def test_the_budget_of_calls_holds_for_all_rounds_together(tmp_path):
    told = loop_case.script(USELESS)
    async with open_workflow_house(tmp_path, told=told) as house:
        await house.start(approve="auto", rounds=5, max_calls=150)
        await house.answer(GateKind.PLAN)
        known = await house.known()
        assert known.spent.calls <= 150
        assert known.left(known.rounds[-1].terms) == Left(calls=150 - known.spent.calls)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_a_budget_too_small_for_a_first_look_fails_with_what_to_do(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(approve="auto", max_calls=5)
        await house.answer(GateKind.PLAN)
        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "larger" in run.failure


async def test_a_job_that_dies_is_done_again_without_paying_twice(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        house.launcher.dies.add("run1-i1-workflow-measure-a1")
        await house.start(approve="auto", rounds=1)
        await house.answer(GateKind.PLAN)
        assert await house.phase() is Phase.DELIVERED
        assert "run1-i1-workflow-measure-a2" in house.launcher.done


async def test_a_workflow_that_cannot_be_run_fails_with_its_lines(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        (house.folder / "sorter.yaml").write_text(
            loop_case.WORKFLOW.replace("next: thank", "next: thnk")
        )
        await house.start()
        run = await house.run()
        assert run.phase is Phase.FAILED
        assert "thank" in run.failure


async def test_tests_are_made_where_none_are_given(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(tests=False)
        known = await house.known()
        assert known.found.made
        assert known.found.killed > 0
        assert await house.phase() is Phase.APPROVING


async def test_what_a_model_thinks_should_be_so_is_what_a_run_without_tests_improves(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(tests=False, approve="auto", repeats=1)
        found = (await house.known()).found
        assert found.wished == len(loop_case.TOPICS)
        wished = [case for case in found.cases if case.about.startswith("Wished")]
        assert len(wished) == found.wished
        assert "wishes" in found.words
        await house.answer(GateKind.PLAN)

        assert await house.phase() is Phase.DELIVERED
        assert loop_case.ONE_WORD in await house.final()


async def test_every_snapshot_loads_and_is_in_the_ledger(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start(approve="auto")
        await house.answer(GateKind.PLAN)
        services = house.house.app.services
        known = await house.known()
        for one in known.rounds:
            place = tmp_path / one.snapshot.name
            place.write_bytes(services.files.path(one.snapshot.sha256).read_bytes())
            load(place)
        kept = await services.db.read(datasets.artifact, 1, "ledger")
        lines = [
            json.loads(line) for line in services.files.path(kept.sha256).read_text().splitlines()
        ]
        assert [line["what"] for line in lines] == ["given", "round", "claim"]
        assert lines[1]["stands_sha256"] == known.rounds[0].snapshot.sha256
        assert lines[1]["stood"]["pass_rate"] == 0
        claim = await services.db.read(facts.claim_of, 1)
        assert ledger.text(known, claim) == services.files.path(kept.sha256).read_text()


async def test_a_plan_that_nobody_approves_costs_no_call(tmp_path):
    async with open_workflow_house(tmp_path) as house:
        await house.start()
        await house.answer(GateKind.PLAN, Decision.REJECT)
        assert (await house.known()).spent.calls == 0
        assert house.launcher.done == ["run1-i1-workflow-read-a1"]


async def shown_by(house, asked):
    """Return what the message of a question shows."""

    def find(session):
        for event in events.of_run(session, asked.run_id):
            if event.payload.get("approval_id") == asked.id:
                return event.payload
        return None

    return await house.house.app.services.db.read(find)


async def job_spec(house, kind, iteration):
    """Return the spec of a job."""
    job = await house.house.app.services.db.read(jobs.latest, 1, kind, iteration)
    assert job.state is JobState.CLOSED
    return job.spec

"""The four jobs of a round, in their folders, with models that follow a script."""

import json

import pytest

from agents.jobs import (
    ClaimResult,
    ClaimSpec,
    Contender,
    JobOutcome,
    Left,
    MeasureRoundResult,
    ProposeResult,
    ReadWorkflowResult,
)
from agents.workflow.__main__ import PROGRAM
from agents.workflow.goals import measured
from agents.workflow.journal import JournalError
from agents.workflow.load import load
from agents.workflow.outside import ModelError
from agents.workflow.purse import OutOfBudget, used_of
from tests import loop_case
from tests.agents.workflow.job_work import TERMS, Work, payload, stored


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path / "w")


def test_a_workflow_and_its_tests_are_read_and_split(work):
    found = work.found()
    assert (found.name, found.model, found.states, found.asking, found.inputs) == (
        "Sorter",
        "small",
        3,
        2,
        1,
    )
    parts = [case.part for case in found.cases]
    assert len(parts) == 16
    assert parts.count("sealed") >= 6
    assert parts.count("shown") >= 4
    assert not found.made
    assert found.spent.calls == 0


def test_what_is_wrong_with_a_file_is_said_with_its_line(work):
    (work.folder / "sorter.yaml").write_text(
        loop_case.WORKFLOW.replace("next: thank", "next: thnk")
    )
    work.workflow = work.file(work.folder / "sorter.yaml")
    _folder, result = work.read()
    assert result.outcome is JobOutcome.FAILED
    assert result.error.for_person
    assert result.error.code == "workflow"
    assert "sorter.yaml:" in result.error.message
    assert "thank" in result.error.message


def test_a_file_that_has_changed_since_is_refused(work):
    (work.folder / "sorter.yaml").write_text(loop_case.WORKFLOW + "# more\n")
    _folder, result = work.read()
    assert "has changed" in result.error.message


def test_tests_are_made_where_there_are_none(work):
    found = payload(work.read(tests=None), ReadWorkflowResult)
    assert found.made
    assert found.mutants > 0
    assert found.killed > 0
    assert found.spent.calls > 0
    assert "kills" in found.words
    assert {case.part for case in found.cases} <= {"shown", "validation", "sealed"}


def test_changes_are_proposed_for_what_fails(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    told = payload((folder, result), ProposeResult)
    assert told.standing.metrics["pass_rate"] == 0
    sealed = {case.name for case in cases if case.part == "sealed"}
    assert sealed.isdisjoint(told.standing.scores)
    shown = {case.name for case in cases if case.part == "shown"}
    assert {failure.case for failure in told.standing.failures} <= shown
    assert told.proposals
    first = told.proposals[0]
    text = (folder / first.text.path).read_text()
    assert loop_case.ONE_WORD in text
    assert "# the heart of it" in text
    load(folder / first.text.path)
    assert "+" in first.diff
    assert not first.barred


def test_the_analyst_is_shown_no_case_that_is_not_shown(work):
    cases = work.found().cases
    work.propose(cases)
    journal = (work.folder / "paid" / "propose" / "journal.jsonl").read_text()
    assert journal
    hidden = [case.name for case in cases if case.part != "shown"]
    spec = json.loads((work.folder / "job2" / "spec.json").read_text())
    assert len(spec["spec"]["cases"]) == 16
    result = json.loads((work.folder / "job2" / "progress.jsonl").read_text().splitlines()[0])
    assert result["stage"]
    assert hidden


def test_what_mends_it_wins_and_is_told_with_what_it_fixed(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    told = payload(work.measure(cases, proposed, folder), MeasureRoundResult)
    assert told.winner == proposed.proposals[0].name
    won = next(one for one in told.measured if one.name == told.winner)
    assert won.outcome == "kept"
    assert won.gain == pytest.approx(0.5)
    assert set(won.fixed) == {case.name for case in cases if case.part != "sealed"}
    assert told.would_stand.metrics["pass_rate"] == 1
    assert told.stood.metrics["pass_rate"] == 0


def test_some_of_the_edits_are_measured_as_a_change_of_their_own(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    whole = stored(folder, proposed.proposals[0])
    only = Contender(proposed=whole, taken=(0,))
    done, measured = work.measure(cases, proposed, folder, contenders=(only,), attempt=1)
    told = payload((done, measured), MeasureRoundResult)
    assert told.winner is not None
    assert told.winner != whole.name
    text = (done / told.measured[0].text.path).read_text()
    assert loop_case.ONE_WORD in text
    assert loop_case.SHORT_THANKS not in text


def test_what_says_more_than_was_allowed_is_not_run(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    changed = work.folder / "other.yaml"
    changed.write_text(loop_case.WORKFLOW.replace("default_model: small", "default_model: dear"))
    sly = proposed.proposals[0].model_copy(update={"text": loop_case.ref(changed), "edits": ()})
    done = work.measure(cases, proposed, folder, contenders=(Contender(proposed=sly),))
    told = payload(done, MeasureRoundResult)
    assert told.winner is None
    assert "default_model would change" in told.refused[0][1]
    assert told.spent.calls == 0


def test_nothing_is_paid_twice_and_the_result_is_the_same(work):
    cases = work.found().cases
    folder, result = work.propose(cases, name="once")
    first = payload((folder, result), ProposeResult)
    again = payload(work.propose(cases, name="once"), ProposeResult)
    assert again.proposals == first.proposals
    assert again.standing.scores == first.standing.scores
    assert again.spent.calls == first.spent.calls


@pytest.mark.parametrize("calls", [1, 5, 23, 60])
def test_a_budget_of_calls_is_never_exceeded(work, calls):
    cases = work.found().cases
    left = Left(calls=calls)
    folder, result = work.propose(cases, name=f"poor{calls}", left=left)
    lines = (work.folder / "paid" / f"poor{calls}" / "spent.jsonl").read_text().splitlines()
    used = sum(json.loads(line)["calls"] for line in lines)
    assert used <= calls
    if result.error is not None:
        assert result.error.code == "budget"
        assert result.error.for_person
    else:
        told = payload((folder, result), ProposeResult)
        assert told.spent.calls == used


@pytest.mark.parametrize("tokens", [40, 600, 3000, 9000])
def test_a_budget_of_tokens_is_never_exceeded_and_its_end_is_no_failure(work, tokens):
    cases = work.found().cases
    name = f"tokens{tokens}"
    folder, result = work.propose(cases, name=name, left=Left(tokens=tokens))
    used = used_of(work.folder / "paid" / name / "spent.jsonl")
    assert used.tokens <= tokens
    if result.error is not None:
        assert (result.error.code, result.error.for_person) == ("budget", True)
        return
    told = payload((folder, result), ProposeResult)
    assert told.out_of_budget
    assert told.spent.calls == used.calls
    wrong = [text for failure in told.standing.failures for text in failure.failed]
    assert wrong
    assert not any("used up" in text or "tokens" in text for text in wrong)


def test_a_measurement_whose_tokens_end_decides_nothing(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    done = work.measure(cases, proposed, folder, name="cut", left=Left(tokens=1500))
    told = payload(done, MeasureRoundResult)
    assert (told.out_of_budget, told.winner) == (True, None)
    assert {one.outcome for one in told.measured} == {"indecisive"}
    assert 500 < told.spent.tokens <= 1500


def test_an_attempt_that_goes_on_may_use_all_that_is_left(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    whole = payload(work.measure(cases, proposed, folder, name="whole"), MeasureRoundResult)
    journal = work.folder / "paid" / "whole" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # killed before the last call was kept
    left = Left(calls=whole.spent.calls + 1)
    again = payload(
        work.measure(cases, proposed, folder, name="whole", left=left), MeasureRoundResult
    )
    assert again.spent.calls == whole.spent.calls + 1
    assert (again.out_of_budget, again.winner) == (False, whole.winner)
    assert again.would_stand.scores == whole.would_stand.scores


def test_a_measurement_that_the_budget_ends_decides_nothing(work):
    cases = work.found().cases
    folder, result = work.propose(cases)
    proposed = payload((folder, result), ProposeResult)
    done = work.measure(cases, proposed, folder, name="cut", left=Left(calls=30))
    told = payload(done, MeasureRoundResult)
    assert told.out_of_budget
    assert told.winner is None
    assert {one.outcome for one in told.measured} == {"indecisive"}
    assert told.spent.calls <= 30


def test_the_claim_is_about_sealed_cases(work):
    cases = work.found().cases
    better = work.folder / "better.yaml"
    better.write_text(
        loop_case.WORKFLOW.replace("What is this about? {{message}}", loop_case.ONE_WORD)
    )
    spec = ClaimSpec(
        **work.common("claim"),
        given=work.workflow,
        left_over=work.file(better),
        tests=work.tests,
        tests_path=str(work.folder / "sorter.test.yaml"),
        cases=cases,
    )
    told = payload(work.do(spec), ClaimResult)
    assert told.claim == "better"
    assert told.sealed_cases == sum(case.part == "sealed" for case in cases)
    assert (told.before, told.after) == (0.5, 1.0)
    assert not told.gave_back


def test_what_is_left_and_worse_is_given_back(work):
    cases = work.found().cases
    worse = work.folder / "worse.yaml"
    worse.write_text(loop_case.WORKFLOW.replace("save_as: thanks", "save_as: thanks_not"))
    good = work.folder / "good.yaml"
    good.write_text(loop_case.WORKFLOW)
    spec = ClaimSpec(
        **work.common("claim"),
        given=work.file(good),
        left_over=work.file(worse),
        tests=work.tests,
        tests_path=str(work.folder / "sorter.test.yaml"),
        cases=cases,
    )
    told = payload(work.do(spec), ClaimResult)
    assert told.gave_back
    assert told.claim == "cannot tell"
    assert "points less" in told.words


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ModuleNotFoundError("no", name="scipy"), "not_installed", "tunewright[workflows]"),
        (ModelError("gemma3:4b is not there"), "models", "gemma3:4b is not there"),
        (OutOfBudget("used up"), "budget", "used up"),
        (JournalError("in use"), "journal", "in use"),
    ],
)
def test_what_a_person_can_mend_is_told_word_for_word(error, code, words):
    told = PROGRAM.explain(error)
    assert (told.code, told.for_person) == (code, True)
    assert words in told.message


def test_an_error_of_ours_is_no_advice():
    assert not PROGRAM.explain(KeyError("x")).for_person


def test_words_that_name_nothing_measured_are_for_the_analyst_alone(work):
    assert measured("a friendlier tone") is None
    assert measured("") is None
    assert measured("faster") is not None
    cases = work.found().cases
    friendly = TERMS.model_copy(update={"goal": "a friendlier tone", "repeats": 1})
    folder, result = work.propose(cases, terms=friendly)
    proposed = payload((folder, result), ProposeResult)
    told = payload(work.measure(cases, proposed, folder, terms=friendly), MeasureRoundResult)
    assert told.winner is not None

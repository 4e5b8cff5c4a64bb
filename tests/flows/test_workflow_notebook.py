"""The lab notebook of a workflow: a commit per round, the same whenever it is written, at whatever phase the run is."""

import difflib
import json
import shutil
from itertools import pairwise

import pytest
from sqlmodel import delete

from agents.services import UserError
from bot import overview
from bot.notebook import printed, repository, round_history
from bot.notebook.repository import State
from storage import entries
from storage.models import Decision, Entry, Phase
from tests.flows.test_terminal import Keyboard
from tests.house import ANNA, BEN, open_house, settings_for
from tests.stub_workflows import BETTER, GIVEN, SUITE, StubWorkflows, answer, play, start, text_of


@pytest.fixture(autouse=True)
def every_message_can_be_shown(caplog):
    yield
    assert "message not shown" not in caplog.text


async def rows_of(house):
    return await house.app.services.db.read(entries.of_run, 1)


async def played(house, **wish):
    """Play three rounds: the first is kept, the second refused, the third brings nothing; then it is handed over."""
    house.launcher.idle = {3}
    await start(house, rounds=3, **wish)
    await play(house, until=2)
    await answer(house, Decision.REJECT, "too long")
    assert (await house.run()).phase is Phase.DELIVERED


async def test_a_round_is_committed_when_the_next_begins_or_the_run_ends(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        await play(house, until=1)
        assert await rows_of(house) == []

        await answer(house, Decision.APPROVE)
        assert [entry.iteration for entry in await rows_of(house)] == [1]
        await play(house, until=9)

        written = await rows_of(house)
        assert [entry.message.partition("\n")[0] for entry in written] == [
            "Round 1: kept “clarify”, pass rate 0.0 % → 33.3 %",
            "Round 2: kept “clarify”, pass rate 33.3 % → 66.7 %",
            "Round 3: kept “clarify”, pass rate 66.7 % → 100.0 %",
        ]
        assert repository.look(house.app.keeper.folder, written) is State.WHOLE


async def test_it_holds_the_workflow_the_terms_the_decisions_and_the_ledger(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await played(house)
        first, second, third = await rows_of(house)
        handed_over = await text_of(house, "ledger")

    assert set(first.files) == {
        "README.md",
        "attempts.json",
        "decisions.json",
        "ledger.jsonl",
        "plan.json",
        "report.md",
        "run.json",
        "settings.json",
        "tests.yaml",
        "workflow.yaml",
    }
    assert [e.files["workflow.yaml"].count(BETTER) for e in (first, second, third)] == [1, 1, 1]
    assert first.files["tests.yaml"] == SUITE
    assert first.author == "Anna <anna@log.invalid>"
    assert second.message.splitlines()[2] == "❌ Anna, 2026-11-22 12:00 UTC: “too long”"
    assert "kept nothing (clarify: not better)" in third.message
    assert "Claim: Better on sealed cases." in third.message
    decided = [json.loads(entry.files["decisions.json"]) for entry in (first, second, third)]
    assert [len(d) for d in decided] == [2, 3, 3]
    assert [(d["round"], d["about"], d["decision"], d["why"]) for d in decided[2]] == [
        (1, "plan", "approve", None),
        (1, "keep", "approve", None),
        (2, "keep", "reject", "too long"),
    ]
    ledgers = [entry.files["ledger.jsonl"] for entry in (first, second, third)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(ledgers))
    assert ledgers[2] == handed_over
    assert [json.loads(line)["what"] for line in ledgers[1].splitlines()] == ["given", "round", "round"]  # fmt: skip
    assert json.loads(third.files["run.json"])["ended"][0]["how"] == "delivered"
    assert json.loads(second.files["run.json"])["ended"] == []
    assert "**clarify**: rejected, not better" in third.files["report.md"]
    assert not [p for p, text in third.files.items() if str(tmp_path) in text]


async def test_a_place_on_this_machine_stays_out_of_it(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        place = {"place": "/home/anna/w.yaml", "tests_place": "/home/anna/t.yaml"}
        await played(house, **place, ollama_url="http://10.0.0.7:11434")
        written = await rows_of(house)

    assert len(written) == 3
    for entry in written:
        for text in entry.files.values():
            assert "/home/anna" not in text
            assert "10.0.0.7" not in text


async def test_what_was_written_stays_and_is_written_anew_the_same(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await played(house)
        before = [entry.commit_sha for entry in await rows_of(house)]
        await house.app.commands.revert(1, ANNA, 0)
        await house.settle()
        assert [entry.commit_sha for entry in await rows_of(house)] == before
        await answer(house, Decision.APPROVE)
        after = await rows_of(house)
        assert [entry.commit_sha for entry in after[:3]] == before
        assert after[3].message.startswith(
            "Round 4: the workflow as it was given, restored by Anna; kept"
        )
        assert json.loads(after[3].files["plan.json"])["began_with_round"] == 0
        assert "# round 4" in after[3].files["workflow.yaml"]
        assert "# round 1" not in after[3].files["workflow.yaml"]

        await house.app.services.db.write(lambda session: session.exec(delete(Entry)))
        shutil.rmtree(house.app.keeper.folder)
        house.app.keeper._looked_at.clear()
        house.app.keeper.note_change()
        await house.app.keeper.look()
        assert [e.commit_sha for e in await rows_of(house)] == [e.commit_sha for e in after]


async def test_no_phase_is_too_early_or_too_odd_for_the_keeper(tmp_path, caplog):
    script = {"run1-i2-workflow-measure-a1": "crash"}
    async with open_house(tmp_path, stand_in=StubWorkflows(script)) as house:

        async def look():
            house.app.keeper._looked_at.clear()
            house.app.keeper.note_change()
            await house.app.keeper.look()
            return [entry.iteration for entry in await rows_of(house)]

        await start(house)
        assert await look() == []
        await play(house, until=1)
        assert await look() == []
        await answer(house, Decision.APPROVE)
        assert (await house.run()).phase is Phase.FAILED
        assert await look() == [1, 2]
        (failed,) = [e for e in await rows_of(house) if e.iteration == 2]
        assert failed.files["workflow.yaml"].count(BETTER) == 1
        assert [e["how"] for e in json.loads(failed.files["run.json"])["ended"]] == ["failed"]

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        await play(house, until=9)
        assert await look() == [1, 2, 2, 3]
        await house.app.commands.deliver(1, ANNA, 1)
        await house.settle()
        assert await look() == [1, 2, 2, 3, 4]
        (back,) = [e for e in await rows_of(house) if e.iteration == 4]
        assert back.message.startswith(
            "Round 4: the workflow as it was after round 1, restored by Anna"
        )
        assert back.files["workflow.yaml"].count(BETTER) == 1
        assert "notebook could not be kept" not in caplog.text


async def test_a_run_that_is_cancelled_before_its_first_round_is_noted(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        await house.app.commands.cancel(1, ANNA)
        await house.settle()

        (entry,) = await rows_of(house)

    assert entry.message.startswith("Round 1: not carried out, pass rate –\n")
    assert "The run was cancelled: Anna" in entry.message
    assert entry.files["workflow.yaml"] == GIVEN


async def test_history_says_a_line_per_round(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await played(house)
        told = await house.app.commands.tries(1, ANNA, None)
        first, second, third = round_history.lines(told)

    assert (first.number, first.outcome, first.marks) == (1, "kept “clarify”", "stands")
    assert (first.rates, first.points) == ("0.0 % → 33.3 %", "+20.0 points")
    assert first.decided == "✅ Anna, 2026-11-22 12:00 UTC"
    assert second.rates == "33.3 %"
    assert third.marks == "handed over"
    assert third.points == ""
    assert (
        "**Round 1** (stands): kept “clarify” · pass rate 0\\.0 % → 33\\.3 %" in first.as_markdown()
    )


async def test_diff_shows_the_lines_between_two_rounds_and_0_is_what_was_given(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await played(house)
        found = await house.app.commands.diff(1, ANNA, None, (0, 1))
        same = await house.app.commands.diff(1, ANNA, None, (1, 2))
        with pytest.raises(UserError, match=r"no round 7\. Its rounds: 1, 2, 3\."):
            await house.app.commands.diff(1, ANNA, None, (1, 7))
        with pytest.raises(UserError, match="There is no run #1 here"):
            await house.app.commands.diff(1, BEN, None, (1, 2))

    before, after = GIVEN.splitlines(), (GIVEN + "# round 1\n" + BETTER).splitlines()
    assert (
        found.lines.splitlines()[2:]
        == list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]
    )
    assert (found.metrics[0].first, found.metrics[0].second) == ("0.0 %", "33.3 %")
    assert "tokens of a run" not in found.as_markdown()  # it is the same in both
    assert same.lines == ""
    assert "The workflow is the same." in same.as_markdown()
    assert found.as_markdown().count("```") == 2


async def test_the_terminal_shows_both_beside_a_running_bot(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await played(house)
        settings = settings_for(tmp_path)
        printed.show_history(await printed.lines(settings, 1), told := Keyboard())
        printed.show_difference(await printed.difference(settings, 1, 0, 1), between := Keyboard())
        (line,) = overview.read(settings, 1)

    assert "33.3 %" in told.text
    assert "+# better" in between.text
    assert "Only the last comparison" in between.text
    assert line.as_json()["target"] == "workflow"


async def test_a_round_under_way_has_no_result_yet(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        (line,) = round_history.lines(await house.app.commands.tries(1, ANNA, None))

    assert (line.outcome, line.rates, line.marks) == ("no result yet", "–", "under way")

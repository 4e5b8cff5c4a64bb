import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from agents.services import UserError
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.playing import RunScenario
from agents.workflow.suite import Scenario
from bot.workflow_testing import Wish, carry_out
from tests.agents.workflow.written import HEAD, write

WORKFLOW = HEAD + "states:\n  ask: {type: prompt, prompt: x, save_as: answer}\n"
SUITE = (
    "workflow: w.yaml\ntest_scenarios:\n  - name: one\n    inputt: []\n    assertions:\n"
    "      - {type: equals, target: answer, value: x}\n"
)


def says(answer: str) -> RunScenario:
    async def run(scenario: Scenario, iteration: int) -> Outcome:
        return Outcome(Ended.FINISHED, (), {"answer": answer})

    return run


def played(folder: Path, answer: str = "x", **wish: object) -> tuple[bool, str]:
    write(folder, WORKFLOW)
    path = write(folder, SUITE, "w.test.yaml")
    screen = io.StringIO()
    passed = carry_out(
        Wish(path, **wish), lambda loaded: says(answer), Console(file=screen, width=120)
    )
    return passed, screen.getvalue()


def test_a_table_is_shown_and_whether_everything_passed_is_told(tmp_path):
    passed, text = played(tmp_path)
    assert passed
    assert "✅ one" in text
    assert "did you mean “inputs”?" in text
    assert "1 of 1 runs passed." in text

    failed, text = played(tmp_path, "y")
    assert not failed
    assert "line 6: equals answer “x”: the value is “y”" in text


def test_a_report_without_a_file_is_all_that_stands_on_the_screen(tmp_path):
    _, text = played(tmp_path, form="json")
    assert json.loads(text)["summary"]["passed"] == 1

    _, text = played(tmp_path, form="markdown")
    assert text.startswith("# ")


def test_a_report_goes_to_a_file_and_its_ending_says_which(tmp_path):
    out = tmp_path / "out.json"

    _, text = played(tmp_path, output=out, iterations=3)

    assert "3 of 3 runs passed." in text
    assert json.loads(out.read_text())["summary"]["totalRuns"] == 3
    played(tmp_path, output=tmp_path / "out.md")
    assert (tmp_path / "out.md").read_text().startswith("# ")


def test_a_report_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UserError, match="Say which report"):
        played(tmp_path, output=tmp_path / "out.txt")
    with pytest.raises(UserError, match="cannot be written: No such file"):
        played(tmp_path, output=tmp_path / "gone" / "out.json")

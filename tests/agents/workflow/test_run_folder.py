"""The folder of a run is its own, and its trace can be read."""

import json
from datetime import UTC, datetime

from agents.workflow.events import PromptSent, Purpose, Token, ToolCall
from agents.workflow.run_folder import open_folder, open_trace
from tests.agents.workflow.written import loaded

NOW = datetime(2026, 11, 30, 17, 3, 2, tzinfo=UTC)


def workflow(tmp_path, name="My: *first*/../Workflow"):
    text = f"""
        name: "{name}"
        start_state: a
        states: {{a: {{type: transition, next: end}}}}
    """
    return loaded(tmp_path, text).workflow


def test_two_folders_of_one_second_are_two(tmp_path):
    found = [open_folder(tmp_path / "runs", workflow(tmp_path), NOW) for _ in range(3)]

    assert [folder.name for folder in found] == [
        "my-first-workflow-2026-11-30T17-03-02",
        "my-first-workflow-2026-11-30T17-03-02-2",
        "my-first-workflow-2026-11-30T17-03-02-3",
    ]
    assert {folder.parent for folder in found} == {(tmp_path / "runs").resolve()}


def test_a_name_without_letters_has_a_folder_too(tmp_path):
    assert open_folder(tmp_path, workflow(tmp_path, "世界"), NOW).name.startswith("workflow-2026")


def test_a_trace_is_lines_of_json_and_cuts_what_is_long(tmp_path):
    long = "y" * 3000
    with open_trace(tmp_path) as trace:
        trace.write(Token("a", "piece"))
        trace.write(PromptSent("a", Purpose.ANSWER, "m", {"temperature": 1}, long))
        trace.write(ToolCall("a", "files", "write", {"content": long}))
        trace.write(ToolCall("a", "files", "write", {"content": "half a pair \ud800"}))

    lines = (tmp_path / "trace.log").read_text().splitlines()
    prompt, call, odd = [json.loads(line) for line in lines]
    assert (prompt["type"], prompt["purpose"]) == ("prompt_sent", "answer")
    assert prompt["parameters"] == {"temperature": 1}
    assert prompt["prompt"] == "y" * 2000 + "…"
    assert prompt["prompt_chars"] == 3000
    assert call["arguments"].startswith('{"content": "yyy')
    assert len(call["arguments"]) == 2001
    assert odd["arguments"]["content"].startswith("half a pair")


def test_a_trace_of_a_run_that_goes_on_is_added_to(tmp_path):
    for _ in range(2):
        with open_trace(tmp_path) as trace:
            trace.write(ToolCall("a", "files", "write", {}))

    assert len((tmp_path / "trace.log").read_text().splitlines()) == 2

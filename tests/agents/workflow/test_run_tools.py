"""What a run does with tools, whoever runs them."""

from agents.workflow.events import Notice
from agents.workflow.outcome import Ended
from agents.workflow.tools import ToolError, Used
from tests.agents.workflow.worlds import FakeTools, Given, ran

ASK = """
    name: T
    start_state: ask
    states:
      ask: {type: prompt, prompt: "Say hello", save_as: greeting, next: end}
"""
TOOL = """
    name: T
    start_state: ask
    mcp_servers: {calc: {command: nothing}}
    states:
      ask: {type: prompt, prompt: Add, mcp_servers: [calc], save_as: sum, next: end}
"""


def test_a_tool_that_the_model_does_not_get_is_no_failure_of_the_run(tmp_path):
    wants = {"tool_calls": [{"name": "sub"}], "reply": "then not"}

    seen = ran(tmp_path, TOOL, Given({"rules": [wants]}), tools=FakeTools(add=3))

    assert seen.outcome.variables == {"sum": "then not"}
    assert "There is no tool “sub”. There are: add." in seen.prompts()[1]


def test_a_tool_that_fails_is_told_to_the_model_and_a_server_that_is_gone_fails_the_state(tmp_path):
    wants = {"tool_calls": [{"name": "add", "args": {"a": 1}}], "reply": "oh"}
    told = ran(tmp_path, TOOL, Given({"rules": [wants]}), tools=FakeTools(add=Used("no", True)))
    gone = ran(tmp_path, TOOL, Given({"rules": [wants]}), tools=FakeTools(add=ToolError("gone")))

    assert told.outcome.variables == {"sum": "oh"}
    assert told.models.asked[1]["messages"][-1].status == "error"
    assert gone.outcome.ended is Ended.FAILED
    assert gone.outcome.reason == "ask: gone"


def test_of_many_tools_at_once_only_some_are_used_and_the_model_is_told(tmp_path):
    wants = {"tool_calls": [{"name": "add"}] * 18, "reply": "done"}
    tools = FakeTools(add=3)

    seen = ran(tmp_path, TOOL, Given({"rules": [wants]}), tools=tools)

    results = [message.text for message in seen.models.asked[1]["messages"][2:]]
    assert results == ["3"] * 16 + ["not done: at most 16 at once"] * 2
    assert len(tools.used) == 16


def test_a_model_that_only_uses_tools_ends_the_state(tmp_path):
    wants = {"tool_calls": [{"name": "add"}], "again": True}
    tools = FakeTools(add=1)

    seen = ran(tmp_path, TOOL, Given({"rules": [wants]}), tools=tools)

    assert seen.outcome.ended is Ended.FAILED
    assert "used tools 12 times" in seen.outcome.reason
    assert len(tools.used) == 12


def test_the_files_server_goes_with_prompts_of_a_workflow_that_speaks_of_its_folder(tmp_path):
    text = ASK.replace("Say hello", "Say {{run_directory}}")
    tools, none = FakeTools(read=1), FakeTools(read=1)

    with_folder = ran(tmp_path, text, tools=tools, run_directory=tmp_path)
    ran(tmp_path, ASK, tools=none, run_directory=tmp_path)
    under_test = ran(tmp_path, text, tools=none)

    assert tools.asked_for == [["filesystem"]]
    assert with_folder.models.asked[0]["tools"] == ["read"]
    assert none.asked_for == []
    assert under_test.prompts() == ["Say {{run_directory}}"]


def test_a_model_that_takes_no_tools_goes_on_without_those_that_nobody_asked_for(tmp_path):
    text = ASK.replace("Say hello", "Say {{run_directory}}")
    script = {"tools": False}

    seen = ran(tmp_path, text, Given(script), tools=FakeTools(read=1), run_directory=tmp_path)
    listed = ran(tmp_path, TOOL, Given(script), tools=FakeTools(add=1))

    assert seen.outcome.ended is Ended.FINISHED
    assert "goes on without" in seen.of(Notice)[0].message
    assert listed.outcome.ended is Ended.FAILED


def test_no_files_server_is_added_to_a_workflow_that_brings_one(tmp_path):
    own = ASK.replace("Say hello", "Say {{run_directory}}")
    own += (
        "    mcp_servers: {mine: {type: npx, package: '@modelcontextprotocol/server-filesystem'}}\n"
    )
    tools = FakeTools(read=1)

    seen = ran(tmp_path, own, tools=tools, run_directory=tmp_path)

    assert tools.asked_for == []
    assert seen.prompts() == [f"Say {tmp_path}"]


def test_a_loop_that_waits_for_a_tool_is_no_circle(tmp_path):
    text = TOOL.replace("next: end", "next: ask")
    wants = {"tool_calls": [{"name": "add"}], "reply": "pending"}

    seen = ran(tmp_path, text, Given({"rules": [wants]}), tools=FakeTools(add="pending"))

    assert seen.outcome.ended is Ended.LIMIT
    assert len(seen.outcome.visits) == 50

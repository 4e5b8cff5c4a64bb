"""Every example of the original runs to its end: models by script, answers from a list, servers started for real."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.workflow.events import Event, ToolResult
from agents.workflow.load import load
from agents.workflow.mcp_tools import McpTools, ServerLimits
from agents.workflow.model import Kind
from agents.workflow.outcome import Ended
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.server_policy import OWN_FILES
from agents.workflow.world import World
from tests.agents.workflow.written import EXAMPLES

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not at hand")

WORKFLOWS = sorted(
    path.name for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".test.yaml")
)
FAKE = Path(__file__).with_name("fake_server.py")
CALCULATOR = """
module.exports = ({operation, a, b}) => ({add: a + b, multiply: a * b}[operation]);
module.exports.description = "Calculates.";
"""
TEXT = "module.exports = ({text}) => text.toUpperCase();"


def wants(state: str, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"state": state, "tool_calls": [{"name": tool, "args": arguments}], "reply": "used it"}


def goes(state: str, number: int) -> dict[str, Any]:
    return {"state": state, "purpose": "route", "reply": {"choice": number}}


RULES: dict[str, list[dict[str, Any]]] = {
    "advanced-custom-tools.yaml": [
        goes("check_continue", 2),
        wants("process_data", "calculator", operation="multiply", a=6, b=7),
    ],
    "comprehensive-mcp-integration.yaml": [
        goes("route_choice", 5),
        wants("combined_demo", "text-transform", text="loud"),
    ],
    "mixed-fallback.yaml": [
        {"model": "invalid-model-123", "error": "model not found"},
        {"model": "another-invalid-model", "error": "model not found"},
    ],
    "run-directory-demo.yaml": [
        wants("create_test_file", "write_file", path="output.txt", content="made by a run"),
        wants("read_test_file", "read_file", path="output.txt"),
    ],
    "simple-web-browse.yaml": [wants("visit_example", "echo", text="a page")],
    "web-browsing-demo.yaml": [
        goes("check_continue", 2),
        wants("perform_search", "echo", text="a result"),
    ],
}
RESULTS = {
    "advanced-custom-tools.yaml": ["42"],
    "comprehensive-mcp-integration.yaml": ["LOUD"],
    "run-directory-demo.yaml": ["wrote 13 bytes to output.txt", "made by a run"],
    "simple-web-browse.yaml": ["a page"],
    "web-browsing-demo.yaml": ["a result"],
}
REACHED = {
    "mixed-fallback.yaml": "normal_step state_with_specific_fallback specific_error_handler end",
    "research-assistant.yaml": "research_topic search_web analyze_findings end",
    "user-input-demo.yaml": "get_name get_location get_interest generate_response end",
    "workflow-reference.yaml": "start_greeting start_greeting_ref_greet ask_continue end",
}


class Patient:
    """Answers everything."""

    async def answer(self, state: Any, question: str) -> str:
        assert state.kind is Kind.INPUT
        return f"answer to {state.name}"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the examples, with scripts for their custom tools, and an `npx` that starts our fake server."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder, copy_function=shutil.copyfile)
    os.chmod(folder, 0o755)  # noqa: PTH101
    tools = folder / "custom-tools"
    tools.mkdir()
    (tools / "calculator.js").write_text(CALCULATOR)
    (tools / "text-transform.js").write_text(TEXT)
    npx = tmp_path / "bin" / "npx"
    npx.parent.mkdir()
    npx.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}"\n')
    npx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npx.parent}:{os.environ['PATH']}")
    return folder


async def retrieve(rag: Any, prompt: str, models: Any, reach: Reach) -> str:
    """Return a prompt with the names of the documents: the back ends bring the real one."""
    folder = reach.find(rag.directory, rag.base_dir, folder=True)
    return prompt + "\n\n" + "\n".join(sorted(path.name for path in folder.glob("*.txt")))


def test_there_are_26():
    assert len(WORKFLOWS) == 26


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not here")
@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_example_runs_to_its_end(name, examples, tmp_path):
    events: list[Event] = []
    folder = tmp_path / "run"
    folder.mkdir()
    reach = Reach(cwd=None)
    workflow = load(examples / name, reach).workflow
    models = ScriptedModels(Script.model_validate({"rules": RULES.get(name, [])}))

    async def through() -> Any:
        async with McpTools(workflow, reach, OWN_FILES, folder, ServerLimits()) as tools:
            world = World(
                models,
                Patient(),
                reach,
                tools,
                retrieve,
                listen=events.append,
                run_directory=folder,
            )
            return await run(workflow, world)

    outcome = asyncio.run(through())

    assert outcome.ended is Ended.FINISHED, outcome.reason
    assert all(visit.calls for visit in outcome.visits if visit.state in prompts(workflow, outcome))
    if name in REACHED:
        assert " ".join(outcome.reached) == REACHED[name]
    results = [event.text for event in events if isinstance(event, ToolResult)]
    assert results == RESULTS.get(name, [])


def prompts(workflow: Any, outcome: Any) -> set[str]:
    """Return the prompt states that were left without an error."""
    failed = {visit.state for visit in outcome.visits if visit.error}
    return {s.name for s in workflow.states.values() if s.kind is Kind.PROMPT} - failed

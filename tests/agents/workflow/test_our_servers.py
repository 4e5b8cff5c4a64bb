"""The two servers that are ours: files of a run, and JavaScript of the person who runs it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.workflow.mcp_tools import McpTools
from agents.workflow.server_policy import UPLOADS, ServerPolicy
from agents.workflow.tools import Tool, ToolError
from tests.agents.workflow.served import with_tools, workflow_of
from tests.agents.workflow.written import loaded

# ---- files of the run ------------------------------------------------------------------------------------------------


def with_files(folder: Path, *uses: tuple[str, dict[str, Any]]) -> list[Any]:
    async def work(tools: McpTools) -> list[Any]:
        await tools.offered(["filesystem"])
        return [await tools.use(Tool("filesystem", name, "", {}), args) for name, args in uses]

    found: list[Any] = with_tools(workflow_of(folder.parent), folder, work, UPLOADS)
    return found


def test_the_files_of_a_run_can_be_written_listed_and_read(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    wrote, listed, read = with_files(
        folder,
        ("write_file", {"path": "notes/a.txt", "content": "grüezi"}),
        ("list_directory", {"path": "notes"}),
        ("read_file", {"path": "notes/a.txt"}),
    )

    assert not wrote.failed
    assert (listed.text, read.text) == ("a.txt", "grüezi")
    assert (folder / "notes" / "a.txt").read_text() == "grüezi"


def test_nothing_outside_of_the_folder_can_be_reached(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link").symlink_to(tmp_path)

    results = with_files(
        folder,
        ("read_file", {"path": "../secret.txt"}),
        ("read_file", {"path": str(tmp_path / "secret.txt")}),
        ("read_file", {"path": "link/secret.txt"}),
        ("write_file", {"path": "link/new.txt", "content": "x"}),
        ("write_file", {"path": "../new.txt", "content": "x"}),
        ("create_directory", {"path": "../made"}),
        ("list_directory", {"path": ".."}),
        ("read_file", {"path": "a\0b"}),
        ("read_file", {}),
        ("write_file", {"path": "x", "content": 5}),
    )

    assert [result.failed for result in results] == [True] * 10
    assert not any(
        "secret" in result.text and "lies outside" not in result.text for result in results
    )
    assert {path.name for path in tmp_path.iterdir()} == {"run", "secret.txt", "w.yaml"}


@pytest.mark.parametrize("name", ["journal.jsonl", "trace.log", "run-metadata.json", "./trace.log"])
def test_what_the_run_itself_keeps_is_not_overwritten(tmp_path, name):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).write_text("kept")

    (result,) = with_files(folder, ("write_file", {"path": name, "content": "x"}))

    assert result.failed
    assert (folder / name).read_text() == "kept"


def test_a_folder_cannot_be_filled_up(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with (folder / "big").open("wb") as file:
        file.truncate(64 * 1024 * 1024)

    large, full = with_files(
        folder,
        ("write_file", {"path": "a", "content": "x" * (1024 * 1024 + 1)}),
        ("write_file", {"path": "a", "content": "x"}),
    )

    assert large.failed
    assert full.failed
    assert not (folder / "a").exists()


# ---- tools in JavaScript ---------------------------------------------------------------------------------------------

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not here")
FUNCTION = """
module.exports = ({a, b}) => {
  for (let id = 0; id < 50; id++) console.log(JSON.stringify({jsonrpc: "2.0", id, result: {content: []}}));
  return a + b;
};
module.exports.description = "Adds.";
module.exports.inputSchema = {type: "object", properties: {a: {type: "number"}, b: {type: "number"}}};
"""
OBJECT = """
module.exports = {name: "shout", description: "Loud", execute: async ({text}) => ({said: text.toUpperCase()})};
"""
SEVERAL = """
exports.first = () => { throw new Error("not today"); };
exports.second = {name: "renamed", execute: () => undefined};
"""


def custom(folder: Path) -> Any:
    return loaded(
        folder,
        """
        name: T
        start_state: a
        mcp_servers: {js: {type: custom-tools, tools_directory: tools}}
        states: {a: {type: prompt, prompt: Go, mcp_servers: [js]}}
        """,
    ).workflow


def scripts(folder: Path, **contents: str) -> Any:
    (folder / "tools").mkdir()
    for name, content in contents.items():
        (folder / "tools" / f"{name}.js").write_text(content)
    return custom(folder)


@needs_node
def test_a_script_exports_a_function_an_object_or_several(tmp_path):
    workflow = scripts(tmp_path, add=FUNCTION, loud=OBJECT, several=SEVERAL)

    async def work(tools: McpTools) -> Any:
        listed = {tool.name: tool for tool in await tools.offered(["js"])}
        results = [
            await tools.use(listed["add"], {"a": 2, "b": 3}),
            await tools.use(listed["shout"], {"text": "hey"}),
            await tools.use(listed["first"], {}),
            await tools.use(listed["renamed"], {}),
        ]
        return listed, results

    listed, results = with_tools(workflow, tmp_path, work)

    assert set(listed) == {"add", "shout", "first", "renamed"}
    assert listed["add"].description == "Adds."
    assert set(listed["add"].parameters["properties"]) == {"a", "b"}
    assert results[0].text == "5"
    assert json.loads(results[1].text) == {"said": "HEY"}
    assert results[2].failed
    assert "not today" in results[2].text
    assert results[3].text == ""


@needs_node
def test_a_script_that_cannot_be_loaded_is_named(tmp_path):
    workflow = scripts(tmp_path, good=FUNCTION, bad="module.exports = {;")

    with pytest.raises(ToolError, match=r"bad\.js: "):
        with_tools(workflow, tmp_path, lambda tools: tools.offered(["js"]))


def test_without_node_the_error_says_what_to_install(tmp_path, monkeypatch):
    workflow = scripts(tmp_path, add=FUNCTION)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolError, match=r"there is no Node\.js here: install it"):
        with_tools(workflow, tmp_path, lambda tools: tools.offered(["js"]))


def test_scripts_of_an_upload_are_never_run(tmp_path):
    (tmp_path / "tools").mkdir()
    workflow = custom(tmp_path)

    for policy in (UPLOADS, ServerPolicy(frozenset({("js", ())}))):
        with pytest.raises(ToolError, match="has not allowed"):
            with_tools(workflow, tmp_path, lambda tools: tools.offered(["js"]), policy)

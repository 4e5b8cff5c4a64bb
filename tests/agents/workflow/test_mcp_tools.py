"""Real servers, started for real: what they can do, and what becomes of a run when they misbehave."""

import asyncio
import json
import os
import sys
import time
from typing import Any

import pytest

from agents.workflow.mcp_tools import McpTools, ServerLimits
from agents.workflow.outcome import Ended
from agents.workflow.reach import Reach
from agents.workflow.server_policy import OWN_FILES, UPLOADS, ServerPolicy
from agents.workflow.tools import Tool, ToolError, named_apart
from tests.agents.workflow.served import (
    FAKE,
    OwnLoopTools,
    lives,
    use,
    with_tools,
    workflow_of,
)
from tests.agents.workflow.worlds import Given, ran
from tests.agents.workflow.written import loaded


def test_d03_tools_are_listed_offered_to_the_model_called_and_their_results_come_back(tmp_path):
    tools = OwnLoopTools(workflow_of(tmp_path), tmp_path)
    text = (tmp_path / "w.yaml").read_text()
    wants = {"tool_calls": [{"name": "echo", "args": {"text": "ping"}}], "reply": "done"}

    seen = ran(tmp_path, text, Given({"rules": [wants]}), tools=tools)

    assert {"echo", "fail"} <= set(seen.models.asked[0]["tools"])
    assert seen.models.asked[1]["last"] == "ping"
    assert seen.outcome.variables == {"said": "done"}


def test_a_result_is_text_and_says_whether_the_tool_failed(tmp_path):
    workflow = workflow_of(tmp_path)

    assert use(workflow, tmp_path, "echo", text="grüß dich").text == "grüß dich"
    failed = use(workflow, tmp_path, "fail")
    assert (failed.text, failed.failed) == ("no such city", True)
    assert use(workflow, tmp_path, "picture").text == "[image: image/png]"


def test_a_long_result_is_cut(tmp_path):
    result = use(workflow_of(tmp_path), tmp_path, "long")

    assert result.text == "y" * 1000 + "\n[… 99,000 more characters were cut]"


def test_a_server_learns_nothing_of_our_environment_but_three_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCORD_TOKEN", "secret-token")
    workflow = workflow_of(tmp_path, env="{CITY: Rome}")

    told = json.loads(use(workflow, tmp_path, "environment").text)

    assert told.pop("CITY") == "Rome"
    assert set(told) <= {"PATH", "HOME", "LANG", "LC_CTYPE"}
    assert told["PATH"] == os.environ["PATH"]


def test_a_server_that_dies_is_an_error_that_shows_its_last_words_without_its_secrets(tmp_path):
    workflow = workflow_of(tmp_path, env="{API_KEY: sk-12345}")

    with pytest.raises(ToolError, match=r"^the server “fake” has ended; it wrote: fatal: \*\*\*$"):
        use(workflow, tmp_path, "die")


def test_a_result_does_not_give_the_keys_of_its_server_away(tmp_path):
    workflow = workflow_of(tmp_path, env="{API_KEY: sk-12345, ROOT: /srv/data}")

    told = use(workflow, tmp_path, "environment").text

    assert "sk-12345" not in told
    assert '"API_KEY": "***"' in told
    assert '"ROOT": "/srv/data"' in told


def test_after_a_death_the_next_use_starts_it_anew(tmp_path):
    async def work(tools: McpTools) -> Any:
        await tools.offered(["fake"])
        first = await tools.use(Tool("fake", "pid", "", {}), {})
        with pytest.raises(ToolError):
            await tools.use(Tool("fake", "die", "", {}), {})
        return first, await tools.use(Tool("fake", "pid", "", {}), {})

    first, second = with_tools(workflow_of(tmp_path), tmp_path, work)

    assert first.text.isdigit()
    assert second.text.isdigit()
    assert first != second


def test_the_answer_of_a_server_that_leaves_with_it_counts(tmp_path):
    for _ in range(5):
        assert use(workflow_of(tmp_path), tmp_path, "bye").text == "bye"


def test_an_answer_of_another_form_is_an_error_in_one_line(tmp_path):
    with pytest.raises(ToolError, match=r"cannot be talked to: ValidationError") as caught:
        use(workflow_of(tmp_path), tmp_path, "nonsense")

    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_server_that_hangs_is_given_up_and_killed(tmp_path):
    pids: list[int] = []

    async def work(tools: McpTools) -> None:
        await tools.offered(["fake"])
        pids.append(int((await tools.use(Tool("fake", "pid", "", {}), {})).text))
        with pytest.raises(ToolError, match=r"did not answer within 1\.5 s"):
            await tools.use(Tool("fake", "hang", "", {}), {})
        assert not lives(pids[0])

    began = time.monotonic()
    with_tools(workflow_of(tmp_path), tmp_path, work, limits=ServerLimits(call_s=1.5))

    assert time.monotonic() - began < 60
    assert len(pids) == 1


@pytest.mark.parametrize("tool", ["flood", "flood_in_one_line"])
def test_a_server_that_floods_is_given_up(tmp_path, tool):
    with pytest.raises(ToolError, match="sent more than 300,000 bytes at once"):
        use(workflow_of(tmp_path), tmp_path, tool)


def test_what_a_server_prints_between_its_messages_does_no_harm(tmp_path):
    assert use(workflow_of(tmp_path, "greets"), tmp_path, "echo", text="hi").text == "hi"


def test_a_server_that_cannot_begin_says_why(tmp_path):
    with pytest.raises(ToolError, match="it wrote: cannot find the database"):
        use(workflow_of(tmp_path, "leaves"), tmp_path, "echo")


def test_a_server_that_never_gets_ready_is_given_up(tmp_path):
    slow = ServerLimits(start_s=0.5)
    workflow = workflow_of(tmp_path, "hangs")

    with pytest.raises(ToolError, match=r"did not list its tools within 0\.5 s"):
        with_tools(workflow, tmp_path, lambda tools: tools.offered(["fake"]), limits=slow)


def test_a_program_that_is_not_there_is_named(tmp_path):
    workflow = loaded(
        tmp_path,
        """
        name: T
        start_state: a
        mcp_servers: {x: {command: surely-not-installed}}
        states: {a: {type: prompt, prompt: Go, mcp_servers: [x]}}
        """,
    ).workflow

    with pytest.raises(ToolError, match="needs “surely-not-installed”, which is not installed"):
        with_tools(workflow, tmp_path, lambda tools: tools.offered(["x"]))


def test_a_server_and_its_children_are_gone_when_the_run_is(tmp_path):
    async def work(tools: McpTools) -> list[int]:
        await tools.offered(["fake"])
        child = await tools.use(Tool("fake", "child", "", {}), {})
        own = await tools.use(Tool("fake", "pid", "", {}), {})
        return [int(child.text), int(own.text)]

    for mode in ([], ["stays"]):
        pids = with_tools(workflow_of(tmp_path, *mode), tmp_path, work)

        assert len(pids) == 2
        assert not any(lives(pid) for pid in pids)


def test_a_cancelled_run_leaves_no_server_behind(tmp_path):
    pids: list[int] = []

    known = asyncio.Event()

    async def through() -> None:
        async with McpTools(
            workflow_of(tmp_path), Reach(cwd=None), OWN_FILES, tmp_path, ServerLimits()
        ) as tools:
            await tools.offered(["fake"])
            pids.append(int((await tools.use(Tool("fake", "pid", "", {}), {})).text))
            known.set()
            await tools.use(Tool("fake", "hang", "", {}), {})

    async def cancelled() -> None:
        task = asyncio.create_task(through())
        await known.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())

    assert len(pids) == 1
    assert not lives(pids[0])


def test_an_upload_starts_nothing_that_the_operator_has_not_allowed_word_for_word(tmp_path):
    argv = (sys.executable, FAKE)
    allowed = ServerPolicy(frozenset({("fake", argv)}))

    async def offered(tools: McpTools) -> Any:
        return await tools.offered(["fake"])

    assert with_tools(workflow_of(tmp_path), tmp_path, offered, allowed)
    for workflow, policy in (
        (workflow_of(tmp_path), UPLOADS),
        (workflow_of(tmp_path), ServerPolicy(frozenset({("other", argv)}))),
        (workflow_of(tmp_path, "greets"), allowed),
        (workflow_of(tmp_path, env="{LD_PRELOAD: x.so}"), allowed),
    ):
        with pytest.raises(ToolError, match="has not allowed"):
            with_tools(workflow, tmp_path, offered, policy)


def test_tools_of_one_name_are_named_apart():
    tools = [Tool("a", "read", "", {}), Tool("b", "read", "", {}), Tool("b", "write it!", "", {})]

    assert [t.offered_as for t in named_apart(tools)] == ["a__read", "b__read", "write_it_"]


def test_more_tools_than_a_prompt_holds_are_refused():
    with pytest.raises(ToolError, match="65 tools"):
        named_apart([Tool("a", f"t{number}", "", {}) for number in range(65)])


def test_a_run_fails_in_words_when_its_server_does(tmp_path):
    tools = OwnLoopTools(workflow_of(tmp_path), tmp_path)
    text = (tmp_path / "w.yaml").read_text()
    wants = {"tool_calls": [{"name": "die"}]}

    seen = ran(tmp_path, text, Given({"rules": [wants]}), tools=tools)

    assert seen.outcome.ended is Ended.FAILED
    assert seen.outcome.reason.startswith("a: the server “fake” has ended")

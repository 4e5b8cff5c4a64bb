"""Servers that are started for real."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agents.workflow.mcp_tools import McpTools, ServerLimits
from agents.workflow.reach import Reach
from agents.workflow.server_policy import OWN_FILES, ServerPolicy
from agents.workflow.tools import Tool
from tests.agents.workflow.written import loaded

FAKE = str(Path(__file__).with_name("fake_server.py"))
LIMITS = ServerLimits(start_s=60, call_s=60, message_bytes=300_000, result_chars=1000)


def workflow_of(folder: Path, *modes: str, env: str = "{}") -> Any:
    argv = json.dumps([FAKE, *modes])
    return loaded(
        folder,
        f"""
        name: T
        start_state: a
        mcp_servers: {{fake: {{command: {sys.executable}, args: {argv}, env: {env}}}}}
        states: {{a: {{type: prompt, prompt: Go, mcp_servers: [fake], save_as: said}}}}
        """,
    ).workflow


def with_tools(
    workflow: Any,
    folder: Path,
    work: Callable[[McpTools], Awaitable[Any]],
    policy: ServerPolicy = OWN_FILES,
    limits: ServerLimits = LIMITS,
) -> Any:
    async def through() -> Any:
        async with McpTools(workflow, Reach(cwd=None), policy, folder, limits) as tools:
            return await work(tools)

    return asyncio.run(through())


def use(workflow: Any, folder: Path, name: str, **arguments: Any) -> Any:
    async def work(tools: McpTools) -> Any:
        await tools.offered(["fake"])
        return await tools.use(Tool("fake", name, "", {}), arguments)

    return with_tools(workflow, folder, work)


def lives(pid: int) -> bool:
    """Tell whether a process is there; one that was just killed is given a moment to go."""
    until = time.monotonic() + 2
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


class OwnLoopTools:
    """Real servers within the loop of the run they belong to."""

    def __init__(self, workflow: Any, folder: Path) -> None:
        self._tools = McpTools(workflow, Reach(cwd=None), OWN_FILES, folder, LIMITS)

    async def offered(self, servers: Any) -> Any:
        return await self._tools.offered(servers)

    async def use(self, tool: Tool, arguments: Any) -> Any:
        try:
            return await self._tools.use(tool, arguments)
        finally:
            await self._tools.__aexit__(None, None, None)

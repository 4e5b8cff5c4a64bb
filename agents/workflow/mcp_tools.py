"""Tools of real servers, by the Model Context Protocol over pipes.

    async with McpTools(workflow, reach, OWN_FILES, folder) as tools:
        outcome = await run(workflow, World(..., tools=tools))

A server is started when a state first needs it, and stays until the run is over. One that dies, hangs or floods is an
error of the state that needed it; the next state that does gets a new one.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.workflow.model import Workflow
from agents.workflow.reach import Reach
from agents.workflow.server_launch import FILES, Launch, files_launch, launch
from agents.workflow.server_meter import Meter
from agents.workflow.server_policy import ServerPolicy
from agents.workflow.tools import Tool, ToolError, Used

MAX_PAGES = 10
MAX_DESCRIPTION_CHARS = 4000
MAX_SCHEMA_CHARS = 50_000
MAX_REMARK_CHARS = 300
LAST_WORD_S = 0.2
LEAVE_S = 10.0
"""More than `server_pipes` takes to end a server."""


@dataclass(frozen=True)
class ServerLimits:
    """What a server may take."""

    start_s: float = 120.0
    """Until it has listed its tools; npx may have to fetch it first."""
    call_s: float = 120.0
    message_bytes: int = 8 * 1024 * 1024
    """Sent by it for one request."""
    result_chars: int = 50_000
    """Of a result that the model is shown; the rest is cut."""


class McpTools:
    """Starts the servers of one run."""

    def __init__(
        self,
        workflow: Workflow,
        reach: Reach,
        policy: ServerPolicy,
        folder: Path,
        limits: ServerLimits | None = None,
    ) -> None:
        self._workflow = workflow
        self._reach = reach
        self._policy = policy
        self._folder = folder
        """Of the run: what the filesystem server may see."""
        self._limits = limits or ServerLimits()
        self._running: dict[str, _Connection] = {}

    async def __aenter__(self) -> "McpTools":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        running, self._running = list(self._running.values()), {}
        await asyncio.gather(*(connection.close() for connection in running))

    async def offered(self, servers: Sequence[str]) -> Sequence[Tool]:
        """Return what the named servers can do, started where they are not.

        Raises: ToolError: one of them cannot be used.
        """
        tools: list[Tool] = []
        for name in servers:
            connection = self._running.get(name)
            if connection is None or connection.broken:
                connection = await self._start(name)
            tools += connection.tools
        return tools

    async def use(self, tool: Tool, arguments: Mapping[str, Any]) -> Used:
        """Use a tool. A server that is not there any more is started anew.

        Raises: ToolError: its server is gone, hangs or floods.
        """
        connection = self._running.get(tool.server)
        if connection is None or connection.broken:
            connection = await self._start(tool.server)
        result = await connection.ask(
            lambda session: session.call_tool(tool.name, dict(arguments)),
            self._limits.call_s,
            f"did not answer within {self._limits.call_s:g} s",
        )
        if isinstance(result, _Refused):
            text, failed = result.message, True
        else:
            text, failed = as_text(result), bool(result.is_error)
        return Used(_cut(connection.without_keys(text), self._limits.result_chars), failed)

    async def _start(self, name: str) -> "_Connection":
        old = self._running.pop(name, None)
        if old is not None:
            await old.close()
        connection = _Connection(self._launch(name), self._limits)
        self._running[name] = connection
        try:
            connection.tools = await self._listed(connection)
        except BaseException:
            del self._running[name]
            await connection.close()
            raise
        return connection

    def _launch(self, name: str) -> Launch:
        server = self._workflow.servers.get(name)
        if server is None and name == FILES:
            return files_launch(self._folder)
        if server is None:
            raise ToolError(f"there is no server “{name}”")
        self._policy.judge(server)
        return launch(server, self._reach, self._reach.cwd or self._folder)

    async def _listed(self, connection: "_Connection") -> tuple[Tool, ...]:
        late = f"did not list its tools within {self._limits.start_s:g} s"
        found = await connection.ask(_list_tools, self._limits.start_s, late)
        if isinstance(found, _Refused):
            raise ToolError(
                f"the server “{connection.name}” cannot list its tools: {found.message}"
            )
        return tuple(_tool(connection.name, tool) for tool in found)


@dataclass(frozen=True)
class _Refused:
    """A server has answered with an error: it lives, and has said no."""

    message: str


Work = Callable[[Any], Awaitable[Any]]
Result = Any


class _Connection:
    """One server and the task that talks to it: what breaks there ends that task, and not the run."""

    def __init__(self, launched: Launch, limits: ServerLimits) -> None:
        self.name = launched.name
        self.tools: tuple[Tool, ...] = ()
        self._launch = launched
        self._meter = Meter(limits.message_bytes)
        self._wanted: asyncio.Queue[tuple[Work, asyncio.Future[Result]] | None] = asyncio.Queue()
        self._at_work = True
        self._why = "is gone"
        self._task = asyncio.create_task(self._serve())

    @property
    def broken(self) -> bool:
        """Tell whether it cannot be talked to any more."""
        return self._task.done()

    def without_keys(self, text: str) -> str:
        """Return what it has answered without the keys that it was given."""
        return self._launch.without_keys(text)

    async def ask(self, work: Work, timeout_s: float, late: str) -> Result:
        """Return what a server answers; `_Refused` where it says no.

        Raises: ToolError: it does not answer, for whatever reason.
        """
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._wanted.put_nowait((work, answer))
        await asyncio.wait(
            {answer, self._task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return answer.result()
        answer.cancel()
        if self._task.done():
            raise ToolError(f"the server “{self.name}” {self._why}")
        self._meter.trouble = late
        await self._abandon()
        raise ToolError(f"the server “{self.name}” {late}")

    async def close(self) -> None:
        """End the server, and wait until it is gone; one that is at work is not waited for."""
        if self._at_work:
            self._meter.trouble = "was left"
        else:
            self._wanted.put_nowait(None)
            await asyncio.wait({self._task}, timeout=LEAVE_S)
        await self._abandon()

    async def _abandon(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self) -> None:
        from mcp.client.session import ClientSession

        from agents.workflow.server_pipes import pipes

        meter = self._meter
        try:
            async with (
                pipes(self._launch, meter) as (incoming, outgoing),
                ClientSession(incoming, outgoing) as session,
            ):
                await self._talk(session)
        except OSError as error:
            self._why = f"cannot be started: {error.strerror or error}"
        except Exception as error:  # noqa: BLE001  # of the session's tasks, whichever it was: the state is told
            self._why = f"cannot be talked to: {_innermost(error)}"
        else:
            self._why = "has ended"
        self._why = _why(self._why, meter.trouble, self._launch.masked(_remark(meter.tail)))

    async def _talk(self, session: Any) -> None:
        """Do what is wanted, one after the other, until the server or the run ends."""
        if not await self._before_it_ends(session.initialize()):
            return
        while True:
            self._at_work = False
            wanted = await self._before_it_ends(self._wanted.get())
            if wanted is None:
                return
            self._at_work = True
            work, answer = wanted[0]
            self._meter.seen_bytes = 0
            answered = await self._before_it_ends(_answered(work, session))
            if not answered:
                return
            if not answer.done():
                answer.set_result(answered[0])

    async def _before_it_ends(self, doing: Coroutine[Any, Any, Any]) -> tuple[Any] | None:
        """Return what comes of something, in a tuple; None where the server ends first, or nothing came."""
        task = asyncio.create_task(doing)
        gone = asyncio.create_task(self._meter.gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                # the last thing it said may still be on its way
                await asyncio.wait({task}, timeout=LAST_WORD_S)
        finally:
            for one in (task, gone):
                one.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)
        ended = self._meter.gone.is_set()
        if task.cancelled() or (ended and task.exception() is not None):
            return None
        result = task.result()
        # the session itself refuses what a server that is gone was asked
        return None if result is None or (ended and isinstance(result, _Refused)) else (result,)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REMARK_CHARS]


async def _answered(work: Work, session: Any) -> Result:
    from mcp.shared.exceptions import MCPError

    try:
        return await work(session)
    except MCPError as error:
        return _Refused(str(error))


async def _list_tools(session: Any) -> list[Any]:
    from mcp.types import PaginatedRequestParams

    tools: list[Any] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _tool(server: str, tool: Any) -> Tool:
    schema = tool.input_schema
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARS:
        raise ToolError(
            f"the tool “{tool.name}” of the server “{server}” describes itself at too great a length"
        )
    return Tool(server, tool.name, (tool.description or "")[:MAX_DESCRIPTION_CHARS], schema)


def as_text(result: Any) -> str:
    """Return the result of a tool as text; pictures and sound are only named."""
    parts = [_block(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n".join(parts)


def _block(block: Any) -> str:
    if block.type == "text":
        return str(block.text)
    if block.type == "resource":
        text = getattr(block.resource, "text", None)
        return f"[{block.resource.uri}]" if text is None else str(text)
    if block.type == "resource_link":
        return f"[{block.uri}]"
    return f"[{block.type}: {block.mime_type}]"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[… {len(text) - limit:,} more characters were cut]"


def _remark(tail: bytes) -> str:
    """Return the last line that a server wrote beside its messages."""
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:MAX_REMARK_CHARS] if lines else ""


def _why(why: str, trouble: str | None, remark: str) -> str:
    said = f"; it wrote: {remark}" if remark else ""
    return (trouble or why) + said

"""A server as a child process, and what goes through its pipes: bounded, and gone when it is left.

The transport of the `mcp` package keeps a line of any length in memory, and passes on more of the environment.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from agents.workflow.server_launch import Launch
from agents.workflow.server_meter import Meter

CHUNK_BYTES = 64 * 1024
GRACE_S = 2.0
"""For a server to leave after its stdin was closed, and again after it was asked to by a signal."""


@asynccontextmanager
async def pipes(launch: Launch, meter: Meter) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server, and yield the two streams of messages that a session of `mcp` works with.

    Afterwards the process and its children are gone, whatever happened.

    Raises: OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *launch.argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(launch.env),
        cwd=launch.cwd,
        start_new_session=True,
    )
    try:
        async with AsyncExitStack() as streams:
            into, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            write_stream, out_of = anyio.create_memory_object_stream[SessionMessage](0)
            for stream in (into, read_stream, write_stream, out_of):
                streams.push_async_callback(stream.aclose)
            tasks = [
                asyncio.create_task(_read_messages(process, into, meter)),
                asyncio.create_task(_write_messages(process, out_of)),
                asyncio.create_task(_read_remarks(process, meter)),
            ]
            try:
                yield read_stream, write_stream
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await _leave(process, meter)
    finally:
        _kill(process)
        await _ended(process)


async def _read_messages(process: asyncio.subprocess.Process, into: Any, meter: Meter) -> None:
    assert process.stdout is not None
    buffer = bytearray()
    try:
        while chunk := await process.stdout.read(CHUNK_BYTES):
            if meter.count(len(chunk)):
                _kill(process)
                return
            buffer += chunk
            *lines, rest = buffer.split(b"\n")
            buffer = rest
            for line in lines:
                try:
                    message = jsonrpc_message_adapter.validate_json(bytes(line), by_name=False)
                except ValueError:  # some greet, or say what they are doing, where messages go
                    meter.note(bytes(line) + b"\n")
                    continue
                await into.send(SessionMessage(message))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # nobody listens any more
    finally:
        meter.gone.set()
        await into.aclose()


async def _write_messages(process: asyncio.subprocess.Process, out_of: Any) -> None:
    assert process.stdin is not None
    # a server that is gone shows at its stdout, which ends
    with suppress(OSError):
        async for message in out_of:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()


async def _read_remarks(process: asyncio.subprocess.Process, meter: Meter) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(CHUNK_BYTES):
        meter.note(chunk)


async def _leave(process: asyncio.subprocess.Process, meter: Meter) -> None:
    """Let a server end: its stdin is closed, then it is asked to, then it has to; at once where it gave trouble."""
    assert process.stdin is not None
    process.stdin.close()
    if meter.trouble is not None:
        return
    if not await _ended(process):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        if not await _ended(process):
            _kill(process)
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> bool:
    """Wait for the process, but not for pipes that a child of it may hold open."""
    loop = asyncio.get_running_loop()
    until = loop.time() + GRACE_S
    # asyncio's own wait is for the pipes too
    while process.returncode is None and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    if process.returncode is not None:
        # asyncio's: closes the pipes that a child may still hold
        getattr(process, "_transport").close()  # noqa: B009
    return process.returncode is not None


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the process and what it has started; one that is gone already may have left children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

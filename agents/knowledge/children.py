"""Programs that read what strangers made: asked one thing, under limits, and ended with the question."""

import asyncio
import os
import sys
from typing import Any

READ_BYTES = 64 * 1024


class NoAnswer(Exception):
    """A program took too long, wrote too much, or ended without an answer."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.why = why
        """`time`, `size` or `failed`."""
        self.code = code
        """That it ended with, where it failed."""


async def answered(program: str, asked: bytes, timeout_s: float, max_bytes: int) -> bytes:
    """Start a program, give it a question and return what it writes.

    Args:
        program: Path of its file. It is told nothing of our environment and imports nothing of the project.
        asked: Its standard input.
        timeout_s: After which it is killed.
        max_bytes: Of its answer.

    Raises: NoAnswer: there is none.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # its words could be those of a stranger
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        start_new_session=True,  # Ctrl+C is for whoever asks
    )
    try:
        async with asyncio.timeout(timeout_s):
            _, answer = await asyncio.gather(
                _tell(child.stdin, asked), _heard(child.stdout, max_bytes)
            )
            code = await child.wait()
    except TimeoutError:
        raise NoAnswer("time") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code != 0:
        raise NoAnswer("failed", code)
    return answer


async def _tell(stdin: Any, asked: bytes) -> None:
    try:
        stdin.write(asked)
        await stdin.drain()
        stdin.close()
        await stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended before it had heard all; its exit code says so


async def _heard(stream: Any, max_bytes: int) -> bytes:
    heard = bytearray()
    while chunk := await stream.read(READ_BYTES):
        heard += chunk
        if len(heard) > max_bytes:
            raise NoAnswer("size")
    return bytes(heard)

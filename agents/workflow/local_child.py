"""A child program that holds one model: started when it is first asked, ended with whoever started it.

Its stdin is a pipe that ends with us, whatever ends us; then it ends too.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from agents.launchers.local import environment
from configs.schema import LauncherSettings

log = logging.getLogger(__name__)

Line = dict[str, Any]
STOP_WAIT_S = 5.0


class ChildError(Exception):
    """The child could not do it; `str()` is for a person."""


class ChildGone(Exception):
    """The child ended before it had answered."""


class Child:
    """Speaks the lines of `agents.worker.converse` with one child program. May be used by several loops and threads."""

    def __init__(self, spec: Line, settings: LauncherSettings) -> None:
        self._spec = {**spec, "threads": settings.threads}
        self._python = str(settings.python or sys.executable)
        self._niceness = settings.niceness
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: dict[int, Callable[[Line], object]] = {}
        self._asked_of: dict[int, subprocess.Popen[str]] = {}
        self._asked = 0

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process else None

    async def lines(self, request: Mapping[str, Any]) -> AsyncIterator[Line]:
        """Yield what the child says to a request, the last line has `done`. Left early, the child stops.

        Raises: ChildError: it cannot be done. ChildGone: the child ended.
        """
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[Line] = asyncio.Queue()
        number = self._next_number(lambda line: loop.call_soon_threadsafe(heard.put_nowait, line))
        try:
            # starting it, and a prompt that is larger than the pipe, may take a moment
            await asyncio.to_thread(self._send, {**request, "id": number})
            while True:
                line = await heard.get()
                if "gone" in line:
                    raise ChildGone(line["gone"])
                if "error" in line:
                    raise ChildError(line["error"])
                if "done" in line:
                    self._forget(number)
                yield line
                if "done" in line:
                    return
        finally:
            if self._forget(number):
                await asyncio.to_thread(self._send_if_there, {"stop": number})

    def close(self) -> None:
        """End the child and wait until it is gone."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(STOP_WAIT_S)
        _let_go(process)

    def _next_number(self, told: Callable[[Line], object]) -> int:
        with self._lock:
            self._asked += 1
            self._waiting[self._asked] = told
            return self._asked

    def _forget(self, number: int) -> bool:
        with self._lock:
            self._asked_of.pop(number, None)
            return self._waiting.pop(number, None) is not None

    def _send(self, message: Line) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                _let_go(self._process)
                self._process = self._started()
            self._asked_of[message["id"]] = self._process
            self._write(self._process, message)

    def _send_if_there(self, message: Line) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._write(self._process, message)

    def _write(self, process: "subprocess.Popen[str]", message: Line) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            log.info("the child ended while it was told something")  # who waits for it hears that

    def _started(self) -> "subprocess.Popen[str]":
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # the reader closes it
        process = subprocess.Popen(
            [self._python, "-m", "agents.worker.converse"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=environment(os.environ) | _import_path(),
            start_new_session=True,  # Ctrl+C is for us: a reply that is being written may come to its end
        )
        os.setpriority(os.PRIO_PROCESS, process.pid, self._niceness)
        self._write(process, self._spec)
        threading.Thread(target=self._read, args=(process, errors), daemon=True).start()
        return process

    def _read(self, process: "subprocess.Popen[str]", errors: Any) -> None:
        """Hand each line to who waits for it; when there are no more, tell everybody who still does."""
        assert process.stdout is not None
        fatal: str | None = None
        with process.stdout, errors:
            for raw in process.stdout:
                line = json.loads(raw)
                fatal = line.get("fatal", fatal)
                self._tell(line.get("id"), line)
            process.wait()
            errors.seek(0)
            said = errors.read()[-1000:].strip()
        with self._lock:
            left = [number for number, asked in self._asked_of.items() if asked is process]
        if left and fatal is None:
            log.warning("a model's program ended with %s: %s", process.returncode, said)
        for number in left:
            self._tell(number, {"error": fatal} if fatal else {"gone": str(process.returncode)})

    def _tell(self, number: int | None, line: Line) -> None:
        with self._lock:
            told = self._waiting.get(number or 0)
        if told is None:
            return
        try:
            told(line)
        except RuntimeError:
            log.debug("the loop that waited for a reply is closed")


def _let_go(process: "subprocess.Popen[str] | None") -> None:
    """Close our end of a child that has ended."""
    if process is None or process.stdin is None:
        return
    try:
        process.stdin.close()
    except BrokenPipeError:
        log.debug("what the child was told last did not reach it")


def _import_path() -> dict[str, str]:
    """Let the child find this package where it was not installed but started from a checkout."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}

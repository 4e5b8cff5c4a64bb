"""The bot process in a test's hands: started, killed, started again on the same data folder."""

import asyncio
import atexit
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.zygote import ROOT, Zygote, exit_file


class BotProcess:
    """One bot on one data folder, against one wire server. Its log outlives its kills.

    async with BotProcess(server, tmp_path) as bot:
        ...
        await bot.kill()
        await bot.start()
    """

    connects_within_s = 30.0

    def __init__(
        self,
        server: WireServer,
        data_dir: Path,
        *,
        script: Mapping[str, str] | None = None,
    ) -> None:
        self.server = server
        self.pid: int | None = None
        self.log_path = data_dir / "bot.log"
        self.data_dir = data_dir / "data"
        self._env = {
            "PATH": os.environ["PATH"],
            "MPLBACKEND": "Agg",
            "LANGSMITH_TRACING": "false",
            "TUNEWRIGHT_DATA_DIR": str(self.data_dir),
            "STUB_SCRIPT": json.dumps(dict(script or {})),
            **server.env(),
        }
        self.configure("schedule.poll_interval_s", 0.1)
        self.configure("schedule.sweep_interval_s", 0.5)
        self.configure("discord.edit_interval_s", 0)
        self.configure("downloads.port", 0)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()
        if error is not None:
            error.add_note("the bot's log ends with:\n" + "\n".join(self.log().splitlines()[-60:]))

    def _spawn(self) -> int:
        return _zygote().fork(self._env, self.log_path)

    def _exit_code(self) -> int | None:
        """The exit code of the process started last, None while it lives."""
        assert self.pid is not None
        file = exit_file(self.log_path, self.pid)
        return int(file.read_text().split()[0]) if file.exists() else None

    @property
    def alive(self) -> bool:
        return self.pid is not None and self._exit_code() is None

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    async def recorded(self, message: Message) -> None:
        """Wait until the bot has noted that it sent a message."""

        def noted() -> bool:
            uri = f"file:{self.data_dir / 'tunewright.sqlite'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as rows:
                found = rows.execute(
                    "SELECT 1 FROM delivery WHERE message_id = ?", (str(message.id),)
                )
                return found.fetchone() is not None

        await self.server.until(noted, what="the message to be recorded", poll_s=0.05)

    def configure(self, setting: str, value: object) -> None:
        """Change a setting for the next start: `configure("schedule.poll_interval_s", 0.1)`."""
        self._env[f"TUNEWRIGHT__{setting.replace('.', '__').upper()}"] = str(value)

    async def start(self, *, wait: bool = True) -> float:
        """Start the process and wait until it hears commands; return how long that took."""
        begun_s = time.monotonic()
        self.pid = await asyncio.to_thread(self._spawn)
        if wait:
            await self.connected()
        return time.monotonic() - begun_s

    async def connected(self) -> None:
        """Wait until it is connected and its commands are known to Discord."""
        world, gateway = self.server.world, self.server.gateway
        await self.server.until(
            lambda: (gateway.connected and world.commands[None]) or not self.alive,
            timeout_s=self.connects_within_s,
            what="the bot to connect",
            poll_s=0.2,
        )
        assert self.alive, "the bot has ended"

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self.pid is not None and self.alive:
            os.kill(self.pid, signal.SIGKILL)
            await self.ended()
            await self.server.until(lambda: not self.server.gateway.connected)

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    async def ended(self, timeout_s: float = 20.0) -> int:
        """Wait for its end, and return its exit code."""
        await self.server.until(lambda: not self.alive, timeout_s, "the bot to end", poll_s=0.02)
        code = self._exit_code()
        assert code is not None
        return code


class RealBot(BotProcess):
    """`tunewright run` itself, with the real launcher and the real worker, its settings as shipped."""

    connects_within_s = 120.0
    """It starts an interpreter of its own, also on a busy machine."""

    def __init__(self, server: WireServer, data_dir: Path, **settings: object) -> None:
        super().__init__(server, data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        shipped = [name for name in self._env if name.startswith("TUNEWRIGHT__")]
        for name in shipped:
            del self._env[name]
        self._env["HF_HUB_OFFLINE"] = "1"
        for name, value in ({"downloads__port": 0} | settings).items():
            self.configure(name.replace("__", "."), value)

    def _spawn(self) -> int:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "run"],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self._process.pid

    def _exit_code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()


@functools.cache
def _zygote() -> Zygote:
    made = Zygote()
    atexit.register(made.close)
    return made

"""The bot process in a test's hands: started, killed, started again on the same data folder."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.wire.server import WireServer

ROOT = Path(__file__).resolve().parents[2]


class BotProcess:
    """One bot on one data folder, against one wire server. Its log outlives its kills.

    async with BotProcess(server, tmp_path) as bot:
        ...
        await bot.kill()
        await bot.start()
    """

    def __init__(
        self,
        server: WireServer,
        data_dir: Path,
        *,
        script: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        module: str = "tests.wire.bot_main",
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.server = server
        self.log_path = data_dir / "bot.log"
        self._command = (sys.executable, "-m", module, *arguments)
        wanted = {
            "schedule.poll_interval_s": 0.1,
            "schedule.sweep_interval_s": 0.5,
            "discord.edit_interval_s": 0,
            "downloads.port": 0,
        } | dict(settings or {})
        self._env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MPLBACKEND": "Agg",
            "LANGSMITH_TRACING": "false",
            "TUNEWRIGHT_DATA_DIR": str(data_dir / "data"),
            "STUB_SCRIPT": json.dumps(dict(script or {})),
            **server.env(),
            **{f"TUNEWRIGHT__{k.replace('.', '__').upper()}": str(v) for k, v in wanted.items()},
        }
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
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

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    async def start(self, *, wait: bool = True) -> float:
        """Start the process and wait until it hears commands; return how long that took."""
        begun_s = time.monotonic()
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._env, stdout=log, stderr=log, cwd=ROOT
            )
        if wait:
            await self.connected()
        return time.monotonic() - begun_s

    async def connected(self) -> None:
        """Wait until it is connected and its commands are known to Discord."""
        world, gateway = self.server.world, self.server.gateway
        await self.server.until(
            lambda: (gateway.connected and world.commands[None]) or not self.alive,
            timeout_s=30,
            what="the bot to connect",
            poll_s=0.2,
        )
        assert self.alive, "the bot has ended"

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
            await self.server.until(lambda: not self.server.gateway.connected)

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self, timeout_s: float = 20.0) -> int:
        """Wait for its end, and return its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), timeout_s)

"""Rows by curator: it makes the calls in a child program, and its cache is read as it grows.

    JOURNAL_DIR/curator/lock         held by whoever works here, also by a child that has lost its parent
                        begun.jsonl  keys of calls that were handed over: each is paid from the purse once
                        BATCH/       call.json, asks.jsonl, child.log, cache/ (curator's own)

A reply in any of these caches is taken from there, so that whatever is killed, and when, nothing that was answered is asked
again. A call in the air at that time is.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agents import chat_servers
from agents.generation.asks import Ask, Keep
from agents.generation.curator_venv import Program
from agents.jobs import RowsBackend, write_atomically
from agents.workflow.outside import ModelError
from agents.workflow.purse import OutOfBudget, Purse
from configs.schema import LLMSettings

CHILD = Path(__file__).with_name("curator_child.py")
RETRIES = 1
"""Of a call, by curator."""
LOOK_S = 0.2
TOKENIZERS = Path("litellm", "litellm_core_utils", "tokenizers")
"""A vocabulary that is there, in place of one that would be fetched."""
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
MOST_ERROR_CHARS = 300


class CuratorFailed(ModelError):
    """Curator could not be started, or has made no call. `str()` is for a person."""


class CuratorCaller:
    """Makes calls through curator."""

    backend = RowsBackend.CURATOR

    def __init__(  # what it works with, each of another kind
        self,
        program: Program,
        settings: LLMSettings,
        folder: Path,
        purse: Purse,
        at_once: int,
        beat: Callable[[], None],
    ) -> None:
        self.model = settings.model
        self.parameters: Mapping[str, Any] = {}
        self._program = program
        self._settings = settings
        self._folder = folder
        self._purse = purse
        self._at_once = at_once
        self._beat = beat
        self._url = server_url(settings)
        self._read: dict[Path, int] = {}
        """Bytes of each cache that were read."""

    async def call(self, asks: Sequence[Ask], keep: Keep) -> None:
        """Make calls, and keep each reply as soon as it is in the cache.

        Raises: OutOfBudget: there is no room for all of them. CuratorFailed: none was made.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone() as lock:
            left = {_key(ask): ask for ask in asks}
            self._read.clear()
            self._take(left, keep)
            handed, over = self._paid(left)
            for batch in _batches(handed):
                await self._batch(batch, left, keep, lock)
            if over is not None:
                raise over

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Wait until nobody else works here: a child whose parent was killed ends a moment later."""
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def _take(self, left: dict[str, Ask], keep: Keep) -> bool:
        """Keep the replies that the caches hold by now; tell whether there were any."""
        came = False
        for path in sorted(self._folder.glob("*/cache/*/responses_*.jsonl")):
            for key, text, tokens in self._new_lines(path):
                ask = left.pop(key, None)
                if ask is not None:
                    self._purse.add_tokens(tokens)
                    keep(ask, text)
                    came = True
        return came

    def _new_lines(self, path: Path) -> Iterator[tuple[str, str, int]]:
        """Yield key, reply and tokens of whole lines that were not read before."""
        start = self._read.get(path, 0)
        with path.open("rb") as stream:
            stream.seek(start)
            whole, newline, _torn = stream.read().rpartition(b"\n")
        self._read[path] = start + len(whole) + len(newline)
        for line in whole.split(b"\n"):
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                said = told["response_message"]
                if said is None or told.get("response_errors"):
                    continue
                usage = told.get("token_usage") or {}
                text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
                tokens = (usage.get("input") or 0) + (usage.get("output") or 0)
                yield told["generic_request"]["original_row"]["key"], text, tokens

    def _paid(self, left: Mapping[str, Ask]) -> tuple[list[Ask], OutOfBudget | None]:
        """Return the calls that there is room for. What was handed over before is paid for once more where it may be in the air."""
        begun = self._begun()
        in_the_air = self._at_once
        found: list[Ask] = []
        for key, ask in left.items():
            try:
                if key not in begun or in_the_air > 0:
                    self._purse.begin()
            except OutOfBudget as error:
                return found, error
            in_the_air -= key in begun
            if key not in begun:
                self._note(key)
            found.append(ask)
        return found, None

    def _begun(self) -> set[str]:
        with suppress(FileNotFoundError):
            return set((self._folder / "begun.jsonl").read_text().split())
        return set()

    def _note(self, key: str) -> None:
        with (self._folder / "begun.jsonl").open("a") as file:
            file.write(f"{key}\n")

    async def _batch(
        self, batch: Sequence[Ask], left: dict[str, Ask], keep: Keep, lock: int
    ) -> None:
        """Have one child make the calls of one form. Raises: CuratorFailed: it made none."""
        folder = self._written(batch)
        child = self._started(folder, lock)
        came = False
        try:
            while child.poll() is None:
                await asyncio.sleep(LOOK_S)
                if self._take(left, keep):
                    came = True
                    self._beat()
            came = self._take(left, keep) or came
        finally:
            child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()
        if child.returncode and not came:
            raise CuratorFailed(_why(folder / "child.log", self._url))

    def _started(self, folder: Path, lock: int) -> "subprocess.Popen[bytes]":
        """Start a child; it keeps the lock for as long as it lives."""
        with (folder / "child.log").open("ab") as log:
            return subprocess.Popen(
                [str(self._program.python), "-I", str(CHILD), str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment(folder),
                pass_fds=(lock,),
            )

    def _written(self, batch: Sequence[Ask]) -> Path:
        """Write down what a child is told, and return where."""
        keys = [_key(ask) for ask in batch]
        folder = self._folder / hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        form = batch[0].form
        told = {
            "model": self.model,
            "base_url": self._url,
            "fields": form.fields,
            "most_rows": form.most_rows,
            "parameters": dict(self.parameters),
            "retries": RETRIES,
            "at_once": self._at_once,
            "timeout_s": max(1, round(self._settings.timeout_s)),
        }
        lines = [
            json.dumps({"key": key, "messages": ask.plain["messages"]}, ensure_ascii=False)
            for key, ask in zip(keys, batch, strict=True)
        ]
        write_atomically(folder / "call.json", json.dumps(told).encode())
        write_atomically(folder / "asks.jsonl", "\n".join(lines).encode("utf-8", "replace"))
        return folder

    def _environment(self, folder: Path) -> dict[str, str]:
        """Return what a child may know: no telemetry, nothing that is fetched, and the one key that it needs."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        key = self._settings.api_key
        return passed | {
            "TELEMETRY_ENABLED": "false",
            "TIKTOKEN_CACHE_DIR": str(self._program.site / TOKENIZERS),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "CURATOR_CACHE_DIR": str(folder / "cache"),
            "CURATOR_VIEWER": "false",
            "CURATOR_DISABLE_RICH_DISPLAY": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(folder / "hf"),
            "DO_NOT_TRACK": "1",
            "OPENAI_API_KEY": key.get_secret_value() if key else chat_servers.NO_KEY,
        }


def server_url(settings: LLMSettings) -> str:
    """Return where a server speaks OpenAI's API. Raises: CuratorFailed: it does not."""
    if settings.kind == "openai":
        return settings.base_url or chat_servers.URLS["openai"]
    if settings.kind == "ollama":
        return f"{settings.base_url or chat_servers.URLS['ollama']}/v1"
    raise CuratorFailed(
        f"Curator asks servers that speak OpenAI's API, and llm.kind is “{settings.kind}”. Use the back end “llm”."
    )


def _key(ask: Ask) -> str:
    """Return what a call is known by: all that it is asked with, and its place."""
    return hashlib.sha256(f"{ask.place}\0{ask.sha256}".encode("utf-8", "surrogatepass")).hexdigest()


def _batches(asks: Sequence[Ask]) -> list[list[Ask]]:
    """Return calls by the form of their replies: curator takes one at a time."""
    found: dict[object, list[Ask]] = {}
    for ask in asks:
        found.setdefault(ask.form, []).append(ask)
    return list(found.values())


def _why(log: Path, url: str) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it said nothing"
    return f"Curator has made no call to {url}: {last[:MOST_ERROR_CHARS]}"

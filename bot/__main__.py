"""The command line. Nothing heavy is imported before a command needs it, so that `--help` answers at once.

Exit codes: docs/command-line.md.
"""

import asyncio
import json
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

app = typer.Typer(
    help="Fine-tune language models by talking to a bot: upload, approve, train, measure, download.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder of everything Tunewright keeps, instead of the configured one."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Serve = Annotated[
    bool | None,
    typer.Option(
        "--serve/--no-serve",
        help="Keep the download link alive until Ctrl+C. Default: on a screen, yes.",
    ),
]


@app.command()
def run(data_dir: DataDir = None) -> None:
    """Run the bot: Discord, downloads, the queue. Without a token, say how to get one."""
    loaded = _load(data_dir)
    if loaded.settings.discord.token is None:
        from bot.doctor import HOW_TO_GET_A_TOKEN

        typer.echo(HOW_TO_GET_A_TOKEN)
        raise typer.Exit(EXIT_CONFIG)
    from bot.service import serve

    _carry_out(lambda: serve(loaded.settings))


@app.command()
def demo(
    max_steps: Annotated[int | None, typer.Option(min=1, help="End the training early.")] = None,
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Fine-tune a small real model on a shipped data set, here and now, without any token."""
    from agents.services import UserError
    from bot.demo import job

    try:
        _finish(job(max_steps, serve=_serves(serve)), data_dir)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIG) from error


@app.command()
def finetune(  # noqa: PLR0913  # one argument per option
    data: Annotated[
        list[Path],
        typer.Argument(help="CSV, JSON, JSONL, Parquet or Excel file; several are merged."),
    ],
    task: Annotated[str, typer.Option(help="What the model should learn, in a sentence.")],
    model: Annotated[str | None, typer.Option(help="Name in the model catalogue.")] = None,
    method: Annotated[
        str, typer.Option(help="How to train; without it, what fits the data.")
    ] = "auto",
    yes: Annotated[
        bool, typer.Option("--yes", help="Let a policy answer every gate with ✅.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a value of the recipe."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE=NUMBER",
            help="How much of one of several files is used: 0.5 half of it, 2 twice.",
        ),
    ] = None,
    continue_from: Annotated[
        int | None,
        typer.Option(metavar="RUN", help="Train the adapter of this run further."),
    ] = None,
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Fine-tune on a file, asking at the gates: y, n, or words.

    Example: tunewright finetune tickets.csv --task "classify tickets" --set epochs=2
    """
    from agents import weights
    from agents.feedback import from_pair
    from agents.services import UserError
    from bot.session import Job
    from configs.schema import STANDING

    try:
        wishes = [from_pair(pair) for pair in set_ or []]
        weighed = tuple(weights.from_pair(pair) for pair in weight or [])
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    policy = tuple(STANDING) if yes else ()
    _finish(
        Job(
            data=data[0],
            more=tuple(data[1:]),
            weights=weighed,
            task=task,
            model=model,
            method=method,
            wishes=wishes,
            policy=policy,
            continue_from=continue_from,
            serve=_serves(serve),
        ),
        data_dir,
    )


@app.command()
def resume(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Go on in the terminal with a run that was interrupted, paused or has failed."""
    from bot.session import Job

    _finish(Job(run_id=run_id, serve=_serves(serve)), data_dir)


@app.command()
def export(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    to: Annotated[str, typer.Argument(metavar="FORMAT", help="merged, gguf or gguf_adapter.")],
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Write the adapter of a delivered run in another format; it has to answer there as it does here."""
    from agents.jobs import ExportFormat
    from bot.session import Job

    if to not in set(ExportFormat):
        typer.echo(f"There is no format “{to}”. There are: {', '.join(ExportFormat)}.", err=True)
        raise typer.Exit(EXIT_USAGE)
    _finish(Job(run_id=run_id, export=ExportFormat(to), serve=_serves(serve)), data_dir)


@app.command()
def publish(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    repo: Annotated[str, typer.Option(help="Where to, as owner/name.")],
    what: Annotated[
        str,
        typer.Option(help="adapter, or a format it was written in: merged, gguf, gguf_adapter."),
    ] = "adapter",
    public: Annotated[
        bool, typer.Option("--public", help="Let anybody see it; private without.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Push the adapter of a delivered run to the Hub, after a question that shows what will be seen by whom."""
    from agents.jobs import ExportFormat
    from bot.commands import ADAPTER
    from bot.publish_wishes import Publish
    from bot.session import Job

    if what not in {ADAPTER, *ExportFormat}:
        known = ", ".join([ADAPTER, *ExportFormat])
        typer.echo(f"There is no “{what}” to publish. There are: {known}.", err=True)
        raise typer.Exit(EXIT_USAGE)
    _finish(Job(run_id=run_id, publish=Publish(repo, what, public=public)), data_dir)


@app.command()
def reproduce(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    data_dir: DataDir = None,
) -> None:
    """Train the adapter of a run once more from its own rows and recipe, and compare the two."""
    from bot.reproduce import reproduce as train_again

    loaded = _load(data_dir)
    found = _carry_out(lambda: train_again(loaded.settings, run_id, typer.echo))
    typer.echo(found.text)
    raise typer.Exit(EXIT_OK if found.same else EXIT_RUN_FAILED)


@app.command()
def download(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    what: Annotated[
        str, typer.Argument(metavar="[WHAT]", help="adapter, merged, gguf or gguf_adapter.")
    ] = "adapter",
    to: Annotated[Path, typer.Option(help="Folder to put it into.")] = Path(),
    data_dir: DataDir = None,
) -> None:
    """Copy the adapter of a run, or another format of it, into a folder. A running bot gives links instead."""
    from bot.session import download as fetch

    loaded = _load(data_dir)
    typer.echo(_carry_out(lambda: fetch(loaded.settings, run_id, to, what)))


@app.command()
def cancel(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")],
    data_dir: DataDir = None,
) -> None:
    """End a run and whatever works for it. In a running bot: /finetune cancel."""
    from bot.session import cancel as end

    loaded = _load(data_dir)
    typer.echo(_carry_out(lambda: end(loaded.settings, run_id)))


@app.command()
def status(
    run_id: Annotated[
        int | None,
        typer.Argument(metavar="[RUN]", help="Number of a run; the latest ones without."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show how runs stand. Works beside a running bot."""
    from agents.services import UserError
    from bot import overview

    loaded = _load(data_dir)
    try:
        rows = overview.read(loaded.settings, run_id)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows], indent=1))
    else:
        overview.show(rows)


@app.command()
def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check token, intents, disk, database, model and launcher; each failure comes with its fix."""
    from bot import doctor as checks

    loaded = _load(data_dir)
    found = asyncio.run(checks.examine(loaded.settings))
    if as_json:
        typer.echo(json.dumps([check.as_json() for check in found], indent=1))
    else:
        checks.show(found)
    raise typer.Exit(EXIT_OK if all(check.ok or check.optional for check in found) else EXIT_CONFIG)


@config_app.command("show")
def config_show(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every setting, its value and where the value comes from; secrets are masked."""
    from bot import overview
    from configs.load import describe

    rows = describe(_load(data_dir))
    if as_json:
        typer.echo(
            json.dumps(
                [{"path": r.path, "value": r.value_masked, "origin": r.origin} for r in rows],
                indent=1,
            )
        )
    else:
        overview.show_settings(rows)


@config_app.command("models")
def config_models(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the base models that may be tuned here, and what is known of each."""
    from bot import overview

    settings = _load(data_dir).settings
    if as_json:
        typer.echo(json.dumps(overview.models(settings), indent=1))
    else:
        overview.show_models(settings)


def main() -> None:
    """Run the command line."""
    app()


def _load(data_dir: Path | None) -> "Loaded":
    from configs.errors import ConfigError
    from configs.load import load

    environ = dict(os.environ)
    if data_dir is not None:
        environ["TUNEWRIGHT_DATA_DIR"] = str(data_dir)
    try:
        loaded = load(environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIG) from error
    logging.basicConfig(
        level=loaded.settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("apscheduler", "discord", "aiosqlite"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    return loaded


def _finish(job: "Job", data_dir: Path | None) -> None:
    from bot.session import run as run_session
    from bot.terminal import TerminalSurface, console
    from storage.models import Phase

    loaded = _load(data_dir)
    # the thread tells how it goes; the log is for trouble
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLogger().level))
    phase = _carry_out(lambda: run_session(loaded.settings, job, TerminalSurface(console())))
    raise typer.Exit(EXIT_OK if phase is Phase.DELIVERED else EXIT_RUN_FAILED)


def _carry_out(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
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


def _serves(wanted: bool | None) -> bool:
    return sys.stdout.isatty() if wanted is None else wanted


if __name__ == "__main__":
    main()

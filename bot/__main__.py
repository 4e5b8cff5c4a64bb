"""The command line. Nothing heavy is imported before a command needs it, so that `--help` answers at once.

Exit codes: docs/command-line.md.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.command_line import (
    EXIT_BUSY,
    EXIT_CONFIG,
    EXIT_LEFT,
    EXIT_NOBODY_HERE,
    EXIT_OK,
    EXIT_RUN_FAILED,
    EXIT_USAGE,
    AsJson,
    ContinueFrom,
    DataDir,
    Generate,
    Serve,
    Weights,
    carry_out,
    finish,
    load,
    serves,
)
from bot.config_commands import config_app
from bot.library_commands import knowledge_app
from bot.upkeep_commands import doctor, install
from bot.workflow_checks import checks_app
from bot.workflow_commands import workflow_app
from bot.workflow_models import workflow_list_models

__all__ = [
    "EXIT_BUSY",
    "EXIT_CONFIG",
    "EXIT_LEFT",
    "EXIT_NOBODY_HERE",
    "EXIT_OK",
    "EXIT_RUN_FAILED",
    "EXIT_USAGE",
    "app",
    "main",
]

RunId = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")]

app = typer.Typer(
    help="Fine-tune language models by talking to a bot: upload, approve, train, measure, download.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(doctor)
app.command()(install)
app.add_typer(config_app, name="config")
app.add_typer(knowledge_app, name="knowledge")
workflow_app.command("list-models")(workflow_list_models)
workflow_app.add_typer(checks_app)
app.add_typer(workflow_app, name="workflow")


@app.command()
def run(data_dir: DataDir = None) -> None:
    """Run the bot: Discord, downloads, the queue. Without a token, say how to get one."""
    loaded = load(data_dir)
    if loaded.settings.discord.token is None:
        from bot.doctor import HOW_TO_GET_A_TOKEN

        typer.echo(HOW_TO_GET_A_TOKEN)
        raise typer.Exit(EXIT_CONFIG)
    from bot.service import serve

    carry_out(lambda: serve(loaded.settings))


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
        finish(job(max_steps, serve=serves(serve)), data_dir)
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
    weight: Weights = None,
    continue_from: ContinueFrom = None,
    generate: Generate = None,
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Fine-tune on a file, asking at the gates: y, n, or words.

    Example: tunewright finetune tickets.csv --task "classify tickets" --set epochs=2
    """
    from agents import made_wishes, weights
    from agents.feedback import from_pair
    from agents.services import UserError
    from bot.session import Job
    from configs.schema import STANDING

    try:
        wishes = [from_pair(pair) for pair in set_ or []]
        weighed = tuple(weights.from_pair(pair) for pair in weight or [])
        made_rows = made_wishes.of_option(generate)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    policy = tuple(STANDING) if yes else ()
    finish(
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
            made_rows=made_rows,
            serve=serves(serve),
        ),
        data_dir,
    )


@app.command()
def resume(
    run_id: RunId,
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Go on in the terminal with a run that was interrupted, paused or has failed."""
    from bot.session import Job

    finish(Job(run_id=run_id, serve=serves(serve)), data_dir)


@app.command()
def export(
    run_id: RunId,
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
    finish(Job(run_id=run_id, export=ExportFormat(to), serve=serves(serve)), data_dir)


@app.command()
def publish(
    run_id: RunId,
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
    from bot.fetching import ADAPTER
    from bot.publish_wishes import Publish
    from bot.session import Job

    if what not in {ADAPTER, *ExportFormat}:
        known = ", ".join([ADAPTER, *ExportFormat])
        typer.echo(f"There is no “{what}” to publish. There are: {known}.", err=True)
        raise typer.Exit(EXIT_USAGE)
    finish(Job(run_id=run_id, publish=Publish(repo, what, public=public)), data_dir)


@app.command()
def reproduce(
    run_id: RunId,
    data_dir: DataDir = None,
) -> None:
    """Train the adapter of a run once more from its own rows and recipe, and compare the two."""
    from bot.reproduce import reproduce as train_again

    loaded = load(data_dir)
    found = carry_out(lambda: train_again(loaded.settings, run_id, typer.echo))
    typer.echo(found.text)
    raise typer.Exit(EXIT_OK if found.same else EXIT_RUN_FAILED)


@app.command()
def download(
    run_id: RunId,
    what: Annotated[
        str, typer.Argument(metavar="[WHAT]", help="merged, gguf, gguf_adapter; tests, ledger.")
    ] = "adapter",
    to: Annotated[Path, typer.Option(help="Folder to put it into.")] = Path(),
    data_dir: DataDir = None,
) -> None:
    """Copy what a run has handed over, or another format of it, into a folder. A running bot gives links instead."""
    from bot.session import download as fetch

    loaded = load(data_dir)
    typer.echo(carry_out(lambda: fetch(loaded.settings, run_id, to, what)))


@app.command()
def cancel(
    run_id: RunId,
    data_dir: DataDir = None,
) -> None:
    """End a run and whatever works for it. In a running bot: /finetune cancel."""
    from bot.session import cancel as end

    loaded = load(data_dir)
    typer.echo(carry_out(lambda: end(loaded.settings, run_id)))


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

    loaded = load(data_dir)
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
def history(run_id: RunId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the tries of a run, one line each: what changed and why, what came of it, who decided. Works beside a running bot."""
    from bot.notebook import printed

    settings = load(data_dir).settings
    lines = carry_out(lambda: printed.lines(settings, run_id))
    if as_json:
        typer.echo(json.dumps([line.as_json() for line in lines], indent=1))
    else:
        printed.show_history(lines)


@app.command()
def diff(
    run_id: RunId,
    first: Annotated[int, typer.Argument(metavar="TRY", help="Number of a try.")],
    second: Annotated[int, typer.Argument(metavar="TRY", help="Number of another one.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what is different between two tries of a run: plan, rows, metrics, decisions. Works beside a running bot."""
    from bot.notebook import printed

    settings = load(data_dir).settings
    found = carry_out(lambda: printed.difference(settings, run_id, first, second))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
    else:
        printed.show_difference(found)


@app.command()
def compare(run_id: RunId, data_dir: DataDir = None) -> None:
    """Say which answers are better, base or tuned, without knowing which is which: a, b, tie, or stop."""
    from bot.comparing import compare as ask
    from bot.terminal import ATTACHED, TerminalSurface, console

    settings = load(data_dir).settings
    carry_out(
        lambda: ask(settings, run_id, TerminalSurface(console(), settings.data_dir / ATTACHED))
    )


@app.command()
def judge(run_id: RunId, data_dir: DataDir = None) -> None:
    """Have the configured language model compare the answers of base and tuned; it is sent them. Advice only."""
    from bot.comparing import judge as ask
    from bot.terminal import ATTACHED, TerminalSurface, console

    settings = load(data_dir).settings
    carry_out(
        lambda: ask(settings, run_id, TerminalSurface(console(), settings.data_dir / ATTACHED))
    )


@app.command()
def why(
    run_id: RunId,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Number of a test row.")],
    data_dir: DataDir = None,
) -> None:
    """Find out why the tuned model answered a test row as it did: words of the prompt, training rows, layers."""
    from bot.explaining import why as find_out
    from bot.terminal import TerminalSurface, console

    settings = load(data_dir).settings
    found = carry_out(lambda: find_out(settings, run_id, item, TerminalSurface(console())))
    raise typer.Exit(EXIT_OK if found else EXIT_RUN_FAILED)


@app.command()
def revert(
    run_id: RunId,
    to: Annotated[int, typer.Argument(metavar="TRY", help="Number of the try to go back to.")],
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Go on with a run from the plan of an earlier try; the plan is asked about as always."""
    from bot.session import Job

    finish(Job(run_id=run_id, revert_to=to, serve=serves(serve)), data_dir)


@app.command()
def deliver(
    run_id: RunId,
    number: Annotated[
        int | None,
        typer.Argument(metavar="[TRY]", help="Number of a try; without it the best one so far."),
    ] = None,
    serve: Serve = None,
    data_dir: DataDir = None,
) -> None:
    """Hand over the best try of a run so far, or another one that was measured, whatever the run is at."""
    from bot.session import Job

    finish(Job(run_id=run_id, deliver=True, deliver_try=number, serve=serves(serve)), data_dir)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()

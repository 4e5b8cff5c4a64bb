"""The commands for AgentMech workflows: `tunewright workflow …`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.command_line import EXIT_USAGE, DataDir, load
from bot.workflow_options import ModelScript, OllamaUrl

workflow_app = typer.Typer(
    help="Run AgentMech workflows: state machines of prompts in YAML.", no_args_is_help=True
)


@workflow_app.command("run")
def workflow_run(  # noqa: PLR0913  # one argument per option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The workflow.")],
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="STATE=VALUE",
            help="Answer an input state, instead of asking; of several for one state each once.",
        ),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Write every event into trace.log in the run's folder.")
    ] = False,
    model_script: ModelScript = None,
    ollama_url: OllamaUrl = None,
    max_steps: Annotated[
        int, typer.Option(min=1, help="End the run when so many states were entered.")
    ] = 50,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Spend no more tokens, prompts included.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Go on with a run that was broken off; nothing is paid twice."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run a workflow here. Ctrl+C stops it before the next state, twice at once.

    Example: tunewright workflow run greeting.yaml --input get_name=Ada
    """
    loaded = load(data_dir)
    from agents.services import UserError
    from agents.workflow.outside import Limits
    from bot.workflow_running import Wish, answers_from, carry_out

    try:
        wish = Wish(
            file=file,
            answers=answers_from(input_ or []),
            trace=trace,
            model_script=model_script,
            ollama_url=ollama_url,
            limits=Limits(max_steps=max_steps, max_tokens=max_tokens),
            resume=resume,
        )
        code = asyncio.run(carry_out(loaded.settings, wish))
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    raise typer.Exit(code)

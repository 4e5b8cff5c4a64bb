"""The commands for AgentMech workflows: `tunewright workflow …`."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from bot.command_line import EXIT_OK, EXIT_USAGE, DataDir, load
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


@workflow_app.command("finetune")
def workflow_finetune(  # noqa: PLR0913  # one argument per option
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The workflow that is to be improved.")
    ] = None,
    suite: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its tests. Without it FILE.test.yaml is taken where it is there; else tests are made.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the result here, other files beside it; else beside FILE as NAME.finetuned.yaml.",
        ),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", "-i", min=1, max=50, help="Rounds, at most.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Ask this one where the workflow says its default model."
        ),
    ] = None,
    analysis_model: Annotated[
        str | None,
        typer.Option(help="Have this one propose changes and tests; else that of --model."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=20, help="Run each case so often in a measurement.")
    ] = None,
    proposals: Annotated[
        int | None, typer.Option(min=1, max=8, help="Changes that are proposed in a round.")
    ] = None,
    goal: Annotated[
        str,
        typer.Option(
            help="What you want beside cases that pass: “faster and cheaper”, or clarity=0.3,latency=0.7."
        ),
    ] = "",
    approve: Annotated[
        str,
        typer.Option(
            help="Ask you never (auto), before a better one stays (evidence), or before each is run too (each)."
        ),
    ] = "auto",
    budget_calls: Annotated[
        int | None, typer.Option(min=1, help="Calls of models, all rounds together.")
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens, prompts included, all rounds together.")
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes of work, all rounds together.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is left to chance here.")] = 0,
    with_tools: Annotated[
        bool,
        typer.Option("--with-tools", help="Start the servers that states name, for each run anew."),
    ] = False,
    report: Annotated[
        str | None, typer.Option(help="Write a report beside the result: json, md or html.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and ask no model.")
    ] = False,
    resume: Annotated[
        int | None,
        typer.Option(metavar="RUN", help="Go on with a run that was left; nothing is paid twice."),
    ] = None,
    model_script: ModelScript = None,
    ollama_url: OllamaUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Improve a workflow: run it, see what fails, change it, and keep only what is measured to be better.

    Example: tunewright workflow finetune support.yaml --suite support.test.yaml --iterations 3
    """
    loaded = load(data_dir)
    from bot.command_line import carry_out
    from bot.workflow_finetune import carry_out as finetune
    from bot.workflow_wishes import Options, estimate, settings_for, wish_of

    logging.getLogger().setLevel(max(logging.WARNING, logging.getLogger().level))
    options = Options(
        file=file,
        suite=suite,
        output=output,
        rounds=iterations,
        model=model,
        analysis_model=analysis_model,
        repeats=repeats,
        proposals=proposals,
        goal=goal,
        approve=approve,
        budget_calls=budget_calls,
        budget_tokens=budget_tokens,
        budget_minutes=budget_minutes,
        seed=seed,
        with_tools=with_tools,
        report=report,
        resume=resume,
        ollama_url=ollama_url,
    )

    async def work() -> int:
        settings = settings_for(loaded.settings, model_script)
        if dry_run:
            typer.echo(estimate(settings, options))
            return EXIT_OK
        return await finetune(settings, wish_of(options))

    raise typer.Exit(carry_out(work))

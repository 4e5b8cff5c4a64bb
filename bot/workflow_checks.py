"""The commands that look at AgentMech workflows: `tunewright workflow validate`, `lint`, `test` and `generate`.

Nothing heavy is imported before a command needs it.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command_line import EXIT_OK, EXIT_RUN_FAILED, EXIT_USAGE, DataDir, load
from bot.workflow_options import ModelScript, OllamaUrl

if TYPE_CHECKING:
    from agents.workflow.problems import Problem

checks_app = typer.Typer(help="AgentMech workflows: checked, tested, begun.", no_args_is_help=True)


class Form(StrEnum):
    """Of a report."""

    JSON = "json"
    """With the original's fields."""
    MARKDOWN = "markdown"
    """For people."""


FILE = Annotated[Path, typer.Argument(metavar="FILE", help="The file.")]


@checks_app.command("validate")
def workflow_validate(
    file: FILE,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse what the original's released version would not read."
        ),
    ] = False,
) -> None:
    """Say what a file is (workflow, test file, several workflows), in which dialect, and what is wrong or odd about it."""
    from agents.workflow.examine import examine
    from agents.workflow.reach import Reach
    from bot.text import visible

    found = examine(file, Reach(cwd=Path.cwd()), strict=strict)
    _tell(found.problems)
    if not found.usable:
        raise typer.Exit(EXIT_RUN_FAILED)
    typer.echo(visible(f"{file}: {found.kind}, {found.summary}."))


@checks_app.command("lint")
def workflow_lint(
    file: FILE,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Leave findings of this kind out; as often as you like."),
    ] = None,
) -> None:
    """Find what is allowed in a workflow and hardly meant: states that are never entered, names without a value, loops."""
    from agents.workflow.lint import CODES, lint
    from agents.workflow.load import load
    from agents.workflow.problems import WorkflowError, nearest
    from agents.workflow.reach import Reach

    for code in ignore or ():
        if code not in CODES:
            meant = nearest(code, CODES)
            hint = f" Did you mean “{meant}”?" if meant else ""
            typer.echo(f"There is no finding “{code}”.{hint}", err=True)
            raise typer.Exit(EXIT_USAGE)
    try:
        loaded = load(file, Reach(cwd=Path.cwd()))
    except WorkflowError as error:
        _tell(error.problems)
        raise typer.Exit(EXIT_RUN_FAILED) from error
    found = [*loaded.warnings, *lint(loaded, ignore or ())]
    _tell(found)
    raise typer.Exit(EXIT_RUN_FAILED if found else EXIT_OK)


@checks_app.command("test")
def workflow_test(  # noqa: PLR0913  # one argument per option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The test file.")],
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="Write a report instead of a table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; the screen without."),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--iterations", "-n", min=1, help="Play each scenario so often, whatever the file says."
        ),
    ] = None,
    model_script: ModelScript = None,
    ollama_url: OllamaUrl = None,
    with_tools: Annotated[
        bool,
        typer.Option(
            "--with-tools", help="Start the servers that states name; without, nothing is started."
        ),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Play the scenarios of a test file, and end with 0 where everything was as it should be."""
    settings = load(data_dir).settings
    from agents.services import UserError
    from bot.workflow_testing import Wish, carry_out, runners

    wish = Wish(
        file=file,
        form=form and form.value,
        output=output,
        iterations=iterations,
        model_script=model_script,
        ollama_url=ollama_url,
        with_tools=with_tools,
    )
    try:
        with runners(settings, wish) as runner_of:
            passed = carry_out(wish, runner_of)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    raise typer.Exit(EXIT_OK if passed else EXIT_RUN_FAILED)


@checks_app.command("generate")
def workflow_generate(  # noqa: PLR0913  # one argument per option
    template: Annotated[
        str | None,
        typer.Option(
            help="simple-qa, user-input-conversation, sequential-analysis, content-generator or research-assistant."
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What it should do, in a sentence; its description. Without --template a model says which ones fit."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Answer a question of the template."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file; named after the workflow without."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take the defaults, and ask nothing.")] = False,
    model_script: ModelScript = None,
    ollama_url: OllamaUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Begin a workflow from a template, by questions or by options.

    Example: tunewright workflow generate --template simple-qa --set name=Bees --yes
    """
    from agents.services import UserError
    from bot.workflow_generating import Wish, asker, carry_out

    wish = Wish(template, goal, tuple(set_ or ()), output, yes)
    try:
        if template is None and goal is not None:
            settings = load(data_dir).settings
            path = carry_out(wish, _ask, asker(settings, model_script, ollama_url))
        else:
            path = carry_out(wish, _ask)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    typer.echo(f"Written: {path}. `tunewright workflow validate {path}` looks at it again.")


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default))


def _tell(problems: "list[Problem] | tuple[Problem, ...]") -> None:
    from bot.text import visible

    for problem in problems:
        typer.echo(visible(str(problem)))

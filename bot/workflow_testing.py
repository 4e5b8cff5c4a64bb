"""Play a test file of a workflow in the terminal, and write the report that is asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from agents.services import UserError
from agents.workflow.mcp_tools import McpTools
from agents.workflow.model import Workflow
from agents.workflow.playing import RunScenario, SuiteResult, play
from agents.workflow.problems import WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.results import as_json
from agents.workflow.scenario_runs import Stage, runner
from agents.workflow.server_policy import OWN_FILES
from agents.workflow.suite_file import LoadedSuite, load_suite
from agents.workflow.tools import Tools
from bot.terminal import console
from bot.text import visible
from bot.workflow_back_end import models_for
from bot.workflow_reports import as_markdown, show
from configs.schema import Settings

RunnerOf = Callable[[LoadedSuite], RunScenario]
"""Returns what runs a scenario of a test file; raises UserError where nothing can."""
BY_ENDING = {".json": "json", ".md": "markdown"}


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    file: Path
    form: str | None = None
    """`json` or `markdown`; None is a table, or what the ending of `output` says."""
    output: Path | None = None
    iterations: int | None = None
    model_script: Path | None = None
    ollama_url: str | None = None
    with_tools: bool = False
    """Start the servers that states name, for each run anew; else prompts go out without tools."""


@contextmanager
def runners(settings: Settings, wish: Wish) -> Iterator[RunnerOf]:
    """Give what runs scenarios, with the models that are configured or asked for.

    Raises: UserError: there is no such script.
    """
    reach = Reach(cwd=Path.cwd())
    with models_for(settings, wish.model_script, wish.ollama_url) as models:

        def runner_of(loaded: LoadedSuite) -> RunScenario:
            stage = Stage(models, reach)
            if wish.with_tools:
                workflow = loaded.workflow.workflow
                stage = replace(stage, starting=lambda: _started(workflow, reach))
            return runner(loaded, stage)

        yield runner_of


@asynccontextmanager
async def _started(workflow: Workflow, reach: Reach) -> AsyncIterator[Tools]:
    """Start the servers of a workflow for one run, with a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        async with McpTools(workflow, reach, OWN_FILES, Path(folder)) as tools:
            yield tools


def carry_out(wish: Wish, runner_of: RunnerOf, screen: Console | None = None) -> bool:
    """Play a test file, report, and tell whether everything passed.

    Raises: UserError: it cannot be played, or the report cannot be written.
    """
    screen = screen or console()
    try:
        loaded = load_suite(wish.file, Reach(cwd=Path.cwd()))
    except WorkflowError as error:
        raise UserError(visible(str(error))) from error
    form = _form(wish)
    # a report on the screen is for another program: nothing stands beside it
    beside = None if form is not None and wish.output is None else screen
    for warning in (*loaded.warnings, *loaded.workflow.warnings):
        _say(beside, str(warning), "yellow")
    played = play(
        loaded.suite,
        runner_of(loaded),
        iterations=wish.iterations,
        tell=lambda one, run: _say(beside, f"{'✅' if run.passed else '❌'} {one.name}"),
    )
    result = asyncio.run(played)
    if form is not None:
        _write(_written(result, form), wish.output, screen)
    if beside is not None:
        show(result, beside)
    return result.passed


def _say(screen: Console | None, line: str, style: str = "") -> None:
    if screen is not None:
        screen.print(Text(visible(line), style=style), soft_wrap=True)


def _write(text: str, output: Path | None, screen: Console) -> None:
    if output is None:
        screen.file.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{output} cannot be written: {reason}.") from error


def _form(wish: Wish) -> str | None:
    if wish.form is not None or wish.output is None:
        return wish.form
    found = BY_ENDING.get(wish.output.suffix.lower())
    if found is None:
        raise UserError(f"Say which report {wish.output} should be: `--format json` or markdown.")
    return found


def _written(result: SuiteResult, form: str) -> str:
    if form == "json":
        return json.dumps(as_json(result), indent=2, ensure_ascii=False) + "\n"
    return as_markdown(result)

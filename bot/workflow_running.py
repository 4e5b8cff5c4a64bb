"""A workflow in the terminal: what is asked, what comes back, and where it went."""

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agents.services import UserError
from agents.workflow import run_folder
from agents.workflow.events import (
    Error,
    Event,
    InputAnswered,
    Notice,
    Purpose,
    Reply,
    Route,
    StateStart,
    Token,
    ToolCall,
    WorkflowEnd,
    WorkflowStart,
)
from agents.workflow.journal import Journal, JournalError, open_journal
from agents.workflow.load import Loaded
from agents.workflow.load import load as load_workflow
from agents.workflow.mcp_tools import McpTools
from agents.workflow.model import Kind, State, Workflow
from agents.workflow.outcome import Ended, Outcome
from agents.workflow.outside import Limits, PersonLeft
from agents.workflow.problems import WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.server_policy import OWN_FILES
from agents.workflow.world import World
from bot.command_line import EXIT_LEFT, EXIT_NOBODY_HERE, EXIT_OK, EXIT_RUN_FAILED
from bot.terminal import console, typed
from bot.text import visible
from bot.workflow_back_end import models_for
from configs.schema import Settings

RUNS = "workflow-runs"
"""Folder in the data folder with a folder per run."""
MAX_SHOWN_CHARS = 200


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    file: Path
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trace: bool = False
    model_script: Path | None = None
    ollama_url: str | None = None
    limits: Limits = field(default_factory=Limits)
    resume: Path | None = None


def answers_from(pairs: Sequence[str]) -> dict[str, list[str]]:
    """Return the answers of `STATE=VALUE` words by state.

    Raises: UserError: one is none.
    """
    answers: dict[str, list[str]] = {}
    for pair in pairs:
        state, equals, value = pair.partition("=")
        if not equals or not state:
            raise UserError(f"“{pair}” is no answer. It is written STATE=VALUE.")
        answers.setdefault(state, []).append(value)
    return answers


async def carry_out(settings: Settings, wish: Wish) -> int:
    """Run a workflow in the terminal, and return the exit code of the program.

    Raises: UserError: it cannot be begun.
    """
    screen = console()
    reach = Reach(cwd=Path.cwd())
    workflow = _loaded(wish, reach, screen).workflow
    _inputs_exist(workflow, wish)
    folder = _folder(settings, wish, workflow)
    with ExitStack() as open_files:
        back_end = models_for(settings, wish.model_script, wish.ollama_url)
        models = open_files.enter_context(back_end)
        journal = open_files.enter_context(_journal(folder))
        shown = TerminalEvents(screen)
        listeners = [shown.show]
        if wish.trace:
            listeners.append(open_files.enter_context(run_folder.open_trace(folder)).write)
        stopping = Stopping(screen)

        def listen(event: Event) -> None:
            for listener in listeners:
                listener(event)

        person = TerminalPerson(screen, wish.answers, stopping)
        async with McpTools(workflow, reach, OWN_FILES, folder) as tools, stopping.listening():
            world = World(
                models,
                person,
                reach,
                tools=tools,
                limits=wish.limits,
                journal=journal,
                listen=listen,
                stopped=stopping.asked.is_set,
                run_directory=folder,
            )
            try:
                outcome = await run(workflow, world)
            except asyncio.CancelledError:
                _tell_how_to_go_on(screen, wish, folder)
                return EXIT_LEFT
    _tell(screen, wish, folder, outcome)
    if outcome.ended is Ended.STOPPED:
        return EXIT_NOBODY_HERE if person.nobody else EXIT_LEFT
    return EXIT_OK if outcome.ended is Ended.FINISHED else EXIT_RUN_FAILED


def _loaded(wish: Wish, reach: Reach, screen: Console) -> Loaded:
    try:
        loaded = load_workflow(wish.file, reach)
    except WorkflowError as error:
        raise UserError(visible(str(error))) from error
    for warning in loaded.warnings:
        screen.print(Text(visible(str(warning)), style="yellow"), soft_wrap=True)
    return loaded


def _inputs_exist(workflow: Workflow, wish: Wish) -> None:
    asked = {s.name for s in workflow.states.values() if s.kind in {Kind.INPUT, Kind.CHOICE}}
    for state in wish.answers:
        if state not in asked:
            known = ", ".join(sorted(asked)) or "none"
            raise UserError(f"“{state}” asks nobody. States that do: {known}.")


def _folder(settings: Settings, wish: Wish, workflow: Workflow) -> Path:
    if wish.resume is None:
        return run_folder.open_folder(settings.data_dir / RUNS, workflow, datetime.now(UTC))
    if not (wish.resume / run_folder.METADATA).is_file():
        raise UserError(f"{wish.resume} is no folder of a run.")
    return wish.resume.resolve()


def _journal(folder: Path) -> Journal:
    try:
        return open_journal(folder / run_folder.JOURNAL)
    except JournalError as error:
        raise UserError(str(error)) from error


def _tell(screen: Console, wish: Wish, folder: Path, outcome: Outcome) -> None:
    spent = f"calls: {outcome.calls} · tokens: {outcome.tokens} · {outcome.seconds:.1f} s"
    screen.print(Text(f"States: {len(outcome.visits)} · {spent}", style="dim"))
    screen.print(Text(f"Folder of the run: {folder}", style="dim"), soft_wrap=True)
    if outcome.ended is not Ended.FINISHED:
        _tell_how_to_go_on(screen, wish, folder)


def _tell_how_to_go_on(screen: Console, wish: Wish, folder: Path) -> None:
    words = shlex.join(["tunewright", "workflow", "run", str(wish.file), "--resume", str(folder)])
    screen.print(Text(f"To go on: {words}", style="dim"), soft_wrap=True)


class TerminalEvents:
    """Prints what happens, as it happens; replies word by word."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._streamed = False

    def show(self, event: Event) -> None:  # noqa: C901  # one line per kind of event
        """Print an event."""
        match event:
            case WorkflowStart():
                self._line(event.workflow, "bold")
                if event.description:
                    self._line(event.description, "dim")
            case StateStart():
                self._line(f"● {event.state}", "bold cyan")
            case Token():
                self._streamed = True
                self._screen.print(Text(visible(event.text)), end="", soft_wrap=True)
            case Reply(purpose=Purpose.ANSWER):
                self._whole(event)
            case ToolCall():
                self._line(f"  ⚙ {event.server}: {event.tool} {_short(event.arguments)}", "dim")
            case InputAnswered(by_default=True) | InputAnswered(remembered=True):
                self._line(f"  > {event.value}", "dim")
            case Route():
                doubt = "" if event.how == "chosen" else " (the reply named no option)"
                self._line(f"  → {event.to}{doubt}", "dim")
            case Notice():
                self._line(f"  {event.message}", "yellow")
            case Error():
                handled = f"; goes on at {event.handled_by}" if event.handled_by else ""
                self._line(f"  ✗ {event.message}{handled}", "red")
            case WorkflowEnd():
                self._line(_ended(event), "green" if event.reason is None else "red")

    def _whole(self, reply: Reply) -> None:
        """End a reply that came in pieces, or print one that is remembered."""
        if reply.remembered and reply.text:
            self._screen.print(Text(visible(reply.text)), soft_wrap=True)
        self._end_line()

    def _end_line(self) -> None:
        if self._streamed:
            self._streamed = False
            self._screen.print()

    def _line(self, text: str, style: str) -> None:
        self._end_line()
        self._screen.print(Text(visible(text), style=style), soft_wrap=True)


def _short(arguments: object) -> str:
    text = str(arguments)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def _ended(event: WorkflowEnd) -> str:
    words = {"finished": "Finished.", "stopped": "Stopped", "limit": "Ended", "failed": "Failed"}
    return words[event.ended] + (f": {event.reason}" if event.reason else "")


class Stopping:
    """Ctrl+C: once, the run ends before its next state; twice, at once."""

    def __init__(self, screen: Console) -> None:
        self.asked = asyncio.Event()
        self._screen = screen

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for Ctrl+C meanwhile."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def pressed() -> None:
            if self.asked.is_set():
                task.cancel()
                return
            self.asked.set()
            self._screen.print(
                Text("\nStops before the next state. Once more: at once.", style="yellow")
            )

        loop.add_signal_handler(signal.SIGINT, pressed)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)


class TerminalPerson:
    """Somebody at the keyboard, and answers that were given beforehand."""

    def __init__(
        self, screen: Console, answers: Mapping[str, Sequence[str]], stopping: Stopping
    ) -> None:
        self._screen = screen
        self._left = {state: list(given) for state, given in answers.items()}
        self._stopping = stopping
        self.nobody = False
        """There was no keyboard when something had to be answered."""

    async def answer(self, state: State, question: str) -> str:
        """Return the next answer.

        Raises: PersonLeft: nobody is at the keyboard, or Ctrl+C was pressed.
        """
        self._screen.print(Text(visible(question), style="yellow"), soft_wrap=True)
        if given := self._left.get(state.name):
            answer = given.pop(0)
            self._screen.print(Text(visible(f"  > {answer}"), style="dim"), soft_wrap=True)
            return answer
        if state.default_value is not None:
            self._screen.print(
                Text(visible(f"  (Enter alone: {state.default_value})"), style="dim")
            )
        line = asyncio.ensure_future(typed(self._screen, "  > "))
        left = asyncio.ensure_future(self._stopping.asked.wait())
        try:
            await asyncio.wait({line, left}, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                raise PersonLeft("Ctrl+C was pressed")
            return line.result()
        except EOFError:
            self.nobody = True
            raise PersonLeft("nobody is at the keyboard") from None
        finally:
            for waiting in (line, left):
                waiting.cancel()
                with suppress(asyncio.CancelledError, EOFError):
                    await waiting

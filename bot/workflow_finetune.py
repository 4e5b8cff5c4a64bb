"""Improve a workflow in the terminal: the run of every surface, with its files written beside the workflow as they come."""

import asyncio
import getpass
import shlex
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from agents import work
from agents.jobs import Approve, WorkflowWish
from agents.services import UserError
from agents.workflow_loop import facts, ledger
from agents.workflow_loop.facts import Facts
from agents.workflow_loop.measuring import file_name
from bot import workflow_report
from bot.app import App, open_app, run_app
from bot.command_line import EXIT_LEFT, EXIT_OK, EXIT_RUN_FAILED
from bot.session import see_through
from bot.surface import Person
from bot.terminal import ATTACHED, HERE, NAME, TerminalSurface, console
from bot.uploads import Upload
from bot.workflow_start import StartWorkflow
from configs.schema import GateKind, Settings
from storage import runs
from storage.models import Phase, Target

LOOK_S = 0.3
TESTS, LEDGER, FINAL = "finetune-tests", "finetune-ledger", "finetuned"


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    file: Path | None
    """None where a run is gone on with."""
    wish: WorkflowWish = field(default_factory=WorkflowWish)
    tests: Path | None = None
    output: Path | None = None
    """The improved workflow; beside the given one without it."""
    report: str | None = None
    """`json`, `md` or `html`: how the report is written; None: not at all."""
    resume: int | None = None


async def carry_out(settings: Settings, wish: Wish) -> int:
    """Improve a workflow, and return the exit code of the program.

    Raises: UserError: it cannot be begun. EOFError: a question needs somebody at the keyboard.
    """
    screen = console()
    surface = TerminalSurface(screen, settings.data_dir / ATTACHED)
    person = Person(f"{NAME}:{getpass.getuser()}", getpass.getuser())
    async with open_app(settings, surfaces=[surface]) as app, run_app(app):
        run_id = await _begin(app, wish, person)
        written = Written(app, run_id, wish, screen)
        stopping = Stopping(app, run_id, person, screen)
        async with written.keeping(), stopping.listening():
            try:
                phase = await see_through(app, surface, person, run_id)
            except asyncio.CancelledError:
                _tell_how_to_go_on(screen, run_id)
                return EXIT_LEFT
        await written.look()
        await written.report()
    return EXIT_OK if phase is Phase.DELIVERED else EXIT_RUN_FAILED


async def _begin(app: App, wish: Wish, person: Person) -> int:
    if wish.resume is not None:
        run = await app.services.db.read(runs.get, wish.resume)
        if run.target is not Target.WORKFLOW or not run.home.startswith(f"{NAME}:"):
            raise UserError(
                f"Run #{wish.resume} is none that `tunewright workflow finetune` began."
            )
        if run.phase in {Phase.DELIVERED, Phase.CANCELLED}:
            raise UserError(f"Run #{wish.resume} is over ({run.phase.value}).")
        if run.paused or run.phase is Phase.FAILED:
            await app.commands.resume(wish.resume, person)
        return wish.resume
    if wish.file is None:
        raise UserError("Say which workflow: tunewright workflow finetune FILE.")
    file = await _kept(app, wish.file)
    tests = None if wish.tests is None else await _kept(app, wish.tests)
    run = await app.commands.start_workflow(
        StartWorkflow(
            key=f"{NAME}:{uuid4()}",
            person=person,
            guild=None,
            home=HERE,
            file=file,
            tests=tests,
            goal=wish.wish.goal,
            wish=wish.wish,
            policy=(GateKind.PLAN,) if wish.wish.approve is Approve.AUTO else (),
        )
    )
    return work.number(run)


async def _kept(app: App, path: Path) -> Upload:
    """Put a file of this machine into the store. Raises: UserError: it cannot be read."""
    try:
        kept = await asyncio.to_thread(app.services.files.put, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read: {reason}.") from error
    return Upload(kept, path.name)


def _tell_how_to_go_on(screen: Console, run_id: int) -> None:
    words = shlex.join(["tunewright", "workflow", "finetune", "--resume", str(run_id)])
    screen.print(Text(f"To go on: {words}", style="dim"), soft_wrap=True)


@dataclass
class Written:
    """The files of a run, kept up to date beside the workflow."""

    app: App
    run_id: int
    wish: Wish
    screen: Console
    _shown: dict[Path, str] = field(default_factory=dict)
    _version: int | None = None
    """Of the run when it was looked at last: one that has not moved since has nothing new."""

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Look now and then meanwhile."""
        task = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Write what is new. Raises: UserError: a file cannot be written."""
        services = self.app.services
        version = (await services.db.read(runs.get, self.run_id)).version
        if version == self._version:
            return
        known = await services.db.read(facts.read, services, self.run_id)
        claim = await services.db.read(facts.claim_of, self.run_id)
        self._version = known.run.version
        await asyncio.to_thread(self._write_all, known, ledger.text(known, claim))

    async def report(self) -> None:
        """Write the report that is asked for."""
        if self.wish.report is None:
            return
        services = self.app.services
        known = await services.db.read(facts.read, services, self.run_id)
        claim = await services.db.read(facts.claim_of, self.run_id)
        text = workflow_report.written(list(ledger.lines(known, claim)), self.wish.report)
        self._put(self._place(known, f"finetune-report.{self.wish.report}", whole=True), text)

    def _write_all(self, known: Facts, lines: str) -> None:
        files = self.app.services.files
        if known.tests is not None and known.read is not None and known.read.made:
            self._put(self._place(known, TESTS), files.path(known.tests.sha256).read_text("utf-8"))
        for one in known.rounds:
            if one.snapshot is not None:
                text = files.path(one.snapshot.sha256).read_text("utf-8")
                self._put(self._place(known, f"finetune-iter{one.number}"), text)
        if known.rounds:
            self._put(self._place(known, f"{LEDGER}.jsonl", whole=True), lines)
        if known.final is not None:
            text = files.path(known.final.sha256).read_text("utf-8")
            self._put(self.wish.output or self._place(known, FINAL), text)

    def _place(self, known: Facts, what: str, *, whole: bool = False) -> Path:
        """Return where a file goes: beside the output where one is named, else beside the workflow."""
        beside = self.wish.output or Path(known.given.path)
        name = file_name(known.given_name, what)
        return beside.parent / (f"{Path(known.given_name).stem}.{what}" if whole else name)

    def _put(self, path: Path, text: str) -> None:
        if self._shown.get(path) == text:
            return
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UserError(f"{path} cannot be written: {reason}.") from error
        if path not in self._shown and not path.name.endswith(".jsonl"):
            self.screen.print(f"→ {path}", soft_wrap=True, highlight=False, markup=False)
        self._shown[path] = text


@dataclass
class Stopping:
    """Ctrl+C: once, what stands is handed over; twice, the program is left, and the run can be gone on with."""

    app: App
    run_id: int
    person: Person
    screen: Console
    _asked: bool = False
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for Ctrl+C meanwhile."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def pressed() -> None:
            if self._asked:
                task.cancel()
                return
            self._asked = True
            delivering = asyncio.create_task(self._deliver())
            self._tasks.add(delivering)
            delivering.add_done_callback(self._tasks.discard)

        loop.add_signal_handler(signal.SIGINT, pressed)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def _deliver(self) -> None:
        """Hand over what stands; where there is nothing to hand over yet, say how to leave."""
        try:
            text = await self.app.commands.deliver(self.run_id, self.person)
        except UserError as error:
            text = str(error)
        text += " Ctrl+C once more leaves at once."
        self.screen.print(Text(text, style="yellow"), soft_wrap=True)

"""Kill a run with SIGKILL at its k-th step, start it again, and compare what people then see with a run nobody killed.

A step is every SQL statement on any SQLite connection (rows and checkpoints), every rename of a file, and both sides of
every effect outside: a message, an edit, an acknowledgement, the start of a worker. Each attempt is a forked process, so
that the imports are paid once; the parent never starts a thread.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import select

from agents.jobs import JobKind
from bot.answering import Effect
from bot.app import App, open_app
from bot.desk import Wish
from bot.notebook import repository
from bot.notebook.repository import State
from storage import approvals, datasets, entries, jobs, runs
from storage.database import Database, sqlite_url
from storage.models import FINAL, Decision, Inbox, InboxState, Phase, Run
from tests.facts import an_answer
from tests.fakes import LogSurface, SetClock, StubLauncher
from tests.flows.plays import ROW, Play
from tests.house import ANNA, House, settings_for

FILE = b"text,label\nhello,a\n"
WISH = Wish(
    key="log:message:1",
    person_id=ANNA.id,
    person_name=ANNA.name,
    person_roles=[],
    guild=None,
    home="log:channel",
    goal="Sort tickets",
    file_name="tickets.csv",
    size_bytes=len(FILE),
    request={"file": "tickets"},
)
MOST_ROUNDS = 60
MEMORY = Path("/dev/shm")
LINK = re.compile(r"http://\S+")


@dataclass
class Steps:
    """Counts steps, and does at each what it is told to."""

    act: Callable[[int], None] = lambda _step: None
    names: list[str] = field(default_factory=list)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str) -> None:
        with self._one_at_a_time:
            self.names.append(name)
            self.act(len(self.names))


class _Surface(LogSurface):
    step: Callable[[str], None]

    def _append(self, line: dict[str, Any]) -> None:
        self.step(f"before {line['do']}")
        super()._append(line)
        self.step(f"after {line['do']}")

    def note(self, what: str, **facts: Any) -> None:
        """Keep what a person was told or did."""
        self._append({"do": what, **facts})


class _Launcher(StubLauncher):
    step: Callable[[str], None]

    def start(self, folder: Path) -> str:
        self.step("before start")
        handle = super().start(folder)
        self.step("after start")
        return handle


@dataclass(frozen=True)
class Outcome:
    """What is left of a run: for comparing."""

    phase: str
    messages: list[tuple[str, str]]
    """Title and text, in order."""
    adapter_sha256: str | None
    jobs: list[tuple[str, str | None]]
    notebook: str | None
    """Newest commit of the run's notebook, as it lies there."""
    violations: list[str]


@dataclass(frozen=True)
class Deaths:
    """What is left after kills at one step after the other."""

    outcomes: list[Outcome]
    states: int
    """How many of them found something else on the disk."""


def count_steps(play: Play) -> tuple[list[str], Outcome]:
    """Return the steps of a run that nobody kills, and what is left of it."""
    with _folder() as folder:
        _in_child(lambda: _live(folder, play, Steps(), remembers_keys=True))
        return json.loads((folder / "steps.json").read_text()), look(folder)


def kill_at(play: Play, step: int, *, remembers_keys: bool) -> Outcome:
    """Kill a run at a step, start it again until it has ended, and return what is left."""

    def kill(now: int) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with _folder() as folder:
        _in_child(lambda: _live(folder, play, Steps(kill), remembers_keys=True))
        return _restarted(folder, play, remembers_keys=remembers_keys)


def kill_everywhere(play: Play, steps: range, *, remembers_keys: bool) -> Deaths:
    """Return what is left after a kill at each of these steps: a run is frozen there, and what it has written is copied.

    That is what a kill leaves, since a process takes nothing else with it. Where that is the same at several steps, as
    around everything that only reads, one restart tells for all of them.
    """

    def freeze(now: int) -> None:
        if now in steps:  # to this thread: it must not run on before the process stands still
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    with _folder() as folder, _folder() as copies:
        pid = _fork(lambda: _live(folder, play, Steps(freeze), remembers_keys=True))
        left = []
        while os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
            left.append(_digest(folder))
            if not (copies / left[-1]).exists():
                shutil.copytree(folder, copies / left[-1])
            os.kill(pid, signal.SIGCONT)
        outcomes = {}
        for state in dict.fromkeys(left):
            shutil.rmtree(folder)
            shutil.move(copies / state, folder)  # to the same place: rows name it
            outcomes[state] = _restarted(folder, play, remembers_keys=remembers_keys)
    return Deaths([outcomes[state] for state in left], len(outcomes))


def _restarted(folder: Path, play: Play, *, remembers_keys: bool) -> Outcome:
    status = _in_child(lambda: _live(folder, play, Steps(), remembers_keys=remembers_keys))
    outcome = look(folder)
    if status != 0:
        outcome.violations.append(f"the restart ended with status {status}")
    return outcome


def _digest(folder: Path) -> str:
    """Return a digest of all names and bytes. SQLite makes its index of a log (-shm) anew when it opens one."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        if path.is_file() and not path.name.endswith("-shm"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def look(folder: Path) -> Outcome:
    """Read rows and chat and name what must not be."""
    surface = LogSurface(folder / "chat.log")
    db = Database(sqlite_url(folder / "data" / "tunewright.sqlite"))
    try:
        return db.read_now(_outcome, surface, folder / "data" / "notebooks")
    finally:
        db.close()


def _outcome(session: Any, surface: LogSurface, notebooks: Path) -> Outcome:
    found = session.exec(select(Run)).all()
    violations = []
    lines = surface.lines()
    if len(found) != 1:
        violations.append(f"{len(found)} runs")
    posted = [line["footer"] for line in lines if line["do"] == "post"]
    violations += [f"shown twice: {footer}" for footer in set(posted) if posted.count(footer) > 1]
    if any(line["do"] == "acknowledged" for line in lines) and not found:
        violations.append("an acknowledged wish is lost")
    for line in lines:
        if line["do"] == "decided":
            row = approvals.get(session, line["approval"])
            if row is None or row.decision != line["decision"]:
                violations.append(f"decision {line['approval']} is lost")
    answers = [line for line in lines if line["do"] == "answer"]
    if len(answers) != 1:
        violations.append(f"{len(answers)} answers to one wish")
    left = session.exec(select(Inbox).where(Inbox.state == InboxState.RECEIVED)).all()
    violations += [f"wish {row.key} is still waiting" for row in left]
    run_id = found[0].id if found else 0
    artifact = datasets.artifact(session, run_id, "adapter")
    written = entries.of_run(session, run_id)
    if written and repository.look(notebooks, written) is not State.WHOLE:
        violations.append("the notebook is not whole")
    return Outcome(
        phase=found[0].phase.value if found else "none",
        messages=[(m["title"], LINK.sub("LINK", m["body"])) for m in surface.messages()],
        adapter_sha256=artifact.sha256 if artifact else None,
        jobs=[(job.id, job.outcome) for job in jobs.of_run(session, run_id)],
        notebook=repository.head(notebooks, run_id),
        violations=violations,
    )


def _live(folder: Path, play: Play, steps: Steps, *, remembers_keys: bool) -> None:
    _watch_system(folder, steps)
    asyncio.run(_to_the_end(folder, play, steps, remembers_keys=remembers_keys))
    (folder / "steps.json").write_text(json.dumps(steps.names))


def _watch_system(folder: Path, steps: Steps) -> None:
    """Make every SQL statement and every rename below the folder a step of this forked process."""
    connect = sqlite3.connect

    def watched(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = connect(*args, **kwargs)
        connection.set_trace_callback(lambda sql: steps(f"sql {sql.split(maxsplit=1)[0]}"))
        return connection

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(args[1]).startswith(str(folder)):
            steps(f"rename {Path(str(args[1])).suffix or 'file'}")

    for module in (
        sqlite3,
        sqlite3.dbapi2,
    ):  # rows go through one name, checkpoints through the other
        setattr(module, "connect", watched)  # noqa: B010  # mypy knows the name by its overloads only
    sys.addaudithook(hook)


async def _to_the_end(folder: Path, play: Play, steps: Steps, *, remembers_keys: bool) -> None:
    surface = _Surface(folder / "chat.log", files={"tickets": FILE}, remembers_keys=remembers_keys)
    said = (an_answer(ROW, "a", "b"),) if play.asks_why else ()
    launcher = _Launcher(dict(play.script), said=said)
    surface.step = launcher.step = steps
    clock = SetClock()
    async with open_app(
        settings_for(folder, **play.settings), surfaces=[surface], launcher=launcher, clock=clock
    ) as app:
        house = House(app, surface, launcher, clock)
        if not any(line["do"] == "acknowledged" for line in surface.lines()):
            await app.desk.take(WISH)
            surface.note("acknowledged")
        await app.catch_up()
        for _round in range(MOST_ROUNDS):
            await house.settle()
            if await _ended(app):
                return
            if not (await _pause_or_resume(app, surface, play) or await _asks_why(app, play)):
                await _answer(app, surface, play)
        raise RuntimeError("the run does not come to an end")


async def _answer(app: App, surface: _Surface, play: Play) -> None:
    """Do as a person does: answer the newest question that is shown."""
    question = surface.question()
    if question is None:
        await app.catch_up()
        return
    number, said = question["question"], play.answers.get(question["title"], Decision.APPROVE)
    if isinstance(said, Decision):
        reaction, decision = await app.commands.decide(number, None, ANNA, said), said
    else:
        reaction, decision = await app.commands.reply(number, ANNA, said), Decision.REVISE
    if reaction.effect is Effect.DECIDED:
        surface.note("decided", approval=number, decision=decision)


async def _pause_or_resume(app: App, surface: _Surface, play: Play) -> bool:
    """Do as a person does who wants the machine for something else once; False when there is nothing to do."""
    run = next(iter(await app.services.db.read(runs.recent)), None)
    if run is None or run.id is None or play.pauses_in is None:
        return False
    if run.paused:
        surface.note("paused")
        await app.commands.resume(run.id, ANNA)
        return True
    if run.phase is play.pauses_in and not any(line["do"] == "paused" for line in surface.lines()):
        await app.commands.pause(run.id, ANNA)
        return True
    return False


async def _asks_why(app: App, play: Play) -> bool:
    """Do as a person does who wants to know more before they answer; False when it was asked, or there is nothing to ask."""
    run = next(iter(await app.services.db.read(runs.recent)), None)
    if run is None or run.id is None or not play.asks_why or run.phase is not Phase.REVIEWING:
        return False
    if await app.services.db.read(jobs.of_row, run.id, JobKind.EXPLAIN, ROW) is not None:
        return False
    await app.commands.why(run.id, ANNA, None, str(ROW))
    return True


async def _ended(app: App) -> bool:
    found = await app.services.db.read(runs.recent)
    return bool(found) and all(run.phase in FINAL for run in found)


def _in_child(work: Callable[[], None]) -> int:
    """Run in a forked process and return its wait status; 0 is well, 9 was killed."""
    return os.waitpid(_fork(work), 0)[1]


def _fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  # whatever it is, the parent must hear of it and nothing may unwind into pytest
            sys.excepthook(*sys.exc_info())
            os._exit(3)
    return pid


@contextmanager
def _folder() -> Iterator[Path]:
    """Lend a folder in memory, where there is one: a kill of a process loses nothing that it has written there."""
    made = tempfile.mkdtemp(prefix="tunewright-crash-", dir=MEMORY if MEMORY.is_dir() else None)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made)

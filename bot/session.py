"""One run from start to end in a terminal: what `tunewright finetune`, `resume` and `demo` do."""

import asyncio
import getpass
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from agents import work
from agents.launchers import Launcher
from agents.recipe import RecipeChange
from agents.services import UserError
from bot.app import App, open_app, run_app
from bot.commands import Start
from bot.surface import Person
from bot.terminal import HERE, NAME, TerminalSurface, answer_questions
from configs.schema import GateKind, Settings
from storage import events, runs
from storage.models import FINAL, Phase


@dataclass(frozen=True)
class Job:
    """What to do in a terminal: a new run, or one to go on with."""

    data: Path | None = None
    task: str = ""
    model: str | None = None
    method: str = "sft"
    wishes: list[RecipeChange] = field(default_factory=list)
    policy: tuple[GateKind, ...] = ()
    run_id: int | None = None
    serve: bool = False
    """Keep the download link alive until Ctrl+C."""


async def run(
    settings: Settings, job: Job, surface: TerminalSurface, *, launcher: Launcher | None = None
) -> Phase:
    """Carry a run to its end and return how it ended.

    Raises: UserError: it cannot be started. EOFError: a question needs somebody at the keyboard.
    """
    person = Person(f"{NAME}:{getpass.getuser()}", getpass.getuser())
    async with open_app(settings, surfaces=[surface], launcher=launcher) as app, run_app(app):
        run_id = await _begin(app, job, person)
        asking = asyncio.create_task(answer_questions(app, surface, person))
        ending = asyncio.create_task(_until_ended(app, run_id))
        try:
            done, _pending = await asyncio.wait(
                {asking, ending}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()  # nobody at the keyboard: EOFError
        finally:
            asking.cancel()
            ending.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        phase = ending.result()
        if job.serve and phase is Phase.DELIVERED:
            surface.console.print("The link works until you press Ctrl+C.")
            await asyncio.Event().wait()
        return phase


async def _begin(app: App, job: Job, person: Person) -> int:
    if job.run_id is not None:
        run = await app.services.db.read(runs.get, job.run_id)
        if not run.home.startswith(f"{NAME}:"):
            raise UserError(
                f"Run #{run.id} lives in {run.home.partition(':')[0]}; `tunewright run` goes on with it there."
            )
        await app.services.db.write(events.show_again, job.run_id)
        if run.paused or run.phase is Phase.FAILED:
            await app.commands.resume(job.run_id, person)
        return job.run_id
    if job.data is None or not job.data.is_file():
        raise UserError(f"There is no file {job.data}.")
    limit = app.settings.intake.max_upload_bytes
    if job.data.stat().st_size > limit:
        raise UserError(
            f"{job.data.name} is larger than {limit // 2**20} MiB, the most I take (intake.max_upload_bytes)."
        )
    file = await asyncio.to_thread(app.services.files.put, job.data)
    run = await app.commands.start(
        Start(
            key=f"{NAME}:{uuid4()}",
            person=person,
            guild=None,
            home=HERE,
            goal=job.task,
            file=file,
            file_name=job.data.name,
            model=job.model,
            method=job.method,
            wishes=job.wishes,
            policy=job.policy,
        )
    )
    return work.number(run)


async def _until_ended(app: App, run_id: int) -> Phase:
    """Wait until a run has ended and everything about it has been shown."""
    while True:
        run = await app.services.db.read(runs.get, run_id)
        shown = not [
            e
            for e, _d in await app.services.db.read(events.undelivered, NAME)
            if e.run_id == run_id
        ]
        if run.phase in FINAL and shown:
            return run.phase
        await asyncio.sleep(0.2)

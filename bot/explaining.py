"""Having an answer explained in a terminal, beside no running bot: `tunewright why`."""

import asyncio
import getpass

from sqlmodel import Session

from agents import explanations
from agents.jobs import JobKind, JobOutcome
from agents.launchers import Launcher
from agents.services import UserError
from bot.app import open_app
from bot.surface import Person
from bot.terminal import NAME, TerminalSurface
from bot.why_wishes import row_of
from configs.schema import Settings
from storage import events, jobs, runs
from storage.models import Job, JobState, Run


async def why(
    settings: Settings,
    run_id: int,
    item: str,
    surface: TerminalSurface,
    *,
    launcher: Launcher | None = None,
) -> bool:
    """Have the answer to a test row explained, show how it goes and what comes of it; tell whether it could be explained.

    Raises: UserError: it cannot be asked for. storage.database.AlreadyOpen: ask in the running bot.
    """
    async with open_app(settings, surfaces=[surface], launcher=launcher) as app:
        run: Run = await app.services.db.read(runs.get, run_id)
        if not run.home.startswith(f"{NAME}:"):
            raise UserError(
                f"Run #{run_id} lives in {run.home.partition(':')[0]}; its answers are explained there."
            )
        person = Person(run.owner, getpass.getuser())
        said = await app.commands.why(run_id, person, None, item)
        surface.console.print(said, markup=False)
        row = row_of(item)
        while True:
            await app.dispatcher.look()
            await app.pump()
            job, is_shown = await app.services.db.read(_standing, run_id, row)
            if job.state is JobState.CLOSED and (is_shown or job.outcome == JobOutcome.CANCELLED):
                return bool(job.outcome == JobOutcome.SUCCEEDED)
            await asyncio.sleep(settings.schedule.poll_interval_s)


def _standing(session: Session, run_id: int, row: int) -> tuple[Job, bool]:
    """Return the newest attempt at a row, and whether all that is known of the run's answers has been shown here."""
    job = jobs.of_row(session, run_id, JobKind.EXPLAIN, row)
    assert job is not None
    due = [
        event
        for event, _delivery in events.undelivered(session, NAME)
        if event.run_id == run_id and event.kind == explanations.EXPLAINED
    ]
    return job, not due

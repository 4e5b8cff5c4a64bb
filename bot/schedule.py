"""The clock: look at jobs, wake runs, remind of questions and let them expire, keep the notebooks.

What is due stands in rows; this file only says how often somebody looks. The memory store is enough for that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    JobEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlmodel import Session

from agents.adviser import Adviser
from agents.dispatch import Dispatcher, cancel_queued
from agents.jury import Jury
from agents.services import Services
from bot.desk import Desk
from bot.notebook.keeper import Keeper
from configs.schema import GateKind
from storage import approvals, budgets, events, runs
from storage.approvals import Answer
from storage.models import Decision

log = logging.getLogger(__name__)

LATE = timedelta(minutes=1)
"""So long the work of one look may take until the log says so; then once as often."""
QUESTIONS = {
    GateKind.READING: "how to read your file",
    GateKind.PLAN: "the plan",
    GateKind.CHANGE: "what should be different",
    GateKind.DATA: "the made rows",
    GateKind.CHECKPOINT: "whether training goes on",
    GateKind.REPORT: "the result",
    GateKind.PUBLISH: "publishing",
    GateKind.EDIT: "whether a change may be run",
    GateKind.KEEP: "whether a change stays",
}


def schedule(
    services: Services,
    dispatcher: Dispatcher,
    desk: Desk,
    jury: Jury,
    adviser: Adviser,
    keeper: Keeper,
) -> AsyncIOScheduler:
    """Return a scheduler that has everything to do but has not been started."""
    interval = services.settings.schedule
    # It warns of every look that is left out because the one before takes long; `Punctual` says that better.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for name, work, seconds in (
        ("look at jobs", dispatcher.look, interval.poll_interval_s),
        ("sweep", partial(sweep, services), interval.sweep_interval_s),
        ("carry out wishes", desk.work_off, interval.sweep_interval_s),
        ("judge answers", jury.work_off, interval.poll_interval_s),
        ("advise", adviser.work_off, interval.poll_interval_s),
        ("keep notebooks", keeper.look, interval.poll_interval_s),
        ("push notebooks", keeper.pushes_due, interval.sweep_interval_s),
    ):
        job = scheduler.add_job(
            _until_shutdown, "interval", seconds=seconds, args=[work], name=name
        )
        punctual = Punctual(job.id, name, services.clock.now)
        scheduler.add_listener(
            punctual.heard, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_EXECUTED | EVENT_JOB_ERROR
        )
    return scheduler


class Punctual:
    """Says in the log when some work still goes on long after it was to be done again.

    On a busy host a look may take longer than the pause between two; each that is left out for that is no news.
    """

    def __init__(self, job_id: str, name: str, now: Callable[[], datetime]) -> None:
        self.job_id, self.name, self.now = job_id, name, now
        self.waiting_since: datetime | None = None

    def heard(self, event: JobEvent) -> None:
        """Take note of an event of the scheduler."""
        if event.job_id != self.job_id:
            return
        if event.code != EVENT_JOB_MAX_INSTANCES:
            self.waiting_since = None
            return
        now = self.now()
        if self.waiting_since is None:
            self.waiting_since = now
        elif now - self.waiting_since >= LATE:
            self.waiting_since = now
            log.warning("%s: still at it after more than %.0f s", self.name, LATE.total_seconds())


async def _until_shutdown(work: Callable[[], Awaitable[None]]) -> None:
    """Do it; being cut short by the end of the process is no error, and the next start does it again."""
    with suppress(asyncio.CancelledError):
        await work()


async def sweep(services: Services) -> None:
    """Find what nobody woke: every open run is driven once, and questions whose time has come are dealt with."""
    await cancel_queued(services)
    await services.db.write(remind_and_expire, services.clock.now())
    await services.db.write(budgets.settle, services.clock.now())
    for run_id in await services.db.read(lambda session: runs.ids(runs.open_runs(session))):
        services.wake(run_id)


def remind_and_expire(session: Session, now: datetime) -> None:
    """Remind once of a question that waits long, and void the ones nobody answered in time."""
    for approval in approvals.all_open(session):
        if approval.id is None:
            continue
        if approval.expires_at is not None and approval.expires_at <= now:
            answer = Answer(Decision.EXPIRED, "policy:nobody answered in time", "the clock")
            approvals.decide(session, approval.id, approval.shown_sha256, answer, now)
        elif approval.remind_at is not None and approval.remind_at <= now:
            approval.remind_at = now + timedelta(days=365)
            session.add(approval)
            until = (
                f"{approval.expires_at:%Y-%m-%d %H:%M} UTC"
                if approval.expires_at
                else "further notice"
            )
            text = f"A question about {QUESTIONS[GateKind(approval.gate)]} still waits for an answer, until {until}."
            owner = runs.get(session, approval.run_id).owner
            shown = {"title": "Still waiting for you", "text": text, "loud": True}
            shown["notify"] = [owner]
            events.say(session, approval.run_id, "notice", f"remind:{approval.id}", shown, now)

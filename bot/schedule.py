"""The clock: look at jobs, show what changed, wake runs, remind of questions and let them expire.

What is due stands in rows; this file only says how often somebody looks. The memory store is enough for that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlmodel import Session

from agents.dispatch import Dispatcher, cancel_queued
from agents.services import Services
from configs.schema import GateKind
from storage import approvals, budgets, events, runs
from storage.approvals import Answer
from storage.models import Decision

QUESTIONS = {
    GateKind.READING: "how to read your file",
    GateKind.PLAN: "the plan",
    GateKind.CHANGE: "what should be different",
    GateKind.CHECKPOINT: "whether training goes on",
    GateKind.REPORT: "the result",
    GateKind.PUBLISH: "publishing",
}


def schedule(
    services: Services, dispatcher: Dispatcher, work_off: Callable[[], Awaitable[None]]
) -> AsyncIOScheduler:
    """Return a scheduler that has everything to do but has not been started."""
    interval = services.settings.schedule
    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for name, work, seconds in (
        ("look at jobs", dispatcher.look, interval.poll_interval_s),
        ("sweep", partial(sweep, services), interval.sweep_interval_s),
        ("carry out wishes", work_off, interval.sweep_interval_s),
    ):
        scheduler.add_job(_until_shutdown, "interval", seconds=seconds, args=[work], name=name)
    return scheduler


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

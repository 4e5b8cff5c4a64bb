"""Work for machines, queued in SQL and fair among people."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, not_, or_, update
from sqlmodel import Session, col, select

from storage.models import FINAL, Job, JobState, Phase, Run

BESIDE = frozenset({"explain"})
"""Kinds that somebody asks for beside the run's own work: they go on whatever the run is at, until it is cancelled."""


@dataclass(frozen=True)
class Closing:
    """What a closed job leaves in its row."""

    outcome: str
    payload: dict[str, Any] | None = None
    error_code: str | None = None
    error: str | None = None
    error_for_person: bool = False


def job_id(run_id: int, iteration: int, kind: str, attempt: int) -> str:
    """Return the stable name of an attempt: row key, folder name and launcher submission id in one."""
    return f"run{run_id}-i{iteration}-{kind.replace('_', '-')}-a{attempt}"


def run_of(job_id: str) -> int:
    """Return the run that a job belongs to, by the job's name."""
    return int(job_id.removeprefix("run").partition("-")[0])


def open_or_get(session: Session, job: Job) -> Job:
    """Queue a job once."""
    known = session.get(Job, job.id)
    if known is not None:
        return known
    session.add(job)
    session.flush()
    return job


def latest(session: Session, run_id: int, kind: str, iteration: int | None = None) -> Job | None:
    """Return the newest attempt at a piece of work, in one iteration or in the run."""
    query = select(Job).where(Job.run_id == run_id, Job.kind == kind)
    if iteration is not None:
        query = query.where(Job.iteration == iteration)
    return session.exec(query.order_by(col(Job.iteration).desc(), col(Job.attempt).desc())).first()


def of_run(session: Session, run_id: int) -> list[Job]:
    """Return all jobs of a run, oldest first."""
    return list(
        session.exec(
            select(Job).where(Job.run_id == run_id).order_by(col(Job.created_at), col(Job.id))
        )
    )


def own_of_run(session: Session, run_id: int) -> list[Job]:
    """Return the jobs of a run's own work, oldest first: those that its phases wait for."""
    return [job for job in of_run(session, run_id) if job.kind not in BESIDE]


def of_row(
    session: Session, run_id: int, kind: str, row: int, iteration: int | None = None
) -> Job | None:
    """Return the newest job of a kind that is about one row, in one iteration or in the run."""
    found = [
        job
        for job in of_run(session, run_id)
        if job.kind == kind and iteration in {None, job.iteration} and job.spec.get("row") == row
    ]
    return max(found, key=lambda job: (job.iteration, job.attempt), default=None)


def running(session: Session) -> list[Job]:
    """Return the jobs that were given to the launcher and are not closed."""
    return list(
        session.exec(select(Job).where(Job.state == JobState.RUNNING).order_by(col(Job.id)))
    )


def queued(session: Session, *, running_per_user: int) -> list[Job]:
    """Return the jobs that want a launcher, in the order in which they will get one.

    Fair among people: who has fewest jobs running comes first, then who asked first; of one person's jobs at most
    `running_per_user` may hold a slot at once. Jobs of ended or paused runs do not stand in line, but those beside them do.
    """
    rows = session.exec(
        select(Job)
        .join(Run, col(Run.id) == col(Job.run_id))
        .where(Job.state == JobState.QUEUED, or_(_is_at_work(), _goes_on_beside()))
        .order_by(col(Job.created_at), col(Job.id))
    ).all()
    held = Counter(job.owner for job in running(session) if job.needs_slot)
    waiting = [job for job in rows if job.needs_slot]
    line = [job for job in rows if not job.needs_slot]
    while waiting:
        job = min(waiting, key=lambda j: (held[j.owner], j.created_at, j.id))
        waiting.remove(job)
        if held[job.owner] < running_per_user:
            line.append(job)
        held[job.owner] += 1
    return line


def left_over(session: Session) -> list[str]:
    """Return the ids of queued jobs whose run has ended."""
    rows = session.exec(
        select(Job)
        .join(Run, col(Run.id) == col(Job.run_id))
        .where(Job.state == JobState.QUEUED, col(Run.phase).in_(FINAL), not_(_goes_on_beside()))
    )
    return [job.id for job in rows]


def claim(session: Session, job_id: str, now: datetime) -> bool:
    """Take a queued job out of the line before it is started; False when somebody was faster."""
    changed: CursorResult[Any] = session.exec(
        update(Job)
        .where(col(Job.id) == job_id, col(Job.state) == JobState.QUEUED)
        .values(state=JobState.RUNNING, started_at=now)
    )
    return changed.rowcount == 1


def record_handle(session: Session, job_id: str, handle: str) -> None:
    """Note what the launcher calls a started job."""
    session.exec(update(Job).where(col(Job.id) == job_id).values(handle=handle))


def reach_checkpoint(session: Session, job_id: str) -> None:
    """Note that the share of the steps has been done after which people are asked."""
    session.exec(update(Job).where(col(Job.id) == job_id).values(checkpoint_reached=True))


def close(session: Session, job_id: str, closing: Closing, now: datetime) -> bool:
    """Copy an outcome into the row; False when it was closed before."""
    changed: CursorResult[Any] = session.exec(
        update(Job)
        .where(col(Job.id) == job_id, col(Job.state) != JobState.CLOSED)
        .values(
            state=JobState.CLOSED,
            outcome=closing.outcome,
            payload=closing.payload,
            error_code=closing.error_code,
            error=closing.error,
            error_for_person=closing.error_for_person,
            closed_at=now,
        )
    )
    return changed.rowcount == 1


def get(session: Session, job_id: str) -> Job:
    """Return a job by its id."""
    return session.get_one(Job, job_id)


def _is_at_work() -> ColumnElement[bool]:
    return and_(col(Run.phase).not_in(FINAL), col(Run.paused).is_(False))


def _goes_on_beside() -> ColumnElement[bool]:
    return and_(col(Job.kind).in_(BESIDE), col(Run.phase) != Phase.CANCELLED)

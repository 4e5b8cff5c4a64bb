"""Machine time and money: reserved when a plan is approved, settled with what was really used.

A day is a UTC day, and a reservation belongs to the day on which it was made. Checking and reserving are one write
transaction, so two runs at once cannot share what is left.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from storage.models import FINAL, Job, JobState, Phase, Reservation, Run, Target

SPENDING = {
    Target.MODEL: frozenset({Phase.BUILDING, Phase.EVALUATING}),
    # a change may be measured again after it was looked at, and the last comparison belongs to the last round
    Target.WORKFLOW: frozenset(Phase) - FINAL,
}
"""Phases that use what was reserved, by what a run improves."""


@dataclass(frozen=True)
class Limits:
    """What may be used on a day; None is no limit."""

    minutes: float | None = None
    money: float | None = None


@dataclass(frozen=True)
class Want:
    """What a plan would take."""

    run_id: int
    iteration: int
    revision: int
    owner: str
    guild: str | None
    minutes: float
    price_per_hour: float


@dataclass(frozen=True)
class Short:
    """Why something could not be reserved."""

    scope: str
    """`user`, `guild` or `everybody`."""
    money: bool
    """Whether money is short; else minutes are."""
    wanted: float
    left: float
    limit: float
    renews_at: datetime


def reserve(session: Session, want: Want, limits: dict[str, Limits], now: datetime) -> Short | None:
    """Reserve what a plan takes, once, or say what is short; `limits` by scope."""
    if _find(session, want.run_id, want.iteration, want.revision) is not None:
        return None
    short = lacking(session, want, limits, now)
    if short is not None:
        return short
    session.add(
        Reservation(
            run_id=want.run_id,
            iteration=want.iteration,
            revision=want.revision,
            owner=want.owner,
            guild=want.guild,
            day=_day(now),
            minutes=want.minutes,
            price_per_hour=want.price_per_hour,
            created_at=now,
        )
    )
    session.flush()
    return None


def lacking(session: Session, want: Want, limits: dict[str, Limits], now: datetime) -> Short | None:
    """Return what is short for a plan, reserving nothing; None where nothing is."""
    settle(session, now)
    found = (_short(session, want, scope, limit, now) for scope, limit in limits.items())
    return next((short for short in found if short is not None), None)


def settle(session: Session, now: datetime) -> None:
    """Replace what was reserved by what was used, for every plan that uses nothing any more."""
    for row in session.exec(select(Reservation).where(col(Reservation.settled_at).is_(None))):
        run = session.get_one(Run, row.run_id)
        mine = _jobs(session, row)
        spending = run.phase in SPENDING[run.target] and run.iteration == row.iteration
        if not spending and all(job.state is not JobState.RUNNING for job in mine):
            row.used_minutes = sum(_minutes(job, row.created_at) for job in mine)
            row.settled_at = now
            session.add(row)
    session.flush()


def reopen(session: Session, run_id: int, iteration: int) -> None:
    """Count what was reserved once more, beside what was used: the run goes on where it had stopped."""
    rows = select(Reservation).where(
        Reservation.run_id == run_id, Reservation.iteration == iteration
    )
    last = session.exec(rows.order_by(col(Reservation.revision).desc())).first()
    if last is not None and last.settled_at is not None:
        last.minutes += last.used_minutes or 0.0
        last.used_minutes, last.settled_at = None, None
        session.add(last)


def taken(session: Session, scope: str, who: str | None, now: datetime) -> tuple[float, float]:
    """Return the minutes and the money that a user, a guild or everybody has reserved or used today."""
    query = select(Reservation).where(Reservation.day == _day(now))
    if scope == "user":
        query = query.where(Reservation.owner == who)
    elif scope == "guild":
        query = query.where(Reservation.guild == who)
    rows = session.exec(query).all()
    minutes = [row.minutes if row.used_minutes is None else row.used_minutes for row in rows]
    money = [m / 60 * row.price_per_hour for m, row in zip(minutes, rows, strict=True)]
    return sum(minutes), sum(money)


def _short(session: Session, want: Want, scope: str, limit: Limits, now: datetime) -> Short | None:
    who = {"user": want.owner, "guild": want.guild}.get(scope)
    if scope == "guild" and who is None:
        return None
    minutes, money = taken(session, scope, who, now)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    price = want.minutes / 60 * want.price_per_hour
    for is_money, wanted, used, most in (
        (False, want.minutes, minutes, limit.minutes),
        (True, price, money, limit.money),
    ):
        if most is not None and used + wanted > most:
            return Short(scope, is_money, wanted, max(0.0, most - used), most, midnight)
    return None


def _find(session: Session, run_id: int, iteration: int, revision: int) -> Reservation | None:
    return session.exec(
        select(Reservation).where(
            Reservation.run_id == run_id,
            Reservation.iteration == iteration,
            Reservation.revision == revision,
        )
    ).first()


def _jobs(session: Session, row: Reservation) -> list[Job]:
    """Return the jobs that a reservation pays for: those that took a slot after it was made."""
    started = session.exec(
        select(Job).where(
            Job.run_id == row.run_id,
            Job.iteration == row.iteration,
            col(Job.needs_slot).is_(True),
            col(Job.started_at).is_not(None),
        )
    )
    return [job for job in started if job.started_at and job.started_at >= row.created_at]


def _minutes(job: Job, since: datetime) -> float:
    if job.closed_at is None or job.started_at is None:
        return 0.0
    return (job.closed_at - max(job.started_at, since)).total_seconds() / 60


def _day(now: datetime) -> str:
    return now.date().isoformat()

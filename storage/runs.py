"""What happens to runs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, func, update
from sqlmodel import Session, col, select

from storage.models import FINAL, TRANSITIONS, Phase, Run


class Fenced(Exception):
    """The run has moved on since it was read: what was worked out from the old row must not be written."""


class NoSuchRun(LookupError):
    """There is no run with this number."""


def by_origin(session: Session, origin_key: str) -> Run | None:
    """Return the run that a command has started."""
    return session.exec(select(Run).where(Run.origin_key == origin_key)).first()


def add(session: Session, run: Run) -> Run:
    """Add a run and give it its number."""
    session.add(run)
    session.flush()
    return run


def get(session: Session, run_id: int) -> Run:
    """Return a run.

    Raises: NoSuchRun: there is none with this number.
    """
    run = session.get(Run, run_id)
    if run is None:
        raise NoSuchRun(f"There is no run #{run_id}.")
    return run


def fresh(session: Session, run_id: int) -> Run:
    """Return a run as it is in the database, even where this transaction has read it before."""
    run = get(session, run_id)
    session.refresh(run)
    return run


def open_runs(session: Session) -> list[Run]:
    """Return the runs that have not ended, oldest first."""
    return list(session.exec(select(Run).where(col(Run.phase).not_in(FINAL)).order_by(col(Run.id))))


def recent(
    session: Session, *, owner: str | None = None, guild: str | None = None, limit: int = 25
) -> list[Run]:
    """Return the latest runs, newest first, of one person, of one guild, or of all."""
    query = select(Run)
    if owner is not None:
        query = query.where(Run.owner == owner)
    if guild is not None:
        query = query.where(Run.guild == guild)
    return list(session.exec(query.order_by(col(Run.id).desc()).limit(limit)))


def count_open(session: Session, owner: str) -> int:
    """Return how many runs of a person have not ended."""
    query = select(func.count()).select_from(Run)
    return session.exec(query.where(Run.owner == owner, col(Run.phase).not_in(FINAL))).one()


def in_thread(session: Session, thread: str) -> Run | None:
    """Return the run whose messages go to this place."""
    return session.exec(
        select(Run).where(Run.thread == thread).order_by(col(Run.id).desc())
    ).first()


def move(session: Session, run: Run, to: Phase, **facts: Any) -> None:
    """Change the phase of a run that is still as it was read; `facts` are further columns.

    Raises: Fenced: somebody else has moved it. ValueError: `to` cannot follow the run's phase.
    """
    if to not in TRANSITIONS[run.phase]:
        raise ValueError(f"run {run.id}: {run.phase} cannot become {to}")
    _update(session, run, {"phase": to, **facts})


def bring_back(session: Session, run: Run, to: Phase, **facts: Any) -> None:
    """`move` a run that may have ended, or pauses, back into its work: nothing is left of how it ended."""
    begun = {"failure": None, "failed_phase": None, "ended_at": None, "paused": False}
    move(session, run, to, **begun, **facts)


def touch(session: Session, run: Run, **facts: Any) -> None:
    """Change facts of a run that is still as it was read, without changing its phase.

    Raises: Fenced: somebody else has moved it.
    """
    _update(session, run, facts)


def end(
    session: Session, run: Run, to: Phase, now: datetime, *, failure: str | None = None
) -> None:
    """Cancel or fail a run in whatever open phase it is.

    Raises: Fenced: somebody else has moved it.
    """
    facts: dict[str, Any] = {"ended_at": now, "failure": failure}
    if to is Phase.FAILED:
        facts["failed_phase"] = run.phase
    move(session, run, to, **facts)


def settle_in(session: Session, run_id: int, thread: str) -> None:
    """Note where the messages of a run go. The first place stays."""
    session.exec(
        update(Run).where(col(Run.id) == run_id, col(Run.thread).is_(None)).values(thread=thread)
    )


def ids(runs: Iterable[Run]) -> list[int]:
    """Return the numbers of stored runs."""
    return [run.id for run in runs if run.id is not None]


def _update(session: Session, run: Run, facts: dict[str, Any]) -> None:
    changed: CursorResult[Any] = session.exec(
        update(Run)
        .where(col(Run.id) == run.id, col(Run.version) == run.version)
        .values(version=run.version + 1, **facts)
    )
    if changed.rowcount != 1:
        raise Fenced(f"run {run.id} is not at version {run.version} any more")

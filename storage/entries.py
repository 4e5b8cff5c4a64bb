"""The lab notebook in rows: entries that are final, one commit each, and which runs may have something to add."""

from collections.abc import Mapping

from sqlalchemy import func
from sqlmodel import Session, col, select

from storage.models import FINAL, Entry, Job, JobState, Plan, Run


def add(session: Session, entry: Entry) -> Entry:
    """Append an entry to the notebook of its run."""
    session.add(entry)
    session.flush()
    return entry


def of_run(session: Session, run_id: int) -> list[Entry]:
    """Return the entries of a run, oldest first."""
    return list(
        session.exec(select(Entry).where(Entry.run_id == run_id).order_by(col(Entry.number)))
    )


def last(session: Session, run_id: int) -> Entry | None:
    """Return the newest entry of a run."""
    return session.exec(
        select(Entry).where(Entry.run_id == run_id).order_by(col(Entry.number).desc())
    ).first()


def heads(session: Session) -> dict[int, str]:
    """Return the newest commit of every notebook by the number of its run."""
    newest = (
        select(Entry.run_id, func.max(Entry.number).label("number"))
        .group_by(col(Entry.run_id))
        .subquery()
    )
    rows = session.exec(
        select(Entry.run_id, Entry.commit_sha)
        .join(
            newest,
            (col(Entry.run_id) == newest.c.run_id) & (col(Entry.number) == newest.c.number),
        )
        .order_by(col(Entry.run_id))
    )
    return dict(rows.all())


def candidates(session: Session, looked_at: Mapping[int, int]) -> dict[int, int]:
    """Return the runs that may have something to add, with their versions: a try is over, and they have moved.

    `looked_at` is the version of a run at the last look. Work of an ended run that is still being stopped is waited for.
    """
    written = select(Entry.run_id, func.max(Entry.run_version)).group_by(col(Entry.run_id))
    known = {**dict(session.exec(written).all()), **looked_at}
    planned = select(Plan.run_id, func.max(Plan.iteration)).group_by(col(Plan.run_id))
    tries = dict(session.exec(planned).all())
    busy = set(session.exec(select(Job.run_id).where(Job.state != JobState.CLOSED)).all())
    rows = session.exec(select(Run.id, Run.phase, Run.version).order_by(col(Run.id)))
    return {
        run_id: version
        for run_id, phase, version in rows
        if run_id is not None
        and run_id in tries
        and known.get(run_id) != version
        and (phase not in FINAL or run_id not in busy)
        and (phase in FINAL or tries[run_id] > 1)
    }

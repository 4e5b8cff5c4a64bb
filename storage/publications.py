"""Wishes to push a delivered model to a hub: at most one of a run is open at a time."""

from datetime import datetime

from sqlmodel import Session, col, func, select

from storage.models import Publication, PublicationOutcome


def add(session: Session, publication: Publication) -> Publication:
    """Add a wish under the next number of its run."""
    query = select(func.max(Publication.number)).where(Publication.run_id == publication.run_id)
    publication.number = (session.exec(query).one() or 0) + 1
    session.add(publication)
    session.flush()
    return publication


def open_of_run(session: Session, run_id: int) -> Publication | None:
    """Return the wish that is still to be carried out."""
    return session.exec(
        select(Publication)
        .where(Publication.run_id == run_id, Publication.outcome == PublicationOutcome.OPEN)
        .order_by(col(Publication.number))
    ).first()


def of_run(session: Session, run_id: int) -> list[Publication]:
    """Return all wishes of a run in order."""
    query = select(Publication).where(Publication.run_id == run_id)
    return list(session.exec(query.order_by(col(Publication.number))))


def close(
    session: Session,
    publication_id: int,
    outcome: PublicationOutcome,
    now: datetime,
    *,
    commit_sha: str | None = None,
) -> None:
    """Note what became of a wish."""
    publication = session.get_one(Publication, publication_id)
    publication.outcome, publication.commit_sha = outcome, commit_sha
    publication.closed_at = now
    session.add(publication)

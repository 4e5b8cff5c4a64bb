"""What a language model has said about what messages show."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from storage.models import FINAL, Advice, Approval, Decision, Event, Run, Target


def wanted(session: Session, kinds: Sequence[str], since: datetime) -> list[tuple[Event, str]]:
    """Return open questions of these kinds that were asked since then and not commented on, each with what its run is about."""
    events = session.exec(
        select(Event, Run)
        .join(Run, col(Run.id) == col(Event.run_id))
        .outerjoin(Advice, col(Advice.event_id) == col(Event.id))
        .where(
            col(Advice.id).is_(None),
            col(Event.kind).in_(kinds),
            Event.created_at >= since,
            col(Run.phase).not_in(FINAL),
            Run.target == Target.MODEL,
        )
        .order_by(col(Event.id))
    ).all()
    return [(event, run.goal) for event, run in events if _is_open(session, event)]


def find(session: Session, event_id: int) -> Advice | None:
    """Return what was said about an event."""
    return session.exec(select(Advice).where(Advice.event_id == event_id)).first()


def _is_open(session: Session, event: Event) -> bool:
    asked = session.get(Approval, event.payload.get("approval_id"))
    return asked is not None and asked.decision is Decision.OPEN

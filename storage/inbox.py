"""What people did, kept before it is acknowledged and carried out once."""

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from storage.models import Cursor, Inbox, InboxState


def receive(
    session: Session, key: str, kind: str, payload: dict[str, Any], now: datetime
) -> tuple[Inbox, bool]:
    """Keep an input; return its row and whether it is new."""
    known = session.exec(select(Inbox).where(Inbox.key == key)).first()
    if known is not None:
        return known, False
    row = Inbox(key=key, kind=kind, payload=payload, received_at=now)
    session.add(row)
    session.flush()
    return row, True


def waiting(session: Session) -> list[Inbox]:
    """Return the inputs whose effect is still to come, in the order in which they came."""
    return list(
        session.exec(
            select(Inbox).where(Inbox.state == InboxState.RECEIVED).order_by(col(Inbox.id))
        )
    )


def finish(
    session: Session,
    inbox_id: int,
    state: InboxState,
    now: datetime,
    *,
    outcome: str,
    run_id: int | None = None,
) -> None:
    """Note that an input has had its effect, or was refused, and what the person is told."""
    row = session.get_one(Inbox, inbox_id)
    row.state, row.outcome, row.run_id, row.done_at = state, outcome, run_id, now
    session.add(row)


def advance_cursor(session: Session, place: str, message_id: str) -> None:
    """Note that a place was read up to a message; snowflakes order by number."""
    cursor = session.get(Cursor, place)
    if cursor is None:
        session.add(Cursor(place=place, message_id=message_id))
    elif int(message_id) > int(cursor.message_id):
        cursor.message_id = message_id
        session.add(cursor)


def cursor(session: Session, place: str) -> str | None:
    """Return the last message read in a place."""
    row = session.get(Cursor, place)
    return None if row is None else row.message_id

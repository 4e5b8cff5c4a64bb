"""What should be said to people, and how far that has got on each surface."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from storage.models import Delivery, Event, Run


def say(
    session: Session, run_id: int, kind: str, key: str, payload: dict[str, Any], now: datetime
) -> Event:
    """Append an event once; `key` names the occasion within the run."""
    known = find(session, run_id, key)
    if known is not None:
        return known
    event = Event(
        run_id=run_id, key=f"run{run_id}:{key}", kind=kind, payload=payload, created_at=now
    )
    session.add(event)
    session.flush()
    return event


def find(session: Session, run_id: int, key: str) -> Event | None:
    """Return the event of an occasion within a run."""
    return session.exec(select(Event).where(Event.key == f"run{run_id}:{key}")).first()


def undelivered(session: Session, surface: str) -> list[tuple[Event, Delivery | None]]:
    """Return the events of a surface's runs whose card may still have to be sent or changed, oldest first."""
    rows = session.exec(
        select(Event, Delivery)
        .join(Run, col(Run.id) == col(Event.run_id))
        .outerjoin(
            Delivery, (col(Delivery.event_id) == col(Event.id)) & (col(Delivery.surface) == surface)
        )
        .where(col(Run.home).startswith(f"{surface}:"))
        .where(col(Delivery.id).is_(None) | col(Delivery.settled).is_(False))
        .order_by(col(Event.id))
    )
    return [(event, delivery) for event, delivery in rows]


def of_run(session: Session, run_id: int) -> list[Event]:
    """Return all events of a run in order."""
    return list(session.exec(select(Event).where(Event.run_id == run_id).order_by(col(Event.id))))


def begin_delivery(
    session: Session, event: Event, surface: str, place: str, now: datetime
) -> Delivery:
    """Note that an event is about to be sent; count the try."""
    delivery = session.exec(
        select(Delivery).where(Delivery.event_id == event.id, Delivery.surface == surface)
    ).first()
    if delivery is None:
        assert event.id is not None
        delivery = Delivery(event_id=event.id, run_id=event.run_id, surface=surface, created_at=now)
    delivery.place = place
    delivery.attempts += 1
    session.add(delivery)
    session.flush()
    return delivery


def record_delivery(
    session: Session,
    delivery_id: int,
    *,
    message_id: str | None,
    shown_sha256: str | None,
    settled: bool,
    now: datetime,
) -> None:
    """Note what a surface shows for an event now."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.message_id = message_id
    delivery.shown_sha256 = shown_sha256
    delivery.settled = settled
    delivery.shown_at = now
    session.add(delivery)


def forget_delivery(session: Session, delivery_id: int) -> None:
    """The message is gone: the card must be sent anew, as a message of its own."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.message_id, delivery.attempts, delivery.generation = None, 0, delivery.generation + 1
    session.add(delivery)


def forget_message(session: Session, surface: str, message_id: str) -> None:
    """A message was deleted: what it showed is sent anew, unless it will not change any more."""
    found = by_message(session, surface, message_id)
    if found is not None and not found[1].settled and found[1].id is not None:
        forget_delivery(session, found[1].id)


def show_anew(session: Session, event: Event) -> None:
    """Send the card of an event as a new message wherever it has been sent; its old message is none of ours any more."""
    for delivery in session.exec(select(Delivery).where(Delivery.event_id == event.id)):
        if delivery.id is not None and delivery.message_id is not None:
            delivery.settled = False
            forget_delivery(session, delivery.id)


def show_again(session: Session, run_id: int) -> None:
    """Send the live cards of a run anew, to somebody who has not seen them: its open questions above all."""
    rows = session.exec(
        select(Delivery).where(Delivery.run_id == run_id, col(Delivery.settled).is_(False))
    )
    for delivery in rows:
        assert delivery.id is not None
        forget_delivery(session, delivery.id)


def unsettle(session: Session, run_id: int) -> None:
    """Let the cards of a run change again: it has come back to life."""
    session.exec(update(Delivery).where(col(Delivery.run_id) == run_id).values(settled=False))


def move_to(session: Session, run_id: int, place: str) -> None:
    """Let a run's messages go to another place; those not settled are sent there anew."""
    session.exec(update(Run).where(col(Run.id) == run_id).values(thread=place))
    for delivery in session.exec(
        select(Delivery).where(
            Delivery.run_id == run_id, col(Delivery.settled).is_(False), Delivery.place != place
        )
    ):
        assert delivery.id is not None
        forget_delivery(session, delivery.id)


def by_message(session: Session, surface: str, message_id: str) -> tuple[Event, Delivery] | None:
    """Return what a message shows."""
    row = session.exec(
        select(Event, Delivery)
        .join(Delivery, col(Delivery.event_id) == col(Event.id))
        .where(Delivery.surface == surface, Delivery.message_id == message_id)
    ).first()
    return None if row is None else (row[0], row[1])


def delivery_of(session: Session, event_id: int, surface: str) -> Delivery | None:
    """Return how far an event has got on a surface."""
    return session.exec(
        select(Delivery).where(Delivery.event_id == event_id, Delivery.surface == surface)
    ).first()

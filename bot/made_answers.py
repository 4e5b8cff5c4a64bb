"""Replies to the question about made rows: read before they count, so that a number that is none, or words that nobody follows, are told."""

from sqlmodel import Session

from agents import gates, made_review
from agents.jobs import RowsBackend
from configs.schema import GateKind
from storage import events
from storage.models import Approval


def check_words(session: Session, approval: Approval, words: str) -> None:
    """Refuse a reply that cannot be followed. Raises: UserError."""
    asked = next(
        event.payload
        for event in reversed(events.of_run(session, approval.run_id))
        if event.kind == gates.EVENTS[GateKind.DATA]
        and event.payload.get("approval_id") == approval.id
    )
    struck = [one["number"] for one in asked["struck"]]
    made_review.check(
        made_review.read(words),
        sorted([*asked["numbers"], *struck]),
        by_rules=asked["backend"] == RowsBackend.RULES,
    )

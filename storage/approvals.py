"""Questions to people, each with exactly one answer."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col, select

from storage.models import Approval, Decision


@dataclass(frozen=True)
class Answer:
    """What a person (or a standing permission) says to a gate."""

    decision: Decision
    by: str
    by_name: str
    comment: str | None = None


def hash_shown(facts: Any) -> str:
    """Return the SHA-256 of facts as canonical JSON: what a decision is bound to."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def open_or_get(session: Session, approval: Approval) -> Approval:
    """Ask a question once: the same gate of the same iteration and revision is one row."""
    known = find(session, approval.run_id, approval.gate, approval.iteration, approval.revision)
    if known is not None:
        return known
    session.add(approval)
    session.flush()
    return approval


def find(
    session: Session, run_id: int, gate: str, iteration: int, revision: int
) -> Approval | None:
    """Return one gate."""
    return session.exec(
        select(Approval).where(
            Approval.run_id == run_id,
            Approval.gate == gate,
            Approval.iteration == iteration,
            Approval.revision == revision,
        )
    ).first()


def latest(session: Session, run_id: int, gate: str, iteration: int) -> Approval | None:
    """Return the newest revision of a gate."""
    return session.exec(
        select(Approval)
        .where(Approval.run_id == run_id, Approval.gate == gate, Approval.iteration == iteration)
        .order_by(col(Approval.revision).desc())
    ).first()


def of_gate(session: Session, run_id: int, gate: str) -> list[Approval]:
    """Return all questions of a kind in a run, oldest first."""
    return list(
        session.exec(
            select(Approval)
            .where(Approval.run_id == run_id, Approval.gate == gate)
            .order_by(col(Approval.iteration), col(Approval.revision))
        )
    )


def get(session: Session, approval_id: int) -> Approval | None:
    """Return a gate by its number."""
    return session.get(Approval, approval_id)


def open_of_run(session: Session, run_id: int) -> list[Approval]:
    """Return the open questions of a run, oldest first."""
    return list(
        session.exec(
            select(Approval)
            .where(Approval.run_id == run_id, Approval.decision == Decision.OPEN)
            .order_by(col(Approval.id))
        )
    )


def all_open(session: Session) -> list[Approval]:
    """Return every open question, oldest first."""
    return list(
        session.exec(
            select(Approval).where(Approval.decision == Decision.OPEN).order_by(col(Approval.id))
        )
    )


def decide(
    session: Session, approval_id: int, shown_sha256: str, answer: Answer, now: datetime
) -> bool:
    """Answer a gate by compare-and-set; False when it was answered before or showed something else."""
    changed: CursorResult[Any] = session.exec(
        update(Approval)
        .where(
            col(Approval.id) == approval_id,
            col(Approval.decision) == Decision.OPEN,
            col(Approval.shown_sha256) == shown_sha256,
        )
        .values(
            decision=answer.decision,
            decided_by=answer.by,
            decided_by_name=answer.by_name,
            comment=answer.comment,
            decided_at=now,
        )
    )
    return changed.rowcount == 1


def void(session: Session, run_id: int, now: datetime, *, by: str, gate: str | None = None) -> None:
    """Close the open questions of a run that need no answer any more."""
    for approval in open_of_run(session, run_id):
        if approval.id is not None and gate in (None, approval.gate):
            decide(
                session, approval.id, approval.shown_sha256, Answer(Decision.EXPIRED, by, by), now
            )


def tell_once(session: Session, approval: Approval, person: str) -> bool:
    """Note that a person was told they may not answer; False when they were told before."""
    row = session.get_one(Approval, approval.id)
    if person in row.told:
        return False
    row.told = [*row.told, person]
    session.add(row)
    return True

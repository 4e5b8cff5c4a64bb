"""What the language model costs a run: set aside before a question is sent, settled with what it has cost.

Whatever is not settled counts as it was set aside. So a crash between the two never makes a run seem cheaper than it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from storage.models import Expense

ROUNDING = 1e-9
"""Of money: sums of binary fractions are a little off."""


@dataclass(frozen=True)
class Caps:
    """What a run may use; None is no limit."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None


@dataclass(frozen=True)
class Total:
    """What was used, or is set aside, together."""

    calls: int = 0
    tokens: int = 0
    money: float = 0.0
    unsettled: int = 0
    """Expenses that count as they were set aside."""


@dataclass(frozen=True)
class Used:
    """What a question, or a job that asks many, has cost."""

    calls: int
    asked_tokens: int
    replied_tokens: int
    money: float


def reserve(session: Session, expense: Expense, caps: Caps) -> bool:
    """Set aside what is expected at most, and tell whether there was room for it; under a known key nothing is set aside again."""
    if expense.key is not None and find(session, expense.key) is not None:
        return True
    room = left(session, expense.run_id, caps)
    if not _holds(room, expense):
        return False
    session.add(expense)
    session.flush()
    return True


def settle(session: Session, expense: Expense, used: Used, now: datetime) -> None:
    """Replace what was set aside by what was used. The last word counts: a job may tell more than once."""
    expense.used_calls = used.calls
    expense.used_asked_tokens = used.asked_tokens
    expense.used_replied_tokens = used.replied_tokens
    expense.used_money = used.money
    expense.settled_at = now
    session.add(expense)


def get(session: Session, expense_id: int) -> Expense:
    """Return an expense."""
    return session.get_one(Expense, expense_id)


def find(session: Session, key: str) -> Expense | None:
    """Return the expense of a job by its key."""
    return session.exec(select(Expense).where(Expense.key == key)).first()


def total(session: Session, run_id: int) -> Total:
    """Return what a run has used and what is set aside for it."""
    found = session.exec(select(*_SUMS).where(Expense.run_id == run_id)).one()
    return _total(found)


def by_purpose(session: Session, run_id: int) -> dict[str, Total]:
    """Return the same for each thing that was asked for, in the order in which it was first asked."""
    rows = session.exec(
        select(Expense.purpose, *_SUMS)
        .where(Expense.run_id == run_id)
        .group_by(Expense.purpose)
        .order_by(func.min(col(Expense.id)))
    )
    return {purpose: _total(found) for purpose, *found in rows}


def left(session: Session, run_id: int, caps: Caps) -> Caps:
    """Return what a run may still use."""
    used = total(session, run_id)
    return Caps(
        None if caps.calls is None else max(0, caps.calls - used.calls),
        None if caps.tokens is None else max(0, caps.tokens - used.tokens),
        None if caps.money is None else max(0.0, caps.money - used.money),
    )


def _holds(room: Caps, expense: Expense) -> bool:
    wanted = (
        (room.calls, expense.calls),
        (room.tokens, expense.tokens),
        (room.money, expense.money - ROUNDING),
    )
    return all(most is None or want <= most for most, want in wanted)


_SUMS: Any = (
    func.sum(func.coalesce(col(Expense.used_calls), col(Expense.calls))),
    func.sum(
        func.coalesce(
            col(Expense.used_asked_tokens) + col(Expense.used_replied_tokens), col(Expense.tokens)
        )
    ),
    func.sum(func.coalesce(col(Expense.used_money), col(Expense.money))),
    func.sum(case((col(Expense.settled_at).is_(None), 1), else_=0)),
)


def _total(sums: Sequence[float | None]) -> Total:
    calls, tokens, money, unsettled = sums
    return Total(int(calls or 0), int(tokens or 0), float(money or 0.0), int(unsettled or 0))

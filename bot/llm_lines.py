"""What people are told of the language model: what it has cost a run, and what it advises, marked as advice."""

from dataclasses import dataclass

from sqlmodel import Session

from bot.text import plain
from storage import datasets, expenses
from storage.models import Advice

TEXT_CHARS = 600


@dataclass(frozen=True)
class Expenses:
    """What the language model has cost a run; what is not settled counts as it was set aside."""

    calls: int
    tokens: int
    money: float
    currency: str
    unsettled: int
    """Questions that may have cost less than is counted here."""
    by_purpose: dict[str, int]
    """Questions by what they were for."""


def expenses_of(session: Session, run_id: int) -> Expenses | None:
    """Return what a run has used of the language model; None where it was never asked."""
    total = expenses.total(session, run_id)
    if not total.calls and not total.unsettled:
        return None
    plan = datasets.latest_plan(session, run_id)
    return Expenses(
        calls=total.calls,
        tokens=total.tokens,
        money=total.money,
        currency=str(plan.estimate.get("currency", "")) if plan else "",
        unsettled=total.unsettled,
        by_purpose={p: one.calls for p, one in expenses.by_purpose(session, run_id).items()},
    )


def used(found: Expenses | None) -> list[str]:
    """Say what the language model has cost, where it was asked."""
    if found is None:
        return []
    times = "once" if found.calls == 1 else f"{found.calls:,} times"
    money = f", {found.money:.4f} {plain(found.currency, 8)}".rstrip() if found.money else ""
    what = ", ".join(
        f"{plain(purpose, 40)} {calls:,}" for purpose, calls in found.by_purpose.items()
    )
    said = f"The language model was asked {times} for this run ({what}): {found.tokens:,} tokens{money}."
    if found.unsettled:
        said += f" What {found.unsettled:,} of these took is not known; the most is counted that it can be."
    return [said]


def advice(row: Advice | None) -> str:
    """Return the paragraph of a language model below what code says; nothing where there is none."""
    if row is None or not row.text:
        return ""
    return f"\n\n💬 The language model {plain(row.model, 80)} advises, and decides nothing: “{plain(row.text, TEXT_CHARS)}”"

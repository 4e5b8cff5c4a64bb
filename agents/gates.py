"""Questions to people: opened with the message that asks, answered once, by a person or by a standing permission."""

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from agents.jobs import IntakeResult
from agents.services import Services
from agents.work import number
from configs.schema import STANDING, GateKind
from storage import approvals, events
from storage.approvals import Answer
from storage.models import Approval, Decision, EvaluationReport, Run

POLICY = "policy:standing permission"
EVENTS = {GateKind.DATA: "made"}
"""Kinds of events that ask, where they are not called as the gate is: `data` tells of the uploads."""


def ask(  # noqa: PLR0913  # who asks whom, about what, and for which time
    session: Session,
    services: Services,
    run: Run,
    gate: GateKind,
    *,
    revision: int,
    shown: dict[str, Any],
    permitted: bool = False,
    needs_person: bool = False,
) -> Approval:
    """Open a gate and say so; `shown` is what the message shows and what a decision is bound to.

    `permitted`: the plan, which a person has approved, says that nobody is asked. `needs_person`: whoever has given a standing
    permission could not know of this.
    """
    now = services.clock.now()
    limits = services.settings.approvals
    approval = approvals.open_or_get(
        session,
        Approval(
            run_id=number(run),
            gate=gate,
            iteration=run.iteration,
            revision=revision,
            shown_sha256=approvals.hash_shown(shown),
            created_at=now,
            remind_at=now + timedelta(hours=limits.remind_after_h),
            expires_at=now + timedelta(hours=limits.expire_after_h),
        ),
    )
    events.say(
        session,
        number(run),
        EVENTS.get(gate, gate.value),
        f"i{run.iteration}:gate:{gate}:{revision}",
        {**shown, "approval_id": approval.id},
        now,
    )
    standing = {*services.settings.approvals.policy, *run.policy} & STANDING
    if needs_person:
        standing = set()
    if (gate in standing or (permitted and gate in STANDING)) and approval.id is not None:
        answer = Answer(Decision.APPROVE, POLICY, "standing permission")
        if approvals.decide(session, approval.id, approval.shown_sha256, answer, now):
            approval.decision = Decision.APPROVE
    return approval


def ask_about_reading(  # who asks whom, about what, and for which time
    session: Session,
    services: Services,
    run: Run,
    found: IntakeResult,
    *,
    revision: int,
    note: str | None,
) -> None:
    """Ask how the columns of an upload are to be read; `note` says what was wrong with the last answer."""
    shown = {
        "format": found.format,
        "columns": list(found.columns),
        "readings": [reading.model_dump(mode="json") for reading in found.readings],
        "samples": [sample.model_dump(mode="json") for sample in found.samples],
        "note": note,
    }
    ask(session, services, run, GateKind.READING, revision=revision, shown=shown)


def ask_about_report(
    session: Session, services: Services, run: Run, report: EvaluationReport, *, revision: int
) -> None:
    """Ask whether the tuned model of a report is good enough."""
    shown = {
        "report_id": report.id,
        "iteration": report.iteration,
        "partial": report.partial,
        "again": revision > 0,
        "report": report.payload,
    }
    ask(session, services, run, GateKind.REPORT, revision=revision, shown=shown)

"""What becomes of an answer to a question, in one transaction: who may give it, whether it counts, what it brings with it."""

from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from agents import budget
from agents.continuing import Parent
from agents.services import Services, UserError
from bot import controls, delivering, further_wishes, made_answers, rights, workflow_answers
from bot.surface import Person
from bot.text import plain
from configs.schema import GateKind
from storage import approvals, runs
from storage.approvals import Answer
from storage.models import Approval, Decision, Run, Target

YES_OR_NO = {
    GateKind.CHECKPOINT.value: "Here I only understand ✅ (go on) or ❌ (stop here).",
    GateKind.PUBLISH.value: "Here I only understand ✅ (push it) or ❌ (don't). For another repository or visibility: ❌, "
    "and `/finetune publish` again.",
    GateKind.EDIT.value: "Here I only understand ✅ (run it) or ❌ (don't).",
}
"""Gates that take no words, and what is said to somebody who tries."""
NOT_OPEN = "That question is not open any more."


class Effect(StrEnum):
    """What became of an answer to a gate."""

    DECIDED = "decided"
    """It counts."""
    TOO_LATE = "too_late"
    """The gate had been answered before."""
    NOT_ALLOWED = "not_allowed"
    """The person may not answer, and has just been told so for the first time."""
    NOT_ALLOWED_AGAIN = "not_allowed_again"
    """The person may not answer and knows it."""
    UNCLEAR = "unclear"
    """It cannot count as it is: words where only ✅ or ❌ are understood, or a ✅ that no budget has room for."""


@dataclass(frozen=True)
class Reaction:
    """What became of an answer, and what to tell the person (nothing, where the message itself will show it)."""

    effect: Effect
    text: str | None = None


BY_REPLY = {Target.MODEL: delivering.by_reply, Target.WORKFLOW: workflow_answers.by_reply}
"""What has something handed over where a reply says only that."""


def decide(  # noqa: PLR0913  # the arguments of a transaction are the facts it needs
    session: Session,
    services: Services,
    approval_id: int,
    shown_prefix: str | None,
    person: Person,
    decision: Decision,
    comment: str | None,
) -> tuple[Reaction, int | None]:
    """Answer a question; return what became of it, and the run to be woken."""
    approval = find(session, approval_id, shown_prefix)
    if approval is None:
        return Reaction(Effect.TOO_LATE, NOT_OPEN), None
    run = runs.get(session, approval.run_id)
    refused = refusal(session, services, run, approval, person)
    if refused is not None:
        return refused, run.id
    answer = Answer(decision, person.id, person.name, comment)
    try:
        if BY_REPLY[run.target](session, services, approval, person, comment):
            return Reaction(Effect.DECIDED), run.id
        parent = _checked(session, services, run, approval, person, answer)
    except UserError as error:
        return Reaction(Effect.UNCLEAR, str(error)), run.id
    if approvals.decide(session, approval_id, approval.shown_sha256, answer, services.clock.now()):
        if parent is not None:
            runs.touch(session, run, parent=parent.model_dump(mode="json"))
        return Reaction(Effect.DECIDED), run.id
    session.refresh(approval)
    return Reaction(Effect.TOO_LATE, already(approval)), run.id


def find(session: Session, approval_id: int, shown_prefix: str | None) -> Approval | None:
    """Return a question that showed what the person saw, as far as the surface knows what that was."""
    approval = approvals.get(session, approval_id)
    other = shown_prefix is not None and (
        approval is None or not approval.shown_sha256.startswith(shown_prefix)
    )
    return None if other else approval


def refusal(
    session: Session, services: Services, run: Run, approval: Approval, person: Person
) -> Reaction | None:
    """Return what somebody is told who may not answer, once; None for who may."""
    if rights.may_decide(services.settings, person, run):
        return None
    if approvals.tell_once(session, approval, person.id):
        return Reaction(Effect.NOT_ALLOWED, controls.whose(services, run))
    return Reaction(Effect.NOT_ALLOWED_AGAIN)


def _checked(
    session: Session,
    services: Services,
    run: Run,
    approval: Approval,
    person: Person,
    answer: Answer,
) -> Parent | None:
    """Reserve what an approved plan takes; return the adapter that a reply wants to go on from.

    Raises: UserError: the answer cannot count as it is.
    """
    if approval.decision is not Decision.OPEN:
        return None
    if answer.decision is Decision.REVISE:
        if approval.gate in YES_OR_NO:
            raise UserError(YES_OR_NO[approval.gate])
        if run.target is Target.WORKFLOW:
            workflow_answers.check_words(session, approval, answer.comment or "")
            return None
        if approval.gate == GateKind.DATA:
            made_answers.check_words(session, approval, answer.comment or "")
            return None
        return further_wishes.read(session, run, approval, person, answer.comment or "")
    asks_for_time = approval.gate in {GateKind.PLAN, GateKind.CHANGE}
    if asks_for_time and answer.decision is Decision.APPROVE:
        refused = budget.reserve(session, services, run)
        if refused is not None:
            raise UserError(refused)
    return None


def already(approval: Approval) -> str:
    """Say who answered a question, how and when."""
    who = plain(approval.decided_by_name or "the clock", controls.NAME_CHARS)
    when = f"{approval.decided_at:%H:%M} UTC" if approval.decided_at else "earlier"
    return f"That was answered already: {approval.decision.value} by {who}, {when}."

"""Take or drop single edits of a change that is asked about: one row per edit, as long as the question stands."""

from sqlmodel import Session

from agents import work
from agents.services import Services
from bot import answering
from bot.answering import NOT_OPEN, Effect, Reaction
from bot.surface import Person
from configs.schema import GateKind
from storage import approvals, datasets, runs
from storage.models import Approval, Decision, Run

NOTHING_TO_CHOOSE = "There is nothing to choose from in that question."


def toggle(  # noqa: PLR0913  # the arguments of a transaction are the facts it needs
    session: Session,
    services: Services,
    approval_id: int,
    shown_prefix: str | None,
    person: Person,
    number: int,
    *,
    taken: bool,
) -> Reaction:
    """Take or drop edit `number`, from 1, of the question whether a change stays; the same again changes nothing."""
    approval = answering.find(session, approval_id, shown_prefix)
    if approval is None:
        return Reaction(Effect.TOO_LATE, NOT_OPEN)
    if approval.gate != GateKind.KEEP:
        return Reaction(Effect.UNCLEAR, NOTHING_TO_CHOOSE)
    run = runs.get(session, approval.run_id)
    refused = answering.refusal(session, services, run, approval, person)
    if refused is not None:
        return refused
    if approval.decision is not Decision.OPEN:
        return Reaction(Effect.TOO_LATE, answering.already(approval))
    if not _is_newest(session, run, approval):
        return Reaction(Effect.TOO_LATE, NOT_OPEN)
    edits = datasets.suggestions(session, approval.run_id, approval.iteration)
    if not edits:
        return Reaction(Effect.UNCLEAR, NOTHING_TO_CHOOSE)
    if number not in range(1, len(edits) + 1):
        return Reaction(Effect.UNCLEAR, f"There is no edit {number}; there are {len(edits)}.")
    edits[number - 1].taken = taken
    session.add(edits[number - 1])
    return Reaction(Effect.DECIDED)


def _is_newest(session: Session, run: Run, approval: Approval) -> bool:
    """Tell whether a question is the one about the round that its run is at, in its latest version."""
    latest = approvals.latest(session, work.number(run), GateKind.KEEP, run.iteration)
    return latest is not None and latest.id == approval.id

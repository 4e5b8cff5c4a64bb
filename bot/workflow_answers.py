"""What people may say and ask for once a run improves a workflow, beside ✅ and ❌: hand over what stands, choose among edits."""

import re

from sqlmodel import Session

from agents.services import Services, UserError
from agents.workflow_loop.reviewing import named_in
from bot import delivering, going_back
from bot.surface import Person
from configs.schema import GateKind
from storage import datasets, runs
from storage.models import Approval, Decision

ANSWERED = frozenset({GateKind.PLAN, GateKind.CHANGE, GateKind.EDIT, GateKind.KEEP})
"""Questions that handing over what stands answers."""
_BARE_NUMBERS = re.compile(r"[\d\s,&]+")


def by_reply(
    session: Session, services: Services, approval: Approval, person: Person, words: str | None
) -> bool:
    """Have what stands handed over where that is all that an answer to an open question says; tell whether it was.

    Raises: UserError: it cannot be.
    """
    wanted = delivering.wished(words or "")
    if wanted is None or approval.decision is not Decision.OPEN or approval.gate not in ANSWERED:
        return False
    run = runs.get(session, approval.run_id)
    going_back.deliver(session, services, run, wanted.number, person)
    return True


def check_words(session: Session, approval: Approval, words: str) -> None:
    """Refuse words about edits that nobody could follow: they would be taken for a wish. Raises: UserError."""
    if approval.gate != GateKind.KEEP:
        return
    edits = len(datasets.suggestions(session, approval.run_id, approval.iteration))
    if _BARE_NUMBERS.fullmatch(words.strip()):
        raise UserError(
            f"Do you want only {words.strip()}, or all others? Say “only …” or “without …”."
        )
    named = named_in(words)
    unknown = sorted(named[1] - frozenset(range(1, edits + 1))) if named else []
    if unknown:
        there = f"there are {edits}" if edits else "this change is a whole file and has none"
        raise UserError(f"There is no edit {unknown[0]}; {there}.")

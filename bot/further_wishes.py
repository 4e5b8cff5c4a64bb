"""Replies that want a run to go on from the adapter of an earlier one: read and checked before they count as an answer."""

from sqlmodel import Session

from agents import continuing
from agents.continuing import Parent
from agents.services import UserError
from bot import controls, rights, targets
from bot.surface import Person
from bot.targets import Verb
from configs.schema import GateKind
from storage.models import Approval, Run, Target

ASKED_ABOUT = frozenset({GateKind.PLAN, GateKind.CHANGE, GateKind.REPORT})
"""Questions whose answers may be about what is trained."""


def read(
    session: Session, run: Run, approval: Approval, person: Person, words: str
) -> Parent | None:
    """Return the adapter that a reply names; None where it names none.

    Raises: UserError: there is none, it is not this person's business, it does not fit, or it is too late for that.
    """
    number = continuing.named(words) if approval.gate in ASKED_ABOUT else None
    if number is None or run.target is not Target.MODEL:
        return None
    if run.iteration > 1 or approval.gate == GateKind.REPORT:
        raise UserError(
            f"A model has been tested on the rows of this run. Start a new run to go on from run #{number}."
        )
    earlier = session.get(Run, number)
    if earlier is None or not rights.may_see(person, earlier, run.guild):
        raise UserError(controls.none_here(number))
    if earlier.id == run.id:
        raise UserError(f"Run #{number} is this one. Name an earlier one.")
    targets.check(earlier, Verb.CONTINUE)
    parent = continuing.find(session, earlier)
    continuing.check(parent, run.model, ())
    return parent

"""Let the workflow of an earlier round stand again: as a row of its own, so that nothing that was is lost."""

from sqlmodel import Session

from agents import work
from agents.services import Services
from agents.workflow_loop import facts
from agents.workflow_loop.facts import RESTORED, Facts
from agents.workflow_loop.measuring import file_name
from storage import datasets
from storage.models import Artifact


def why(number: int, by: str) -> list[str]:
    """Return the triple of a plan that tells which round's workflow stands again, and by whom."""
    return [RESTORED, str(number), by]


def break_off(session: Session, services: Services, known: Facts) -> None:
    """Note of the round that a run is at that nothing has come of it, where it is not over."""
    run = known.run
    if known.rounds and known.rounds[-1].number == run.iteration and not known.rounds[-1].snapshot:
        name = file_name(known.given_name, f"finetune-iter{run.iteration}")
        session.add(facts.snapshot(run, known.stands.text, name, services))
        session.flush()


def restore(session: Session, services: Services, known: Facts, number: int) -> int:
    """Let the workflow as it was after a round stand from the next round on, and return which one that is.

    0 is the workflow as it was given. Raises: LookupError: there is no such round, or it is not over.
    """
    text = known.after(number)
    if text is None:
        raise LookupError(f"run {known.run.id} has no round {number} to go back to")
    break_off(session, services, known)
    begun = [one.number for one in known.rounds]
    following = max([*begun, 0]) + 1
    datasets.put_artifact(
        session,
        Artifact(
            run_id=work.number(known.run),
            iteration=following,
            kind=facts.SNAPSHOT,
            name=file_name(known.given_name, f"finetune-iter{following}"),
            sha256=text.sha256,
            size_bytes=text.size_bytes,
            created_at=services.clock.now(),
        ),
    )
    return following

"""What a person may do to a run that is there, each as one transaction: pause, resume, revert, deliver, cancel, export, publish."""

from collections.abc import Container

from sqlmodel import Session

from agents import work
from agents.jobs import ExportFormat
from agents.services import Services, UserError
from bot import (
    delivering,
    export_wishes,
    going_back,
    publish_wishes,
    reverting,
    reviving,
    rights,
    targets,
)
from bot.publish_wishes import Publish
from bot.surface import Person
from bot.targets import Verb
from bot.text import plain
from storage import events, runs
from storage.models import FINAL, Phase, Run, Target

NAME_CHARS = 60
REVERT = {Target.MODEL: reverting.revert, Target.WORKFLOW: going_back.revert}
DELIVER = {Target.MODEL: delivering.deliver, Target.WORKFLOW: going_back.deliver}


def none_here(run_id: int) -> str:
    """Say that there is no such run, or none that the person may see."""
    return f"There is no run #{run_id} here. `/finetune list` shows yours."


def whose(services: Services, run: Run) -> str:
    """Say who can answer a question of a run."""
    role = services.settings.guild(run.guild).approver_role_id
    others = f" or somebody with the role <@&{role}>" if role else ""
    owner = plain(run.owner_name, NAME_CHARS) or "the person who asked for this run"
    return f"Only {owner}{others} can answer this."


def pause(session: Session, services: Services, run_id: int, person: Person) -> str:
    """Have a run pause. Raises: UserError: it is over, paused already, or not the person's."""
    run = _mine(session, services, run_id, person)
    if run.phase in FINAL:
        raise UserError(f"Run #{run_id} is over ({run.phase.value}); there is nothing to pause.")
    if run.paused:
        raise UserError(f"Run #{run_id} is paused already. `/finetune resume` goes on.")
    runs.touch(session, run, paused=True)
    return f"Run #{run_id} pauses as soon as a checkpoint is saved. `/finetune resume` goes on."


def resume(session: Session, services: Services, run_id: int, person: Person) -> str:
    """Have a paused or failed run go on. Raises: UserError: it is neither, or not the person's."""
    run = _mine(session, services, run_id, person)
    if run.phase is Phase.FAILED:
        reviving.revive(session, services, run)
    elif run.paused:
        runs.touch(session, run, paused=False)
    else:
        raise UserError(f"Run #{run_id} is neither paused nor failed; it is {run.phase.value}.")
    events.unsettle(session, run_id)
    return f"Run #{run_id} goes on."


def revert(session: Session, services: Services, run_id: int, person: Person, to: int) -> str:
    """Have a run go back to the plan of try `to`, or to the workflow after round `to`. Raises: UserError."""
    run = _mine(session, services, run_id, person)
    return REVERT[run.target](session, services, run, to, person)


def deliver(
    session: Session, services: Services, run_id: int, person: Person, number: int | None
) -> str:
    """Have a try handed over, without a number the best one so far, or the workflow that stands. Raises: UserError."""
    run = _mine(session, services, run_id, person)
    return DELIVER[run.target](session, services, run, number, person)


def export(
    session: Session, services: Services, run_id: int, person: Person, wanted: ExportFormat
) -> str:
    """Note that an adapter is wanted in another format. Raises: UserError."""
    run = _mine(session, services, run_id, person)
    targets.check(run, Verb.EXPORT)
    return export_wishes.note(session, run, wanted)


def publish(
    session: Session, services: Services, run_id: int, person: Person, wish: Publish
) -> str:
    """Note that something delivered is to be published. Raises: UserError."""
    run = _mine(session, services, run_id, person)
    targets.check(run, Verb.PUBLISH)
    return publish_wishes.note(session, services, run, wish)


def cancel(session: Session, services: Services, run_id: int, person: Person) -> str:
    """Cancel a run, or what a delivered run was asked for later. Raises: UserError: it is over, or not the person's."""
    run = _mine(session, services, run_id, person)
    if run.phase in FINAL:
        raise UserError(f"Run #{run_id} is over already ({run.phase.value}).")
    after_delivery = _back_to_rest(session, services, run)
    if after_delivery is not None:
        return after_delivery
    work.cancel(session, services, run, by=person.name)
    return f"Run #{run_id} is cancelled; anything that runs for it stops within half a minute."


def _back_to_rest(session: Session, services: Services, run: Run) -> str | None:
    """End what a delivered run was asked for later, and say so: what was delivered before stays delivered."""
    if run.phase is Phase.EXPORTING:
        runs.move(session, run, Phase.DELIVERED, exports=[], ended_at=services.clock.now())
        return f"Run #{run.id} is not written in another format after all; its adapter stays."
    if run.phase is Phase.PUBLISHING:
        return publish_wishes.take_back(session, services, run)
    return None


def leave(session: Session, services: Services, guilds: Container[str]) -> None:
    """Cancel what open runs of these servers are at."""
    for run in runs.open_runs(session):
        if run.guild is None or run.guild not in guilds:
            continue
        if _back_to_rest(session, services, run) is None:
            work.cancel(session, services, run, by="the server, which removed the bot")


def _mine(session: Session, services: Services, run_id: int, person: Person) -> Run:
    run = find(session, run_id)
    if run is None:
        raise UserError(none_here(run_id))
    if not rights.may_decide(services.settings, person, run):
        raise UserError(whose(services, run).replace("answer this", "do that"))
    return run


def find(session: Session, run_id: int) -> Run | None:
    """Return a run; None where there is none."""
    return session.get(Run, run_id)

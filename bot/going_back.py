"""The workflow of an earlier round: let it stand again, or have it handed over, at any time."""

from sqlmodel import Session

from agents import work
from agents.drafts import Revert
from agents.services import Services, UserError
from agents.workflow_loop import facts, restoring
from agents.workflow_loop.facts import Facts
from bot.surface import Person
from configs.in_force import in_force
from configs.schema import GateKind
from storage import approvals, events, jobs, runs
from storage.approvals import Answer
from storage.jobs import Closing
from storage.models import Decision, JobState, Phase, Plan, Run

RESTS = frozenset({Phase.REVIEWING, Phase.DELIVERED, Phase.FAILED})
"""Where a run can go back."""
NOT_BEGUN = frozenset({Phase.PREPARING, Phase.APPROVING})
"""Before the first round."""
ANSWERED = frozenset({GateKind.KEEP, GateKind.EDIT})
"""Questions about a change that is not taken."""


def revert(session: Session, services: Services, run: Run, to: int, person: Person) -> str:
    """Let the workflow as it was after round `to` stand again, begin a round with it, and return what to tell the person.

    0 is the workflow as it was given. A change that somebody is asked about is left.
    Raises: UserError: there is no such round, that workflow stands already, or the run is busy or over.
    """
    known = facts.read(session, services, work.number(run))
    _check_rests(session, known)
    _check_there(known, to)
    if _is_what_stands(known, to):
        raise UserError(
            f"The workflow {_as(to)} is what stands in run #{run.id} already: there is nothing to go back to."
        )
    _leave_questions(session, services, known, person, "policy:reverted")
    following = restoring.restore(session, services, known, to)
    wish = Revert(iteration=to, by=person.name).model_dump(mode="json")
    runs.bring_back(session, run, Phase.PLANNING, iteration=following, revert=wish)
    events.unsettle(session, work.number(run))
    text = (
        f"{person.name} lets the workflow {_as(to)} stand again. Round {following} begins with it."
    )
    _notice(session, services, run, f"Back to round {to}", text, "reverted")
    return (
        f"In run #{run.id} the workflow {_as(to)} stands again. Round {following} begins with it."
    )


def deliver(
    session: Session, services: Services, run: Run, number: int | None, person: Person
) -> str:
    """Have the workflow that stands handed over, or the one after a round, and return what to tell the person.

    Work for a round that is under way is stopped, and a change that somebody is asked about is left.
    Raises: UserError: there is no such round, it was handed over before, or nothing has begun or all is over.
    """
    known = facts.read(session, services, work.number(run))
    _check_begun(known)
    if number is not None:
        _check_there(known, number)
    if number == 0:
        raise UserError(
            f"Round 0 of run #{run.id} is the workflow as you gave it: there is nothing to hand over."
        )
    changes = number is not None and not _is_what_stands(known, number)
    if not changes and run.phase is Phase.DELIVERED:
        raise UserError(
            f"The workflow {_as(number)} was handed over by run #{run.id} already. `/finetune download` gives a new link."
        )
    stopped = _stop_work(session, services, known)
    _leave_questions(session, services, known, person, "policy:delivered")
    iteration = _closed(session, services, known, number if changes else None, person)
    runs.bring_back(session, run, Phase.DELIVERING, iteration=iteration, revert=None)
    events.unsettle(session, work.number(run))
    text = f"{person.name} takes the workflow {_as(number)}.{stopped}"
    _notice(session, services, run, "Handing over", text, "handing-over")
    return f"Run #{run.id} hands over the workflow {_as(number)}, after a last comparison.{stopped}"


def _as(number: int | None) -> str:
    """Say which workflow is meant."""
    if number is None:
        return "as it stands"
    return f"as it was after round {number}" if number else "as it was given"


def _check_rests(session: Session, known: Facts) -> None:
    """Refuse where a run is busy or over. Raises: UserError."""
    run = known.run
    _check_not_cancelled(run)
    if run.phase not in RESTS:
        raise UserError(
            f"Run #{run.id} is busy ({run.phase.value}). It can go back while it asks whether a change stays, and when it has "
            "been handed over or has failed."
        )
    mine = jobs.own_of_run(session, work.number(run))
    if any(job.state is not JobState.CLOSED for job in mine):
        raise UserError(f"Work for run #{run.id} is being stopped. Try again in half a minute.")


def _check_begun(known: Facts) -> None:
    """Refuse where nothing can be handed over now. Raises: UserError."""
    run = known.run
    _check_not_cancelled(run)
    at = run.failed_phase if run.phase is Phase.FAILED else run.phase
    if not known.rounds or at in NOT_BEGUN:
        raise UserError(
            f"Run #{run.id} has not begun a round yet: what stands is the workflow as you gave it. `/finetune cancel` ends it."
        )
    if at is Phase.DELIVERING:
        raise UserError(
            f"Run #{run.id} is handing over already. Try again when that is over, or `/finetune resume` it where it has failed."
        )


def _check_not_cancelled(run: Run) -> None:
    if run.phase is Phase.CANCELLED:
        raise UserError(f"Run #{run.id} was cancelled, and that is for good. Start a new one.")


def _check_there(known: Facts, number: int) -> None:
    if known.after(number) is None:
        there = [0, *(one.number for one in known.rounds if one.snapshot is not None)]
        raise UserError(
            f"Run #{known.run.id} has no round {number} that is over. There is: {', '.join(map(str, there))}; 0 is the workflow as "
            "you gave it."
        )


def _is_what_stands(known: Facts, number: int | None) -> bool:
    wanted = None if number is None else known.after(number)
    return wanted is None or wanted.sha256 == known.stands.text.sha256


def _leave_questions(
    session: Session, services: Services, known: Facts, person: Person, by: str
) -> None:
    """Answer what is asked about a change: it is not taken. Other questions need no answer any more."""
    run_id, now = work.number(known.run), services.clock.now()
    for question in approvals.open_of_run(session, run_id):
        if question.gate in ANSWERED:
            answer = Answer(Decision.REJECT, person.id, person.name)
            approvals.decide(session, question.id or 0, question.shown_sha256, answer, now)
    approvals.void(session, run_id, now, by=by)


def _stop_work(session: Session, services: Services, known: Facts) -> str:
    """Close what has not been started, and say that what runs is stopped."""
    mine = jobs.own_of_run(session, work.number(known.run))
    busy = [job for job in mine if job.state is not JobState.CLOSED]
    closing = Closing("cancelled", error="somebody takes what stands")
    for job in busy:
        if job.state is JobState.QUEUED:
            jobs.close(session, job.id, closing, services.clock.now())
    return " What runs for a round stops within half a minute." if busy else ""


def _closed(
    session: Session, services: Services, known: Facts, number: int | None, person: Person
) -> int:
    """Close the round under way, let another workflow stand where one is named, and return what the hand-over belongs to."""
    last = known.rounds[-1]
    if number is None and last.number == known.run.iteration:
        restoring.break_off(session, services, known)
        return last.number
    if number is None:  # the round that a run was about to begin has no plan yet
        wanted = known.run.revert
        number = last.number if wanted is None else Revert.model_validate(wanted).iteration
    following = restoring.restore(session, services, known, number)
    session.add(
        Plan(
            run_id=work.number(known.run),
            iteration=following,
            revision=0,
            recipe=last.plan.recipe,
            why=[restoring.why(number, person.name)],
            settings=in_force(services.settings),
            created_at=services.clock.now(),
        )
    )
    session.flush()
    return following


def _notice(
    session: Session, services: Services, run: Run, title: str, text: str, what: str
) -> None:
    shown = {"title": title, "text": text}
    key = f"v{run.version}:{what}"
    events.say(session, work.number(run), "notice", key, shown, services.clock.now())

"""Go back to the plan of an earlier try: whether a run can, and noting that it should."""

from sqlmodel import Session

from agents.drafts import Revert
from agents.jobs import JobKind
from agents.recipe import Recipe
from agents.services import Services, UserError
from bot.surface import Person
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.approvals import Answer
from storage.models import Approval, Decision, JobState, Phase, Plan, Run

ANSWERED = {
    Phase.APPROVING: frozenset({GateKind.PLAN, GateKind.CHANGE}),
    Phase.REVIEWING: frozenset({GateKind.REPORT}),
}
"""Questions that going back answers, by the phase in which they stand."""
LATER = frozenset({Phase.EXPORTING, Phase.PUBLISHING})
TRAININGS = frozenset({JobKind.TRAIN, JobKind.TRAIN_REWARD})


def revert(session: Session, services: Services, run: Run, to: int, person: Person) -> str:
    """Have the next plan start from that of try `to`, and return what to tell the person. The plan is asked about as always.

    A question about the latest plan or result is answered by it. A try whose plan was never carried out gets another
    version of its plan; otherwise a new try begins.
    Raises: UserError: there is no such try, the latest plan is the same, or the run is busy or over.
    """
    assert run.id is not None
    last = datasets.latest_plan(session, run.id)
    earlier = datasets.latest_plan(session, run.id, to)
    if last is None or earlier is None:
        raise UserError(f"Run #{run.id} has no try {to}. `/finetune history` lists its tries.")
    question = _answered_by_it(session, run)
    _check(session, run, question)
    if earlier.recipe == last.recipe:
        raise UserError(
            f"The latest plan of run #{run.id} is that of try {to} already: there is nothing to go back to."
        )
    services.model_ref(Recipe.model_validate(earlier.recipe).model)
    now = services.clock.now()
    if question is not None and question.id is not None:
        answer = Answer(Decision.REVISE, person.id, person.name, f"Back to the plan of try {to}.")
        approvals.decide(session, question.id, question.shown_sha256, answer, now)
    approvals.void(session, run.id, now, by="policy:reverted")
    number = _next_try(session, run.id, last)
    wish = Revert(iteration=to, by=person.name).model_dump(mode="json")
    runs.bring_back(session, run, Phase.PLANNING, iteration=number, revert=wish)
    events.unsettle(session, run.id)
    shown = {
        "title": f"Back to try {to}",
        "text": f"{person.name} goes back to the plan of try {to}. It follows as the plan for try {number}, with a question.",
    }
    events.say(session, run.id, "notice", f"v{run.version}:reverted", shown, now)
    return f"Run #{run.id} goes back to the plan of try {to}. I ask about it in its thread, as the plan for try {number}."


def _answered_by_it(session: Session, run: Run) -> Approval | None:
    assert run.id is not None
    gates = ANSWERED.get(run.phase, frozenset())
    return next((a for a in approvals.open_of_run(session, run.id) if a.gate in gates), None)


def _check(session: Session, run: Run, question: Approval | None) -> None:
    """Refuse where a run is busy or over. Raises: UserError."""
    assert run.id is not None
    if run.phase is Phase.CANCELLED:
        raise UserError(f"Run #{run.id} was cancelled, and that is for good. Start a new one.")
    if run.phase is Phase.FAILED and run.failed_phase in LATER:
        raise UserError(
            f"Run #{run.id} has failed after its adapter was handed over. `/finetune resume` brings it back first."
        )
    if question is None and run.phase not in {Phase.DELIVERED, Phase.FAILED}:
        raise UserError(
            f"Run #{run.id} is busy ({run.phase.value}). It can go back while it asks about a plan or a result, and when it "
            "has been handed over or has failed."
        )
    if any(job.state is not JobState.CLOSED for job in jobs.own_of_run(session, run.id)):
        raise UserError(f"Work for run #{run.id} is being stopped. Try again in half a minute.")


def _next_try(session: Session, run_id: int, last: Plan) -> int:
    """Return the number of the try that the plan is for."""
    trained = any(
        job.kind in TRAININGS and job.iteration == last.iteration
        for job in jobs.of_run(session, run_id)
    )
    return last.iteration + 1 if trained else last.iteration

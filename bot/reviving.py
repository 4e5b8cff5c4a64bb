"""Bring a failed run back to where it failed, because a person resumes it."""

from sqlmodel import Session

from agents import gates, work
from agents.jobs import IntakeResult, JobKind, WorkflowWish
from agents.services import Services
from agents.workflow.workplace import models_ref
from configs.schema import GateKind
from storage import approvals, budgets, datasets, events, jobs, runs
from storage.models import Decision, Phase, Run, Target

WORK = {
    Phase.PREPARING: JobKind.WORKFLOW_READ,
    Phase.BUILDING: JobKind.WORKFLOW_PROPOSE,
    Phase.EVALUATING: JobKind.WORKFLOW_MEASURE,
    Phase.DELIVERING: JobKind.WORKFLOW_CLAIM,
}
"""What a run that improves a workflow has a machine do, by its phase."""


def revive(session: Session, services: Services, run: Run) -> None:
    """Bring a failed run back to where it failed; a question that expired is asked anew."""
    REVIVE[run.target](session, services, run, run.failed_phase or Phase.PREPARING)
    events.say(
        session,
        work.number(run),
        "notice",
        f"v{run.version}:resumed",
        {"title": "Resumed", "text": "This run goes on where it stopped."},
        services.clock.now(),
    )


def _model(session: Session, services: Services, run: Run, phase: Phase) -> None:
    if phase is Phase.APPROVING:
        phase = Phase.PLANNING
    if phase is Phase.DEBUGGING:
        phase = Phase.PLANNING if run.best_iteration is None else Phase.REVIEWING
    iteration = run.best_iteration or run.iteration if phase is Phase.REVIEWING else run.iteration
    runs.bring_back(session, run, phase, iteration=iteration)
    if phase is Phase.REVIEWING:
        _ask_again(session, services, work.number(run), iteration)
    else:
        _read_again(session, services, work.number(run))
        work.reopen_failed(session, services, run)
        budgets.reopen(session, work.number(run), iteration)


def _workflow(session: Session, services: Services, run: Run, phase: Phase) -> None:
    """Let a further attempt go on from the journal of the one that failed, with the models as they are configured now."""
    run_id = work.number(run)
    runs.bring_back(session, run, Phase.PLANNING if phase is Phase.APPROVING else phase)
    if phase is Phase.REVIEWING:
        _ask_about_change_again(session, services, run_id)
        return
    kind = WORK.get(phase)
    job = None if kind is None else jobs.latest(session, run_id, kind, run.iteration)
    if job is not None:
        wish = WorkflowWish.model_validate(run.workflow or {})
        models = models_ref(services.settings, wish.ollama_url)
        work.try_again(session, services, job, models=models.model_dump(mode="json"))
    budgets.reopen(session, run_id, run.iteration)


REVIVE = {Target.MODEL: _model, Target.WORKFLOW: _workflow}


def _ask_again(session: Session, services: Services, run_id: int, iteration: int) -> None:
    report = datasets.report_of(session, run_id, iteration)
    last = approvals.latest(session, run_id, GateKind.REPORT, iteration)
    if report is None or last is None:
        raise LookupError(f"run {run_id} has no report to ask about again")
    run = runs.fresh(session, run_id)
    gates.ask_about_report(session, services, run, report, revision=last.revision + 1)


def _ask_about_change_again(session: Session, services: Services, run_id: int) -> None:
    """Ask anew whether a change stays, as it was asked before, where nobody has answered that."""
    run = runs.fresh(session, run_id)
    last = approvals.latest(session, run_id, GateKind.KEEP, run.iteration)
    if last is None or last.decision is not Decision.EXPIRED:
        return
    key = f"i{run.iteration}:gate:{GateKind.KEEP}:{last.revision}"
    asked = events.find(session, run_id, key)
    if asked is None:
        raise LookupError(f"run {run_id} has no change to ask about again")
    shown = {name: value for name, value in asked.payload.items() if name != "approval_id"}
    gates.ask(session, services, run, GateKind.KEEP, revision=last.revision + 1, shown=shown)


def _read_again(session: Session, services: Services, run_id: int) -> None:
    """Ask anew how the columns are to be read, where that question has expired."""
    run = runs.fresh(session, run_id)
    last = approvals.latest(session, run_id, GateKind.READING, run.iteration)
    if run.phase is not Phase.PREPARING or last is None or last.decision is not Decision.EXPIRED:
        return
    found = [job.payload for job in jobs.of_run(session, run_id) if job.kind == JobKind.INTAKE]
    choices = [IntakeResult.model_validate(payload) for payload in found if payload]
    gates.ask_about_reading(
        session,
        services,
        run,
        next(result for result in choices if result.readings),
        revision=last.revision + 1,
        note=None,
    )

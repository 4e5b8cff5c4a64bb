"""Bring a failed run back to where it failed, because a person resumes it."""

from sqlmodel import Session

from agents import gates, work
from agents.jobs import IntakeResult, JobKind
from agents.services import Services
from configs.schema import GateKind
from storage import approvals, budgets, datasets, events, jobs, runs
from storage.models import Decision, Phase, Run


def revive(session: Session, services: Services, run: Run) -> None:
    """Bring a failed run back to where it failed; a question that expired is asked anew."""
    phase = run.failed_phase or Phase.PREPARING
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
    events.say(
        session,
        work.number(run),
        "notice",
        f"v{run.version}:resumed",
        {"title": "Resumed", "text": "This run goes on where it stopped."},
        services.clock.now(),
    )


def _ask_again(session: Session, services: Services, run_id: int, iteration: int) -> None:
    report = datasets.report_of(session, run_id, iteration)
    last = approvals.latest(session, run_id, GateKind.REPORT, iteration)
    if report is None or last is None:
        raise LookupError(f"run {run_id} has no report to ask about again")
    run = runs.fresh(session, run_id)
    gates.ask_about_report(session, services, run, report, revision=last.revision + 1)


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

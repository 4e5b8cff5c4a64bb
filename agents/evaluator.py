"""Measure base against tuned on the sealed rows, say what the evidence allows, ask whether it is good enough."""

from dataclasses import dataclass

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import continuing, gates, judging, planning, work
from agents.jobs import EvaluateResult, EvaluateSpec, JobKind, JobOutcome, TrainResult
from agents.recipe import Recipe
from agents.services import Services, UserError
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import GateKind
from storage import approvals, datasets, jobs, runs
from storage.models import Approval, Dataset, Decision, EvaluationReport, Job, Phase, Plan, Run


@dataclass(frozen=True)
class _Known:
    run: Run
    plan: Plan
    test: Dataset
    training: Job
    earlier: list[EvaluationReport]
    reward_dir: str | None
    best_dev_loss: float | None
    """Of the best iteration so far, for choosing what is kept: dev decides, never the test set."""


async def evaluate(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Have base and tuned answer the same sealed rows; keep the report and ask about it."""
    services = runtime.context
    known = await services.db.read(_known, services, state["run_id"])
    trained = TrainResult.model_validate(work.payload(known.training))
    if trained.adapter_dir is None:
        raise UserError(
            "The training was stopped before it had anything to measure. `resume` goes on with it."
        )
    expected_s = planning.Estimate(**known.plan.estimate).evaluate_s
    job = await work.finished(
        services,
        known.run,
        JobKind.EVALUATE,
        _spec(services, known, trained),
        expected_s=expected_s,
    )
    await services.db.write(_save, services, known, trained, job)
    return state


async def review(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Wait for the answer to the report: ✅ hands over, ❌ or words go to the debugger."""
    services = runtime.context
    run, asked = await services.db.read(_question, state["run_id"])
    if asked is None:
        raise LookupError(f"run {run.id} is under review without a question")
    if asked.decision is Decision.OPEN:
        wait_for(asked)
    await services.db.write(_go_on, services, run, asked)
    return state


def _known(session: Session, services: Services, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    test = datasets.find(session, run_id, "test")
    training = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    if plan is None or test is None or training is None:
        raise LookupError(f"run {run_id} has nothing to evaluate in iteration {run.iteration}")
    best = None
    if run.best_iteration is not None:
        best = jobs.latest(session, run_id, JobKind.TRAIN, run.best_iteration)
    return _Known(
        run=run,
        plan=plan,
        test=test,
        training=training,
        reward_dir=work.reward_dir(session, services, run, run.iteration),
        earlier=[r for r in datasets.reports(session, run_id) if r.iteration != run.iteration],
        best_dev_loss=_dev_loss(TrainResult.model_validate(work.payload(best))) if best else None,
    )


def _spec(services: Services, known: _Known, trained: TrainResult) -> EvaluateSpec:
    recipe = Recipe.model_validate(known.plan.recipe)
    return EvaluateSpec(
        model=services.model_ref(recipe.model),
        adapter_dir=str(services.job_folder(known.training.id) / (trained.adapter_dir or "")),
        adapter_sha256=trained.adapter_sha256,
        test=work.file_ref(services, known.test),
        recipe=recipe,
        reward_dir=known.reward_dir,
        earlier_p_values=tuple(report.p_value for report in known.earlier),
        parent=continuing.adapter_of(services, known.run),
        earlier_parent_p_values=tuple(
            found.against_parent.p_value
            for report in known.earlier
            if (found := EvaluateResult.model_validate(report.payload)).against_parent
        ),
        threads=services.settings.launcher.threads,
        **judging.fields(services, known.plan, JobKind.EVALUATE),
    )


def _save(
    session: Session, services: Services, known: _Known, trained: TrainResult, job: Job
) -> None:
    run = known.run
    result = EvaluateResult.model_validate(work.payload(job))
    report = EvaluationReport(
        run_id=work.number(run),
        iteration=run.iteration,
        job_id=job.id,
        verdict=result.verdict,
        primary_metric=result.primary.metric,
        gain=result.primary.gain,
        p_value=result.primary.p_value,
        items=result.items,
        partial=known.training.outcome == JobOutcome.STOPPED,
        payload=result.model_dump(mode="json"),
        created_at=services.clock.now(),
    )
    session.add(report)
    session.flush()
    loss = _dev_loss(trained)
    better = known.best_dev_loss is None or (loss is not None and loss < known.best_dev_loss)
    gates.ask_about_report(session, services, run, report, revision=0)
    best = run.iteration if better else run.best_iteration
    runs.move(session, run, Phase.REVIEWING, best_iteration=best)


def _question(session: Session, run_id: int) -> tuple[Run, Approval | None]:
    run = runs.get(session, run_id)
    return run, approvals.latest(session, run_id, GateKind.REPORT, run.iteration)


def _go_on(session: Session, services: Services, run: Run, asked: Approval) -> None:
    if asked.decision is Decision.APPROVE:
        runs.move(session, run, Phase.DELIVERING)
    elif asked.decision is Decision.EXPIRED:
        work.fail(
            session, services, run, "Nobody answered the report in time. `resume` asks again."
        )
    else:
        runs.move(session, run, Phase.DEBUGGING)


def _dev_loss(trained: TrainResult) -> float | None:
    at_best = [loss for step, loss in trained.dev_losses if step == trained.best_step]
    return at_best[-1] if at_best else None

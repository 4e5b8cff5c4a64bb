"""Measure base against tuned on the sealed rows, say what the evidence allows, ask whether it is good enough."""

import logging
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import continuing, gates, judging, kept, planning, work
from agents.jobs import (
    EvaluateResult,
    EvaluateSpec,
    FileRef,
    IntakeResult,
    JobKind,
    JobOutcome,
    Rival,
    TrainResult,
)
from agents.recipe import Method, Metric, Recipe
from agents.services import Services, UserError
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import EvaluationSettings, GateKind
from storage import approvals, datasets, jobs, runs
from storage.files import StoredFile
from storage.models import Approval, Dataset, Decision, EvaluationReport, Job, Phase, Plan, Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    run: Run
    plan: Plan
    test: Dataset
    train: Dataset | None
    labels: tuple[str, ...]
    """The answers there are, where they are few."""
    learnt: list[Dataset]
    """Rows that this try has learnt from, and those that chose."""
    training: Job
    earlier: list[EvaluationReport]
    """Of this test set, by whichever run."""
    reward_model: dict[str, Any]
    answers: Dataset | None
    """What base and earlier adapter said to these test rows, where they were asked before."""
    best: EvaluationReport | None
    """Of the best try before this one."""
    best_answers: Dataset | None
    """What that one has answered."""
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
    answers = await _kept_answers(services, job)
    await services.db.write(_save, services, known, trained, job, answers)
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
    before = run.best_iteration if run.best_iteration != run.iteration else None
    return _Known(
        run=run,
        plan=plan,
        test=test,
        train=datasets.find(session, run_id, "train"),
        labels=_labels(jobs.latest(session, run_id, JobKind.INTAKE)),
        learnt=[
            rows
            for rows in (
                datasets.train_of(session, run_id, run.iteration),
                datasets.find(session, run_id, "dev"),
            )
            if rows is not None
        ],
        training=training,
        reward_model=work.reward_model(session, services, run, run.iteration),
        answers=datasets.known_answers(session, test),
        earlier=[
            report
            for report in datasets.openings(session, run_id)
            if (report.run_id, report.iteration) != (run_id, run.iteration)
        ],
        best=None if before is None else datasets.report_of(session, run_id, before),
        best_answers=None
        if before is None
        else datasets.find(session, run_id, datasets.role_of_try(datasets.ANSWERS, before)),
        best_dev_loss=TrainResult.model_validate(work.payload(best)).best_dev_loss
        if best
        else None,
    )


def _spec(services: Services, known: _Known, trained: TrainResult) -> EvaluateSpec:
    recipe = kept.recipe_of(known.plan, known.training)
    earlier = [EvaluateResult.model_validate(report.payload) for report in known.earlier]
    return EvaluateSpec(
        model=services.model_ref(recipe.model),
        adapter_dir=str(services.job_folder(known.training.id) / (trained.adapter_dir or "")),
        adapter_sha256=trained.adapter_sha256,
        test=work.file_ref(services, known.test),
        recipe=recipe,
        earlier_p_values=tuple(report.p_value for report in known.earlier),
        parent=continuing.adapter_of(services, known.run),
        earlier_parent_p_values=tuple(
            found.against_parent.p_value for found in earlier if found.against_parent
        ),
        rival=_rival(services, known),
        earlier_rival_p_values=tuple(
            found.against_try.p_value for found in earlier if found.against_try
        ),
        train=None if known.train is None else work.file_ref(services, known.train),
        metric_plugins=services.settings.evaluation.metric_plugins,
        known_answers=work.file_ref(services, known.answers) if known.answers else None,
        task=known.run.goal,
        learnt=tuple(
            continuing.learnt_rows(services, _learnt(rows, known.run)) for rows in known.learnt
        ),
        learnt_before=continuing.rows(services, continuing.parent_of(known.run)),
        prompted=services.settings.evaluation.prompted_base and recipe.method is Method.SFT,
        labels=known.labels,
        general_margin_points=_margin(services.settings.evaluation, recipe),
        swap_rows=_swap_rows(services, known, recipe),
        swap_budget_s=services.settings.evaluation.swap_budget_s,
        threads=services.settings.launcher.threads,
        **known.reward_model,
        **judging.fields(services, known.plan, JobKind.EVALUATE),
    )


def _rival(services: Services, known: _Known) -> Rival | None:
    if known.best_answers is None or known.best is None:
        return None
    return Rival(
        iteration=known.best.iteration,
        metric=Metric(known.best.primary_metric),
        answers=work.file_ref(services, known.best_answers),
    )


def _labels(intake: Job | None) -> tuple[str, ...]:
    return IntakeResult.model_validate(work.payload(intake)).labels if intake else ()


def _learnt(rows: Dataset, run: Run) -> continuing.Learnt:
    return continuing.Learnt(
        role=rows.role, sha256=rows.sha256, size_bytes=rows.size_bytes, task=run.goal
    )


def _margin(settings: EvaluationSettings, recipe: Recipe) -> float | None:
    asked = settings.general_suite and recipe.method is not Method.REWARD
    return settings.general_margin_points if asked else None


def _swap_rows(services: Services, known: _Known, recipe: Recipe) -> FileRef | None:
    """Return the dev rows, which are asked with one attribute changed: the sealed rows are opened for nothing but the verdict."""
    if not services.settings.evaluation.swapped_prompts or recipe.method is not Method.SFT:
        return None
    dev = next((rows for rows in known.learnt if rows.role == "dev"), None)
    return None if dev is None else work.file_ref(services, dev)


async def _kept_answers(services: Services, job: Job) -> dict[str, StoredFile]:
    """Keep what models answered, by the role it plays.

    A later evaluation need not ask for it again, and a person's words are counted in it; without it nothing else is lost.
    """
    result = EvaluateResult.model_validate(work.payload(job))
    written = {
        datasets.KNOWN_ANSWERS: result.known_answers,
        datasets.role_of_try(datasets.ANSWERS, job.iteration): result.answers,
    }
    kept = {}
    for role, file in written.items():
        try:
            if file is not None:
                kept[role] = await work.keep(services, job, file)
        except (OSError, ValueError) as error:
            log.warning("the %s of job %s are not kept: %s", role, job.id, error)
    return kept


def _save(
    session: Session,
    services: Services,
    known: _Known,
    trained: TrainResult,
    job: Job,
    answers: dict[str, StoredFile],
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
    for role, file in answers.items():
        datasets.replace(
            session,
            Dataset(
                run_id=work.number(run),
                role=role,
                name=f"{role}.jsonl",
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                created_at=services.clock.now(),
            ),
        )
    loss = trained.best_dev_loss
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

"""Decide what to do, have it approved, hand over the result."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime
from pydantic import TypeAdapter
from sqlmodel import Session

from agents import delivery, feedback, gates, methods, planning, work
from agents.jobs import (
    EvaluateResult,
    FileRef,
    IntakeResult,
    JobKind,
    MeasureResult,
    MeasureSpec,
    TrainResult,
)
from agents.recipe import CHANGES, Method, Recipe
from agents.services import Services, UserError
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Approval, Artifact, Dataset, Decision, Job, Phase, Plan, Run, Suggestion

MEASURING_SECONDS = 60.0
ORIGINS = TypeAdapter(list[tuple[str, str, str]])


@dataclass(frozen=True)
class _Known:
    """The rows that a plan is made from."""

    run: Run
    data: IntakeResult
    train: Dataset
    before: Plan | None
    """The plan that this one changes: the last revision, or the last iteration's plan."""
    answer: Approval | None
    """The reply that asked for this revision."""
    suggestions: list[Suggestion]


@dataclass(frozen=True)
class _Draft:
    """A plan in the making."""

    recipe: Recipe
    origins: list[planning.Origin]
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    asked: str | None = None


async def plan(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Measure model and rows, make a plan by rules and wishes, and ask for approval."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    model = _wished_model(known) or known.run.model
    measured_job = await _measured(services, known, model)
    measured = MeasureResult.model_validate(work.payload(measured_job))
    draft = await _draft(services, known, model, measured)
    batch = MeasureSpec.model_validate(measured_job.spec).recipe.batch_size
    estimate = planning.estimate(draft.recipe, known.data, measured, batch)
    await services.db.write(_save_plan, services, known, draft, estimate)
    return state


async def approve(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Wait for the answer to the plan and go where it points. A ❌ asks what should be different."""
    services = runtime.context
    run, asked, change = await services.db.read(_questions, state["run_id"])
    if asked is None:
        raise LookupError(f"run {run.id} is being approved without a question")
    open_one = next((a for a in (change, asked) if a and a.decision is Decision.OPEN), None)
    if open_one is not None:
        wait_for(open_one)
    if asked.decision is Decision.REJECT and change is None:
        await services.db.write(_ask_what_to_change, services, run, asked)
        return state
    await services.db.write(_go_on, services, run, change or asked)
    return state


async def deliver(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Pack the adapter with model card and lock file, and say where to get it."""
    services = runtime.context
    parcel = await services.db.read(_parcel, services, state["run_id"])
    packed = await asyncio.to_thread(delivery.pack, services, parcel)
    await services.db.write(_save_delivery, services, parcel, packed)
    return state


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    intake_job = jobs.latest(session, run_id, JobKind.INTAKE)
    train = datasets.find(session, run_id, "train")
    if intake_job is None or train is None:
        raise LookupError(f"run {run_id} has no data to plan with")
    this = datasets.latest_plan(session, run_id, run.iteration)
    answer = None
    if this is not None:
        for gate in (GateKind.CHANGE, GateKind.PLAN):
            answer = answer or approvals.find(session, run_id, gate, run.iteration, this.revision)
    return _Known(
        run=run,
        data=IntakeResult.model_validate(work.payload(intake_job)),
        train=train,
        before=this or datasets.latest_plan(session, run_id),
        answer=answer,
        suggestions=datasets.suggestions(session, run_id, run.iteration - 1)
        if this is None
        else [],
    )


def _wished_model(known: _Known) -> str | None:
    """Return the model of the last plan; a wish or reply for another one is seen when the draft is made."""
    return Recipe.model_validate(known.before.recipe).model if known.before else None


async def _measured(services: Services, known: _Known, model: str) -> Job:
    if known.answer is not None and known.answer.comment:
        for change in feedback.by_rules(
            known.answer.comment, list(services.settings.models.catalogue)
        ):
            if change.field == "model":
                model = str(change.value)
    spec = MeasureSpec(
        model=services.model_ref(model),
        train=FileRef(
            path=str(services.files.path(known.train.sha256)),
            sha256=known.train.sha256,
            size_bytes=known.train.size_bytes,
        ),
        recipe=methods.measurable(_start(known, model)),
        threads=services.settings.launcher.threads,
    )
    last = await services.db.read(jobs.latest, work.number(known.run), JobKind.MEASURE)
    if last is not None and last.outcome in work.USABLE and last.spec["model"]["name"] == model:
        return last
    return await work.finished(
        services,
        known.run,
        JobKind.MEASURE,
        spec,
        expected_s=MEASURING_SECONDS,
        stale=lambda job: bool(job.spec["model"]["name"] != model),
    )


def _start(known: _Known, model: str) -> Recipe:
    """Return the recipe that a plan begins with: the method that fits the data, or the one that was asked for."""
    wishes = CHANGES.validate_python(known.run.wishes)
    return methods.first(known.data, model, known.run.method, wishes)


async def _draft(services: Services, known: _Known, model: str, measured: MeasureResult) -> _Draft:
    models = sorted(services.settings.models.catalogue)
    if known.before is None:
        recipe, origins = planning.first_recipe(
            model, known.data, measured, services.settings.training.checkpoint_mode
        )
        recipe, origins = methods.adapted(
            recipe, origins, known.data, measured, _start(known, model), known.run.method
        )
        wishes = CHANGES.validate_python(known.run.wishes)
        wanted = methods.wished(recipe, wishes)
        asked = [(w.field, str(w.value), "as you asked") for w in wishes]
        kept = [o for o in origins if o[0] not in {w.field for w in wishes}]
        return _Draft(wanted, asked + kept)
    before = Recipe.model_validate(known.before.recipe)
    origins = ORIGINS.validate_python(known.before.why)
    changes, notes, asked_words, reason = [], [], None, "suggested by the debugger"
    if known.answer is not None and known.answer.comment:
        understood = await feedback.understand(known.answer.comment, before, models, services.llm)
        changes, notes = list(understood.changes), list(understood.notes)
        asked_words, reason = known.answer.comment, "as you asked"
    elif known.suggestions:
        changes = CHANGES.validate_python([s.change for s in known.suggestions if s.change])
    after = before.amended(changes)
    changed = {c.field for c in changes}
    origins = [(c.field, str(c.value), reason) for c in changes] + [
        o for o in origins if o[0] not in changed
    ]
    return _Draft(after, origins, planning.difference(before, after), notes, asked_words)


def _save_plan(
    session: Session, services: Services, known: _Known, draft: _Draft, estimate: planning.Estimate
) -> None:
    run, before = known.run, known.before
    revision = (
        before.revision + 1 if before is not None and before.iteration == run.iteration else 0
    )
    row = Plan(
        run_id=work.number(run),
        iteration=run.iteration,
        revision=revision,
        recipe=draft.recipe.model_dump(mode="json"),
        estimate=estimate.as_json(),
        why=[list(o) for o in draft.origins],
        changes=[list(c) for c in draft.changes],
        asked=draft.asked,
        created_at=services.clock.now(),
    )
    session.add(row)
    session.flush()
    for suggestion in known.suggestions:
        suggestion.taken = suggestion.change is not None
        session.merge(suggestion)
    shown = {
        "plan_id": row.id,
        "iteration": row.iteration,
        "revision": row.revision,
        "recipe": row.recipe,
        "estimate": row.estimate,
        "why": row.why,
        "changes": row.changes,
        "notes": draft.notes,
        "asked": draft.asked,
        "suggestions": [{"finding": s.finding, "advice": s.advice} for s in known.suggestions],
    }
    gates.ask(session, services, run, GateKind.PLAN, revision=revision, shown=shown)
    runs.move(session, run, Phase.APPROVING, model=draft.recipe.model)


def _questions(session: Session, run_id: int) -> tuple[Run, Approval | None, Approval | None]:
    run = runs.get(session, run_id)
    asked = approvals.latest(session, run_id, GateKind.PLAN, run.iteration)
    change = None
    if asked is not None:
        change = approvals.find(session, run_id, GateKind.CHANGE, run.iteration, asked.revision)
    return run, asked, change


def _ask_what_to_change(session: Session, services: Services, run: Run, refused: Approval) -> None:
    shown = {"refused": refused.id, "by": refused.decided_by_name}
    gates.ask(session, services, run, GateKind.CHANGE, revision=refused.revision, shown=shown)


def _go_on(session: Session, services: Services, run: Run, answered: Approval) -> None:
    match answered.decision:
        case Decision.APPROVE:
            runs.move(session, run, Phase.BUILDING)
        case Decision.REVISE:
            runs.move(session, run, Phase.PLANNING)
        case Decision.REJECT:
            cancel(session, services, run, by=answered.decided_by_name or "somebody")
        case _:
            work.fail(
                session, services, run, "Nobody answered the plan in time. `resume` asks again."
            )


def cancel(session: Session, services: Services, run: Run, *, by: str) -> None:
    """End a run because a person wants it ended: open questions are void, open jobs will be stopped."""
    now = services.clock.now()
    runs.end(session, run, Phase.CANCELLED, now)
    approvals.void(session, work.number(run), now, by="policy:run-cancelled")
    events.say(session, work.number(run), "ended", f"v{run.version}:cancelled", {"by": by}, now)


def _parcel(session: Session, services: Services, run_id: int) -> delivery.Parcel:
    run = runs.get(session, run_id)
    plan_row = datasets.latest_plan(session, run_id, run.iteration)
    report = datasets.report_of(session, run_id, run.iteration)
    job = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    if plan_row is None or report is None or job is None:
        raise LookupError(f"run {run_id} has nothing to deliver in iteration {run.iteration}")
    trained = TrainResult.model_validate(work.payload(job))
    if trained.adapter_dir is None:
        raise UserError("The training left no adapter that could be handed over.")
    recipe = Recipe.model_validate(plan_row.recipe)
    found = [datasets.find(session, run_id, role) for role in ("upload", "train", "dev", "test")]
    sets = [dataset for dataset in found if dataset is not None]
    return delivery.Parcel(
        run=run,
        recipe=recipe,
        trained=trained,
        evaluated=EvaluateResult.model_validate(report.payload),
        adapter_job_id=job.id,
        data_sha256={dataset.role: dataset.sha256 for dataset in sets},
        rows={dataset.role: dataset.rows for dataset in sets if dataset.rows},
        dequantised=services.model_ref(recipe.model).source.startswith("package:"),
    )


def _save_delivery(
    session: Session, services: Services, parcel: delivery.Parcel, packed: delivery.Packed
) -> None:
    now = services.clock.now()
    run = parcel.run
    session.add(
        Artifact(
            run_id=work.number(run),
            iteration=run.iteration,
            kind="adapter",
            name=packed.name,
            sha256=packed.sha256,
            size_bytes=packed.size_bytes,
            created_at=now,
        )
    )
    shown: dict[str, Any] = {
        "name": packed.name,
        "sha256": packed.sha256,
        "size_bytes": packed.size_bytes,
        "base": packed.base,
        "folder": packed.folder,
        "scores": parcel.recipe.method is Method.REWARD,
        "verdict": parcel.evaluated.verdict.value,
    }
    events.say(session, work.number(run), "delivered", f"i{run.iteration}:delivered", shown, now)
    runs.move(session, run, Phase.DELIVERED, ended_at=now)

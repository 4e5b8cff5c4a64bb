"""Decide what to do, have it approved, hand over the result."""

import asyncio
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import (
    backends,
    budget,
    continuing,
    delivery,
    drafts,
    feedback,
    gates,
    judging,
    known_for_plan,
    memory,
    methods,
    offers,
    planned_generation,
    planned_rows,
    planning,
    selection,
    weights,
    work,
)
from agents.jobs import (
    IntakeResult,
    JobKind,
    MeasureResult,
    MeasureSpec,
    RowShape,
)
from agents.model_card import Parcel
from agents.recipe import Method, Recipe
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from configs.in_force import in_force
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Approval, Artifact, Decision, Job, Phase, Plan, Run

MEASURING_SECONDS = 90.0


async def plan(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Measure model and rows, make a plan by rules and wishes, and ask for approval."""
    services = runtime.context
    known = await services.db.read(known_for_plan.read, state["run_id"])
    rows, about_rows = await planned_rows.make(services, known)
    if rows is not None:
        known = _with_rows(known, rows.train.rows)
    model = _wished_model(known)
    method = drafts.start(known, model or known.run.model).method
    chosen = None
    if model is None and method is Method.SFT:
        files = {role: work.file_ref(services, known.files[role]) for role in ("train", "dev")}
        chosen = await selection.choose(
            services, known.run, known.data, files, memory.machine_memory_bytes()
        )
        model = None if chosen is None else chosen.model
    model = model or known.run.model
    made = await planned_generation.make(services, known, rows, method)
    measured_job = await _measured(services, known, model)
    measured = MeasureResult.model_validate(work.payload(measured_job))
    mine = known.data.train_rows
    known = _with_rows(known, mine + (made.planned.rows if made.planned else 0))
    draft = await _drafted(services, known, model, measured)
    if (fitting := planned_generation.fitting(made, draft.recipe)) is not made:
        made = fitting
        known = _with_rows(known, mine + (made.planned.rows if made.planned else 0))
        draft = await _drafted(services, known, model, measured)
    found = _found(services, measured, chosen)
    draft = replace(
        draft,
        notes=[*draft.notes, *about_rows, *made.notes],
        changes=[
            *planned_rows.difference(known, rows),
            *planned_generation.difference(known, made.planned),
            *draft.changes,
        ],
        found=found | planned_rows.shown(rows) | planned_generation.shown(made.planned),
        rows=rows,
        made=made.as_rows,
    )
    if chosen is not None:
        draft.origins.insert(0, ("model", chosen.model, chosen.why))
    batch = MeasureSpec.model_validate(measured_job.spec).recipe.batch_size
    estimate = planning.estimate(
        draft.recipe,
        known.data,
        measured,
        batch,
        services.settings.evaluation,
        services.settings.training.save_steps,
    )
    estimate = planned_generation.with_it(estimate, made.planned)
    money = services.settings.budgets
    estimate = replace(estimate, cost=budget.cost(estimate.total_s, money), currency=money.currency)
    if (judge := judging.named(draft.recipe.rewards, services.llm)) is not None:
        models = 2 if known.run.parent is None else 3
        questions = judging.planned(draft.recipe, known.data.dev_rows, estimate, models)
        estimate = replace(estimate, judge=judge, questions=questions)
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
    parcel = await services.db.read(delivery.read_parcel, services, state["run_id"])
    packed = await asyncio.to_thread(delivery.pack, services, parcel)
    await services.db.write(_save_delivery, services, parcel, packed)
    return state


def _with_rows(known: drafts.Known, rows: int) -> drafts.Known:
    """Return what is known with another number of rows to learn from."""
    return replace(known, data=known.data.model_copy(update={"train_rows": rows}))


async def _drafted(
    services: Services, known: drafts.Known, model: str, measured: MeasureResult
) -> drafts.Draft:
    """Return the plan that rules and wishes make, with the back end that can carry it out."""
    draft = await drafts.make(services, known, model, measured)
    recipe, origins, said = backends.settled(
        draft.recipe,
        draft.origins,
        services.settings.training,
        first=known.before is None,
        goes_on=known.run.parent is not None,
    )
    return replace(draft, recipe=recipe, origins=origins, notes=[*draft.notes, *said])


def _wished_model(known: drafts.Known) -> str | None:
    """Return the model that stands already; a wish or reply for another one is seen when the draft is made."""
    if (parent := continuing.parent_of(known.run)) is not None:
        return parent.model
    before = known.earlier or known.before
    return Recipe.model_validate(before.recipe).model if before else None


def _replied(services: Services, known: drafts.Known) -> dict[str, Any]:
    """Return what a reply to the last plan changes, as far as rules understand it."""
    if known.revert is not None or not known.words:
        return {}
    models = list(services.settings.models.catalogue)
    return {c.field: c.value for c in feedback.by_rules(known.words, models)}


async def _measured(services: Services, known: drafts.Known, model: str) -> Job:
    replied = _replied(services, known)
    if known.run.parent is None:
        model = str(replied.get("model", model))
    start = drafts.start(known, model)
    start = drafts.to_measure(start, known, replied)
    tried = start.method is Method.SFT and known.data.shape is RowShape.PROMPT_COMPLETION
    if start.method is Method.SFT:
        start = start.model_copy(update={"primary_metric": known.data.suggested_metric})
    limits = services.settings.planning
    spec = MeasureSpec(
        model=services.model_ref(model),
        train=work.file_ref(services, known.files["train"]),
        recipe=methods.measurable(start),
        threads=services.settings.launcher.threads,
        dev=work.file_ref(services, known.files["dev"]) if tried else None,
        task=known.run.goal,
        labels=known.data.labels,
        baseline_rows=limits.baseline_rows,
        baseline_s=limits.baseline_s,
    )

    def stale(job: Job) -> bool:
        then = MeasureSpec.model_validate(job.spec)
        if then.model.name != model or then.train.sha256 != known.files["train"].sha256:
            return True
        limits_tokens = {then.recipe.max_length_tokens, start.max_length_tokens}
        if job.payload is None:
            return len(limits_tokens) > 1
        # a limit above the longest row changes nothing
        longest = MeasureResult.model_validate(job.payload).tokens_max
        return len({min(limit, longest) for limit in limits_tokens}) > 1

    last = await services.db.read(jobs.latest, work.number(known.run), JobKind.MEASURE)
    if last is not None and last.outcome in work.USABLE and not stale(last):
        return last
    return await work.finished(
        services,
        known.run,
        JobKind.MEASURE,
        spec,
        expected_s=MEASURING_SECONDS,
        stale=stale,
    )


def _found(
    services: Services, measured: MeasureResult, chosen: selection.Selection | None
) -> dict[str, Any]:
    """Return what was tried beforehand, for the card."""
    found: dict[str, Any] = {}
    if measured.baseline is not None:
        target = services.settings.planning.target_score
        found["baseline"] = measured.baseline.model_dump(mode="json") | {
            "target": target,
            "enough": planning.is_enough(measured.baseline, target),
        }
    if measured.rows_over_context or measured.rows_left_out_count:
        found["long_rows"] = {
            "limit_tokens": measured.limit_tokens,
            "cut": measured.rows_over_context,
            "left_out": measured.rows_left_out_count,
            "rows": list(measured.rows_left_out),
        }
    if chosen is not None:
        found["selection"] = {"why": chosen.why, "candidates": chosen.shown}
    return found


def _save_plan(
    session: Session,
    services: Services,
    known: drafts.Known,
    draft: drafts.Draft,
    estimate: planning.Estimate,
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
        settings=in_force(services.settings),
        rows=None if draft.rows is None else draft.rows.model_dump(mode="json"),
        generation=draft.made.get("generation"),
        created_at=services.clock.now(),
    )
    session.add(row)
    session.flush()
    taken = known.taken
    # not by every revision: the notebook has told of the try before by then
    chosen = known.is_first or known.taking is not None
    for number, suggestion in offers.numbered(known.suggestions).items() if chosen else ():
        suggestion.taken = number in taken and offers.is_taken(suggestion, draft.recipe)
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
        "suggestions": offers.shown(known.suggestions, draft.recipe),
        **_goes_on_from(run),
        **draft.found,
    }
    gates.ask(session, services, run, GateKind.PLAN, revision=revision, shown=shown)
    told = {name: value for name, value in draft.made.items() if name == "made_rows"}
    runs.move(session, run, Phase.APPROVING, model=draft.recipe.model, revert=None, **told)


def _goes_on_from(run: Run) -> dict[str, Any]:
    """Return what the card says about the adapter that is trained further; nothing where there is none."""
    parent = continuing.parent_of(run)
    if parent is None:
        return {}
    return {"parent": {"run": parent.run, "try": parent.iteration, "sha256": parent.adapter_sha256}}


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
            # a person's ✅ has reserved already; a standing permission's has not
            refused = budget.reserve(session, services, run)
            if refused is None:
                planned_rows.settle(session, services, run)
                runs.move(session, run, _after_approval(session, run))
            else:
                work.fail(session, services, run, refused + " `resume` asks again.")
        case Decision.REVISE:
            _revise(session, run, answered.comment or "")
        case Decision.REJECT:
            work.cancel(session, services, run, by=answered.decided_by_name or "somebody")
        case _:
            work.fail(
                session, services, run, "Nobody answered the plan in time. `resume` asks again."
            )


def _after_approval(session: Session, run: Run) -> Phase:
    """Return where an approved plan goes on: rows are made first where it has some."""
    plan = datasets.latest_plan(session, work.number(run), run.iteration)
    made = planned_generation.of_plan(plan.generation if plan else None)
    return Phase.ENRICHING if made else Phase.BUILDING


def _revise(session: Session, run: Run, words: str) -> None:
    """Go back to the plan, or to the rows where they are to be repaired and no model has been tested on them."""
    intake_job = jobs.latest(session, work.number(run), JobKind.INTAKE)
    if intake_job is not None and run.iteration == 1:
        data = IntakeResult.model_validate(work.payload(intake_job))
        wanted = [r.value for r in feedback.repairs(words, data.findings)]
        fresh = [repair for repair in wanted if repair not in run.repairs]
        weighed = weights.change(datasets.uploads(session, work.number(run)), words)
        session.add_all(weighed)
        if fresh or weighed or not continuing.spared(run, intake_job):
            runs.move(session, run, Phase.PREPARING, repairs=[*run.repairs, *fresh])
            return
    runs.move(session, run, Phase.PLANNING)


def _save_delivery(
    session: Session, services: Services, parcel: Parcel, packed: delivery.Packed
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

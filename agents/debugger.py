"""Find out what went wrong and what to change: rules over the numbers of one iteration, each with its evidence."""

from dataclasses import dataclass

from langgraph.runtime import Runtime
from pydantic import BaseModel
from sqlmodel import Session

from agents import backends, continuing, feedback, gates, work
from agents.diagnosis import Finding, diagnose
from agents.jobs import EvaluateResult, JobKind, TrainResult
from agents.recipe import Recipe, RecipeChange
from agents.services import Services
from agents.state import RunState
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Approval, EvaluationReport, Job, Phase, Plan, Run, Suggestion


@dataclass(frozen=True)
class _Known:
    run: Run
    plan: Plan
    training: Job
    at_once: int
    """Rows that went through the model together at last."""
    report: EvaluationReport | None
    answer: Approval | None
    best: EvaluationReport | None
    train_rows: int
    iterations: int
    """Iterations planned so far; a run that went back to its best one has planned more than it stands at."""


async def debug(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Turn numbers and a person's words into suggestions, and go on to the next plan or back to the best so far."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    recipe = Recipe.model_validate(known.plan.recipe)
    findings = diagnose(
        recipe,
        TrainResult.model_validate(known.training.payload) if known.training.payload else None,
        EvaluateResult.model_validate(known.report.payload) if known.report else None,
        known.training.error_code,
        known.train_rows,
        known.at_once,
    )
    notes: tuple[str, ...] = ()
    if known.answer is not None and known.answer.comment:
        understood = await feedback.understand(
            known.answer.comment, recipe, sorted(services.settings.models.catalogue), services.llm
        )
        changes, absent = backends.possible(understood.changes, services.settings.training)
        changes, stays = continuing.possible(continuing.parent_of(known.run), changes)
        findings = _wishes_first(changes, known.answer.comment, findings)
        notes = (*understood.notes, *absent, *stays)
    await services.db.write(_save, services, known, findings, notes)
    return state


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    training = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    train = datasets.find(session, run_id, "train")
    last = datasets.latest_plan(session, run_id)
    if plan is None or training is None or train is None or last is None:
        raise LookupError(f"run {run_id} has nothing to debug in iteration {run.iteration}")
    best = (
        None
        if run.best_iteration is None
        else datasets.report_of(session, run_id, run.best_iteration)
    )
    return _Known(
        run=run,
        plan=plan,
        training=training,
        at_once=work.rows_at_once(session, training),
        report=datasets.report_of(session, run_id, run.iteration),
        answer=approvals.latest(session, run_id, GateKind.REPORT, run.iteration),
        best=best,
        train_rows=train.rows or 0,
        iterations=last.iteration,
    )


def _wishes_first(
    changes: list[RecipeChange], words: str, findings: list[Finding]
) -> list[Finding]:
    """Put what a person asked for before what the rules found; a field is changed once, as the person said."""
    wishes = [
        Finding(
            "asked", f"You said: “{words[:300]}”", f"set {c.field} to {c.value}, as you asked", c
        )
        for c in changes
    ]
    fields = {c.field for c in changes}
    rest = [f for f in findings if f.change is None or f.change.field not in fields]
    return wishes + rest


def _save(
    session: Session,
    services: Services,
    known: _Known,
    findings: list[Finding],
    notes: tuple[str, ...],
) -> None:
    run, now = known.run, services.clock.now()
    for position, finding in enumerate(findings):
        session.add(_row(run, known.iterations, position, finding, services))
    changes = [f for f in findings if f.change is not None]
    budget = known.iterations < services.settings.training.max_iterations
    go_on = bool(changes) and budget
    shown = {
        "iteration": run.iteration,
        "findings": [{"rule": f.rule, "finding": f.finding, "advice": f.advice} for f in findings],
        "notes": list(notes),
        "next": known.iterations + 1 if go_on else None,
        "out_of_iterations": bool(changes) and not budget,
    }
    events.say(session, work.number(run), "debug", f"v{run.version}:debug", shown, now)
    if go_on:
        runs.move(session, run, Phase.PLANNING, iteration=known.iterations + 1)
    elif known.best is not None and known.best.iteration is not None:
        _back_to_best(session, services, known, known.best)
    else:
        work.fail(
            session,
            services,
            run,
            "I have no further idea what to change. `resume` tries the same plan again.",
        )


def _back_to_best(
    session: Session, services: Services, known: _Known, best: EvaluationReport
) -> None:
    run = known.run
    last = approvals.latest(session, work.number(run), GateKind.REPORT, best.iteration)
    if last is not None and last.revision > 0:
        work.fail(
            session,
            services,
            run,
            "There is nothing left that I could change on my own. More rows would help most; "
            "`resume` shows the best result again.",
        )
        return
    runs.move(session, run, Phase.REVIEWING, iteration=best.iteration)
    gates.ask_about_report(session, services, runs.get(session, work.number(run)), best, revision=1)


def _row(
    run: Run, iteration: int, position: int, finding: Finding, services: Services
) -> Suggestion:
    change: BaseModel | None = finding.change
    return Suggestion(
        run_id=work.number(run),
        iteration=iteration,
        position=position,
        rule=finding.rule,
        change=change.model_dump(mode="json") if change else None,
        finding=finding.finding,
        advice=finding.advice,
        created_at=services.clock.now(),
    )

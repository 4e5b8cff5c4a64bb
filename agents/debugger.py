"""Find out what went wrong and what to change: rules over the numbers of one iteration, each with its evidence."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from langgraph.runtime import Runtime
from pydantic import BaseModel
from sqlmodel import Session

from agents import (
    asked,
    backends,
    continuing,
    feedback,
    gates,
    kept,
    listening,
    made_wishes,
    proposals,
    rate_candidates,
    row_changes,
    row_doubts,
    row_forecast,
    rows_wanted,
    stopping,
    work,
)
from agents.diagnosis import Evidence, Finding, Try, diagnose
from agents.jobs import (
    EvaluateResult,
    InspectResult,
    InspectSpec,
    IntakeResult,
    JobKind,
    MeasureResult,
    TrainResult,
)
from agents.ledger import Purpose
from agents.planning import Estimate
from agents.recipe import Method, Recipe, RecipeChange
from agents.row_changes import RowsChange
from agents.services import Services
from agents.state import RunState
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import (
    Approval,
    Dataset,
    EvaluationReport,
    Job,
    Phase,
    Plan,
    Run,
    Suggestion,
)

INSPECT_S = 300.0
"""Time for one more look at the rows, where the training has looked at them too seldom."""
NOTHING_LEFT = "There is nothing left that I could change on my own. More rows would help most."
OFFERED_ONLY = frozenset({row_forecast.RULE, rate_candidates.RULE})
"""Rules that tell nothing of what went wrong."""
MOST_TOLD = 3
"""Findings that a person is shown beside their own wishes."""


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
    train: Dataset
    """Rows that the try learnt from."""
    dev: Dataset | None
    answers: Dataset | None
    """What base and tuned said to the sealed rows."""
    data: Job | None
    """The reading of the rows."""
    measured: Job | None
    others: tuple[Try, ...]
    """Earlier tries of the run."""
    iterations: int
    """Iterations planned so far; a run that went back to its best one has planned more than it stands at."""
    ideas: tuple[Finding, ...] = ()
    """Changes that a language model proposes: offered, never taken here, and no reason for another try."""

    @property
    def trained(self) -> TrainResult | None:
        return TrainResult.model_validate(self.training.payload) if self.training.payload else None

    @property
    def answer_words(self) -> str:
        """What somebody has said should be different."""
        return (self.answer.comment or "") if self.answer else ""

    @property
    def in_words(self) -> bool:
        """Whether somebody has said what should be different."""
        return bool(self.answer_words)

    @property
    def read(self) -> IntakeResult | None:
        """What was found in the rows when they were read."""
        return (
            IntakeResult.model_validate(self.data.payload)
            if self.data and self.data.payload
            else None
        )

    @property
    def carried(self) -> RowsChange:
        """What this try has changed in the rows to learn from."""
        return row_changes.change_of(self.plan.rows)


async def debug(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Turn numbers and a person's words into suggestions, and go on to the next plan or back to the best so far."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    recipe = kept.recipe_of(known.plan, known.training)
    looked, notes = await _inspected(services, known)
    words = known.answer_words
    offer = looked.doubts if looked else ()
    about_made = made_wishes.read(words, known.read.labels if known.read else ())
    words = words if about_made is None else about_made.rest
    about_rows = row_changes.wished(words, offer, known.carried, known.carried)
    llm = services.llm_for(work.number(known.run), Purpose.REPLIES)
    said = await listening.listen(
        services,
        llm,
        about_rows.rest if about_rows else words,
        listening.Known(
            recipe=recipe,
            data=known.read,
            learnt=known.train,
            dev=known.dev,
            answers=known.answers,
            doubts=offer,
            doubts_hold=looked is not None and row_doubts.is_proven(looked),
            carried=known.carried,
        ),
    )
    notes = (*notes, *said.notes)
    changes: list[RecipeChange] = []
    models = sorted(services.settings.models.catalogue)
    if _is_left(said, models):
        understood = await feedback.understand(said.rest, recipe, models, llm)
        changes, absent = backends.possible(understood.changes, services.settings.training)
        changes, stays = continuing.possible(continuing.parent_of(known.run), changes)
        notes = (*notes, *understood.notes, *absent, *stays)
    wishes = asked.of_recipe(changes, words)
    if about_made is not None:
        notes = (*notes, *about_made.notes)
        wishes.append(asked.of_made_rows(about_made.wish, known.answer_words))
    if about_rows is not None:
        notes = (*notes, *about_rows.notes)
        wishes.append(asked.of_rows(about_rows.change, words))
    doubted = None
    if looked is not None and about_rows is None:
        doubted = row_doubts.finding(looked, known.carried, offer=not wishes)
    alone = _by_numbers(known, recipe, looked, [] if doubted is None else [doubted])
    findings = asked.together(wishes, said.findings, alone)
    if known.read is not None and rows_wanted.allowed(services, known.run, known.plan, known.read):
        there = await asyncio.to_thread(
            rows_wanted.known, services, known.train, known.read, looked
        )
        findings = rows_wanted.offered(findings, there)
    known = replace(known, ideas=await proposals.ideas(services, known.run, recipe, findings))
    await services.db.write(_save, services, known, findings, notes, looked)
    return state


def _by_numbers(
    known: _Known, recipe: Recipe, looked: InspectResult | None, doubted: list[Finding]
) -> list[Finding]:
    """Return what the numbers say alone, the most telling first; what more rows would buy comes last."""
    found = [*doubted, *diagnose(_evidence(known, recipe))]
    step_s = Estimate(**known.plan.estimate).step_s
    more = row_forecast.finding(looked.forecast if looked else None, recipe, step_s)
    ranked = sorted(found, key=lambda finding: -finding.telling)
    return ranked if more is None else [*ranked, more]


def _is_left(said: listening.Said, models: list[str]) -> bool:
    """Tell whether a reply is about the plan too: words that were understood otherwise need not be."""
    if not said.findings and not said.notes:
        return bool(said.rest)
    return bool(feedback.by_rules(said.rest, models))


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    training = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    train = datasets.train_of(session, run_id, run.iteration)
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
        train=train,
        dev=datasets.find(session, run_id, "dev"),
        answers=datasets.find(
            session, run_id, datasets.role_of_try(datasets.ANSWERS, run.iteration)
        ),
        data=jobs.latest(session, run_id, JobKind.INTAKE),
        measured=jobs.latest(session, run_id, JobKind.MEASURE),
        others=tuple(_tries(session, run_id, run.iteration)),
        iterations=last.iteration,
    )


def _evidence(known: _Known, recipe: Recipe) -> Evidence:
    measured = known.measured
    return Evidence(
        recipe=recipe,
        train_rows=known.train.rows or 0,
        error_code=known.training.error_code,
        at_once=known.at_once,
        data=known.read,
        measured=MeasureResult.model_validate(measured.payload)
        if measured and measured.payload
        else None,
        trained=known.trained,
        evaluated=EvaluateResult.model_validate(known.report.payload) if known.report else None,
        others=known.others,
    )


def _tries(session: Session, run_id: int, before: int) -> Iterator[Try]:
    for iteration in range(1, before):
        plan = datasets.latest_plan(session, run_id, iteration)
        job = jobs.latest(session, run_id, JobKind.TRAIN, iteration)
        if plan is None or job is None or not job.payload:
            continue
        losses = TrainResult.model_validate(job.payload).dev_losses[1:]
        if losses:
            yield Try(kept.recipe_of(plan, job), min(loss for _step, loss in losses))


async def _inspected(
    services: Services, known: _Known
) -> tuple[InspectResult | None, tuple[str, ...]]:
    """Have the training rows looked at, once per try; None, and why, where that is not possible or of no use any more."""
    spec = kept.training_of(known.training)
    trained = known.trained
    if (
        trained is None
        or trained.adapter_dir is None
        or spec.recipe.method is not Method.SFT
        or known.iterations >= services.settings.training.max_iterations
    ):
        return None, ()
    wanted = InspectSpec(
        training=spec,
        adapter_dir=str(services.job_folder(known.training.id) / trained.adapter_dir),
        adapter_sha256=trained.adapter_sha256,
        budget_s=INSPECT_S,
    )
    try:
        job = await work.finished(
            services, known.run, JobKind.INSPECT, wanted, expected_s=INSPECT_S
        )
    except work.JobFailed as failed:
        return None, (f"I could not look at the rows one by one. {work.explain(failed)}",)
    return InspectResult.model_validate(work.payload(job)), ()


def _taken(findings: list[Finding]) -> list[bool]:
    """Tell which changes the next plan has: all that a person asked for, else one, so that its effect can be told."""
    wanted = [f.rule == asked.RULE and f.change is not None for f in findings]
    if any(wanted):
        return wanted
    first = next((place for place, f in enumerate(findings) if f.change is not None), None)
    return [place == first for place in range(len(findings))]


def _told(findings: list[Finding]) -> list[Finding]:
    """Return what is worth a person's time: what they said themselves, and the most telling findings."""
    theirs = [f for f in findings if f.rule == asked.RULE or f.said]
    ahead = [f for f in findings if f.rule == row_forecast.RULE]
    others = [f for f in findings if f not in theirs and f.rule not in OFFERED_ONLY]
    return theirs + others[:MOST_TOLD] + ahead


def _save(
    session: Session,
    services: Services,
    known: _Known,
    findings: list[Finding],
    notes: tuple[str, ...],
    looked: InspectResult | None,
) -> None:
    run, now = known.run, services.clock.now()
    recipe = kept.recipe_of(known.plan, known.training)
    findings = rate_candidates.added(session, services, run, known.plan, recipe, findings)
    rows = []
    offered = [*zip(findings, _taken(findings), strict=True), *((i, False) for i in known.ideas)]
    for position, (finding, taken) in enumerate(offered):
        row = _row(run, known.iterations, position, finding, services)
        row.taken = taken
        rows.append(row)
    datasets.suggest(session, work.number(run), known.iterations, rows)
    changes = [f for f in findings if f.change is not None]
    standing = stopping.Standing(run, known.plan, known.best, known.iterations, known.in_words)
    stopped = stopping.reason(session, services, standing)
    go_on = bool(changes) and stopped is None
    shown = {
        "iteration": run.iteration,
        "findings": [_shown(f) for f in _told(findings)],
        "notes": list(notes),
        "next": known.iterations + 1 if go_on else None,
        "stopped": stopped if changes else None,
        "map": row_doubts.map_of(looked),
    }
    events.say(session, work.number(run), "debug", f"v{run.version}:debug", shown, now)
    if go_on:
        runs.move(session, run, Phase.PLANNING, iteration=known.iterations + 1)
    elif known.best is not None and known.best.iteration is not None:
        _back_to_best(session, services, known, known.best, stopped if changes else None)
    else:
        work.fail(
            session,
            services,
            run,
            "I have no further idea what to change. `resume` tries the same plan again.",
        )


def _shown(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "finding": finding.finding,
        "advice": finding.advice,
        "examples": list(finding.examples),
    }


def _back_to_best(
    session: Session,
    services: Services,
    known: _Known,
    best: EvaluationReport,
    stopped: str | None,
) -> None:
    """Offer the best try once more; where that was refused before, the run ends with the reason."""
    run = known.run
    last = approvals.latest(session, work.number(run), GateKind.REPORT, best.iteration)
    if last is not None and last.revision > 0:
        work.fail(
            session,
            services,
            run,
            (stopped or NOTHING_LEFT) + " `resume` shows the best result again.",
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
        change=None if change is None else change.model_dump(mode="json"),
        finding=finding.finding,
        advice=finding.advice,
        evidence=finding.said,
        created_at=services.clock.now(),
    )

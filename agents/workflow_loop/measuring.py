"""The second half of a round: a job runs the proposals beside what stands; a better one is shown, with all it rests on."""

from pathlib import PurePosixPath
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import gates, work
from agents.jobs import (
    Approve,
    Contender,
    JobKind,
    MeasureRoundResult,
    MeasureRoundSpec,
    Proposed,
)
from agents.jobs.workflows import Measured
from agents.services import Services
from agents.state import RunState
from agents.workflow_loop import facts, holding_back
from agents.workflow_loop.facts import Facts, Round
from agents.workflow_loop.proposing import may_be_run, not_run
from configs.schema import GateKind
from storage import datasets, events, runs
from storage.models import Job, Phase, Run, Suggestion

MAX_REASON_CHARS = 600
NOT_THESE = "Measured on their own, the edits that you took were not better. The whole change is."


async def measure(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Have the proposals measured, or the edits that a person has chosen of one, and go where that points."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    spec = await services.db.read(_spec, services, known)
    wanted = [one.model_dump(mode="json") for one in spec.contenders]

    def stale(job: Job) -> bool:
        return bool(job.spec["attempt"] != spec.attempt or job.spec["contenders"] != wanted)

    job = await work.finished(
        services,
        known.run,
        JobKind.WORKFLOW_MEASURE,
        spec,
        expected_s=known.now.plan.estimate["total_s"],
        stale=stale,
    )
    result = MeasureRoundResult.model_validate(work.payload(job))
    for told in result.measured:
        await work.keep(services, job, told.text)
    await services.db.write(_save, services, known, spec, result)
    return state


def _spec(session: Session, services: Services, known: Facts) -> MeasureRoundSpec:
    """Return what is to be measured: the edits that a person has chosen of one proposal, else all proposals."""
    terms, now = known.now.terms, known.now
    standing = known.standing()
    if now.proposed is None or standing is None:
        raise LookupError(f"run {known.run.id} has nothing to measure in round {now.number}")
    measurement = 0 if now.kept is None else now.kept.revision + 1
    if measurement:
        whole = winner_of(now)
        taken = tuple(one.position for one in now.chosen if one.taken)
        contenders = [Contender(proposed=_stored(services, whole), taken=taken)]
    else:
        allowed = may_be_run(session, known, now.proposed.proposals)
        contenders = [Contender(proposed=_stored(services, one)) for one in allowed]
    return MeasureRoundSpec(
        **facts.on_cases(
            services,
            known,
            JobKind.WORKFLOW_MEASURE,
            terms,
            measurement,
            held=holding_back.held(known, terms),
        ),
        workflow=known.stands,
        round=now.number,
        attempt=measurement,
        standing=standing,
        contenders=tuple(contenders),
    )


def winner_of(now: Round) -> Proposed:
    """Return the proposal that was better in the first measurement of a round. Raises: LookupError: none was."""
    result = now.measured[0][1] if now.measured else None
    proposals = now.proposed.proposals if now.proposed else ()
    found = next((one for one in proposals if result and one.name == result.winner), None)
    if found is None:
        raise LookupError(f"no proposal of round {now.number} was better")
    return found


def _stored(services: Services, proposed: Proposed) -> Proposed:
    return proposed.model_copy(update={"text": facts.stored(services, proposed.text)})


def _save(
    session: Session,
    services: Services,
    known: Facts,
    spec: MeasureRoundSpec,
    result: MeasureRoundResult,
) -> None:
    run, now = known.run, known.now
    _tell(session, services, known, spec, result)
    if spec.attempt:
        chosen = next((one for one in result.measured if one.name == result.winner), None)
        if chosen is None:
            _take_all(session, run)
            _ask(session, services, known, spec.attempt, now.measured[0][1], NOT_THESE)
            runs.move(session, run, Phase.REVIEWING)
        else:
            stays(session, services, run, chosen, known.given_name)
            runs.move(session, run, Phase.DEBUGGING, best_iteration=run.iteration)
        return
    if result.winner is None:
        runs.move(session, run, Phase.DEBUGGING)
        return
    _suggest(session, services, known, result)
    _ask(session, services, known, 0, result, None)
    runs.move(session, run, Phase.REVIEWING)


def stays(session: Session, services: Services, run: Run, told: Measured, given_name: str) -> None:
    """Let a changed workflow take the place of the one that stood."""
    name = file_name(given_name, f"finetune-iter{run.iteration}")
    datasets.put_artifact(session, facts.snapshot(run, told.text, name, services))


def file_name(given: str, what: str) -> str:
    """Return what a file is called that was made from a given one: `x.finetuned.yaml` from `x.yaml`."""
    path = PurePosixPath(given)
    known = path.suffix.lower() in {".yaml", ".yml"}
    return f"{path.stem if known else path.name}.{what}{path.suffix if known else '.yaml'}"


def _tell(
    session: Session,
    services: Services,
    known: Facts,
    spec: MeasureRoundSpec,
    result: MeasureRoundResult,
) -> None:
    now = known.now
    proposals = {one.name: one for one in (now.proposed.proposals if now.proposed else ())}
    asked_for = {one.proposed.name for one in spec.contenders}
    shown = {
        "iteration": now.number,
        "measurement": spec.attempt,
        "measured": [
            {
                **one.model_dump(mode="json", exclude={"text", "metrics"}),
                "why": proposals[one.name].reason if one.name in proposals else "",
            }
            for one in result.measured
        ],
        "refused": [list(one) for one in result.refused],
        "not_run": not_run(
            one for one in proposals.values() if not spec.attempt and one.name not in asked_for
        ),
        "given_up": [] if spec.attempt else _given_up(now),
        "winner": result.winner,
        "stood": result.stood.metrics,
        "would_stand": result.would_stand.metrics if result.would_stand else None,
        "out_of_budget": result.out_of_budget,
    }
    key = f"i{now.number}:round:{spec.attempt}"
    events.say(session, work.number(known.run), "round", key, shown, services.clock.now())


def _given_up(now: Round) -> list[list[str]]:
    return [list(one) for one in now.proposed.given_up] if now.proposed else []


def _suggest(
    session: Session, services: Services, known: Facts, result: MeasureRoundResult
) -> None:
    """Keep each edit of the change that was better as something that a person can take or leave."""
    proposals = known.now.proposed.proposals if known.now.proposed else ()
    whole = next(one for one in proposals if one.name == result.winner)
    rows = [
        Suggestion(
            run_id=work.number(known.run),
            iteration=known.run.iteration,
            position=place,
            rule=whole.strategy,
            change=edit,
            finding=whole.reason[:MAX_REASON_CHARS],
            advice=said(edit),
            taken=True,
            created_at=services.clock.now(),
        )
        for place, edit in enumerate(whole.edits)
    ]
    datasets.suggest(session, work.number(known.run), known.run.iteration, rows)


def said(edit: dict[str, Any]) -> str:
    """Say in a few words what an edit does: its operation, and where."""
    where = next((str(edit[key]) for key in ("state", "name", "variable") if edit.get(key)), "")
    operation = str(edit["op"]).replace("_", " ")
    return f"{operation}: {where}" if where else operation


def _take_all(session: Session, run: Run) -> None:
    """Let all edits of a change be taken again: the question that follows is about the whole of it."""
    for one in datasets.suggestions(session, work.number(run), run.iteration):
        one.taken = True
        session.add(one)


def _ask(
    session: Session,
    services: Services,
    known: Facts,
    revision: int,
    result: MeasureRoundResult,
    note: str | None,
) -> None:
    """Ask whether the change that was better may stay."""
    proposals = known.now.proposed.proposals if known.now.proposed else ()
    whole = next(one for one in proposals if one.name == result.winner)
    told = next(one for one in result.measured if one.name == result.winner)
    shown = {
        "iteration": known.run.iteration,
        "sha256": whole.name,
        "strategy": whole.strategy,
        "reason": whole.reason,
        "aims_at": whole.aims_at,
        "diff": whole.diff,
        "edits": [said(edit) for edit in whole.edits],
        "barred": [one.model_dump(mode="json") for one in whole.barred],
        "measured": told.model_dump(mode="json", exclude={"text"}),
        "stood": result.stood.metrics,
        "note": note,
        "spent": known.spent.model_dump(mode="json"),
    }
    permitted = known.now.terms.approve is Approve.AUTO
    gates.ask(
        session,
        services,
        known.run,
        GateKind.KEEP,
        revision=revision,
        shown=shown,
        permitted=permitted,
    )

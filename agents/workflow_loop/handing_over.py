"""The end: what is left against what was given, on sealed cases; then the file, with a link."""

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import work
from agents.jobs import ClaimResult, ClaimSpec, JobKind
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from agents.workflow_loop import facts, ledger
from agents.workflow_loop.facts import Facts
from agents.workflow_loop.measuring import file_name
from storage import datasets, events, jobs, runs
from storage.files import StoredFile
from storage.models import Artifact, EvaluationReport, Job, JobState, Phase

METRIC = "pass rate"
LEDGER = "ledger"
"""Kind of the artifact with a line per decision."""


async def deliver(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Compare for the last time, say what may be said, and hand over."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    broken_off = await services.db.read(_under_way, work.number(known.run))
    if broken_off is not None:
        wait_for(broken_off)  # what it has used by then is off the budget
    job = await work.finished(
        services,
        known.run,
        JobKind.WORKFLOW_CLAIM,
        await services.db.read(_spec, services, known),
        stale=lambda job: job.spec["left_over"]["text"]["sha256"] != known.stands.text.sha256,
    )
    result = ClaimResult.model_validate(work.payload(job))
    lines = ledger.text(known, result)
    kept = services.files.put(lines.encode())
    await services.db.write(_save, services, known, job, result, kept)
    return state


def _under_way(session: Session, run_id: int) -> Job | None:
    """Return a job of a round that was left for the end, and still runs; None: there is none."""
    mine = jobs.own_of_run(session, run_id)
    rounds = {JobKind.WORKFLOW_PROPOSE, JobKind.WORKFLOW_MEASURE}
    return next((j for j in mine if j.kind in rounds and j.state is JobState.RUNNING), None)


def _spec(session: Session, services: Services, known: Facts) -> ClaimSpec:
    terms = known.rounds[-1].terms
    looked = [
        ClaimResult.model_validate(report.payload)
        for report in datasets.openings(session, work.number(known.run))
        if report.primary_metric == METRIC
    ]
    return ClaimSpec(
        **facts.on_cases(services, known, JobKind.WORKFLOW_CLAIM, terms),
        given=known.given,
        left_over=known.stands,
        openings=1 + sum(one.sealed_cases > 0 for one in looked),
    )


def _save(
    session: Session,
    services: Services,
    known: Facts,
    job: Job,
    result: ClaimResult,
    lines: StoredFile,
) -> None:
    run, now = known.run, services.clock.now()
    run_id = work.number(run)
    text = known.given.text if result.gave_back else known.stands.text
    name = file_name(known.given_name, "finetuned")
    for kind, file_called, file in (
        (facts.WORKFLOW, name, text),
        (
            LEDGER,
            file_name(known.given_name, "finetune-ledger").rpartition(".")[0] + ".jsonl",
            lines,
        ),
    ):
        datasets.put_artifact(
            session,
            Artifact(
                run_id=run_id,
                iteration=run.iteration,
                kind=kind,
                name=file_called,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                created_at=now,
            ),
        )
    if datasets.report_of(session, run_id, run.iteration) is None:
        session.add(
            EvaluationReport(
                run_id=run_id,
                iteration=run.iteration,
                job_id=job.id,
                verdict=result.claim,
                primary_metric=METRIC,
                gain=result.gain,
                p_value=result.p_value,
                items=result.sealed_cases,
                payload=result.model_dump(mode="json"),
                created_at=now,
            )
        )
    shown = {
        "name": name,
        "sha256": text.sha256,
        "size_bytes": text.size_bytes,
        "claim": result.model_dump(mode="json"),
        "rounds": [ledger.row(one) for one in known.rounds],
        "given_sha256": known.given.text.sha256,
        "strategies": {name: list(both) for name, both in known.strategies().items()},
        "spent": known.spent.model_dump(mode="json"),
    }
    events.say(session, run_id, "delivered", f"i{run.iteration}:delivered", shown, now)
    runs.move(session, run, Phase.DELIVERED, ended_at=now)

"""Read the workflow and its tests: a job in a process of its own, as for any other upload."""

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import work
from agents.jobs import JobKind, ReadWorkflowResult, ReadWorkflowSpec
from agents.services import Services
from agents.state import RunState
from agents.workflow.workplace import models_ref
from agents.workflow_loop import facts
from agents.workflow_loop.facts import Facts
from agents.workflow_loop.planning import terms_of
from storage import datasets, events, runs
from storage.models import Dataset, Phase, Run


async def prepare(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Check the files, have tests made where there are none, and tell what was found."""
    services = runtime.context
    known = await services.db.read(facts.read, services, state["run_id"])
    job = await work.finished(
        services, known.run, JobKind.WORKFLOW_READ, await services.db.read(_spec, services, known)
    )
    found = ReadWorkflowResult.model_validate(work.payload(job))
    kept = await work.keep(services, job, found.tests)
    tests = facts.stored(services, found.tests.model_copy(update={"size_bytes": kept.size_bytes}))
    await services.db.write(_save, services, known.run, found.model_copy(update={"tests": tests}))
    return state


def _spec(session: Session, services: Services, known: Facts) -> ReadWorkflowSpec:
    uploads = datasets.uploads(session, work.number(known.run))
    terms = terms_of(services.settings, known.wish, model="")
    journal = facts.journal_dir(services, known.run, JobKind.WORKFLOW_READ)
    return ReadWorkflowSpec(
        models=models_ref(services.settings, known.wish.ollama_url),
        journal_dir=journal,
        left=known.left(terms, journal),
        workflow=known.given,
        tests=work.file_ref(services, uploads[1]) if uploads[1:] else None,
        tests_path=known.tests_path,
        terms=terms,
    )


def _save(session: Session, services: Services, run: Run, found: ReadWorkflowResult) -> None:
    now = services.clock.now()
    datasets.replace(
        session,
        Dataset(
            run_id=work.number(run),
            role=facts.TESTS,
            name="tests.yaml",
            sha256=found.tests.sha256,
            size_bytes=found.tests.size_bytes,
            rows=len(found.cases),
            created_at=now,
        ),
    )
    shown = found.model_dump(mode="json", exclude={"tests"})
    events.say(session, work.number(run), "workflow", "workflow", shown, now)
    runs.move(session, run, Phase.PLANNING, model=found.model)

"""Look at the data: format, roles, row errors, duplicates, split. The reading itself is a job in a child process."""

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import work
from agents.jobs import FileRef, IntakeResult, IntakeSpec, JobKind
from agents.services import Services
from agents.state import RunState
from storage import datasets, events, runs
from storage.models import Dataset, Phase, Run

SPLIT_SEED = 17


async def prepare(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Turn an upload into train, dev and sealed test rows, and show the data card."""
    services = runtime.context
    run, upload = await services.db.read(_facts, state["run_id"])
    job = await work.finished(services, run, JobKind.INTAKE, _spec(services, run, upload))
    result = IntakeResult.model_validate(work.payload(job))
    splits = [
        ("train", result.train, result.train_rows),
        ("dev", result.dev, result.dev_rows),
        ("test", result.test, result.test_rows),
    ]
    for _role, file, _rows in splits:
        await work.keep(services, job, file)
    await services.db.write(_save, services, run, result, splits)
    return state


def _facts(session: Session, run_id: int) -> tuple[Run, Dataset]:
    upload = datasets.find(session, run_id, "upload")
    if upload is None:
        raise LookupError(f"run {run_id} has no upload")
    return runs.get(session, run_id), upload


def _spec(services: Services, run: Run, upload: Dataset) -> IntakeSpec:
    limits = services.settings.intake
    return IntakeSpec(
        upload=FileRef(
            path=str(services.files.path(upload.sha256)),
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            name=upload.name,
        ),
        task=run.goal,
        seed=SPLIT_SEED,
        max_unpacked_bytes=limits.max_upload_bytes,
        **limits.model_dump(exclude={"max_upload_bytes"}),
    )


def _save(
    session: Session,
    services: Services,
    run: Run,
    result: IntakeResult,
    splits: list[tuple[str, FileRef, int]],
) -> None:
    now = services.clock.now()
    for role, file, rows in splits:
        datasets.keep(
            session,
            Dataset(
                run_id=work.number(run),
                role=role,
                name=f"{role}.jsonl",
                sha256=file.sha256,
                size_bytes=file.size_bytes,
                rows=rows,
                created_at=now,
            ),
        )
    events.say(session, work.number(run), "data", "data", result.model_dump(mode="json"), now)
    runs.move(session, run, Phase.PLANNING)

"""Look at the data: format, roles, row errors, duplicates, split. The reading itself is a job in a child process.

Where the columns can be read in several ways, a person is asked once; the job has done the likeliest one already, so
that a ✅ costs nothing, and a reply starts a further attempt that is told how to read them.
"""

from dataclasses import dataclass

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import continuing, gates, readings, weights, work
from agents.jobs import FileRef, IntakeResult, IntakeSpec, JobKind, MoreRows, Reading, Repair
from agents.services import Services, UserError
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Approval, Dataset, Decision, Job, Phase, Run

SPLIT_SEED = 17


@dataclass(frozen=True)
class _Known:
    """The rows that intake goes by."""

    run: Run
    uploads: list[Dataset]
    asked: Approval | None
    """The latest question how to read the columns."""
    choices: IntakeResult | None
    """What the question is about: the result of the attempt that found several readings."""


async def prepare(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Turn an upload into train, dev and sealed test rows, ask where columns are unclear, and show the data card."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    asked = known.asked
    if asked is not None and asked.decision is Decision.OPEN:
        wait_for(asked)
    if asked is not None and asked.decision in {Decision.REJECT, Decision.EXPIRED}:
        await services.db.write(_end, services, known.run, asked)
        return state
    try:
        wanted = _wanted(known)
        job = await _read(services, known, wanted)
    except UserError as error:
        await services.db.write(_ask, services, known.run, known.choices, asked, str(error))
        return state
    result = IntakeResult.model_validate(work.payload(job))
    if result.readings and asked is None:
        await services.db.write(_ask, services, known.run, result, None, None)
        return state
    await _keep_all(services, known.run, job, result)
    return state


def _wanted(known: _Known) -> Reading | None:
    """Return how a person said the columns are to be read; None leaves it to the rules. Raises: UserError."""
    asked, choices = known.asked, known.choices
    if asked is None or choices is None or asked.decision is not Decision.REVISE:
        return None
    return readings.understand(asked.comment or "", choices.columns, choices.readings)


async def _read(services: Services, known: _Known, wanted: Reading | None) -> Job:
    """Return the job that read the upload as wanted.

    Raises: UserError: the reading that a person wanted gives no usable rows. work.JobFailed: anything else.
    """
    dumped = None if wanted is None else wanted.model_dump(mode="json")
    try:
        return await work.finished(
            services,
            known.run,
            JobKind.INTAKE,
            _spec(services, known, wanted),
            stale=lambda job: (
                job.spec.get("reading") != dumped
                or job.spec.get("repairs", []) != known.run.repairs
                or not continuing.spared(known.run, job)
                or weights.of_spec(job.spec) != [weights.of(upload) for upload in known.uploads]
            ),
        )
    except work.JobFailed as failed:
        if wanted is not None and failed.job.error_for_person and failed.job.error:
            raise UserError(failed.job.error) from failed
        raise


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    uploads = datasets.uploads(session, run_id)
    if not uploads:
        raise LookupError(f"run {run_id} has no upload")
    found = [
        IntakeResult.model_validate(job.payload)
        for job in jobs.of_run(session, run_id)
        if job.kind == JobKind.INTAKE and job.payload is not None
    ]
    return _Known(
        run=run,
        uploads=uploads,
        asked=approvals.latest(session, run_id, GateKind.READING, run.iteration),
        choices=next((result for result in found if result.readings), None),
    )


def _spec(services: Services, known: _Known, reading: Reading | None) -> IntakeSpec:
    limits = services.settings.intake
    first, *others = known.uploads
    return IntakeSpec(
        upload=work.file_ref(services, first),
        weight=weights.of(first),
        more=tuple(
            MoreRows(file=work.file_ref(services, other), weight=weights.of(other))
            for other in others
        ),
        task=known.run.goal,
        seed=SPLIT_SEED,
        reading=reading,
        repairs=tuple(map(Repair, known.run.repairs)),
        learnt=continuing.rows(services, continuing.parent_of(known.run)),
        max_unpacked_bytes=limits.max_upload_bytes,
        **limits.model_dump(exclude={"max_upload_bytes"}),
    )


def _ask(  # the arguments of a transaction are the facts it needs
    session: Session,
    services: Services,
    run: Run,
    choices: IntakeResult | None,
    last: Approval | None,
    note: str | None,
) -> None:
    if choices is None:
        raise LookupError(f"run {run.id} has nothing to ask about its columns")
    revision = 0 if last is None else last.revision + 1
    gates.ask_about_reading(session, services, run, choices, revision=revision, note=note)


def _end(session: Session, services: Services, run: Run, asked: Approval) -> None:
    if asked.decision is Decision.REJECT:
        work.cancel(session, services, run, by=asked.decided_by_name or "somebody")
    else:
        reason = "Nobody said in time how to read the columns. `resume` asks again."
        work.fail(session, services, run, reason)


async def _keep_all(services: Services, run: Run, job: Job, result: IntakeResult) -> None:
    splits = [
        ("train", result.train, result.train_rows),
        ("dev", result.dev, result.dev_rows),
        ("test", result.test, result.test_rows),
    ]
    for _role, file, _rows in splits:
        await work.keep(services, job, file)
    await services.db.write(_save, services, run, result, splits)


def _save(
    session: Session,
    services: Services,
    run: Run,
    result: IntakeResult,
    splits: list[tuple[str, FileRef, int]],
) -> None:
    now = services.clock.now()
    for role, file, rows in splits:
        datasets.replace(
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
    parent = continuing.parent_of(run)
    further = [f"after{parent.run}.{parent.iteration}"] if parent else []
    weighed = [f"x{share.weight:g}" for share in result.files if share.weight != 1]
    occasion = ":".join(["data", *run.repairs, *further, *weighed])
    events.say(session, work.number(run), "data", occasion, result.model_dump(mode="json"), now)
    runs.move(session, run, Phase.PLANNING)

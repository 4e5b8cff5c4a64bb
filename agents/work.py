"""Work for a machine as a node sees it: ask for it once, wait for its row, get its result."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from agents import recipe as recipes
from agents.jobs import FileRef, JobKind, JobOutcome, Spec, TrainResult, TrainSpec
from agents.services import Services, UserError
from agents.waiting import wait_for
from storage import approvals, events, jobs, runs
from storage.files import StoredFile
from storage.models import Dataset, Job, JobState, Phase, Run

WITHOUT_SLOT = frozenset({JobKind.INTAKE})
USABLE = frozenset({JobOutcome.SUCCEEDED, JobOutcome.STOPPED})
TRY_AGAIN = frozenset({JobOutcome.ABANDONED, JobOutcome.PAUSED, JobOutcome.CANCELLED})


class JobFailed(Exception):
    """A job could not be done; the message is one line for the log and, where nothing better is known, the person."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} {job.outcome}: {job.error or 'no result'}")
        self.job = job


def number(run: Run) -> int:
    """Return the number of a stored run."""
    if run.id is None:
        raise ValueError("the run has not been stored")
    return run.id


def open_job(  # noqa: PLR0913  # a job is named by four things and described by two
    session: Session,
    services: Services,
    run: Run,
    kind: JobKind,
    spec: Spec,
    *,
    attempt: int,
    expected_s: float | None = None,
) -> Job:
    """Queue an attempt, together with the message that will show how it goes."""
    now = services.clock.now()
    run_id = number(run)
    events.say(
        session,
        run_id,
        "status",
        f"i{run.iteration}:status:{kind}",
        {"kind": kind.value, "iteration": run.iteration},
        now,
    )
    return jobs.open_or_get(
        session,
        Job(
            id=jobs.job_id(run_id, run.iteration, kind, attempt),
            run_id=run_id,
            owner=run.owner,
            iteration=run.iteration,
            kind=kind,
            attempt=attempt,
            needs_slot=kind not in WITHOUT_SLOT,
            spec=spec.model_dump(mode="json"),
            expected_s=expected_s,
            created_at=now,
        ),
    )


async def finished(
    services: Services,
    run: Run,
    kind: JobKind,
    spec: Spec,
    *,
    expected_s: float | None = None,
    stale: Callable[[Job], bool] = lambda _job: False,
) -> Job:
    """Return the closed job with a usable result; open it, or a further attempt, and wait where there is none yet.

    `stale` tells that a result is of no use any more (it was measured with another model).
    Raises: JobFailed: it cannot be done, or was tried often enough.
    """
    job = await services.db.read(jobs.latest, number(run), kind, run.iteration)
    if job is None or (job.state is JobState.CLOSED and (stale(job) or _again(services, job))):
        attempt = 1 if job is None else job.attempt + 1
        job = await services.db.write(
            open_job, services, run, kind, spec, attempt=attempt, expected_s=expected_s
        )
    if job.state is not JobState.CLOSED:
        wait_for(job)
    if job.outcome not in USABLE:
        raise JobFailed(job)
    return job


async def keep(services: Services, job: Job, file: FileRef) -> StoredFile:
    """Put a file that a job wrote into the file store.

    Raises: ValueError: it is not what the job said it wrote.
    """
    kept = await asyncio.to_thread(services.files.put, services.job_folder(job.id) / file.path)
    if kept.sha256 != file.sha256:
        raise ValueError(f"{file.path} has changed since job {job.id} wrote it")
    return kept


def reward_model(session: Session, services: Services, run: Run, iteration: int) -> dict[str, Any]:
    """Return what a job has to know of the reward model of an iteration: fields of its spec, none where none was trained."""
    job = jobs.latest(session, number(run), JobKind.TRAIN_REWARD, iteration)
    trained = TrainResult.model_validate(job.payload) if job and job.payload else None
    if job is None or trained is None or trained.adapter_dir is None:
        return {}
    folder = services.job_folder(job.id) / trained.adapter_dir
    return {"reward_dir": str(folder), "reward_scale": trained.reward_scale}


def rows_at_once(session: Session, job: Job) -> int:
    """Return how many rows go through the model at once in a training."""
    spec = TrainSpec.model_validate(job.spec)
    measured = jobs.latest(session, job.run_id, JobKind.MEASURE)
    device = (measured.payload or {}).get("device", "cpu") if measured else "cpu"
    return spec.rows_at_once or recipes.rows_at_once(spec.recipe, device)


def file_of(file: StoredFile, name: str) -> FileRef:
    """Return a file of the store as a job is given it."""
    return FileRef(path=str(file.path), sha256=file.sha256, size_bytes=file.size_bytes, name=name)


def file_ref(services: Services, dataset: Dataset) -> FileRef:
    """Return a kept data set as a job is given it."""
    return FileRef(
        path=str(services.files.path(dataset.sha256)),
        sha256=dataset.sha256,
        size_bytes=dataset.size_bytes,
        name=dataset.name,
    )


def reopen_failed(session: Session, services: Services, run: Run) -> None:
    """Queue a further attempt at the job that a run failed with, when a person resumes it; some failed without one."""
    mine = [job for job in jobs.own_of_run(session, number(run)) if job.iteration == run.iteration]
    if mine:
        try_again(session, services, mine[-1])


def try_again(session: Session, services: Services, job: Job, **fresh: Any) -> None:
    """Queue a further attempt at a job that has failed; `fresh` are fields of its spec that are as they are now."""
    if job.state is JobState.CLOSED and job.outcome not in USABLE:
        jobs.open_or_get(session, _next_attempt(job, services, fresh))


def _next_attempt(job: Job, services: Services, fresh: dict[str, Any]) -> Job:
    attempt = job.attempt + 1
    return Job(
        id=jobs.job_id(job.run_id, job.iteration, job.kind, attempt),
        run_id=job.run_id,
        owner=job.owner,
        iteration=job.iteration,
        kind=job.kind,
        attempt=attempt,
        needs_slot=job.needs_slot,
        spec={**job.spec, **fresh},
        expected_s=job.expected_s,
        created_at=services.clock.now(),
    )


def explain(error: Exception) -> str:
    """Return what a person is told about a failure."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, JobFailed):
        job = error.job
        if job.error and job.error_for_person:
            return job.error
        if job.outcome == JobOutcome.ABANDONED:
            return (
                f"The {job.kind.replace('_', ' ')} job died {job.attempt} times without a result, as it does when the "
                f"host runs out of memory: a smaller model or batch size may help. Its log is in jobs/{job.id}/log.txt on the host; `resume` tries again."
            )
        return (
            f"The {job.kind.replace('_', ' ')} job failed: {job.error or 'no result'} "
            f"(log: jobs/{job.id}/log.txt on the host). `resume` tries again."
        )
    return f"Something of ours broke ({type(error).__name__}). The log names run and reason; `resume` tries again."


def payload(job: Job) -> dict[str, Any]:
    """Return the result that a usable job left in its row."""
    if job.payload is None:
        raise JobFailed(job)
    return job.payload


def fail(session: Session, services: Services, run: Run, reason: str) -> None:
    """End a run as FAILED with a reason that people see. Raises: runs.Fenced."""
    now = services.clock.now()
    runs.end(session, run, Phase.FAILED, now, failure=reason)
    approvals.void(session, number(run), now, by="policy:run-ended")
    shown = {"reason": reason, "iteration": run.iteration}
    events.say(session, number(run), "ended", f"v{run.version}:failed", shown, now)


def cancel(session: Session, services: Services, run: Run, *, by: str) -> None:
    """End a run because a person wants it ended: open questions are void, open jobs will be stopped."""
    now = services.clock.now()
    runs.end(session, run, Phase.CANCELLED, now)
    approvals.void(session, number(run), now, by="policy:run-cancelled")
    shown = {"by": by, "iteration": run.iteration}
    events.say(session, number(run), "ended", f"v{run.version}:cancelled", shown, now)


def _again(services: Services, job: Job) -> bool:
    if job.outcome == JobOutcome.ABANDONED:
        return job.attempt < services.settings.launcher.max_attempts
    return job.outcome in TRY_AGAIN

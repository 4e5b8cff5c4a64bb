"""Write a delivered adapter in other formats, one after the other, and say where to get them."""

from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import delivery, kept, work
from agents.jobs import (
    ExportFormat,
    ExportResult,
    ExportSpec,
    JobKind,
    TrainResult,
)
from agents.recipe import Recipe
from agents.services import Services, UserError
from agents.state import RunState
from storage import datasets, events, jobs, runs
from storage.files import StoredFile
from storage.models import Artifact, Dataset, Job, Phase, Run

EXPORT_SECONDS = 120.0


@dataclass(frozen=True)
class _Wanted:
    """The rows that an export is made from."""

    run: Run
    recipe: Recipe
    trained: TrainResult
    adapter_job_id: str
    dev: Dataset

    @property
    def format(self) -> ExportFormat:
        return ExportFormat(self.run.exports[0])


async def export(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Write the next wanted format; a format that cannot be had costs nothing but itself."""
    services = runtime.context
    wanted = await services.db.read(_wanted, state["run_id"])
    try:
        job = await work.finished(
            services,
            wanted.run,
            JobKind.EXPORT,
            _spec(services, wanted),
            expected_s=EXPORT_SECONDS,
            stale=lambda job: bool(job.spec["format"] != wanted.format),
        )
    except work.JobFailed as error:
        shown = {"format": wanted.format.value, "cause": work.explain(error)}
        await services.db.write(_say, services, wanted.run, error.job, shown)
        return state
    result = ExportResult.model_validate(work.payload(job))
    if result.parity.cause is not None:
        shown = {"format": wanted.format.value, "cause": result.parity.cause}
        await services.db.write(_say, services, wanted.run, job, shown)
        return state
    kept = await work.keep(services, job, result.files[0])
    await services.db.write(_save, services, wanted.run, job, result, kept)
    return state


def _wanted(session: Session, run_id: int) -> _Wanted:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    job = jobs.latest(session, run_id, JobKind.TRAIN, run.iteration)
    dev = datasets.find(session, run_id, "dev")
    if plan is None or job is None or dev is None or not run.exports:
        raise LookupError(f"run {run_id} has nothing to export")
    trained = TrainResult.model_validate(work.payload(job))
    if trained.adapter_dir is None:
        raise UserError("The training left no adapter that could be exported.")
    return _Wanted(run, kept.recipe_of(plan, job), trained, job.id, dev)


def _spec(services: Services, wanted: _Wanted) -> ExportSpec:
    folder = services.job_folder(wanted.adapter_job_id) / (wanted.trained.adapter_dir or "")
    return ExportSpec(
        model=services.model_ref(wanted.recipe.model),
        adapter_dir=str(folder),
        adapter_sha256=wanted.trained.adapter_sha256,
        format=wanted.format,
        tuning=wanted.recipe.tuning,
        name=delivery.name_of(wanted.run, wanted.recipe),
        prompts=work.file_ref(services, wanted.dev),
        max_new_tokens=wanted.recipe.max_new_tokens,
        threads=services.settings.launcher.threads,
    )


def _save(
    session: Session,
    services: Services,
    run: Run,
    job: Job,
    result: ExportResult,
    kept: StoredFile,
) -> None:
    now, name = services.clock.now(), result.files[0].name
    session.add(
        Artifact(
            run_id=work.number(run),
            iteration=run.iteration,
            kind=result.format.value,
            name=name,
            sha256=kept.sha256,
            size_bytes=kept.size_bytes,
            created_at=now,
        )
    )
    shown = {
        "format": result.format.value,
        "name": name,
        "sha256": kept.sha256,
        "size_bytes": kept.size_bytes,
        "parity": result.parity.model_dump(mode="json"),
    }
    _say(session, services, run, job, shown)


def _say(session: Session, services: Services, run: Run, job: Job, shown: dict[str, Any]) -> None:
    """Say what became of an export, and go on to the next one or back to rest."""
    now, left = services.clock.now(), run.exports[1:]
    key = f"i{run.iteration}:exported:{job.attempt}"
    events.say(session, work.number(run), "exported", key, shown, now)
    if left:
        runs.touch(session, run, exports=left)
    else:
        runs.move(session, run, Phase.DELIVERED, exports=[], ended_at=now)

"""Train a run's adapter once more from its own rows and recipe, and compare the two: `tunewright reproduce`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session

from agents import kept, opinions, work
from agents.jobs import (
    JobKind,
    JobOutcome,
    JobResult,
    JobSpec,
    TrainResult,
    TrainSpec,
    read_progress,
    read_result,
    write_spec,
)
from agents.launchers import Launcher
from agents.services import UserError
from bot import targets
from bot.app import App, open_app
from bot.targets import Verb
from configs.schema import Backend, Settings
from storage import jobs, runs
from storage.models import Job

LOOK_S = 0.5
TELL_EVERY_S = 15.0


@dataclass(frozen=True)
class Comparison:
    """What came of training twice."""

    same: bool
    text: str


async def reproduce(
    settings: Settings,
    run_id: int,
    tell: Callable[[str], None],
    *,
    launcher: Launcher | None = None,
) -> Comparison:
    """Train anew in a folder of its own and compare the adapters' weights, byte by byte.

    Raises: UserError: the run has no adapter, or one of a training that was stopped early. storage.database.AlreadyOpen:
        a bot works on the data folder.
    """
    async with open_app(settings, launcher=launcher) as app:
        job = await app.services.db.read(_training, run_id)
        first = TrainResult.model_validate(work.payload(job))
        folder = _new_folder(app, job)
        spec = await asyncio.to_thread(_spec_of, app, job, folder)
        write_spec(folder, spec)
        result = await _finished(app, folder, spec, tell)
        fewer = await app.services.db.read(_fewer_at_once, job)
    again = result.payload
    if result.outcome is not JobOutcome.SUCCEEDED or not isinstance(again, TrainResult):
        reason = result.error.message if result.error else result.outcome.value
        raise UserError(f"The training could not be repeated: {reason}")
    return _compared(first, again, fewer)


def _training(session: Session, run_id: int) -> Job:
    run = runs.get(session, run_id)
    targets.check(run, Verb.REPRODUCE)
    job = jobs.latest(session, run_id, JobKind.TRAIN, run.best_iteration or run.iteration)
    if job is None or job.outcome not in work.USABLE:
        raise UserError(f"Run #{run_id} has no adapter that could be trained once more.")
    if job.outcome == JobOutcome.STOPPED:
        raise UserError(
            f"The training of run #{run_id} was stopped early by a person; how far it came cannot be repeated."
        )
    if TrainSpec.model_validate(job.spec).recipe.backend is Backend.AUTOTRAIN:
        raise UserError(
            f"AutoTrain trained run #{run_id}. It shuffles rows without a seed, so no training of it can be repeated."
        )
    return job


def _spec_of(app: App, job: Job, folder: Path) -> JobSpec:
    """Return what is trained anew: of several candidates the one that was kept, as it gives the same adapter alone.

    A judge is asked about answers only that it has not seen in the first training.
    """
    spec = kept.training_of(job)
    own: dict[str, Any] = {"checkpoints_dir": "checkpoints", "hold_at_checkpoint": False}
    if spec.judge_dir is not None:
        own["judge_dir"] = "judge"
        opinions.copy(app.services.job_folder(job.id) / spec.judge_dir, folder / "judge")
    return JobSpec(job_id=folder.name, spec=spec.model_copy(update={**own, "report_to": ()}))


def _fewer_at_once(session: Session, job: Job) -> bool:
    """Tell whether memory ran out on the way, so that fewer rows went through the model at once in the end."""
    earlier = [
        other
        for other in jobs.of_run(session, job.run_id)
        if other.kind == job.kind and other.iteration == job.iteration
    ]
    return any(other.spec.get("rows_at_once") != job.spec.get("rows_at_once") for other in earlier)


def _new_folder(app: App, job: Job) -> Path:
    """Return a folder that no earlier comparison has used; its last part is the job's name, as a worker expects."""
    root = app.services.data_dir / "reproductions"
    number = 1
    while (root / str(number) / job.id).exists():
        number += 1
    return root / str(number) / job.id


async def _finished(app: App, folder: Path, job: JobSpec, tell: Callable[[str], None]) -> JobResult:
    launcher = app.dispatcher.launcher
    handle = await asyncio.to_thread(launcher.start, folder)
    told_s = 0.0
    try:
        while (result := await asyncio.to_thread(read_result, folder)) is None:
            if not await asyncio.to_thread(launcher.alive, folder, handle):
                result = await asyncio.to_thread(read_result, folder)
                if result is None:
                    raise UserError(f"The worker died; its log is {folder / 'log.txt'}.")
                return result
            if isinstance(job.spec, TrainSpec) and job.spec.judge_dir is not None:
                app.dispatcher.judging.attend(folder, job)
            await asyncio.sleep(LOOK_S)
            told_s += LOOK_S
            if told_s >= TELL_EVERY_S:
                told_s = 0.0
                tell(_standing(folder))
        return result
    finally:
        await asyncio.to_thread(launcher.stop, folder, handle)


def _standing(folder: Path) -> str:
    last = next(reversed(read_progress(folder)), None)
    if last is None:
        return "starting"
    return f"{last.stage}: {last.step} of {last.steps}" if last.steps else last.stage


def _compared(first: TrainResult, again: TrainResult, fewer_at_once: bool) -> Comparison:
    if again.adapter_sha256 == first.adapter_sha256:
        return Comparison(True, f"The same adapter, to the bit: {again.adapter_sha256}.")
    causes = [*_differences("version", first.versions, again.versions)]
    if first.base_sha256 != again.base_sha256:
        causes.append("the base model's weights are others")
    if fewer_at_once:
        causes.append(
            "memory ran out on the way then, and fewer rows went through the model at once from there on"
        )
    why = "; ".join(causes) or (
        "packages and base are the same, so it is the machine: on a GPU, or with another number of threads, sums are "
        "added in another order"
    )
    best = f"dev loss {_best(first)} then, {_best(again)} now"
    return Comparison(
        False,
        f"Another adapter: {first.adapter_sha256} then, {again.adapter_sha256} now ({best}). Why: {why}.",
    )


def _differences(what: str, then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{what} of {name}: {then.get(name)} then, {now.get(name)} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _best(result: TrainResult) -> str:
    return f"{min(loss for _step, loss in result.dev_losses):.4f}" if result.dev_losses else "–"

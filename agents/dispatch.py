"""Between rows and launcher: start what is next in line, watch what runs, copy outcomes into rows.

Level-triggered: every look compares rows with folders and does what is missing, so a look may be lost or repeated.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlmodel import Session

from agents import explanations
from agents.jobs import (
    OUT_OF_MEMORY,
    JobKind,
    JobOutcome,
    JobResult,
    JobSpec,
    StopMode,
    heartbeat_mark,
    read_progress,
    read_result,
    request_stop,
    requested_stop,
    write_spec,
)
from agents.judging import Judging
from agents.launchers import Launcher
from agents.services import Services
from configs.schema import Backend, GateKind
from storage import approvals, jobs, runs
from storage.jobs import Closing
from storage.models import FINAL, Decision, Job, Phase, Run

log = logging.getLogger(__name__)


@dataclass
class _Pulse:
    """When this process last saw a sign of life; monotonic, so that a clock that is set kills nobody."""

    mark: int | None
    seen_s: float
    stop_asked_s: float | None = None


@dataclass
class Dispatcher:
    """Gives jobs to a launcher and takes their results back."""

    services: Services
    launcher: Launcher
    judging: Judging = field(init=False)
    """What asks a language model for workers that wait for its opinion; tasks of their own, outside of any look."""
    _pulses: dict[str, _Pulse] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.judging = Judging(self.services)

    async def close(self) -> None:
        """End what this has begun besides looking."""
        await self.judging.close()

    async def look(self) -> None:
        """Look at every running job once, then start as many as there are free slots."""
        async with self._looking:
            for job, run, stop in await self.services.db.read(_running):
                await self._look_at(job, run, stop)
            await self._start_next()

    async def end_all(self, run_id: int) -> None:
        """End the jobs of an ended run now, for a process that will not be here to look again."""
        async with self._looking:
            for job, run, _stop in await self.services.db.read(_running):
                if run.id == run_id:
                    folder = self.services.job_folder(job.id)
                    await asyncio.to_thread(self.launcher.stop, folder, job.handle)
                    await self._close(
                        job, Closing(JobOutcome.CANCELLED, error="the run was cancelled")
                    )
            await cancel_queued(self.services)

    async def _look_at(self, job: Job, run: Run, stop: StopMode | None) -> None:
        folder = self.services.job_folder(job.id)
        if job.handle is None:  # we died between claiming it and noting the handle
            await self._start(job)
            return
        alive = await asyncio.to_thread(self.launcher.alive, folder, job.handle)
        closing = await asyncio.to_thread(
            _result, folder, job
        )  # after `alive`: a result is written before the end
        if closing is None and not alive:
            closing = await asyncio.to_thread(self._died, folder)
        if closing is None:
            closing = await self._overdue(job, run, folder, stop)
        if closing is not None:
            await self._close(job, closing)
            return
        if stop is StopMode.CANCEL:
            await self.judging.leave(folder)
        elif job.spec.get("judge_dir"):
            self.judging.attend(folder, _spec(job))
        await self._ask_at_checkpoint(job, folder)

    def _died(self, folder: Path) -> Closing:
        if self.launcher.killed_for_memory(folder):
            return Closing(
                JobOutcome.ABANDONED,
                error_code=OUT_OF_MEMORY,
                error="the worker was killed because the machine ran out of memory",
            )
        return Closing(JobOutcome.ABANDONED, error="the worker ended without a result")

    async def _overdue(
        self, job: Job, run: Run, folder: Path, stop: StopMode | None
    ) -> Closing | None:
        """Pass a stop request on; end a worker that does not obey in time or whose heartbeat stands still."""
        limits = self.services.settings.launcher
        now_s = time.monotonic()
        pulse = self._pulses.setdefault(job.id, _Pulse(None, now_s))
        mark = heartbeat_mark(folder)
        if mark != pulse.mark:
            pulse.mark, pulse.seen_s = mark, now_s
        if stop is not None and await asyncio.to_thread(requested_stop, folder) is not stop:
            await asyncio.to_thread(request_stop, folder, stop)
            pulse.stop_asked_s = now_s
        asked_s = pulse.stop_asked_s if stop is StopMode.CANCEL else None
        if asked_s is not None and now_s - asked_s > limits.stop_grace_s:
            await asyncio.to_thread(self.launcher.stop, folder, job.handle)
            return Closing(JobOutcome.CANCELLED, error="ended by force after a cancel")
        lease_s = limits.start_lease_s if mark is None else limits.lease_s
        if now_s - pulse.seen_s > lease_s:
            log.warning("run=%d job=%s no heartbeat for %.0f s; ended", run.id, job.id, lease_s)
            await asyncio.to_thread(self.launcher.stop, folder, job.handle)
            return Closing(JobOutcome.ABANDONED, error=f"no sign of life for {lease_s:.0f} s")
        return None

    async def _ask_at_checkpoint(self, job: Job, folder: Path) -> None:
        if job.kind != JobKind.TRAIN or job.checkpoint_reached or not _can_stop_half_way(job):
            return
        lines = await asyncio.to_thread(read_progress, folder)
        last = next((line for line in reversed(lines) if line.steps and line.step), None)
        fraction = self.services.settings.training.checkpoint_fraction
        if last is not None and last.steps > last.step >= fraction * last.steps:
            await self.services.db.write(jobs.reach_checkpoint, job.id)
            self.services.wake(job.run_id)

    async def _close(self, job: Job, closing: Closing) -> None:
        await self.judging.leave(self.services.job_folder(job.id))
        await self.services.db.write(explanations.close, self.services, job.id, closing)
        self._pulses.pop(job.id, None)
        log.info("run=%d job=%s closed: %s", job.run_id, job.id, closing.outcome)
        self.services.wake(job.run_id)

    async def _start_next(self) -> None:
        limits = self.services.settings
        running, line = await self.services.db.read(_line, limits.limits.running_per_user)
        free = limits.launcher.slots - sum(job.needs_slot for job in running)
        for job in line:
            if job.needs_slot and free <= 0:
                continue
            if await self.services.db.write(jobs.claim, job.id, self.services.clock.now()):
                free -= job.needs_slot
                await self._start(job)

    async def _start(self, job: Job) -> None:
        folder = self.services.job_folder(job.id)
        await asyncio.to_thread(write_spec, folder, _spec(job))
        try:
            handle = await asyncio.to_thread(self.launcher.start, folder)
        except OSError as error:
            closing = Closing(
                JobOutcome.FAILED,
                error_code="launcher",
                error=f"the worker could not be started: {error}",
            )
            await self._close(job, closing)
            return
        await self.services.db.write(jobs.record_handle, job.id, handle)
        log.info("run=%d job=%s started", job.run_id, job.id)


def _spec(job: Job) -> JobSpec:
    return JobSpec.model_validate({"job_id": job.id, "spec": job.spec})


def _running(session: Session) -> list[tuple[Job, Run, StopMode | None]]:
    found = []
    for job in jobs.running(session):
        run = runs.get(session, job.run_id)
        found.append((job, run, _wanted_stop(session, job, run)))
    return found


def _wanted_stop(session: Session, job: Job, run: Run) -> StopMode | None:
    """Return how a job should stop, as the rows have it."""
    if job.kind in jobs.BESIDE:
        return StopMode.CANCEL if run.phase is Phase.CANCELLED else None
    if run.phase in FINAL:
        return StopMode.CANCEL
    if run.phase is Phase.DELIVERING and job.kind != JobKind.WORKFLOW_CLAIM:
        return StopMode.CANCEL  # somebody takes what there is
    if job.kind == JobKind.TRAIN and run.phase is Phase.BUILDING:
        gate = approvals.latest(session, job.run_id, GateKind.CHECKPOINT, job.iteration)
        if gate is not None and gate.decision in {Decision.REJECT, Decision.REVISE}:
            return StopMode.FINISH
    return StopMode.PAUSE if run.paused and job.kind != JobKind.INTAKE else None


def _can_stop_half_way(job: Job) -> bool:
    """Tell whether a training has something to show for itself at half-time: AutoTrain keeps no checkpoint."""
    return bool(job.spec["recipe"].get("backend", Backend.TRL) != Backend.AUTOTRAIN)


def _line(session: Session, running_per_user: int) -> tuple[list[Job], list[Job]]:
    return jobs.running(session), jobs.queued(session, running_per_user=running_per_user)


def _result(folder: Path, job: Job) -> Closing | None:
    try:
        result = read_result(folder)
    except ValueError as error:
        return Closing(
            JobOutcome.FAILED,
            error_code="crash",
            error=f"unreadable result: {type(error).__name__}",
        )
    if result is None:
        return None
    if result.job_id != job.id or result.outcome is JobOutcome.OPEN:
        return Closing(JobOutcome.FAILED, error_code="crash", error="the result is not this job's")
    return _closing(result)


def _closing(result: JobResult) -> Closing:
    error = result.error
    return Closing(
        outcome=result.outcome,
        payload=None if result.payload is None else result.payload.model_dump(mode="json"),
        error_code=error.code if error else None,
        error=error.message if error else None,
        error_for_person=bool(error and error.for_person),
    )


async def cancel_queued(services: Services) -> None:
    """Close the queued jobs of runs that have ended: nobody will start them."""
    closing = Closing(JobOutcome.CANCELLED, error="the run ended before its turn came")
    for job_id in await services.db.read(jobs.left_over):
        await services.db.write(jobs.close, job_id, closing, services.clock.now())

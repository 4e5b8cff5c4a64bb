"""What a training has come to, and the result that is made of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.jobs import (
    JobError,
    JobOutcome,
    JobResult,
    Probe,
    StopMode,
    Targets,
    TrainResult,
    TrainSpec,
)
from agents.worker.checkpoints import Checkpoint, Origin, Standing, best_of, damages, export_adapter
from agents.worker.history import points, reward_scale, thinned

OUTCOMES = {
    None: JobOutcome.SUCCEEDED,
    StopMode.FINISH: JobOutcome.STOPPED,
    StopMode.PAUSE: JobOutcome.PAUSED,
}


Ending = tuple[StopMode | None, str]
"""How and why a training ended early; without a mode where nobody asked for it."""


@dataclass(frozen=True)
class Course:
    """A training as far as it came."""

    origin: Origin
    standing: Standing
    checkpoints: list[Checkpoint]
    """Verified ones that are left, oldest first."""
    history: list[dict[str, Any]]
    """What the trainer logged, earlier attempts included."""
    resumed_from_step: int | None
    ending: Ending | None = None
    broken: str | None = None
    """Name of the first number that was not finite."""
    targets: Targets | None = None
    update_size: float | None = None
    probe: Probe | None = None


def result(folder: Path, spec: TrainSpec, course: Course) -> JobResult:
    """Return the result of a training: the adapter of its best checkpoint, unless it is to go on, and its numbers."""
    error = None
    outcome = OUTCOMES[course.ending[0] if course.ending else None]
    if course.broken:
        outcome, error = JobOutcome.FAILED, _non_finite(spec, course)
    checkpoints_dir = folder / spec.checkpoints_dir
    keep = outcome is not JobOutcome.PAUSED
    payload = _payload(folder, course, checkpoints_dir, keep_adapter=keep)
    return JobResult(job_id=folder.name, outcome=outcome, payload=payload, error=error)


def _payload(
    folder: Path, course: Course, checkpoints_dir: Path, keep_adapter: bool
) -> TrainResult:
    best, standing = best_of(course.checkpoints), course.standing
    adapter_sha256 = export_adapter(best, folder / "artifacts") if best and keep_adapter else None
    return TrainResult(
        reason=course.ending[1] if course.ending else None,
        steps_done=standing.step,
        steps_planned=course.origin.steps,
        best_step=best.step if best else 0,
        losses=thinned(points(course.history, "loss")),
        dev_losses=tuple(points(course.history, "eval_loss")),
        rewards=thinned(points(course.history, "reward")),
        reward_scale=reward_scale(course.history, best.step) if best else None,
        tokens_seen=standing.tokens,
        train_s=standing.train_s,
        tokens_per_s=standing.tokens / standing.train_s if standing.train_s else 0.0,
        peak_memory_bytes=standing.peak_memory_bytes,
        resumed_from_step=course.resumed_from_step,
        spikes=standing.spikes,
        rows_left_out=course.origin.rows_left_out,
        damaged=damages(checkpoints_dir),
        adapter_dir="artifacts/adapter" if adapter_sha256 else None,
        adapter_sha256=adapter_sha256,
        versions=course.origin.versions,
        base_sha256=course.origin.base_sha256,
        base_hub_id=course.origin.base_hub_id,
        template_sha256=course.origin.template_sha256,
        grad_norms=thinned(points(course.history, "grad_norm")),
        learning_rates=thinned(points(course.history, "learning_rate")),
        targets=course.targets,
        update_size=course.update_size,
        probe=course.probe,
    )


def _non_finite(spec: TrainSpec, course: Course) -> JobError:
    best = best_of(course.checkpoints)
    kept = f"The adapter of step {best.step} was kept" if best else "No adapter was kept"
    return JobError(
        code="non_finite_loss",
        message=(
            f"Training was stopped at step {course.standing.step}: {course.broken} became infinite or not a number. "
            f"{kept}. Try a lower learning rate, {spec.recipe.learning_rate / 10:.1g} for one."
        ),
        for_person=True,
    )

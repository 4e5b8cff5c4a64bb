"""Cards that follow a job: queued, running, closed."""

from typing import Any

from agents.jobs import OUT_OF_MEMORY, JobKind, JobOutcome, Progress, row_name
from agents.launchers import WORKFLOW_KINDS
from bot import reports
from bot.charts import sparkline
from bot.scenes import Scene
from bot.surface import Card, Tone
from bot.text import bar, duration, inline, plain, size
from configs.schema import Backend
from storage import jobs
from storage.models import FINAL, JobState, Phase

WORK = {
    JobKind.INTAKE: "Reading your data",
    JobKind.MEASURE: "Measuring model and machine",
    JobKind.SELECT: "Comparing models",
    JobKind.TRAIN: "Training",
    JobKind.TRAIN_REWARD: "Training the reward model",
    JobKind.INSPECT: "Looking for wrong rows",
    JobKind.EVALUATE: "Measuring base against tuned",
    JobKind.EXPLAIN: "Looking into an answer",
    JobKind.EXPORT: "Writing another format",
    JobKind.GATHER: "Reading documents",
    JobKind.GENERATE: "Making rows",
    JobKind.SIFT: "Looking at the made rows",
    JobKind.WORKFLOW_READ: "Reading your workflow",
    JobKind.WORKFLOW_PROPOSE: "Looking for changes",
    JobKind.WORKFLOW_MEASURE: "Running the proposals",
    JobKind.WORKFLOW_CLAIM: "The last comparison",
}


def status(scene: Scene) -> Card:
    """Return the card of a job as it stands now."""
    kind = JobKind(scene.event.payload["kind"])
    job, run = scene.job, scene.run
    title = WORK[kind] + _about(scene.event.payload, "round" if kind in WORKFLOW_KINDS else "try")
    if job is None:
        return Card(title=title, tone=Tone.WORKING, footer=scene.marker, final=False)
    over = run.phase in FINAL or run.iteration != job.iteration
    if job.kind in jobs.BESIDE:
        over = run.phase is Phase.CANCELLED
    if job.state is JobState.CLOSED:
        # a person's choice among edits is measured in the same round, and shown on the same card
        done = job.outcome in {JobOutcome.SUCCEEDED, JobOutcome.STOPPED}
        return _closed(scene, title, final=over or (done and job.kind != JobKind.WORKFLOW_MEASURE))
    if job.state is JobState.QUEUED:
        if scene.place is not None and scene.place.position == 1 and not scene.place.wait_s:
            return Card(
                title=title,
                body="starting",
                tone=Tone.WORKING,
                footer=scene.marker,
                final=over,
            )
        body = "Waiting for a free slot."
        if scene.place is not None:
            soon = f", in about {duration(scene.place.wait_s)}" if scene.place.wait_s else ""
            body = f"Number {scene.place.position} in line{soon}."
        return Card(
            title=f"{title}: queued",
            body=body,
            tone=Tone.WORKING,
            footer=scene.marker,
            final=over,
        )
    return Card(
        title=title,
        body=progress(scene),
        tone=Tone.WORKING,
        footer=scene.marker,
        final=over,
    )


def _about(shown: dict[str, Any], iteration: str) -> str:
    """Say which row and which try or round a job is about, where that needs to be said."""
    row = f": {row_name(shown['row'])}" if "row" in shown else ""
    return f"{row} ({iteration} {shown['iteration']})" if shown["iteration"] > 1 else row


def progress(scene: Scene) -> str:
    """Say how far a job is: a bar, what it is at, the loss so far."""
    last = scene.progress[-1] if scene.progress else Progress(stage="starting")
    lines = []
    if last.steps:
        share = last.step / last.steps
        lines.append(f"{inline(bar(share))} {100 * share:.0f} % · {last.step:,} of {last.steps:,}")
    known = _newest(scene.progress)
    details = [plain(last.stage, 80)]
    curves = [name for name in ("loss", "dev_loss", "reward") if name in known]
    details += [f"{name.replace('_', ' ')} {known[name]:.3f}" for name in curves]
    if "eta_s" in known:
        details.append(f"about {duration(known['eta_s'])} left")
    lines.append(" · ".join(details))
    if "tokens_per_s" in known and "peak_memory_bytes" in known:
        speed, memory = known["tokens_per_s"], known["peak_memory_bytes"]
        lines.append(f"{speed:,.0f} tokens/s · {size(memory)} of memory at most")
    losses = _losses(scene.progress)
    if len(losses) > 2:
        lines.append(f"loss {inline(sparkline(losses, 30))} {losses[0]:.2f} → {losses[-1]:.2f}")
    if scene.run.paused:
        lines.append("**Pausing** after this step.")
    return "\n".join(lines)


def _losses(told: tuple[Progress, ...]) -> list[float]:
    """Return the loss by step. A worker that was started again has done some steps twice, with the same outcome.

    Of several candidates the one that trains has a curve: the losses of two of them say nothing side by side.
    """
    learnt = [line for line in told if line.loss is not None]
    by_step = {line.step: line.loss or 0.0 for line in learnt if line.stage == learnt[-1].stage}
    return [by_step[step] for step in sorted(by_step)]


def _newest(told: tuple[Progress, ...]) -> dict[str, Any]:
    """Return the newest value of each number of the stage that a job is at: not every line has them all."""
    known: dict[str, Any] = {}
    for line in told:
        if line.stage == told[-1].stage:
            known |= line.model_dump(exclude_none=True)
    return known


def _closed(scene: Scene, title: str, *, final: bool) -> Card:
    job = scene.job
    assert job is not None
    words = {
        JobOutcome.SUCCEEDED: "done",
        JobOutcome.STOPPED: "stopped early, as asked; the best step so far is kept",
        JobOutcome.PAUSED: "paused; a checkpoint is saved",
        JobOutcome.CANCELLED: "cancelled",
        JobOutcome.FAILED: "failed",
        JobOutcome.ABANDONED: "interrupted; it goes on from the last checkpoint",
    }
    if job.spec.get("recipe", {}).get("backend") == Backend.AUTOTRAIN and job.kind == JobKind.TRAIN:
        words[JobOutcome.PAUSED] = "paused; AutoTrain keeps no checkpoint, so it will start over"
        words[JobOutcome.ABANDONED] = "interrupted; AutoTrain starts over"
    if job.kind in WORKFLOW_KINDS:
        words[JobOutcome.PAUSED] = "paused; what was asked of models is kept"
        words[JobOutcome.ABANDONED] = "interrupted; what was asked of models is not asked again"
    if job.kind == JobKind.EXPLAIN:
        words[JobOutcome.ABANDONED] = "interrupted"
    outcome = JobOutcome(job.outcome or JobOutcome.ABANDONED)
    ended = "memory ran out" if job.error_code == OUT_OF_MEMORY else words[outcome]
    body = (
        progress(scene)
        if scene.progress and outcome in {JobOutcome.SUCCEEDED, JobOutcome.STOPPED}
        else ""
    )
    if job.kind in {JobKind.TRAIN, JobKind.TRAIN_REWARD} and job.payload:
        body = reports.training_summary(job.payload)
    elif outcome is not JobOutcome.SUCCEEDED and job.error:
        body = plain(job.error, 600)
    tone = (
        Tone.GOOD
        if outcome is JobOutcome.SUCCEEDED
        else Tone.BAD
        if outcome is JobOutcome.FAILED
        else Tone.PLAIN
    )
    return Card(
        title=f"{title}: {ended}",
        body=body,
        tone=tone,
        footer=scene.marker,
        final=final,
    )

"""Train: one job per attempt, with the question at half-time.

When memory runs out, the next attempt resumes with half the rows at once: the attempts in the rows say how often.

`ask`: training goes on while the question stands. `hold`: the worker leaves, and an answer opens the next attempt.
"""

from dataclasses import dataclass
from pathlib import Path

from langgraph.runtime import Runtime
from sqlmodel import Session

from agents import continuing, drafts, gates, judging, methods, planning, work
from agents.jobs import OUT_OF_MEMORY, JobKind, JobOutcome, TrainResult, TrainSpec
from agents.recipe import REWARDED, Recipe, half_at_once
from agents.services import Services
from agents.state import RunState
from agents.waiting import wait_for
from configs.schema import Backend, CheckpointMode, GateKind
from storage import approvals, datasets, events, jobs, runs
from storage.models import Approval, Dataset, Decision, Job, JobState, Phase, Plan, Run

CURABLE = frozenset({"non_finite_loss", OUT_OF_MEMORY})
"""Failures that the debugger has an answer to."""
MOST_HALVINGS = 3
"""Times that a training goes on with half the rows at once when memory runs out: from eight down to one."""
CHECKPOINT_GATE = "checkpoint_gate"


@dataclass(frozen=True)
class _Known:
    run: Run
    plan: Plan
    train: Dataset
    dev: Dataset
    gate: Approval | None
    tried: "_Tried"
    without: Dataset | None = None
    """The rows without made ones, where the training is compared with one on these."""

    @property
    def job(self) -> Job | None:
        return self.tried.job


@dataclass(frozen=True)
class _Tried:
    """The attempts at one training."""

    job: Job | None
    """The newest one."""
    abandoned: int = 0
    """Those that died, other than for want of memory."""
    out_of_memory: int = 0
    at_once: int = 1
    """Rows that go through the model together in the newest one."""

    @property
    def fewer(self) -> int | None:
        """Rows at once of the next attempt; None unless memory ran out and so many halvings are allowed and possible."""
        job = self.job
        if job is None or job.error_code != OUT_OF_MEMORY or self.out_of_memory > MOST_HALVINGS:
            return None
        return half_at_once(Recipe.model_validate(job.spec["recipe"]), self.at_once)


async def train(state: RunState, runtime: Runtime[Services]) -> RunState:
    """Carry out the approved plan, up to an adapter or a failure worth diagnosing."""
    services = runtime.context
    known = await services.db.read(_known, state["run_id"])
    job = known.job
    if job is None:
        await _reward_model(services, known)
        job = await services.db.write(_open, services, known, finish_now=False)
    elif job.checkpoint_reached and known.gate is None and job.state is not JobState.CLOSED:
        await services.db.write(_ask, services, known, job)
    if job.state is not JobState.CLOSED:
        wait_for(job)
    await _settle(services, known, job)
    return state


async def _reward_model(services: Services, known: _Known) -> None:
    """Train the reward model that the recipe's rewards ask, if they ask one."""
    recipe = Recipe.model_validate(known.plan.recipe)
    if methods.needs_reward_model(recipe):
        first = methods.reward_model_recipe(recipe, drafts.asked(known.plan))
        spec = _spec(services, known, first, JobKind.TRAIN_REWARD)
        tried = await services.db.read(_tried, known.run, JobKind.TRAIN_REWARD)
        spec = spec.model_copy(update={"rows_at_once": _rows_at_once(tried)})
        if tried.fewer is not None:
            await services.db.write(_open_smaller, services, known.run, tried, spec)
        await work.finished(services, known.run, JobKind.TRAIN_REWARD, spec)


async def _settle(services: Services, known: _Known, job: Job) -> None:
    """Go where the outcome of a closed attempt points."""
    outcome = JobOutcome(job.outcome or JobOutcome.ABANDONED)
    if outcome in work.USABLE:
        await services.db.write(_hand_on, services, known)
    elif outcome is JobOutcome.PAUSED and _reason(job) == CHECKPOINT_GATE:
        await _after_hold(services, known, job)
    elif known.tried.fewer is not None:
        await services.db.write(_open, services, known, finish_now=False)
    elif job.error_code in CURABLE:
        await services.db.write(_to_debugger, services, known)
    elif outcome is JobOutcome.PAUSED or (
        outcome is JobOutcome.ABANDONED
        and known.tried.abandoned < services.settings.launcher.max_attempts
    ):
        await services.db.write(_open, services, known, finish_now=False)
    else:
        raise work.JobFailed(job)


async def _after_hold(services: Services, known: _Known, job: Job) -> None:
    gate = known.gate
    if gate is None:
        gate = await services.db.write(_ask, services, known, job)
    if gate.decision is Decision.OPEN:
        wait_for(gate)
    finish_now = gate.decision in {Decision.REJECT, Decision.REVISE}
    await services.db.write(_open, services, known, finish_now=finish_now)


def _known(session: Session, run_id: int) -> _Known:
    run = runs.get(session, run_id)
    plan = datasets.latest_plan(session, run_id, run.iteration)
    train_set, dev_set = (
        datasets.train_of(session, run_id, run.iteration),
        datasets.find(session, run_id, "dev"),
    )
    if plan is None or train_set is None or dev_set is None:
        raise LookupError(f"run {run_id} has no plan or no data to train with")
    return _Known(
        run=run,
        plan=plan,
        train=train_set,
        dev=dev_set,
        gate=approvals.latest(session, run_id, GateKind.CHECKPOINT, run.iteration),
        tried=_tried(session, run, JobKind.TRAIN),
        without=datasets.find(
            session, run_id, datasets.role_of_try(datasets.WITHOUT, run.iteration)
        ),
    )


def _tried(session: Session, run: Run, kind: JobKind) -> _Tried:
    mine = [
        job
        for job in jobs.of_run(session, work.number(run))
        if job.kind == kind and job.iteration == run.iteration
    ]
    if not mine:
        return _Tried(None)
    newest = max(mine, key=lambda job: job.attempt)
    ran_out = [job for job in mine if job.error_code == OUT_OF_MEMORY]
    died = [job for job in mine if job.outcome == JobOutcome.ABANDONED and job not in ran_out]
    return _Tried(newest, len(died), len(ran_out), work.rows_at_once(session, newest))


def _open(session: Session, services: Services, known: _Known, *, finish_now: bool) -> Job:
    recipe = Recipe.model_validate(known.plan.recipe)
    hold = (
        recipe.checkpoint_mode is CheckpointMode.HOLD
        and recipe.backend is Backend.TRL
        and known.gate is None
    )
    spec = _spec(services, known, recipe, JobKind.TRAIN).model_copy(
        update={
            "hold_at_checkpoint": hold,
            "finish_now": finish_now,
            "rows_at_once": _rows_at_once(known.tried),
            **work.reward_model(session, services, known.run, known.run.iteration),
            "without": work.file_ref(services, known.without) if known.without else None,
            "parent": continuing.adapter_of(services, known.run),
            **judging.fields(services, known.plan, JobKind.TRAIN),
        }
    )
    _tell_halving(session, services, known.run, known.tried)
    attempt = known.job.attempt + 1 if known.job else 1
    estimate = planning.Estimate(**known.plan.estimate)
    expected_s = estimate.train_s + (estimate.without_s if known.without else 0.0)
    return work.open_job(
        session,
        services,
        known.run,
        JobKind.TRAIN,
        spec,
        attempt=attempt,
        expected_s=expected_s,
    )


def _open_smaller(
    session: Session, services: Services, run: Run, tried: _Tried, spec: TrainSpec
) -> None:
    _tell_halving(session, services, run, tried)
    attempt = tried.job.attempt + 1 if tried.job else 1
    work.open_job(session, services, run, spec.kind, spec, attempt=attempt)


def _tell_halving(session: Session, services: Services, run: Run, tried: _Tried) -> None:
    if tried.job is None or tried.fewer is None:
        return
    method = Recipe.model_validate(tried.job.spec["recipe"]).method
    what = "answers" if method in REWARDED else "rows"
    text = (
        f"Memory ran out with {tried.at_once} {what} going through the model at once, so the training goes on from its "
        f"last checkpoint with {tried.fewer} at once, from which it learns the same."
    )
    shown = {"title": "Memory ran out", "text": text}
    key = f"i{run.iteration}:memory:{tried.job.id}"
    events.say(session, work.number(run), "notice", key, shown, services.clock.now())


def _rows_at_once(tried: _Tried) -> int | None:
    """Return the rows at once of the next attempt: half when memory ran out, else as before."""
    before: int | None = tried.job.spec.get("rows_at_once") if tried.job else None
    return tried.fewer or before


def _spec(services: Services, known: _Known, recipe: Recipe, kind: JobKind) -> TrainSpec:
    settings = services.settings
    first = jobs.job_id(work.number(known.run), known.run.iteration, kind, 1)
    return TrainSpec.model_validate(
        {
            "kind": kind,
            "model": services.model_ref(recipe.model),
            "train": work.file_ref(services, known.train),
            "dev": work.file_ref(services, known.dev),
            "recipe": recipe,
            "save_steps": settings.training.save_steps,
            "checkpoint_fraction": settings.training.checkpoint_fraction,
            "hold_at_checkpoint": False,
            "checkpoints_dir": str(services.job_folder(first) / "checkpoints"),
            "threads": settings.launcher.threads,
            "autotrain_venv": _text(settings.training.autotrain.venv),
            "autotrain_silence_s": settings.training.autotrain.silence_s,
            "report_to": settings.training.report_to,
            "reports_dir": str(services.data_dir.absolute() / "reports"),
        }
    )


def _ask(session: Session, services: Services, known: _Known, job: Job) -> Approval:
    recipe = Recipe.model_validate(known.plan.recipe)
    shown = {
        "job_id": job.id,
        "iteration": known.run.iteration,
        "fraction": services.settings.training.checkpoint_fraction,
        "mode": recipe.checkpoint_mode.value,
    }
    return gates.ask(session, services, known.run, GateKind.CHECKPOINT, revision=0, shown=shown)


def _hand_on(session: Session, services: Services, known: _Known) -> None:
    _close_gate(session, services, known)
    _settle_made_rows(session, known)
    runs.move(session, known.run, Phase.EVALUATING)


def _settle_made_rows(session: Session, known: _Known) -> None:
    """Let the try have learnt from what its adapter has learnt from: the training was no better with made rows."""
    trained = TrainResult.model_validate(work.payload(known.job)) if known.job else None
    if trained is None or trained.learnt_made is not False or known.without is None:
        return
    run_id, iteration = work.number(known.run), known.run.iteration
    made = datasets.made_of(session, run_id, iteration)
    if made is not None:
        datasets.rename(session, made, datasets.role_of_try(datasets.UNUSED, iteration))
    again = (known.plan.generation or {}).get("again")
    earlier = None if again is None else datasets.made_of(session, run_id, again)
    if earlier is not None:  # those that it has learnt before are no part of the comparison
        role = datasets.role_of_try(datasets.MADE, iteration)
        kept = earlier.model_dump(exclude={"id"}) | {"role": role, "name": f"{role}.jsonl"}
        datasets.keep(session, Dataset(**kept))
    train = datasets.find(session, run_id, datasets.role_of_try("train", iteration))
    if train is not None:
        train.sha256, train.size_bytes = known.without.sha256, known.without.size_bytes
        train.rows = known.without.rows
        session.add(train)


def _to_debugger(session: Session, services: Services, known: _Known) -> None:
    _close_gate(session, services, known)
    runs.move(session, known.run, Phase.DEBUGGING)


def _close_gate(session: Session, services: Services, known: _Known) -> None:
    approvals.void(
        session,
        work.number(known.run),
        services.clock.now(),
        by="policy:training ended first",
        gate=GateKind.CHECKPOINT,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.expanduser().absolute())


def _reason(job: Job) -> str | None:
    return TrainResult.model_validate(work.payload(job)).reason

"""Train with AutoTrain: hand it rows and base, follow it, make its adapter ours."""

import shutil
import sys
from pathlib import Path
from typing import Any

from agents.autotrain import NotInstalled, Program, find
from agents.jobs import JobOutcome, JobResult, Progress, TrainResult, TrainSpec, requested_stop
from agents.jobs.reporting import Reporter, Stopped
from agents.recipe import Method
from agents.worker import base_model, rows, shaped_rows
from agents.worker.autotrain import adapter, inputs, portion
from agents.worker.autotrain.looks import dev_losses
from agents.worker.autotrain.output import Output, for_the_log
from agents.worker.autotrain.portion import Portion
from agents.worker.autotrain.program import CACHE, Running
from agents.worker.base_model import BaseFolder
from agents.worker.errors import WorkerError
from agents.worker.history import thinned

FOLDER, ADAPTER_DIR = "autotrain", "artifacts/adapter"
TAKEN = "taken"
"""In that folder: the adapter until it has shown that it fits."""
REQUESTED = "requested"


def run(folder: Path, spec: TrainSpec) -> JobResult:
    """Train an adapter from the start; AutoTrain keeps no checkpoint that could be resumed.

    Raises: WorkerError: it is not installed, or has failed. Stopped: the bot asked to cancel.
    """
    try:
        program = find(Path(spec.autotrain_venv) if spec.autotrain_venv else None)
    except NotInstalled as error:
        raise WorkerError("not_installed", str(error), for_person=True) from error
    if spec.parent is not None:
        raise ValueError("AutoTrain cannot go on from an earlier adapter")
    reporter = Reporter(folder)
    reporter.stage("getting ready for AutoTrain")
    base = base_model.resolve(spec.model, reporter)
    work = folder / FOLDER
    given = _prepare(folder, spec, program, base)
    told = Output()
    try:
        peak_memory_bytes = _train(work, spec, program, reporter, given, told)
        taken = work / TAKEN
        sha256 = adapter.take(work / inputs.PROJECT, spec.recipe, base.public_name, taken)
        losses = dev_losses(folder, spec, base, taken, reporter)
        _keep(taken, folder / ADAPTER_DIR)
    except Stopped as stopped:
        if stopped.outcome is not JobOutcome.PAUSED:
            raise
        payload = _standing(given, told, program, base)
        return JobResult(job_id=folder.name, outcome=JobOutcome.PAUSED, payload=payload)
    finally:
        # The configuration stays for whoever wants to know; copies of rows and weights do not.
        _clear(work)
    done = len(told.losses)
    kept = {
        "reason": None,
        "steps_planned": done,
        "best_step": done,
        "dev_losses": () if losses is None else ((0, losses[0]), (done, losses[1])),
        "peak_memory_bytes": peak_memory_bytes,
        "adapter_dir": ADAPTER_DIR,
        "adapter_sha256": sha256,
    }
    payload = _standing(given, told, program, base).model_copy(update=kept)
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


def _prepare(folder: Path, spec: TrainSpec, program: Program, base: BaseFolder) -> Portion:
    tokenizer, longest = base_model.outline(base)
    recipe, device = spec.fitting_recipe, base_model.machine()[0]
    given: Portion
    if recipe.method is Method.SFT:
        answers = rows.draw(rows.read_rows(spec.train, folder), recipe.max_train_rows, recipe.seed)
        given = portion.of_answers(tokenizer, _some(answers), recipe, longest, device)
    else:
        pairs = rows.draw(
            shaped_rows.read_pairs(spec.train, folder), recipe.max_train_rows, recipe.seed
        )
        given = portion.of_pairs(tokenizer, _some(pairs), recipe, longest, device)
    work = folder / FOLDER
    _clear(work)
    inputs.write(work, given, recipe, base, tokenizer, program)
    return given


def _clear(work: Path) -> None:
    for name in (inputs.DATA, inputs.BASE, inputs.PROJECT, TAKEN, CACHE):
        shutil.rmtree(work / name, ignore_errors=True)


def _keep(taken: Path, target: Path) -> None:
    """Put an adapter that has shown that it fits where results lie, whole or not at all."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    taken.rename(target)


def _some(found: list[Any]) -> list[Any]:
    if not found:
        raise WorkerError(
            "too_few_rows", "Training needs rows to learn from. Upload more rows.", for_person=True
        )
    return found


def _train(  # what is run, and who is told
    work: Path,
    spec: TrainSpec,
    program: Program,
    reporter: Reporter,
    given: Portion,
    told: Output,
) -> int:
    """Run AutoTrain to its end and return the most memory it held. Raises: WorkerError: it has failed."""
    reporter.stage("starting AutoTrain")
    running = Running(program, work, spec.threads)
    try:
        for line in running.lines():
            if line is None:
                _look(running, reporter, spec)
                continue
            if line.strip():
                sys.stdout.write(for_the_log(line) + "\n")
            _tell(line, told, reporter, given)
            if told.broken:
                break
    finally:
        running.end()
    if told.broken:
        raise _non_finite(spec, told)
    if not adapter.is_there(work / inputs.PROJECT):
        raise _failed(told)
    return running.peak_memory_bytes


def _look(running: Running, reporter: Reporter, spec: TrainSpec) -> None:
    if running.has_worked() or requested_stop(reporter.folder) is not None:
        reporter.beat()
    if running.silent_s() > spec.autotrain_silence_s:
        raise WorkerError(
            "out_of_time",
            f"AutoTrain printed nothing for {running.silent_s() / 60:.0f} minutes and was ended. If a step may take that "
            "long, raise training.autotrain.silence_s.",
            for_person=True,
        )


def _tell(line: str, told: Output, reporter: Reporter, given: Portion) -> None:
    began = told.began
    is_step = told.read(line)
    if told.began and not began:
        reporter.stage("training", given.steps)
    if not is_step:
        return
    step, loss = told.losses[-1]
    if told.broken:
        return
    left = max(0, given.steps - step)
    reporter.steps = max(given.steps, step)
    reporter.line(
        Progress(
            stage="training",
            step=step,
            loss=loss,
            learning_rate=told.latest.get("learning_rate"),
            grad_norm=told.latest.get("grad_norm"),
            tokens=_tokens(given, step),
            eta_s=left * reporter.elapsed_s() / step,
        )
    )


def _standing(given: Portion, told: Output, program: Program, base: BaseFolder) -> TrainResult:
    """Return how far it came, as a training that a person has paused."""
    done = len(told.losses)
    tokens, train_s = _tokens(given, done), told.train_s or 0.0
    return TrainResult(
        reason=REQUESTED,
        steps_done=done,
        steps_planned=given.steps,
        best_step=0,
        losses=thinned(told.losses),
        dev_losses=(),
        tokens_seen=tokens,
        train_s=train_s,
        tokens_per_s=tokens / train_s if train_s else 0.0,
        peak_memory_bytes=0,
        versions=program.versions,
        base_sha256=base.sha256,
        base_hub_id=base.hub_id,
    )


def _tokens(given: Portion, step: int) -> int:
    return round(given.tokens * min(1.0, step / given.steps))


def _non_finite(spec: TrainSpec, told: Output) -> WorkerError:
    return WorkerError(
        "non_finite_loss",
        f"Training was stopped at step {len(told.losses)}: {told.broken} became infinite or not a number. AutoTrain keeps "
        f"no earlier adapter. Try a lower learning rate, {spec.recipe.learning_rate / 10:.1g} for one.",
        for_person=True,
    )


def _failed(told: Output) -> Exception:
    if told.short_of_memory:
        return MemoryError("AutoTrain ran out of memory")  # told like any other
    return WorkerError(
        "autotrain",
        f"AutoTrain ended without an adapter. It said: {for_the_log(told.why)}. The rest is in the job's log.txt. "
        "`resume` tries again; backend=trl trains without AutoTrain.",
        for_person=True,
    )

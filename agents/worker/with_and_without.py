"""Train with the rows that a program has made and without them, and keep the adapter with them only where they help.

    checkpoints/with/checkpoint-30/     as of any training, one folder for each of the two
                without/checkpoint-30/

Each is a training of its own, to the bit, of as many steps. The one with the made rows comes first, as it says how many.
Then the best step of each is asked for the loss of every dev row. What is done already follows from the checkpoints alone,
so an attempt that was killed, or paused, goes on as if nothing had happened.
"""

import gc
import math
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from agents.jobs import MADE_ROWS, JobResult, RowsTrial, StopMode, TrainResult, TrainSpec
from agents.jobs.reporting import Reporter
from agents.recipe import PAIRED
from agents.worker.checkpoints import (
    ADAPTER_FILES,
    Checkpoint,
    best_of,
    damages,
    training_sha256,
    verified,
)
from agents.worker.course import as_it_stands, early_end, is_over, load, teaching, train
from agents.worker.paired import Groups, Numbers
from agents.worker.rows import records
from agents.worker.timetable import REQUESTED, Stretch, timetable
from agents.worker.training_result import Course, result

STAGES = ("training with the made rows", "training without the made rows")


@dataclass(frozen=True)
class Side:
    """One of the two trainings."""

    spec: TrainSpec
    """Of it alone."""
    course: Course
    learnt_made: bool

    @property
    def is_left_open(self) -> bool:
        """Whether a person has ended it, or it broke off."""
        ended = self.course.ending is not None and self.course.ending[0] is not None
        return ended or self.course.broken is not None

    @property
    def dev_loss(self) -> float:
        """The lowest one."""
        best = best_of(self.course.checkpoints)
        return math.inf if best is None else best.dev_loss


def run(folder: Path, spec: TrainSpec, reporter: Reporter) -> JobResult:
    """Train both, or turn what there is of them into the result (`finish_now`).

    Raises: WorkerError: the data or the model cannot be used. Stopped: the bot asked to cancel.
    """
    first = Side(own := spec.with_made(), _trained(folder, spec, own, reporter, 0), True)
    if first.is_left_open:
        return _told(folder, first)
    own = spec.without_made(first.course.origin.steps)
    if spec.finish_now and not verified(folder / own.checkpoints_dir, training_sha256(own)):
        ended = replace(first.course, ending=(StopMode.FINISH, REQUESTED))
        return _told(folder, replace(first, course=ended))
    second = Side(own, _trained(folder, spec, own, reporter, 1), False)
    if second.is_left_open:
        kept = _of_open(first, second)
        return _told(folder, kept, first if kept is second else second)
    trial = _trial(folder, spec, (first, second), reporter)
    kept, other = (first, second) if trial.helped else (second, first)
    return _told(folder, kept, other, trial)


def _trained(
    folder: Path, spec: TrainSpec, own: TrainSpec, reporter: Reporter, place: int
) -> Course:
    """Return one of the trainings as it is once this attempt has done what it can for it."""
    saved = verified(folder / own.checkpoints_dir, training_sha256(own))
    if saved and is_over(saved[-1], own):
        return as_it_stands(saved, early_end(saved[-1], own))
    if spec.finish_now:
        return as_it_stands(saved, (StopMode.FINISH, REQUESTED))
    course = train(folder, own, reporter, saved, lambda steps: _stretch(spec, steps, place))
    gc.collect()  # before the next one is loaded: model and trainer hold each other
    return course


def _stretch(spec: TrainSpec, steps: int, place: int) -> Stretch:
    """Return the steps of one training and where they lie among those of both."""
    before = place * steps
    # half of both may be the last step of the first, which holds nothing: then it is the first step of the second
    hold_at = max(1, math.ceil(spec.checkpoint_fraction * 2 * steps) - before)
    hold_at *= spec.hold_at_checkpoint
    table = timetable(steps, spec.save_steps, hold_at)
    name = ("-with", "-without")[place]
    return Stretch(table, 2 * steps, before, stage=STAGES[place], name=name)


def _of_open(first: Side, second: Side) -> Side:
    """Return whose numbers the result has where the second training did not come to its end.

    Paused or broken off: its own. Finished early, there is no fair trial: the one with the lower dev loss is kept.
    """
    ending = second.course.ending
    if second.course.broken or ending is None or ending[0] is StopMode.PAUSE:
        return second
    if second.dev_loss <= first.dev_loss:
        return second
    return replace(first, course=replace(first.course, ending=ending))


# ---- the trial --------------------------------------------------------------------------------------------------------


def _trial(
    folder: Path, spec: TrainSpec, sides: tuple[Side, Side], reporter: Reporter
) -> RowsTrial:
    from agents.worker import rows_trial

    best = [best_of(side.course.checkpoints) for side in sides]
    found = _look(folder, spec, [one for one in best if one is not None], reporter)
    with_made, without = found.losses
    gain = rows_trial.compare(with_made, without, found.groups, spec.recipe.seed)
    return RowsTrial(
        rows=sum(record["row"] > MADE_ROWS for record in records(spec.train, folder)),
        steps=sides[0].course.origin.steps,
        loss_with=float(with_made.mean()),
        loss_without=float(without.mean()),
        gain=gain.gain,
        low=gain.low,
        high=gain.high,
        p=gain.p_value,
        dev_rows=len(without),
        helped=gain.helped,
    )


@dataclass(frozen=True)
class _Look:
    """What two adapters think of the dev rows."""

    losses: list[Numbers]
    """Of each adapter, one for each dev row that fits."""
    groups: Groups
    """Which dev rows resemble each other."""


def _look(folder: Path, spec: TrainSpec, adapters: list[Checkpoint], reporter: Reporter) -> _Look:
    """Ask the trainer of the method, with the weights of each adapter, for the loss of each dev row alone."""
    reporter.stage("comparing on the dev rows")
    import numpy as np
    import torch

    from agents.worker import adapter_training, base_model, related
    from agents.worker.adapter_training import Setting
    from agents.worker.lessons import Lessons, fitting
    from agents.worker.shaped_rows import answered, asked
    from agents.worker.tuned_model import fill

    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    recipe, method = spec.fitting_recipe, teaching(spec.recipe.method)
    answer = "chosen" if recipe.method in PAIRED else "completion"
    base = load(base_model.resolve(spec.model, reporter), recipe, reporter)
    if spec.parent is not None:
        base = adapter_training.further(base, recipe, spec.parent, folder)
    dev = fitting(lambda part: method.encode(base, part, recipe), method.read(spec.dev, folder))
    # a training of one batch that never takes place; of more rows than it sees, so that no reference is computed ahead
    batch = recipe.batch_size
    lessons = Lessons([dev.lessons[0]] * (batch + 1), dev.lessons, [0] * batch, batch)
    losses = []
    with tempfile.TemporaryDirectory(dir=folder) as nowhere:
        trainer = method.make_trainer(base, lessons, recipe, Setting(Path(nowhere), []))
        trainer.args.per_device_eval_batch_size = 1
        for adapter in adapters:
            fill(trainer.model, adapter.folder / ADAPTER_FILES[0])
            trainer.model.eval()
            found = []
            for row in trainer.get_eval_dataloader():
                loss, _, _ = trainer.prediction_step(trainer.model, row, prediction_loss_only=True)
                found.append(float(loss))
                reporter.beat()
            losses.append(np.array(found))
    prompts = [asked(row.prompt) for row in dev.rows]
    answers = [answered(getattr(row, answer)) for row in dev.rows]
    return _Look(losses, related.groups(prompts, answers))


# ---- the result -------------------------------------------------------------------------------------------------------


def _told(
    folder: Path, kept: Side, other: Side | None = None, trial: RowsTrial | None = None
) -> JobResult:
    """Return the result of the one that is kept, with what came of the trial."""
    ended = result(folder, kept.spec, kept.course)
    payload, error = ended.payload, ended.error
    assert isinstance(payload, TrainResult)
    damaged = () if other is None or other is kept else damages(folder / other.spec.checkpoints_dir)
    told = payload.model_copy(
        update={
            "learnt_made": kept.learnt_made,
            "trial": trial,
            "damaged": (*payload.damaged, *(f"Of the other training: {line}" for line in damaged)),
        }
    )
    if error is not None:
        which = "with" if kept.learnt_made else "without"
        said = f"The training {which} the made rows broke off. {error.message}"
        error = error.model_copy(update={"message": said})
    return ended.model_copy(update={"payload": told, "error": error})

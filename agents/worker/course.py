"""Train one adapter, whatever the method: resume where an earlier attempt saved, stop where told, keep the best.

Each method is a module `train_*.py` with three functions: `read` the rows, `encode` them, `make_trainer`.
"""

import importlib
import importlib.metadata
import math
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agents.jobs import DEV_LOSS_ROSE, FileRef, JobResult, StopMode, TrainSpec
from agents.jobs.reporting import Reporter
from agents.recipe import REWARDED, Method, Recipe, Tuning
from agents.worker.checkpoints import (
    ADAPTER_FILES,
    Checkpoint,
    Origin,
    best_of,
    training_sha256,
    verified,
)
from agents.worker.errors import WorkerError
from agents.worker.rewards import critics
from agents.worker.timetable import REQUESTED, Stretch, has_risen, timetable
from agents.worker.training_result import Course, Ending, result
from configs.schema import Backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import Trainer

    from agents.worker.adapter_training import Setting
    from agents.worker.base_model import BaseFolder, LoadedBase
    from agents.worker.lessons import Fitting, Lesson, Lessons
    from agents.worker.spikes import SpikeWatch

PACKAGES = ("torch", "transformers", "trl", "peft", "tokenizers")
"""Points of the loss curve in the result."""


METHODS = {
    Method.SFT: "agents.worker.train_sft",
    Method.DPO: "agents.worker.train_dpo",
    Method.KTO: "agents.worker.train_kto",
    Method.ORPO: "agents.worker.train_orpo",
    Method.CPO: "agents.worker.train_cpo",
    Method.REWARD: "agents.worker.train_reward",
    Method.GRPO: "agents.worker.train_grpo",
    Method.RLOO: "agents.worker.train_rloo",
}
"""Each module is a `Teaching`. They are imported when needed: TRL alone takes ten seconds."""
GETTING_READY = {Method.DPO: "noting how likely each answer is before the training"}
"""What takes long before the first step, by method."""


class Teaching(Protocol):
    """What a module `train_*.py` has to offer."""

    def read(self, ref: FileRef, folder: Path) -> "list[Any]":
        """Read the prepared rows that this method learns from. Raises: WorkerError: they are not what was checked."""

    def encode(self, base: "LoadedBase", rows: "Sequence[Any]", recipe: Recipe) -> "list[Lesson]":
        """Turn rows into tokens. Raises: WorkerError: a row has nothing to learn from."""

    def make_trainer(
        self, base: "LoadedBase", lessons: "Lessons", recipe: Recipe, setting: "Setting"
    ) -> "Trainer":
        """Make the trainer; it saves and evaluates only when a callback tells it to."""


def run(folder: Path, spec: TrainSpec) -> JobResult:
    """Train an adapter, or turn an earlier attempt's best checkpoint into the result (`finish_now`).

    Raises: WorkerError: the data or the model cannot be used. Stopped: the bot asked to cancel.
    """
    if spec.recipe.backend is Backend.AUTOTRAIN:
        from agents.worker.autotrain import job

        return job.run(folder, spec)
    reporter = Reporter(folder, obeys=frozenset({StopMode.CANCEL}))
    reporter.stage("looking for saved checkpoints")
    if spec.recipe.candidates is not None:
        from agents.worker import halving

        return halving.run(folder, spec, reporter)
    if spec.without is not None:
        from agents.worker import with_and_without

        return with_and_without.run(folder, spec, reporter)
    saved = verified(folder / spec.checkpoints_dir, training_sha256(spec))
    if spec.finish_now:
        course = as_it_stands(saved, (StopMode.FINISH, REQUESTED))
    elif saved and is_over(saved[-1], spec):
        course = as_it_stands(saved, early_end(saved[-1], spec))
    else:
        course = train(folder, spec, reporter, saved, lambda steps: _whole(spec, steps))
    return result(folder, spec, course)


def teaching(method: Method) -> Teaching:
    """Import what teaches by a method."""
    module: Any = importlib.import_module(METHODS[method])
    taught: Teaching = module
    return taught


def load(folder: "BaseFolder", recipe: Recipe, reporter: Reporter) -> "LoadedBase":
    """Load a base model as the method needs it; whatever goes through it is a sign of life.

    Raises: WorkerError: it cannot be loaded.
    """
    from agents.worker import base_model, scorer

    if recipe.method is Method.REWARD:
        base = scorer.load_blank(folder)
    else:
        base = base_model.load(folder, recipe.quantisation)
    if recipe.tuning is Tuning.FULL:
        base.model.float()  # a step of a training is often less than bf16 can add to a weight
        base.model.set_attn_implementation("sdpa")  # flash attention is for half precision
    # Many things run through the model between two steps, and a step on long rows may take minutes.
    base.model.get_input_embeddings().register_forward_pre_hook(lambda *_: reporter.beat())
    return base


def is_over(newest: Checkpoint, spec: TrainSpec) -> bool:
    """Tell whether a training had come to its end at its newest checkpoint, and only its result is missing."""
    return newest.step == newest.manifest.origin.steps or early_end(newest, spec) is not None


def early_end(newest: Checkpoint, spec: TrainSpec) -> Ending | None:
    """Return how a training had ended before its last step, by itself, at its newest checkpoint; None where it had not."""
    steps = newest.manifest.origin.steps
    table = timetable(steps, spec.save_steps, hold_at=0)
    evaluated = newest.manifest.standing.dev_loss is not None and table.evaluates(newest.step)
    risen = newest.step < steps and evaluated
    if risen and has_risen(newest.history(), table, spec.recipe.patience):
        return None, DEV_LOSS_ROSE
    return None


def _whole(spec: TrainSpec, steps: int) -> Stretch:
    hold_at = math.ceil(spec.checkpoint_fraction * steps) * spec.hold_at_checkpoint
    return Stretch(timetable(steps, spec.save_steps, hold_at), steps)


def as_it_stands(saved: list[Checkpoint], ending: Ending | None) -> Course:
    """Return a training as its checkpoints have it. Raises: WorkerError: there is none."""
    if not saved:
        raise WorkerError(
            "no_checkpoint",
            "There is no undamaged checkpoint to finish from. Start the training again.",
            for_person=True,
        )
    newest = saved[-1].manifest
    return Course(
        newest.origin, newest.standing, saved, saved[-1].history(), saved[-1].step, ending
    )


def train(
    folder: Path,
    spec: TrainSpec,
    reporter: Reporter,
    saved: list[Checkpoint],
    stretch_of: Callable[[int], Stretch],
) -> Course:
    """Train on from the newest checkpoint; `stretch_of` says how far, of so many steps.

    Raises: WorkerError: the data or the model cannot be used. Stopped: the bot asked to cancel.
    """
    reporter.stage("loading the training software")
    import torch

    from agents.worker.adapter_training import Setting
    from agents.worker.boards import open_boards
    from agents.worker.callbacks import Conductor, Guard, NonFiniteLoss, RowKeeper, Teller
    from agents.worker.lessons import MOST_NAMED
    from agents.worker.row_log import RowLog

    # The order in which floats are added depends on the number of threads, and so do the last bits of an adapter.
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    method = teaching(spec.recipe.method)
    base, learnt, checked, lessons = _prepare(folder, spec, reporter, method)
    stretch = stretch_of(lessons.steps)
    boards = open_boards(spec.report_to, folder / spec.reports_dir, folder.name + stretch.name)
    origin = Origin(
        training_sha256=training_sha256(spec),
        steps=lessons.steps,
        base_sha256=base.folder.sha256,
        base_hub_id=base.folder.hub_id,
        template_sha256=base.template_sha256,
        versions=_versions(),
        rows_left_out=learnt.left_out[:MOST_NAMED],
    )
    teller = Teller(
        reporter,
        stretch,
        lessons.tokens_by_step(),
        saved[-1].manifest.standing.train_s if saved else 0.0,
        _watch(spec.recipe, learnt.rows, lessons, saved),
        boards=boards,
    )
    conductor = Conductor(
        folder,
        stretch.table,
        origin,
        teller.standing,
        saved,
        patience=spec.recipe.patience,
    )
    asked = critics.of(spec, folder, reporter.beat)
    log = RowLog(
        folder / spec.checkpoints_dir,
        origin.training_sha256,
        lambda step: [learnt.rows[i].number for i in lessons.of_step(step)],
        saved[-1].step if saved else 0,
    )
    watchers = [Guard(), RowKeeper(log), conductor, teller]
    setting = Setting(folder / spec.checkpoints_dir, watchers, asked, log.tell)
    reporter.stage(GETTING_READY.get(spec.recipe.method, "getting ready to train"))
    trainer = method.make_trainer(base, lessons, spec.fitting_recipe, setting)
    for config in trainer.model.peft_config.values():
        config.revision = base.folder.revision  # of the base; PEFT loads it at this commit
    broken = None
    try:
        if saved:
            trainer.args.eval_on_start = False
            trainer.train(resume_from_checkpoint=str(saved[-1].folder))
        else:
            trainer.train()
    except NonFiniteLoss as found:
        broken = found.what
    finally:
        boards.close()
        log.close()
    course = Course(
        origin,
        teller.standing(trainer.state.global_step),
        conductor.checkpoints,
        trainer.state.log_history,
        saved[-1].step if saved else None,
        conductor.ending,
        broken,
    )
    if spec.recipe.method is not Method.SFT or _goes_on(course):
        return course
    return _looked_at(course, trainer.model, base, (learnt, checked), spec.recipe, reporter)


def _goes_on(course: Course) -> bool:
    """Tell whether a training was only left for others, to go on later or not."""
    left = course.standing.step < course.origin.steps
    return left and course.ending is None and course.broken is None


def _looked_at(  # what was trained, on what, and how
    course: Course,
    model: Any,
    base: "LoadedBase",
    sides: "tuple[Fitting, Fitting]",
    recipe: Recipe,
    reporter: Reporter,
) -> Course:
    """Add what the rows were to teach and, where the training has ended, what they have taught."""
    from agents.worker import moved_weights, probe
    from agents.worker.rows import stop_ids

    train, dev = sides
    counted = probe.targets(train.lessons, stop_ids(base.tokenizer, base.model))
    course = replace(course, targets=counted, update_size=moved_weights.update_size(model))
    best = best_of(course.checkpoints)
    paused = course.ending is not None and course.ending[0] is StopMode.PAUSE
    if best is None or course.broken or paused:
        return course
    reporter.stage("looking at what was learnt")
    weights = None if best.step == course.standing.step else best.folder / ADAPTER_FILES[0]
    return replace(
        course, probe=probe.probe(model, base, train, dev, weights, recipe, reporter.beat)
    )


def _watch(
    recipe: Recipe, rows: list[Any], lessons: "Lessons", saved: list[Checkpoint]
) -> "SpikeWatch":
    from agents.worker.spikes import SpikeWatch

    def rows_of(step: int) -> list[Any]:
        # The loss of a method that learns from rewards hovers around nothing; it says nothing about rows.
        return [] if recipe.method in REWARDED else [rows[i] for i in lessons.of_step(step)]

    return SpikeWatch(rows_of, saved[-1].manifest.standing.spikes if saved else ())


def _prepare(
    folder: Path, spec: TrainSpec, reporter: Reporter, method: Teaching
) -> "tuple[LoadedBase, Fitting, Fitting, Lessons]":
    from agents.worker import adapter_training, base_model
    from agents.worker.lessons import drawn, fitting, plan_lessons
    from agents.worker.order import steps_of

    reporter.stage("loading the model")
    recipe = spec.recipe
    base = load(base_model.resolve(spec.model, reporter), recipe, reporter)
    if spec.parent is not None:
        base = adapter_training.further(base, recipe, spec.parent, folder)
    reporter.stage("reading the rows")
    train = method.read(spec.train, folder)
    dev = method.read(spec.dev, folder)
    if not train or not dev:
        raise WorkerError(
            "too_few_rows",
            "Training needs rows to learn from and rows to check on. Upload more rows.",
            for_person=True,
        )

    def encode(part: list[Any]) -> "list[Lesson]":
        return method.encode(base, part, recipe)

    learnt = drawn(encode, train, recipe.max_train_rows, recipe.seed)
    checked = fitting(encode, dev)
    steps = spec.steps or steps_of(len(learnt.rows), recipe)
    planned = plan_lessons(learnt.lessons, checked.lessons, recipe, steps)
    return base, learnt, checked, planned


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES} | {
        "python": platform.python_version()
    }

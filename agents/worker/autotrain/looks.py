"""What AutoTrain does not do: look at the dev rows. Done here, by the trainer that the plan's method has otherwise.

So the two losses mean the same as those of a training by TRL, tries can be compared whoever trained them, and an adapter
that does not fit the base as it is loaded here is found before anybody measures it.
"""

from pathlib import Path

from agents.jobs import TrainSpec
from agents.jobs.reporting import Reporter
from agents.worker import base_model, course, tuned_model
from agents.worker.adapter_training import Setting
from agents.worker.autotrain.adapter import WEIGHTS, unusable
from agents.worker.autotrain.program import CACHE
from agents.worker.base_model import BaseFolder
from agents.worker.lessons import fitting, plan_lessons


def dev_losses(
    folder: Path, spec: TrainSpec, found: BaseFolder, adapter: Path, reporter: Reporter
) -> tuple[float, float] | None:
    """Return the loss on the dev rows of the base and of the tuned model; None where there are no dev rows.

    Raises: WorkerError: the adapter does not fit the base. Stopped: the bot asked for it.
    """
    method = course.teaching(spec.recipe.method)
    dev = method.read(spec.dev, folder)
    if not dev:
        return None
    reporter.stage("looking at the dev rows")
    base = base_model.load(found)
    base.model.get_input_embeddings().register_forward_pre_hook(lambda *_: reporter.beat())
    seen = fitting(lambda part: method.encode(base, part, spec.recipe), dev).lessons
    lessons = plan_lessons(seen, seen, spec.recipe, 1)
    trainer = method.make_trainer(base, lessons, spec.recipe, Setting(adapter.parent / CACHE, []))
    before = trainer.evaluate()["eval_loss"]  # a new adapter changes nothing yet
    try:
        tuned_model.fill(trainer.model, adapter / WEIGHTS)
    except tuned_model.Misfit as error:
        raise unusable("does not fit the base model") from error
    return before, trainer.evaluate()["eval_loss"]

"""RLOO, REINFORCE leave-one-out: several answers to a prompt, each against the mean of the others, with RLOOTrainer."""

from transformers import Trainer
from trl import RLOOConfig, RLOOTrainer

from agents.recipe import Recipe
from agents.worker import adapter_training, rewarded
from agents.worker.adapter_training import Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons
from agents.worker.rewards import scorecard

read = rewarded.read
encode = rewarded.encode


class AdapterRLOO(rewarded.Rewarded, RLOOTrainer):  # type: ignore[misc]  # TRL ships no types
    """RLOOTrainer that judges dev rows by greedy answers and saves the adapter only."""


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe. Raises: WorkerError: nothing is rewarded, or a model that judges is not there."""
    if base.device == "cpu":
        adapter_training.score_only_answers()
    card = scorecard.make(recipe.rewards, setting.critics, base.folder)
    trainer = AdapterRLOO(
        model=base.model,
        reward_funcs=rewarded.reward_function(card),
        args=RLOOConfig(**rewarded.arguments(recipe, lessons, setting, base.device)),
        train_dataset=adapter_training.tables(lessons)["train_dataset"],
        processing_class=base.tokenizer,
        peft_config=adapter_training.lora(recipe),
        callbacks=setting.callbacks,
    )
    return rewarded.seated(trainer, base, lessons, card, recipe)

"""Direct preference optimisation: make the preferred answer likelier, measured from the base model, with DPOTrainer.

The reference is the model with its adapter switched off. Its log-probabilities are computed once per row beforehand
where that takes fewer passes than computing them in every step.
"""

from typing import Any

from datasets import Dataset
from transformers import Trainer
from trl import DPOConfig, DPOTrainer

from agents.recipe import Recipe
from agents.worker import adapter_training, shaped_rows
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons, columns

read = shaped_rows.read_pairs
encode = shaped_rows.encode_pairs


class AdapterDPO(AdapterOnly, DPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """DPOTrainer that takes rows as tokens and saves the adapter only."""

    def _prepare_dataset(self, dataset: Dataset, *_args: Any) -> Dataset:
        # The trainer's own renders and tokenises; ours are tokenised as they will be asked.
        return dataset


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe."""
    if base.device == "cpu":
        adapter_training.score_only_answers()
    ahead = len(lessons.order) >= len(lessons.rows)
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder)
    trainer = AdapterDPO(
        model=base.model,
        args=DPOConfig(
            **shared,
            max_length=None,
            beta=recipe.beta,
            loss_type=list(recipe.dpo_losses),
            precompute_ref_log_probs=ahead,
        ),
        train_dataset=Dataset.from_list(columns(lessons.rows)),
        eval_dataset=Dataset.from_list(columns(lessons.dev)) if lessons.dev else None,
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
    )
    # Ordered only now: the reference has seen every row once, however often it is learnt from.
    trainer.train_dataset = trainer.train_dataset.select(lessons.order)
    return adapter_training.quiet(trainer)

"""ORPO: learn the preferred answer and move away from the other at once, with trl.experimental's ORPOTrainer."""

from typing import Any

from transformers import Trainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from agents.recipe import Recipe
from agents.worker import adapter_training, shaped_rows, unreferenced
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons

read = shaped_rows.read_pairs
encode = shaped_rows.encode_pairs


class AdapterORPO(unreferenced.TakesTokens, AdapterOnly, ORPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """ORPOTrainer that learns answers only and saves the adapter only."""

    def concatenated_forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the model's view of a batch, with the loss of the preferred answers without their prompts.

        The trainer's own would learn the prompts too. In the paper the loss is that of the answer, as it is here.
        """
        chosen, *others, _with_prompts = super().concatenated_forward(*args, **kwargs)
        return chosen, *others, -chosen.mean()


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe."""
    shared = adapter_training.arguments(recipe, lessons, setting.folder, base.device)
    trainer = AdapterORPO(
        model=base.model,
        args=ORPOConfig(
            **shared,
            max_length=recipe.max_length_tokens,
            beta=recipe.beta,
            remove_unused_columns=False,
        ),
        processing_class=base.tokenizer,
        peft_config=adapter_training.lora(recipe),
        callbacks=setting.callbacks,
        **unreferenced.tables(lessons),
    )
    return adapter_training.quiet(trainer)

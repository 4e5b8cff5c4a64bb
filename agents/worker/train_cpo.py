"""CPO: prefer one answer of a pair without a reference model, with trl.experimental's CPOTrainer."""

from transformers import Trainer
from trl.experimental.cpo import CPOConfig, CPOTrainer

from agents.recipe import Recipe
from agents.worker import adapter_training, shaped_rows, unreferenced
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons

read = shaped_rows.read_pairs
encode = shaped_rows.encode_pairs


class AdapterCPO(unreferenced.TakesTokens, AdapterOnly, CPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """CPOTrainer that saves the adapter only."""


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe."""
    shared = adapter_training.arguments(recipe, lessons, setting.folder, base.device)
    trainer = AdapterCPO(
        model=base.model,
        args=CPOConfig(
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

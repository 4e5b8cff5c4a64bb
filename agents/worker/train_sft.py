"""Supervised fine-tuning: learn the answers as they stand, with TRL's SFTTrainer."""

from collections.abc import Callable
from typing import Any

from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from agents.recipe import Recipe, rows_at_once
from agents.worker import adapter_training, lean_steps, on_gpu, rows, sft_lessons
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons

read = rows.read_rows
encode = sft_lessons.encode


class AdapterTrainer(AdapterOnly, SFTTrainer):  # type: ignore[misc]  # TRL ships no types
    """SFTTrainer that saves the adapter only."""


class LeanTrainer(lean_steps.LeanSteps, AdapterTrainer):
    """The same in lean steps."""


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe: with lean steps where they suit, else TRL's own."""
    if base.device == "cpu":
        adapter_training.score_only_answers()
    lean = lean_steps.suits(base, recipe)
    together = recipe.batch_size if lean else None
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder, together)
    padding_free = on_gpu.flashes(base)
    trainer = (LeanTrainer if lean else AdapterTrainer)(
        model=base.model,
        args=SFTConfig(**shared, max_length=None, padding_free=padding_free),
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
        **adapter_training.tables(lessons),
    )
    if lean:
        trainer.rows_at_once = rows_at_once(recipe, base.device)
        trainer.told = setting.told
        lean_steps.prepare(trainer.model)
    elif setting.told is not None and not padding_free:
        _hear(trainer.model, setting.told)
    return adapter_training.quiet(trainer)


def _hear(model: Any, tell: Callable[[list[tuple[float, int]]], None]) -> None:
    """Tell what TRL's loss finds of each row of a padded batch on its way: the log-probability of its answer, and its tokens."""

    def note(module: Any, _inputs: Any, output: Any) -> None:
        if module.training:
            sums = output.log_probs.detach().sum(dim=-1).tolist()
            counts = output.label_mask.sum(dim=-1).tolist()
            tell([(float(one), int(tokens)) for one, tokens in zip(sums, counts, strict=True)])

    model.register_forward_hook(note)

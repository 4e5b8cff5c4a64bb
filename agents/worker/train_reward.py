"""Reward model: a model that scores the preferred answer of a pair higher, with TRL's RewardTrainer."""

from dataclasses import replace

from transformers import Trainer
from trl import RewardConfig, RewardTrainer

from agents.recipe import Recipe
from agents.worker import adapter_training, shaped_rows
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lesson, Lessons

read = shaped_rows.read_pairs
encode = shaped_rows.encode_whole_pairs


class AdapterReward(AdapterOnly, RewardTrainer):  # type: ignore[misc]  # TRL ships no types
    """RewardTrainer that saves adapter and head only."""


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe. The base is one that `scorer.load_blank` loaded."""
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder)
    read_whole = replace(
        lessons,
        rows=[_whole(row) for row in lessons.rows],
        dev=[_whole(row) for row in lessons.dev],
    )
    trainer = AdapterReward(
        model=base.model,
        args=RewardConfig(**shared, max_length=None),
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
        **adapter_training.tables(read_whole),
    )
    return adapter_training.quiet(trainer)


def _whole(row: Lesson) -> Lesson:
    prompt = row.columns["prompt_ids"]
    sides = {side: [*prompt, *row.columns[side]] for side in ("chosen_ids", "rejected_ids")}
    return replace(row, columns=sides)

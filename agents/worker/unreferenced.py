"""What ORPO and CPO share: their arguments, and rows as the collator of TRL's experimental trainers takes them."""

from typing import Any

from datasets import Dataset
from transformers import Trainer

from agents.recipe import Recipe
from agents.worker import adapter_training
from agents.worker.adapter_training import Setting
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lesson, Lessons, columns
from agents.worker.rows import IGNORED


class TakesTokens:
    """For a trainer of `trl.experimental` whose rows are tokenised already."""

    def tokenize_row(self, feature: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Return a row as it is: it was tokenised as it will be asked, and its end is a target."""
        return feature


def make_trainer(
    kinds: tuple[Any, Any], base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting
) -> Trainer:
    """Make a trainer, whose class and whose arguments' class are `kinds`."""
    trainer_class, config_class = kinds
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder)
    trainer = trainer_class(
        model=base.model,
        args=config_class(
            **shared,
            max_length=recipe.max_length_tokens,
            beta=recipe.beta,
            remove_unused_columns=False,
        ),
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
        **tables(lessons),
    )
    return adapter_training.quiet(trainer)


def tables(lessons: Lessons) -> dict[str, Dataset | None]:
    """Return the rows in the order of the lessons, and the dev rows."""
    return {
        "train_dataset": Dataset.from_list([_columns(lessons.rows[i]) for i in lessons.order]),
        "eval_dataset": Dataset.from_list([_columns(row) for row in lessons.dev])
        if lessons.dev
        else None,
    }


def _columns(row: Lesson) -> dict[str, Any]:
    (found,) = columns([row])
    sides: dict[str, Any] = {}
    for side in ("chosen", "rejected"):
        prompt, answer = found["prompt_ids"], found[f"{side}_ids"]
        sides[f"{side}_input_ids"] = [*prompt, *answer]
        sides[f"{side}_attention_mask"] = [1] * (len(prompt) + len(answer))
        sides[f"{side}_labels"] = [IGNORED] * len(prompt) + answer
    return sides

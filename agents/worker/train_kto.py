"""KTO: learn from single answers with a thumb up or down, with KTOTrainer."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from transformers import Trainer
from trl import KTOConfig, KTOTrainer

from agents.recipe import Recipe, rows_at_once
from agents.worker import adapter_training, rows, shaped_rows
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.base_model import LoadedBase
from agents.worker.errors import WorkerError
from agents.worker.lessons import Lesson, Lessons, columns
from agents.worker.shaped_rows import Said, Vote

read = shaped_rows.read_votes


class AdapterKTO(AdapterOnly, KTOTrainer):  # type: ignore[misc]  # TRL ships no types
    """KTOTrainer that takes rows as tokens and saves the adapter only."""

    def _prepare_dataset(self, dataset: Dataset, *_args: Any) -> Dataset:
        # The trainer's own renders and tokenises; ours are tokenised as they will be asked.
        return dataset


def encode(base: LoadedBase, found: Sequence[Vote], recipe: Recipe) -> list[Lesson]:
    """Turn votes into tokens. Raises: WorkerError: a row has nothing to learn from, or all thumbs point one way."""
    if len({vote.label for vote in found}) < 2:
        way = "up" if found[0].label else "down"
        raise WorkerError(
            "bad_data",
            f"All thumbs in a part of the data point {way}, so there is nothing to tell apart. Add rows of the other kind, "
            "or train on the good answers alone with the method sft.",
            for_person=True,
        )
    ends = rows.stop_ids(base.tokenizer, base.model)
    texts = [[shaped_rows.said(base.tokenizer, row, row.completion, ends)] for row in found]
    short = shaped_rows.fit(found, texts, ends, shaped_rows.room(base, recipe))
    return [_lesson(text, row.label) for (text,), row in zip(short, found, strict=True)]


def make_trainer(base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting) -> Trainer:
    """Make the trainer of a recipe.

    Raises: WorkerError: a batch of one row, in which nothing can be compared.
    """
    if base.device == "cpu":
        adapter_training.score_only_answers()
    if recipe.batch_size < 2:
        raise WorkerError(
            "bad_data",
            "KTO compares the rows of a batch with each other: set batch_size to 2 or more.",
            for_person=True,
        )
    at_once = rows_at_once(recipe, base.device)
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder)
    up, down = weights([bool(row.columns["label"]) for row in lessons.rows])
    trainer = AdapterKTO(
        model=base.model,
        args=KTOConfig(
            **shared,
            max_length=None,
            beta=recipe.beta,
            desirable_weight=up,
            undesirable_weight=down,
        ),
        train_dataset=mismatched([lessons.rows[i] for i in lessons.order], at_once),
        eval_dataset=mismatched(lessons.dev, at_once) if lessons.dev else None,
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
    )
    return adapter_training.quiet(trainer)


def mismatched(found: Sequence[Lesson], at_once: int) -> Dataset:
    """Return the rows, each with its neighbour's answer too: what the model would say anyway is told from such pairs.

    Neighbours are within the rows that go through the model at once, as the KTO paper has it.
    """
    table = columns(found)
    turned = []
    for start in range(0, len(table), at_once):
        batch = [row["completion_ids"] for row in table[start : start + at_once]]
        turned += [batch[-1], *batch[:-1]]
    return Dataset.from_list(
        [row | {"KL_completion_ids": other} for row, other in zip(table, turned, strict=True)]
    )


def weights(labels: Sequence[bool]) -> tuple[float, float]:
    """Return how much a thumb up and a thumb down count: the rarer one more, so that both weigh the same in all."""
    up = sum(labels)
    down = len(labels) - up
    if not up or not down:
        return 1.0, 1.0
    return max(1.0, down / up), max(1.0, up / down)


def _lesson(text: Said, label: bool) -> Lesson:
    return Lesson(
        columns={"prompt_ids": text.prompt, "completion_ids": text.answer, "label": label},
        tokens=len(text.prompt) + len(text.answer),
        whole_tokens=text.whole_tokens,
        answer_tokens=text.whole_tokens - len(text.prompt),
        prompt_ids=text.prompt,
    )

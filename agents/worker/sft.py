"""The trainer: TRL's SFTTrainer with a LoRA adapter, set up the same for a training and for its measurement."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
import trl
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from agents.recipe import MICRO_BATCH, Recipe
from agents.worker.base_model import LoadedBase
from agents.worker.order import order_of
from agents.worker.rows import Encoded

COMPACT_HEAD_TRL = "1.16."
"""Versions of TRL whose insides `score_only_answers` was tested with."""
EVAL_BATCH = 16


@dataclass(frozen=True)
class Lessons:
    """All that a training will see, in the order in which it will see it."""

    rows: list[Encoded]
    dev: list[Encoded]
    order: list[int]
    """Indices of rows, batch after batch."""
    batch_size: int

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return len(self.order) // self.batch_size

    def tokens_by_step(self) -> list[int]:
        """Return the tokens seen after 0, 1, 2 … steps, padding left out."""
        lengths = (len(self.rows[i].input_ids) for i in self.order)
        return list(accumulate(lengths, initial=0))[:: self.batch_size]


def plan_lessons(rows: list[Encoded], dev: list[Encoded], recipe: Recipe, steps: int) -> Lessons:
    """Fix the order of the rows, and sort the dev rows by length: less padding."""
    lengths = [len(row.input_ids) for row in rows]
    order = order_of(lengths, recipe.batch_size, steps, recipe.seed)
    return Lessons(rows, sorted(dev, key=lambda row: -len(row.input_ids)), order, recipe.batch_size)


class AdapterTrainer(SFTTrainer):  # type: ignore[misc]  # TRL ships no types
    """SFTTrainer that leaves nothing behind but the adapter, and whose evaluations leave no trace in the training."""

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate without advancing the random state.

        An extra look at the dev rows (a pause, say) would change the dropout of all later steps otherwise.
        """
        with torch.random.fork_rng():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no README into checkpoints: the bot writes the model card when it hands over."""

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        # The trainer's own also pickles its arguments, copies the tokenizer and asks the hub about the vocabulary.
        self.model.save_pretrained(
            output_dir or self.args.output_dir, state_dict=state_dict, save_embedding_layers=False
        )


def make_trainer(
    base: LoadedBase,
    lessons: Lessons,
    recipe: Recipe,
    checkpoints_dir: Path,
    callbacks: list[TrainerCallback],
) -> AdapterTrainer:
    """Make the trainer of a recipe. It saves and evaluates only when a callback tells it to."""
    if base.device == "cpu":
        score_only_answers()
    trainer = AdapterTrainer(
        model=base.model,
        args=_arguments(recipe, lessons, checkpoints_dir, base.device),
        train_dataset=_dataset(lessons.rows).select(lessons.order),
        eval_dataset=_dataset(lessons.dev) if lessons.dev else None,
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=recipe.lora_r,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            use_dora=recipe.use_dora,
            use_rslora=recipe.use_rslora,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def score_only_answers() -> None:
    """Let TRL's output head skip prompts and padding on the CPU too, as it does on a GPU: same loss, a third less time.

    TRL asks `_use_triton` for nothing but this in that module. The name is private, so other versions are left alone.
    """
    if trl.__version__.startswith(COMPACT_HEAD_TRL):
        trl.trainer.utils._use_triton = lambda _device: True
    else:
        sys.stderr.write(
            f"trl {trl.__version__} is not {COMPACT_HEAD_TRL}x: prompts are scored too, which is slower\n"
        )


def micro_batch(recipe: Recipe, device: str) -> int:
    """Return how many rows go through the model at once: the largest divisor of the batch up to the recipe's limit."""
    most = recipe.micro_batch_size or MICRO_BATCH[device]
    return max(d for d in range(1, most + 1) if recipe.batch_size % d == 0)


def _arguments(recipe: Recipe, lessons: Lessons, folder: Path, device: str) -> SFTConfig:
    cpu = device == "cpu"
    rows_at_once = micro_batch(recipe, device)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=rows_at_once,
        gradient_accumulation_steps=recipe.batch_size // rows_at_once,
        per_device_eval_batch_size=EVAL_BATCH,
        # The data set holds all passes, in order: to the trainer this is one pass over one long list.
        num_train_epochs=1,
        max_steps=lessons.steps,
        train_sampling_strategy="sequential",
        max_length=None,
        learning_rate=recipe.learning_rate,
        # Never lowered: a run of a few dozen steps has none to spare, and one that is stopped early loses nothing.
        # 30 steps on 200 banking questions: dev loss 0.16; with a cosine 0.98, with a late decay 0.24.
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=int(recipe.warmup_fraction * lessons.steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=1.0,
        seed=recipe.seed,
        # TRL turns both on by default; a CPU emulates bf16, twenty times slower.
        bf16=not cpu and torch.cuda.is_bf16_supported(),
        activation_checkpointing=not cpu,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        # The trainer hides NaN in its logs unless told otherwise.
        logging_nan_inf_filter=False,
        logging_steps=1,
        eval_on_start=bool(lessons.dev),
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _dataset(rows: Sequence[Encoded]) -> Dataset:
    return Dataset.from_dict(
        {"input_ids": [r.input_ids for r in rows], "labels": [r.labels for r in rows]}
    )

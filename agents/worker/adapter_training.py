"""What the trainers of all methods have in common: an adapter, arguments that suit the machine, nothing left behind."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import trl
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig, PeftModel
from peft.utils.constants import DUMMY_TARGET_MODULES
from transformers import PrinterCallback, Trainer, TrainerCallback

from agents.jobs import EarlierAdapter
from agents.recipe import Method, Recipe, Tuning, rows_at_once, texts_of_row
from agents.worker import on_gpu, scorer, targets, tuned_model
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lessons, columns
from agents.worker.rewards.critics import Critics

TESTED_TRL = "1.16."
"""Versions of TRL whose insides are relied on here and in `train_*.py`; a test of each says what would break."""
EVAL_BATCH = 16


@dataclass(frozen=True)
class Setting:
    """What surrounds a trainer."""

    folder: Path
    """Where checkpoints go."""
    callbacks: list[TrainerCallback]
    critics: Critics = field(default_factory=Critics)
    told: Callable[[list[tuple[float, int]]], None] | None = None
    """Gets what the model thought of each row before it learnt from it, where the steps of its method know."""


class AdapterOnly:
    """For a trainer that leaves nothing behind but the adapter, and whose evaluations leave no trace in the training."""

    model: Any
    args: Any

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate without advancing the random state.

        An extra look at the dev rows (a pause, say) would change the dropout of all later steps otherwise.
        """
        with torch.random.fork_rng():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)  # type: ignore[misc]  # the trainer's
        return metrics

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no README into checkpoints: the bot writes the model card when it hands over."""

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        # The trainer's own also pickles its arguments, copies the tokenizer and asks the hub about the vocabulary.
        # A second adapter, "ref", is the earlier one that answers are compared with: it lies where it was.
        self.model.save_pretrained(
            output_dir or self.args.output_dir,
            state_dict=state_dict,
            save_embedding_layers=False,
            selected_adapters=["default"],
        )


def fresh(base: LoadedBase, recipe: Recipe) -> LoraConfig | None:
    """Return the adapter that a trainer is to put on the model; None where an earlier one is on it already.

    Raises: WorkerError: this model has no such layers as the recipe wants trained.
    """
    return None if isinstance(base.model, PeftModel) else adapter(base, recipe)


def further(base: LoadedBase, recipe: Recipe, parent: EarlierAdapter, folder: Path) -> LoadedBase:
    """Put an earlier adapter on a base, to be trained on. Where a method has a reference, it is this adapter then.

    Raises: WorkerError: the adapter is gone or another one, or it was not trained on this base or in this shape.
    """
    return replace(base, model=tuned_model.further(base, adapter(base, recipe), parent, folder))


def adapter(base: LoadedBase, recipe: Recipe) -> LoraConfig:
    """Return the adapter that a recipe asks for; one that scores has a head beside it.

    Full fine-tuning is an adapter too, one of no low-rank weights: PEFT trains and saves copies of the layers, and the
    base stays beneath them. So checkpoints, references, exports and loading are those of any adapter.
    Raises: WorkerError: this model has no such layers as the recipe wants trained.
    """
    scores = recipe.method is Method.REWARD
    task = "SEQ_CLS" if scores else "CAUSAL_LM"
    if recipe.tuning is Tuning.FULL:
        return LoraConfig(
            target_modules=DUMMY_TARGET_MODULES,
            modules_to_save=targets.trained_whole(base.model),
            task_type=task,
        )
    return LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        use_dora=recipe.use_dora,
        use_rslora=recipe.use_rslora,
        target_modules=targets.linear_layers(base.model, recipe.target_modules),
        task_type=task,
        modules_to_save=[scorer.HEAD] if scores else None,
    )


def arguments(
    base: LoadedBase, recipe: Recipe, lessons: Lessons, folder: Path, at_once: int | None = None
) -> dict[str, Any]:
    """Return the settings that all trainers share. A trainer saves and evaluates only when a callback tells it to.

    `at_once` are the rows of one call of a training step; without it those that go through the model together.
    """
    cpu = base.device == "cpu"
    at_once = at_once or rows_at_once(recipe, base.device)
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": recipe.batch_size // at_once,
        "per_device_eval_batch_size": EVAL_BATCH // texts_of_row(recipe.method),
        # The data set holds all passes, in order: to the trainer this is one pass over one long list.
        "num_train_epochs": 1,
        "max_steps": lessons.steps,
        "train_sampling_strategy": "sequential",
        "learning_rate": recipe.learning_rate,
        # Never lowered: a run of a few dozen steps has none to spare, and one that is stopped early loses nothing.
        # 30 steps on 200 banking questions: dev loss 0.16; with a cosine 0.98, with a late decay 0.24.
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": int(recipe.warmup_fraction * lessons.steps),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": 1.0,
        "seed": recipe.seed,
        # TRL turns both on by default. Most CPUs emulate bf16, twenty times slower.
        "bf16": not cpu and torch.cuda.is_bf16_supported(),
        "activation_checkpointing": not on_gpu.keeps_activations(base, recipe, lessons),
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        # The trainer hides NaN in its logs unless told otherwise.
        "logging_nan_inf_filter": False,
        "logging_steps": 1,
        "eval_on_start": bool(lessons.dev),
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def tables(lessons: Lessons) -> dict[str, Dataset | None]:
    """Return the rows in the order of the lessons, and the dev rows, under the names that trainers know them by."""
    return {
        "train_dataset": Dataset.from_list(columns(lessons.rows)).select(lessons.order),
        "eval_dataset": Dataset.from_list(columns(lessons.dev)) if lessons.dev else None,
    }


def quiet(trainer: Trainer) -> Trainer:
    """Return the trainer without the callback that prints what progress lines tell already."""
    trainer.remove_callback(PrinterCallback)
    return trainer


def score_only_answers() -> None:
    """Let TRL's output head skip prompts and padding on the CPU too, as it does on a GPU: same loss, a third less time.

    TRL asks `_use_triton` for nothing but this in that module. The name is private, so other versions are left alone.
    """
    if trl.__version__.startswith(TESTED_TRL):
        trl.trainer.utils._use_triton = lambda _device: True
    else:
        sys.stderr.write(
            f"trl {trl.__version__} is not {TESTED_TRL}x: prompts are scored too, which is slower\n"
        )

"""What GRPO and RLOO share: prompts that the model answers itself, rewards for the answers, and how dev rows are judged.

On dev rows the model answers as it will be judged, greedily and once. What is missing to a reward of 1 is the dev loss.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from transformers import Trainer

from agents.recipe import Recipe, rows_at_once
from agents.worker import adapter_training, rows, shaped_rows
from agents.worker.adapter_training import AdapterOnly, Setting
from agents.worker.answers import Exam, answer
from agents.worker.base_model import LoadedBase
from agents.worker.errors import RowsTooLong
from agents.worker.lessons import Lesson, Lessons
from agents.worker.rewards import scorecard
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.scorecard import Scorecard
from agents.worker.shaped_rows import Task

read = shaped_rows.read_tasks


class Rewarded(AdapterOnly):
    """For a trainer whose model answers dev rows greedily, and whose prompts are tokenised as they will be asked."""

    exam: Exam
    dev_tasks: list[Task]
    card: Scorecard
    processing_class: Any
    callback_handler: Any
    state: Any
    control: Any
    log: Callable[[dict[str, float]], None]

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Answer the dev rows and return what is missing to a reward of 1, as `eval_loss`."""
        model = self.model
        said: dict[int, str] = {}
        with torch.random.fork_rng():
            for batch in answer(model, self.processing_class, self.exam, lambda: None):
                said |= {i: found.text for i, found in batch.items()}
            attempts = [Attempt(task, said[i]) for i, task in enumerate(self.dev_tasks)]
            scores = self.card.score(attempts)
        reward = sum(scores) / len(scores)
        metrics = {"eval_loss": 1 - reward, "eval_reward": reward}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        model.train()
        return metrics

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        # The trainer's own would put a second start token before a template that writes one.
        plain = not self.processing_class.chat_template
        ids = self.processing_class(text=prompts, add_special_tokens=plain)["input_ids"]
        return ids, None, {}


def encode(base: LoadedBase, tasks: Sequence[Task], recipe: Recipe) -> list[Lesson]:
    """Turn prompts into tokens.

    Raises: RowsTooLong: prompts leave no room for an answer. WorkerError: one has no reference where a reward needs one.
    """
    scorecard.check_references(recipe.rewards, tasks)
    limit = shaped_rows.room(base, recipe) - recipe.max_new_tokens
    lessons = [_lesson(base, task) for task in tasks]
    long = [t.number for t, row in zip(tasks, lessons, strict=True) if row.tokens > limit]
    if long:
        raise RowsTooLong(
            long,
            f"{rows.listed(long)}: the prompt has more than {limit} tokens, which leaves no room for an answer of "
            f"{recipe.max_new_tokens}. Shorten the prompts, or change max_length_tokens or max_new_tokens.",
        )
    return lessons


def arguments(
    base: LoadedBase, recipe: Recipe, lessons: Lessons, setting: Setting
) -> dict[str, Any]:
    """Return the settings that both trainers share. A batch of a recipe is so many prompts, each answered several times."""
    answers = recipe.batch_size * recipe.num_generations
    shared = adapter_training.arguments(base, recipe, lessons, setting.folder)
    del shared["train_sampling_strategy"]  # prompts are repeated by a sampler of the trainer's own
    return shared | {
        "gradient_accumulation_steps": answers // rows_at_once(recipe, base.device),
        "num_generations": recipe.num_generations,
        "max_completion_length": recipe.max_new_tokens,
        "temperature": recipe.temperature,
        "beta": recipe.beta,
        "shuffle_dataset": False,
        "disable_dropout": True,
        "log_completions": False,
    }


def reward_function(card: Scorecard) -> Callable[..., list[float]]:
    """Return the rewards of a recipe as TRL asks for them."""

    def reward(completions: list[str], task: list[str], **_rest: Any) -> list[float]:
        tasks = (Task(**json.loads(text)) for text in task)
        return card.score(
            [Attempt(t, said.strip()) for t, said in zip(tasks, completions, strict=True)]
        )

    return reward


def make_trainer(
    kinds: tuple[Any, Any], base: LoadedBase, lessons: Lessons, recipe: Recipe, setting: Setting
) -> Trainer:
    """Make a trainer, whose class and whose arguments' class are `kinds`, with the dev rows in front of it.

    Raises: WorkerError: nothing is rewarded, or a model that judges is not there.
    """
    trainer_class, config_class = kinds
    if base.device == "cpu":
        adapter_training.score_only_answers()
    card = scorecard.make(recipe.rewards, setting.critics, base.folder)
    trainer = trainer_class(
        model=base.model,
        reward_funcs=reward_function(card),
        args=config_class(**arguments(base, recipe, lessons, setting)),
        train_dataset=adapter_training.tables(lessons)["train_dataset"],
        processing_class=base.tokenizer,
        peft_config=adapter_training.fresh(base, recipe),
        callbacks=setting.callbacks,
    )
    ends = rows.stop_ids(base.tokenizer, base.model)
    trainer.exam = Exam([row.prompt_ids for row in lessons.dev], ends, recipe.max_new_tokens)
    trainer.dev_tasks = [Task(**json.loads(row.columns["task"])) for row in lessons.dev]
    trainer.card = card
    return adapter_training.quiet(trainer)


def _lesson(base: LoadedBase, task: Task) -> Lesson:
    ids = shaped_rows.prompt_ids(base.tokenizer, task)
    known = base.tokenizer(task.reference or "", add_special_tokens=False)["input_ids"]
    return Lesson(
        columns={
            "prompt": shaped_rows.rendered(base.tokenizer, task),
            "task": json.dumps(asdict(task)),
        },
        tokens=len(ids),
        whole_tokens=len(ids) + len(known),
        answer_tokens=max(1, len(known)),
        prompt_ids=ids,
    )

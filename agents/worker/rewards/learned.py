"""Reward by a model that was trained from the person's own preferences."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.worker import scorer
from agents.worker.base_model import BaseFolder
from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt
from agents.worker.rows import stop_ids
from agents.worker.shaped_rows import said


def learned(
    reward_dir: Path | None, base: BaseFolder, beat: Callable[[], None] = lambda: None
) -> Callable[[Sequence[Attempt]], list[float]]:
    """Return a reward that asks the reward model: the sigmoid of its score; `beat` is called after every batch.

    Raises: WorkerError: there is none, or it does not fit the base model.
    """
    if reward_dir is None:
        raise WorkerError(
            "model_missing",
            "There is no reward model to ask: “learned” is possible only after one was trained from pairs of answers. "
            "Choose another reward.",
            for_person=True,
        )
    judge = scorer.load(base, reward_dir)
    ends = stop_ids(judge.tokenizer, judge.model)

    def score(attempts: Sequence[Attempt]) -> list[float]:
        texts = [said(judge.tokenizer, a.task, a.answer, ends) for a in attempts]
        read = [[*t.prompt, *t.answer][-judge.context_tokens :] for t in texts]
        found = scorer.score(judge, read, beat)
        return [1 / (1 + math.exp(-value)) for value in found]

    return score

"""Reward by a model that was trained from the person's own preferences."""

import math
from collections.abc import Callable, Sequence

from agents.jobs import RewardScale
from agents.worker import scorer
from agents.worker.base_model import BaseFolder
from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics
from agents.worker.rows import stop_ids
from agents.worker.shaped_rows import said

STEEPNESS = 4.0
"""A typical preferred answer, half a margin above the centre, gets 1 / (1 + e⁻²) = 0.88, a typical other one 0.12."""
AS_IT_IS = RewardScale(centre=0.0, margin=STEEPNESS)


def learned(critics: Critics, base: BaseFolder) -> Callable[[Sequence[Attempt]], list[float]]:
    """Return a reward that asks the reward model: the sigmoid of its score, on the scale of the pairs that it was checked on.

    Where zero lies means nothing to a reward model, as only differences are learnt: without the scale all answers may be worth
    0.9 and more, which leaves little to learn from. `critics.beat` is called after every batch.

    Raises: WorkerError: there is none, or it does not fit the base model.
    """
    if critics.reward_dir is None:
        raise WorkerError(
            "model_missing",
            "There is no reward model to ask: “learned” is possible only after one was trained from pairs of answers. "
            "Choose another reward.",
            for_person=True,
        )
    judge = scorer.load(base, critics.reward_dir)
    ends = stop_ids(judge.tokenizer, judge.model)

    def score(attempts: Sequence[Attempt]) -> list[float]:
        texts = [said(judge.tokenizer, a.task, a.answer, ends) for a in attempts]
        read = [[*t.prompt, *t.answer][-judge.context_tokens :] for t in texts]
        found = scorer.score(judge, read, critics.beat)
        return [worth(value, critics.reward_scale or AS_IT_IS) for value in found]

    return score


def worth(score: float, scale: RewardScale) -> float:
    """Return the reward for a score, in 0 … 1. A model that does not tell the answers of pairs apart has no scale of its own."""
    margin = scale.margin if scale.margin > 0 else STEEPNESS
    # the sigmoid, in a form that nothing overflows in
    return (1 + math.tanh(STEEPNESS * (score - scale.centre) / margin / 2)) / 2

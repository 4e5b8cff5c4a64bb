"""All rewards of a recipe as one number per answer: their weighted mean, in 0 … 1."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents import rewards
from agents.rewards import Reward
from agents.worker.errors import WorkerError
from agents.worker.rewards import json_paths, patterns, quantities, schemas, texts
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics
from agents.worker.rows import listed
from agents.worker.shaped_rows import Task

if TYPE_CHECKING:
    from agents.worker.base_model import BaseFolder

Scorer = Callable[[Sequence[Attempt]], list[float]]


@dataclass(frozen=True)
class Scorecard:
    """Rewards and their weights."""

    parts: tuple[tuple[float, Scorer], ...]

    def score(self, attempts: Sequence[Attempt]) -> list[float]:
        """Return one number in 0 … 1 per answer."""
        total = sum(weight for weight, _ in self.parts)
        columns = [[weight * value for value in part(attempts)] for weight, part in self.parts]
        return [sum(values) / total for values in zip(*columns, strict=True)]


def make(wanted: Sequence[Reward], critics: Critics, base: "BaseFolder | None") -> Scorecard:
    """Make the scorecard of a recipe.

    Raises: WorkerError: nothing is rewarded, or a model that a reward asks is not there.
    """
    if not wanted:
        raise WorkerError(
            "bad_data",
            "This method learns from rewards, and none is chosen. Name one, for example "
            'rewards={"kind": "length", "max_words": 20}, or upload rows with references.',
            for_person=True,
        )
    return Scorecard(tuple((reward.weight, scorer(reward, critics, base)) for reward in wanted))


def check_references(wanted: Sequence[Reward], tasks: Sequence[Task]) -> None:
    """Refuse rows without a reference where a reward compares with it. Raises: WorkerError."""
    needing = sorted({r.kind for r in wanted if isinstance(r, rewards.NEED_REFERENCE)})
    without = [task.number for task in tasks if task.reference is None]
    if needing and without:
        raise WorkerError(
            "bad_data",
            f"{listed(without)}: no reference to compare with, which {', '.join(needing)} needs. Fill it in, remove the "
            "rows, or choose a reward that needs none (regex, json_schema, length).",
            for_person=True,
        )


def scorer(reward: Reward, critics: Critics, base: "BaseFolder | None" = None) -> Scorer:
    """Return what scores answers by one reward. `base` is needed for a learned one.

    Raises: WorkerError: a model that it asks is not there.
    """
    if isinstance(reward, rewards.Judge):
        from agents.worker.rewards.judged import judged

        return judged(reward.criterion, critics)
    if isinstance(reward, rewards.Learned) and base is not None:
        from agents.worker.rewards.learned import learned

        return learned(critics, base)
    if isinstance(reward, rewards.Similarity):
        from agents.worker.rewards.similarity import similarity

        return similarity(critics.embedding)
    one = _per_answer(reward)
    return lambda attempts: [one(attempt) for attempt in attempts]


def _per_answer(reward: Reward) -> Callable[[Attempt], float]:
    match reward:
        case rewards.ExactMatch():
            return texts.exact_match
        case rewards.Overlap():
            return texts.overlap
        case rewards.Length():
            return texts.length(reward)
        case rewards.Pattern():
            return patterns.pattern(reward)
        case rewards.FitsSchema():
            return schemas.fits_schema(reward)
        case rewards.RightNumber():
            return quantities.right_number(reward)
        case rewards.JsonPath():
            return json_paths.json_path(reward)
    raise ValueError(f"no scorer for {reward.kind}")

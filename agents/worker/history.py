"""What a trainer has logged, as curves and numbers of a result."""

import math
from typing import Any

from agents.jobs import RewardScale

MOST_POINTS = 200

Line = dict[str, Any]
"""One entry of a trainer's log: `step`, and what was measured there."""


def points(history: list[Line], name: str) -> list[tuple[int, float]]:
    """Return (step, value) wherever a finite value of that name was logged."""
    return [
        (line["step"], line[name]) for line in history if math.isfinite(line.get(name, math.nan))
    ]


def thinned(curve: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return a curve with at most `MOST_POINTS` points, first and last among them."""
    if len(curve) <= MOST_POINTS:
        return tuple(curve)
    last = len(curve) - 1
    return tuple(curve[round(i * last / (MOST_POINTS - 1))] for i in range(MOST_POINTS))


def reward_scale(history: list[Line], step: int) -> RewardScale | None:
    """Return what TRL's RewardTrainer has logged of the scores of dev rows; None of other methods."""
    centres, margins = (dict(points(history, name)) for name in ("eval_mean_reward", "eval_margin"))
    return RewardScale(centre=centres[step], margin=margins[step]) if step in margins else None

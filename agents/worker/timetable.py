"""When a training looks at its dev rows, saves, and ends before its last step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

GATE, REQUESTED = "checkpoint_gate", "requested"
"""Why a training ended early because it was asked to."""
RISEN = 1.02
"""Dev loss over the lowest one before it that counts as risen: Prechelt's generalisation loss of 2 %.

A dev loss that merely stands still does not count: a small model learnt what answers mean after sixty steps on a plateau.
"""


@dataclass(frozen=True)
class Timetable:
    """At which steps a training looks at the dev rows, saves, and stops for a question."""

    steps: int
    save_every: int
    evaluate_every: int
    """A multiple of `save_every`, so that what is evaluated is also saved."""
    hold_at: int
    """Step after which to save and leave; 0: never."""

    def saves(self, step: int) -> bool:
        """Tell whether a checkpoint is due after this step."""
        return step % self.save_every == 0 or step == self.steps

    def evaluates(self, step: int) -> bool:
        """Tell whether the dev rows are due after this step."""
        return step % self.evaluate_every == 0 or step == self.steps

    def evaluations_after(self, step: int) -> int:
        """Return how many evaluations are still to come."""
        return sum(self.evaluates(later) for later in range(step + 1, self.steps + 1))


def timetable(steps: int, save_steps: int, hold_at: int) -> Timetable:
    """Plan the saves of a training, at most `save_steps` apart, with three to eight evaluations among them."""
    save_every = max(1, min(save_steps, math.ceil(steps / 3)))
    evaluate_every = save_every * max(1, math.ceil(steps / 8 / save_every))
    return Timetable(steps, save_every, evaluate_every, hold_at)


def has_risen(history: Sequence[dict[str, Any]], table: Timetable, patience: int | None) -> bool:
    """Tell whether the last `patience` looks at the dev rows all lie above the lowest one before them.

    Looks off the timetable (at a pause) do not count, so that a resumed training ends where the others do.
    """
    losses = [
        line["eval_loss"]
        for line in history
        if "eval_loss" in line and (line["step"] == 0 or table.evaluates(line["step"]))
    ]
    if patience is None or len(losses) <= patience:
        return False
    lowest = min(losses[:-patience])
    return all(loss > RISEN * lowest for loss in losses[-patience:])

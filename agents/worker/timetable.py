"""When a training looks at its dev rows, saves, and ends before its last step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.candidates import looks

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
    until: int
    """Step after which the training is left as it is: its last one, or one at which it looks and saves."""

    def saves(self, step: int) -> bool:
        """Tell whether a checkpoint is due after this step."""
        return step % self.save_every == 0 or step == self.steps

    def evaluates(self, step: int) -> bool:
        """Tell whether the dev rows are due after this step."""
        return step % self.evaluate_every == 0 or step == self.steps

    def evaluations_after(self, step: int) -> int:
        """Return how many evaluations are still to come."""
        return sum(self.evaluates(later) for later in range(step + 1, self.until + 1))


@dataclass(frozen=True)
class Stretch:
    """The part of a training that is done in one go, and its place among all the steps of the job."""

    table: Timetable
    steps: int
    """Of the whole job."""
    before: int = 0
    """Steps of the job that lie before step 0 of this training."""
    stage: str = "training"
    name: str = ""
    """Of the training among others of the same job."""

    @property
    def later(self) -> int:
        """Steps of the job that come after this part."""
        return self.steps - self.before - self.table.until


def timetable(steps: int, save_steps: int, hold_at: int, until: int | None = None) -> Timetable:
    """Plan the saves of a training, at most `save_steps` apart, with three to eight evaluations among them.

    It is left after step `until`, if that is not its last one.
    """
    save_every, evaluate_every = looks(steps, save_steps)
    return Timetable(steps, save_every, evaluate_every, hold_at, until or steps)


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

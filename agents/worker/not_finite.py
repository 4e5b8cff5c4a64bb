"""Note that a candidate's numbers were not finite, so that no later attempt trains it into the same wall again."""

import hashlib
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.jobs import write_atomically
from agents.worker.checkpoints import Checkpoint, Origin, Standing
from agents.worker.training_result import Course

NAME = "not_finite.json"


class _Note(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: Origin
    standing: Standing
    what: str
    """Name of the first number that was not finite."""
    history: list[dict[str, Any]]
    """What the trainer logged before it."""
    sha256: str = ""
    """Of all the above."""

    def signed(self) -> "_Note":
        """Return the note with its own digest filled in."""
        bare = self.model_copy(update={"sha256": ""}).model_dump_json()
        return self.model_copy(update={"sha256": hashlib.sha256(bare.encode()).hexdigest()})


def write(checkpoints_dir: Path, course: Course) -> None:
    """Keep how a training broke off, beside its checkpoints."""
    history = [line for line in course.history if all(map(_is_finite, line.values()))]
    standing = course.standing
    if standing.dev_loss is not None and not math.isfinite(standing.dev_loss):
        standing = standing.model_copy(update={"dev_loss": None})
    note = _Note(
        origin=course.origin, standing=standing, what=course.broken or "", history=history
    ).signed()
    checkpoints_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(checkpoints_dir / NAME, note.model_dump_json(indent=1).encode())


def read(checkpoints_dir: Path, training: str, saved: list[Checkpoint]) -> Course | None:
    """Return a training that broke off, with the checkpoints that are left of it; None where it did not.

    A note that is damaged counts as none: training again finds the same.
    """
    try:
        note = _Note.model_validate_json((checkpoints_dir / NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if note != note.signed() or note.origin.training_sha256 != training:
        return None
    resumed_from = saved[-1].step if saved else None
    return Course(note.origin, note.standing, saved, note.history, resumed_from, broken=note.what)


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)

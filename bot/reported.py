"""All that the files of a report are made from: what was measured, and of what."""

from dataclasses import dataclass
from datetime import datetime

from agents.jobs import EvaluateResult, TrainResult
from agents.made_rows import MadeRows


@dataclass(frozen=True)
class Reported:
    """A verdict with its run. Files are made from it when a message is sent, not each time a card is looked at."""

    run: int
    iteration: int
    task: str
    """In the words of whoever asked."""
    model: str
    method: str
    measured_at: datetime
    partial: bool
    """The training was stopped early; the best step until then was measured."""
    result: EvaluateResult
    training: TrainResult | None
    made: MadeRows | None = None
    """What is known of made rows that it has learnt, or was better without."""

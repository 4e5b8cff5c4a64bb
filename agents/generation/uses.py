"""What has been used so far: how often each seed and passage was shown, and where the next question stands."""

from collections import Counter
from dataclasses import dataclass, field

from agents.jobs import Strategy


@dataclass
class Uses:
    """Grows with the job, in the same order in every attempt."""

    seeds: Counter[int] = field(default_factory=Counter)
    """By number of the row."""
    facts: Counter[str] = field(default_factory=Counter)
    """By id of the passage."""
    asked: Counter[tuple[Strategy, str | None]] = field(default_factory=Counter)
    """Questions by strategy and answer."""

    def place(self, strategy: Strategy, label: str | None) -> str:
        """Return the place of the next question."""
        self.asked[strategy, label] += 1
        return f"{strategy}:{self.asked[strategy, label]}:{'' if label is None else label}"

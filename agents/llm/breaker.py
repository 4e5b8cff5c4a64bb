"""Leaves a back end alone that fails again and again, so that nobody waits for it: one question at a time finds out when it is back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agents.llm.errors import BackEndPaused


@dataclass
class Breaker:
    """Counts the failures in a row of one back end, in one process."""

    title: str
    """What people are told that it is."""
    most_failures: int
    pause_s: float
    clock: Callable[[], float] = time.monotonic
    failures: int = field(default=0, init=False)
    _ends_at_s: float | None = field(default=None, init=False)
    """None: it is not paused."""
    _trying: bool = field(default=False, init=False)
    """A question that finds out whether it is back is under way."""

    def enter(self) -> bool:
        """Ask for leave to send a question; return whether it is the one that finds out. Raises: BackEndPaused: not now."""
        if self._ends_at_s is None:
            return False
        left_s = self._ends_at_s - self.clock()
        if left_s > 0 or self._trying:
            raise BackEndPaused(
                f"{self.title} has failed {self.failures} times in a row and is asked again later.",
                after_s=max(0.0, left_s),
            )
        self._trying = True
        return True

    def leave(self, *, finding_out: bool, worked: bool | None) -> None:
        """Tell how a question ended that had leave; None: it was given up by who asked, which says nothing."""
        if finding_out:
            self._trying = False
        if worked is None:
            return
        self.failures = 0 if worked else self.failures + 1
        paused = self.failures >= self.most_failures
        self._ends_at_s = self.clock() + self.pause_s if paused else None

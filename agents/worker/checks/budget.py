"""CPU time that the checks may take: an expensive one stops in time and says so, and never costs a person the run."""

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """CPU seconds of this process until the checks have to end, and what was left out because of that."""

    ends_at_s: float
    """On the clock of `time.process_time`."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What was not looked at, by check."""

    @classmethod
    def of(cls, cpu_s: float) -> "Budget":
        """Return a budget of so many CPU seconds from now on."""
        return cls(time.process_time() + cpu_s)

    def part(self, share: float) -> "Budget":
        """Return a budget of a share of what is left; what it leaves out is noted in this one too."""
        now = time.process_time()
        return Budget(now + share * max(0.0, self.ends_at_s - now), self.left_out)

    def spent(self) -> bool:
        """Tell whether the time is up."""
        return time.process_time() >= self.ends_at_s

    def stop(self, check: str, left_out: str) -> None:
        """Note what a check did not look at; the first word counts."""
        self.left_out.setdefault(check, left_out)

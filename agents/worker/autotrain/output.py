"""What AutoTrain prints, line by line: losses, the error it ended with, nothing that has to stay secret.

Its exit code is 0 even when a training has failed, so only its output and the files that it leaves say how it went.
"""

import math
import re
from dataclasses import dataclass, field

from agents.worker.checks.marks import covered
from agents.worker.checks.secrets import marks

LONGEST_LINE_CHARS = 2000
BEGINS = "on_train_begin"
"""In the line with which a training begins."""
_NUMBERS = re.compile(r":on_log:\d+ - (\{.*\})")
_NUMBER = re.compile(r"'(\w+)': '?(-?(?:\d[\d.]*(?:e[+-]?\d+)?|inf)|nan)")
_ERROR = re.compile(r"^ERROR\s*\|[^|]*\| \S+ - (.+)")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "<Signals.SIGKILL")


@dataclass
class Output:
    """What was read so far."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    """(step, loss); AutoTrain is told to print every step."""
    latest: dict[str, float] = field(default_factory=dict)
    """The numbers of the latest step: `loss`, `grad_norm`, `learning_rate`."""
    began: bool = False
    train_s: float | None = None
    """Seconds of the whole training, known once it has ended."""
    broken: str | None = None
    """Name of the first number that was not finite."""
    short_of_memory: bool = False
    error: str = ""
    """The last error it printed."""
    last_line: str = ""

    @property
    def why(self) -> str:
        """What it said last about why it ended."""
        return (self.error or self.last_line or "it printed nothing")[:300]

    def read(self, line: str) -> bool:
        """Read a line and tell whether it was about a step."""
        self.began |= BEGINS in line
        self.short_of_memory |= any(text in line for text in OUT_OF_MEMORY)
        if failed := _ERROR.search(line):
            self.error = failed[1].strip()
        if line.strip():
            self.last_line = line.strip()
        told = _NUMBERS.search(line)
        if told is None:
            return False
        numbers = {name: float(value) for name, value in _NUMBER.findall(told[1])}
        self.train_s = numbers.get("train_runtime", self.train_s)
        if "loss" not in numbers:
            return False
        self.latest = numbers
        for name, what in (("loss", "the loss"), ("grad_norm", "the gradient")):
            if not math.isfinite(numbers.get(name, 0.0)):
                self.broken = self.broken or what
        self.losses.append((len(self.losses) + 1, numbers["loss"]))
        return True


def for_the_log(line: str) -> str:
    """Return a line as it may be kept: cut, and with [KIND] in place of whatever looks like a key or a password."""
    short = line[:LONGEST_LINE_CHARS]
    return covered(short, marks(short))

"""What a model thought of each row each time it was about to learn from it: one line per step, beside the checkpoints.

    checkpoints/rows.jsonl   {"training": "9f…"}                          the first line: of which training
                             {"step": 3, "rows": [[14, -2.31, 4], …]}     row, log-probability of its answer, tokens of that

A number that was not finite is null. A training that resumes cuts off the steps after its checkpoint and does them again,
with the same outcome, so that no step is missing and none is there twice.
"""

import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from agents.jobs import write_atomically

NAME = "rows.jsonl"


@dataclass(frozen=True)
class Look:
    """One time that a model looked at a row."""

    step: int
    log_prob: float
    """Of the whole answer."""
    tokens: int
    """Of the answer."""

    @property
    def mean_prob(self) -> float:
        """Probability of a token of the answer, as a geometric mean."""
        return math.exp(self.log_prob / max(1, self.tokens))

    @property
    def whole_prob(self) -> float:
        """Probability of the whole answer."""
        return math.exp(self.log_prob)


class RowLog:
    """Keeps what is thought of the rows of each step. Nothing is written where nobody tells."""

    def __init__(
        self,
        folder: Path,
        training_sha256: str,
        rows_of: Callable[[int], list[int]],
        last_step: int,
    ) -> None:
        """Go on after `last_step`; `rows_of` returns the numbers of the rows that a step learns from."""
        self.path = folder / NAME
        self.head = {"training": training_sha256}
        self.rows_of = rows_of
        self.told: list[tuple[float, int]] = []
        self.stream: BinaryIO | None = None
        if self.path.exists():
            kept = [line for line in _steps(self.path, self.head) if line["step"] <= last_step]
            write_atomically(self.path, b"".join(map(_line, [self.head, *kept])))

    def tell(self, seen: list[tuple[float, int]]) -> None:
        """Take what was thought of each row of a batch."""
        self.told += seen

    def end_step(self, step: int) -> None:
        """Write the line of a step."""
        if not self.told:
            return
        numbers = self.rows_of(step)
        rows = [
            [number, round(log_prob, 4) if math.isfinite(log_prob) else None, tokens]
            for number, (log_prob, tokens) in zip(numbers, self.told, strict=True)
        ]
        self.told = []
        if self.stream is None:
            fresh = not self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.stream = self.path.open("ab")
            if fresh:
                self.stream.write(_line(self.head))
        self.stream.write(_line({"step": step, "rows": rows}))
        self.stream.flush()

    def settle(self) -> None:
        """Have the disk keep what was written: before a checkpoint counts, from which these steps are not done again."""
        if self.stream is not None:
            os.fsync(self.stream.fileno())

    def close(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def read(folder: Path, training_sha256: str) -> dict[int, list[Look]]:
    """Return the looks at each row, in the order of the steps; nothing where this training has kept none."""
    head = {"training": training_sha256}
    by_step = {line["step"]: line["rows"] for line in _steps(folder / NAME, head)}
    looks: dict[int, list[Look]] = defaultdict(list)
    for step in sorted(by_step):
        for number, log_prob, tokens in by_step[step]:
            if log_prob is not None:
                looks[number].append(Look(step, log_prob, tokens))
    return dict(looks)


def _steps(path: Path, head: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a training's log; a torn last one is left out, and so are those of another training."""
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    if whole and whole[0] + b"\n" == _line(head):
        yield from (json.loads(line) for line in whole[1:])


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"

"""Steps whose loss stands out, with the rows that were learnt from in them, so that a person can look at these rows.

OLMo 2 ("2 OLMo 2 Furious", arXiv 2501.00656) calls a value a spike that lies seven standard deviations above the rolling
mean of the last 1,000. A fine-tuning has some hundred steps and begins with a steep fall, so the median and the median
deviation of the last 50 stand in for mean and standard deviation: a few high values move neither. A spike must also
be twice the median: where the loss has become tiny, seven deviations are nothing to look at.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median
from typing import Any

from agents.jobs import LossSpike
from agents.worker.checks.facts import shown
from agents.worker.shaped_rows import Pair, Task, answered, asked

WINDOW = 50
FEWEST = 8
"""Losses that must have been seen before one can stand out."""
DEVIATIONS = 7
TO_SD = 1.4826
"""A median deviation times this is the standard deviation, for values that vary normally."""
FACTOR = 2.0
MOST_KEPT = 5
"""Spikes in a result: the highest, measured against what was usual."""
MOST_ROWS = 64
MOST_EXCERPTS = 8
EXCERPT_CHARS = 80


def usual_if_spike(earlier: Sequence[float], loss: float) -> float | None:
    """Return the usual loss where `loss` stands out against the losses before it, else None."""
    recent = earlier[-WINDOW:]
    if len(recent) < FEWEST:
        return None
    usual = median(recent)
    spread = TO_SD * median(abs(value - usual) for value in recent)
    high = usual > 0 and loss > max(FACTOR * usual, usual + DEVIATIONS * spread)
    return usual if high else None


class SpikeWatch:
    """Looks at the loss of every step and keeps what stands out.

    What it finds follows from the trainer's history alone, so that a resumed training finds the same.
    """

    def __init__(
        self, rows_of: Callable[[int], Sequence[Any]], found: tuple[LossSpike, ...] = ()
    ) -> None:
        self.rows_of = rows_of
        """The rows that a step learns from; none where a loss says nothing."""
        self.found = found

    def look(self, history: Sequence[dict[str, Any]]) -> None:
        """Look at the newest step of a trainer's history."""
        newest_first = (line for line in reversed(history) if "loss" in line)
        line, *before = islice(newest_first, WINDOW + 1)
        usual = usual_if_spike([other["loss"] for other in reversed(before)], line["loss"])
        rows = self.rows_of(line["step"]) if usual is not None else ()
        if usual is not None and rows:
            spike = _spike(line["step"], line["loss"], usual, rows)
            by_height = sorted([*self.found, spike], key=lambda s: s.loss / s.usual, reverse=True)
            self.found = tuple(sorted(by_height[:MOST_KEPT], key=lambda s: s.step))


def _spike(step: int, loss: float, usual: float, rows: Sequence[Any]) -> LossSpike:
    by_number = {row.number: row for row in rows}
    return LossSpike(
        step=step,
        loss=loss,
        usual=usual,
        rows=tuple(by_number)[:MOST_ROWS],
        excerpts=tuple(_excerpt(row) for row in list(by_number.values())[:MOST_EXCERPTS]),
    )


def _excerpt(row: Any) -> str:
    if isinstance(row, Pair):
        answer = row.chosen
    else:
        answer = "" if isinstance(row, Task) else row.completion
    texts = (shown(text, EXCERPT_CHARS) for text in (asked(row.prompt), answered(answer)))
    return " → ".join(f"“{text}”" for text in texts)

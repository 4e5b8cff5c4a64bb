"""All that is known about a try when its rules are asked, and how curves are read."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.counts import agresti_caffo
from agents.jobs import (
    DataFinding,
    EvaluateResult,
    FindingKind,
    IntakeResult,
    MeasureResult,
    Probe,
    RowFacts,
    Targets,
    TrainResult,
    row_name,
)
from agents.recipe import Metric, Recipe

SMOOTHING = 0.2
"""Weight of the newest loss in the moving average."""
Z_95 = 1.96
MOST_NAMED = 5
ROWS_PER_LABEL = 3
"""Answers are labels when each comes this often on average, and they are short; as when rows are read."""
LABEL_CHARS = 60


@dataclass(frozen=True)
class Try:
    """Another try of the same run."""

    recipe: Recipe
    best_dev_loss: float


@dataclass(frozen=True)
class Evidence:
    """What the rows know about a try. What is None is not known, and no rule may guess it."""

    recipe: Recipe
    train_rows: int
    error_code: str | None = None
    """Of a training that broke off."""
    at_once: int = 1
    """Rows that went through the model together at last; it matters when memory ran out."""
    data: IntakeResult | None = None
    measured: MeasureResult | None = None
    trained: TrainResult | None = None
    evaluated: EvaluateResult | None = None
    others: tuple[Try, ...] = ()
    """Tries before this one."""

    @property
    def dev(self) -> list[float]:
        """Dev losses in the order of the steps, the base model's first."""
        return [loss for _step, loss in self.trained.dev_losses] if self.trained else []

    @property
    def smooth(self) -> list[float]:
        """Moving average of the training losses."""
        return smoothed([loss for _step, loss in self.trained.losses]) if self.trained else []

    @property
    def grad_norms(self) -> list[float]:
        """Norms of the gradient before clipping."""
        return [norm for _step, norm in self.trained.grad_norms] if self.trained else []

    @property
    def update_size(self) -> float | None:
        """‖ΔW‖ ÷ ‖W‖ of the adapter."""
        return self.trained.update_size if self.trained else None

    @property
    def targets(self) -> Targets | None:
        """What was to be learnt."""
        return self.trained.targets if self.trained else None

    @property
    def probe(self) -> Probe | None:
        """What a few rows say about the model at the end."""
        return self.trained.probe if self.trained else None

    @property
    def texts(self) -> RowFacts | None:
        """What the texts of the rows have in common."""
        return self.measured.row_facts if self.measured else None

    @property
    def are_labels(self) -> bool:
        """Whether the answers are a few labels."""
        data = self.data
        return (
            data is not None
            and 1 < data.distinct_completions <= data.rows_usable / ROWS_PER_LABEL
            and data.completion_chars_p95 <= LABEL_CHARS
        )

    @property
    def test_exact(self) -> tuple[int, int] | None:
        """How many of how many sealed items the tuned model answered word for word."""
        for compared in self.evaluated.comparisons if self.evaluated else ():
            if compared.metric is Metric.EXACT_MATCH and self.evaluated:
                return round(compared.tuned * self.evaluated.items), self.evaluated.items
        return None

    def check(self, kind: FindingKind) -> DataFinding | None:
        """Return what a check of the rows found."""
        found = self.data.findings if self.data else ()
        return next((finding for finding in found if finding.kind is kind), None)


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the exponential moving average of a curve."""
    found: list[float] = []
    for value in values:
        last = found[-1] if found else value
        found.append(last + SMOOTHING * (value - last))
    return found


def difference(one: tuple[int, int], other: tuple[int, int]) -> tuple[float, float, float]:
    """Return the difference of two shares (count, of) and its 95 % interval, Agresti and Caffo's."""
    return agresti_caffo(one, other)


def percent(share: float) -> str:
    """Say a share."""
    return f"{100 * share:.0f} %"


def named(rows: Sequence[int], count: int) -> str:
    """Name the first few rows of several: "row 3, row 9 and 12 more"."""
    shown = ", ".join(row_name(number) for number in rows[:MOST_NAMED])
    return f"{shown} and {count - MOST_NAMED} more" if count > MOST_NAMED else shown

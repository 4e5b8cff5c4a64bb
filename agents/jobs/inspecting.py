"""Looking for training rows whose answers are likely wrong."""

from enum import StrEnum
from typing import Literal

from agents.jobs.messages import JobKind, Message
from agents.jobs.training import TrainSpec


class InspectSpec(Message):
    """Look for training rows whose answers are likely wrong, after a training on them."""

    kind: Literal[JobKind.INSPECT] = JobKind.INSPECT
    training: TrainSpec
    """As it was; beside its checkpoints lies what the model thought of each row."""
    adapter_dir: str | None = None
    """Its result; without one, nobody looks once more."""
    adapter_sha256: str | None = None
    budget_s: float
    """Time for one more look at the rows; what was seen by then counts."""


class Doubt(Message):
    """A training row whose answer is likely wrong. Texts are cut, with secrets and personal data masked."""

    row: int
    """As in `RowError.row`."""
    prompt: str
    given: str
    """Its answer."""
    likelier: str | None = None
    """The answer that would fit better; None where answers are no labels."""
    label: str | None = None
    """The same as it stands in the data, uncut."""
    p_given: float | None = None
    """Probability of the given answer by a classifier that has not seen the row."""
    p_likelier: float | None = None
    confidence: float | None = None
    """Mean over the looks of the model that was trained: probability of a token of the given answer."""
    variability: float | None = None
    """Standard deviation of the same."""
    score: float
    """0 … 1, the most doubtful near 1."""


class Trial(Message):
    """A classifier that learnt without the doubtful rows, against one that learnt without as many at random."""

    items: int
    """Dev rows asked."""
    repeats: int
    """Random removals."""
    without: float
    """Share of the dev rows that it gets right."""
    at_random: float
    """The same of those without random rows, on average."""
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float


class RowsForecast(Message):
    """What more rows of the same kind would buy, by a power law through the losses of rows before they were learnt."""

    rows: int
    """Rows of a first pass that the curve goes through."""
    more: int
    """Further rows that it is about."""
    loss: float
    """Per token of an answer, of a new row after a pass over `rows`."""
    gain: float
    """By how much that would be lower after `more` further ones."""
    low: float
    """Lower end of the 95 % interval."""
    high: float


class Region(StrEnum):
    """Where a row stands on the map of the rows."""

    EASY = "easy"
    """Its answer was found likely throughout."""
    AMBIGUOUS = "ambiguous"
    """The model changed its mind."""
    HARD = "hard"
    """It was never found likely."""


class MapPoint(Message):
    """A training row on the map of the rows."""

    row: int
    """As in `RowError.row`."""
    confidence: float
    """As of `Doubt`."""
    variability: float
    region: Region
    doubted: bool = False
    """It is among the doubts."""


class InspectResult(Message):
    """Training rows to look at."""

    kind: Literal[JobKind.INSPECT] = JobKind.INSPECT
    rows: int
    """Training rows looked at."""
    labels: int
    """Different answers, where they are labels; 0: they are not, and `doubts` only stand out."""
    unjudged: int = 0
    """Rows whose label is too rare for a judgement."""
    by: str | None = None
    """What tells that prompts are alike: `sentences` (a sentence model), or `base` (the base model's own states)."""
    agreement: float | None = None
    """How well the training itself tells doubtful rows from others: the area under the curve, 0.5 is chance."""
    looks: float = 0.0
    """How often the model looked at a row, on average."""
    easy: int = 0
    """Rows whose answers the model found likely throughout."""
    ambiguous: int = 0
    """Rows on which it changed its mind."""
    hard: int = 0
    """Rows whose answers it never found likely."""
    points: tuple[MapPoint, ...] = ()
    """The map, thinned to at most 500 rows in such a way that it looks like the whole; empty in results of older versions."""
    doubts: tuple[Doubt, ...]
    """The most doubtful first, at most 5,000."""
    trial: Trial | None = None
    forecast: RowsForecast | None = None
    """None: too few rows, or nothing was kept of how likely they were found."""
    inspect_s: float

"""What an evaluation compares, by metric, part, field and label."""

from enum import StrEnum
from typing import Literal

from agents.jobs.messages import Message
from agents.recipe import Metric


class Verdict(StrEnum):
    """What the evidence allows to say about tuned against base."""

    BETTER = "better"
    """The interval of the gain lies above zero and the corrected p is below 0.05."""
    SMALLER_THAN_ASKED = "better_but_smaller_than_asked"
    """Better, but the gain seen is below what the recipe's `target_gain_points` asks for."""
    WORSE = "worse"
    """The interval of the gain lies below zero."""
    CANNOT_TELL = "cannot_tell"
    """Neither; more test rows would be needed."""


class Comparison(Message):
    """One metric of base and tuned on the same items; `Metric.is_share` and `Metric.better` say how to read it."""

    metric: Metric
    base: float
    tuned: float
    gain: float
    """Tuned minus base: where lower is better, a negative one is good."""
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    p_value: float
    gained: int | None = None
    """Items that only tuned got right; None where answers are not just right or wrong."""
    lost: int | None = None
    """Those that only base got right."""


class Slice(Message):
    """A part of the test items, by the primary metric; its score is the mean of its items."""

    by: str
    """What the items are parted by: `label`, `prompt length`, `answer length`, `language`, `file`."""
    name: str
    items: int
    base: float
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    adjusted_p_value: float | None = None
    """After Holm over all slices with enough items; None below 20."""
    verdict: Verdict | None = None
    """None: fewer than 20 items, so there is none."""


class ScoredItem(Message):
    """One sealed item with both answers, texts cut to 600 characters."""

    row: int
    prompt: str
    reference: str
    base: str
    tuned: str
    base_score: float
    tuned_score: float
    parent: str | None = None
    """What the adapter said that the training started from, where there is one."""
    parent_score: float | None = None


class Changes(Message):
    """What tuning did to the answers, whatever their scores say; spaces and case do not count as a change."""

    differ: int
    """Items to which tuned says something else than base."""
    higher: int
    """Of these, how many score higher."""
    lower: int
    same: int
    """Those whose score is the same."""


class Answered(Message):
    """One sealed item and what became of it: a line of `artifacts/answers.jsonl`, which stays on this machine."""

    row: int
    prompt: str
    """Texts are cut to 4,000 characters, and secrets in them are masked."""
    reference: str
    base: str
    tuned: str
    base_score: float
    """By the primary metric."""
    tuned_score: float
    prompt_chars: int
    """Characters of the whole texts."""
    reference_chars: int
    base_chars: int
    tuned_chars: int
    language: str | None = None
    """Of the prompt, by its two letters; None where that is not sure."""


class AgainstParent(Message):
    """Tuned against the adapter that its training started from, on the same items, by the primary metric."""

    run: int
    """Of that adapter."""
    verdict: Verdict
    metric: Metric
    parent: float
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    p_value: float
    adjusted_p_value: float
    """After correction for all such comparisons on this test set."""


class AgainstTry(Message):
    """Tuned against the adapter of an earlier try, on the items that both were asked, by the primary metric."""

    iteration: int
    """Of that try."""
    verdict: Verdict
    metric: Metric
    items: int
    other: float
    """What that adapter gets."""
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    p_value: float
    adjusted_p_value: float
    """After correction for all such comparisons on this test set."""


class FieldScore(Message):
    """How often one field of structured answers is right; of labels, and of answers as a whole, `answer` is the one field."""

    name: str
    items: int
    """Test rows whose reference has it."""
    base: float
    """Share of them that is right."""
    tuned: float
    always: float
    """Share that would be right if `most_frequent` were always said."""
    most_frequent: str
    """Value, by the rows that were trained on where they are known."""
    is_guessed: bool
    """Tuned is not shown to do better than that."""


class LabelScore(Message):
    """How one label does."""

    label: str
    items: int
    """Test rows that it is the answer to."""
    found_by_base: float
    """Share of them that base answers with it: recall."""
    found: float
    """The same for tuned."""
    base: float
    """F1 of base."""
    tuned: float


class Confusion(Message):
    """What tuned said instead of a label."""

    meant: str
    said: str
    times: int


class Breakdown(Message):
    """What lies behind the metrics: which parts of the answers are right."""

    form: Literal["json", "lines", "records", "labels", "text"]
    """Of the answers."""
    fields: tuple[FieldScore, ...] = ()
    labels: tuple[LabelScore, ...] = ()
    """The worst first."""
    confusions: tuple[Confusion, ...] = ()
    """The most frequent first."""
    left_out: tuple[str, ...] = ()
    """A sentence for each measure that was not taken."""
    base_answer_s: float | None = None
    """Seconds per answer, in batches; None where nothing was generated anew."""
    tuned_answer_s: float | None = None
    score_s: float
    """Seconds that scoring took, without the models' own likelihoods."""

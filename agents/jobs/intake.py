"""Reading an upload: what is asked, and what was found in it."""

from enum import StrEnum
from typing import Literal

from agents.jobs.messages import FileRef, JobKind, LearntRows, Message
from agents.recipe import Metric


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


class FindingKind(StrEnum):
    """What a check of the rows can find, the most serious first."""

    SECRETS = "secrets"
    """Keys, tokens and passwords that look live."""
    LEAKS = "leaks"
    """Test rows that resemble rows to learn from although the split was to keep them apart."""
    KIN = "kin"
    """Test rows that belong together with rows to learn from, by a column such as customer or document."""
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
    DATES = "dates"
    """Rows have dates, and the test set is of the same time as the rows to learn from."""
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


class Reading(Message):
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


class MoreRows(Message):
    """A further file, whose rows are merged with those of the first."""

    file: FileRef
    weight: float = 1.0
    """How often its training rows are used: 0.5 is half of them, 2 each of them twice."""


class FileShare(Message):
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


class IntakeSpec(Message):
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


class RowError(Message):
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


class Turn(Message):
    """One turn of a row as it is shown, cut to 400 characters."""

    who: str
    """For people: "user", "assistant", "tools", "text"."""
    text: str
    mask: Mask


class Sample(Message):
    """One row of the training split as the model will see it."""

    row: int
    turns: tuple[Turn, ...]


class DataFinding(Message):
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


class IntakeResult(Message):
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

"""What the messages between bot and worker are made of."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

ROWS_PER_FILE = 10**9
"""Where several files are merged, the rows of the second are numbered from here on, of the third from twice as much."""
MADE_ROWS = 1000 * ROWS_PER_FILE
"""Rows that a program has made are numbered from here on: no upload has so many files."""


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
    EXPLAIN = "explain"
    """Find out why a tuned model gave one answer."""
    EXPORT = "export"
    """Write a tuned model in another format and check that it answers there as it does here."""
    GATHER = "gather"
    """Find what documents, pages and databases say about the task."""
    GENERATE = "generate"
    """Make drafts of rows."""
    SIFT = "sift"
    """Find which drafts are fit to learn from."""
    WORKFLOW_READ = "workflow_read"
    """Check a workflow and its tests, make tests where there are none, split them."""
    WORKFLOW_PROPOSE = "workflow_propose"
    """See where a workflow fails, and have changes proposed."""
    WORKFLOW_MEASURE = "workflow_measure"
    """Run changed workflows beside the one that stands."""
    WORKFLOW_CLAIM = "workflow_claim"
    """Run the workflow that is left against the one that was given, on sealed cases."""


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


class StopMode(StrEnum):
    """What the bot writes into `stop`."""

    FINISH = "finish"
    """Stop at the next step, keep the best checkpoint as the result: STOPPED."""
    PAUSE = "pause"
    """Save a checkpoint at the next step and leave: PAUSED."""
    CANCEL = "cancel"
    """Leave at the next step: CANCELLED."""


class Message(BaseModel):
    """Plain JSON that never changes once it is made; a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRef(Message):
    """A file by where it lies and what is in it."""

    path: str
    """Absolute, or relative to the job folder."""
    sha256: str
    size_bytes: int
    name: str = ""
    """What a person called it; never used as a path."""


class ModelRef(Message):
    """A base model: its catalogue name, its source and where converted weights are cached."""

    name: str
    source: str
    """`package:NAME`, `folder:PATH` or `hub:OWNER/NAME`."""
    cache_dir: str
    """Folder shared by all jobs of this machine for converted weights."""


class EarlierAdapter(Message):
    """An adapter of an earlier run, from which a training starts."""

    run: int
    """Its number, for people."""
    adapter_dir: str
    """Absolute, or relative to the job folder."""
    adapter_sha256: str
    """Of adapter_model.safetensors: another file is refused."""
    base_sha256: str
    """Of the weights that it was trained on: it fits no others."""


class LearntRows(Message):
    """Rows that went into an earlier adapter, and must not be held out to measure a later one."""

    file: FileRef
    task: str
    """Sentence that may stand before their prompts."""
    chose: bool = False
    """They only chose between checkpoints: they may do so again, but not judge."""


class RewardScale(Message):
    """How a reward model's scores are to be read: only their differences mean something."""

    centre: float
    """Mean score of both answers of a pair."""
    margin: float
    """Mean score of preferred answers minus that of the others."""


def row_name(number: int, files: Sequence[str] = ()) -> str:
    """Say which row of which file is meant: "row 14", "row 14 of more.csv", or, without names, "row 14 of file 2"; "made row 14"."""
    if number > MADE_ROWS:
        return f"made row {number - MADE_ROWS:,}"
    place, row = divmod(number, ROWS_PER_FILE)
    if len(files) > 1:
        return f"row {row:,} of {files[place]}"
    return f"row {row:,} of file {place + 1}" if place else f"row {row:,}"

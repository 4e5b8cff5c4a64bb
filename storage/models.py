"""The nouns. A row is a fact; what people see of it is a card made elsewhere.

Times are aware UTC. JSON columns hold plain data that a pydantic model of the writer's validates again on reading.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, DateTime, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel

Json = dict[str, Any]


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in a database that knows no zones.

    Raises: ValueError: a naive datetime is about to be stored.
    """

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Store UTC without its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


class Target(StrEnum):
    """What a run improves. The graph is the same; `agents.graph.STEPS` has what is different."""

    MODEL = "model"
    """A language model, by an adapter."""
    WORKFLOW = "workflow"
    """A state machine of prompts in YAML, by edits."""


class Phase(StrEnum):
    """Where a run is. Waiting and pausing are not phases: they are open rows and a flag."""

    PREPARING = "preparing"
    """The upload is being read."""
    PLANNING = "planning"
    """Model and rows are measured and a plan is made."""
    APPROVING = "approving"
    """A person is asked whether the plan may be carried out."""
    ENRICHING = "enriching"
    """Rows are made, and a person is asked whether they may be learnt from."""
    BUILDING = "building"
    """The adapter is being trained."""
    EVALUATING = "evaluating"
    """Base and tuned model answer the sealed test rows."""
    REVIEWING = "reviewing"
    """A person is asked whether the result is good enough."""
    DEBUGGING = "debugging"
    """What went wrong is looked for, and what to change."""
    DELIVERING = "delivering"
    """The adapter is packed for download."""
    EXPORTING = "exporting"
    """A delivered adapter is written in another format."""
    PUBLISHING = "publishing"
    """A delivered model is to be pushed to a hub: a person is asked, and then it is pushed."""
    DELIVERED = "delivered"
    """The link is out. The end."""
    CANCELLED = "cancelled"
    """A person ended it."""
    FAILED = "failed"
    """It could not go on; the reason is kept, and a person can resume it."""


FINAL = frozenset({Phase.DELIVERED, Phase.CANCELLED, Phase.FAILED})

_OPEN = frozenset(Phase) - FINAL
_ENDS = frozenset({Phase.CANCELLED, Phase.FAILED})
TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.PREPARING: _ENDS | {Phase.PLANNING},
    Phase.PLANNING: _ENDS | {Phase.APPROVING, Phase.BUILDING, Phase.DELIVERING},
    Phase.APPROVING: _ENDS
    | {Phase.PREPARING, Phase.PLANNING, Phase.ENRICHING, Phase.BUILDING, Phase.DELIVERING},
    Phase.ENRICHING: _ENDS | {Phase.BUILDING, Phase.DELIVERING},
    Phase.BUILDING: _ENDS | {Phase.EVALUATING, Phase.DEBUGGING, Phase.DELIVERING},
    Phase.EVALUATING: _ENDS | {Phase.REVIEWING, Phase.DEBUGGING, Phase.DELIVERING},
    Phase.REVIEWING: _ENDS | {Phase.DELIVERING, Phase.DEBUGGING, Phase.PLANNING, Phase.EVALUATING},
    Phase.DEBUGGING: _ENDS | {Phase.PLANNING, Phase.REVIEWING, Phase.DELIVERING},
    Phase.DELIVERING: _ENDS | {Phase.DELIVERED},
    Phase.EXPORTING: frozenset({Phase.DELIVERED, Phase.FAILED}),
    Phase.PUBLISHING: frozenset({Phase.DELIVERED, Phase.FAILED}),
    Phase.DELIVERED: frozenset(
        {Phase.EXPORTING, Phase.PUBLISHING, Phase.PLANNING, Phase.DELIVERING}
    ),
    Phase.CANCELLED: frozenset(),
    Phase.FAILED: _OPEN,
}
"""What may follow what; FAILED may return to the phase it failed in."""


class Decision(StrEnum):
    """How a gate stands. All but OPEN are final."""

    OPEN = "open"
    """Nobody has answered yet."""
    APPROVE = "approve"
    """✅"""
    REVISE = "revise"
    """A reply in words; the comment says what should be different."""
    REJECT = "reject"
    """❌"""
    EXPIRED = "expired"
    """The question is void: nobody answered in time, or the run moved on without needing an answer."""


class PublicationOutcome(StrEnum):
    """How a wish to publish stands. All but OPEN are final."""

    OPEN = "open"
    """Still to be asked about, or to be pushed."""
    PUBLISHED = "published"
    """The repository holds the files."""
    REFUSED = "refused"
    """A person said no, or took the wish back."""
    EXPIRED = "expired"
    """Nobody answered in time."""
    FAILED = "failed"
    """The hub, or a check of ours, was against it; people were told why."""


class JobState(StrEnum):
    """How a job stands with the launcher."""

    QUEUED = "queued"
    """Waits for a slot."""
    RUNNING = "running"
    """Given to the launcher; the folder is the truth."""
    CLOSED = "closed"
    """The outcome was copied into the row; the row is the truth."""


class InboxState(StrEnum):
    """How something a person did stands with us."""

    RECEIVED = "received"
    """Kept, and said so; its effect is still to come."""
    DONE = "done"
    """Its effect is in the rows."""
    REFUSED = "refused"
    """It could not be done; the outcome says what the person was told."""


class Choice(StrEnum):
    """What somebody prefers of two answers that are shown without saying whose they are."""

    A = "a"
    """The one shown first."""
    B = "b"
    """The one shown second."""
    TIE = "tie"
    """Neither."""


def _json() -> Any:
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


def _json_list() -> Any:
    return Field(default_factory=list, sa_column=Column(JSON, nullable=False))


def _time(*, nullable: bool = True) -> Any:
    if nullable:
        return Field(default=None, sa_type=UtcDateTime)
    return Field(sa_type=UtcDateTime, nullable=False)


class Run(SQLModel, table=True):
    """One wish of one person, from upload to link."""

    id: int | None = Field(default=None, primary_key=True)
    origin_key: str = Field(unique=True)
    """Key of the command that started it: the same command twice is one run."""
    target: Target = Target.MODEL
    goal: str
    """The person's sentence."""
    method: str = "auto"
    model: str
    """Name in the model catalogue."""
    owner: str = Field(index=True)
    """`surface:id` of the requester."""
    owner_name: str = ""
    guild: str | None = None
    home: str
    """`surface:place` where it was asked for."""
    thread: str | None = None
    """`surface:place` where its messages go, once there is one."""
    phase: Phase = Field(default=Phase.PREPARING, index=True)
    failed_phase: Phase | None = None
    iteration: int = 1
    version: int = 0
    """Fence: every change of phase names the version it saw."""
    paused: bool = False
    policy: list[str] = _json_list()
    """Gates that a standing permission of this run answers."""
    wishes: list[Any] = _json_list()
    """Recipe changes the person named at the start."""
    exports: list[str] = _json_list()
    """Formats that are still to be written, the next one first."""
    repairs: list[str] = _json_list()
    """What is to be done about findings in the rows (`agents.jobs.Repair`), in the order it was asked for."""
    parent: Json | None = Field(default=None, sa_column=Column(JSON))
    """The adapter that the training starts from (`agents.continuing.Parent`), where it is one of an earlier run."""
    revert: Json | None = Field(default=None, sa_column=Column(JSON))
    """The try that the next plan starts from again, or the round whose workflow stands again (`agents.drafts.Revert`); None
    once that plan is made."""
    workflow: Json | None = Field(default=None, sa_column=Column(JSON))
    """How a workflow is to be improved, as the person said it (`agents.jobs.WorkflowWish`); None: it is a model."""
    made_rows: Json | None = Field(default=None, sa_column=Column(JSON))
    """What somebody has said at the start, or later for good, about rows that a program makes (`agents.made_wishes.MadeRowsWish`);
    None: nothing."""
    best_iteration: int | None = None
    failure: str | None = None
    """For the person: why it is FAILED."""
    created_at: datetime = _time(nullable=False)
    ended_at: datetime | None = _time()


class Dataset(SQLModel, table=True):
    """Rows in a file: the upload as it came, a split made from it, or what models answered to one."""

    __table_args__ = (UniqueConstraint("run_id", "role"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    role: str
    """`upload` (of several files also `upload2`, `upload3`, …), `train`, `dev`, `test` (sealed), or `known_answers` (to the test
    rows, of models that are asked again); of a try whose plan changes rows, the second say, `train.2` and, as they were,
    `aside.2`; of one that learns from made rows `train.2`, these rows `made.2`, and the others `without.2`."""
    name: str
    """What the person called it; never used as a path."""
    sha256: str
    size_bytes: int
    rows: int | None = None
    details: Json = _json()
    created_at: datetime = _time(nullable=False)


class Plan(SQLModel, table=True):
    """What is going to be done, frozen. A change is a new revision."""

    __table_args__ = (UniqueConstraint("run_id", "iteration", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    revision: int
    recipe: Json = _json()
    estimate: Json = _json()
    why: list[Any] = _json_list()
    """(field, value, reason) triples: where each value comes from."""
    changes: list[Any] = _json_list()
    """(field, before, after) triples against the plan before this one."""
    asked: str | None = None
    """The words that led to this revision."""
    settings: Json = _json()
    """The configuration in force when it was made, without secrets and places; empty in plans of older releases."""
    rows: Json | None = Field(default=None, sa_column=Column(JSON))
    """What is changed in the rows to learn from (`agents.row_changes.PlannedRows`); None: nothing."""
    generation: Json | None = Field(default=None, sa_column=Column(JSON))
    """Which rows a program makes, and made rows of an earlier try that are learnt again
    (`agents.planned_generation.PlannedGeneration`); None: none."""
    created_at: datetime = _time(nullable=False)


class Approval(SQLModel, table=True):
    """One question to people and its one answer."""

    __table_args__ = (UniqueConstraint("run_id", "gate", "iteration", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    gate: str
    iteration: int
    revision: int
    shown_sha256: str
    """Hash of the facts that the question showed; a decision names it."""
    decision: Decision = Field(default=Decision.OPEN, index=True)
    decided_by: str | None = None
    """`surface:id`, or `policy:reason`."""
    decided_by_name: str | None = None
    comment: str | None = None
    told: list[str] = _json_list()
    """People without the right to answer who were told so."""
    created_at: datetime = _time(nullable=False)
    decided_at: datetime | None = _time()
    remind_at: datetime | None = _time()
    expires_at: datetime | None = _time()


class Job(SQLModel, table=True):
    """One attempt of a machine at one piece of work; its id names the folder."""

    __table_args__ = (UniqueConstraint("run_id", "iteration", "kind", "attempt"),)

    id: str = Field(primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    owner: str
    iteration: int
    kind: str
    attempt: int
    needs_slot: bool = True
    spec: Json = _json()
    state: JobState = Field(default=JobState.QUEUED, index=True)
    handle: str | None = None
    """What the launcher calls it; None until the start was recorded."""
    checkpoint_reached: bool = False
    """The share of the steps after which people are asked has been passed."""
    outcome: str | None = None
    payload: Json | None = Field(default=None, sa_column=Column(JSON))
    error_code: str | None = None
    error: str | None = None
    error_for_person: bool = False
    expected_s: float | None = None
    """Estimated run time, for telling the next in line."""
    created_at: datetime = _time(nullable=False)
    started_at: datetime | None = _time()
    closed_at: datetime | None = _time()


class Reservation(SQLModel, table=True):
    """Machine time that an approved plan may use, until it is settled with what was used."""

    __table_args__ = (UniqueConstraint("run_id", "iteration", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    revision: int
    owner: str
    guild: str | None = None
    day: str = Field(index=True)
    """UTC day of the approval, as YYYY-MM-DD."""
    minutes: float
    """Minutes of a slot (of a GPU, where there are any) that were reserved."""
    price_per_hour: float
    """At the time of the approval."""
    used_minutes: float | None = None
    """None until it is settled."""
    created_at: datetime = _time(nullable=False)
    settled_at: datetime | None = _time()


class Expense(SQLModel, table=True):
    """What one question to the language model may cost, or a job that asks it itself, and what it has cost. Written before it is sent."""

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    purpose: str = Field(index=True)
    """What was asked for, in a word."""
    key: str | None = Field(default=None, unique=True)
    """Of a job that asks it itself: stable, so that handing out and settling twice is once. None: one question of the bot."""
    model: str
    """As people are told it."""
    calls: int
    """At most, as are tokens and money; counted as long as it is not settled."""
    tokens: int
    money: float
    used_calls: int | None = None
    """None until it is settled. Tokens and money after it may be more than was set aside: they are what is true."""
    used_asked_tokens: int | None = None
    used_replied_tokens: int | None = None
    used_money: float | None = None
    created_at: datetime = _time(nullable=False)
    settled_at: datetime | None = _time()


class Advice(SQLModel, table=True):
    """A paragraph of the language model's about what an event shows: advice, and a part of no decision."""

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    event_id: int = Field(foreign_key="event.id", unique=True)
    model: str
    text: str | None = None
    """None: it gave none that could be shown."""
    created_at: datetime = _time(nullable=False)


class Artifact(SQLModel, table=True):
    """A file that may leave the house."""

    __table_args__ = (UniqueConstraint("run_id", "iteration", "kind"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    kind: str
    name: str
    sha256: str
    size_bytes: int
    created_at: datetime = _time(nullable=False)


class Publication(SQLModel, table=True):
    """One wish to push a delivered model to a repository of a hub."""

    __table_args__ = (UniqueConstraint("run_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    number: int
    """Of the wish within the run, and of its question."""
    what: str
    """Kind of the artifact."""
    repo: str
    """`owner/name` on the hub."""
    private: bool
    shown: Json = _json()
    """The facts that the question showed; empty until it was asked."""
    outcome: PublicationOutcome = Field(default=PublicationOutcome.OPEN, index=True)
    commit_sha: str | None = None
    """Of the hub's repository, once it holds the files."""
    created_at: datetime = _time(nullable=False)
    closed_at: datetime | None = _time()


class EvaluationReport(SQLModel, table=True):
    """The numbers of one evaluation, copied once from its job."""

    __table_args__ = (UniqueConstraint("run_id", "iteration"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    job_id: str
    verdict: str
    primary_metric: str
    gain: float
    p_value: float
    items: int
    partial: bool = False
    """The training it measures was stopped early on request."""
    payload: Json = _json()
    created_at: datetime = _time(nullable=False)


class BlindTest(SQLModel, table=True):
    """The answers of base and tuned to the sealed rows of one evaluation, to be compared without knowing whose is which."""

    __table_args__ = (UniqueConstraint("run_id", "iteration"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    seed: str
    """Random; the order of the items and of the two answers comes from it. Shown to nobody."""
    equal: int
    """Rows whose two answers are the same: nobody is asked about them."""
    asking: bool = Field(default=False, index=True)
    """People are asked, and may change their votes."""
    told: int = 0
    """How often the result was shown. What was voted before is final."""
    judge: str | None = None
    """Language model that somebody wants to compare the same answers; None: nobody, or it is done."""
    created_at: datetime = _time(nullable=False)


class Ballot(SQLModel, table=True):
    """One item of a blind test."""

    __table_args__ = (UniqueConstraint("test_id", "position"),)

    id: int | None = Field(default=None, primary_key=True)
    test_id: int = Field(foreign_key="blindtest.id", index=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    position: int
    """From 1, in the order in which the items are asked about."""
    row: int
    """Number of the sealed row."""
    prompt: str
    base: str
    tuned: str
    tuned_first: bool
    """Whether 🅰️ is the tuned answer. On no card, in no payload and in no log."""
    asked: bool = False
    final: bool = False
    """The result was shown with its votes: they cannot be changed any more."""


class Vote(SQLModel, table=True):
    """What one person prefers at one ballot: the last word counts."""

    __table_args__ = (UniqueConstraint("ballot_id", "voter"),)

    id: int | None = Field(default=None, primary_key=True)
    ballot_id: int = Field(foreign_key="ballot.id", index=True)
    voter: str
    """`surface:id`."""
    voter_name: str = ""
    choice: Choice
    at: datetime = _time(nullable=False)
    """Of the last word."""


class Ruling(SQLModel, table=True):
    """What a language model preferred at one ballot, asked in one of the two orders."""

    __table_args__ = (UniqueConstraint("ballot_id", "judge", "tuned_first", "probe"),)

    id: int | None = Field(default=None, primary_key=True)
    ballot_id: int = Field(foreign_key="ballot.id", index=True)
    judge: str
    tuned_first: bool
    """Which order it was shown; not that of the ballot."""
    probe: bool = False
    """The answer that it had not preferred carried an order to prefer it."""
    choice: Choice | None = None
    """None: the reply could not be read."""
    at: datetime = _time(nullable=False)


class Suggestion(SQLModel, table=True):
    """One typed change that the debugger proposes, with what it rests on."""

    __table_args__ = (UniqueConstraint("run_id", "iteration", "position"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    iteration: int
    position: int
    rule: str
    change: Json | None = Field(default=None, sa_column=Column(JSON))
    """A change of the recipe or of the rows to learn from; None for advice that only a person can follow."""
    finding: str
    """What was seen, with its numbers."""
    advice: str
    """What to do about it, in a sentence."""
    taken: bool = False
    """The next plan has its change. One has, unless a person takes more."""
    evidence: Json | None = Field(default=None, sa_column=Column(JSON))
    """What a person said, and what of it was measured (`agents.remark_facts.Measured`); None: it is the debugger's own."""
    created_at: datetime = _time(nullable=False)


class Entry(SQLModel, table=True):
    """One commit of a run's lab notebook: what there was to say of a try when it was over. Never changed.

    A try has another one only where more came of it later, as after `resume` of a run that had failed.
    """

    __table_args__ = (UniqueConstraint("run_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    number: int
    """Of the commit within the notebook, from 1."""
    iteration: int
    run_version: int
    """Of the run when it was written: a run that has not moved since has nothing to add."""
    files: Json = _json()
    """Text by path: all that the notebook holds at this commit."""
    author: str
    """`Name <address>` of the person who decided last, or of Tunewright."""
    message: str
    at: datetime = _time(nullable=False)
    """Time of the newest fact in it."""
    commit_sha: str
    """What git calls it: follows from all of this and from the entry before."""


class Event(SQLModel, table=True):
    """Something people should see. Its id is the key of the message that shows it."""

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    key: str = Field(unique=True)
    """Stable name of the occasion: writing it twice is writing it once."""
    kind: str
    payload: Json = _json()
    created_at: datetime = _time(nullable=False)


class Delivery(SQLModel, table=True):
    """How far one event has got on one surface."""

    __table_args__ = (UniqueConstraint("event_id", "surface"),)

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="event.id", index=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    surface: str
    place: str | None = None
    message_id: str | None = Field(default=None, index=True)
    """None: sending was begun, and may or may not have happened."""
    shown_sha256: str | None = None
    """Hash of the card as last shown."""
    settled: bool = False
    """The card will not change any more."""
    attempts: int = 0
    """Sendings begun in this generation."""
    generation: int = 0
    """Grows when the message was deleted or its place is gone: the next one is another message."""
    shown_at: datetime | None = _time()
    created_at: datetime = _time(nullable=False)


class Inbox(SQLModel, table=True):
    """Something a person did, kept before it is acknowledged."""

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    """What the surface calls it: the same thing seen twice is one row."""
    kind: str
    payload: Json = _json()
    state: InboxState = Field(default=InboxState.RECEIVED, index=True)
    outcome: str | None = None
    """What the person is told."""
    run_id: int | None = None
    received_at: datetime = _time(nullable=False)
    done_at: datetime | None = _time()


class LibraryDocument(SQLModel, table=True):
    """A document that runs of one place may look things up in. A new version of it is another row."""

    id: int | None = Field(default=None, primary_key=True)
    shelf: str = Field(index=True)
    """Whose it is: `guild:ID`, or `here` for the terminal."""
    name: str
    sha256: str
    size_bytes: int
    passages: int
    added_by: str
    added_by_name: str
    added_at: datetime = _time(nullable=False)
    removed_by: str | None = None
    """Who took it away, or put a new version in its place."""
    removed_at: datetime | None = _time()


class Cursor(SQLModel, table=True):
    """Last message read in a place, so that downtime can be caught up."""

    place: str = Field(primary_key=True)
    message_id: str


class Migration(SQLModel, table=True):
    """A change to the schema that has been made."""

    name: str = Field(primary_key=True)
    applied_at: datetime = _time(nullable=False)

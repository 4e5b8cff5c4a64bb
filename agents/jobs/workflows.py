"""Messages of runs that improve a workflow: how it is to be done, and what the four jobs of a round are told and tell.

workflow_read      the file and its tests: checked, made where there are none, split
workflow_propose   what fails, and which changes may help
workflow_measure   changed workflows beside the one that stands, and which of them takes its place
workflow_claim     what is left against what was given, on cases that nobody has looked at
"""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from agents.jobs.messages import FileRef, JobKind, Message


class Approve(StrEnum):
    """When a person is asked in a run that improves a workflow, once its plan is approved."""

    AUTO = "auto"
    """Never: what is measured to be better is kept."""
    EVIDENCE = "evidence"
    """Before a change that was measured to be better is kept."""
    EACH = "each"
    """Also before a proposal is run at all."""


class WorkflowWish(Message):
    """What a person said about improving a workflow; None leaves it to the settings."""

    rounds: int | None = Field(default=None, ge=1, le=50)
    repeats: int | None = Field(default=None, ge=1, le=20)
    proposals: int | None = Field(default=None, ge=1, le=8)
    approve: Approve = Approve.EVIDENCE
    model: str | None = None
    """Is asked wherever the workflow says its default model."""
    analysis_model: str | None = None
    """Model that proposes, by the name that the back end or the model map knows."""
    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)
    seed: int = 0
    goal: str = ""
    """Further goals beside the cases, as the person wrote them."""
    with_tools: bool = False
    """Start the servers that the workflow names, for each run anew; else its prompts go out without tools."""
    ollama_url: str | None = None
    place: str | None = None
    """Where the file stands on this machine, for somebody who has it there; None: it came through a chat."""
    tests_place: str | None = None
    own_files: bool = False
    """It is run by whom it belongs to, who could start its programs as well."""


class WorkflowTerms(Message):
    """The plan of a run that improves a workflow: what `Plan.recipe` holds."""

    model: str
    """That the workflow asks where a state says nothing."""
    stand_in: str | None = None
    """Is asked in its place."""
    analysis_model: str
    rounds: int
    repeats: int
    """How often each case is run in a measurement."""
    proposals: int
    approve: Approve
    max_calls: int
    """Of all rounds together, whatever asks."""
    max_tokens: int | None = None
    max_seconds: float | None = None
    seed: int = 0
    goal: str = ""
    with_tools: bool = False
    strategies: tuple[str, ...] = ()
    """Of this round, by name; empty in the first one: they are chosen when it begins."""


class Spent(Message):
    """What was used of a budget: whatever asked a model, however it ended."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        """Return both together."""
        return Spent(
            calls=self.calls + other.calls,
            tokens=self.tokens + other.tokens,
            seconds=self.seconds + other.seconds,
        )


class Left(Message):
    """What may still be used; None is no limit."""

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None


class WorkflowFile(Message):
    """A workflow: its text, and where it stands or would stand, for the files that it names."""

    text: FileRef
    path: str
    own_files: bool = False


class ModelsRef(Message):
    """Where models come from: sections of the configuration, without keys. Those come by the environment."""

    settings: dict[str, Any]
    ollama_url: str | None = None


class CaseRef(Message):
    """One case, and what it is for."""

    name: str
    about: str = ""
    part: Literal["shown", "validation", "sealed"]
    """`shown`: the analyst sees it fail; `validation`: it only decides; `sealed`: it is run once, at the end."""


class Finding(Message):
    """Something that a file says and should not, or might say better."""

    code: str
    line: int | None
    text: str


class Journalled(Message):
    """What every job of a workflow is told that asks models."""

    models: ModelsRef
    journal_dir: str
    """Folder shared by all attempts at the job: what was paid for is not paid twice."""
    left: Left = Left()


class OnCases(Journalled):
    """What every job is told that runs cases."""

    tests: FileRef
    tests_path: str
    cases: tuple[CaseRef, ...]
    terms: WorkflowTerms


class ReadWorkflowSpec(Journalled):
    """What `workflow_read` is told."""

    kind: Literal[JobKind.WORKFLOW_READ] = JobKind.WORKFLOW_READ
    workflow: WorkflowFile
    tests: FileRef | None = None
    tests_path: str | None = None
    terms: WorkflowTerms


class ReadWorkflowResult(Message):
    """What `workflow_read` found."""

    kind: Literal[JobKind.WORKFLOW_READ] = JobKind.WORKFLOW_READ
    name: str
    model: str
    """That it asks where a state says nothing."""
    states: int
    asking: int
    """States that ask a model."""
    inputs: int
    """States that ask a person."""
    findings: tuple[Finding, ...] = ()
    tests: FileRef
    """The suite as it is used: the given one, or one that was made."""
    made: bool = False
    cases: tuple[CaseRef, ...]
    mutants: int = 0
    """Ways in which the workflow was spoilt to see whether its tests notice."""
    killed: int = 0
    missed: tuple[str, ...] = ()
    """States, ways and failures that no case has seen."""
    dropped: dict[str, int] = {}
    """Cases that were made and are not used, by reason."""
    wished: int = 0
    """Cases that were made and fail as it stands: a model thinks that they should not."""
    words: str = ""
    """How the tests came about, in a sentence; empty where they were given."""
    calls_per_run: float
    """Of a model, in one run of one case: counted where the tests were made, else from the states."""
    spent: Spent = Spent()


class ShownFailure(Message):
    """A case that fails, as an analyst is shown it (`agents.workflow.evidence.Failure`)."""

    case: str
    about: str
    answers: tuple[tuple[str, str], ...]
    failed: tuple[str, ...]
    reached: tuple[str, ...]
    said: tuple[tuple[str, str, str], ...]
    """State, prompt, reply."""


class Standing(Message):
    """How the workflow that stands has done so far."""

    scores: dict[str, tuple[float, ...]]
    """By case, once per repeat."""
    failures: tuple[ShownFailure, ...] = ()
    """Of shown cases only."""
    metrics: dict[str, Any] = {}


class TriedChange(Message):
    """A change that was proposed before, and what came of it."""

    strategy: str
    reason: str
    outcome: str
    kept: bool = False


class Barred(Message):
    """A difference that a language model's word is not enough for (`agents.workflow.policy.Forbidden`)."""

    where: str
    why: str
    before: str | None
    after: str | None


class Proposed(Message):
    """A changed workflow that could be run."""

    name: str
    """SHA-256 of its text."""
    text: FileRef
    strategy: str
    reason: str
    aims_at: str = ""
    """The case that should pass afterwards."""
    edits: tuple[dict[str, Any], ...] = ()
    """As `agents.workflow.edit_ops` has them; none where a whole file was replied."""
    barred: tuple[Barred, ...] = ()
    shorter: bool = False
    diff: str = ""
    """Unified, against what stood."""


class ProposeSpec(OnCases):
    """What `workflow_propose` is told."""

    kind: Literal[JobKind.WORKFLOW_PROPOSE] = JobKind.WORKFLOW_PROPOSE
    workflow: WorkflowFile
    """The one that stands."""
    round: int
    standing: Standing | None = None
    """None: it has not been measured yet."""
    known: tuple[str, ...] = ()
    """SHA-256 of texts that were tried before."""
    tried: tuple[TriedChange, ...] = ()
    remarks: tuple[str, ...] = ()
    """What people said, the newest last."""


class ProposeResult(Message):
    """What `workflow_propose` came to."""

    kind: Literal[JobKind.WORKFLOW_PROPOSE] = JobKind.WORKFLOW_PROPOSE
    standing: Standing
    proposals: tuple[Proposed, ...]
    given_up: tuple[tuple[str, str], ...] = ()
    """Strategy, and why nothing came of it."""
    strategies: tuple[str, ...]
    out_of_budget: bool = False
    spent: Spent


class Contender(Message):
    """A changed workflow that is to be measured."""

    proposed: Proposed
    taken: tuple[int, ...] | None = None
    """Places of the edits that a person has taken, from 0; None: all of them."""


class MeasureRoundSpec(OnCases):
    """What `workflow_measure` is told."""

    kind: Literal[JobKind.WORKFLOW_MEASURE] = JobKind.WORKFLOW_MEASURE
    workflow: WorkflowFile
    round: int
    attempt: int = 0
    """Of the measurement within the round: a person's choice among the edits is measured anew, with other seeds."""
    standing: Standing
    contenders: tuple[Contender, ...]


class Measured(Message):
    """What became of one changed workflow."""

    name: str
    text: FileRef
    strategy: str
    outcome: Literal["kept", "rejected", "indecisive"]
    reason: str
    gain: float
    gain_again: float | None = None
    fixed: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()
    metrics: dict[str, Any] = {}
    notes: tuple[str, ...] = ()


class MeasureRoundResult(Message):
    """What `workflow_measure` found."""

    kind: Literal[JobKind.WORKFLOW_MEASURE] = JobKind.WORKFLOW_MEASURE
    measured: tuple[Measured, ...]
    winner: str | None
    """Name of the one that may take the place of what stands."""
    stood: Standing
    """What stands, measured beside them."""
    would_stand: Standing | None = None
    """The winner."""
    refused: tuple[tuple[str, str], ...] = ()
    """Name of a contender that could not be run at all, and why."""
    out_of_budget: bool = False
    spent: Spent


class ClaimSpec(OnCases):
    """What `workflow_claim` is told."""

    kind: Literal[JobKind.WORKFLOW_CLAIM] = JobKind.WORKFLOW_CLAIM
    given: WorkflowFile
    left_over: WorkflowFile
    """What stands at the end."""
    openings: int = 1
    """How often sealed cases of this workflow are looked at with this time, by all runs."""


class ClaimResult(Message):
    """What may be said at the end."""

    kind: Literal[JobKind.WORKFLOW_CLAIM] = JobKind.WORKFLOW_CLAIM
    gave_back: bool
    """What was left did no better than what was given when both were measured afresh: that one is handed over."""
    gain_afresh: float | None = None
    claim: Literal["better", "worse", "cannot tell"]
    words: str
    """The claim in a sentence."""
    sealed_cases: int
    openings: int = 1
    """How often they have been looked at, with this time: the p-value is multiplied by it (Bonferroni)."""
    before: float = 0.0
    after: float = 0.0
    gain: float = 0.0
    low: float = 0.0
    high: float = 0.0
    p_value: float = 1.0
    smallest_gain: float | None = None
    before_metrics: dict[str, Any] = {}
    after_metrics: dict[str, Any] = {}
    out_of_budget: bool = False
    spent: Spent

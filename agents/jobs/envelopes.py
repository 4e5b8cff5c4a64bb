"""What stands in `spec.json`, a line of `progress.jsonl` and `result.json`."""

from typing import Annotated

from pydantic import Field

from agents.jobs.evaluating import EvaluateResult, EvaluateSpec
from agents.jobs.explaining import ExplainResult, ExplainSpec
from agents.jobs.exporting import ExportResult, ExportSpec
from agents.jobs.gathering import GatherResult, GatherSpec
from agents.jobs.generating import GenerateResult, GenerateSpec, SiftResult, SiftSpec
from agents.jobs.inspecting import InspectResult, InspectSpec
from agents.jobs.intake import IntakeResult, IntakeSpec
from agents.jobs.measuring import MeasureResult, MeasureSpec, SelectResult, SelectSpec
from agents.jobs.messages import JobOutcome, Message
from agents.jobs.training import TrainResult, TrainSpec
from agents.jobs.workflows import (
    ClaimResult,
    ClaimSpec,
    MeasureRoundResult,
    MeasureRoundSpec,
    ProposeResult,
    ProposeSpec,
    ReadWorkflowResult,
    ReadWorkflowSpec,
)

OUT_OF_MEMORY = "out_of_memory"
"""Code of a job whose memory ran out: the worker says so, or the kernel killed it for that."""


Spec = Annotated[
    IntakeSpec
    | MeasureSpec
    | SelectSpec
    | TrainSpec
    | InspectSpec
    | EvaluateSpec
    | ExplainSpec
    | ExportSpec
    | GatherSpec
    | GenerateSpec
    | SiftSpec
    | ReadWorkflowSpec
    | ProposeSpec
    | MeasureRoundSpec
    | ClaimSpec,
    Field(discriminator="kind"),
]


class JobSpec(Message):
    """`spec.json`."""

    job_id: str
    spec: Spec


class Progress(Message):
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


Payload = Annotated[
    IntakeResult
    | MeasureResult
    | SelectResult
    | TrainResult
    | InspectResult
    | EvaluateResult
    | ExplainResult
    | ExportResult
    | GatherResult
    | GenerateResult
    | SiftResult
    | ReadWorkflowResult
    | ProposeResult
    | MeasureRoundResult
    | ClaimResult,
    Field(discriminator="kind"),
]


class JobError(Message):
    """Why a job failed."""

    code: str
    """Stable, lower case: `bad_data`, `too_few_rows`, `out_of_time`, `non_finite_loss`, `out_of_memory`, `model_missing`, `autotrain`,
    `judge`, `metric`, `workflow`, `models`, `crash`."""
    message: str
    """For the person: what happened, what to do next. For `crash`: one line; the rest is in log.txt."""
    for_person: bool = False
    """True when `message` can be shown word for word as the fault of the input."""


class JobResult(Message):
    """`result.json`."""

    job_id: str
    outcome: JobOutcome
    payload: Payload | None = None
    error: JobError | None = None

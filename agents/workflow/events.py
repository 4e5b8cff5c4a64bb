"""What happens in a run, as it happens: for a terminal, a trace file, or a page that follows it.

Nothing here holds the environment of a server, a key or a token: no event has a field for one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar


class Purpose(StrEnum):
    """Why a model is asked."""

    ANSWER = "answer"
    """The state's own prompt."""
    ROUTE = "route"
    """Where to go on."""
    SKILLS = "skills"
    """Which instructions fit the prompt."""


@dataclass(frozen=True)
class WorkflowStart:
    """A run begins."""

    type: ClassVar[str] = "workflow_start"
    workflow: str
    description: str
    start: str
    run_directory: str | None


@dataclass(frozen=True)
class StateStart:
    """A state is entered."""

    type: ClassVar[str] = "state_start"
    state: str
    kind: str
    step: int
    """Counted from 1."""


@dataclass(frozen=True)
class PromptSent:
    """A model is asked."""

    type: ClassVar[str] = "prompt_sent"
    state: str
    purpose: Purpose
    model: str
    parameters: Mapping[str, Any]
    prompt: str
    images: int = 0
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token:
    """A piece of a reply came in."""

    type: ClassVar[str] = "token"
    state: str
    text: str


@dataclass(frozen=True)
class Reply:
    """A model has replied."""

    type: ClassVar[str] = "reply"
    state: str
    purpose: Purpose
    text: str
    seconds: float
    prompt_tokens: int
    reply_tokens: int
    remembered: bool = False
    """It is known from a run that was broken off, and nobody was asked again."""


@dataclass(frozen=True)
class ToolCall:
    """A model wants a tool to be used."""

    type: ClassVar[str] = "tool_call"
    state: str
    server: str
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ToolResult:
    """A tool has been used."""

    type: ClassVar[str] = "tool_result"
    state: str
    server: str
    tool: str
    text: str
    failed: bool
    """The tool says so; the model is told and may try again."""
    remembered: bool = False


@dataclass(frozen=True)
class Route:
    """One of several ways out is taken."""

    type: ClassVar[str] = "route"
    state: str
    to: str
    how: str
    """As `outcome.Visit.routed`."""


@dataclass(frozen=True)
class ContextUpdate:
    """A value is saved."""

    type: ClassVar[str] = "context_update"
    state: str
    name: str
    value: str


@dataclass(frozen=True)
class InputAsked:
    """A person is asked."""

    type: ClassVar[str] = "input_asked"
    state: str
    question: str


@dataclass(frozen=True)
class InputAnswered:
    """A person has answered."""

    type: ClassVar[str] = "input_answered"
    state: str
    value: str
    by_default: bool
    remembered: bool = False


@dataclass(frozen=True)
class StateEnd:
    """A state is left."""

    type: ClassVar[str] = "state_end"
    state: str
    seconds: float
    went_to: str | None


@dataclass(frozen=True)
class Error:
    """A state failed."""

    type: ClassVar[str] = "error"
    state: str
    message: str
    handled_by: str | None
    """The state that goes on; None where the run fails."""


@dataclass(frozen=True)
class Notice:
    """Something that a person should know and that stops nothing."""

    type: ClassVar[str] = "notice"
    state: str
    message: str


@dataclass(frozen=True)
class WorkflowEnd:
    """A run is over."""

    type: ClassVar[str] = "workflow_end"
    ended: str
    """As `outcome.Ended`."""
    reason: str | None


Event = (
    WorkflowStart
    | StateStart
    | PromptSent
    | Token
    | Reply
    | ToolCall
    | ToolResult
    | Route
    | ContextUpdate
    | InputAsked
    | InputAnswered
    | StateEnd
    | Error
    | Notice
    | WorkflowEnd
)
Listener = Callable[[Event], None]
"""Is told every event, in order; it must not wait, and what it raises ends the run."""


def nobody(event: Event) -> None:
    """Listen to nothing."""


def as_json(event: Event) -> dict[str, Any]:
    """Return an event as plain data, with its type."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(event), default=str))
    return {"type": event.type, **plain}

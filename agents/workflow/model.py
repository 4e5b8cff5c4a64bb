"""The one form that every dialect becomes: states, where they lead, and what they need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from agents.workflow.problems import Place

END = "end"
"""The state that is never written down: where a workflow is over."""
RUN_DIRECTORY = "run_directory"
"""The variable that a run gives a value to by itself."""
DEFAULT_MODEL = "gemma3:4b"
"""The original's."""


class Dialect(StrEnum):
    """In which of the forms a file is written."""

    MAIN = "main"
    """`states` and `start_state`: what the original's released parser reads."""
    TYPED_WORKFLOW = "typed workflow"
    """`type: workflow` and a list of `steps` that follow one another."""
    TYPED_AGENT = "typed agent"
    """`type: agent`; else as main."""
    LEGACY = "legacy"
    """`choice` states, `end` states, or one RAG without a name."""


class Kind(StrEnum):
    """What happens in a state."""

    PROMPT = "prompt"
    """A model is asked."""
    INPUT = "input"
    """A person is asked."""
    CHOICE = "choice"
    """A person picks one of a few."""
    DECISION = "decision"
    """A model picks where to go, from all that is known; it writes nothing."""
    TRANSITION = "transition"
    """Nothing; it goes on."""


@dataclass(frozen=True)
class Option:
    """One way out of a state, and when it is taken."""

    state: str
    description: str


@dataclass(frozen=True)
class Choice:
    """One answer that a person may pick."""

    label: str
    value: str
    next: str


@dataclass(frozen=True)
class Attached:
    """A file that goes with a prompt."""

    path: str
    """As written; may hold `{{variables}}`."""
    optional: bool = False
    """Without it, one that is missing is an error."""


@dataclass(frozen=True)
class Rag:
    """Documents of which the parts that fit a prompt go with it."""

    name: str
    directory: str
    """As written."""
    base_dir: Path
    """Folder of the file that it is written in."""
    model: str | None
    """That makes embeddings; None takes the configured one."""
    embeddings_file: str
    chunk_size_chars: int
    top_k: int
    chunk_template: str | None
    context_template: str | None


class ServerKind(StrEnum):
    """How a server that offers tools is started."""

    COMMAND = "command"
    """A program with arguments."""
    NPX = "npx"
    """A package of npm, run by npx."""
    CUSTOM_TOOLS = "custom-tools"
    """A folder of JavaScript files, each of which is one tool or several."""


@dataclass(frozen=True)
class Server:
    """A program that offers tools by the Model Context Protocol."""

    name: str
    kind: ServerKind
    base_dir: Path
    command: str | None = None
    package: str | None = None
    tools_directory: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def argv(self) -> tuple[str, ...]:
        """Return what is run; of custom tools nothing, these are run by a program of ours."""
        if self.kind is ServerKind.NPX:
            return ("npx", "-y", self.package or "", *self.args)
        return (self.command, *self.args) if self.command else ()


@dataclass(frozen=True)
class Variable:
    """A value that is known before anything happens."""

    name: str
    value: str
    file: str | None = None
    """Where the value was read from, as written."""
    locked: bool = False


@dataclass(frozen=True)
class Skill:
    """Instructions that can go in front of a prompt."""

    name: str
    """`group.folder`."""
    text: str


@dataclass(frozen=True)
class State:
    """One state, with all that it needs looked up."""

    name: str
    kind: Kind
    file: str
    """In which it is written: the workflow's, or that of one it refers to."""
    place: Place
    """Where in that file."""
    line: int
    prompt: str | None = None
    prompt_file: str | None = None
    """Where the prompt was read from, as written."""
    next: str = END
    options: tuple[Option, ...] = ()
    """Where not empty, these are the ways out, and `next` is not."""
    choices: tuple[Choice, ...] = ()
    save_as: str | None = None
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the model: temperature and the like."""
    servers: tuple[str, ...] = ()
    rag: Rag | None = None
    files: tuple[Attached, ...] = ()
    base_dir: Path = Path()
    """Folder of the file that it is written in."""
    default_value: str | None = None
    on_error: str | None = None
    """Its own, or that of the workflow."""
    skills: tuple[str, ...] | None = None
    """None: the model picks among those that there are."""

    def leads_to(self) -> tuple[str, ...]:
        """Return where it can go on when nothing fails, each once, in the order of the file."""
        if self.options:
            ways = [option.state for option in self.options]
        elif self.choices:
            ways = [choice.next for choice in self.choices]
        else:
            ways = [self.next]
        return tuple(dict.fromkeys(ways))


@dataclass(frozen=True)
class Workflow:
    """A state machine of prompts, ready to be run."""

    name: str
    description: str
    file: Path
    dialect: Dialect
    start: str
    states: Mapping[str, State]
    """In the order of the file; those of referred files follow the state that refers to them."""
    default_model: str = DEFAULT_MODEL
    variables: Mapping[str, Variable] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    rags: Mapping[str, Rag] = field(default_factory=dict)
    skills: Mapping[str, Skill] = field(default_factory=dict)
    on_error: str | None = None

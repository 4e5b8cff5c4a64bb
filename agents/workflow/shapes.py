"""What may stand in a workflow file, key by key: the types of values. Which keys go together is in `rules`.

Field by field after the original's parser; keys of its later dialects and our two additions (`optional` of a file,
`locked` of a variable) are marked.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StrictBool, StringConstraints

Text = Annotated[str, StringConstraints(strict=True)]
Filled = Annotated[str, StringConstraints(strict=True, pattern=r"\S")]
"""A text that is not blank."""

EMBEDDING_MODELS = ("embeddinggemma", "qwen3-embedding", "all-minilm")
STATE_TYPES = ("prompt", "input", "transition", "workflow_ref", "decision", "choice", "end")
"""The first four are main's; `decision` is later, `choice` and `end` are older."""


class Shape(BaseModel):
    """Values of a part of the file; keys that are not named here are warned about elsewhere."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class VariableShape(Shape):
    """A variable that is not a plain value."""

    value: str | int | float | bool | None = None
    file: Filled | None = None
    locked: StrictBool = False
    """Ours: no language model may change it."""


class RagShape(Shape):
    """Documents that a prompt is answered from."""

    directory: Filled
    model: Text | None = None
    embeddings_file: Filled = "embeddings.msgpack"
    chunk_size: PositiveInt = 1000
    """In characters."""
    top_k: PositiveInt = 3
    storage_format: Text | None = None
    chunk_template: Text | None = None
    context_template: Text | None = None


class ServerShape(Shape):
    """A program that offers tools."""

    type: Text | None = None
    command: Filled | None = None
    args: list[Text] = Field(default_factory=list)
    env: dict[str, Text] = Field(default_factory=dict)
    package: Filled | None = None
    tools_directory: Filled | None = None


class ToolShape(Shape):
    """Later dialect: a server in short."""

    npm_package: Filled | None = None
    file_path: Filled | None = None
    args: list[Text] = Field(default_factory=list)
    env: dict[str, Text] = Field(default_factory=dict)


class SkillShape(Shape):
    """Later dialect: a folder of instructions."""

    directory: Filled


class OptionShape(Shape):
    """Where a prompt state may go next, and when."""

    state: Filled
    description: Filled


class StepOptionShape(Shape):
    """The same in the typed dialect: a step by its place."""

    step: Annotated[int, Field(strict=True, ge=0)]
    description: Filled


class ChoiceShape(Shape):
    """Legacy: one answer that a person may pick."""

    label: Filled
    value: Text | int | None = None
    next: Filled


class FileShape(Shape):
    """Ours: a file that may be missing."""

    path: Filled
    optional: StrictBool = False


class StepShape(Shape):
    """What a state asks; also one entry of its `steps`."""

    prompt: Text | None = None
    prompt_file: Filled | None = None
    save_as: Filled | None = None
    model: Filled | None = None
    options: dict[str, Any] | None = None
    mcp_servers: list[Text] = Field(default_factory=list)
    use_rag: Text | StrictBool | None = None
    rag: RagShape | None = None
    files: list[Filled | FileShape] = Field(default_factory=list)
    default_value: Text | int | float | None = None
    skills: list[Text] | None = None


class StateShape(StepShape):
    """One state."""

    type: Text
    steps: list[StepShape] | None = None
    next: Filled | None = None
    next_options: list[OptionShape] | None = None
    on_error: Filled | None = None
    workflow_ref: Filled | None = None
    choices: list[ChoiceShape] | None = None


class TypedStepShape(StepShape):
    """One step of a `type: workflow` file."""

    type: Text
    next_step: Annotated[int, Field(strict=True, ge=0)] | None = None
    next_step_options: list[StepOptionShape] | None = None
    on_error: Filled | None = None


class WorkflowShape(Shape):
    """The top of a file; states, steps, variables, servers, RAGs, skills and tools have shapes of their own."""

    name: Filled
    description: Text | None = None
    default_model: Filled | None = None
    type: Text | None = None
    start_state: Text | None = None
    on_error: Filled | None = None
    states: dict[str, dict[str, Any]] | None = None
    steps: list[dict[str, Any]] | None = None
    variables: dict[str, Any] = Field(default_factory=dict)
    mcp_servers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    tools: dict[str, dict[str, Any]] = Field(default_factory=dict)
    rag: dict[str, Any] = Field(default_factory=dict)
    rags: dict[str, dict[str, Any]] = Field(default_factory=dict)
    use_rag: StrictBool | None = None
    skills: dict[str, dict[str, Any]] = Field(default_factory=dict)

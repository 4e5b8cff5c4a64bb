"""Every change of a workflow that can be asked for, each as one small message under a JSON schema.

This is the whole space of edits that a language model has: nothing here names a program, a path or a server.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import models_json_schema

MAX_EDITS = 20
MAX_PROMPT_CHARS = 8000


def _encodable(text: str) -> str:
    text.encode()  # half a surrogate pair is no text
    return text


StateName = Annotated[str, StringConstraints(min_length=1, max_length=120)]
"""Of a state that there is; a step by its expanded name."""
NewName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]
Model = Annotated[str, StringConstraints(pattern=r"^[\w./:@-]+$", max_length=100)]
Prompt = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARS), AfterValidator(_encodable)
]
Part = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_encodable)]
MaybeEmpty = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_encodable)]
Description = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300, pattern=r"\S"),
    AfterValidator(_encodable),
]


class Message(BaseModel):
    """Something in an edit."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SetPrompt(Message):
    """Write the prompt of a state anew."""

    op: Literal["set_prompt"] = "set_prompt"
    state: StateName
    prompt: Prompt


class ReplacePromptPart(Message):
    """Write a part of a prompt anew; the part stands in it exactly once."""

    op: Literal["replace_prompt_part"] = "replace_prompt_part"
    state: StateName
    old: Part
    new: MaybeEmpty


class Example(Message):
    """What is put in, and what should come out."""

    input: Part
    output: Part


class AddFewShot(Message):
    """Put examples below the prompt of a state."""

    op: Literal["add_few_shot"] = "add_few_shot"
    state: StateName
    examples: Annotated[list[Example], Field(min_length=1, max_length=5)]


class Parameters(Message):
    """Of a model; those that are left out stay as they are."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    num_predict: Annotated[int, Field(ge=1, le=8192)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None


class SetOptions(Message):
    """Set parameters of the model of a state."""

    op: Literal["set_options"] = "set_options"
    state: StateName
    options: Parameters


class SetModel(Message):
    """Ask another model in a state; without one, wherever a state says nothing. Models outside a list need a person."""

    op: Literal["set_model"] = "set_model"
    state: StateName | None = None
    model: Model


class SetSaveAs(Message):
    """Save what comes out of a state under a name; null saves it nowhere."""

    op: Literal["set_save_as"] = "set_save_as"
    state: StateName
    variable: Variable | None


class SetDefaultValue(Message):
    """Say what counts where a person answers nothing; null takes it away."""

    op: Literal["set_default_value"] = "set_default_value"
    state: StateName
    value: MaybeEmpty | None


class SetVariable(Message):
    """Give a variable of the file a value, or add one. Locked ones need a person."""

    op: Literal["set_variable"] = "set_variable"
    variable: Variable
    value: MaybeEmpty


class SetOptionDescription(Message):
    """Say anew when a way out of a state is taken."""

    op: Literal["set_option_description"] = "set_option_description"
    state: StateName
    to: StateName
    """Where the way leads."""
    description: Description


class Redirect(Message):
    """Lead a state to another one, or to `end`; of several ways the one that leads to `instead_of`."""

    op: Literal["redirect"] = "redirect"
    state: StateName
    to: StateName
    instead_of: StateName | None = None


class SetOnError(Message):
    """Say where it goes on when a state fails; without one, when any does. Null takes it away."""

    op: Literal["set_on_error"] = "set_on_error"
    state: StateName | None = None
    to: StateName | None


class NewOption(Message):
    """A way out of a new state."""

    state: StateName
    description: Description


class AddState(Message):
    """Add a state behind another one in the file. Nothing leads to it until `redirect` does."""

    op: Literal["add_state"] = "add_state"
    name: NewName
    type: Literal["prompt", "input", "transition", "decision"]
    prompt: Prompt | None = None
    save_as: Variable | None = None
    default_value: MaybeEmpty | None = None
    next: StateName | None = None
    next_options: Annotated[list[NewOption], Field(min_length=2, max_length=8)] | None = None
    on_error: StateName | None = None
    after: StateName | None = None
    """Last in the file without it."""


class RemoveState(Message):
    """Take a state out; what led to it leads to `instead`, or to where the state led."""

    op: Literal["remove_state"] = "remove_state"
    state: StateName
    instead: StateName | None = None


class RenameState(Message):
    """Call a state otherwise, wherever it is named in the file."""

    op: Literal["rename_state"] = "rename_state"
    state: StateName
    name: NewName


class SplitState(Message):
    """Make two prompt states of one: the first saves its answer for the second, which goes on where the state did."""

    op: Literal["split_state"] = "split_state"
    state: StateName
    first_prompt: Prompt
    first_save_as: Variable
    second_name: NewName
    second_prompt: Prompt


AnyEdit = Annotated[
    SetPrompt
    | ReplacePromptPart
    | AddFewShot
    | SetOptions
    | SetModel
    | SetSaveAs
    | SetDefaultValue
    | SetVariable
    | SetOptionDescription
    | Redirect
    | SetOnError
    | AddState
    | RemoveState
    | RenameState
    | SplitState,
    Field(discriminator="op"),
]


class Edits(Message):
    """What is changed, in order."""

    edits: Annotated[list[AnyEdit], Field(min_length=1, max_length=MAX_EDITS)]


OPS: dict[str, type[Message]] = {
    kind.model_fields["op"].default: kind
    for kind in (
        SetPrompt, ReplacePromptPart, AddFewShot, SetOptions, SetModel, SetSaveAs, SetDefaultValue,
        SetVariable, SetOptionDescription, Redirect, SetOnError, AddState, RemoveState, RenameState,
        SplitState,
    )
}  # fmt: skip


def schema(*names: str) -> dict[str, Any]:
    """Return the JSON schema of a list of edits; of some operations only, where they are named."""
    kinds = [OPS[name] for name in names or OPS]
    places, defs = models_json_schema([(kind, "validation") for kind in kinds])
    items = {"oneOf": [places[kind, "validation"] for kind in kinds]}
    edits = {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_EDITS}
    whole = {"type": "object", "properties": {"edits": edits}, "required": ["edits"]}
    return {**whole, "additionalProperties": False, "$defs": defs["$defs"]}

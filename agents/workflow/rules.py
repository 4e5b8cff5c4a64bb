"""Which keys a state may have, and which go together: the original's rules, each with the line that breaks it."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.workflow.problems import Place, Problem, Severity
from agents.workflow.shapes import STATE_TYPES, StateShape
from agents.workflow.yaml_source import Source

ASKS_A_MODEL = frozenset(
    {"prompt", "prompt_file", "save_as", "model", "options", "mcp_servers", "use_rag", "rag"}
    | {"files", "skills"}
)
MEANING: Mapping[str, frozenset[str]] = {
    "prompt": ASKS_A_MODEL | {"steps", "next", "next_options", "on_error"},
    "input": frozenset(
        {"prompt", "steps", "next", "save_as", "default_value", "on_error", "mcp_servers"}
    ),
    "transition": frozenset({"next", "on_error"}),
    "workflow_ref": frozenset({"workflow_ref", "next", "on_error"}),
    "decision": frozenset({"next_options", "model", "options", "on_error"}),
    "choice": frozenset({"prompt", "save_as", "choices", "on_error"}),
    "end": frozenset(),
}
"""Keys that do something in a state of a type, beside `type`."""
REFUSED: Mapping[str, frozenset[str]] = {
    "input": frozenset({"use_rag", "rag", "next_options", "prompt_file"}),
    "transition": frozenset({"use_rag", "rag", "steps", "next_options"}),
    "workflow_ref": frozenset({"use_rag", "rag", "steps", "next_options"}),
    "decision": frozenset({"prompt", "prompt_file", "steps", "next"}),
}
"""Keys that are an error there; other foreign keys do nothing and are warned about."""


def check_state(
    source: Source, state: StateShape, raw: Mapping[str, Any], place: Place
) -> Iterator[Problem]:
    """Find what breaks a rule in one state.

    Args:
        source: For the lines.
        state: The state, with values of the right types.
        raw: The same as it is written: which keys are there.
        place: Where it stands.
    """
    if state.type not in STATE_TYPES:
        known = ", ".join(STATE_TYPES[:5])
        message = f"is no type of state: there are {known}"
        yield source.problem("unknown-type", (*place, "type"), message)
        return
    yield from _foreign(source, state, raw, place)
    yield from _required(source, state, raw, place)
    yield from _together(source, raw, place)
    if state.type == "prompt" and "steps" in raw:
        for key in ("prompt", "prompt_file", "save_as"):
            if key in raw:
                message = "cannot stand beside `steps`: each step has its own"
                yield source.problem("excluded", (*place, key), message)
    yield from _lists(source, state, place)


def check_step(
    source: Source, kind: str, raw: Mapping[str, Any], place: Place
) -> Iterator[Problem]:
    """Find what breaks a rule in one entry of `steps`."""
    if not ("prompt" in raw or (kind == "prompt" and "prompt_file" in raw)):
        yield source.problem("missing", place, "a step needs a `prompt`")
    yield from _together(source, raw, place)
    for key in sorted(REFUSED.get(kind, frozenset()) & raw.keys()):
        message = f"cannot stand in a step of a state of type {kind}"
        yield source.problem("excluded", (*place, key), message)


def _foreign(
    source: Source, state: StateShape, raw: Mapping[str, Any], place: Place
) -> Iterator[Problem]:
    refused = REFUSED.get(state.type, frozenset())
    for key in raw:
        if key == "type" or key in MEANING[state.type] or key not in StateShape.model_fields:
            continue
        if key in refused:
            message = f"cannot stand in a state of type {state.type}"
            yield source.problem("excluded", (*place, key), message)
        else:
            message = f"does nothing in a state of type {state.type}"
            yield source.problem("no-effect", (*place, key), message, severity=Severity.WARNING)


def _required(
    source: Source, state: StateShape, raw: Mapping[str, Any], place: Place
) -> Iterator[Problem]:
    needed = {
        "prompt": ("prompt", "prompt_file", "steps"),
        "input": ("prompt", "steps"),
        "transition": ("next",),
        "workflow_ref": ("workflow_ref",),
        "decision": ("next_options",),
        "choice": ("choices",),
    }.get(state.type, ())
    if needed and not any(raw.get(key) is not None for key in needed):
        words = " or ".join(f"`{key}`" for key in needed)
        message = f"a state of type {state.type} needs {words}"
        yield source.problem("missing", place, message)


def _together(source: Source, raw: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    pairs = (("prompt", "prompt_file"), ("next", "next_options"), ("use_rag", "rag"))
    for first, second in pairs:
        if first in raw and second in raw:
            message = f"cannot stand beside `{first}`: one of the two"
            yield source.problem("excluded", (*place, second), message)


def _lists(source: Source, state: StateShape, place: Place) -> Iterator[Problem]:
    for key, what in (("steps", state.steps), ("next_options", state.next_options)):
        if what is not None and len(what) < 2:
            message = "needs two entries or more"
            yield source.problem("too-few", (*place, key), message)
    if state.choices is not None and not state.choices:
        yield source.problem("too-few", (*place, "choices"), "needs an entry")

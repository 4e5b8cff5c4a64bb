"""Recognise in which form a file is written, and bring its states into one: names, raw keys, and where they stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.workflow.fitting import fit
from agents.workflow.model import END, Dialect
from agents.workflow.parts import Reading
from agents.workflow.problems import Place, nearest
from agents.workflow.shapes import StateShape, TypedStepShape, WorkflowShape

TYPES = {"workflow": Dialect.TYPED_WORKFLOW, "agent": Dialect.TYPED_AGENT}


@dataclass(frozen=True)
class RawState:
    """A state as it is written, under the name it goes by."""

    name: str
    raw: Mapping[str, Any]
    place: Place


@dataclass(frozen=True)
class RawStates:
    """All states of a file, and where they begin."""

    dialect: Dialect
    start: str | None
    states: tuple[RawState, ...]


def recognise(reading: Reading, shape: WorkflowShape) -> RawStates:
    """Return the states of a file in whichever form it has; what does not fit goes to the problems."""
    if shape.type is not None and shape.type not in TYPES:
        message = "is no type of workflow: leave it out, or say workflow or agent"
        reading.complain("unknown-type", ("type",), message, nearest=nearest(shape.type, TYPES))
    steps_only = shape.steps is not None and shape.states is None
    if shape.type == "workflow" or (shape.type is None and steps_only):
        return _typed(reading, shape)
    if shape.steps is not None:
        message = "cannot stand beside `states`: one of the two"
        reading.complain("excluded", ("steps",), message)
    states = tuple(
        RawState(name, raw, ("states", name)) for name, raw in (shape.states or {}).items()
    )
    ended = {state.name for state in states if state.raw.get("type") == "end"}
    kept = tuple(state for state in states if state.name not in ended)
    if END in {state.name for state in kept}:
        message = "`end` is where a workflow is over, and no name for a state"
        reading.complain("reserved", ("states", END), message)
    legacy = bool(ended) or any(state.raw.get("type") == "choice" for state in kept)
    legacy = legacy or shape.use_rag is not None or bool(shape.rags)
    legacy = legacy or isinstance(shape.rag.get("directory"), str)
    dialect = Dialect.LEGACY if legacy else Dialect.MAIN
    if shape.type == "agent":
        dialect = Dialect.TYPED_AGENT
    _has_states(reading, shape, kept)
    start = END if shape.start_state in ended else shape.start_state
    return RawStates(dialect, start, tuple(_redirected(state, ended) for state in kept))


def _has_states(reading: Reading, shape: WorkflowShape, states: tuple[RawState, ...]) -> None:
    if not states and shape.start_state != END:
        reading.complain("missing", ("states",), "a workflow needs `states`")
    if shape.start_state is None:
        reading.complain("missing", (), "a workflow needs a `start_state`")


def _redirected(state: RawState, ended: set[str]) -> RawState:
    """Point at `end` what points at a state of type end."""
    if not ended:
        return state
    raw = dict(state.raw)
    for key in ("next", "on_error"):
        if raw.get(key) in ended:
            raw[key] = END
    for key, inner in (("next_options", "state"), ("choices", "next")):
        if isinstance(raw.get(key), list):
            raw[key] = [
                item | {inner: END} if isinstance(item, dict) and item.get(inner) in ended else item
                for item in raw[key]
            ]
    return RawState(state.name, raw, state.place)


def _typed(reading: Reading, shape: WorkflowShape) -> RawStates:
    """Return the steps of a `type: workflow` as states `step_0`, `step_1` …, each leading to the next."""
    for key in ("states", "start_state"):
        if key in reading.source.tree:
            message = "cannot stand in a file of `type: workflow`: its `steps` follow one another"
            reading.complain("excluded", (key,), message)
    steps = shape.steps or []
    if not steps:
        reading.complain("missing", ("steps",), "a file of `type: workflow` needs `steps`")
        return RawStates(Dialect.TYPED_WORKFLOW, None, ())
    states = tuple(
        RawState(
            f"step_{number}", dict(_as_state(reading, raw, number, len(steps))), ("steps", number)
        )
        for number, raw in enumerate(steps)
    )
    return RawStates(Dialect.TYPED_WORKFLOW, "step_0", states)


def _as_state(
    reading: Reading, raw: Mapping[str, Any], number: int, count: int
) -> Iterator[tuple[str, Any]]:
    place: Place = ("steps", number)
    # keys of a state are judged with the state
    known = StateShape.model_fields
    step = fit(reading.source, TypedStepShape, raw, place, reading.problems, known)
    if step is None:
        return
    _judge_step(reading, step, raw, place)
    own = {"next_step", "next_step_options"}
    yield from ((key, value) for key, value in raw.items() if key not in own)
    if step.next_step_options is not None:
        at: Place = (*place, "next_step_options")
        yield (
            "next_options",
            [
                {
                    "state": _step(reading, option.step, count, (*at, where)),
                    "description": option.description,
                }
                for where, option in enumerate(step.next_step_options)
            ],
        )
    elif step.next_step is not None:
        yield "next", _step(reading, step.next_step, count, (*place, "next_step"))
    else:
        yield "next", f"step_{number + 1}" if number + 1 < count else END


def _judge_step(
    reading: Reading, step: TypedStepShape, raw: Mapping[str, Any], place: Place
) -> None:
    if step.type not in {"prompt", "input"}:
        message = "is no type of step: there are prompt and input"
        reading.complain("unknown-type", (*place, "type"), message)
    for key in ("next", "next_options"):
        if key in raw:
            message = f"cannot stand in a step: here it is `{key.replace('next', 'next_step')}`"
            reading.complain("excluded", (*place, key), message)
    if "next_step_options" in raw and "next_step" in raw:
        message = "cannot stand beside `next_step`: one of the two"
        reading.complain("excluded", (*place, "next_step_options"), message)
    elif "next_step_options" in raw and step.type == "input":
        message = "cannot stand in a step of type input"
        reading.complain("excluded", (*place, "next_step_options"), message)


def _step(reading: Reading, step: int, count: int, place: Place) -> str:
    if step >= count:
        message = f"there is no step {step}: they are counted from 0 to {count - 1}"
        reading.complain("unknown-state", place, message)
        return END
    return f"step_{step}"

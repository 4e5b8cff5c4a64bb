"""States as they are written become states that can be run: steps laid out, prompts read, names looked up."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.workflow import model
from agents.workflow.dialects import RawState, RawStates
from agents.workflow.fitting import fit
from agents.workflow.model import END, Kind, State
from agents.workflow.parts import UNNAMED_RAG, Reading, rag_from, written
from agents.workflow.problems import Place, nearest
from agents.workflow.rules import check_state, check_step
from agents.workflow.shapes import FileShape, OptionShape, StateShape, StepShape

STEP_KEYS = tuple(StepShape.model_fields)


@dataclass(frozen=True)
class Reference:
    """A state that stands for the states of another file."""

    name: str
    place: Place
    written: str
    next: str
    on_error: str | None


@dataclass(frozen=True)
class Around:
    """What a state can name."""

    states: frozenset[str]
    """After steps are laid out, with `end`."""
    servers: frozenset[str]
    rags: Mapping[str, model.Rag]
    skills: frozenset[str]
    use_rag: bool
    """Legacy: the RAG without name goes with each prompt that says nothing else."""


def expanded_names(raw: RawState) -> Iterator[str]:
    """Yield the names that a state has once its steps are laid out."""
    yield raw.name
    steps = raw.raw.get("steps")
    if isinstance(steps, list):
        yield from (f"{raw.name}_step_{number}" for number in range(1, len(steps)))


def build(reading: Reading, raws: RawStates, around: Around) -> list[State | Reference]:
    """Return all states in the order of the file; what breaks a rule goes to the problems."""
    taken: set[str] = set()
    built: list[State | Reference] = []
    for raw in raws.states:
        for name in expanded_names(raw):
            if name in taken:
                message = f"steps would be named “{name}”, which another state is called"
                reading.complain("name-taken", raw.place, message)
            taken.add(name)
        built.extend(_built(reading, raw, around))
    return built


def _built(reading: Reading, raw: RawState, around: Around) -> Iterator[State | Reference]:
    shape = fit(reading.source, StateShape, raw.raw, raw.place, reading.problems)
    if shape is None:
        return
    found = list(check_state(reading.source, shape, raw.raw, raw.place))
    reading.problems.extend(found)
    if any(problem.code == "unknown-type" for problem in found):
        return
    _names_exist(reading, shape, raw, around)
    if shape.type == "workflow_ref":
        if shape.workflow_ref is not None:
            yield Reference(
                raw.name, raw.place, shape.workflow_ref, shape.next or END, shape.on_error
            )
        return
    if shape.steps:
        yield from _laid_out(reading, shape, raw, around)
        return
    yield _state(reading, shape, raw.name, raw.place, around)


def _laid_out(
    reading: Reading, shape: StateShape, raw: RawState, around: Around
) -> Iterator[State]:
    """Yield the steps of a state as states; what a step does not say, the state says for it."""
    names = list(expanded_names(raw))
    for number, (name, step) in enumerate(zip(names, shape.steps or (), strict=True)):
        place: Place = (*raw.place, "steps", number)
        own = raw.raw["steps"][number]
        reading.problems.extend(check_step(reading.source, shape.type, own, place))
        inherited = {
            key: getattr(shape, key)
            for key in STEP_KEYS
            if key not in own and key not in {"prompt", "prompt_file", "save_as"}
        }
        if "rag" in own or "use_rag" in own:
            inherited = {key: inherited[key] for key in inherited.keys() - {"rag", "use_rag"}}
        last = number == len(names) - 1
        whole = StateShape.model_construct(
            **{key: getattr(step, key) for key in STEP_KEYS} | inherited,
            type=shape.type,
            steps=None,
            next=shape.next if last else names[number + 1],
            # the original drops them without a word
            next_options=shape.next_options if last else None,
            on_error=shape.on_error,
            workflow_ref=None,
            choices=None,
        )
        yield _state(reading, whole, name, place, around)


def _state(reading: Reading, shape: StateShape, name: str, place: Place, around: Around) -> State:
    kind = Kind(shape.type)
    prompt = shape.prompt
    if shape.prompt_file is not None and kind is Kind.PROMPT:
        prompt = reading.text_of(shape.prompt_file, (*place, "prompt_file"))
    return State(
        name=name,
        kind=kind,
        file=reading.source.name,
        place=place,
        line=reading.source.line(place),
        prompt=prompt,
        prompt_file=shape.prompt_file,
        next=shape.next or END,
        options=_options(shape.next_options),
        choices=tuple(
            model.Choice(
                choice.label,
                choice.label if choice.value is None else written(choice.value),
                choice.next,
            )
            for choice in shape.choices or ()
        ),
        save_as=shape.save_as,
        model=shape.model,
        parameters=shape.options or {},
        servers=tuple(shape.mcp_servers),
        rag=_rag(reading, shape, place, around) if kind is Kind.PROMPT else None,
        files=tuple(
            model.Attached(file.path, file.optional)
            if isinstance(file, FileShape)
            else model.Attached(file)
            for file in shape.files
        ),
        base_dir=reading.base_dir,
        default_value=None if shape.default_value is None else written(shape.default_value),
        on_error=shape.on_error,
        skills=None if shape.skills is None else tuple(shape.skills),
    )


def _options(shapes: list[OptionShape] | None) -> tuple[model.Option, ...]:
    return tuple(model.Option(shape.state, shape.description) for shape in shapes or ())


def _rag(reading: Reading, shape: StateShape, place: Place, around: Around) -> model.Rag | None:
    if shape.rag is not None:
        return rag_from(reading, "inline", shape.rag, (*place, "rag"))
    if shape.use_rag is True or (shape.use_rag is None and around.use_rag):
        return around.rags.get(UNNAMED_RAG)
    return around.rags.get(shape.use_rag) if isinstance(shape.use_rag, str) else None


def _names_exist(reading: Reading, shape: StateShape, raw: RawState, around: Around) -> None:
    for place, name in _targets(raw):
        if name not in around.states:
            message = f"there is no state “{name}”"
            meant = nearest(name, around.states)
            reading.complain("unknown-state", place, message, nearest=meant)
    for place, part in ((raw.place, shape), *_steps(shape, raw)):
        _parts_exist(reading, part, place, around)


def _steps(shape: StateShape, raw: RawState) -> Iterator[tuple[Place, StepShape]]:
    for number, step in enumerate(shape.steps or ()):
        yield (*raw.place, "steps", number), step


def _targets(raw: RawState) -> Iterator[tuple[Place, str]]:
    for key in ("next", "on_error"):
        if isinstance(raw.raw.get(key), str):
            yield (*raw.place, key), raw.raw[key]
    for key, inner in (("next_options", "state"), ("choices", "next")):
        entries: Any = raw.raw.get(key)
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, Mapping) and isinstance(entry.get(inner), str):
                yield (*raw.place, key, number, inner), entry[inner]


def _parts_exist(reading: Reading, part: StepShape, place: Place, around: Around) -> None:
    for number, name in enumerate(part.mcp_servers):
        if name not in around.servers:
            message = f"there is no server “{name}” under `mcp_servers`"
            meant = nearest(name, around.servers)
            reading.complain(
                "unknown-server", (*place, "mcp_servers", number), message, nearest=meant
            )
    wanted = UNNAMED_RAG if part.use_rag is True else part.use_rag
    if isinstance(wanted, str) and wanted not in around.rags:
        message = f"there is no RAG “{wanted}” under `rag`" if wanted else "there is no `rag`"
        meant = nearest(wanted, around.rags)
        reading.complain("unknown-rag", (*place, "use_rag"), message, nearest=meant)
    for number, name in enumerate(part.skills or ()):
        if name not in around.skills:
            message = f"there is no skill “{name}” under `skills`"
            meant = nearest(name, around.skills)
            reading.complain("unknown-skill", (*place, "skills", number), message, nearest=meant)

"""Load a workflow: any dialect in, one form out, every problem with its line.

    loaded = load(Path("simple-qa.yaml"))
    loaded.workflow.states["ask_question"].prompt
    for warning in loaded.warnings: ...

`load` raises `WorkflowError` with every problem at once where a file cannot be run.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from agents.workflow import parts, states
from agents.workflow.dialects import recognise
from agents.workflow.fitting import fit
from agents.workflow.model import DEFAULT_MODEL, END, State, Workflow
from agents.workflow.parts import Reading
from agents.workflow.problems import Problem, Severity, WorkflowError, has_errors, nearest
from agents.workflow.reach import NotFound, Reach
from agents.workflow.references import entry, take_in
from agents.workflow.shapes import WorkflowShape
from agents.workflow.states import Around, Reference
from agents.workflow.yaml_source import Source, parse, read

MAX_STATES = 500
"""After files that are referred to are taken in: these can refer on, and grow fast."""


@dataclass(frozen=True)
class Loaded:
    """A workflow that can be run, and what was odd about its file."""

    workflow: Workflow
    source: Source
    warnings: tuple[Problem, ...]


def load(path: Path, reach: Reach | None = None, *, name: str | None = None) -> Loaded:
    """Read and check a workflow file, and those that it refers to.

    Args:
        path: The file.
        reach: Where files that it names may lie; None looks beside it and in the current directory.
        name: What the file is called in messages; its path without this.

    Raises: WorkflowError: it cannot be run.
    """
    return load_source(read(path, name), path, reach or Reach(cwd=Path.cwd()))


def load_text(text: str, path: Path, reach: Reach, *, name: str | None = None) -> Loaded:
    """Load a text as if it stood in a file, which need not exist.

    Raises: WorkflowError: it cannot be run.
    """
    return load_source(parse(text, name or str(path)), path, reach)


def load_source(source: Source, path: Path, reach: Reach) -> Loaded:
    """Load what was parsed already.

    Raises: WorkflowError: it cannot be run.
    """
    problems: list[Problem] = []
    reading = Reading(source, path.absolute(), reach, problems)
    workflow = _workflow(reading, (reading.file.resolve(),))
    known = list(dict.fromkeys(problems))
    errors = [problem for problem in known if problem.severity is Severity.ERROR]
    if errors or workflow is None:
        raise WorkflowError(sorted(known, key=_order))
    return Loaded(workflow, source, tuple(sorted(known, key=_order)))


def _order(problem: Problem) -> tuple[bool, str, int]:
    return problem.severity is not Severity.ERROR, problem.file, problem.line


def _workflow(reading: Reading, stack: tuple[Path, ...]) -> Workflow | None:
    shape = fit(reading.source, WorkflowShape, reading.source.tree, (), reading.problems)
    if shape is None:
        return None
    rags = parts.rags(reading, shape)
    servers = parts.servers(reading, shape)
    skills = parts.skills(reading, shape)
    raws = recognise(reading, shape)
    names = frozenset(name for raw in raws.states for name in states.expanded_names(raw)) | {END}
    around = Around(
        states=names,
        servers=frozenset(shape.mcp_servers) | frozenset(shape.tools),
        rags=rags,
        skills=frozenset(skills),
        use_rag=bool(shape.use_rag),
    )
    built = states.build(reading, raws, around)
    for place, target in ((("start_state",), raws.start), (("on_error",), shape.on_error)):
        if target is not None and target not in names:
            message = f"there is no state “{target}”"
            reading.complain("unknown-state", place, message, nearest=nearest(target, names))
    workflow = Workflow(
        name=shape.name,
        description=shape.description or "",
        file=reading.file,
        dialect=raws.dialect,
        start=raws.start or END,
        states={},
        default_model=shape.default_model or DEFAULT_MODEL,
        variables=parts.variables(reading, shape),
        servers=servers,
        rags=rags,
        skills=skills,
        on_error=shape.on_error,
    )
    said = shape.default_model is not None
    return _with_states(reading, workflow, built, stack, model_said=said)


def _with_states(
    reading: Reading,
    workflow: Workflow,
    built: Iterable[State | Reference],
    stack: tuple[Path, ...],
    *,
    model_said: bool,
) -> Workflow:
    """Return the workflow with its states, and with those of the files it refers to."""
    found: list[State] = []
    for state in built:
        if isinstance(state, State):
            # a handler does not handle its own failure: that would never end
            fallback = None if state.name == workflow.on_error else workflow.on_error
            found.append(replace(state, on_error=state.on_error or fallback))
            continue
        at = entry(state, reading.source.name, reading.source.line(state.place))
        child = _child(reading, state, stack)
        if child is None or has_errors(reading.problems):
            found.append(at)
            continue
        if state.on_error is None:
            state = replace(state, on_error=workflow.on_error)
        taken = take_in(state, child, at)
        found.extend(taken.states)
        workflow = replace(
            workflow,
            default_model=workflow.default_model if model_said else child.default_model,
            servers={**child.servers, **workflow.servers},
            rags={**child.rags, **workflow.rags},
            skills={**child.skills, **workflow.skills},
            variables={**child.variables, **workflow.variables},
        )
    by_name = {state.name: state for state in found}
    if len(by_name) < len(found) and not has_errors(reading.problems):
        message = "states of the file it refers to have names that are taken"
        reading.complain("name-taken", ("states",), message)
    if len(found) > MAX_STATES:
        message = f"has {len(found)} states with the files it refers to; {MAX_STATES} are allowed"
        reading.complain("too-large", ("states",), message)
    return replace(workflow, states=by_name)


def _child(reading: Reading, reference: Reference, stack: tuple[Path, ...]) -> Workflow | None:
    place = (*reference.place, "workflow_ref")
    try:
        path = reading.reach.find(reference.written, reading.base_dir)
    except NotFound as error:
        reading.complain("no-file", place, str(error))
        return None
    if path in stack:
        names = " → ".join(file.name for file in (*stack[stack.index(path) :], path))
        reading.complain("circle", place, f"files refer to each other in a circle: {names}")
        return None
    try:
        source = read(path, reference.written)
    except WorkflowError as error:
        reading.problems.extend(error.problems)
        return None
    below = Reading(source, path, reading.reach, reading.problems)
    return _workflow(below, (*stack, path))

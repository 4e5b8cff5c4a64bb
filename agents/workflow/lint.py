"""Find what is allowed in a workflow and yet hardly meant: by its graph and its names, without asking any model.

Every finding is a warning. What breaks a rule of the format is an error of `load`, and never comes this far.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

from agents.workflow import flow
from agents.workflow.load import Loaded
from agents.workflow.model import END, RUN_DIRECTORY, Kind, State, Workflow
from agents.workflow.overlap import overlap
from agents.workflow.parts import UNNAMED_RAG
from agents.workflow.placeholders import spaced
from agents.workflow.problems import Place, Problem, Severity, nearest, shown
from agents.workflow.yaml_source import Source

CODES = {
    "unreachable": "no path leads to the state",
    "no-path-to-end": "from the state on, `end` cannot be reached",
    "endless-loop": "states that lead only to each other",
    "error-circle": "states that handle each other's failure",
    "never-written": "a name in double braces that nothing gives a value to",
    "read-before-write": "a path leads to the state on which the name has no value yet",
    "spaced-placeholder": "blanks inside double braces, so no value is put in",
    "never-read": "what a state saves is used nowhere, and the run goes on after it",
    "unused-variable": "a variable that no prompt, default or path uses",
    "similar-options": "all that one way out says is said by another one too",
    "no-on-error": "a state with tools, and nothing is said for when they fail",
    "unused-server": "a server that no state names",
    "unused-rag": "a RAG that no state uses",
    "unused-skill": "a skill that no state can use",
}
"""Every code with what it means; docs/workflow-tests.md says when that is all right."""


def lint(loaded: Loaded, ignore: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return what is found in a workflow, in the order of the lines.

    Args:
        loaded: The workflow, with its source.
        ignore: Codes that are left out.
    """
    left_out = frozenset(ignore)
    workflow, source = loaded.workflow, loaded.source
    found = [
        *_graph(workflow, source),
        *_names(workflow, source),
        *_unread(workflow, source),
        *_options(workflow, source),
        *_tools(workflow, source),
        *_unused(workflow, source),
        *_unused_skills(workflow, source),
    ]
    kept = dict.fromkeys(problem for problem in found if problem.code not in left_out)
    return tuple(sorted(kept, key=lambda problem: (problem.file != source.name, problem.line)))


def _at(source: Source, state: State, code: str, message: str, *below: str | int) -> Problem:
    """Return a finding in a state, also in one of a file that the workflow refers to."""
    place: Place = (*state.place, *below)
    line = source.line(place) if state.file == source.name else state.line
    return Problem(code, state.file, line, place, message, Severity.WARNING)


def _graph(workflow: Workflow, source: Source) -> Iterator[Problem]:
    reachable = flow.reachable(workflow)
    for name, state in workflow.states.items():
        if name not in reachable:
            yield _at(source, state, "unreachable", "no state leads here, so it is never entered")
    ends = flow.ending(workflow, failing=True)
    loops = [loop for loop in flow.closed_loops(workflow) if loop[0] in reachable]
    looping = {name for loop in loops for name in loop}
    for name in _traps(workflow, reachable, ends):
        if name not in looping:
            message = "from here on nothing leads to `end`"
            yield _at(source, workflow.states[name], "no-path-to-end", message)
    for loop in loops:
        names = " → ".join(shown(name) for name in (*loop, loop[0]))
        failing = any(name in ends for name in loop)
        message = "is left only when something fails" if failing else "is never left"
        message = f"the loop {names} {message}: say in `next_options` when it is over"
        yield _at(source, workflow.states[loop[0]], "endless-loop", message)
    for circle in flow.error_circles(workflow):
        names = " → ".join(shown(name) for name in (*circle, circle[0]))
        message = f"when all of them fail, this goes on for ever: {names}"
        first = workflow.states[circle[0]]
        if first.name in reachable:
            yield _at(source, first, "error-circle", message, "on_error")


def _traps(workflow: Workflow, reachable: Iterable[str], ends: frozenset[str]) -> Iterator[str]:
    """Yield where runs lose their way to `end`: not each state of the dead end, only the first."""
    entered = {workflow.start} | {
        way.to
        for name in reachable
        if name in ends and (state := workflow.states.get(name)) is not None
        for way in flow.ways(state)
    }
    yield from (name for name in workflow.states if name in entered and name not in ends)


def _names(workflow: Workflow, source: Source) -> Iterator[Problem]:
    writers = {flow.writes(state) for state in workflow.states.values()} - {None}
    known = {*writers, *workflow.variables, RUN_DIRECTORY}
    reachable = flow.reachable(workflow)
    without = {name: flow.entered_without(workflow, name) for name in writers if name}
    for state in workflow.states.values():
        for name, key in flow.reads(state):
            if name not in known:
                message = f"nothing gives “{shown(name)}” a value, so the braces stay in the text"
                meant = nearest(name, sorted(word for word in known if word))
                problem = _at(source, state, "never-written", message, key)
                yield replace(problem, nearest=meant)
            elif state.name in reachable and state.name in without.get(name, {}):
                path = _shown_path(flow.path_to(state.name, without[name]))
                message = f"“{shown(name)}” has no value here on the path {path}"
                yield _at(source, state, "read-before-write", message, key)
        for name in spaced(state.prompt or ""):
            if name in known:
                message = f"write “{{{{{name}}}}}” without blanks, or it stays in the text"
                yield _at(source, state, "spaced-placeholder", message, "prompt")


def _shown_path(path: tuple[str, ...]) -> str:
    names = [shown(name) for name in path]
    return " → ".join(names if len(names) <= 6 else [*names[:2], "…", *names[-3:]])


def _unread(workflow: Workflow, source: Source) -> Iterator[Problem]:
    states = workflow.states.values()
    if any(state.kind is Kind.DECISION for state in states):
        return  # it sees all that is known
    used = {name for state in states for name, _ in flow.reads(state)}
    results = {flow.writes(state) for state in states if END in state.leads_to()}
    reachable = flow.reachable(workflow)
    for state in states:
        name = flow.writes(state)
        if state.file != source.name or state.name not in reachable:
            continue  # what a referred file saves is for whoever refers to it
        if name is not None and name not in used and name not in results:
            message = f"“{shown(name)}” is used nowhere after this"
            yield _at(source, state, "never-read", message, "save_as")
    for name in source.tree.get("variables") or {}:
        if name not in used:
            message = "no prompt, default or path uses it"
            yield _of_file(source, "unused-variable", ("variables", name), message)


def _options(workflow: Workflow, source: Source) -> Iterator[Problem]:
    for state in workflow.states.values():
        key = "next_step_options" if state.place[0] == "steps" else "next_options"
        for (_, one), (number, other) in combinations(enumerate(state.options), 2):
            if one.state != other.state and overlap(one.description, other.description):
                message = (
                    f"a model can hardly tell this from the way to “{shown(one.state)}”: "
                    f"“{shown(one.description)}”, “{shown(other.description)}”"
                )
                below = () if "_step_" in state.name and "steps" in state.place else (key, number)
                yield _at(source, state, "similar-options", message, *below)


def _tools(workflow: Workflow, source: Source) -> Iterator[Problem]:
    for state in workflow.states.values():
        if state.servers and state.kind is Kind.PROMPT and state.on_error is None:
            message = "tools fail; without `on_error` the whole run fails with them"
            yield _at(source, state, "no-on-error", message, "mcp_servers")


def _unused(workflow: Workflow, source: Source) -> Iterator[Problem]:
    states = [state for state in workflow.states.values() if state.kind is Kind.PROMPT]
    servers = {name for state in states for name in state.servers}
    for key in ("mcp_servers", "tools"):
        for name in source.tree.get(key) or {}:
            if name not in servers:
                yield _of_file(source, "unused-server", (key, name), "no state names this server")
    rags = {state.rag.name for state in states if state.rag is not None}
    for name, rag in workflow.rags.items():
        if name not in rags and rag.base_dir == workflow.file.parent:
            place = _rag_place(source, name)
            if place is not None:
                yield _of_file(source, "unused-rag", place, "no state uses this RAG")


def _unused_skills(workflow: Workflow, source: Source) -> Iterator[Problem]:
    states = [state for state in workflow.states.values() if state.kind is Kind.PROMPT]
    if any(state.skills is None for state in states):
        return  # a model picks among all that there are
    wanted = {name for state in states for name in state.skills or ()}
    for name in workflow.skills:
        group = name.partition(".")[0]
        if name not in wanted and group in (source.tree.get("skills") or {}):
            message = f"no state has the skill “{shown(name)}”"
            yield _of_file(source, "unused-skill", ("skills", group), message)


def _rag_place(source: Source, name: str) -> Place | None:
    if name == UNNAMED_RAG:
        return ("rag",) if "rag" in source.tree else None
    for key in ("rags", "rag"):
        if name in (source.tree.get(key) or {}):
            return (key, name)
    return None


def _of_file(source: Source, code: str, place: Place, message: str) -> Problem:
    return source.problem(code, place, message, severity=Severity.WARNING)

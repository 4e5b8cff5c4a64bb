"""Where a workflow can go: its states as a graph, the loops in it, and which names have a value where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agents.workflow.model import END, RUN_DIRECTORY, Kind, State, Workflow
from agents.workflow.placeholders import used

WRITES = frozenset({Kind.PROMPT, Kind.INPUT, Kind.CHOICE})


@dataclass(frozen=True)
class Way:
    """One way from a state to the next."""

    to: str
    failing: bool
    """It is taken when the state fails, so that nothing was saved."""


def ways(state: State) -> Iterator[Way]:
    """Yield the ways out of a state; a transition does nothing that could fail."""
    yield from (Way(to, failing=False) for to in state.leads_to())
    if state.on_error is not None and state.kind is not Kind.TRANSITION:
        yield Way(state.on_error, failing=True)


def writes(state: State) -> str | None:
    """Return the name that gets a value in a state."""
    return state.save_as if state.kind in WRITES else None


def reads(state: State) -> Iterator[tuple[str, str]]:
    """Yield the names that a state uses, each with the key in whose text it stands."""
    prompt = "prompt" if state.prompt_file is None else "prompt_file"
    texts = [(prompt, state.prompt), ("default_value", state.default_value)]
    texts.extend(("files", file.path) for file in state.files)
    seen: set[str] = set()
    for key, text in texts:
        for name in used(text or ""):
            if name not in seen:
                seen.add(name)
                yield name, key


def reachable(workflow: Workflow) -> frozenset[str]:
    """Return the states that a run can enter, and `end` where it can come to that."""
    return _from(workflow, workflow.start, failing=True)


def ending(workflow: Workflow, *, failing: bool) -> frozenset[str]:
    """Return the states from which `end` can be reached.

    Args:
        workflow: The states.
        failing: Count what happens when a state fails as a way.
    """
    found = {END}
    while True:
        more = {
            name
            for name, state in workflow.states.items()
            if name not in found
            and any(way.to in found for way in ways(state) if failing or not way.failing)
        }
        if not more:
            return frozenset(found)
        found |= more


def closed_loops(workflow: Workflow) -> list[tuple[str, ...]]:
    """Return the loops that no run leaves unless something fails, each in the order of the file."""
    ends = ending(workflow, failing=False)
    inside = {
        name: _from(workflow, name, failing=False) for name in workflow.states if name not in ends
    }
    loops = {
        below for name, below in inside.items() if all(name in inside[other] for other in below)
    }
    return [
        tuple(name for name in workflow.states if name in loop)
        for loop in sorted(loops, key=lambda loop: [name in loop for name in workflow.states])
    ]


def error_circles(workflow: Workflow) -> list[tuple[str, ...]]:
    """Return the circles in which each state handles the failure of the one before it."""
    found: dict[frozenset[str], tuple[str, ...]] = {}
    for start in workflow.states:
        path: list[str] = []
        name: str | None = start
        while name is not None and name != END and name not in path:
            path.append(name)
            handlers = [way.to for way in ways(workflow.states[name]) if way.failing]
            name = handlers[0] if handlers else None
        if name in path:
            circle = tuple(path[path.index(name) :])
            found.setdefault(frozenset(circle), circle)
    return list(found.values())


def entered_without(workflow: Workflow, name: str) -> Mapping[str, str | None]:
    """Return the states that can be entered while a name has no value yet, each with the one before it on the way."""
    if name == RUN_DIRECTORY or name in workflow.variables:
        return {}
    before: dict[str, str | None] = {workflow.start: None}
    waiting = [workflow.start]
    for current in waiting:
        state = workflow.states.get(current)
        if state is None:
            continue
        for way in ways(state):
            if way.to not in before and (way.failing or writes(state) != name):
                before[way.to] = current
                waiting.append(way.to)
    return before


def path_to(state: str, before: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return a shortest way from the start to a state, by the ones before it."""
    path: list[str] = []
    current: str | None = state
    while current is not None:
        path.append(current)
        current = before[current]
    return tuple(reversed(path))


def _from(workflow: Workflow, start: str, *, failing: bool) -> frozenset[str]:
    found = {start}
    waiting = [start]
    for name in waiting:
        state = workflow.states.get(name)
        for way in ways(state) if state else ():
            if way.to not in found and (failing or not way.failing):
                found.add(way.to)
                waiting.append(way.to)
    return frozenset(found)

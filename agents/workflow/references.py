"""States that stand for another file: its states are taken in, and where it ends the file that refers goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agents.workflow.model import END, Choice, Kind, Option, State, Workflow
from agents.workflow.states import Reference


@dataclass(frozen=True)
class TakenIn:
    """What a file brings along for the one that refers to it."""

    states: tuple[State, ...]
    child: Workflow


def take_in(reference: Reference, child: Workflow, at: State) -> TakenIn:
    """Return the states of a file under names of their own, `<state>_ref_<its name>`.

    Its `end` is where the referring state goes next; what fails in it and is handled nowhere goes where the referring
    state says.

    Args:
        reference: The state that refers.
        child: The file that it refers to.
        at: The referring state itself as a transition, for its name and line.
    """
    names = {name: f"{reference.name}_ref_{name}" for name in child.states}
    names[END] = reference.next
    begins = replace(at, next=names[child.start])
    inside = tuple(_renamed(state, names, reference) for state in child.states.values())
    return TakenIn((begins, *inside), child)


def _renamed(state: State, names: Mapping[str, str], reference: Reference) -> State:
    on_error = reference.on_error if state.on_error is None else names[state.on_error]
    return replace(
        state,
        name=names[state.name],
        next=names[state.next],
        options=tuple(Option(names[way.state], way.description) for way in state.options),
        choices=tuple(Choice(way.label, way.value, names[way.next]) for way in state.choices),
        on_error=on_error,
    )


def entry(reference: Reference, file: str, line: int) -> State:
    """Return the referring state as a transition, which leads into the file once that is known."""
    return State(
        name=reference.name,
        kind=Kind.TRANSITION,
        file=file,
        place=reference.place,
        line=line,
        next=END,
        on_error=reference.on_error,
    )
